//! Files made on behalf of another: whose they are, and whose permission is asked.

use anchorite_fs::{
    Access, Caller, Change, Credentials, Errno, FileType, Inode, Limits, New, Owner, Ramdisk,
    Timestamp,
};

const LIMITS: Limits = Limits { size_bytes: 1 << 20, inodes: 100 };

fn caller(credentials: &Credentials) -> Caller<'_> {
    Caller::new(credentials, Timestamp::new(1, 2))
}

#[test]
fn a_file_made_for_another_is_the_others() {
    let root = Credentials::default();
    let ramdisk = Ramdisk::new(&caller(&root), 0o700, LIMITS, 1, 2).unwrap();
    let owner = Owner { uid: 7, gid: 8 };
    for (name, new) in [
        ("file", New::Regular),
        ("directory", New::Directory),
        ("link", New::Symlink(b"target")),
        ("fifo", New::Node(FileType::Fifo, 0)),
    ] {
        let made =
            Inode::create_for(ramdisk.root(), &caller(&root), owner, name.as_bytes(), new, 0o4751);
        let attributes = made.unwrap().attributes();
        assert_eq!((attributes.uid, attributes.gid), (7, 8), "{name}");
        assert_eq!(attributes.mode, 0o4751, "{name}");
    }
}

#[test]
fn the_callers_permission_counts_not_the_owners() {
    let (root, user) = (Credentials::default(), Credentials { uid: 7, gid: 8, groups: vec![] });
    let ramdisk = Ramdisk::new(&caller(&root), 0o755, LIMITS, 1, 2).unwrap();
    let make = |who: &Credentials, owner| {
        let made =
            Inode::create_for(ramdisk.root(), &caller(who), owner, b"file", New::Regular, 0o600);
        made.map(drop)
    };
    assert_eq!(make(&user, Owner { uid: 0, gid: 0 }), Err(Errno::EACCES));
    assert_eq!(make(&root, Owner { uid: 7, gid: 8 }), Ok(()));
    let file = ramdisk.root().lookup(&caller(&user), b"file").unwrap();
    assert_eq!(file.check(&caller(&user), Access::READ | Access::WRITE), Ok(()));
}

#[test]
fn a_set_group_id_directory_hands_its_group_down_all_the_same() {
    let root = Credentials::default();
    let ramdisk = Ramdisk::new(&caller(&root), 0o2777, LIMITS, 1, 2).unwrap();
    ramdisk.root().change(&caller(&root), Change::Owner(None, Some(50))).unwrap();
    let owner = Owner { uid: 7, gid: 8 };
    for (name, new, mode) in [("d", New::Directory, 0o2755), ("f", New::Regular, 0o755)] {
        let made =
            Inode::create_for(ramdisk.root(), &caller(&root), owner, name.as_bytes(), new, 0o755);
        let attributes = made.unwrap().attributes();
        assert_eq!((attributes.uid, attributes.gid, attributes.mode), (7, 50, mode), "{name}");
    }
}

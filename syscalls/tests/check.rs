//! The checker over a process: what it holds without a name is balanced to the inode.

use anchorite_syscalls::{System, api};
use host_fs_sim::worlds::{ROOMY, assert_whole, system};

const RW: i32 = libc::O_RDWR | libc::O_CREAT;

fn orphans(system: &System) -> (u64, u64) {
    assert_whole(system);
    let report = system.check().unwrap();
    assert_eq!(report.inodes(), system.usage().inodes, "{report}");
    (report.orphans, report.pages)
}

#[test]
fn what_lives_without_a_name_is_counted_until_it_is_let_go() {
    let sys = system(ROOMY);
    assert_eq!(orphans(&sys), (0, 0));
    // A file that is open twice, by a duplicate too.
    let file = sys.open(b"/f", RW, 0o644).unwrap();
    sys.write(file, &[1; 9000]).unwrap();
    sys.dup(file).unwrap();
    sys.unlink(b"/f").unwrap();
    assert_eq!(orphans(&sys), (1, 3));
    // A file that never had a name, and one of which there is only a path.
    sys.open(b"/", libc::O_RDWR | libc::O_TMPFILE, 0o600).unwrap();
    sys.close(sys.creat(b"/g", 0o600).unwrap()).unwrap();
    let path = sys.open(b"/g", libc::O_PATH, 0).unwrap();
    sys.unlink(b"/g").unwrap();
    assert_eq!(orphans(&sys), (3, 3));
    // A removed working directory, whose removed parents it holds.
    api::create_dir_all(&sys, "/a/b/c").unwrap();
    sys.chdir(b"/a/b/c").unwrap();
    for dir in [&b"/a/b/c"[..], b"/a/b", b"/a"] {
        sys.rmdir(dir).unwrap();
    }
    assert_eq!(orphans(&sys), (6, 3));
    sys.chdir(b"/").unwrap();
    assert_eq!(orphans(&sys), (3, 3));
    sys.close(path).unwrap();
    sys.close_range(3, u32::MAX, 0).unwrap();
    assert_eq!(orphans(&sys), (0, 0));
}

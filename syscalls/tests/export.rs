//! A tree written out as an archive: what is in it, and that it makes the same tree again.

use anchorite_syscalls::api::{self, File};
use anchorite_syscalls::archive::{Entry, Kind, Reader};
use anchorite_syscalls::{Errno, ExportError, Exported, OnDamage, System};
use host_fs_sim::worlds::{ROOMY, assert_whole, system};

fn export(sys: &System, dir: &str) -> Result<(Vec<u8>, Exported), ExportError> {
    let mut archive = Vec::new();
    let done = sys.export(dir.as_bytes(), &mut |bytes| {
        archive.extend_from_slice(bytes);
        Ok(())
    })?;
    Ok((archive, done))
}

fn entries(archive: &[u8]) -> Vec<Entry<'_>> {
    Reader::new(archive).unwrap().collect::<Result<_, _>>().unwrap()
}

fn paths(archive: &[u8]) -> Vec<String> {
    entries(archive).iter().map(|entry| entry.path.escape_ascii().to_string()).collect()
}

/// An archive by cpio of files without content.
fn cpio(rows: &[(&str, u32, (u32, u32))]) -> Vec<u8> {
    let mut archive = Vec::new();
    for (name, mode, (major, minor)) in rows {
        let fields = [0, *mode, 0, 0, 1, 0, 0, 0, 0, *major, *minor, name.len() as u32 + 1, 0];
        archive.extend_from_slice(b"070701");
        archive.extend(fields.iter().flat_map(|field| format!("{field:08x}").into_bytes()));
        archive.extend_from_slice(name.as_bytes());
        archive.push(0);
        archive.resize(archive.len().next_multiple_of(4), 0);
    }
    archive
}

/// A tree with a file of each kind.
fn tree() -> System {
    let sys = system(ROOMY);
    let time = |tv_sec, tv_nsec| libc::timespec { tv_sec, tv_nsec };
    sys.mkdir(b"/d", 0o700).unwrap();
    sys.mkdir(b"/d/empty", 0o1777).unwrap();
    api::write(&sys, "/d/small", b"content").unwrap();
    api::write(&sys, "/d/large", vec![b'l'; 200_000]).unwrap();
    api::write(&sys, "/d/none", b"").unwrap();
    sys.link(b"/d/small", b"/d/empty/hard").unwrap();
    sys.symlink(b"../d/small", b"/d/link").unwrap();
    let nodes = cpio(&[
        ("fifo", libc::S_IFIFO | 0o622, (0, 0)),
        ("device", libc::S_IFBLK | 0o660, (259, 70_000)),
        ("socket", libc::S_IFSOCK | 0o777, (0, 0)),
        ("TRAILER!!!", 0, (0, 0)),
    ]);
    sys.preload(b"/d", Box::new(nodes), OnDamage::Stop).unwrap();
    let sparse = sys.open(b"/d/sparse", libc::O_CREAT | libc::O_RDWR, 0o4711).unwrap();
    sys.pwrite(sparse, b"begin", 5).unwrap();
    sys.pwrite(sparse, &[b'm'; 9000], 1 << 20).unwrap();
    sys.ftruncate(sparse, (1 << 40) + 7).unwrap();
    sys.close(sparse).unwrap();
    let hole = sys.open(b"/d/hole", libc::O_CREAT | libc::O_RDWR, 0o600).unwrap();
    sys.ftruncate(hole, 5000).unwrap();
    sys.close(hole).unwrap();
    let long = [b"/d/".to_vec(), vec![b'n'; 255]].concat();
    sys.mkdir(&long, 0o755).unwrap();
    api::write(&sys, [&long[..], b"/\xff\n\\ name"].concat(), b"odd").unwrap();
    for (path, name, value) in [
        (&b"/d"[..], &b"user.directory"[..], &b""[..]),
        (b"/d/small", b"user.colour", b"green\0=%\n"),
        (b"/d/small", b"trusted.a=b%", &[7; 300]),
        (b"/d/link", b"trusted.link", b"1"),
        (b"/d/device", b"security.label", b"2"),
    ] {
        sys.lsetxattr(path, name, value, 0).unwrap();
    }
    sys.chown(b"/d/large", 4_000_000_000, 3_000_000).unwrap();
    let times = [
        (&b"/d/large"[..], time(-1, 999_999_999), time(-5, 1)),
        (b"/d/small", time(1 << 40, 0), time(1 << 40, 0)),
        (b"/d", time(7, 8), time(9, 10)),
    ];
    for (path, atime, mtime) in times {
        sys.utimensat(libc::AT_FDCWD, path, Some([atime, mtime]), 0).unwrap();
    }
    sys
}

/// What can be seen of a tree: path, type and mode, links, owner, size, room, times, content.
fn seen(sys: &System, dir: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut left = vec![dir.as_bytes().to_vec()];
    while let Some(path) = left.pop() {
        let stat = sys.lstat(&path).unwrap();
        let is_looked_at = matches!(stat.st_mode & libc::S_IFMT, libc::S_IFDIR | libc::S_IFLNK);
        // To list a directory, or read a link, is an access.
        let atime = if is_looked_at { (0, 0) } else { (stat.st_atime, stat.st_atime_nsec) };
        let times = (atime, stat.st_mtime, stat.st_mtime_nsec);
        let owner = (stat.st_uid, stat.st_gid, stat.st_rdev);
        let content = match stat.st_mode & libc::S_IFMT {
            libc::S_IFLNK => api::read_link(sys, &path).unwrap(),
            libc::S_IFREG => {
                let fd = sys.open(&path, libc::O_RDONLY | libc::O_NOATIME, 0).unwrap();
                let mut bytes = vec![0; 2 << 20];
                let len = sys.read(fd, &mut bytes).unwrap();
                sys.close(fd).unwrap();
                bytes.truncate(len);
                bytes
            }
            libc::S_IFDIR => {
                let entries = api::read_dir(sys, &path).unwrap();
                left.extend(entries.map(|entry| entry.unwrap().path_in(&path).unwrap()));
                vec![]
            }
            _ => vec![],
        };
        let mut names = [0; 1000];
        let len = sys.llistxattr(&path, &mut names).unwrap();
        let names = names[..len].split(|byte| *byte == 0).filter(|name| !name.is_empty());
        let xattrs: Vec<_> = (names)
            .map(|name| {
                let mut value = [0; 1000];
                let len = sys.lgetxattr(&path, name, &mut value).unwrap();
                format!("{}={}", name.escape_ascii(), value[..len].escape_ascii())
            })
            .collect();
        let (mode, size) = (stat.st_mode, (stat.st_size, stat.st_blocks));
        let name = path[dir.len()..].escape_ascii();
        let digest = content.iter().fold(7u64, |sum, byte| sum.wrapping_mul(31) + u64::from(*byte));
        lines.push(format!(
            "{name} {mode:o} {} {owner:?} {size:?} {times:?} {digest:x} {xattrs:?}",
            stat.st_nlink
        ));
    }
    lines.sort();
    lines
}

#[test]
fn an_archive_makes_the_same_tree_again() {
    let sys = tree();
    let before = seen(&sys, "/d");
    let (archive, done) = export(&sys, "/d").unwrap();
    assert_eq!(done, Exported { entries: 13, sockets: 1 });
    assert_eq!(seen(&sys, "/d"), before, "looking at it changes nothing");
    assert!(archive.len() < 300_000, "holes take no room: {} bytes", archive.len());

    let again = system(ROOMY);
    again.preload(b"/copy", Box::new(archive.clone()), OnDamage::Stop).unwrap();
    let expected: Vec<_> = (before.iter().filter(|line| !line.starts_with("/socket"))).collect();
    // The directory's size counts its entries, of which the socket is one.
    let size = |line: &str| line.replace("(260, 0)", "(240, 0)");
    let expected: Vec<_> = expected.iter().map(|line| size(line)).collect();
    assert_eq!(seen(&again, "/copy"), expected);
    assert_whole(&again);
    // Once more, by way of lent memory: byte by byte the same.
    assert_eq!(export(&again, "/copy").unwrap().0, archive);
}

#[test]
fn paths_are_relative_and_directories_come_first() {
    let sys = system(ROOMY);
    api::create_dir_all(&sys, "/a/b/c").unwrap();
    api::write(&sys, "/a/b/c/f", b"").unwrap();
    api::write(&sys, "/a/g", b"").unwrap();
    for (dir, expected) in [
        ("/", &["./", "a/", "a/b/", "a/b/c/", "a/b/c/f", "a/g"][..]),
        ("/a/b/../b/", &["./", "c/", "c/f"]),
        ("a/b/c", &["./", "f"]),
    ] {
        assert_eq!(paths(&export(&sys, dir).unwrap().0), expected, "{dir}");
    }
    for (dir, errno) in [("", Errno::ENOENT), ("/x", Errno::ENOENT), ("/a/g", Errno::ENOTDIR)] {
        assert_eq!(export(&sys, dir), Err(ExportError::Directory(errno)), "{dir}");
    }
}

#[test]
fn the_archive_is_not_in_itself() {
    let sys = tree();
    api::write(&sys, "/d/archive", b"old").unwrap();
    let file = File::create(&sys, "/d/archive").unwrap();
    let done = api::export(&sys, "/", &file).unwrap();
    file.close().unwrap();
    let archive = api::read(&sys, "/d/archive").unwrap();
    let found = paths(&archive);
    assert_eq!(found.len() as u64, done.entries);
    assert!(found.contains(&"d/small".into()) && !found.contains(&"d/archive".into()));
    let bad = File::open(&sys, "/d/archive").unwrap();
    assert_eq!(api::export(&sys, "/", &bad), Err(Errno::EBADF), "not open for writing");
    assert_eq!(sys.export_to(b"/", 99), Err(ExportError::Out(Errno::EBADF)));
}

#[test]
fn what_takes_the_archive_may_fail_at_every_piece() {
    let sys = tree();
    let before = seen(&sys, "/d");
    for pieces in 0.. {
        let mut left = pieces;
        let done = sys.export(b"/", &mut |_| match left {
            0 => Err(Errno::ENOSPC),
            _ => {
                left -= 1;
                Ok(())
            }
        });
        match done {
            Err(error) => assert_eq!(error, ExportError::Out(Errno::ENOSPC)),
            Ok(_) => {
                assert!(pieces > 30, "{pieces}");
                break;
            }
        }
    }
    assert_eq!(seen(&sys, "/d"), before);
}

/// Deeper than any stack, and longer than any path that a call takes.
#[test]
fn trees_deeper_than_a_path_are_exported() {
    const DEPTH: usize = 3000;
    let sys = system(ROOMY);
    for _ in 0..DEPTH {
        sys.mkdir(b"dir", 0o755).unwrap();
        sys.chdir(b"dir").unwrap();
    }
    api::write(&sys, "leaf", b"deep").unwrap();
    let (archive, done) = export(&sys, "/").unwrap();
    assert_eq!(done.entries, DEPTH as u64 + 2);
    let last = entries(&archive).pop().unwrap();
    assert_eq!(last.path.len(), 4 * DEPTH + 4);
    assert!(matches!(last.kind, Kind::File(_)));
    let again = system(ROOMY);
    again.preload(b"/", Box::new(archive), OnDamage::Stop).unwrap();
    for _ in 0..DEPTH {
        again.chdir(b"dir").unwrap();
    }
    assert_eq!(api::read(&again, "leaf"), Ok(b"deep".to_vec()));
    assert_whole(&again);
}

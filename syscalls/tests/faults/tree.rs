//! All that can be seen of a system, and the end of all that is in it.

use std::hash::{DefaultHasher, Hasher};

use anchorite_syscalls::{Errno, Result, System, api};

/// Descriptors that are looked at.
const DESCRIPTORS: i32 = 20;
/// Where a sparse file may have bytes, beside its start.
const FAR: [i64; 2] = [1 << 25, 1 << 40];
const BYTES: usize = 300_000;

/// All that can be seen of the tree and the descriptors but for access times, which looking
/// leaves alone. What the process may not see is told as the error.
pub fn dump(system: &System) -> Vec<String> {
    dump_with(system, Contents::Read)
}

/// Whether the contents of files are looked at too.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Contents {
    /// Yes.
    Read,
    /// No: the process loses its locks on a file that it closes.
    Left,
    /// Nothing is opened at all, not even directories: somebody might be told of it.
    Unseen,
}

/// As [`dump`].
pub fn dump_with(system: &System, contents: Contents) -> Vec<String> {
    let mut lines = vec![format!("{:?} {:?}", cwd(system), system.usage())];
    let mut buffer = vec![0; BYTES];
    if contents != Contents::Unseen {
        visit(system, b"/".to_vec(), contents, &mut buffer, &mut lines);
    }
    for fd in 0..DESCRIPTORS {
        let flags = system.fcntl(fd, libc::F_GETFD, 0);
        if flags.is_ok() {
            let stat = system.fstat(fd).map(|stat| told(&stat));
            let status = system.fcntl(fd, libc::F_GETFL, 0);
            let offset = system.lseek(fd, 0, libc::SEEK_CUR);
            lines.push(format!("{fd} {stat:?} {flags:?} {status:?} {offset:?}"));
        }
    }
    // The lowest free number: one that an open forgot would be missing.
    let free = system.dup(1);
    if let Ok(fd) = free {
        system.close(fd).unwrap();
    }
    lines.push(system.mounts_text().unwrap().escape_ascii().to_string());
    let mask = system.umask(0);
    system.umask(mask);
    let ids = (system.getresuid(), system.getresgid());
    lines.push(format!("{free:?} {mask:o} {ids:?}"));
    lines
}

fn cwd(system: &System) -> Result<Vec<u8>> {
    let mut buffer = [0; 4096];
    system.getcwd(&mut buffer).map(|len| buffer[..len].to_vec())
}

fn told(stat: &libc::stat) -> String {
    let libc::stat { st_ino, st_mode, st_nlink, st_size, st_blocks, st_uid, st_gid, .. } = stat;
    let libc::stat { st_mtime, st_mtime_nsec, st_ctime, st_ctime_nsec, .. } = stat;
    let times = format!("{st_mtime}.{st_mtime_nsec} {st_ctime}.{st_ctime_nsec}");
    format!("{st_ino} {st_mode:o} {st_nlink} {st_size} {st_blocks} {st_uid}:{st_gid} {times}")
}

/// The extended attributes of a file.
fn xattrs(system: &System, path: &[u8], buffer: &mut [u8]) -> String {
    let len = system.llistxattr(path, buffer).unwrap();
    let names: Vec<Vec<u8>> =
        buffer[..len].split_inclusive(|&byte| byte == 0).map(<[u8]>::to_vec).collect();
    let tell = |name: &Vec<u8>| {
        let name = &name[..name.len() - 1];
        let mut hasher = DefaultHasher::new();
        let len = system.lgetxattr(path, name, buffer);
        hasher.write(&buffer[..len.unwrap_or(0)]);
        format!(" {}: {len:?} {:x}", name.escape_ascii(), hasher.finish())
    };
    names.iter().map(tell).collect()
}

fn visit(
    system: &System,
    path: Vec<u8>,
    contents: Contents,
    buffer: &mut [u8],
    lines: &mut Vec<String>,
) {
    let name = path.escape_ascii();
    let stat = match system.lstat(&path) {
        Ok(stat) => stat,
        Err(errno) => return lines.push(format!("{name} {errno:?}")),
    };
    let line = format!("{name} {}{}", told(&stat), xattrs(system, &path, buffer));
    let kind = stat.st_mode & libc::S_IFMT;
    let is_left = kind == libc::S_IFREG && contents == Contents::Left;
    if is_left || !matches!(kind, libc::S_IFREG | libc::S_IFDIR) {
        return lines.push(line);
    }
    let fd = match system.open(&path, libc::O_RDONLY | libc::O_NOATIME, 0) {
        Ok(fd) => fd,
        Err(errno) => return lines.push(format!("{line} {errno:?}")),
    };
    if kind == libc::S_IFREG {
        let far = FAR.into_iter().filter(|&at| stat.st_size > at);
        let content = [0].into_iter().chain(far).map(|at| {
            let len = system.pread(fd, buffer, at).unwrap();
            let mut hasher = DefaultHasher::new();
            hasher.write(&buffer[..len]);
            format!("{len} bytes {:x}", hasher.finish())
        });
        lines.push(format!("{line} {}", content.collect::<Vec<_>>().join(" ")));
        return system.close(fd).unwrap();
    }
    lines.push(line);
    let mut names = Vec::new();
    loop {
        // What was removed can be mounted elsewhere still, and is not to be listed.
        let len = system.getdents64(fd, buffer).unwrap_or(0);
        if len == 0 {
            break;
        }
        let mut at = 0;
        while at < len {
            let next = usize::from(u16::from_ne_bytes([buffer[at + 16], buffer[at + 17]]));
            let name = buffer[at + 19..at + next].split(|&byte| byte == 0).next().unwrap();
            names.push(name.to_vec());
            at += next;
        }
    }
    system.close(fd).unwrap();
    for name in names.iter().filter(|name| !matches!(&name[..], b"." | b"..")) {
        let slash: &[u8] = if path == b"/" { b"" } else { b"/" };
        visit(system, [&path, slash, name].concat(), contents, buffer, lines);
    }
}

/// Removes everything, as root: then nothing may be left, in use or behind the limits.
pub fn clear(system: &System) {
    system.chdir(b"/").unwrap();
    system.close_range(3, u32::MAX, 0).unwrap();
    system.mount(None, b"/", None, libc::MS_REMOUNT, None).unwrap();
    let mounts = system.mounts_text().unwrap();
    let paths = mounts
        .split(|&byte| byte == b'\n')
        .filter_map(|line| line.split(|&byte| byte == b' ').nth(1));
    for path in paths.filter(|path| *path != b"/") {
        // With one goes what is mounted in it.
        match system.umount2(path, libc::MNT_DETACH) {
            Ok(()) | Err(Errno::ENOENT | Errno::EINVAL) => {}
            Err(errno) => panic!("{}: {errno:?}", path.escape_ascii()),
        }
    }
    for entry in api::read_dir(system, "/").unwrap() {
        let path = entry.unwrap().path_in("/").unwrap();
        let removed = api::remove_file(system, &path);
        removed.or_else(|_| api::remove_dir_all(system, &path)).unwrap();
    }
    for name in api::list_xattrs(system, "/").unwrap().iter() {
        api::remove_xattr(system, "/", name).unwrap();
    }
    let report = system.check().unwrap();
    assert!(report.problems.is_empty(), "{report}");
    assert_eq!((report.inodes(), report.orphans, report.pages), (1, 0, 0), "left: {report}");
    let used = system.usage();
    assert_eq!((used.pages, used.inodes), (0, 1), "leaked");
}

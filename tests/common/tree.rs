//! A tree of files of the host's with all that an archive may hold, and what the guest program
//! `manifest` prints of a tree, found out here by other means.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use nix::sys::stat::{Mode, SFlag, UtimensatFlags, mknod, utimensat};
use nix::sys::time::TimeSpec;
use sha2::{Digest, Sha256};

/// How exactly an archive tells times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Times {
    /// To the nanosecond.
    Exact,
    /// In whole seconds, rounded down.
    Whole,
}

/// How much a tree has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Extent {
    /// What even the oldest format can hold.
    Plain,
    /// Names that are long, or in no encoding, too.
    All,
}

/// Extended attributes in the tree, which a manifest does not tell.
pub const ATTRIBUTES: [(&str, &str, &[u8]); 3] = [
    ("a/511", "user.note", b"text"),
    ("a/4097", "user.odd name", b"\0\xff\n"),
    ("sticky", "user.empty", b""),
];

/// Makes files in the empty directory `top`.
pub fn make(top: &Path, extent: Extent) {
    let is_root = nix::unistd::geteuid().is_root();
    let path = |name: &str| top.join(name);
    let content = |len: usize| -> Vec<u8> {
        (0..len as u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
    };
    fs::create_dir_all(path("a/b/c")).unwrap();
    for len in [0, 1, 511, 512, 513, 4095, 4096, 4097, 100_000] {
        fs::write(path(&format!("a/{len}")), content(len)).unwrap();
    }
    fs::write(path("a/b/with space"), "x").unwrap();
    fs::write(path("a/b/c/script"), "#!/bin/sh\n").unwrap();
    fs::set_permissions(path("a/b/c/script"), fs::Permissions::from_mode(0o4755)).unwrap();
    fs::set_permissions(path("a/1"), fs::Permissions::from_mode(0o400)).unwrap();
    fs::create_dir(path("sticky")).unwrap();
    fs::set_permissions(path("sticky"), fs::Permissions::from_mode(0o1777)).unwrap();
    fs::create_dir(path("empty")).unwrap();
    fs::hard_link(path("a/4097"), path("z-hard")).unwrap();
    fs::hard_link(path("a/4097"), path("a/b/hard")).unwrap();
    symlink("a/b/c/script", path("link")).unwrap();
    symlink("/nowhere at all", path("a/dangling")).unwrap();
    mknod(&path("fifo"), SFlag::S_IFIFO, Mode::from_bits_truncate(0o640), 0).unwrap();
    let mut sparse = File::create(path("sparse")).unwrap();
    sparse.seek(SeekFrom::Start(1 << 20)).unwrap();
    sparse.write_all(&content(5000)).unwrap();
    sparse.set_len(3 << 20).unwrap();
    if is_root {
        let device = nix::sys::stat::makedev(1, 3);
        mknod(&path("null"), SFlag::S_IFCHR, Mode::from_bits_truncate(0o666), device).unwrap();
        chown(path("a/512"), Some(1234), Some(4321)).unwrap();
        chown(path("empty"), Some(65_534), Some(65_534)).unwrap();
    }
    if extent == Extent::All {
        let long = "n".repeat(200);
        fs::create_dir_all(path(&format!("{long}/{long}"))).unwrap();
        fs::write(path(&format!("{long}/{long}/{long}")), content(600)).unwrap();
        symlink("t/".repeat(150), path("long-link")).unwrap();
        let odd = OsStr::from_bytes(b"odd\xff\x01\nname\\");
        fs::write(top.join(odd), "odd").unwrap();
        fs::write(path("\u{e9}t\u{e9}"), "UTF-8").unwrap();
    }
    for (file, name, value) in ATTRIBUTES {
        xattr::set(path(file), name, value).unwrap();
    }
    let mut seconds = 1_000_000_000;
    for file in files(top) {
        seconds += 86_399;
        let time = TimeSpec::new(seconds, 123_456_789);
        utimensat(nix::fcntl::AT_FDCWD, &file, &time, &time, UtimensatFlags::NoFollowSymlink)
            .unwrap();
    }
}

/// What `manifest` prints about `top`.
pub fn manifest(top: &Path, times: Times) -> String {
    let mut lines: Vec<(Vec<u8>, Vec<u8>)> = files(top)
        .into_iter()
        .map(|file| {
            let below = file.strip_prefix(top).unwrap().as_os_str().as_bytes();
            let path = if below.is_empty() { b".".to_vec() } else { [b"./", below].concat() };
            (path.clone(), line(&file, &path, times))
        })
        .collect();
    lines.sort();
    let lines: Vec<Vec<u8>> = lines.into_iter().map(|(_, line)| line).collect();
    // What is in no encoding looks the same in what the command printed, read the same way.
    String::from_utf8_lossy(&lines.concat()).into_owned()
}

fn line(file: &Path, path: &[u8], times: Times) -> Vec<u8> {
    let found = fs::symlink_metadata(file).unwrap();
    let kind = found.file_type();
    let letter = match () {
        () if kind.is_file() => 'f',
        () if kind.is_dir() => 'd',
        () if kind.is_symlink() => 'l',
        () if kind.is_fifo() => 'p',
        () if kind.is_socket() => 's',
        () if kind.is_char_device() => 'c',
        () => 'b',
    };
    let size = match kind.is_file() || kind.is_symlink() {
        true => found.len().to_string(),
        false => "-".into(),
    };
    let names = if kind.is_dir() { "-".into() } else { found.nlink().to_string() };
    let hash = match kind.is_file() {
        true => hex(&Sha256::digest(fs::read(file).unwrap())),
        false => "-".into(),
    };
    let nanoseconds = if times == Times::Exact { found.mtime_nsec() } else { 0 };
    let mut line = format!(
        "{letter} {:04o} {} {} {size} {}.{nanoseconds:09} {names} {hash} ",
        found.mode() & 0o7777,
        found.uid(),
        found.gid(),
        found.mtime(),
    )
    .into_bytes();
    line.extend(escaped(path));
    if kind.is_symlink() {
        line.push(b'\t');
        line.extend(escaped(fs::read_link(file).unwrap().as_os_str().as_bytes()));
    } else if kind.is_char_device() || kind.is_block_device() {
        let (major, minor) = (libc::major(found.rdev()), libc::minor(found.rdev()));
        line.extend(format!("\t{major}:{minor}").into_bytes());
    }
    line.push(b'\n');
    line
}

/// `top` and all that is below it, what a directory holds before the directory.
fn files(top: &Path) -> Vec<PathBuf> {
    let mut found = vec![];
    if fs::symlink_metadata(top).unwrap().is_dir() {
        let mut names: Vec<_> =
            fs::read_dir(top).unwrap().map(|entry| entry.unwrap().path()).collect();
        names.sort();
        found.extend(names.iter().flat_map(|name| files(name)));
    }
    found.push(top.to_owned());
    found
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn escaped(bytes: &[u8]) -> Vec<u8> {
    let mut text = vec![];
    for byte in bytes {
        match byte {
            b'\\' => text.extend(b"\\\\"),
            b'\n' => text.extend(b"\\n"),
            b'\r' => text.extend(b"\\r"),
            b'\t' => text.extend(b"\\t"),
            _ => text.push(*byte),
        }
    }
    text
}

//! Archives that other people's programs make of a directory: every path, type, mode, owner,
//! time, target, byte, hole and attribute is read as it is on the disk.

use std::collections::BTreeMap;
use std::env;
use std::fs::{self, File, FileTimes, Permissions};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use anchorite_archive::{Content, Device, Entry, Kind, Pieces, Reader};

fn is_ci() -> bool {
    env::var_os("CI").is_some_and(|ci| ci == "true")
}

/// Whether a program is installed; if not, says that the test is skipped, or fails in CI.
fn has(program: &str, package: &str) -> bool {
    let found = Command::new("sh").args(["-c", &format!("command -v {program}")]).output().unwrap();
    if found.status.success() {
        return true;
    }
    assert!(!is_ci(), "this must run in CI: install {package}");
    // Past the test harness's capture.
    let _ = writeln!(io::stdout(), "skipped: {program} is not installed; install {package}");
    false
}

/// What a shell command writes to standard output, in a directory; it complains about nothing.
fn made(dir: &Path, command: &str) -> Vec<u8> {
    let mut shell = Command::new("sh");
    let output =
        shell.args(["-c", command]).current_dir(dir).stdin(Stdio::null()).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command}: {told}");
    output.stdout
}

/// A tree with one of everything.
struct Tree {
    dir: tempfile::TempDir,
    /// Whether files have an extended attribute.
    has_xattrs: bool,
}

fn tree() -> Tree {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let at = |name: &str| dir.path().join(name);
    fs::write(at("hello"), b"hello\n").unwrap();
    fs::write(at("empty"), b"").unwrap();
    for (name, len) in [("511", 511), ("512", 512), ("513", 513), ("large", 100_000)] {
        let bytes: Vec<u8> = (0..len).map(|at: u32| (at * 7 / 3) as u8).collect();
        fs::write(at(name), bytes).unwrap();
    }
    fs::hard_link(at("hello"), at("linked")).unwrap();
    fs::create_dir(at("dir")).unwrap();
    fs::write(at("dir/\u{e4}\u{f6}\u{fc} name"), b"umlauts").unwrap();
    symlink("hello", at("symlink")).unwrap();
    let long = "n".repeat(90);
    fs::create_dir_all(at(&long).join(&long)).unwrap();
    fs::write(at(&long).join(&long).join("deep"), b"deep").unwrap();
    symlink(at(&long).join(&long), at("long symlink")).unwrap();
    let sparse = File::create(at("sparse")).unwrap();
    sparse.set_len(1 << 20).unwrap();
    sparse.write_all_at(b"in the middle", 500_000).unwrap();
    let holes = File::create(at("holes")).unwrap();
    for piece in 0..60 {
        holes.write_all_at(&[piece as u8 + 1; 4096], piece * 16384 + 8192).unwrap();
    }
    fs::set_permissions(at("hello"), Permissions::from_mode(0o4751)).unwrap();
    fs::set_permissions(at("dir"), Permissions::from_mode(0o1777)).unwrap();
    made(dir.path(), "mkfifo fifo");
    // Only the superuser makes devices; without, there is none to compare.
    made(dir.path(), "mknod null c 1 3 || true; mknod disk b 259 70000 || true");
    for (name, seconds, nanoseconds) in [("hello", 1_234_567_890, 123_456_789), ("dir", 5, 0)] {
        let time = SystemTime::UNIX_EPOCH + Duration::new(seconds, nanoseconds);
        File::open(at(name)).unwrap().set_times(FileTimes::new().set_modified(time)).unwrap();
    }
    let mut setfattr = Command::new("sh");
    setfattr.args(["-c", "setfattr -n user.key -v value hello && setfattr -n user.no hello"]);
    let has_xattrs = setfattr.current_dir(&dir).output().unwrap().status.success();
    if !has_xattrs {
        let reason = "setfattr (package attr) does not set extended attributes here";
        assert!(!is_ci(), "this must run in CI: {reason}");
        let _ = writeln!(io::stdout(), "skipped: extended attributes: {reason}");
    }
    Tree { dir, has_xattrs }
}

/// What a format keeps.
#[derive(Clone, Copy)]
struct Keeps {
    nanoseconds: bool,
    xattrs: bool,
    holes: bool,
    /// The names of a file share its content.
    links: bool,
}

const PLAIN: Keeps = Keeps { nanoseconds: false, xattrs: false, holes: false, links: true };

/// All bytes of a file, holes as zeros.
fn bytes(content: &Content<'_>) -> Vec<u8> {
    match &content.pieces {
        Pieces::Whole(bytes) => bytes.to_vec(),
        Pieces::Sparse(pieces) => {
            let mut all = vec![0; content.size as usize];
            for piece in pieces {
                let start = piece.offset as usize;
                all[start..start + piece.bytes.len()].copy_from_slice(piece.bytes);
            }
            all
        }
    }
}

/// A path without the ways in which programs differ; the root is `.`.
fn plain(path: &[u8]) -> &[u8] {
    let path = path.strip_suffix(b"/").unwrap_or(path);
    path.strip_prefix(b"./").unwrap_or(path)
}

fn read(archive: &[u8]) -> Vec<Entry<'_>> {
    Reader::new(archive).unwrap().map(|entry| entry.unwrap_or_else(|e| panic!("{e}"))).collect()
}

/// Compares an archive with the tree that it was made of.
fn compare(tree: &Tree, command: &str, keeps: Keeps) {
    let archive = made(tree.dir.path(), command);
    let mut contents: BTreeMap<&[u8], Vec<u8>> = BTreeMap::new();
    let mut seen = Vec::new();
    let entries = read(&archive);
    // GNU cpio has a file's bytes with its last name.
    for entry in &entries {
        let path = plain(&entry.path);
        match &entry.kind {
            Kind::File(content) => {
                contents.insert(path, bytes(content));
            }
            Kind::HardLink { target, content: Some(content) } => {
                contents.insert(plain(target), bytes(content));
            }
            _ => {}
        }
    }
    let mut with_xattrs = 0;
    for entry in &entries {
        let path = plain(&entry.path);
        let shown = format!("{command}: {}", path.escape_ascii());
        let place = tree.dir.path().join(std::ffi::OsStr::from_bytes(path));
        let expected = fs::symlink_metadata(&place).unwrap();
        let file_type = expected.file_type();
        seen.push(path.to_vec());
        let device = || {
            // As glibc's major() and minor() take it apart.
            let dev = expected.rdev();
            Device {
                major: ((dev >> 8) & 0xfff) as u32 | ((dev >> 32) & !0xfff) as u32,
                minor: (dev & 0xff) as u32 | ((dev >> 12) & !0xff) as u32,
            }
        };
        match &entry.kind {
            Kind::File(content) => {
                assert!(file_type.is_file(), "{shown}");
                assert!(contents[path] == fs::read(&place).unwrap(), "{shown}: content");
                if keeps.holes && (path == b"sparse" || path == b"holes") {
                    assert!(matches!(content.pieces, Pieces::Sparse(_)), "{shown}: no holes");
                }
            }
            Kind::HardLink { target, .. } => {
                let target = tree.dir.path().join(std::ffi::OsStr::from_bytes(plain(target)));
                assert_eq!(fs::symlink_metadata(target).unwrap().ino(), expected.ino(), "{shown}");
            }
            Kind::Directory => assert!(file_type.is_dir(), "{shown}"),
            Kind::Symlink(target) => {
                assert_eq!(fs::read_link(&place).unwrap().as_os_str().as_bytes(), &target[..]);
            }
            Kind::Fifo => assert!(file_type.is_fifo(), "{shown}"),
            Kind::CharDevice(numbers) => {
                assert!(file_type.is_char_device() && *numbers == device(), "{shown}: {numbers:?}");
            }
            Kind::BlockDevice(numbers) => {
                assert!(
                    file_type.is_block_device() && *numbers == device(),
                    "{shown}: {numbers:?}"
                );
            }
            Kind::Socket => panic!("{shown}: a socket"),
        }
        assert_eq!(entry.mode, expected.mode() & 0o7777, "{shown}: mode");
        assert_eq!((entry.uid, entry.gid), (expected.uid(), expected.gid()), "{shown}: owner");
        assert_eq!(entry.mtime.seconds, expected.mtime(), "{shown}: mtime");
        let nanoseconds = if keeps.nanoseconds { expected.mtime_nsec() } else { 0 };
        assert_eq!(i64::from(entry.mtime.nanoseconds), nanoseconds, "{shown}: mtime");
        // Whichever of its two names came first has them.
        let is_first = matches!(entry.kind, Kind::File(_));
        if keeps.xattrs && is_first && (path == b"hello" || path == b"linked") {
            with_xattrs += 1;
            let mut xattrs: Vec<_> = entry.xattrs.iter().map(|(k, v)| (&k[..], &v[..])).collect();
            xattrs.sort();
            assert_eq!(xattrs, [(&b"user.key"[..], &b"value"[..]), (b"user.no", b"")], "{shown}");
        }
    }
    assert_eq!(with_xattrs, usize::from(keeps.xattrs), "{command}: files with attributes");
    seen.sort();
    let mut all: Vec<Vec<u8>> = made(tree.dir.path(), "find . -print0")
        .split(|byte| *byte == 0)
        .filter(|path| !path.is_empty())
        .map(|path| plain(path).to_vec())
        .collect();
    all.sort();
    let shown = |paths: &[Vec<u8>]| -> Vec<String> {
        paths.iter().map(|path| path.escape_ascii().to_string()).collect()
    };
    assert_eq!(shown(&seen), shown(&all), "{command}");
    let links = entries.iter().filter(|entry| matches!(entry.kind, Kind::HardLink { .. })).count();
    assert_eq!(links, usize::from(keeps.links), "{command}: hard links");
}

#[test]
fn gnu_tars_archives_are_read() {
    if !has("tar", "tar") {
        return;
    }
    let tree = tree();
    let holes = Keeps { holes: true, ..PLAIN };
    let pax = Keeps { nanoseconds: true, ..PLAIN };
    let all = Keeps { nanoseconds: true, xattrs: tree.has_xattrs, holes: true, links: true };
    compare(&tree, "tar -cf - --format=gnu .", PLAIN);
    compare(&tree, "tar -cf - --format=gnu --sparse .", holes);
    compare(&tree, "tar -cf - --format=oldgnu --sparse .", holes);
    compare(&tree, "tar -cf - --format=pax .", pax);
    for version in ["0.0", "0.1", "1.0"] {
        let command = "tar -cf - --format=pax --xattrs --sparse --sparse-version";
        compare(&tree, &format!("{command}={version} ."), all);
    }
    // There is no room for a long target, nor for large numbers of devices; nor in v7 for long
    // paths, pipes and devices.
    fs::remove_file(tree.dir.path().join("long symlink")).unwrap();
    let _ = fs::remove_file(tree.dir.path().join("disk"));
    compare(&tree, "tar -cf - --format=ustar .", PLAIN);
    for entry in fs::read_dir(tree.dir.path()).unwrap().map(Result::unwrap) {
        if entry.file_name().len() > 80 {
            fs::remove_dir_all(entry.path()).unwrap();
        }
    }
    made(tree.dir.path(), "rm -f fifo null");
    compare(&tree, "tar -cf - --format=v7 .", PLAIN);
}

#[test]
fn bsdtars_archives_are_read() {
    if !has("bsdtar", "libarchive-tools") {
        return;
    }
    let tree = tree();
    let all = Keeps { nanoseconds: true, xattrs: tree.has_xattrs, holes: true, links: true };
    compare(&tree, "bsdtar -cf - --format=pax .", all);
    compare(&tree, "bsdtar -cf - --format=gnutar .", PLAIN);
    compare(&tree, "bsdtar -cf - --format=newc .", PLAIN);
    fs::remove_file(tree.dir.path().join("long symlink")).unwrap();
    let _ = fs::remove_file(tree.dir.path().join("disk"));
    compare(&tree, "bsdtar -cf - --format=ustar .", PLAIN);
}

#[test]
fn cpios_archives_are_read() {
    if !has("cpio", "cpio") {
        return;
    }
    let tree = tree();
    compare(&tree, "find . | cpio -o --quiet -H newc", PLAIN);
    compare(&tree, "find . | cpio -o --quiet -H crc", PLAIN);
    // Two in one, with zeros between them and without.
    let halves = "find dir | cpio -o --quiet -H newc; head -c 512 /dev/zero; \
                  find . -path ./dir -prune -o -print | cpio -o --quiet -H crc --block-size=1";
    compare(&tree, halves, PLAIN);
}

#[test]
fn pythons_archives_are_read() {
    if !has("python3", "python3") {
        return;
    }
    let tree = tree();
    for (format, nanoseconds) in [("PAX", true), ("GNU", false)] {
        let script = format!(
            "import sys, tarfile; tarfile.open(fileobj=sys.stdout.buffer, mode=\"w|\", \
             format=tarfile.{format}_FORMAT).add(\".\")"
        );
        // Python's times are of a precision that is less than a nanosecond's.
        if nanoseconds {
            made(tree.dir.path(), "find . -exec touch -h -d @1234567890.5 {} +");
        }
        compare(&tree, &format!("python3 -c '{script}'"), Keeps { nanoseconds, ..PLAIN });
    }
}

//! The programs that look at files: `cat`, `ls`, `sha256sum`, `manifest`. Where the host has the
//! same program, what it says of the same files is what ours must say.

mod common;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use anchorite_syscalls::api::{self, FileTimes, Timestamp};
use anchorite_syscalls::{Errno, HostFd, HostFiles, Limits, Result};
use sha2::{Digest, Sha256};

use common::{Machine, Printed};

const LIMITS: Limits = Limits { size_bytes: 1 << 30, inodes: 1 << 20 };

/// SHA-256 of nothing, of `abc`, and of a million times `a`: FIPS 180-4's examples.
const NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
const MILLION: &str = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";

type Args<'a> = &'a [&'a [u8]];

/// Arguments, what is typed in, and the status, output and errors that must follow.
type Row<'a> = (Args<'a>, &'a [u8], i32, &'a [u8], &'a str);

/// A file to make. Hard links come after what they are to.
#[derive(Clone, Debug)]
enum Kind {
    Directory,
    File(Vec<u8>),
    Symlink(Vec<u8>),
    HardLink(Vec<u8>),
}

#[derive(Clone, Debug)]
struct Entry {
    path: Vec<u8>,
    kind: Kind,
    mode: u32,
    mtime: (i64, u32),
}

fn entry(path: impl AsRef<[u8]>, kind: Kind, mode: u32, mtime: (i64, u32)) -> Entry {
    Entry { path: path.as_ref().to_vec(), kind, mode, mtime }
}

fn content(len: usize) -> Vec<u8> {
    (0..len as u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

/// A tree with what is hard to print.
fn odd_tree() -> Vec<Entry> {
    let file = |bytes: &[u8]| Kind::File(bytes.to_vec());
    let link = |target: &str| Kind::Symlink(target.as_bytes().to_vec());
    let long = [b'n'; 255];
    vec![
        entry("a", Kind::Directory, 0o755, (1_700_000_000, 5)),
        entry("a/deep", Kind::Directory, 0o2711, (1_700_000_000, 999_999_999)),
        entry("a/deep/abc", file(b"abc"), 0o4755, (951_782_400, 0)),
        entry("a/deep/.hidden", file(b"x\n"), 0o4644, (0, 0)),
        entry("a-b", Kind::Directory, 0o1777, (1, 0)),
        entry("a-b/empty", file(b""), 0o000, (-1, 500_000_000)),
        entry("a.c", file(b"one"), 0o2654, (4_102_444_800, 1)),
        entry("mib", Kind::File(content(1 << 20)), 0o644, (1_700_000_000, 123_456_789)),
        entry("big link", Kind::HardLink(b"mib".to_vec()), 0o640, (1_700_000_001, 7)),
        entry("sparse", Kind::File(vec![0; 5000]), 0o1644, (1_000_000_000, 0)),
        entry("line\nfeed", file(b"1"), 0o644, (1_000_000_000, 1)),
        entry("return\rtab\t", file(b"2"), 0o600, (1_000_000_000, 2)),
        entry("back\\slash\\n", file(b"3"), 0o444, (1_000_000_000, 3)),
        entry(b"\xff\xfe not UTF-8", file(b"4"), 0o604, (1_000_000_000, 4)),
        entry("ünï", file(b"5"), 0o644, (1_000_000_000, 5)),
        entry(long, file(b"long"), 0o644, (1_000_000_000, 6)),
        entry("!first", file(b"!"), 0o644, (1_000_000_000, 7)),
        entry("to-a", link("a"), 0o777, (2, 3)),
        entry("to-abc", link("a/deep/abc"), 0o777, (4, 5)),
        entry("to\nnowhere", link("no\\where\n"), 0o777, (6, 7)),
        entry(".dot", Kind::Directory, 0o700, (8, 9)),
    ]
}

/// A machine with these files in its root directory, all of user `uid` and group `gid`.
fn machine_with(entries: &[Entry], uid: u32, gid: u32) -> Machine {
    let machine = Machine::new(LIMITS);
    let sys = &machine.sys;
    for Entry { path, kind, .. } in entries {
        match kind {
            Kind::Directory => api::create_dir(sys, path).unwrap(),
            Kind::File(bytes) => api::write(sys, path, bytes).unwrap(),
            Kind::Symlink(target) => api::symlink(sys, target, path).unwrap(),
            Kind::HardLink(original) => api::hard_link(sys, original, path).unwrap(),
        }
    }
    // Deepest first: what is made in a directory changes its time.
    for Entry { path, kind, mode, mtime } in entries.iter().rev() {
        api::lchown(sys, path, Some(uid), Some(gid)).unwrap();
        if !matches!(kind, Kind::Symlink(_)) {
            api::set_permissions(sys, path, *mode).unwrap();
        }
        let time = libc::timespec { tv_sec: mtime.0, tv_nsec: mtime.1.into() };
        let nofollow = libc::AT_SYMLINK_NOFOLLOW;
        sys.utimensat(libc::AT_FDCWD, path, Some([time; 2]), nofollow).unwrap();
    }
    machine
}

/// The same files in a directory of the host's, on tmpfs, whose sizes of directories are ours.
fn host_with(entries: &[Entry]) -> tempfile::TempDir {
    use nix::sys::stat::{UtimensatFlags, utimensat};
    use nix::sys::time::TimeSpec;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    let top = tempfile::tempdir_in("/dev/shm").unwrap();
    let at = |path: &[u8]| top.path().join(OsStr::from_bytes(path));
    for Entry { path, kind, .. } in entries {
        match kind {
            Kind::Directory => fs::create_dir(at(path)).unwrap(),
            Kind::File(bytes) => fs::write(at(path), bytes).unwrap(),
            Kind::Symlink(target) => symlink(OsStr::from_bytes(target), at(path)).unwrap(),
            Kind::HardLink(original) => fs::hard_link(at(original), at(path)).unwrap(),
        }
    }
    for Entry { path, kind, mode, mtime } in entries.iter().rev() {
        if !matches!(kind, Kind::Symlink(_)) {
            fs::set_permissions(at(path), fs::Permissions::from_mode(*mode)).unwrap();
        }
        let time = TimeSpec::new(mtime.0, mtime.1.into());
        let flags = UtimensatFlags::NoFollowSymlink;
        utimensat(nix::fcntl::AT_FDCWD, &at(path), &time, &time, flags).unwrap();
    }
    top
}

/// What the host's own program says, in `directory`; none, and told, if it is not GNU's.
fn host_program(directory: &Path, args: &[&[u8]]) -> Option<Printed> {
    let name = OsStr::from_bytes(args[0]);
    let version = Command::new(name).arg("--version").output();
    let is_gnu =
        version.is_ok_and(|told| String::from_utf8_lossy(&told.stdout).contains("GNU coreutils"));
    if !is_gnu {
        let is_ci = std::env::var_os("CI").is_some_and(|ci| ci == "true");
        assert!(!is_ci, "GNU coreutils must be there in CI");
        println!("skipped: no {} of GNU coreutils to compare with", name.display());
        return None;
    }
    let told = Command::new(name)
        .args(args[1..].iter().map(|arg| OsStr::from_bytes(arg)))
        .env_clear()
        .envs([("TZ", "UTC"), ("LC_ALL", "C"), ("PATH", "/usr/bin:/bin")])
        .current_dir(directory)
        .output()
        .unwrap();
    let status = told.status.code().unwrap();
    Some(Printed { status, out: told.stdout, err: told.stderr })
}

#[track_caller]
fn assert_printed(printed: &Printed, status: i32, out: impl AsRef<[u8]>, err: &str) {
    let told = |bytes: &[u8]| bytes.escape_ascii().to_string().replace("\\n", "\n");
    let (out, printed_err) = (out.as_ref(), String::from_utf8_lossy(&printed.err));
    assert!(
        printed.out == out,
        "printed:\n{}\nexpected:\n{}\n{printed_err}",
        told(&printed.out),
        told(out),
    );
    assert_eq!((printed.status, &*printed_err), (status, err));
}

/// Asserts that a program that was run left no descriptor open.
#[track_caller]
fn assert_nothing_open(machine: &Machine) {
    let fd = machine.sys.open(b"/", libc::O_RDONLY, 0).unwrap();
    machine.sys.close(fd).unwrap();
    assert_eq!(fd, 3);
}

#[test]
fn cat_writes_files_in_the_order_of_its_arguments() {
    let machine = machine_with(&odd_tree(), 0, 0);
    let mib = content(1 << 20);
    let both = [b"abc", &mib[..], b"one"].concat();
    let rows: [Row<'_>; 8] = [
        (&[b"a/deep/abc"], b"", 0, b"abc", ""),
        (&[b"to-abc", b"mib", b"a.c"], b"", 0, &both, ""),
        (&[], b"typed\n", 0, b"typed\n", ""),
        (&[b"a.c", b"-", b"a.c"], b" \0\xff ", 0, b"one \0\xff one", ""),
        (&[b"a-b/empty", b"a-b/empty"], b"", 0, b"", ""),
        (
            &[b"a.c", b"no\nne", b"a", b"--", b"to-abc"],
            b"",
            1,
            b"oneabc",
            "cat: no\\nne: No such file or directory\ncat: a: Is a directory\n",
        ),
        (&[b"a.c/x"], b"", 1, b"", "cat: a.c/x: Not a directory\n"),
        (&[b"-n", b"a.c"], b"", 2, b"", "cat: usage: cat [FILE]..., - for standard input\n"),
    ];
    for (args, input, status, out, err) in rows {
        machine.type_in(input);
        let printed = machine.run(&[&[&b"cat"[..]], args].concat());
        assert_printed(&printed, status, out, err);
        assert_nothing_open(&machine);
    }
}

#[test]
fn sha256sum_tells_the_examples_of_its_standard() {
    let machine = Machine::new(LIMITS);
    api::write(&machine.sys, "empty", "").unwrap();
    api::write(&machine.sys, "abc", "abc").unwrap();
    api::write(&machine.sys, "million", vec![b'a'; 1_000_000]).unwrap();
    let printed = machine.run(&[b"sha256sum", b"abc", b"empty", b"million"]);
    let expected = format!("{ABC}  abc\n{NOTHING}  empty\n{MILLION}  million\n");
    assert_printed(&printed, 0, expected, "");
    machine.type_in(b"abc");
    assert_printed(&machine.run(&[b"sha256sum"]), 0, format!("{ABC}  -\n"), "");
    machine.type_in(b"abc");
    let printed = machine.run(&[b"sha256sum", b"none", b"-", b"/"]);
    let err = "sha256sum: none: No such file or directory\nsha256sum: /: Is a directory\n";
    assert_printed(&printed, 1, format!("{ABC}  -\n"), err);
    assert_nothing_open(&machine);
}

#[test]
fn sha256sum_writes_what_coreutils_writes_and_checks_it() {
    let entries = odd_tree();
    let (machine, host) = (machine_with(&entries, 0, 0), host_with(&entries));
    let files = entries.iter().filter(|entry| match &entry.kind {
        // Not every tester may read it.
        Kind::File(_) => entry.mode & 0o400 != 0,
        Kind::HardLink(_) => true,
        Kind::Directory => false,
        Kind::Symlink(target) => target.starts_with(b"a/"),
    });
    let args: Vec<&[u8]> =
        [&b"sha256sum"[..]].into_iter().chain(files.map(|entry| &*entry.path)).collect();
    let ours = machine.run(&args);
    assert_eq!((ours.status, ours.out.split(|byte| *byte == b'\n').count()), (0, args.len()));
    if let Some(theirs) = host_program(host.path(), &args) {
        assert_eq!(ours, theirs);
    }

    api::write(&machine.sys, "sums", &ours.out).unwrap();
    let checked = machine.run(&[b"sha256sum", b"-c", b"sums"]);
    std::fs::write(host.path().join("sums"), &ours.out).unwrap();
    if let Some(theirs) = host_program(host.path(), &[b"sha256sum", b"-c", b"sums"]) {
        assert_eq!(checked, theirs);
    }
    assert_eq!(checked.out.windows(5).filter(|end| end == b": OK\n").count(), args.len() - 1);
    assert_nothing_open(&machine);
}

#[test]
fn sha256sum_tells_which_file_is_not_what_it_was() {
    let machine = Machine::new(LIMITS);
    api::write(&machine.sys, "abc", "abc").unwrap();
    api::write(&machine.sys, "new\nline", "changed").unwrap();
    let sums = format!("{ABC} *abc\n\\{ABC}  new\\nline\n{ABC}  none\nno sum\n\n{ABC}x abc\n");
    api::write(&machine.sys, "sums", sums).unwrap();
    assert_printed(
        &machine.run(&[b"sha256sum", b"-c", b"sums"]),
        1,
        "abc: OK\n\\new\\nline: FAILED\nnone: FAILED open or read\n",
        "sha256sum: none: No such file or directory\n\
         sha256sum: sums: lines without a SHA-256: 2\n\
         sha256sum: sums: sums that are not as told: 1\n",
    );
    // Each is no line with a sum: cut off anywhere, or escaped in a way that there is not.
    let line = format!("\\{ABC}  a\\\\b");
    let mut wrong: Vec<String> = (0..68).map(|len| line[..len].to_owned()).collect();
    wrong.extend(["a\\", "a\\t", "a\\x"].map(|name| format!("\\{ABC}  {name}")));
    wrong.push(format!("+{}  abc", &ABC[1..]));
    for line in wrong {
        api::write(&machine.sys, "sums", &line).unwrap();
        let err = "sha256sum: sums: no line has a SHA-256 and a name\n";
        assert_printed(&machine.run(&[b"sha256sum", b"-c", b"sums"]), 1, "", err);
    }
    let err = "sha256sum: none: No such file or directory\n";
    assert_printed(&machine.run(&[b"sha256sum", b"-c", b"none"]), 1, "", err);
}

#[test]
fn ls_lists_as_gnu_does() {
    let entries = odd_tree();
    let host = host_with(&entries);
    let owner = host.path().metadata().unwrap();
    let machine = machine_with(&entries, owner.uid(), owner.gid());
    let rows: [Args<'_>; 21] = [
        &[],
        &[b"-1"],
        &[b"-a"],
        &[b"-R"],
        &[b"-aR", b"a"],
        &[b"-d"],
        &[b"-dR", b"a", b"a.c"],
        &[b"a"],
        &[b"a", b"a-b"],
        &[b"to-a"],
        &[b"-R", b"to-a"],
        &[b"to-a", b"a.c", b"a-b/empty", b"to-abc", b".dot"],
        &[b"-l"],
        &[b"a", b"-l", b"mib"],
        &[b"-l", b"to-a"],
        &[b"-l", b"to-a/"],
        &[b"-lR"],
        &[b"-lR", b"a-b", b"a/"],
        &[b"-ld", b"a", b"mib", b"to-a", b"to\nnowhere", b"a/deep/abc"],
        &[b"--", b"a/deep/abc"],
        &[b"-l", b".dot"],
    ];
    for args in rows {
        let ours = machine.run(&[&[&b"ls"[..]], args].concat());
        assert_nothing_open(&machine);
        assert_eq!((ours.status, &*ours.err.escape_ascii().to_string()), (0, ""), "{args:?}");
        // Its escapes and columns are for terminals; the format of times is by itself ours.
        let style: [&[u8]; 3] = [b"ls", b"-n", b"--time-style=+%Y-%m-%dT%H:%M:%SZ"];
        let is_long = args.iter().any(|arg| arg.starts_with(b"-l"));
        let style = if is_long { &style[..] } else { &style[..1] };
        if let Some(theirs) = host_program(host.path(), &[style, args].concat()) {
            assert_printed(&ours, theirs.status, theirs.out, "");
        }
    }
}

#[test]
fn ls_writes_these_lines() {
    let machine = Machine::new(LIMITS);
    let sys = &machine.sys;
    api::create_dir(sys, "d").unwrap();
    api::write(sys, "d/f", "0123456789").unwrap();
    api::chown(sys, "d/f", Some(1000), Some(5)).unwrap();
    api::set_permissions(sys, "d/f", 0o4711).unwrap();
    api::symlink(sys, "f\n", "d/l").unwrap();
    let leap = Timestamp::new(951_782_399, 999_999_999);
    api::set_times(sys, "d/f", FileTimes::new().set_modified(leap)).unwrap();
    let never = libc::timespec { tv_sec: i64::MIN, tv_nsec: 0 };
    let nofollow = libc::AT_SYMLINK_NOFOLLOW;
    sys.utimensat(libc::AT_FDCWD, b"d/l", Some([never; 2]), nofollow).unwrap();
    let earliest = api::symlink_metadata(sys, "d/l").unwrap().modified().seconds();
    let lines = format!(
        "total 4\n\
         -rws--x--x 1 1000 5 10 2000-02-28T23:59:59Z f\n\
         lrwxrwxrwx 1    0 0  2 {earliest} l -> f\n\n"
    );
    assert_printed(&machine.run(&[b"ls", b"-l", b"d"]), 0, lines, "");
}

#[test]
fn ls_tells_what_it_cannot_list_and_lists_the_rest() {
    let machine = Machine::new(LIMITS);
    let sys = &machine.sys;
    for (path, mode) in [("listed", 0o744), ("locked", 0o700), ("open", 0o755)] {
        api::create_dir_all(sys, [path, "/inner"].concat()).unwrap();
        api::write(sys, [path, "/file"].concat(), "").unwrap();
        api::set_permissions(sys, path, mode).unwrap();
    }
    let usage = machine.run(&[b"ls", b"-x"]);
    assert_eq!((usage.status, usage.out.as_slice()), (2, &b""[..]));
    assert!(usage.err.starts_with(b"ls: usage: ls [-1adlR] [FILE]..."));
    assert_printed(
        &machine.run(&[b"ls", b"open", b"none"]),
        2,
        "open:\nfile\ninner\n",
        "ls: cannot access 'none': No such file or directory\n",
    );

    sys.setuid(1000).unwrap();
    assert_printed(
        &machine.run(&[b"ls", b"locked"]),
        2,
        "",
        "ls: cannot open directory 'locked': Permission denied\n",
    );
    // A directory that can be listed and not searched is left again as any other.
    assert_printed(
        &machine.run(&[b"ls", b"-R"]),
        1,
        ".:\nlisted\nlocked\nopen\n\n./listed:\nfile\ninner\n\n./open:\nfile\ninner\n\n./open/inner:\n",
        "ls: cannot open directory './listed/inner': Permission denied\n\
         ls: cannot open directory './locked': Permission denied\n",
    );
    assert_printed(
        &machine.run(&[b"ls", b"-l", b"listed"]),
        1,
        "total 0\n",
        "ls: cannot access 'listed/file': Permission denied\n\
         ls: cannot access 'listed/inner': Permission denied\n",
    );
    let printed = machine.run(&[b"manifest"]);
    let err = "manifest: cannot look at './listed/file': Permission denied\n\
               manifest: cannot look at './listed/inner': Permission denied\n\
               manifest: cannot open './locked': Permission denied\n";
    assert_eq!((printed.status, str::from_utf8(&printed.err).unwrap()), (1, err));
    assert!(printed.out.ends_with(b" ./open/inner\n"));
    assert_eq!(printed.out.split(|byte| *byte == b'\n').count(), 7);
    assert_nothing_open(&machine);
}

/// A mounted file system with one directory, of files that the ramdisk's calls cannot make.
#[derive(Default)]
struct Devices {
    /// Descriptors that were opened and whether each was listed.
    listed: Mutex<Vec<bool>>,
}

const DEVICES: [(&[u8], u32, u64); 5] = [
    (b"null", libc::S_IFCHR | 0o666, libc::makedev(1, 3)),
    (b"pipe", libc::S_IFIFO | 0o600, 0),
    (b"readable", libc::S_IFREG | 0o644, 0),
    (b"sda", libc::S_IFBLK | 0o660, libc::makedev(259, 10)),
    (b"socket", libc::S_IFSOCK | 0o1755, 0),
];

impl HostFiles for Devices {
    fn open(&self, _: &std::ffi::CStr, _: i32, _: u32) -> Result<HostFd> {
        let mut listed = self.listed.lock().unwrap();
        listed.push(false);
        Ok(HostFd(listed.len() as i32 - 1))
    }

    unsafe fn read(&self, _: HostFd, _: *mut u8, _: usize) -> Result<usize> {
        Err(Errno::EIO)
    }

    unsafe fn write(&self, _: HostFd, _: *const u8, _: usize) -> Result<usize> {
        Err(Errno::EIO)
    }

    fn lseek(&self, _: HostFd, _: i64, _: i32) -> Result<u64> {
        Ok(0)
    }

    fn close(&self, _: HostFd) -> Result<()> {
        Ok(())
    }

    fn unlink(&self, _: &std::ffi::CStr) -> Result<()> {
        Err(Errno::EROFS)
    }

    fn mkdir(&self, _: &std::ffi::CStr, _: u32) -> Result<()> {
        Err(Errno::EROFS)
    }

    fn stat(&self, path: &std::ffi::CStr) -> Result<libc::stat> {
        let name = path.to_bytes().rsplit(|&byte| byte == b'/').next().unwrap();
        let device = DEVICES.iter().find(|device| device.0 == name);
        let (_, mode, rdev) = *device.unwrap_or(&(b"", libc::S_IFDIR | 0o755, 0));
        // SAFETY: zeros are a `struct stat`.
        let mut stat: libc::stat = unsafe { std::mem::zeroed() };
        (stat.st_mode, stat.st_rdev, stat.st_nlink, stat.st_dev) = (mode, rdev, 1, 77);
        stat.st_ino = 100 + DEVICES.iter().position(|device| device.0 == name).unwrap_or(99) as u64;
        (stat.st_uid, stat.st_gid) = (0, 6);
        Ok(stat)
    }

    fn lstat(&self, path: &std::ffi::CStr) -> Result<libc::stat> {
        self.stat(path)
    }

    fn fstat(&self, _: HostFd) -> Result<libc::stat> {
        self.stat(c"/dev")
    }

    fn getdents64(&self, fd: HostFd, buf: &mut [u8]) -> Result<usize> {
        let listed = &mut self.listed.lock().unwrap()[fd.0 as usize];
        if std::mem::replace(listed, true) {
            return Ok(0);
        }
        let mut records = Vec::new();
        for (name, mode, _) in DEVICES {
            let length = (19 + name.len() + 1).next_multiple_of(8);
            let mut record = [&[7; 16][..], &(length as u16).to_ne_bytes()].concat();
            record.push((mode >> 12) as u8);
            record.extend(name);
            record.resize(length, 0);
            records.extend(record);
        }
        buf[..records.len()].copy_from_slice(&records);
        Ok(records.len())
    }
}

fn machine_with_devices() -> Machine {
    let machine = Machine::new(LIMITS);
    machine.sys.mount_host(b"/dev", Arc::new(Devices::default())).unwrap();
    api::write(&machine.sys, "after", "").unwrap();
    let dawn = Timestamp::new(0, 0);
    for path in ["after", "/"] {
        api::set_times(&machine.sys, path, FileTimes::new().set_modified(dawn)).unwrap();
    }
    machine
}

#[test]
fn devices_have_numbers_in_place_of_a_size() {
    let machine = machine_with_devices();
    let lines = "total 0\n\
        crw-rw-rw- 1 0 6   1,  3 1970-01-01T00:00:00Z null\n\
        prw------- 1 0 6       0 1970-01-01T00:00:00Z pipe\n\
        -rw-r--r-- 1 0 6       0 1970-01-01T00:00:00Z readable\n\
        brw-rw---- 1 0 6 259, 10 1970-01-01T00:00:00Z sda\n\
        srwxr-xr-t 1 0 6       0 1970-01-01T00:00:00Z socket\n";
    assert_printed(&machine.run(&[b"ls", b"-l", b"/dev"]), 0, lines, "");
}

#[test]
fn manifest_goes_into_mounts_only_if_asked() {
    let machine = machine_with_devices();
    let head = format!(
        "d 1777 0 0 - 0.000000000 - - .\n\
         f 0644 0 0 0 0.000000000 1 {NOTHING} ./after\n"
    );
    let covering = "d 0755 0 6 - 0.000000000 - - ./dev\n";
    let devices = "c 0666 0 6 - 0.000000000 1 - ./dev/null\t1:3\n\
         p 0600 0 6 - 0.000000000 1 - ./dev/pipe\n\
         f 0644 0 6 0 0.000000000 1 ? ./dev/readable\n\
         b 0660 0 6 - 0.000000000 1 - ./dev/sda\t259:10\n\
         s 1755 0 6 - 0.000000000 1 - ./dev/socket\n";
    assert_printed(&machine.run(&[b"manifest"]), 0, &head, "");
    let err = "manifest: cannot read './dev/readable': Input/output error\n";
    assert_printed(&machine.run(&[b"manifest", b"-m"]), 1, head + covering + devices, err);
    let printed = machine.run(&[b"manifest", b"/dev"]);
    let below = [covering, devices].concat();
    let below = below.replace("./dev\n", ".\n").replace("./dev/", "./");
    assert_printed(&printed, 1, below, &err.replace("/dev", ""));
    assert_nothing_open(&machine);
}

#[test]
fn manifest_says_what_is_wrong() {
    let machine = Machine::new(LIMITS);
    api::write(&machine.sys, "f", "").unwrap();
    let usage = "manifest: usage: manifest [-m] [DIR], -m: what is mounted below DIR too\n";
    let rows: [(Args<'_>, i32, &str); 4] = [
        (&[b"-x"], 2, usage),
        (&[b"/", b"/"], 2, usage),
        (&[b"f"], 1, "manifest: cannot open 'f': Not a directory\n"),
        (&[b"none"], 1, "manifest: cannot open 'none': No such file or directory\n"),
    ];
    for (args, status, err) in rows {
        assert_printed(&machine.run(&[&[&b"manifest"[..]], args].concat()), status, "", err);
    }
}

/// What `manifest` must say of these files, computed from them alone.
fn naive_manifest(entries: &[Entry], uid: u32, gid: u32) -> Vec<u8> {
    let escaped = |name: &[u8]| -> Vec<u8> {
        let escape = |byte: &u8| match byte {
            b'\\' => b"\\\\".to_vec(),
            b'\n' => b"\\n".to_vec(),
            b'\r' => b"\\r".to_vec(),
            b'\t' => b"\\t".to_vec(),
            byte => vec![*byte],
        };
        name.iter().flat_map(escape).collect()
    };
    let original = |entry: &Entry| match &entry.kind {
        Kind::HardLink(original) => original.clone(),
        _ => entry.path.clone(),
    };
    let mut sorted: Vec<&Entry> = entries.iter().collect();
    sorted.sort_by(|a, b| a.path.cmp(&b.path));
    let mut lines = Vec::new();
    for entry in sorted {
        let names = entries.iter().filter(|other| original(other) == original(entry));
        let nlink = names.clone().count();
        // The first was given its mode and time last.
        let Entry { kind, mode, mtime, .. } = names.clone().next().unwrap();
        let time = format!("{}.{:09}", mtime.0, mtime.1);
        let mut more = Vec::new();
        let head = match kind {
            Kind::Directory => format!("d {mode:04o} {uid} {gid} - {time} - -"),
            Kind::File(bytes) => {
                let hash = Sha256::digest(bytes);
                let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
                let size = bytes.len();
                format!("f {mode:04o} {uid} {gid} {size} {time} {nlink} {hash}")
            }
            Kind::Symlink(target) => {
                more = [b"\t", &*escaped(target)].concat();
                format!("l 0777 {uid} {gid} {} {time} {nlink} -", target.len())
            }
            Kind::HardLink(_) => unreachable!("the first name is no link"),
        };
        lines.extend([head.as_bytes(), b" ./", &escaped(&entry.path), &more, b"\n"].concat());
    }
    lines
}

/// A generator of numbers, xorshift64*.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        ((self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % end as u64) as usize
    }
}

fn random_tree(random: &mut Random) -> Vec<Entry> {
    // Few letters around the slash, so that names often begin alike and differ there.
    const LETTERS: &[u8] = b"aab-.!0\\\n\t\r \xff\x01~";
    let (mut entries, mut directories, mut files) = (Vec::<Entry>::new(), vec![vec![]], vec![]);
    for _ in 0..random.below(60) {
        let mut path: Vec<u8> = directories[random.below(directories.len())].clone();
        let len = if random.below(20) == 0 { 255 } else { 1 + random.below(3) };
        let name: Vec<u8> = (0..len).map(|_| LETTERS[random.below(LETTERS.len())]).collect();
        path.extend(&name);
        if name == b"." || name == b".." || entries.iter().any(|entry| entry.path == path) {
            continue;
        }
        let kind = match random.below(8) {
            0..3 => {
                directories.push([&path[..], b"/"].concat());
                Kind::Directory
            }
            3 => Kind::Symlink(name),
            4 if !files.is_empty() => {
                let original: &Vec<u8> = &files[random.below(files.len())];
                Kind::HardLink(original.clone())
            }
            _ => {
                files.push(path.clone());
                // Around the ends of pages, and of the pieces in which files are read.
                let near = [0, 1, 4096, 65_536, 131_072][random.below(5)];
                Kind::File(content((near + random.below(3)).saturating_sub(1)))
            }
        };
        let mtime = (random.below(1 << 31) as i64 - (1 << 30), random.below(1_000_000_000) as u32);
        entries.push(entry(path, kind, random.below(0o10000) as u32, mtime));
    }
    entries
}

fn assert_manifest(entries: &[Entry], whose: &str) {
    let machine = machine_with(entries, 70_000, 3);
    let printed = machine.run(&[b"manifest"]);
    let (top, lines) =
        printed.out.split_at(1 + printed.out.iter().position(|byte| *byte == b'\n').unwrap());
    assert!(top.starts_with(b"d 1777 0 0 - ") && top.ends_with(b" - - .\n"), "{whose}");
    assert_eq!((printed.status, printed.err.as_slice()), (0, &b""[..]), "{whose}");
    let expected = naive_manifest(entries, 70_000, 3);
    assert!(
        lines == expected,
        "{whose}, printed:\n{}\nexpected:\n{}",
        lines.escape_ascii().to_string().replace("\\n", "\n"),
        expected.escape_ascii().to_string().replace("\\n", "\n"),
    );
    assert_nothing_open(&machine);
}

#[test]
fn manifest_tells_a_tree_as_it_was_made() {
    assert_manifest(&odd_tree(), "odd_tree");
}

/// `ANCHORITE_TREES=N` makes as many.
#[test]
fn manifest_tells_random_trees_as_they_were_made() {
    let count = std::env::var("ANCHORITE_TREES").map_or(100, |count| count.parse().unwrap());
    for seed in 1..=count {
        let entries = random_tree(&mut Random(seed));
        assert_manifest(&entries, &format!("the tree of seed {seed}"));
    }
}

#[test]
fn a_tree_may_be_deeper_than_any_path() {
    const LEVELS: usize = 2500;
    let machine = Machine::new(LIMITS);
    for _ in 0..LEVELS {
        api::create_dir(&machine.sys, "s").unwrap();
        api::write(&machine.sys, "s.file", "").unwrap();
        api::set_current_dir(&machine.sys, "s").unwrap();
    }
    api::set_current_dir(&machine.sys, "/").unwrap();
    let printed = machine.run(&[b"manifest"]);
    assert_eq!((printed.status, printed.err.as_slice()), (0, &b""[..]));
    let lines = printed.out.split(|byte| *byte == b'\n');
    let paths: Vec<&[u8]> =
        lines.filter_map(|line| line.splitn(9, |byte| *byte == b' ').nth(8)).collect();
    assert_eq!(paths.len(), 1 + 2 * LEVELS);
    assert!(paths.is_sorted());
    let longest = paths.iter().map(|path| path.len()).max();
    assert_eq!(longest, Some(1 + 2 * LEVELS + ".file".len()));

    let printed = machine.run(&[b"ls", b"-R"]);
    assert_eq!((printed.status, printed.err.as_slice()), (0, &b""[..]));
    assert_eq!(printed.out.windows(2).filter(|end| end == b":\n").count(), 1 + LEVELS);
    assert_nothing_open(&machine);
}

#[test]
fn a_full_table_of_descriptors_is_told() {
    let machine = machine_with(&odd_tree(), 0, 0);
    // Some programs use more than others; no number of free ones is too few for a sentence.
    while machine.sys.dup(0).is_ok() {}
    let rows: [(Args<'_>, &str); 4] = [
        (&[b"cat", b"a.c"], "cat: a.c: Too many open files\n"),
        (&[b"sha256sum", b"a.c"], "sha256sum: a.c: Too many open files\n"),
        (&[b"ls"], "ls: cannot open directory '.': Too many open files\n"),
        (&[b"manifest"], "manifest: cannot open '/': Too many open files\n"),
    ];
    for (args, err) in rows {
        let status = if args[0] == b"ls" { 2 } else { 1 };
        assert_printed(&machine.run(args), status, "", err);
    }
    for freed in 3..10 {
        machine.sys.close(freed).unwrap();
        let printed = machine.run(&[b"manifest"]);
        let told = printed.err.split(|byte| *byte == b'\n').count() - 1;
        assert_eq!(printed.status, i32::from(told > 0), "{freed}");
        assert_eq!(told > 0, freed < 5, "{}", printed.err.escape_ascii());
    }
}

/// `/proc/self/fd` lists the descriptor by which it is listed, which is closed when the name is
/// looked at: `ls -lR /` and `manifest -m /` ended with status 1.
#[test]
fn descriptors_of_the_look_itself_are_no_error() {
    let machine = Machine::new(LIMITS);
    machine.sys.furnish().unwrap();
    api::write(&machine.sys, "file", "").unwrap();
    for args in
        [&[&b"ls"[..], b"-lR", b"/"][..], &[b"ls", b"-laR", b"/proc"], &[b"manifest", b"-m"]]
    {
        let printed = machine.run(args);
        let err = printed.err.escape_ascii().to_string();
        assert_eq!((printed.status, &*err), (0, ""), "{args:?}");
        assert!(printed.out.windows(2).any(|part| part == b"fd"));
    }
    // What is asked for by name is to be there.
    assert_eq!(machine.run(&[b"ls", b"-l", b"/proc/self/fd/99"]).status, 2);
}

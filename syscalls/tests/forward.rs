//! A forwarded mount, over a host that is a directory of this machine's: each call is one
//! call of the host, whatever the path's length; what a host cannot do is ENOSYS; the
//! mount's edges are where `..`, getcwd, rename and link expect them. And over a host that
//! fails and transfers less than asked: its errors arrive, its counts are believed.

use std::ffi::{CStr, CString};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use anchorite_syscalls::{Errno, HostFd, HostFiles, Result, System, api};
use host_fs_sim::worlds::{ROOMY, system};

/// How a host behaves.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Manner {
    Honest,
    /// Every call fails with this error.
    Failing(Errno),
    /// Transfers a byte at most.
    Short,
}

/// A host whose `/mnt` is a directory of its own; it notes what it is asked.
struct Host {
    directory: PathBuf,
    asked: Mutex<Vec<&'static str>>,
    manner: Mutex<Manner>,
}

impl Host {
    fn new() -> Arc<Host> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("anchorite-forward-{}-{number}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir(&directory).unwrap();
        let (asked, manner) = (Mutex::new(Vec::new()), Mutex::new(Manner::Honest));
        Arc::new(Host { directory, asked, manner })
    }

    /// What was asked since the last look.
    fn asked(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }

    fn behave(&self, manner: Manner) {
        *self.manner.lock().unwrap() = manner;
    }

    fn note(&self, call: &'static str) -> Result<Manner> {
        self.asked.lock().unwrap().push(call);
        match *self.manner.lock().unwrap() {
            Manner::Failing(errno) => Err(errno),
            manner => Ok(manner),
        }
    }

    fn real(&self, path: &CStr) -> CString {
        let below = path.to_bytes().strip_prefix(b"/mnt").expect("a path of the mount");
        assert!(below.is_empty() || below[0] == b'/');
        CString::new([self.directory.as_os_str().as_encoded_bytes(), below].concat()).unwrap()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

fn result(value: i64) -> Result<i64> {
    if value >= 0 {
        return Ok(value);
    }
    Err(Errno::from_raw(std::io::Error::last_os_error().raw_os_error().unwrap()))
}

// SAFETY in all: strings end in NUL, and buffers are as long as their owners promise.
impl HostFiles for Host {
    fn open(&self, path: &CStr, flags: i32, mode: u32) -> Result<HostFd> {
        self.note("open")?;
        // SAFETY: as above.
        let fd = unsafe { libc::open(self.real(path).as_ptr(), flags, mode) };
        result(fd.into()).map(|fd| HostFd(fd as i32))
    }

    unsafe fn read(&self, fd: HostFd, buf: *mut u8, len: usize) -> Result<usize> {
        let len = if self.note("read")? == Manner::Short { len.min(1) } else { len };
        // SAFETY: as above.
        result(unsafe { libc::read(fd.0, buf.cast(), len) } as i64).map(|len| len as usize)
    }

    unsafe fn write(&self, fd: HostFd, buf: *const u8, len: usize) -> Result<usize> {
        let len = if self.note("write")? == Manner::Short { len.min(1) } else { len };
        // SAFETY: as above.
        result(unsafe { libc::write(fd.0, buf.cast(), len) } as i64).map(|len| len as usize)
    }

    fn lseek(&self, fd: HostFd, offset: i64, whence: i32) -> Result<u64> {
        self.note("lseek")?;
        // SAFETY: no pointer.
        result(unsafe { libc::lseek(fd.0, offset, whence) }).map(|offset| offset as u64)
    }

    fn close(&self, fd: HostFd) -> Result<()> {
        let noted = self.note("close");
        // SAFETY: the host's own descriptor.
        result(unsafe { libc::close(fd.0) }.into())?;
        noted.map(drop)
    }

    fn unlink(&self, path: &CStr) -> Result<()> {
        self.note("unlink")?;
        // SAFETY: as above.
        result(unsafe { libc::unlink(self.real(path).as_ptr()) }.into()).map(drop)
    }

    fn mkdir(&self, path: &CStr, mode: u32) -> Result<()> {
        self.note("mkdir")?;
        // SAFETY: as above.
        result(unsafe { libc::mkdir(self.real(path).as_ptr(), mode) }.into()).map(drop)
    }

    fn stat(&self, path: &CStr) -> Result<libc::stat> {
        self.note("stat")?;
        let path = self.real(path);
        // SAFETY: as above; zeros are a `struct stat`.
        let mut stat = unsafe { std::mem::zeroed() };
        // SAFETY: as above.
        result(unsafe { libc::stat(path.as_ptr(), &mut stat) }.into()).map(|_| stat)
    }

    fn lstat(&self, _: &CStr) -> Result<libc::stat> {
        self.note("lstat")?;
        Err(Errno::ENOSYS)
    }

    fn fstat(&self, fd: HostFd) -> Result<libc::stat> {
        self.note("fstat")?;
        // SAFETY: zeros are a `struct stat`.
        let mut stat = unsafe { std::mem::zeroed() };
        // SAFETY: as above.
        result(unsafe { libc::fstat(fd.0, &mut stat) }.into()).map(|_| stat)
    }

    fn getdents64(&self, fd: HostFd, buf: &mut [u8]) -> Result<usize> {
        self.note("getdents64")?;
        let (to, len) = (buf.as_mut_ptr(), buf.len());
        // SAFETY: as above.
        result(unsafe { libc::syscall(libc::SYS_getdents64, fd.0, to, len) })
            .map(|len| len as usize)
    }
}

fn mounted() -> (System, Arc<Host>) {
    let (system, host) = (system(ROOMY), Host::new());
    system.mount_host(b"/mnt", host.clone()).unwrap();
    assert!(host.asked().is_empty(), "mounting asks nothing");
    (system, host)
}

const DEEP: &[u8] = b"/mnt/a/b/c/d/e";

/// A host with the directories of [`DEEP`] and a file in the deepest.
fn with_deep_directory() -> (System, Arc<Host>) {
    let (system, host) = mounted();
    for at in DEEP.iter().enumerate().skip(5).filter(|(_, byte)| **byte == b'/') {
        system.mkdir(&DEEP[..at.0], 0o755).unwrap();
    }
    system.mkdir(DEEP, 0o755).unwrap();
    let fd = system.creat(b"/mnt/a/b/c/d/e/f", 0o644).unwrap();
    system.write(fd, b"hello").unwrap();
    system.close(fd).unwrap();
    host.asked();
    (system, host)
}

#[test]
fn each_call_is_one_call_of_the_host() {
    let (system, host) = with_deep_directory();
    let file = b"/mnt/a/b/c/d/e/f";
    let fd = system.open(file, libc::O_RDWR, 0).unwrap();
    assert_eq!(host.asked(), ["open"]);
    let mut buffer = [0; 10];
    assert_eq!(system.read(fd, &mut buffer), Ok(5));
    assert_eq!(host.asked(), ["read"]);
    assert_eq!(system.write(fd, b"!"), Ok(1));
    assert_eq!(host.asked(), ["write"]);
    assert_eq!(system.lseek(fd, -1, libc::SEEK_END), Ok(5));
    assert_eq!(host.asked(), ["lseek"]);
    assert_eq!(system.fstat(fd).unwrap().st_size, 6);
    assert_eq!(host.asked(), ["fstat"]);
    assert_eq!(system.close(fd), Ok(()));
    assert_eq!(host.asked(), ["close"]);
    assert_eq!(system.stat(file).unwrap().st_size, 6);
    assert_eq!(host.asked(), ["stat"]);
    assert_eq!(system.mkdir(b"/mnt/a/b/c/d/e/g", 0o755), Ok(()));
    assert_eq!(host.asked(), ["mkdir"]);
    assert_eq!(system.unlink(file), Ok(()));
    assert_eq!(host.asked(), ["unlink"]);
    let fd = system.open(file, libc::O_RDWR | libc::O_CREAT | libc::O_EXCL, 0o600).unwrap();
    assert_eq!(host.asked(), ["open"]);
    assert_eq!(system.open(b"/mnt/a/b/none/f", libc::O_RDONLY, 0), Err(Errno::ENOENT));
    assert_eq!(host.asked(), ["open"]);
    system.close(fd).unwrap();
    // A host without lstat is asked for stat instead.
    host.asked();
    assert_eq!(system.lstat(file).unwrap().st_mode, 0o100600);
    assert_eq!(host.asked(), ["lstat", "stat"]);
}

/// The host is asked for what the mask leaves: its own process has another.
#[test]
fn new_files_on_the_host_are_masked() {
    let (system, host) = with_deep_directory();
    system.umask(0o077);
    system.mkdir(b"/mnt/new", 0o777).unwrap();
    system.open(b"/mnt/file", libc::O_CREAT | libc::O_RDWR, 0o666).unwrap();
    let mode = |name| std::fs::metadata(host.directory.join(name)).unwrap().permissions().mode();
    assert_eq!((mode("new") & 0o777, mode("file") & 0o777), (0o700, 0o600));
}

#[test]
fn positioned_transfers_leave_the_offset() {
    let (system, host) = with_deep_directory();
    let fd = system.open(b"/mnt/a/b/c/d/e/f", libc::O_RDWR, 0).unwrap();
    let mut buffer = [0; 3];
    assert_eq!(system.read(fd, &mut buffer[..1]), Ok(1));
    assert_eq!(system.pread(fd, &mut buffer, 2), Ok(3));
    assert_eq!(&buffer, b"llo");
    assert_eq!(system.pwrite(fd, b"EL", 1), Ok(2));
    assert_eq!(system.read(fd, &mut buffer), Ok(3));
    assert_eq!(&buffer, b"ELl");
    host.behave(Manner::Failing(Errno::EIO));
    assert_eq!(system.pread(fd, &mut buffer, 2), Err(Errno::EIO));
}

#[test]
fn what_a_host_cannot_do_is_enosys() {
    let (system, _host) = with_deep_directory();
    let (dir, file) = (&b"/mnt/a/b"[..], &b"/mnt/a/b/c/d/e/f"[..]);
    let fd = system.open(file, libc::O_RDWR, 0).unwrap();
    let enosys = Err(Errno::ENOSYS);
    assert_eq!(system.rename(file, b"/mnt/g"), enosys);
    assert_eq!(system.link(file, b"/mnt/g"), enosys);
    assert_eq!(system.symlink(b"x", b"/mnt/l"), enosys);
    assert_eq!(system.readlink(file, &mut [0; 9]), Err(Errno::ENOSYS));
    assert_eq!(system.rmdir(dir), enosys);
    assert_eq!(system.truncate(file, 0), enosys);
    assert_eq!(system.ftruncate(fd, 0), enosys);
    assert_eq!(system.chmod(file, 0), enosys);
    assert_eq!(system.fchmod(fd, 0), enosys);
    assert_eq!(system.chown(file, 1, 1), enosys);
    assert_eq!(system.fchown(fd, 1, 1), enosys);
}

/// A host is not even asked: programs take it for a file system without such attributes.
#[test]
fn forwarded_files_have_no_extended_attributes() {
    let (system, host) = with_deep_directory();
    let file = &b"/mnt/a/b/c/d/e/f"[..];
    let fd = system.open(file, libc::O_RDWR, 0).unwrap();
    host.asked();
    let (none, no_len) = (Err(Errno::EOPNOTSUPP), Err(Errno::EOPNOTSUPP));
    let name = b"user.a";
    assert_eq!(system.setxattr(file, name, b"1", 0), none);
    assert_eq!(system.lsetxattr(file, name, b"1", 0), none);
    assert_eq!(system.getxattr(file, name, &mut [0; 9]), no_len);
    assert_eq!(system.lgetxattr(file, name, &mut [0; 9]), no_len);
    assert_eq!(system.listxattr(file, &mut [0; 9]), no_len);
    assert_eq!(system.llistxattr(file, &mut [0; 9]), no_len);
    assert_eq!(system.removexattr(file, name), none);
    assert_eq!(system.lremovexattr(file, name), none);
    // The console is in no file system at all.
    for fd in [fd, 1] {
        assert_eq!(system.fsetxattr(fd, name, b"1", 0), none);
        assert_eq!(system.fgetxattr(fd, name, &mut [0; 9]), no_len);
        assert_eq!(system.flistxattr(fd, &mut [0; 9]), no_len);
        assert_eq!(system.fremovexattr(fd, name), none);
    }
    assert!(host.asked().is_empty());
    // What is wrong with the call itself is told all the same.
    assert_eq!(system.setxattr(file, b"", b"1", 0), Err(Errno::ERANGE));
    assert_eq!(system.setxattr(file, name, b"1", 4), Err(Errno::EINVAL));
}

/// The host cannot be asked for locks, so that others there would know of them: nothing is
/// promised.
#[test]
fn files_of_the_host_have_no_locks() {
    let (system, host) = with_deep_directory();
    let fd = system.open(b"/mnt/a/b/c/d/e/f", libc::O_RDONLY, 0).unwrap();
    host.asked();
    let enolck = Err(Errno::ENOLCK);
    for operation in [libc::LOCK_SH, libc::LOCK_EX, libc::LOCK_UN] {
        assert_eq!(system.flock(fd, operation), enolck);
    }
    for command in [libc::F_SETLK, libc::F_SETLKW, libc::F_OFD_SETLK, libc::F_GETLK] {
        let mut lock = libc::flock { l_type: 0, l_whence: 0, l_start: 0, l_len: 0, l_pid: 0 };
        assert_eq!(system.fcntl_lock(fd, command, &mut lock), enolck);
    }
    assert_eq!(host.asked(), [""; 0]);
    assert_eq!(system.close(fd), Ok(()));
}

#[test]
fn mount_has_edges() {
    let (system, _host) = with_deep_directory();
    let root = system.stat(b"/").unwrap().st_ino;
    assert_eq!(system.stat(b"/mnt/..").unwrap().st_ino, root);
    assert_eq!(system.stat(b"/mnt/a/../..").unwrap().st_ino, root);
    assert_eq!(system.stat(b"/mnt/a/b/../../../mnt/a/b/c/d/e/f").unwrap().st_size, 5);
    let fd = system.creat(b"/own", 0o644).unwrap();
    system.close(fd).unwrap();
    let exdev = Err(Errno::EXDEV);
    assert_eq!(system.rename(b"/own", b"/mnt/own"), exdev);
    assert_eq!(system.rename(b"/mnt/a", b"/a"), exdev);
    assert_eq!(system.link(b"/mnt/a/b/c/d/e/f", b"/f"), exdev);
    // A name on the host was taken to exist without a look: EEXIST for any.
    assert_eq!(system.link(b"/own", b"/mnt/f"), exdev);
    assert_eq!(system.link(b"/own", b"/mnt/a"), Err(Errno::EEXIST));
    assert_eq!(system.symlink(b"x", b"/mnt/new/"), Err(Errno::ENOENT));
    assert_eq!(system.symlink(b"x", b"/mnt/a/"), Err(Errno::EEXIST));
    let busy = Err(Errno::EBUSY);
    assert_eq!(system.rename(b"/mnt", b"/other"), busy);
    assert_eq!(system.rmdir(b"/mnt"), busy);
    assert_eq!(system.unlink(b"/mnt"), Err(Errno::EISDIR));
    assert_eq!(system.mkdir(b"/mnt", 0), Err(Errno::EEXIST));
    system.mkdir(b"/empty", 0o755).unwrap();
    assert_eq!(system.rename(b"/empty", b"/mnt"), busy);
    // A link of the ramdisk's leads into the mount.
    system.symlink(b"/mnt/a/b", b"/l").unwrap();
    assert_eq!(system.stat(b"/l/c/d/e/f").unwrap().st_size, 5);
    assert_eq!(system.stat(b"/l/../b/c/d/e/f").unwrap().st_size, 5);
    assert_eq!(system.open(b"/l/c/d/e/f", libc::O_RDONLY, 0), Ok(3));
}

fn cwd(system: &System) -> String {
    let mut buffer = [0; 4096];
    let len = system.getcwd(&mut buffer).unwrap();
    String::from_utf8(buffer[..len - 1].to_vec()).unwrap()
}

#[test]
fn working_directory_can_be_in_the_mount() {
    let (system, host) = with_deep_directory();
    system.chdir(b"/mnt").unwrap();
    assert_eq!(cwd(&system), "/mnt");
    system.chdir(b"a/b/c/").unwrap();
    assert_eq!(cwd(&system), "/mnt/a/b/c");
    assert_eq!(system.stat(b"d/e/f").unwrap().st_size, 5);
    system.chdir(b"../..").unwrap();
    assert_eq!(cwd(&system), "/mnt/a");
    system.chdir(b".././a/.").unwrap();
    assert_eq!(cwd(&system), "/mnt/a");
    host.asked();
    assert_eq!(system.chdir(b"b/c/d/e/f"), Err(Errno::ENOTDIR));
    assert_eq!(system.chdir(b"none"), Err(Errno::ENOENT));
    assert_eq!(cwd(&system), "/mnt/a");
    system.chdir(b"../..").unwrap();
    assert_eq!(cwd(&system), "/");
}

#[test]
fn directories_of_the_host_are_listed_and_walked_from() {
    let (system, _host) = with_deep_directory();
    let fd = system.open(b"/mnt/a", libc::O_RDONLY | libc::O_DIRECTORY, 0).unwrap();
    let mut buffer = [0; 1000];
    let len = system.getdents64(fd, &mut buffer).unwrap();
    assert_eq!(len, 3 * 24);
    assert_eq!(system.getdents64(fd, &mut buffer), Ok(0));
    assert_eq!(system.lseek(fd, 0, libc::SEEK_SET), Ok(0));
    assert_eq!(system.getdents64(fd, &mut buffer[..10]), Err(Errno::EINVAL));
    let file = system.openat(fd, b"b/c/d/e/f", libc::O_RDONLY, 0).unwrap();
    assert_eq!(system.getdents64(file, &mut buffer), Err(Errno::ENOTDIR));
    assert_eq!(system.openat(file, b"x", libc::O_RDONLY, 0), Err(Errno::ENOTDIR));
    assert_eq!(system.read(fd, &mut buffer), Err(Errno::EISDIR));
    assert_eq!(system.stat(b"/mnt/a/b/c/d/e/f/").map(drop), Err(Errno::ENOTDIR));
    assert_eq!(system.stat(b"/mnt/a/b/c/d/e/f/.").map(drop), Err(Errno::ENOTDIR));
    assert_eq!(system.open(b"/mnt/a/b/c/d/e/f/", libc::O_RDONLY, 0), Err(Errno::ENOTDIR));
    assert_eq!(system.unlink(b"/mnt/a/b/c/d/e/f/"), Err(Errno::ENOTDIR));
    assert_eq!(system.unlink(b"/mnt/a/"), Err(Errno::EISDIR));
    assert_eq!(system.mkdir(b"/mnt/new/", 0o755), Ok(()));
}

#[test]
fn names_and_paths_have_the_same_limits() {
    let (system, _host) = mounted();
    let path = |len: usize| [&b"/mnt/"[..], &vec![b'n'; len]].concat();
    system.close(system.creat(&path(255), 0o644).unwrap()).unwrap();
    assert_eq!(system.creat(&path(256), 0o644), Err(Errno::ENAMETOOLONG));
    let name = String::from_utf8(vec![b'd'; 250]).unwrap();
    system.chdir(b"/mnt").unwrap();
    let error = (0..20).find_map(|_| {
        let made = system.mkdir(name.as_bytes(), 0o755);
        made.and_then(|()| system.chdir(name.as_bytes())).err()
    });
    assert_eq!(error, Some(Errno::ENAMETOOLONG));
}

#[test]
fn errors_of_the_host_arrive() {
    let (system, host) = with_deep_directory();
    let fd = system.open(b"/mnt/a/b/c/d/e/f", libc::O_RDWR, 0).unwrap();
    host.behave(Manner::Failing(Errno::EIO));
    let eio = Errno::EIO;
    let path = b"/mnt/x";
    assert_eq!(system.open(path, libc::O_RDONLY, 0), Err(eio));
    assert_eq!(system.creat(path, 0), Err(eio));
    assert_eq!(system.stat(path).map(drop), Err(eio));
    assert_eq!(system.lstat(path).map(drop), Err(eio));
    assert_eq!(system.mkdir(path, 0), Err(eio));
    assert_eq!(system.unlink(path), Err(eio));
    assert_eq!(system.chdir(path), Err(eio));
    assert_eq!(system.read(fd, &mut [0; 4]), Err(eio));
    assert_eq!(system.write(fd, b"x"), Err(eio));
    assert_eq!(system.pwrite(fd, b"x", 0), Err(eio));
    assert_eq!(system.lseek(fd, 0, libc::SEEK_SET), Err(eio));
    assert_eq!(system.fstat(fd).map(drop), Err(eio));
    assert_eq!(system.getdents64(fd, &mut [0; 100]), Err(eio));
    assert_eq!(system.close(fd), Err(eio), "the error of a close is told");
    assert_eq!(system.close(fd), Err(Errno::EBADF), "and it is closed all the same");
}

#[test]
fn short_transfers_of_the_host_are_told() {
    let (system, host) = with_deep_directory();
    let fd = system.open(b"/mnt/a/b/c/d/e/f", libc::O_RDWR, 0).unwrap();
    host.behave(Manner::Short);
    let mut buffer = [0; 5];
    assert_eq!(system.read(fd, &mut buffer), Ok(1));
    assert_eq!(&buffer, b"h\0\0\0\0");
    assert_eq!(system.write(fd, b"EL"), Ok(1));
    assert_eq!(system.pwrite(fd, b"XY", 3), Ok(1));
    host.behave(Manner::Honest);
    assert_eq!(system.pread(fd, &mut buffer, 0), Ok(5));
    assert_eq!(&buffer, b"hElXo");
}

#[test]
fn descriptors_of_the_host_are_closed_with_the_system() {
    let (system, host) = with_deep_directory();
    system.open(b"/mnt/a/b/c/d/e/f", libc::O_RDONLY, 0).unwrap();
    system.open(b"/mnt", libc::O_RDONLY, 0).unwrap();
    host.asked();
    drop(system);
    assert_eq!(host.asked(), ["close", "close"]);
    assert_eq!(Arc::strong_count(&host), 1);
}

#[test]
fn mounts_are_made_where_a_directory_can_be() {
    let (system, host) = (system(ROOMY), Host::new());
    let mount = |dir: &[u8]| system.mount_host(dir, host.clone());
    assert_eq!(mount(b""), Err(Errno::EINVAL));
    assert_eq!(mount(b"/"), Err(Errno::EINVAL));
    assert_eq!(mount(b"relative"), Err(Errno::EINVAL));
    system.close(system.creat(b"/f", 0o644).unwrap()).unwrap();
    assert_eq!(mount(b"/f"), Err(Errno::ENOTDIR));
    assert_eq!(mount(b"/f/g"), Err(Errno::ENOTDIR));
    assert_eq!(mount(b"/mnt///"), Ok(()));
    assert_eq!(mount(b"/new/deep/mnt"), Ok(()));
    system.chdir(b"/new/deep").unwrap();
    assert_eq!(system.stat(b"/mnt").map(|stat| stat.st_mode & libc::S_IFMT), Ok(libc::S_IFDIR));
    assert!(mount(b"/mnt/below").is_err(), "no mount below a mount");
}

/// Each directory of the path that is missing is made, and no other.
#[test]
fn mounts_make_the_parents_that_are_missing() {
    let (system, host) = (system(ROOMY), Host::new());
    system.mkdir(b"/there", 0o700).unwrap();
    for dir in [&b"/there//new/deep/mnt"[..], b"/a/./b", b"/there/new/mnt"] {
        system.mount_host(dir, host.clone()).unwrap();
    }
    let names = |dir: &str| {
        let entries = api::read_dir(&system, dir).unwrap();
        let mut names: Vec<Vec<u8>> = entries.map(|entry| entry.unwrap().name().to_vec()).collect();
        names.sort();
        names.join(&b' ')
    };
    for (dir, mode, inside) in [
        ("/", 0o1777, &b"a there"[..]),
        ("/there", 0o700, b"new"),
        ("/there/new", 0o755, b"deep mnt"),
        ("/there/new/deep", 0o755, b"mnt"),
        ("/a", 0o755, b"b"),
    ] {
        let stat = system.stat(dir.as_bytes()).unwrap();
        assert_eq!(stat.st_mode, libc::S_IFDIR | mode, "{dir}");
        assert_eq!(names(dir).escape_ascii().to_string(), inside.escape_ascii().to_string());
    }
}

/// The host was asked to open it, and what it said was told: EROFS, EINVAL, or a descriptor.
#[test]
fn what_the_host_covers_is_a_directory_without_asking() {
    let (system, host) = mounted();
    for (flags, errno) in [
        (libc::O_CREAT, Errno::EISDIR),
        (libc::O_CREAT | libc::O_WRONLY, Errno::EISDIR),
        (libc::O_CREAT | libc::O_ACCMODE, Errno::EISDIR),
        (libc::O_CREAT | libc::O_EXCL, Errno::EEXIST),
    ] {
        for path in [&b"/mnt"[..], b"mnt"] {
            assert_eq!(system.open(path, flags, 0o644), Err(errno), "{flags:#o}");
        }
    }
    assert!(host.asked().is_empty());
}

/// O_CREAT without writing made a file on a host that is only to be read.
#[test]
fn nothing_is_made_on_a_host_that_is_only_read() {
    let (system, host) = (system(ROOMY), Host::new());
    std::fs::write(host.directory.join("there"), "x").unwrap();
    system.mount_host_read_only(b"/mnt", host.clone()).unwrap();
    for (flags, there) in [
        (libc::O_CREAT, None),
        (libc::O_CREAT | libc::O_EXCL, Some(Errno::EEXIST)),
        (libc::O_CREAT | libc::O_WRONLY, Some(Errno::EROFS)),
    ] {
        assert_eq!(system.open(b"/mnt/new", flags, 0o644), Err(Errno::EROFS), "{flags:#o}");
        assert_eq!(system.open(b"/mnt/there", flags, 0o644).err(), there, "{flags:#o}");
    }
    assert!(!host.directory.join("new").exists());
}

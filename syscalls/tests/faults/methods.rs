//! Each method of the process, while memory runs out; and single calls in detail.

use std::sync::Arc;

use anchorite_syscalls::{Errno, Limits, Result, System};
use host_fs_sim::worlds::{ROOMY, TestPlatform, assert_whole, system};

use crate::heap::{Fails, failing, live};
use crate::rows::sizes;
use crate::tree::{clear, dump};

/// A call of the script; what it returns is the number of bytes, for transfers.
type Op = (&'static str, fn(&System) -> Result<usize>);

macro_rules! script {
    ($($call:ident($($argument:expr),* $(,)?)),* $(,)?) => {
        &[$((
            concat!(stringify!($call), " ", $(stringify!($argument), " "),*),
            |system| system.$call($($argument),*).bytes(),
        )),*]
    };
}

/// What methods return: the bytes of a transfer.
trait Done {
    fn bytes(self) -> Result<usize>;
}

impl<T: Done> Done for Result<T> {
    fn bytes(self) -> Result<usize> {
        self.and_then(Done::bytes)
    }
}

macro_rules! done {
    ($($type:ty: $told:ident => $bytes:expr;)*) => {
        $(impl Done for $type {
            fn bytes(self) -> Result<usize> {
                let $told = self;
                Ok($bytes)
            }
        })*
    };
}

done! {
    usize: bytes => bytes;
    Vec<u8>: _told => 0;
    (): _told => 0;
    i32: _told => 0;
    u32: _told => 0;
    u64: _told => 0;
    [u32; 3]: _told => 0;
    [i32; 2]: _told => 0;
    libc::stat: _told => 0;
    libc::statx: _told => 0;
    libc::statfs64: _told => 0;
    libc::timespec: _told => 0;
    libc::rlimit: _told => 0;
    libc::sysinfo: _told => 0;
    libc::utsname: _told => 0;
}

static BYTES: [u8; 70 * 4096] = [b'x'; 70 * 4096];
const RW: i32 = libc::O_RDWR | libc::O_CREAT;
const NAME: &[u8] = b"/d/a name of more bytes than an entry holds in place";
const TEXT: &[u8] = &[b't'; 200];
const HERE: i32 = libc::AT_FDCWD;
const TIMES: [libc::timespec; 2] = [libc::timespec { tv_sec: 7, tv_nsec: 8 }; 2];
/// From a byte on, so many.
const fn lock(kind: i32, l_start: i64, l_len: i64) -> libc::flock {
    libc::flock { l_type: kind as i16, l_whence: 0, l_start, l_len, l_pid: 0 }
}
const LIMIT: libc::rlimit = libc::rlimit { rlim_cur: 500, rlim_max: 1000 };

/// Every method, over files and directories of all the layouts there are.
pub const SCRIPT: &[Op] = script![
    // First: under any limits these are the descriptors 3 and 4.
    pipe(),
    write(4, &BYTES[..50_000]),
    read(3, &mut [0; 20_000]),
    writev(4, &[b"a", &BYTES[..20_000]]),
    close(3),
    close(4),
    inotify_init(),
    inotify_init1(libc::IN_NONBLOCK),
    bytes_to_read(4),
    inotify_add_watch(4, b"/", libc::IN_ALL_EVENTS),
    inotify_add_watch(3, b"/", libc::IN_ALL_EVENTS),
    inotify_rm_watch(4, 1),
    close(3),
    close(4),
    pipe2(libc::O_CLOEXEC | libc::O_NONBLOCK | libc::O_DIRECT),
    fcntl(4, libc::F_SETPIPE_SZ, 1 << 20),
    write(4, &BYTES),
    close(3),
    close(4),
    mkdir(b"/d", 0o755),
    mkdir(b"/d/e", 0o755),
    mkdir(b"/d/e/f", 0o700),
    open(b"/file", RW, 0o644),
    write(3, b"small"),
    pwrite(3, &BYTES[..100], 50),
    write(3, &BYTES[..5000]),
    pwrite(3, &BYTES, 1 << 13),
    pwrite(3, b"far", 1 << 40),
    pwrite(3, b"near", 1 << 25),
    open(NAME, RW, 0o644),
    write(4, b"text"),
    ftruncate(4, 4096),
    pwrite(4, b"at the end", 4000),
    open(b"/d", libc::O_RDONLY, 0),
    symlink(b"../d", b"/d/l"),
    mknod(b"/d/a fifo whose name is longer than an entry", libc::S_IFIFO | 0o600, 0),
    mknodat(5, b"device", libc::S_IFCHR | 0o600, 0x501),
    symlink(TEXT, b"/d/long"),
    link(b"/file", b"/d/l/e/hard"),
    link(NAME, b"/d/l/l/e/another name of more bytes than fit in place"),
    stat(b"/d/l/l/e/f"),
    lstat(b"/d/long"),
    fstatat(5, b"l/l/long", libc::AT_SYMLINK_NOFOLLOW),
    statx(5, b"l/l/e", 0, libc::STATX_ALL),
    statfs(b"/d/l/e"),
    fstatfs(3),
    access(b"/d/l/e", 7),
    faccessat(5, b"l/e", 7, 0),
    readlink(b"/d/l/long", &mut [0; 300]),
    readlinkat(5, b"l/long", &mut [0; 300]),
    chdir(b"/d/l/e"),
    getcwd(&mut [0; 300]),
    openat(5, b"l/e/hard", RW, 0),
    pread(6, &mut [0; 9000], 4000),
    read(6, &mut [0; 9000]),
    readv(6, &mut [&mut [0; 100], &mut [0; 5000]]),
    writev(6, &[&BYTES[..10], &BYTES[..9000]]),
    lseek(6, 0, libc::SEEK_DATA),
    getdents64(5, &mut [0; 1000]),
    rename(b"/d/l/e/f", b"/d/l/g"),
    rename(b"/d/l/g", b"/d/e/f"),
    rename(b"hard", b"/file"),
    rename(b"hard", b"/d/a new name of more bytes than an entry holds"),
    rename(NAME, b"/d/a new name of more bytes than an entry holds"),
    mkdirat(5, b"l/m", 0o700),
    symlinkat(b"elsewhere", 5, b"l/m/link"),
    linkat(3, b"", 5, b"l/m/by descriptor", libc::AT_EMPTY_PATH),
    renameat2(5, b"l/m/link", HERE, b"whiteout", libc::RENAME_WHITEOUT),
    renameat2(5, b"l/m", HERE, b"f", libc::RENAME_EXCHANGE),
    renameat2(5, b"l/m", HERE, b"f", libc::RENAME_EXCHANGE),
    unlinkat(5, b"l/m/link", 0),
    open(b"/d/l", libc::O_RDWR | libc::O_TMPFILE, 0o600),
    fallocate(7, 0, 100, 300_000),
    fallocate(7, libc::FALLOC_FL_KEEP_SIZE, 1 << 30, 4096),
    fallocate(7, libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE, 5000, 100_000),
    copy_file_range((3, Some(&mut 0)), (7, Some(&mut 100)), 20_000, 0),
    sendfile(7, 3, Some(&mut 9000), 10_000),
    fadvise(7, 0, 0, libc::POSIX_FADV_NORMAL),
    readahead(7, 1),
    fsync(7),
    sync(),
    syncfs(7),
    close(7),
    truncate(b"/d/l/../file", 100_000),
    chmod(b"/d/l/../file", 0o600),
    fchmod(3, 0o640),
    fchmodat(5, b"l/e", 0o750, 0),
    chown(b"/file", 1, 1),
    fchown(3, 2, 2),
    lchown(b"/d/l/long", 3, 3),
    fchownat(5, b"l/e", 4, 4, 0),
    setxattr(b"/file", b"user.a", b"value", 0),
    setxattr(b"/file", b"user.a", &BYTES[..65536], libc::XATTR_REPLACE),
    lsetxattr(b"/d/l", b"trusted.a", b"value", 0),
    fsetxattr(5, b"user.a", b"1", 0),
    fsetxattr(5, b"user.b", b"2", 0),
    fsetxattr(5, b"user.c", b"3", 0),
    fsetxattr(5, b"user.d", b"4", 0),
    fsetxattr(5, b"user.e", b"5", 0),
    getxattr(b"/d/l", b"user.e", &mut [0; 300]),
    lgetxattr(b"/d/l", b"trusted.a", &mut [0; 300]),
    fgetxattr(5, b"user.a", &mut [0; 300]),
    listxattr(b"/d/l", &mut [0; 300]),
    llistxattr(b"/d/l", &mut [0; 300]),
    flistxattr(5, &mut [0; 300]),
    removexattr(b"/d/l", b"user.b"),
    lremovexattr(b"/d/l", b"trusted.a"),
    fremovexattr(5, b"user.a"),
    utimensat(5, b"l/e", Some(TIMES), 0),
    futimens(3, Some(TIMES)),
    creat(b"/file", 0o600),
    write(7, &BYTES[..10_000]),
    dup(7),
    dup2(7, 300),
    dup3(7, 700, libc::O_CLOEXEC),
    fcntl(7, libc::F_DUPFD, 1000),
    close_range(8, 2000, 0),
    unlink(b"/d/l/long"),
    mkdir(b"f/deep", 0o755),
    rename(b"f/deep", b"/deep"),
    rename(b"/deep", b"f"),
    rmdir(b"f"),
    fchdir(5),
    close(3),
    unlink(b"/file"),
    close(6),
    close(7),
    open(b"/d/a fifo whose name is longer than an entry", libc::O_RDWR | libc::O_NONBLOCK, 0),
    write(3, b"through"),
    read(3, &mut [0; 10]),
    flock(3, libc::LOCK_EX),
    flock(3, libc::LOCK_UN),
    fcntl_lock(3, libc::F_OFD_SETLK, &mut lock(libc::F_WRLCK, 0, 0)),
    fcntl_lock(3, libc::F_OFD_SETLKW, &mut lock(libc::F_UNLCK, 5, 9)),
    fcntl_lock(3, libc::F_GETLK, &mut lock(libc::F_WRLCK, 0, 0)),
    poll(&mut [libc::pollfd { fd: 3, events: libc::POLLOUT, revents: 0 }], -1),
    ppoll(&mut [libc::pollfd { fd: 3, events: libc::POLLOUT, revents: 0 }], None),
    select(4, [Some(&mut [8]), Some(&mut [8]), None], None),
    pselect(4, [Some(&mut [8]), Some(&mut [8]), None], None),
    close(3),
    mount(Some(b"any"), b"/d/e", Some(b"tmpfs"), 0, Some(b"size=1m,mode=755")),
    mkdir(b"/d/e/in", 0o755),
    mkdir(b"/d/e/copy", 0o755),
    mount(Some(b"any"), b"/d/e/in", Some(b"ramfs"), libc::MS_NOATIME, None),
    mount(Some(b"/d/e"), b"/d/e/copy", None, libc::MS_BIND | libc::MS_REC, None),
    mount(None, b"/d/e", None, libc::MS_REMOUNT, Some(b"size=2m")),
    mount(Some(b"/d/e/in"), b"/d/e/copy", None, libc::MS_MOVE, None),
    mounts_text(),
    umount(b"/d/e/copy"),
    chroot(b"/d/e"),
    chroot(b".."),
    umount2(b"/d/e", libc::MNT_DETACH),
    umask(0o77),
    getpid(),
    gettid(),
    sched_yield(),
    clock_gettime(libc::CLOCK_MONOTONIC),
    getrandom(&mut [0; 600], 0),
    getrlimit(libc::RLIMIT_NOFILE),
    setrlimit(libc::RLIMIT_NOFILE, LIMIT),
    sysinfo(),
    uname(),
    setgroups(&[5, 6, 7, 8, 9]),
    getgroups(&mut [0; 10]),
    setgid(0),
    setregid(0, 0),
    setresgid(0, 0, 0),
    setfsgid(0),
    setuid(0),
    setreuid(0, 0),
    setresuid(0, 0, 0),
    setfsuid(0),
    getresuid(),
    getresgid(),
    fstat(5),
];

fn run(system: &System, script: &[Op]) {
    for (name, op) in script {
        op(system).unwrap_or_else(|errno| panic!("{name}: {errno:?}"));
    }
}

/// From the nth allocation on there is no memory, for every n, while each method is called.
#[test]
fn without_memory_each_method_leaves_the_tree_as_it_was() {
    let live_before = live();
    let mut failures = 0;
    let mut sys = system(ROOMY);
    for (at, (name, op)) in SCRIPT.iter().enumerate() {
        let mut before = dump(&sys);
        let mut short = Vec::new();
        for nth in 0.. {
            let (result, failed) = failing(Fails::From(nth), || op(&sys));
            if !failed {
                let bytes = result.unwrap_or_else(|errno| panic!("{name}: {errno:?}"));
                assert!(short.iter().all(|&short| short <= bytes), "{name}");
                break;
            }
            failures += 1;
            assert_whole(&sys);
            match result {
                Err(errno) => {
                    assert_eq!(errno, Errno::ENOMEM, "{name}, allocation {nth}");
                    assert_eq!(dump(&sys), before, "{name}, allocation {nth}");
                }
                Ok(bytes) => {
                    // A short transfer, or one that can do without: again from the beginning.
                    short.push(bytes);
                    sys = system(ROOMY);
                    run(&sys, &SCRIPT[..at]);
                    before = dump(&sys);
                }
            }
        }
    }
    clear(&sys);
    drop(sys);
    assert_eq!(live(), live_before, "bytes leaked");
    println!("{failures} failed allocations");
    assert!(failures > 100, "{failures} failures were met");
}

/// Does the script under these limits and removes everything; whether they were met.
fn is_met(limits: Limits) -> bool {
    let live_before = live();
    let mut met = false;
    {
        let sys = system(limits);
        for (name, op) in SCRIPT {
            let before = dump(&sys);
            match op(&sys) {
                Ok(_) => {}
                Err(Errno::ENOSPC) => {
                    assert_eq!(dump(&sys), before, "{name} {limits:?}");
                    met = true;
                }
                // What an earlier call did not make is missing here.
                Err(Errno::ENOENT | Errno::EBADF | Errno::EINVAL | Errno::EISDIR) => {}
                Err(Errno::ENOTDIR | Errno::ENOTEMPTY | Errno::ENXIO | Errno::ENODATA) => {}
                Err(errno) => panic!("{name}: {errno:?} with {limits:?}"),
            }
            assert_whole(&sys);
            let used = sys.usage();
            assert!(used.pages * 4096 <= limits.size_bytes && used.inodes <= limits.inodes);
        }
        clear(&sys);
    }
    assert_eq!(live(), live_before, "{limits:?}: bytes leaked");
    met
}

#[test]
fn every_limit_of_pages_leaves_the_tree_as_it_was() {
    let limits = |size_bytes| Limits { size_bytes, inodes: 1 << 40 };
    let met = |pages: &u64| is_met(limits(pages * 4096)) | is_met(limits(pages * 4096 + 4095));
    let met = sizes(0).take_while(met).last();
    assert!(met.is_some_and(|pages| pages > 100), "{met:?}");
}

#[test]
fn every_limit_of_inodes_leaves_the_tree_as_it_was() {
    let met = sizes(1).take_while(|&inodes| is_met(Limits { size_bytes: 1 << 40, inodes })).last();
    assert!(met.is_some_and(|inodes| inodes >= 8), "{met:?}");
}

#[test]
fn short_write_for_want_of_memory_wrote_what_it_says() {
    for offset in [0usize, 100, 4096, 64 * 4096 - 10] {
        for nth in 0..100 {
            let system = system(ROOMY);
            let fd = system.open(b"/f", RW, 0o644).unwrap();
            system.pwrite(fd, b"y", offset as i64).unwrap();
            let write = || system.pwrite(fd, &BYTES, offset as i64);
            let (result, failed) = failing(Fails::From(nth), write);
            let written = result.unwrap_or(0);
            assert!(failed || written == BYTES.len());
            let mut buffer = vec![0; BYTES.len() + 10];
            let len = system.pread(fd, &mut buffer, offset as i64).unwrap();
            assert_eq!(len, written.max(1), "offset {offset}, allocation {nth}");
            let expected = if written == 0 { b'y' } else { b'x' };
            assert!(buffer[..len].iter().all(|&byte| byte == expected));
            assert_whole(&system);
        }
    }
}

#[test]
fn new_system_without_memory_is_enomem() {
    for nth in 0.. {
        let platform = Arc::new(TestPlatform::new(Vec::new()));
        let before = live();
        let (made, failed) = failing(Fails::From(nth), || System::new(platform.clone(), ROOMY));
        let error = made.err();
        assert_eq!(live(), before, "bytes leaked");
        match error {
            Some(errno) => assert_eq!(errno, Errno::ENOMEM),
            None => {
                assert!(!failed, "made without memory");
                break;
            }
        }
    }
}

/// The checker itself, whose memory grows with the tree.
#[test]
fn check_without_memory_is_enomem_and_changes_nothing() {
    let sys = system(ROOMY);
    for number in 0..100 {
        sys.mkdir(format!("/{number}").as_bytes(), 0o755).unwrap();
        sys.open(format!("/{number}/f").as_bytes(), RW, 0o644).unwrap();
    }
    let (before, live_before) = (dump(&sys), live());
    for nth in 0.. {
        let (report, failed) = failing(Fails::Nth(nth), || sys.check());
        match report {
            Err(errno) => assert_eq!((errno, failed), (Errno::ENOMEM, true)),
            Ok(report) => {
                assert!(!failed, "checked without memory");
                assert_eq!((report.inodes(), report.problems), (201, vec![]));
                break;
            }
        }
        assert_eq!(live(), live_before, "bytes leaked");
    }
    assert_eq!(dump(&sys), before);
}

#[test]
fn write_that_partly_fits_returns_what_fitted() {
    for pages in 1..8u64 {
        for offset in [0usize, 1, 4095, 4096, 5000] {
            let system = system(Limits { size_bytes: pages * 4096, inodes: 10 });
            let fd = system.open(b"/f", RW, 0o644).unwrap();
            let first = offset / 4096 * 4096;
            let fits = first + pages as usize * 4096 - offset;
            assert_eq!(system.pwrite(fd, &BYTES, offset as i64), Ok(fits));
            assert_eq!(system.fstat(fd).unwrap().st_size as usize, offset + fits);
            let next = (offset + fits) as i64;
            assert_eq!(system.pwrite(fd, b"x", next), Err(Errno::ENOSPC));
            assert_eq!(system.pwrite(fd, b"x", next - 1), Ok(1), "no more room is needed");
            assert_whole(&system);
            system.ftruncate(fd, 0).unwrap();
            assert_eq!(system.usage().pages, 0);
        }
    }
}

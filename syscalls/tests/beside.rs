//! Transfers by a descriptor that is used often, with other threads about, are done by shorter
//! ways ([`Published`](anchorite_fs::sync::Published)). Whatever the state of the file, they do
//! what they do by a descriptor that was never used.

use anchorite_syscalls::{Errno, Result, System};
use host_fs_sim::worlds::{ROOMY, assert_whole, system};

/// More uses than a descriptor needs to be used often.
const OFTEN: usize = 40;
const RW: i32 = libc::O_RDWR;
const USER: u32 = 1000;

/// Something is made of the file, which has 10,000 bytes and is `/f` and both descriptors'.
type Situation = fn(&System, i32) -> Result<()>;

const SITUATIONS: &[(&str, Situation)] = &[
    ("as it is", |_, _| Ok(())),
    ("set-user-ID, written by its owner", |sys, _| {
        sys.chmod(b"/f", 0o4777)?;
        sys.chown(b"/f", USER, USER)?;
        sys.chmod(b"/f", 0o6777)?;
        sys.setresuid(USER, USER, 0)
    }),
    ("set-user-ID, written by root", |sys, _| sys.chmod(b"/f", 0o6755)),
    ("with a capability", |sys, _| {
        // Revision 2, all permitted: `capabilities(7)`.
        let mut capability = [0; 20];
        capability[3] = 2;
        capability[4..8].fill(0xff);
        sys.setxattr(b"/f", b"security.capability", &capability, 0)
    }),
    ("with an attribute", |sys, _| sys.setxattr(b"/f", b"user.a", b"1", 0)),
    ("limited to 5,000 bytes", |sys, _| {
        sys.setrlimit(libc::RLIMIT_FSIZE, libc::rlimit { rlim_cur: 5000, rlim_max: 5000 })
    }),
    ("appended to", |sys, fd| sys.fcntl(fd, libc::F_SETFL, libc::O_APPEND as u64).map(drop)),
    ("cut short", |sys, _| sys.truncate(b"/f", 100)),
    ("empty", |sys, _| sys.truncate(b"/f", 0)),
    ("all hole", |sys, _| {
        sys.truncate(b"/f", 0)?;
        sys.truncate(b"/f", 10_000)
    }),
    ("with a hole", |sys, fd| {
        let holed = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
        sys.fallocate(fd, holed, 4096, 4096)
    }),
    ("without a name", |sys, _| sys.unlink(b"/f")),
    ("watched", |sys, _| {
        let instance = sys.inotify_init1(0)?;
        sys.inotify_add_watch(instance, b"/f", libc::IN_ALL_EVENTS).map(drop)
    }),
];

/// A write: of so many bytes, at this offset.
const WRITES: &[(usize, i64)] = &[
    (0, 0),
    (1, 0),
    (1, 9999),
    (1, 10_000),
    (2, 9999),
    (4096, 0),
    (4096, 4096),
    (4096, 1),
    (512, 4000),
    (512, 4990),
    (9000, 500),
    (1, 5000),
    (1, -1),
    (1, i64::MAX),
    (100_000, 20_000),
];

/// What one has of a file after it was written to.
#[derive(Debug, PartialEq)]
struct Seen {
    written: Result<usize>,
    mode: u32,
    size: i64,
    blocks: i64,
    is_changed: bool,
    has_capability: bool,
}

/// Writes by a descriptor that was used often, or by another; what is there then, and the content.
fn seen(situation: Situation, (len, offset): (usize, i64), used: bool) -> (Seen, Vec<u8>) {
    let sys = system(ROOMY);
    let often = sys.open(b"/f", RW | libc::O_CREAT, 0o666).unwrap();
    sys.write(often, &[7; 10_000]).unwrap();
    for _ in 0..OFTEN {
        sys.pwrite(often, &[7; 10], 4000).unwrap();
    }
    let fd = if used { often } else { sys.open(b"/f", RW, 0).unwrap() };
    situation(&sys, fd).unwrap();
    let before = sys.fstat(fd).unwrap();
    let written = sys.pwrite(fd, &vec![9; len], offset);
    let after = sys.fstat(fd).unwrap();
    let mut content = vec![0; 200_000];
    let read = sys.pread(fd, &mut content, 0).unwrap();
    content.truncate(read);
    let times = |stat: &libc::stat| (stat.st_mtime, stat.st_mtime_nsec, stat.st_ctime_nsec);
    assert_whole(&sys);
    let seen = Seen {
        written,
        mode: after.st_mode,
        size: after.st_size,
        blocks: after.st_blocks,
        is_changed: times(&before) != times(&after),
        has_capability: sys.fgetxattr(fd, b"security.capability", &mut [0; 64]).is_ok(),
    };
    (seen, content)
}

#[test]
fn writes_by_a_descriptor_used_often_are_as_by_a_new_one() {
    for &(name, situation) in SITUATIONS {
        for &write in WRITES {
            let [new, used] = [false, true].map(|used| seen(situation, write, used));
            assert_eq!(new.0, used.0, "{name}, {write:?}");
            assert!(new.1 == used.1, "{name}, {write:?}: the content differs");
        }
    }
}

#[test]
fn what_may_not_be_written_is_refused_however_often_it_is_used() {
    let sys = system(ROOMY);
    let fd = sys.open(b"/f", libc::O_RDONLY | libc::O_CREAT, 0o666).unwrap();
    let other = sys.open(b"/f", libc::O_WRONLY, 0).unwrap();
    sys.pwrite(other, b"abc", 0).unwrap();
    for _ in 0..OFTEN {
        assert_eq!(sys.pwrite(fd, b"x", 0), Err(Errno::EBADF));
        assert_eq!(sys.pread(other, &mut [0], 0), Err(Errno::EBADF));
        assert_eq!(sys.pread(fd, &mut [0], 0), Ok(1));
        assert_eq!(sys.pwrite(other, b"a", 0), Ok(1));
    }
    sys.close(fd).unwrap();
    sys.close(other).unwrap();
    for fd in [fd, other] {
        assert_eq!(sys.pwrite(fd, b"x", 0), Err(Errno::EBADF));
        assert_eq!(sys.pread(fd, &mut [0], 0), Err(Errno::EBADF));
    }
}

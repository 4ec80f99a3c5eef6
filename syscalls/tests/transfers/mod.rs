//! Situations that a file may be in when it is read or written, and what then comes of that.

use anchorite_syscalls::{OnDamage, Result, System};
use host_fs_sim::worlds::{ROOMY, assert_whole, system};

/// More uses than a descriptor needs to be used often.
pub const OFTEN: usize = 40;
const RW: i32 = libc::O_RDWR;
const USER: u32 = 1000;

/// Something is made of the file, which has 10,000 bytes and is `/f` and both descriptors'.
pub type Situation = fn(&System, i32) -> Result<()>;

pub const SITUATIONS: &[(&str, Situation)] = &[
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
    ("read without a trace", |sys, fd| {
        sys.fcntl(fd, libc::F_SETFL, libc::O_NOATIME as u64).map(drop)
    }),
    ("each read of which is noted", |sys, _| {
        let flags = libc::MS_REMOUNT | libc::MS_STRICTATIME;
        sys.mount(None, b"/", None, flags, None)
    }),
    ("up to the largest offset", |sys, _| {
        sys.truncate(b"/f", i64::MAX)?;
        let fd = sys.open(b"/f", libc::O_WRONLY, 0)?;
        sys.pwrite(fd, b"end", i64::MAX - 3)?;
        sys.close(fd)
    }),
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
    ("in an archive", lend),
    ("in an archive, but for a page", |sys, fd| {
        lend(sys, fd)?;
        sys.pwrite(fd, b"x", 5000).map(drop)
    }),
    ("without a name", |sys, _| sys.unlink(b"/f")),
    ("watched", |sys, _| {
        let instance = sys.inotify_init1(0)?;
        sys.inotify_add_watch(instance, b"/f", libc::IN_ALL_EVENTS).map(drop)
    }),
];

/// Makes the descriptor one of a file whose bytes a preload lent.
fn lend(sys: &System, fd: i32) -> Result<()> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_size(10_000);
    header.set_mode(0o666);
    archive.append_data(&mut header, "lent", &[5; 10_000][..]).unwrap();
    let archive = archive.into_inner().unwrap();
    sys.preload(b"/", Box::new(archive), OnDamage::Stop).unwrap();
    let lent = sys.open(b"/lent", RW, 0)?;
    sys.dup2(lent, fd)?;
    sys.close(lent)
}

/// A write: of so many bytes, at this offset.
pub const WRITES: &[(usize, i64)] = &[
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
    (3, i64::MAX - 3),
    (4, i64::MAX - 3),
    (100_000, 20_000),
];

/// A read: of so many bytes, from this offset on.
pub const READS: &[(usize, i64)] = &[
    (0, 0),
    (1, 0),
    (1, 9999),
    (2, 9999),
    (1, 10_000),
    (4096, 0),
    (4096, 4096),
    (4096, 1),
    (512, 4000),
    (512, 9800),
    (20_000, 0),
    (1, 20_000),
    (1, -1),
    (1, i64::MAX),
    (1, i64::MAX - 1),
    (2, i64::MAX - 1),
    (8, i64::MAX - 8),
    (9, i64::MAX - 8),
];

/// By which descriptor.
#[derive(Clone, Copy)]
pub enum By {
    /// One that was used often.
    Used,
    /// A new one.
    New,
}

/// What one has of a file after it was read or written to.
#[derive(Debug, PartialEq)]
pub struct Seen {
    transferred: Result<usize>,
    buffer: Vec<u8>,
    mode: u32,
    size: i64,
    blocks: i64,
    is_changed: bool,
    is_accessed: bool,
    has_capability: bool,
    content: Vec<u8>,
}

/// Writes; what is there then.
pub fn after_write(situation: Situation, (len, offset): (usize, i64), by: By) -> Seen {
    seen(situation, by, |sys, fd| (sys.pwrite(fd, &vec![9; len], offset), Vec::new()))
}

/// Reads, maybe after another read, so that the access is no news; what there was.
pub fn after_read(situation: Situation, (len, offset): (usize, i64), by: By, again: bool) -> Seen {
    let situation = |sys: &System, fd: i32| {
        situation(sys, fd)?;
        if again { sys.pread(fd, &mut [0; 10_000], 0).map(drop) } else { Ok(()) }
    };
    seen(situation, by, |sys, fd| {
        let mut buffer = vec![1; len];
        (sys.pread(fd, &mut buffer, offset), buffer)
    })
}

fn seen(
    situation: impl FnOnce(&System, i32) -> Result<()>,
    by: By,
    transfer: impl FnOnce(&System, i32) -> (Result<usize>, Vec<u8>),
) -> Seen {
    let sys = system(ROOMY);
    let often = sys.open(b"/f", RW | libc::O_CREAT, 0o666).unwrap();
    sys.write(often, &[7; 10_000]).unwrap();
    for _ in 0..OFTEN {
        sys.pwrite(often, &[7; 10], 4000).unwrap();
    }
    let fd = match by {
        By::Used => often,
        By::New => sys.open(b"/f", RW, 0).unwrap(),
    };
    situation(&sys, fd).unwrap();
    let before = sys.fstat(fd).unwrap();
    let (transferred, buffer) = transfer(&sys, fd);
    let after = sys.fstat(fd).unwrap();
    let mut content = vec![0; 200_000];
    let read = sys.pread(fd, &mut content, 0).unwrap();
    content.truncate(read);
    let changed = |stat: &libc::stat| (stat.st_mtime, stat.st_mtime_nsec, stat.st_ctime_nsec);
    let accessed = |stat: &libc::stat| (stat.st_atime, stat.st_atime_nsec);
    assert_whole(&sys);
    Seen {
        transferred,
        buffer,
        mode: after.st_mode,
        size: after.st_size,
        blocks: after.st_blocks,
        is_changed: changed(&before) != changed(&after),
        is_accessed: accessed(&before) != accessed(&after),
        has_capability: sys.fgetxattr(fd, b"security.capability", &mut [0; 64]).is_ok(),
        content,
    }
}

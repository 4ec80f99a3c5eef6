//! What only the ramdisk can be asked: fields that differ from one file system to the next, so
//! that no comparison with Linux has them; and a console that says something, and fails.

use std::sync::{Arc, Mutex};

use anchorite_syscalls::{Errno, Platform, Result, Stream, System};
use host_fs_sim::worlds::{ROOMY, TestPlatform, system};

#[test]
fn statx_tells_device_mask_and_birth() {
    let sys = system(ROOMY);
    sys.mkdir(b"/d", 0o755).unwrap();
    let statx = || sys.statx(libc::AT_FDCWD, b"/d", 0, libc::STATX_ALL).unwrap();
    let before = statx();
    assert_eq!(before.stx_mask, libc::STATX_BASIC_STATS | libc::STATX_BTIME);
    let stat = sys.stat(b"/d").unwrap();
    assert_eq!((before.stx_rdev_major, before.stx_rdev_minor), (0, 0));
    assert_eq!(stat.st_dev, libc::makedev(before.stx_dev_major, before.stx_dev_minor));
    assert_eq!((stat.st_ino, stat.st_blksize), (before.stx_ino, before.stx_blksize.into()));
    assert_ne!(stat.st_dev, 0);
    sys.chmod(b"/d", 0o700).unwrap();
    let (after, time) = (statx(), |stamp: libc::statx_timestamp| (stamp.tv_sec, stamp.tv_nsec));
    assert_eq!(time(after.stx_btime), time(before.stx_btime));
    assert_eq!(time(after.stx_mtime), time(before.stx_mtime));
    assert!(time(after.stx_ctime) > time(before.stx_ctime));
}

#[test]
fn groups_are_told_in_order_and_counted() {
    const MOST: usize = 65536;
    let sys = system(ROOMY);
    sys.setgroups(&[7, 3, 5]).unwrap();
    assert_eq!(sys.getgroups(&mut []), Ok(3));
    let mut groups = [0; 4];
    assert_eq!(sys.getgroups(&mut groups), Ok(3));
    assert_eq!(groups, [3, 5, 7, 0]);
    assert_eq!(sys.getgroups(&mut groups[..2]), Err(Errno::EINVAL));
    let many: Vec<u32> = (0..=MOST as u32).collect();
    assert_eq!(sys.setgroups(&many), Err(Errno::EINVAL));
    assert_eq!(sys.setgroups(&many[..MOST]), Ok(()));
    assert_eq!(sys.getgroups(&mut []), Ok(MOST));
}

#[test]
fn the_host_sees_eight_bits_of_an_exit_status() {
    for (status, seen) in [(0, 0), (3, 3), (256 + 7, 7), (-1, 255)] {
        let sys = system(ROOMY);
        let ended = std::thread::spawn(move || sys.exit_group(status)).join().unwrap_err();
        let said = ended.downcast_ref::<String>().unwrap();
        assert_eq!(*said, format!("the program ended with {seen}"));
    }
}

#[test]
fn flags_of_random_bytes_are_known() {
    let sys = system(ROOMY);
    let random = |flags| sys.getrandom(&mut [0; 8], flags);
    for flags in [0, libc::GRND_NONBLOCK, libc::GRND_RANDOM, libc::GRND_INSECURE] {
        assert_eq!(random(flags), Ok(8), "{flags}");
    }
    assert_eq!(random(libc::GRND_RANDOM | libc::GRND_INSECURE), Err(Errno::EINVAL));
    assert_eq!(random(8), Err(Errno::EINVAL));
}

#[test]
fn limits_are_asked_of_this_process_alone() {
    let sys = system(ROOMY);
    let ask = |process: u64| {
        sys.syscall(libc::SYS_prlimit64, [process, libc::RLIMIT_FSIZE.into(), 0, 0, 0, 0])
    };
    assert_eq!((ask(0), ask(sys.getpid().into())), (0, 0));
    assert_eq!(ask(u64::from(sys.getpid()) + 1), -i64::from(libc::ESRCH));
}

#[test]
fn vectors_are_gathered_and_scattered() {
    let sys = system(ROOMY);
    let fd = sys.open(b"/f", libc::O_RDWR | libc::O_CREAT, 0o644).unwrap();
    assert_eq!(sys.writev(fd, &[b"one", b"", b"four"]), Ok(7));
    sys.lseek(fd, 1, libc::SEEK_SET).unwrap();
    let (mut first, mut second) = ([0; 4], [0; 4]);
    assert_eq!(sys.readv(fd, &mut [&mut first, &mut second]), Ok(6));
    assert_eq!((&first, &second), (b"nefo", b"ur\0\0"));
    assert_eq!(sys.readv(fd, &mut [&mut first]), Ok(0));
}

/// What is typed is read in pieces; what is written is kept, until room for it ends.
struct Talking {
    ground: TestPlatform,
    typed: Mutex<Vec<u8>>,
    shown: Mutex<Vec<(Stream, Vec<u8>)>>,
    room: usize,
}

impl Platform for Talking {
    fn user_memory(&self) -> &[std::ops::Range<usize>] {
        self.ground.user_memory()
    }

    fn write_console(&self, stream: Stream, bytes: &[u8]) -> Result<()> {
        let mut shown = self.shown.lock().unwrap();
        let used: usize = shown.iter().map(|(_, bytes)| bytes.len()).sum();
        if used + bytes.len() > self.room {
            return Err(Errno::EIO);
        }
        shown.push((stream, bytes.to_vec()));
        Ok(())
    }

    fn read_console(&self, buf: &mut [u8]) -> Result<usize> {
        let mut typed = self.typed.lock().unwrap();
        let len = buf.len().min(typed.len()).min(3);
        buf[..len].copy_from_slice(&typed[..len]);
        typed.drain(..len);
        Ok(len)
    }

    fn realtime(&self) -> libc::timespec {
        self.ground.realtime()
    }

    fn monotonic(&self) -> libc::timespec {
        self.ground.monotonic()
    }

    fn fill_random(&self, buf: &mut [u8]) -> Result<()> {
        self.ground.fill_random(buf)
    }

    fn yield_now(&self) {}

    fn thread_id(&self) -> u32 {
        7
    }

    fn exit(&self, status: i32) -> ! {
        self.ground.exit(status)
    }
}

#[test]
fn console_is_read_and_written_as_far_as_it_goes() {
    let (typed, shown) = (Mutex::new(b"hello".to_vec()), Mutex::default());
    let ground = TestPlatform::new(Vec::new());
    let platform = Arc::new(Talking { ground, typed, shown, room: 10_000 });
    let sys = System::new(platform.clone(), ROOMY).unwrap();
    let mut room = [b'.'; 4];
    assert_eq!((sys.read(0, &mut room[..2]), sys.read(0, &mut room[2..])), (Ok(2), Ok(2)));
    assert_eq!(&room, b"hell");
    assert_eq!((sys.read(0, &mut room), room[0]), (Ok(1), b'o'));
    assert_eq!(sys.read(0, &mut room), Ok(0));
    assert_eq!(sys.read(1, &mut room), Err(Errno::EBADF));
    assert_eq!(sys.write(0, b"x"), Err(Errno::EBADF));
    assert_eq!(sys.write(2, b"oops"), Ok(4));
    // It goes in pieces, and what comes after a failure is not written.
    assert_eq!(sys.write(1, &[b'x'; 20_000]), Ok(8192));
    assert_eq!(sys.write(1, &[b'y'; 4096]), Err(Errno::EIO));
    assert_eq!(sys.write(1, b""), Ok(0));
    let shown = platform.shown.lock().unwrap();
    assert_eq!(shown[0], (Stream::Stderr, b"oops".to_vec()));
    assert!(shown[1..].iter().all(|(stream, _)| *stream == Stream::Stdout));
    assert_eq!(shown[1..].iter().map(|(_, bytes)| bytes.len()).sum::<usize>(), 8192);
}

/// The way to the new name was walked first for a while, which read the link. Linux does not either.
#[test]
fn a_rename_refused_for_the_old_directory_reads_no_link() {
    let sys = system(ROOMY);
    sys.mkdir(b"/no", 0o700).unwrap();
    sys.close(sys.open(b"/no/f", libc::O_CREAT | libc::O_WRONLY, 0o644).unwrap()).unwrap();
    sys.mkdir(b"/d", 0o777).unwrap();
    sys.symlink(b"d", b"/l").unwrap();
    sys.setresuid(5, 5, 5).unwrap();
    let accessed = || {
        let stat = sys.lstat(b"/l").unwrap();
        (stat.st_atime, stat.st_atime_nsec)
    };
    let before = accessed();
    assert_eq!(sys.rename(b"/no/f", b"/l/x"), Err(Errno::EACCES));
    assert_eq!(accessed(), before);
    assert_eq!(sys.rename(b"/none", b"/l/x"), Err(Errno::ENOENT));
    assert_ne!(accessed(), before);
}

//! Limits of resources: RLIMIT_FSIZE and RLIMIT_NOFILE, `getrlimit(2)`. Not beside Linux: there
//! a write over the limit is a signal too, and the limits are the whole process's.

use anchorite_syscalls::{Errno, Limits, System};

fn system() -> System {
    host_fs_sim::worlds::system(Limits::of_memory(64 << 20))
}

fn limit(soft: u64, hard: u64) -> libc::rlimit {
    libc::rlimit { rlim_cur: soft, rlim_max: hard }
}

fn soft_and_hard(sys: &System, resource: u32) -> (u64, u64) {
    let limit = sys.getrlimit(resource).unwrap();
    (limit.rlim_cur, limit.rlim_max)
}

#[test]
fn writes_stop_at_the_limit_of_file_sizes() {
    let sys = system();
    sys.setrlimit(libc::RLIMIT_FSIZE, limit(10, 100)).unwrap();
    let fd = sys.open(b"/f", libc::O_CREAT | libc::O_RDWR, 0o644).unwrap();
    assert_eq!(sys.write(fd, b"12345678"), Ok(8));
    assert_eq!(sys.write(fd, b"9abc"), Ok(2));
    assert_eq!(sys.write(fd, b"b"), Err(Errno::EFBIG));
    assert_eq!(sys.write(fd, b""), Ok(0));
    assert_eq!(sys.pwrite(fd, b"x", 10), Err(Errno::EFBIG));
    assert_eq!(sys.pwrite(fd, b"xyz", 9), Ok(1));
    assert_eq!(sys.ftruncate(fd, 11), Err(Errno::EFBIG));
    assert_eq!(sys.truncate(b"/f", 10), Ok(()));
    assert_eq!(sys.fallocate(fd, 0, 0, 11), Err(Errno::EFBIG));
    assert_eq!(sys.fallocate(fd, libc::FALLOC_FL_KEEP_SIZE, 0, 11), Err(Errno::EFBIG));
    assert_eq!(sys.fallocate(fd, libc::FALLOC_FL_KEEP_SIZE, 0, 10), Ok(()));
    assert_eq!(sys.fstat(fd).unwrap().st_size, 10);

    let other = sys.open(b"/g", libc::O_CREAT | libc::O_RDWR, 0o644).unwrap();
    sys.write(other, b"abc").unwrap();
    let copy = |from: i64, to: i64| {
        let (mut from, mut to) = (from, to);
        sys.copy_file_range((other, Some(&mut from)), (fd, Some(&mut to)), 5, 0)
    };
    assert_eq!(copy(0, 9), Ok(1));
    assert_eq!(copy(3, 10), Err(Errno::EFBIG)); // although there is nothing to copy
    assert_eq!(copy(0, -6), Err(Errno::EINVAL));

    let appending = sys.open(b"/f", libc::O_WRONLY | libc::O_APPEND, 0).unwrap();
    assert_eq!(sys.write(appending, b"x"), Err(Errno::EFBIG));
}

/// All the bytes that are asked for must end where an offset can be, also those beyond what one call
/// transfers.
#[test]
fn a_transfer_is_refused_before_it_is_cut_off() {
    const MOST: i64 = 0x7fff_f000;
    let mut buffer = vec![0; 1 << 31]; // never touched, but for three bytes
    let sys = system();
    let fd = sys.open(b"/f", libc::O_CREAT | libc::O_RDWR, 0o644).unwrap();
    sys.write(fd, b"abc").unwrap();
    // SAFETY: the name is a string.
    let native = unsafe { libc::memfd_create(c"f".as_ptr(), 0) };
    // SAFETY: three bytes are there.
    assert_eq!(unsafe { libc::write(native, b"abc".as_ptr().cast(), 3) }, 3);
    let outcome = |done: isize| match done {
        -1 => Err(Errno::from_raw(std::io::Error::last_os_error().raw_os_error().unwrap())),
        done => Ok(done as usize),
    };

    for offset in [0, i64::MAX - MOST, i64::MAX - MOST - 1, i64::MAX - (1 << 31)] {
        let (to, len) = (buffer.as_mut_ptr().cast(), buffer.len());
        // SAFETY: there is room for so many bytes.
        let of_linux = outcome(unsafe { libc::pread(native, to, len, offset) });
        assert_eq!(sys.pread(fd, &mut buffer, offset), of_linux, "at {offset}");
        // SAFETY: it is a file.
        unsafe { libc::lseek(native, offset, libc::SEEK_SET) };
        sys.lseek(fd, offset, libc::SEEK_SET).unwrap();
        // SAFETY: there is room for so many bytes.
        let of_linux = outcome(unsafe { libc::read(native, to, len) });
        assert_eq!(sys.read(fd, &mut buffer), of_linux, "from {offset} on");
    }
    for offset in [i64::MAX - MOST, i64::MAX - (1 << 31) + 1] {
        // SAFETY: there are so many bytes.
        let of_linux =
            outcome(unsafe { libc::pwrite(native, buffer.as_ptr().cast(), buffer.len(), offset) });
        assert_eq!(of_linux, Err(Errno::EINVAL), "at {offset}");
        assert_eq!(sys.pwrite(fd, &buffer, offset), of_linux, "at {offset}");
        sys.lseek(fd, offset, libc::SEEK_SET).unwrap();
        assert_eq!(sys.write(fd, &buffer), Err(Errno::EINVAL), "from {offset} on");
    }
    assert_eq!(sys.fstat(fd).unwrap().st_size, 3);
    // SAFETY: it is open.
    unsafe { libc::close(native) };
}

/// The whiteout was made first, so a rename over what it may not replace was ENOSPC where
/// no inode was left. Random sequences beside the model found it.
#[test]
fn what_is_replaced_is_looked_at_before_a_whiteout_is_made() {
    let sys = host_fs_sim::worlds::system(Limits { size_bytes: 8192, inodes: 4 });
    for path in [&b"/d"[..], b"/full", b"/full/e"] {
        sys.mkdir(path, 0o755).unwrap();
    }
    let whiteout = |old: &[u8], new: &[u8]| {
        sys.renameat2(libc::AT_FDCWD, old, libc::AT_FDCWD, new, libc::RENAME_WHITEOUT)
    };
    assert_eq!(whiteout(b"/d", b"/full"), Err(Errno::ENOTEMPTY));
    assert_eq!(whiteout(b"/d", b"/full/e"), Err(Errno::ENOSPC));
    assert_eq!(whiteout(b"/d", b"/missing/e"), Err(Errno::ENOENT));
    assert_eq!(sys.check().unwrap().problems, []);
}

/// Linux looks at the limit before it looks at how much there is to copy; here nothing to copy
/// was a success first. Random sequences beside the model found it.
#[test]
fn copying_nothing_behind_the_limit_is_efbig() {
    let sys = system();
    let fd = sys.open(b"/f", libc::O_CREAT | libc::O_RDWR, 0o644).unwrap();
    sys.setrlimit(libc::RLIMIT_FSIZE, limit(10, 10)).unwrap();
    let copy = |to: &mut i64| sys.copy_file_range((fd, Some(&mut 0)), (fd, Some(to)), 0, 0);
    assert_eq!(copy(&mut 9), Ok(0));
    assert_eq!(copy(&mut 10), Err(Errno::EFBIG));
}

#[test]
fn a_file_above_the_limit_may_shrink_to_what_is_above_it() {
    let sys = system();
    let fd = sys.creat(b"/f", 0o644).unwrap();
    sys.ftruncate(fd, 1000).unwrap();
    sys.setrlimit(libc::RLIMIT_FSIZE, limit(10, 10)).unwrap();
    assert_eq!(sys.ftruncate(fd, 500), Ok(()));
    assert_eq!(sys.ftruncate(fd, 501), Err(Errno::EFBIG));
    assert_eq!(sys.pwrite(fd, b"x", 0), Ok(1));
}

#[test]
fn descriptors_stop_at_their_limit() {
    let sys = system();
    assert_eq!(soft_and_hard(&sys, libc::RLIMIT_NOFILE), (1024, 1 << 20));
    sys.setrlimit(libc::RLIMIT_NOFILE, limit(5, 10)).unwrap();
    assert_eq!(sys.creat(b"/f", 0o644), Ok(3));
    assert_eq!(sys.dup(3), Ok(4));
    assert_eq!(sys.dup(3), Err(Errno::EMFILE));
    assert_eq!(sys.open(b"/f", libc::O_RDONLY, 0), Err(Errno::EMFILE));
    assert_eq!(sys.open(b"/g", libc::O_CREAT, 0o644), Err(Errno::EMFILE));
    assert_eq!(sys.stat(b"/g").err(), Some(Errno::ENOENT));
    assert_eq!(sys.dup2(3, 5), Err(Errno::EBADF));
    assert_eq!(sys.fcntl(3, libc::F_DUPFD, 5), Err(Errno::EINVAL));
    sys.setrlimit(libc::RLIMIT_NOFILE, limit(6, 10)).unwrap();
    assert_eq!(sys.dup(3), Ok(5));
}

/// What is open stays so when the limit is lowered below it, and select sees it. Once it looked at
/// no descriptor from the limit on. Found by a random sequence beside the model.
#[test]
fn select_sees_descriptors_beyond_a_lowered_limit() {
    let sys = system();
    assert_eq!(sys.creat(b"/f", 0o644), Ok(3));
    assert_eq!(sys.dup2(3, 6), Ok(6));
    sys.setrlimit(libc::RLIMIT_NOFILE, limit(5, 10)).unwrap();
    let now = Some(libc::timespec { tv_sec: 0, tv_nsec: 0 });
    let mut set = [1 << 6];
    assert_eq!(sys.select(64, [Some(&mut set), None, None], now), Ok(1));
    assert_eq!(set, [1 << 6]);
    let mut closed = [1 << 8];
    assert_eq!(sys.select(64, [Some(&mut closed), None, None], now), Err(Errno::EBADF));
}

#[test]
fn limits_are_raised_by_root_alone() {
    let sys = system();
    assert_eq!(sys.getrlimit(16).err(), Some(Errno::EINVAL));
    assert_eq!(sys.setrlimit(libc::RLIMIT_FSIZE, limit(2, 1)), Err(Errno::EINVAL));
    assert_eq!(sys.setrlimit(libc::RLIMIT_NOFILE, limit(1, (1 << 20) + 1)), Err(Errno::EPERM));
    sys.setrlimit(libc::RLIMIT_NOFILE, limit(1, 1 << 20)).unwrap();
    sys.setrlimit(libc::RLIMIT_FSIZE, limit(1, 5)).unwrap();
    sys.setrlimit(libc::RLIMIT_FSIZE, limit(1, 6)).unwrap();
    sys.setresuid(1, 1, 1).unwrap();
    assert_eq!(sys.setrlimit(libc::RLIMIT_FSIZE, limit(1, 7)), Err(Errno::EPERM));
    assert_eq!(sys.setrlimit(libc::RLIMIT_FSIZE, limit(2, 6)), Ok(()));
    assert_eq!(sys.setrlimit(libc::RLIMIT_FSIZE, limit(3, 4)), Ok(()));
    assert_eq!(soft_and_hard(&sys, libc::RLIMIT_FSIZE), (3, 4));
}

#[test]
fn sysinfo_tells_the_platforms_memory() {
    let info = system().sysinfo().unwrap();
    assert_eq!((info.totalram, info.freeram, info.mem_unit), (1 << 30, 1 << 29, 1));
    assert_eq!((info.procs, info.totalswap), (1, 0));
}

//! Mounts, beyond what rows can say: how many there may be, what goes with them, what many
//! threads do to them at once, and read-only directories of the host's.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use anchorite_syscalls::{Errno, MountSpec, OnDamage, System, api};
use host_fs_sim::worlds::{ROOMY, assert_whole, system};

/// A tenth of what Linux begins with.
const MOUNTS_MAX: usize = 10_000;
const BIND: u64 = libc::MS_BIND;

fn mount(system: &System, target: &[u8]) -> Result<(), Errno> {
    system.mount(None, target, Some(b"tmpfs"), 0, Some(b"size=1m,nr_inodes=100"))
}

fn mounts(system: &System) -> usize {
    system.mounts_text().unwrap().iter().filter(|&&byte| byte == b'\n').count()
}

/// Doubled by binding it with all that is in it, again and again.
#[test]
fn there_are_no_more_mounts_than_there_may_be() {
    let system = system(ROOMY);
    api::create_dir_all(&system, "/a/b").unwrap();
    system.mount(Some(b"/a"), b"/a", None, BIND, None).unwrap();
    let mut doubled = 0;
    let refused = loop {
        match system.mount(Some(b"/a"), b"/a/b", None, BIND | libc::MS_REC, None) {
            Ok(()) => doubled += 1,
            Err(errno) => break errno,
        }
        assert!(doubled < 20, "each time there are twice as many");
    };
    assert_eq!(refused, Errno::ENOSPC);
    // One, and the first; then twice as many each time, and nothing of the last.
    assert_eq!(mounts(&system), (1 << doubled) + 1);
    assert!((1 << doubled) < MOUNTS_MAX && MOUNTS_MAX <= 1 << (doubled + 1));
    system.umount2(b"/a", libc::MNT_DETACH).unwrap();
    assert_eq!(mounts(&system), 1);
    api::remove_dir_all(&system, "/a").unwrap();
    assert_whole(&system);
}

struct Lent(Vec<u8>, &'static AtomicUsize);

// SAFETY: the bytes are the vector's, which nobody changes.
unsafe impl anchorite_syscalls::Lender for Lent {
    fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.1.fetch_add(1, Ordering::Relaxed);
    }
}

/// An archive's memory goes with the ramdisk that it was preloaded to: at the umount, or with
/// the last descriptor of what was detached.
#[test]
fn what_was_preloaded_goes_with_its_mount() {
    static RETURNED: AtomicUsize = AtomicUsize::new(0);
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_size(5000);
    header.set_mode(0o644);
    archive.append_data(&mut header, "file", &[b'x'; 5000][..]).unwrap();
    let archive = archive.into_inner().unwrap();

    let system = system(ROOMY);
    for (round, flags) in [0, libc::MNT_DETACH].into_iter().enumerate() {
        system.mount_as(&MountSpec::parse(b"tmpfs:/m:size=1m").unwrap()).unwrap();
        let lent = Box::new(Lent(archive.clone(), &RETURNED));
        system.preload(b"/m", lent, OnDamage::Stop).unwrap();
        assert_eq!(system.usage().pages, 0, "it landed in the mount");
        let fd = system.open(b"/m/file", libc::O_RDONLY, 0).unwrap();
        if flags == 0 {
            assert_eq!(system.umount2(b"/m", 0), Err(Errno::EBUSY));
            system.close(fd).unwrap();
            system.umount2(b"/m", 0).unwrap();
        } else {
            system.umount2(b"/m", flags).unwrap();
            let mut byte = [0];
            assert_eq!(system.pread(fd, &mut byte, 4999), Ok(1));
            assert_eq!((byte, RETURNED.load(Ordering::Relaxed)), ([b'x'], round));
            system.close(fd).unwrap();
        }
        assert_eq!(RETURNED.load(Ordering::Relaxed), round + 1);
    }
    let read_only = MountSpec::parse(b"tmpfs:/r:ro").unwrap();
    system.mount_as(&read_only).unwrap();
    let lent = Box::new(Lent(archive, &RETURNED));
    let refused = system.preload(b"/r", lent, OnDamage::Stop).unwrap_err();
    assert!(refused.to_string().contains("the directory that it is for"), "{refused}");
    assert_eq!(RETURNED.load(Ordering::Relaxed), 3);
}

/// Each ramdisk has a device number, also for those of its files that are seen elsewhere; and
/// names of its own numbers.
#[test]
fn each_file_system_has_a_device_number() {
    let system = system(ROOMY);
    for path in ["/a", "/b", "/c"] {
        api::create_dir(&system, path).unwrap();
    }
    mount(&system, b"/a").unwrap();
    mount(&system, b"/b").unwrap();
    system.mount(Some(b"/a"), b"/c", None, BIND, None).unwrap();
    let stat = |path: &[u8]| system.stat(path).map(|stat| (stat.st_dev, stat.st_ino)).unwrap();
    let devices = [b"/", &b"/a"[..], b"/b"].map(|path| stat(path).0);
    assert!(devices[0] != devices[1] && devices[1] != devices[2] && devices[0] != devices[2]);
    assert_eq!(stat(b"/c"), stat(b"/a"));
    let text = String::from_utf8(system.mounts_text().unwrap()).unwrap();
    let expected = "tmpfs / tmpfs rw,relatime 0 0\nnone /a tmpfs rw,relatime 0 0\n\
                    none /b tmpfs rw,relatime 0 0\nnone /c tmpfs rw,relatime 0 0\n";
    assert_eq!(text, expected);
}

/// What is mounted over a file is told by the name that it covers, wherever the directory of
/// that is by now; other names of the file are not covered. Once such a mount covered all names,
/// was left out of the text, and who cleared up by that text did not find it.
#[test]
fn mounts_over_files_are_told() {
    let system = system(ROOMY);
    api::create_dir_all(&system, "/a/d").unwrap();
    api::write(&system, "/f", "over").unwrap();
    api::write(&system, "/a/d/g", "under").unwrap();
    system.link(b"/a/d/g", b"/other").unwrap();
    system.mount(Some(b"/f"), b"/a/d/g", None, BIND, None).unwrap();
    system.rename(b"/a/d", b"/a/e").unwrap();
    system.mount(Some(b"/f"), b"/a/e/g", None, BIND, None).unwrap();
    let text = String::from_utf8(system.mounts_text().unwrap()).unwrap();
    let line = "tmpfs /a/e/g tmpfs rw,relatime 0 0\n";
    assert_eq!(text, ["tmpfs / tmpfs rw,relatime 0 0\n", line, line].concat());
    assert_eq!(api::read_to_string(&system, "/other").unwrap(), "under");
    for _ in 0..2 {
        assert_eq!(api::read_to_string(&system, "/a/e/g").unwrap(), "over");
        system.umount2(b"/a/e/g", 0).unwrap();
    }
    assert_eq!(api::read_to_string(&system, "/a/e/g").unwrap(), "under");
    assert_eq!(mounts(&system), 1);
    for path in [&b"/a/e/g"[..], b"/other", b"/f"] {
        system.unlink(path).unwrap();
    }
    api::remove_dir_all(&system, "/a").unwrap();
    assert_whole(&system);
    assert_eq!((system.usage().inodes, system.usage().pages), (1, 0));
}

/// Threads walk, make and remove files in a mount while others mount and unmount there: each
/// sees one file system or another, none is freed too early, and nothing is left at the end.
#[test]
fn mounts_come_and_go_while_others_walk() {
    const ROUNDS: usize = 60;
    let system = system(ROOMY);
    api::create_dir_all(&system, "/m/d").unwrap();
    let (done, busy) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        for number in 0..2 {
            let (system, done) = (&system, &done);
            scope.spawn(move || {
                let path = format!("/m/d/../d/../file{number}");
                while !done.load(Ordering::Relaxed) {
                    if let Ok(fd) =
                        system.open(path.as_bytes(), libc::O_RDWR | libc::O_CREAT, 0o644)
                    {
                        assert_eq!(system.pwrite(fd, b"abc", 0), Ok(3));
                        let stat = system.fstat(fd).unwrap();
                        assert!(stat.st_size == 3, "{}", stat.st_size);
                        system.close(fd).unwrap();
                    }
                    let _ = system.unlink(path.as_bytes());
                    let _ = system.stat(b"/m/d/..");
                    thread::yield_now();
                }
            });
        }
        scope.spawn(|| {
            for round in 0..ROUNDS {
                if mount(&system, b"/m").is_ok() {
                    let _ = system.mkdir(b"/m/d", 0o755);
                }
                let _ = system.mount(Some(b"/m"), b"/m/d", None, BIND, None);
                if system.umount2(b"/m/d", 0) == Err(Errno::EBUSY) {
                    busy.fetch_add(1, Ordering::Relaxed);
                }
                let flags = if round % 3 == 0 { 0 } else { libc::MNT_DETACH };
                let _ = system.umount2(b"/m", flags);
            }
            done.store(true, Ordering::Relaxed);
        });
    });
    while system.umount2(b"/m", libc::MNT_DETACH).is_ok() {}
    while system.umount2(b"/m/d", libc::MNT_DETACH).is_ok() {}
    assert_eq!(mounts(&system), 1);
    api::remove_dir_all(&system, "/m").unwrap();
    assert_eq!((system.usage().pages, system.usage().inodes), (0, 1));
    assert_whole(&system);
}

/// Threads make a directory a mount point while others remove it: it is one or the other.
#[test]
fn what_is_removed_is_not_mounted_on() {
    let system = system(ROOMY);
    for _ in 0..100 {
        api::create_dir(&system, "/d").unwrap();
        let (mounted, removed) = thread::scope(|scope| {
            let mounted = scope.spawn(|| mount(&system, b"/d"));
            let removed = scope.spawn(|| system.rmdir(b"/d"));
            (mounted.join().unwrap(), removed.join().unwrap())
        });
        match (mounted, removed) {
            (Ok(()), Err(Errno::EBUSY)) => {
                system.umount(b"/d").unwrap();
                system.rmdir(b"/d").unwrap();
            }
            (Err(Errno::ENOENT), Ok(())) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_whole(&system);
}

/// An open file keeps what its mount says about access times in bits of its flags that mean
/// nothing in `open(2)`.
#[test]
fn flags_that_mean_nothing_leave_access_times_as_usual() {
    let system = system(ROOMY);
    let fd = system.open(b"/f", libc::O_CREAT | libc::O_WRONLY, 0o644).unwrap();
    system.write(fd, b"x").unwrap();
    let (past, future) = (1, i64::from(i32::MAX));
    for flags in [0, 1 << 29, 1 << 30, 3 << 29] {
        let fd = system.open(b"/f", libc::O_RDONLY | flags, 0).unwrap();
        for (atime, is_changed) in [(past, true), (future, false)] {
            let time = |tv_sec| libc::timespec { tv_sec, tv_nsec: 0 };
            let times = Some([time(atime), time(past)]);
            system.utimensat(libc::AT_FDCWD, b"/f", times, 0).unwrap();
            assert_eq!(system.pread(fd, &mut [0; 1], 0), Ok(1));
            let now = system.stat(b"/f").unwrap().st_atime;
            assert_eq!(now != atime, is_changed, "{flags:#x}: {now}");
        }
        assert_eq!(system.fcntl(fd, libc::F_GETFL, 0).unwrap() & 3 << 29, 0);
    }
}

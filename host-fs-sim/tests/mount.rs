//! Work on a mounted ramdisk through the host's own calls.

mod support;

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, chown, lchown, symlink};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, SystemTime};

use anchorite_programs::posix::script::outcome;
use anyhow::{Context, Result};
use host_fs_sim::fuse::Caching;
use host_fs_sim::programs::{wait, wait_through_interrupt};
use host_fs_sim::suites::{Ground, Kind, new_directory};
use host_fs_sim::worlds::{Numbers, linux_call};
use nix::fcntl::{AT_FDCWD, AtFlags, FallocateFlags, RenameFlags, fallocate, renameat2};
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::{Mode, SFlag, UtimensatFlags, makedev, mknod, utimensat};
use nix::sys::statvfs::statvfs;
use nix::sys::time::TimeSpec;
use nix::unistd::{Pid, Whence, linkat, lseek, mkfifo};

use support::{PROGRAM, can_mount, skip};

const MIB: usize = 1 << 20;
/// How long work on a mount may take before the daemon counts as hung.
const LIMIT: Duration = Duration::from_secs(60);

/// Runs `work` on the host's tmpfs first, to see that it asks for what Linux does, then
/// on the ramdisk with the page cache and without.
fn on_all(size: &str, work: impl Fn(&Path) + Send + Sync) {
    if let Err(reason) = can_mount() {
        return skip(&reason);
    }
    for kind in [Kind::Tmpfs, Kind::Ramdisk(Caching::PageCache), Kind::Ramdisk(Caching::Direct)] {
        println!("on {}", kind.name());
        on_mount(kind, size, |dir| work(dir));
    }
}

/// Runs `work` on a fresh mount. If it hangs, the daemon is killed, so that it goes on
/// with errors; nothing is left mounted either way.
fn on_mount(kind: Kind, size: &str, work: impl FnOnce(&Path) + Send) {
    let mut ground = Ground::new(kind, PROGRAM.as_ref(), size).unwrap();
    let dir = ground.dir().to_owned();
    let (done, ended) = mpsc::channel::<()>();
    thread::scope(|scope| {
        let worker = scope.spawn(move || {
            let _done = done; // dropped at the end, and by a panic too
            work(&dir);
        });
        let expired = ended.recv_timeout(LIMIT) == Err(mpsc::RecvTimeoutError::Timeout);
        if expired {
            ground.kill_daemon();
        }
        let result = worker.join();
        assert!(!expired, "the daemon hung");
        result.unwrap();
    });
    ground.end().unwrap();
}

/// Runs the program with `args` until it ends; what it said on standard error.
///
/// # Errors
/// It did not end in time.
fn run_program(args: &[&str]) -> Result<(ExitStatus, String)> {
    let mut command = Command::new(PROGRAM);
    command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().context("cannot start the program")?;
    let status = wait(&mut child, LIMIT)?;
    let _ = child.kill();
    let output = child.wait_with_output()?;
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    Ok((status.context("it did not end")?, errors))
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn files_directories_and_links_are_what_was_made() {
    on_all("64m", |dir| {
        let nested = dir.join("a/b/c");
        fs::create_dir_all(&nested).unwrap();
        let file = nested.join("file");
        fs::write(&file, "content").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "content");
        fs::hard_link(&file, dir.join("second")).unwrap();
        assert_eq!(fs::metadata(&file).unwrap().nlink(), 2);
        symlink("a/b/c/file", dir.join("link")).unwrap();
        assert_eq!(fs::read_link(dir.join("link")).unwrap(), Path::new("a/b/c/file"));
        assert_eq!(fs::read_to_string(dir.join("link")).unwrap(), "content");
        assert_eq!(names(dir), ["a", "link", "second"]);
        fs::rename(&nested, dir.join("moved")).unwrap();
        assert_eq!(fs::read_to_string(dir.join("moved/file")).unwrap(), "content");
        let busy = fs::remove_dir(dir.join("moved")).unwrap_err();
        assert_eq!(busy.kind(), ErrorKind::DirectoryNotEmpty);
        fs::remove_dir_all(dir.join("moved")).unwrap();
        assert_eq!(fs::metadata(dir.join("second")).unwrap().nlink(), 1);
        assert_eq!(fs::metadata(dir.join("gone")).unwrap_err().kind(), ErrorKind::NotFound);
    });
}

#[test]
fn special_files_are_made_with_their_types_and_numbers() {
    on_all("1m", |dir| {
        mkfifo(&dir.join("fifo"), Mode::S_IRUSR).unwrap();
        let device = makedev(7, 300);
        mknod(&dir.join("char"), SFlag::S_IFCHR, Mode::S_IRUSR, device).unwrap();
        mknod(&dir.join("block"), SFlag::S_IFBLK, Mode::S_IRUSR, device).unwrap();
        mknod(&dir.join("regular"), SFlag::S_IFREG, Mode::S_IRUSR, 0).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(dir.join("socket")).unwrap();
        for (name, file_type, rdev) in [
            ("fifo", libc::S_IFIFO, 0),
            ("char", libc::S_IFCHR, device),
            ("block", libc::S_IFBLK, device),
            ("regular", libc::S_IFREG, 0),
            ("socket", libc::S_IFSOCK, 0),
        ] {
            let metadata = fs::symlink_metadata(dir.join(name)).unwrap();
            assert_eq!(metadata.mode() & libc::S_IFMT, file_type, "{name}");
            assert_eq!(metadata.rdev(), rdev, "{name}");
        }
    });
}

#[test]
fn statfs_tells_the_size_and_what_is_free() {
    on_all("5m", |dir| {
        let stat = statvfs(dir).unwrap();
        assert_eq!(stat.block_size(), 4096);
        assert_eq!(stat.blocks() as usize, 5 * MIB / 4096);
        assert_eq!(stat.blocks_free(), stat.blocks());
        let free_inodes = stat.files_free();
        fs::write(dir.join("file"), vec![1; MIB]).unwrap();
        let stat = statvfs(dir).unwrap();
        assert_eq!(stat.blocks_free() as usize, 4 * MIB / 4096);
        assert_eq!(stat.files_free(), free_inodes - 1);
    });
}

#[test]
fn a_full_ramdisk_says_so_and_goes_on() {
    on_all("1m", |dir| {
        let mut file = File::create(dir.join("file")).unwrap();
        let error = file.write_all(&vec![1; 2 * MIB]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StorageFull);
        assert_eq!(fs::metadata(dir.join("file")).unwrap().len(), MIB as u64);
        let all =
            fallocate(File::create(dir.join("second")).unwrap(), FallocateFlags::empty(), 0, 4096);
        assert_eq!(all, Err(nix::Error::ENOSPC));
        fs::remove_file(dir.join("file")).unwrap();
        drop(file);
        fs::write(dir.join("third"), vec![2; MIB / 2]).unwrap();
    });
}

#[test]
fn an_unlinked_file_lives_until_it_is_closed() {
    on_all("2m", |dir| {
        let path = dir.join("file");
        let mut file = OpenOptions::new().read(true).write(true).create_new(true).open(&path);
        let file = file.as_mut().unwrap();
        file.write_all(&vec![3; MIB]).unwrap();
        fs::remove_file(&path).unwrap();
        assert_eq!(file.metadata().unwrap().nlink(), 0);
        file.seek(SeekFrom::Start(0)).unwrap();
        let mut content = Vec::new();
        file.read_to_end(&mut content).unwrap();
        assert_eq!(content, vec![3; MIB]);
    });
}

#[test]
fn room_of_a_closed_unlinked_file_comes_back() {
    on_all("2m", |dir| {
        for round in 0..20 {
            let path = dir.join(format!("file-{round}"));
            let mut file = File::create(&path).unwrap();
            file.write_all(&vec![3; MIB]).unwrap();
            fs::remove_file(&path).unwrap();
            drop(file);
            // The kernel closes and forgets in its own time.
            let mut tries = 0;
            while statvfs(dir).unwrap().blocks_free() != statvfs(dir).unwrap().blocks() {
                tries += 1;
                assert!(tries < 500, "round {round}: the room does not come back");
                thread::sleep(Duration::from_millis(10));
            }
        }
    });
}

#[test]
fn holes_are_found_made_and_copied() {
    on_all("16m", |dir| {
        let open = |name: &str| {
            let mut options = OpenOptions::new();
            options.read(true).write(true).create(true).truncate(false);
            options.open(dir.join(name)).unwrap()
        };
        let file = open("file");
        file.write_all_at(b"data", MIB as u64).unwrap();
        assert_eq!(lseek(&file, 0, Whence::SeekData).unwrap(), MIB as i64);
        assert_eq!(lseek(&file, MIB as i64, Whence::SeekHole).unwrap(), MIB as i64 + 4);
        assert_eq!(lseek(&file, 2 * MIB as i64, Whence::SeekData), Err(nix::Error::ENXIO));
        assert_eq!(file.metadata().unwrap().blocks(), 8);
        let keep = FallocateFlags::FALLOC_FL_KEEP_SIZE;
        fallocate(&file, keep, 0, 2 * MIB as i64).unwrap();
        assert_eq!(file.metadata().unwrap().len(), MIB as u64 + 4);
        assert_eq!(file.metadata().unwrap().blocks() as usize, 2 * MIB / 512);
        let punch = keep | FallocateFlags::FALLOC_FL_PUNCH_HOLE;
        fallocate(&file, punch, 0, MIB as i64 + 2).unwrap();
        let mut tail = [9; 6];
        assert_eq!(file.read_at(&mut tail, MIB as u64).unwrap(), 4);
        assert_eq!(&tail[..4], b"\0\0ta");
        let zero = fallocate(&file, FallocateFlags::FALLOC_FL_ZERO_RANGE, 0, 4096);
        assert_eq!(zero, Err(nix::Error::EOPNOTSUPP));
        let copy = open("copy");
        let (mut from, mut to) = (MIB as i64 + 2, 5);
        let copied = nix::fcntl::copy_file_range(&file, Some(&mut from), &copy, Some(&mut to), 9);
        assert_eq!(copied, Ok(2));
        assert_eq!(fs::read(dir.join("copy")).unwrap(), b"\0\0\0\0\0ta");
    });
}

#[test]
fn a_rename_may_refuse_or_exchange() {
    on_all("1m", |dir| {
        let (a, b) = (dir.join("a"), dir.join("b"));
        fs::write(&a, "a").unwrap();
        fs::create_dir(&b).unwrap();
        let rename = |flags| renameat2(AT_FDCWD, &a, AT_FDCWD, &b, flags);
        assert_eq!(rename(RenameFlags::RENAME_NOREPLACE), Err(nix::Error::EEXIST));
        assert_eq!(rename(RenameFlags::RENAME_EXCHANGE), Ok(()));
        assert!(a.is_dir());
        assert_eq!(fs::read_to_string(&b).unwrap(), "a");
    });
}

#[test]
fn owners_modes_and_times_are_set() {
    on_all("1m", |dir| {
        let path = dir.join("file");
        fs::write(&path, "x").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o6751)).unwrap();
        chown(&path, Some(1000), Some(2000)).unwrap();
        let metadata = fs::metadata(&path).unwrap();
        assert_eq!((metadata.uid(), metadata.gid()), (1000, 2000));
        assert_eq!(metadata.mode() & 0o7777, 0o751, "a change of owner clears set-ID bits");
        symlink("file", dir.join("link")).unwrap();
        lchown(dir.join("link"), Some(5), None).unwrap();
        assert_eq!(fs::symlink_metadata(dir.join("link")).unwrap().uid(), 5);
        assert_eq!(fs::metadata(&path).unwrap().uid(), 1000);
        for time in [
            SystemTime::UNIX_EPOCH + Duration::new(5_000_000_000, 7),
            SystemTime::UNIX_EPOCH - Duration::new(1, 500_000_000),
            SystemTime::UNIX_EPOCH - Duration::new(3, 0),
        ] {
            let file = File::options().write(true).open(&path).unwrap();
            file.set_modified(time).unwrap();
            assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), time);
        }
    });
}

/// fuser negates the seconds of a time before 1970; of this one that overflows.
#[test]
fn extended_attributes_are_kept() {
    on_all("64m", |dir| {
        fs::write(dir.join("f"), "content").unwrap();
        fs::create_dir(dir.join("d")).unwrap();
        symlink("f", dir.join("l")).unwrap();
        let mut world = Numbers { syscall: &linux_call };
        let dir = dir.to_str().unwrap();
        let capability = "\\x01\\x00\\x00\\x02aaaabbbbccccdddd";
        for (line, expected) in [
            ("listxattr FILE [100]".to_owned(), "[]"),
            ("setxattr FILE \"user.a\" \"value\" 0".to_owned(), "0"),
            ("setxattr FILE \"user.a\" \"more\" XATTR_CREATE".to_owned(), "EEXIST"),
            ("setxattr FILE \"user.b\" \"more\" XATTR_REPLACE".to_owned(), "ENODATA"),
            ("setxattr FILE \"user.b\" \"\" 0".to_owned(), "0"),
            ("getxattr FILE \"user.a\" [0]".to_owned(), "5"),
            ("getxattr FILE \"user.a\" [4]".to_owned(), "ERANGE"),
            ("getxattr FILE \"user.a\" [100]".to_owned(), "5 v a l u e"),
            ("getxattr FILE \"user.b\" [100]".to_owned(), "0"),
            ("getxattr FILE \"user.c\" [100]".to_owned(), "ENODATA"),
            ("listxattr FILE [0]".to_owned(), "14"),
            ("listxattr FILE [13]".to_owned(), "ERANGE"),
            ("listxattr LINK [100]".to_owned(), "[user.b user.a]"),
            ("llistxattr LINK [100]".to_owned(), "[]"),
            ("lsetxattr LINK \"trusted.l\" \"1\" 0".to_owned(), "0"),
            ("lgetxattr LINK \"trusted.l\" [100]".to_owned(), "1 1"),
            ("lsetxattr LINK \"user.l\" \"1\" 0".to_owned(), "EPERM"),
            ("setxattr DIR \"user.a\" \"x\"*65536 0".to_owned(), "0"),
            ("getxattr DIR \"user.a\" [65536]".to_owned(), "65536 x*65536"),
            ("removexattr DIR \"user.a\"".to_owned(), "0"),
            ("removexattr DIR \"user.a\"".to_owned(), "ENODATA"),
            ("setxattr DIR \"other.a\" \"1\" 0".to_owned(), "EOPNOTSUPP"),
            (format!("setxattr FILE \"security.capability\" \"{capability}\" 0"), "0"),
            ("listxattr FILE [100]".to_owned(), "[user.b user.a security.capability]"),
            ("truncate FILE 3".to_owned(), "0"),
            ("listxattr FILE [100]".to_owned(), "[user.b user.a]"),
        ] {
            let line = [("FILE", "f"), ("DIR", "d"), ("LINK", "l")]
                .iter()
                .fold(line, |line, (word, name)| line.replace(word, &format!("\"{dir}/{name}\"")));
            assert_eq!(outcome(&mut world, &line), expected, "{line}");
        }
    });
}

#[test]
fn the_earliest_time_there_is_does_not_end_the_daemon() {
    on_all("1m", |dir| {
        let path = dir.join("file");
        fs::write(&path, "x").unwrap();
        let (earliest, latest) = (TimeSpec::new(i64::MIN, 5), TimeSpec::new(i64::MAX, 5));
        utimensat(AT_FDCWD, &path, &earliest, &latest, UtimensatFlags::FollowSymlink).unwrap();
        let metadata = fs::metadata(&path).unwrap();
        assert_eq!((metadata.atime(), metadata.mtime()), (i64::MIN, i64::MAX));
    });
}

#[test]
fn a_listing_shows_each_entry_that_stays_once() {
    on_all("1m", |dir| {
        let wanted: Vec<_> = (0..3000).map(|number| format!("file-{number:04}")).collect();
        for name in &wanted {
            File::create(dir.join(name)).unwrap();
        }
        assert_eq!(names(dir), wanted);
        // Removed under way: what is listed later stays whole.
        let mut listed = Vec::new();
        for entry in fs::read_dir(dir).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            fs::remove_file(dir.join(&name)).unwrap();
            listed.push(name);
        }
        listed.sort();
        assert_eq!(listed, wanted);
        assert!(names(dir).is_empty());
    });
}

#[test]
fn threads_work_side_by_side() {
    on_all("64m", |dir| {
        thread::scope(|scope| {
            for thread in 0..4 {
                scope.spawn(move || {
                    let own = dir.join(format!("own-{thread}"));
                    fs::create_dir(&own).unwrap();
                    for round in 0..200 {
                        let path = own.join("file");
                        fs::write(&path, vec![thread; 5000 + round]).unwrap();
                        let moved = dir.join(format!("moved-{thread}"));
                        fs::rename(&path, &moved).unwrap();
                        assert_eq!(fs::read(&moved).unwrap(), vec![thread; 5000 + round]);
                        linkat(AT_FDCWD, &moved, AT_FDCWD, &path, AtFlags::empty()).unwrap();
                        fs::remove_file(&moved).unwrap();
                    }
                });
            }
        });
        assert_eq!(names(dir).len(), 4);
    });
}

#[test]
fn set_id_bits_fall_when_another_writes() {
    on_all("1m", |dir| {
        // Without group execute, set-group-ID is no privilege and stays for the file's
        // group. (For strangers tmpfs clears it too; FUSE in the kernel does not.)
        for (gid, before, after) in
            [(1001, 0o6777, 0o777), (1000, 0o6777, 0o777), (1000, 0o6767, 0o2767)]
        {
            let path = dir.join("program");
            fs::write(&path, "x").unwrap();
            chown(&path, Some(1000), Some(1000)).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(before)).unwrap();
            let status = Command::new("setpriv")
                .args(["--reuid=1001", &format!("--regid={gid}"), "--clear-groups", "sh", "-c"])
                .arg(format!("echo y >> {}", path.display()))
                .status()
                .unwrap();
            assert!(status.success());
            let mode = fs::metadata(&path).unwrap().mode() & 0o7777;
            assert_eq!(mode, after, "group {gid}, from {before:o}: {mode:o}");
            assert_eq!(fs::read_to_string(&path).unwrap(), "xy\n");
        }
    });
}

/// The daemon is told one group of a process; the kernel knows all of them.
#[test]
fn a_supplementary_group_lets_a_process_in() {
    on_all("1m", |dir| {
        let shared = dir.join("shared");
        fs::create_dir(&shared).unwrap();
        chown(&shared, Some(0), Some(3000)).unwrap();
        fs::set_permissions(&shared, Permissions::from_mode(0o2770)).unwrap();
        let run = |groups: &str| {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=1001", "--regid=1001", groups, "sh", "-c"]);
            command.arg(format!("umask 027; echo y > {}/file", shared.display()));
            command.stderr(Stdio::null()).status().unwrap().success()
        };
        assert!(!run("--clear-groups"));
        assert!(run("--groups=3000"));
        let metadata = fs::metadata(shared.join("file")).unwrap();
        assert_eq!((metadata.uid(), metadata.gid()), (1001, 3000));
        assert_eq!(metadata.mode() & 0o7777, 0o640);
    });
}

#[test]
fn a_blocking_lock_waits_in_the_kernel() {
    on_all("1m", |dir| {
        let path = dir.join("file");
        let first = File::create(&path).unwrap();
        first.lock().unwrap();
        let second = File::open(&path).unwrap();
        assert!(second.try_lock().is_err());
        thread::scope(|scope| {
            // More waiters than the daemon has threads.
            for _ in 0..10 {
                scope.spawn(|| File::open(&path).unwrap().lock().unwrap());
            }
            thread::sleep(Duration::from_millis(50));
            let served = fs::write(dir.join("other"), "still served");
            // First of all, or a failure would leave the waiters waiting.
            first.unlock().unwrap();
            served.unwrap();
        });
        let mut world = Numbers { syscall: &linux_call };
        let second = File::options().read(true).write(true).open(&path).unwrap();
        let (one, other) = (first.as_raw_fd(), second.as_raw_fd());
        for (line, expected) in [
            (format!("fcntl_setlk {one} F_OFD_SETLK {{F_WRLCK SEEK_SET 0 10 0}}"), "0"),
            (format!("fcntl_setlk {other} F_OFD_SETLK {{F_RDLCK SEEK_SET 9 1 0}}"), "EAGAIN"),
            (format!("fcntl_setlk {other} F_SETLK {{F_WRLCK SEEK_SET 9 1 0}}"), "EAGAIN"),
            (format!("fcntl_setlk {other} F_SETLK {{F_WRLCK SEEK_SET 10 1 0}}"), "0"),
            (
                format!("fcntl_getlk {one} F_OFD_GETLK {{F_RDLCK SEEK_SET 0 0 0}}"),
                "0 [1, 0, 10, 1, 1]",
            ),
        ] {
            assert_eq!(outcome(&mut world, &line), expected, "{line}");
        }
    });
}

#[test]
fn errors_are_one_sentence_with_a_remedy() {
    let dir = new_directory().unwrap();
    let file = dir.join("file");
    fs::write(&file, "").unwrap();
    for (args, sentence) in [
        (["mount", "/nowhere/at/all"].as_slice(), "/nowhere/at/all does not exist: make it"),
        (&["mount", file.to_str().unwrap()], "is not a directory"),
        (&["mount", "/tmp", "--size", "many"], "a size is a number"),
        (&["mount", "/tmp", "--size", "5x"], "the unit `x`"),
        (&["mount", "/tmp", "--preload", "/none.tar"], "/none.tar: No such file"),
        (&["mount", "/tmp", "--preload", "/proc/self/status"], "at byte 0: it is no tar archive"),
    ] {
        let (status, errors) = run_program(args).unwrap();
        assert!(!status.success(), "{args:?}");
        assert!(errors.contains(sentence), "{args:?}: {errors}");
        assert!(!errors.contains("panicked"), "{args:?}: {errors}");
    }
    fs::remove_dir_all(dir).unwrap();
}

#[test]
fn an_interrupt_unmounts_even_what_is_in_use() {
    if let Err(reason) = can_mount() {
        return skip(&reason);
    }
    let limit = Duration::from_secs(20);
    for in_use in [false, true] {
        let dir = new_directory().unwrap();
        let mut command = Command::new(PROGRAM);
        command.arg("mount").arg(&dir).arg("--end-with-parent").stderr(Stdio::null());
        let mut daemon = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = [0; 11];
        daemon.stdout.take().unwrap().read_exact(&mut line).unwrap();
        assert_eq!(&line, b"mounted on ");
        let mut file = in_use.then(|| File::create(dir.join("file")).unwrap());
        kill(Pid::from_raw(daemon.id() as i32), Signal::SIGINT).unwrap();
        if let Some(file) = &mut file {
            // Detached from the tree, it is served until it is closed.
            assert_eq!(wait(&mut daemon, Duration::from_millis(300)).unwrap(), None);
            file.write_all(b"still served").unwrap();
        }
        assert!(fs::read_dir(&dir).unwrap().next().is_none());
        drop(file);
        let status = wait_through_interrupt(&mut daemon, limit).unwrap();
        let _ = daemon.kill();
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
        assert!(!mounts.contains(dir.to_str().unwrap()), "in use: {in_use}");
        assert!(status.is_some_and(|status| status.success()), "in use: {in_use}");
        fs::remove_dir(dir).unwrap();
    }
}

#[test]
fn a_mount_begins_with_the_files_of_archives() {
    if let Err(reason) = can_mount() {
        return skip(&reason);
    }
    let [tree, dir, place] = [(); 3].map(|()| new_directory().unwrap());
    fs::create_dir(tree.join("d")).unwrap();
    fs::write(tree.join("d/file"), vec![b'x'; 10_000]).unwrap();
    symlink("d/file", tree.join("link")).unwrap();
    fs::write(tree.join("twice"), "first").unwrap();
    let archive = |options: &str| {
        let path = place.join(format!("{options}.tar"));
        let mut tar = Command::new("tar");
        tar.arg(options).arg(&path).arg("-C").arg(&tree).arg(".");
        assert!(tar.status().unwrap().success());
        path
    };
    let plain = archive("-cf");
    fs::write(tree.join("twice"), "second").unwrap();
    let compressed = archive("-czf");
    let mut command = Command::new(PROGRAM);
    command.arg("mount").arg(&dir).arg("--end-with-parent");
    command.arg("--preload").arg(plain).arg("--preload").arg(compressed);
    let mut daemon = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut line = [0; 11];
    daemon.stdout.take().unwrap().read_exact(&mut line).unwrap();
    assert_eq!(&line, b"mounted on ");
    let same = Command::new("diff").arg("--recursive").args([&tree, &dir]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&same.stdout), "");
    // A file that is written to is the mount's own from then on.
    let file = OpenOptions::new().read(true).write(true).open(dir.join("d/file")).unwrap();
    file.write_all_at(b"changed", 5000).unwrap();
    let mut around = [0; 9];
    file.read_exact_at(&mut around, 4999).unwrap();
    assert_eq!(&around, b"xchangedx");
    drop(file);
    kill(Pid::from_raw(daemon.id() as i32), Signal::SIGINT).unwrap();
    let status = wait_through_interrupt(&mut daemon, Duration::from_secs(20)).unwrap();
    let _ = daemon.kill();
    assert!(status.is_some_and(|status| status.success()));
    for dir in [tree, dir, place] {
        fs::remove_dir_all(dir).unwrap();
    }
}

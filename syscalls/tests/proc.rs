//! `/dev` and `/proc` as every program finds them: what rows cannot say, since it is not the
//! same on another machine.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::thread;

use anchorite_syscalls::api::{self, Dir};
use anchorite_syscalls::{Errno, OnDamage, System};
use host_fs_sim::worlds::{ROOMY, TestPlatform, Whole, system};
use libc::{O_CREAT, O_RDONLY, O_RDWR, O_TRUNC, O_WRONLY};
use procfs_core::process::{Stat, Status};
use procfs_core::{
    CpuInfo, ExplicitSystemInfo, FromRead, FromReadSI, KernelStats, LoadAverage, Meminfo,
    MountEntry, Uptime,
};

fn furnished() -> Whole {
    let sys = Whole(system(ROOMY));
    sys.furnish().unwrap();
    sys.set_program(&[b"/bin/a program", b"first", b"", b"last"]).unwrap();
    sys
}

fn content(sys: &System, path: &str) -> Vec<u8> {
    api::read(sys, path).unwrap()
}

fn link(sys: &System, path: &str) -> String {
    let mut target = [0; 4096];
    let len = sys.readlink(path.as_bytes(), &mut target).unwrap();
    String::from_utf8(target[..len].to_vec()).unwrap()
}

/// A parser that is used on Linux takes each file, and finds what the platform said.
#[test]
fn parsers_of_linux_take_what_is_told() {
    let sys = furnished();
    let read = |path: &str| std::io::Cursor::new(content(&sys, path));

    let memory = Meminfo::from_read(read("/proc/meminfo")).unwrap();
    assert_eq!((memory.mem_total, memory.mem_free), (1 << 30, 1 << 29));
    assert_eq!(memory.mem_available, Some(1 << 29));
    assert_eq!(memory.swap_total, 0);
    api::write(&sys, "/file", vec![1; 50_000]).unwrap();
    let memory = Meminfo::from_read(read("/proc/meminfo")).unwrap();
    assert_eq!(memory.cached, 13 * 4096);

    let cores = CpuInfo::from_read(read("/proc/cpuinfo")).unwrap();
    assert_eq!(cores.num_cores(), 1);
    let info = ExplicitSystemInfo {
        boot_time_secs: 0,
        ticks_per_second: 100,
        page_size: 4096,
        is_little_endian: true,
    };
    let stats = KernelStats::from_read(read("/proc/stat"), &info).unwrap();
    assert_eq!((stats.cpu_time.len(), stats.procs_running), (1, Some(1)));
    assert!(stats.total.user > 0);

    let uptime = Uptime::from_read(read("/proc/uptime")).unwrap();
    let now = sys.clock_gettime(libc::CLOCK_MONOTONIC).unwrap();
    assert!((uptime.uptime - now.tv_sec as f64).abs() < 2.0, "{uptime:?}");
    assert_eq!(LoadAverage::from_read(read("/proc/loadavg")).unwrap().max, 1);

    let stat = Stat::from_read(read("/proc/self/stat")).unwrap();
    assert_eq!((stat.pid, &*stat.comm, stat.state), (1, "a program", 'R'));
    assert_eq!((stat.num_threads, stat.rss), (1, (1 << 29) / 4096));
    sys.setresuid(1, 2, 3).unwrap();
    sys.umask(0o027);
    let status = Status::from_read(read("/proc/self/status")).unwrap();
    assert_eq!((&*status.name, status.pid, status.ppid), ("a program", 1, 0));
    assert_eq!((status.ruid, status.euid, status.suid, status.fuid), (1, 2, 3, 2));
    assert_eq!(status.umask, Some(0o027));
    assert_eq!(status.vmrss, Some((1 << 29) / 1024));
}

#[test]
fn mounts_are_told() {
    let sys = furnished();
    sys.mkdir(b"/a b", 0o755).unwrap();
    let flags = libc::MS_RDONLY | libc::MS_NOATIME | libc::MS_NODEV;
    sys.mount(Some(b"my\ttmpfs"), b"/a b", Some(b"tmpfs"), flags, None).unwrap();
    let told = content(&sys, "/proc/mounts");
    assert_eq!(
        String::from_utf8(told.clone()).unwrap(),
        "tmpfs / tmpfs rw,relatime 0 0\n\
         devtmpfs /dev devtmpfs rw,relatime 0 0\n\
         proc /proc proc rw,relatime 0 0\n\
         my\\011tmpfs /a\\040b tmpfs ro,nodev,noatime 0 0\n"
    );
    let mounts = Vec::<MountEntry>::from_read(std::io::Cursor::new(told)).unwrap();
    assert_eq!(mounts.len(), 4);
    assert_eq!((&*mounts[2].fs_file, &*mounts[2].fs_vfstype), ("/proc", "proc"));
    sys.umount(b"/a b").unwrap();
    assert_eq!(content(&sys, "/proc/self/mounts").split(|&byte| byte == b'\n').count(), 4);
    // Below another root, paths are told from there.
    sys.mkdir(b"/inner", 0o755).unwrap();
    sys.mkdir(b"/inner/proc", 0o755).unwrap();
    sys.mount(None, b"/inner/proc", Some(b"proc"), 0, None).unwrap();
    sys.chroot(b"/inner").unwrap();
    let told = String::from_utf8(content(&sys, "/proc/mounts")).unwrap();
    assert!(told.ends_with("none /proc proc rw,relatime 0 0\n"), "{told}");
    assert_eq!(link(&sys, "/proc/self/root"), "/");
}

/// The program is told by the name and the arguments that it was started with.
#[test]
fn program_is_told() {
    let sys = furnished();
    assert_eq!(content(&sys, "/proc/self/cmdline"), b"/bin/a program\0first\0\0last\0");
    assert_eq!(content(&sys, "/proc/self/comm"), b"a program\n");
    assert_eq!(link(&sys, "/proc/self/exe"), "/a program");
    assert_eq!(sys.open(b"/proc/self/exe", O_RDONLY, 0), Err(Errno::ENOENT), "it is an image");
    assert_eq!(sys.stat(b"/proc/self/exe").map(drop), Err(Errno::ENOENT));
    let nameless = Whole(system(ROOMY));
    nameless.furnish().unwrap();
    assert_eq!(content(&nameless, "/proc/self/cmdline"), b"");
    assert_eq!(content(&nameless, "/proc/self/comm"), b"\n");
}

/// The descriptors that a process begins with are the console, by its path, and can be opened
/// again, as shells do.
#[test]
fn standard_descriptors_have_a_path() {
    let platform = TestPlatform::new(Vec::new()).with_console(b"typed".to_vec(), 8);
    let sys = System::new(Arc::new(platform), ROOMY).unwrap();
    sys.furnish().unwrap();
    for fd in 0..3 {
        assert_eq!(link(&sys, &format!("/proc/self/fd/{fd}")), "/dev/console");
        let (own, node) = (sys.fstat(fd).unwrap(), sys.stat(b"/dev/console").unwrap());
        assert_eq!((own.st_dev, own.st_ino), (node.st_dev, node.st_ino));
    }
    assert_eq!(sys.fcntl(1, libc::F_GETFL, 0).unwrap() & libc::O_ACCMODE, O_WRONLY);
    let out = sys.open(b"/dev/stdout", O_WRONLY | O_CREAT | O_TRUNC, 0o644).unwrap();
    assert_eq!(out, 3);
    assert_eq!(sys.write(out, b"told"), Ok(4));
    assert_eq!(sys.write(1, b"more"), Ok(4));
    assert_eq!(sys.write(out, b"failed"), Err(Errno::EIO), "it is one console");
    let input = sys.open(b"/dev/stdin", O_RDONLY, 0).unwrap();
    let mut typed = [0; 5];
    assert_eq!(sys.read(input, &mut typed), Ok(5));
    assert_eq!(&typed, b"typed");
    let tty = sys.open(b"/dev/tty", O_RDWR, 0).unwrap();
    assert_eq!(link(&sys, &format!("/dev/fd/{tty}")), "/dev/tty");
}

/// What lost its name is told by its number, which no other file has at that time; and can be
/// opened all the same.
#[test]
fn lost_files_are_told_by_their_numbers() {
    let sys = furnished();
    let file = sys.open(b"/lost", O_CREAT | O_RDWR, 0o600).unwrap();
    let number = sys.fstat(file).unwrap().st_ino;
    let path = format!("/proc/self/fd/{file}");
    assert_eq!(link(&sys, &path), "/lost");
    sys.link(b"/lost", b"/found").unwrap();
    sys.unlink(b"/lost").unwrap();
    assert_eq!(link(&sys, &path), "/found");
    sys.unlink(b"/found").unwrap();
    assert_eq!(link(&sys, &path), format!("/#{number} (deleted)"));
    let again = sys.open(path.as_bytes(), O_RDWR, 0).unwrap();
    assert_eq!(sys.fstat(again).unwrap().st_ino, number);
    let [end, _] = sys.pipe().unwrap();
    let number = sys.fstat(end).unwrap().st_ino;
    assert_eq!(link(&sys, &format!("/proc/self/fd/{end}")), format!("pipe:[{number}]"));
}

/// Files far down, and below mounts, are found.
#[test]
fn names_are_found_wherever_they_are() {
    let sys = furnished();
    let mut path = String::new();
    for at in 0..40 {
        for beside in 0..3 {
            sys.mkdir(format!("{path}/beside{beside}").as_bytes(), 0o755).unwrap();
        }
        path += &format!("/beside{}", at % 3);
    }
    sys.mount(None, b"/beside2", Some(b"tmpfs"), 0, None).unwrap();
    for path in [format!("{path}/file"), "/beside2/file".to_owned()] {
        let fd = sys.open(path.as_bytes(), O_CREAT | O_WRONLY, 0o644).unwrap();
        assert_eq!(link(&sys, &format!("/proc/self/fd/{fd}")), path);
    }
}

/// A read in pieces finds one text, though what it tells changes meanwhile; a read from the start
/// finds it anew.
#[test]
fn text_stays_the_same_until_it_is_read_from_the_start() {
    let sys = furnished();
    let whole = content(&sys, "/proc/self/status");
    let fd = sys.open(b"/proc/self/status", O_RDONLY, 0).unwrap();
    let mut got: Vec<u8> = Vec::new();
    let mut piece = [0; 7];
    loop {
        let len = sys.read(fd, &mut piece).unwrap();
        if len == 0 {
            break;
        }
        got.extend(&piece[..len]);
        sys.umask(got.len() as u32 % 0o777);
    }
    assert_eq!(got, whole);
    let mut again = vec![0; whole.len()];
    assert_eq!(sys.pread(fd, &mut again, 0), Ok(whole.len()));
    assert_ne!(again, whole, "the mask is another by now");
    assert_eq!(sys.pread(fd, &mut piece, whole.len() as i64 - 3), Ok(3));
    let out = sys.open(b"/copy", O_CREAT | O_RDWR, 0o644).unwrap();
    let version = sys.open(b"/proc/version", O_RDONLY, 0).unwrap();
    let len = content(&sys, "/proc/version").len();
    assert_eq!(sys.sendfile(out, version, None, 1000), Ok(len));
    assert_eq!(content(&sys, "/copy"), content(&sys, "/proc/version"));
}

fn archive(entries: &[(&str, Option<(u32, u32)>)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, device) in entries {
        let mut header = tar::Header::new_ustar();
        header.set_path(path).unwrap();
        header.set_mode(0o755);
        header.set_mtime(1_000_000_000);
        header.set_size(0);
        match device {
            Some((major, minor)) => {
                header.set_entry_type(tar::EntryType::Char);
                header.set_device_major(*major).unwrap();
                header.set_device_minor(*minor).unwrap();
            }
            None => header.set_entry_type(tar::EntryType::Directory),
        }
        header.set_cksum();
        builder.append(&header, &[][..]).unwrap();
    }
    builder.into_inner().unwrap()
}

fn export(sys: &System) -> Vec<u8> {
    let mut archive = Vec::new();
    sys.export(b"/", &mut |bytes| {
        archive.extend_from_slice(bytes);
        Ok(())
    })
    .unwrap();
    archive
}

/// A tree that was preloaded leaves as it came, whether it has a `/dev` and a `/proc` or not; what
/// is in its own is covered meanwhile.
#[test]
fn preloaded_tree_is_exported_as_it_came() {
    let with: &[_] = &[
        ("./", None),
        ("dev/", None),
        ("dev/null", Some((1, 3))),
        ("dev/mine", Some((240, 7))),
        ("dev/pts/", None),
        ("proc/", None),
        ("usr/", None),
    ];
    let without: &[_] = &[("./", None), ("usr/", None)];
    for entries in [with, without] {
        let sys = Whole(system(ROOMY));
        sys.preload(b"/", Box::new(archive(entries)), OnDamage::Stop).unwrap();
        let before = export(&sys);
        sys.furnish().unwrap();
        assert_eq!(sys.stat(b"/dev/mine").map(drop), Err(Errno::ENOENT), "covered");
        assert!(sys.stat(b"/dev/zero").is_ok() && sys.stat(b"/proc/self/fd").is_ok());
        assert!(export(&sys) == before);
        sys.mknod(b"/dev/more", libc::S_IFREG | 0o644, 0).unwrap();
        assert!(export(&sys) == before, "what is mounted is no part of it");
        let all = Dir::open(&sys, "/").unwrap();
        let names: BTreeSet<Vec<u8>> =
            all.entries().unwrap().map(|entry| entry.unwrap().name().to_vec()).collect();
        assert_eq!(names, ["dev", "proc", "usr"].map(|name| name.as_bytes().to_vec()).into());
    }
}

/// A tree that has something else of these names keeps it.
#[test]
fn names_that_are_no_directories_are_left_alone() {
    let sys = Whole(system(ROOMY));
    api::write(&sys, "/dev", b"mine").unwrap();
    sys.symlink(b"nowhere", b"/proc").unwrap();
    assert_eq!(sys.furnish(), Err(Errno::ENOENT), "a link that leads nowhere is told");
    sys.unlink(b"/proc").unwrap();
    sys.furnish().unwrap();
    assert_eq!(content(&sys, "/dev"), b"mine");
    assert_eq!(content(&sys, "/proc/self/comm"), b"\n");
    let mut target = [0; 20];
    let len = sys.readlink(b"/proc/self/fd/1", &mut target).unwrap();
    assert_eq!(&target[..len], b"/dev/console");
    assert_eq!(sys.open(b"/proc/self/fd/1", O_WRONLY, 0), Err(Errno::ENOENT), "it has no node");
}

/// While threads open and close, whoever lists and reads finds what there is, and nothing breaks.
#[test]
fn descriptors_come_and_go_while_they_are_looked_at() {
    const TIMES: usize = 300;
    let sys = furnished();
    thread::scope(|scope| {
        for name in ["/a", "/b"] {
            let sys = &sys;
            scope.spawn(move || {
                for _ in 0..10 * TIMES {
                    let fd = sys.open(name.as_bytes(), O_CREAT | O_RDWR, 0o600).unwrap();
                    let [end, other] = sys.pipe().unwrap();
                    sys.unlink(name.as_bytes()).unwrap();
                    [fd, end, other].into_iter().for_each(|fd| sys.close(fd).unwrap());
                }
            });
        }
        for _ in 0..TIMES {
            let directory = Dir::open(&sys, "/proc/self/fd").unwrap();
            for entry in directory.entries().unwrap() {
                let path = [b"/proc/self/fd/", entry.unwrap().name()].concat();
                let mut target = [0; 64];
                match sys.readlink(&path, &mut target) {
                    Ok(len) => assert!(len > 0),
                    Err(errno) => assert_eq!(errno, Errno::ENOENT),
                }
                let flags = O_RDONLY | libc::O_NONBLOCK;
                if path.ends_with(b"/0") || path.ends_with(b"/1") || path.ends_with(b"/2") {
                    continue;
                }
                match sys.open(&path, flags, 0) {
                    Ok(fd) => sys.close(fd).unwrap(),
                    Err(errno) => assert_eq!(errno, Errno::ENOENT),
                }
            }
            assert!(content(&sys, "/proc/self/status").starts_with(b"Name:\ta program\n"));
            assert!(content(&sys, "/proc/mounts").ends_with(b" 0 0\n"));
        }
    });
}

/// proc and devtmpfs are file systems like others: mounted twice, bound, and taken away.
#[test]
fn both_can_be_mounted_elsewhere_and_taken_away() {
    let sys = furnished();
    for dir in ["/p", "/d", "/b"] {
        sys.mkdir(dir.as_bytes(), 0o755).unwrap();
    }
    sys.mount(None, b"/p", Some(b"proc"), libc::MS_RDONLY, None).unwrap();
    sys.mount(None, b"/d", Some(b"devtmpfs"), 0, None).unwrap();
    sys.mount(Some(b"/proc/self/fd"), b"/b", None, libc::MS_BIND, None).unwrap();
    assert_eq!(link(&sys, "/p/self"), "1");
    assert_eq!(link(&sys, "/b/1"), "/dev/console");
    assert_eq!(sys.stat(b"/d/null").unwrap().st_rdev, 1 << 8 | 3);
    assert_ne!(sys.stat(b"/d").unwrap().st_dev, sys.stat(b"/dev").unwrap().st_dev);
    assert_eq!(sys.stat(b"/p").unwrap().st_dev, sys.stat(b"/proc").unwrap().st_dev);
    let fd = sys.open(b"/p/version", O_RDONLY, 0).unwrap();
    assert_eq!(sys.umount(b"/p"), Err(Errno::EBUSY));
    sys.close(fd).unwrap();
    for dir in ["/p", "/d", "/b", "/proc"] {
        sys.umount(dir.as_bytes()).unwrap();
    }
    assert_eq!(sys.umount(b"/dev"), Err(Errno::EBUSY), "the console is open");
    assert_eq!(sys.stat(b"/proc/self").map(drop), Err(Errno::ENOENT));
    assert_eq!(sys.open(b"/dev/stdout", O_WRONLY, 0), Err(Errno::ENOENT));
}

/// What was made for `/dev` and `/proc` to be mounted on is freed when somebody removes it. Once
/// the process kept it for an export to know it by: the checker found two inodes too many. Found by
/// the fuzzer of calls.
#[test]
fn directories_that_were_made_can_be_removed() {
    let sys = furnished();
    sys.close_range(0, u32::MAX, 0).unwrap();
    for path in [&b"/dev"[..], b"/proc"] {
        sys.umount2(path, 0).unwrap();
        sys.rmdir(path).unwrap();
    }
    assert_eq!(sys.usage().inodes, 1);
    // Another is the program's own.
    sys.mkdir(b"/dev", 0o755).unwrap();
    assert!(export(&sys).windows(5).any(|bytes| bytes == b"dev/\0"));
}

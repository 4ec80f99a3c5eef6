//! The API in the manner of `std::fs`: its own allocations, beside those of the calls under
//! it. It keeps no descriptor and no memory.

use anchorite_syscalls::api::{
    self, Dir, File, FileTimes, Inotify, OpenOptions, SeekFrom, Timestamp,
};
use anchorite_syscalls::{Errno, Result, System};
use host_fs_sim::worlds::{ROOMY, assert_whole, system};

use crate::heap::{Fails, failing, live};
use crate::tree::dump;

/// What is done, and whether the tree is as it was if it fails: not of what is made of many
/// calls.
pub type Step = (&'static str, Undone, fn(&System) -> Result<()>);

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Undone {
    Yes,
    InPart,
}
use Undone::{InPart, Yes};

static BYTES: [u8; 70 * 4096] = [b'x'; 70 * 4096];
const TIMES: FileTimes = FileTimes::new().set_accessed(Timestamp::new(7, 8));
const LONG: &str = "d/a name of more bytes than an entry holds in place";

/// Each function that may allocate: `name` or `type::name`.
#[rustfmt::skip]
pub const STEPS: &[Step] = &[
    ("read", Yes, |sys| api::read(sys, "d/file").map(drop)),
    ("read_to_string", Yes, |sys| api::read_to_string(sys, "d/file").map(drop)),
    ("write", InPart, |sys| api::write(sys, LONG, BYTES)),
    ("copy", InPart, |sys| api::copy(sys, "d/file", "copy").map(drop)),
    ("create_dir", Yes, |sys| api::create_dir(sys, LONG)),
    ("create_fifo", Yes, |sys| api::create_fifo(sys, LONG)),
    ("mount_ramdisk", Yes, |sys| api::mount_ramdisk(sys, "d", "size=1m")),
    ("bind", Yes, |sys| api::bind(sys, "l", "d")),
    ("unmount", Yes, |sys| api::unmount(sys, "m")),
    ("create_dir_all", InPart, |sys| api::create_dir_all(sys, "p/q/r")),
    ("remove_dir", Yes, |sys| api::remove_dir(sys, "l/e/f/g")),
    ("remove_dir_all", InPart, |sys| api::remove_dir_all(sys, "d")),
    ("export", InPart, |sys| {
        api::export(sys, "d", &File::create(sys, "archive")?).map(drop)
    }),
    ("remove_file", Yes, |sys| api::remove_file(sys, "l/file")),
    ("rename", Yes, |sys| api::rename(sys, "d/file", LONG)),
    ("hard_link", Yes, |sys| api::hard_link(sys, "d/file", LONG)),
    ("symlink", Yes, |sys| api::symlink(sys, "file", LONG)),
    ("read_link", Yes, |sys| api::read_link(sys, "d/link").map(drop)),
    ("current_dir", Yes, |sys| api::current_dir(sys).map(drop)),
    ("set_current_dir", Yes, |sys| api::set_current_dir(sys, "l/e")),
    ("metadata", Yes, |sys| api::metadata(sys, "l/e").map(drop)),
    ("symlink_metadata", Yes, |sys| api::symlink_metadata(sys, "l/link").map(drop)),
    ("exists", Yes, |sys| api::exists(sys, "l/e").map(drop)),
    ("set_permissions", Yes, |sys| api::set_permissions(sys, "l/e", 0o700)),
    ("chown", Yes, |sys| api::chown(sys, "l/e", Some(1), None)),
    ("lchown", Yes, |sys| api::lchown(sys, "l/e", Some(1), None)),
    ("set_times", Yes, |sys| api::set_times(sys, "l/e", TIMES)),
    ("set_xattr", Yes, |sys| api::set_xattr(sys, "l/e", "user.b", &BYTES[..500])),
    ("get_xattr", Yes, |sys| api::get_xattr(sys, "d/file", "user.a").map(drop)),
    ("list_xattrs", Yes, |sys| api::list_xattrs(sys, "d/file").map(drop)),
    ("remove_xattr", Yes, |sys| api::remove_xattr(sys, "l/file", "user.a")),
    ("File::set_xattr", Yes, |sys| File::open(sys, "d/file")?.set_xattr("user.b", "2")),
    ("File::get_xattr", Yes, |sys| File::open(sys, "d/file")?.get_xattr("user.a").map(drop)),
    ("File::list_xattrs", Yes, |sys| File::open(sys, "d/file")?.list_xattrs().map(drop)),
    ("File::remove_xattr", Yes, |sys| File::open(sys, "d/file")?.remove_xattr("user.a")),
    ("read_dir", Yes, |sys| {
        api::read_dir(sys, "d")?.try_for_each(|entry| entry?.path_in("d").map(drop))
    }),
    ("File::open", Yes, |sys| File::open(sys, "d/file").map(drop)),
    ("File::create", Yes, |sys| File::create(sys, LONG)?.close()),
    ("File::create_new", Yes, |sys| File::create_new(sys, LONG)?.close()),
    ("File::try_clone", Yes, |sys| File::open(sys, "d/file")?.try_clone().map(drop)),
    ("pipe", Yes, |sys| {
        let (output, input) = api::pipe(sys)?;
        input.write_all(b"x")?;
        output.read(&mut [0]).map(drop)
    }),
    ("Inotify::add", Yes, |sys| Inotify::new(sys)?.add("d", libc::IN_CREATE).map(drop)),
    ("Inotify::remove", Yes, |sys| {
        let inotify = Inotify::new(sys)?;
        inotify.remove(inotify.add("d", libc::IN_CREATE)?)?;
        inotify.read(&mut [0; 16]).map(drop)
    }),
    ("File::lock", Yes, |sys| File::open(sys, "d/file")?.lock()),
    ("File::lock_shared", Yes, |sys| File::open(sys, "d/file")?.lock_shared()),
    ("File::try_lock", Yes, |sys| File::open(sys, "d/file")?.try_lock()),
    ("File::try_lock_shared", Yes, |sys| File::open(sys, "d/file")?.try_lock_shared()),
    ("File::read_to_end", Yes, |sys| {
        File::open(sys, "d/file")?.read_to_end(&mut Vec::new()).map(drop)
    }),
    ("File::write", InPart, |sys| File::create(sys, LONG)?.write(&BYTES).map(drop)),
    ("File::write_at", InPart, |sys| File::create(sys, LONG)?.write_at(b"x", 9000).map(drop)),
    ("File::write_all", InPart, |sys| File::create(sys, LONG)?.write_all(&BYTES)),
    ("File::write_all_at", InPart, |sys| File::create(sys, LONG)?.write_all_at(&BYTES, 9000)),
    ("File::write_fmt", InPart, |sys| write!(File::create(sys, LONG)?, "{:9000}", 1)),
    ("OpenOptions::open", Yes, |sys| {
        OpenOptions::new().append(true).create(true).open(sys, LONG).map(drop)
    }),
    ("Dir::open", Yes, |sys| Dir::open(sys, "l/e").map(drop)),
    ("Dir::entries", Yes, |sys| {
        Dir::open(sys, "d")?.entries()?.try_for_each(|entry| entry.map(drop))
    }),
    ("Dir::into_entries", Yes, |sys| {
        Dir::open(sys, "d")?.into_entries()?.try_for_each(|entry| entry.map(drop))
    }),
    ("Dir::read_link", Yes, |sys| Dir::open(sys, ".")?.read_link("l/link").map(drop)),
    ("Dir::open_dir", Yes, |sys| Dir::open(sys, "l")?.open_dir("e/f").map(drop)),
    ("Dir::open_file", Yes, |sys| {
        Dir::open(sys, "l")?.open_file("file", OpenOptions::new().read(true)).map(drop)
    }),
    ("Dir::create_dir", Yes, |sys| Dir::open(sys, "l")?.create_dir("new")),
    ("Dir::remove_dir", Yes, |sys| Dir::open(sys, "l")?.remove_dir("e/f/g")),
    ("Dir::remove_file", Yes, |sys| Dir::open(sys, "l")?.remove_file("file")),
    ("Dir::symlink_metadata", Yes, |sys| {
        Dir::open(sys, ".")?.symlink_metadata("l/link").map(drop)
    }),
];

/// What works on a descriptor that is there, or on what was asked before, and copies to or
/// from memory that is there: it allocates nothing. That is tried with the steps below.
pub const WITHOUT_MEMORY: &[&str] = &[
    "accessed",
    "append",
    "blocks",
    "changed",
    "close",
    "create",
    "create_new",
    "created",
    "custom_flags",
    "dev",
    "dir",
    "fd",
    "file_type",
    "from_fd",
    "gid",
    "ino",
    "into_dir",
    "into_fd",
    "iter",
    "is_dir",
    "is_file",
    "is_symlink",
    "len",
    "mode",
    "modified",
    "name",
    "new",
    "nlink",
    "path_in",
    "permissions",
    "rdev",
    "read_at",
    "read_exact",
    "read_exact_at",
    "seek",
    "set_root_dir",
    "set_accessed",
    "set_len",
    "set_modified",
    "stream_position",
    "sync_all",
    "sync_data",
    "truncate",
    "uid",
    "unlock",
];

fn sample() -> System {
    let system = system(ROOMY);
    api::create_dir_all(&system, "d/e/f/g").unwrap();
    api::write(&system, "d/file", BYTES).unwrap();
    api::set_xattr(&system, "d/file", "user.a", [b'v'; 300]).unwrap();
    api::symlink(&system, "file", "d/link").unwrap();
    api::symlink(&system, "d", "l").unwrap();
    api::create_dir(&system, "m").unwrap();
    api::mount_ramdisk(&system, "m", "size=1m").unwrap();
    system
}

#[test]
fn nth_allocation_fails_and_the_api_says_enomem_and_leaks_nothing() {
    for &(name, undone, step) in STEPS {
        for nth in 0.. {
            let before = live();
            let failed = {
                let system = sample();
                let seen = dump(&system);
                let (result, failed) = failing(Fails::Nth(nth), || step(&system));
                match result {
                    Err(errno) => {
                        assert_eq!(errno, Errno::ENOMEM, "{name}, allocation {nth}");
                        if undone == Yes {
                            assert_eq!(dump(&system), seen, "{name}, allocation {nth}");
                        }
                    }
                    Ok(()) => assert!(nth > 0 || !failed, "{name} does without memory"),
                }
                assert!(failed || result.is_ok(), "{name}: {result:?} without a failure");
                assert!(failed || nth > 0, "{name} allocates nothing");
                assert_eq!(system.dup(0), Ok(3), "{name}, allocation {nth}: still open");
                assert_whole(&system);
                failed
            };
            assert_eq!(live(), before, "{name}, allocation {nth}: bytes leaked");
            if !failed {
                break;
            }
        }
    }
}

#[test]
fn what_is_open_can_be_used_without_memory() {
    let system = sample();
    let file = OpenOptions::new().read(true).write(true).open(&system, "d/file").unwrap();
    file.lock().unwrap();
    let mut buffer = [0; 5000];
    let (result, failed) = failing(Fails::From(0), || {
        file.read_exact_at(&mut buffer, 100)?;
        file.read_exact(&mut buffer)?;
        file.read_at(&mut buffer, 3)?;
        file.write_all_at(b"over", 9)?;
        file.seek(SeekFrom::Start(9))?;
        file.stream_position()?;
        file.set_permissions(0o600)?;
        file.set_times(TIMES)?;
        file.sync_all()?;
        file.sync_data()?;
        file.set_len(10)?;
        let metadata = file.metadata()?;
        assert_eq!((metadata.len(), metadata.permissions()), (10, 0o600));
        file.unlock()?;
        file.close()
    });
    assert_eq!((result, failed), (Ok(()), false));
}

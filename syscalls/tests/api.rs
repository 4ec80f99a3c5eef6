//! The API for Rust, where its examples are too small: long listings, deep trees, limits,
//! files that change under it.

use std::collections::BTreeSet;

use anchorite_syscalls::api::{self, Dir, File, FileType, OpenOptions, SeekFrom};
use anchorite_syscalls::{Errno, Limits, System};
use host_fs_sim::worlds::{ROOMY, system};

fn names(sys: &System, path: &str) -> BTreeSet<Vec<u8>> {
    let mut names = BTreeSet::new();
    for entry in api::read_dir(sys, path).unwrap() {
        assert!(names.insert(entry.unwrap().name().to_vec()), "a name is listed twice");
    }
    names
}

/// Descriptors that are open, the console's included.
fn open_descriptors(sys: &System) -> usize {
    (0..1024).filter(|&fd| sys.fcntl(fd, libc::F_GETFD, 0).is_ok()).count()
}

#[test]
fn listing_has_each_name_once_however_many_calls_it_takes() {
    for count in [0, 1, 2, 127, 128, 129, 3000] {
        let sys = system(ROOMY);
        api::create_dir(&sys, "d").unwrap();
        let made: BTreeSet<Vec<u8>> =
            (0..count).map(|at| format!("{at:0len$}", len = 1 + at % 255).into_bytes()).collect();
        for name in &made {
            File::create(&sys, [b"d/", name.as_slice()].concat()).unwrap();
        }
        assert!(names(&sys, "d") == made, "{count} names");
    }
}

#[test]
fn listing_tells_types_and_inodes() {
    let sys = system(ROOMY);
    api::create_dir(&sys, "directory").unwrap();
    api::write(&sys, "file", "").unwrap();
    api::symlink(&sys, "file", "link").unwrap();
    for entry in api::read_dir(&sys, "/").unwrap() {
        let entry = entry.unwrap();
        let expected = match entry.name() {
            b"directory" => FileType::Directory,
            b"file" => FileType::Regular,
            _ => FileType::Symlink,
        };
        assert_eq!(entry.file_type(), Some(expected));
        let metadata = api::symlink_metadata(&sys, entry.path_in("").unwrap()).unwrap();
        assert_eq!((metadata.ino(), metadata.file_type()), (entry.ino(), expected));
    }
}

#[test]
fn listing_of_a_removed_directory_fails_once_and_ends() {
    let sys = system(ROOMY);
    api::create_dir(&sys, "d").unwrap();
    let mut entries = api::read_dir(&sys, "d").unwrap();
    api::remove_dir(&sys, "d").unwrap();
    assert_eq!(entries.next().unwrap().unwrap_err(), Errno::ENOENT);
    assert!(entries.next().is_none());
}

#[test]
fn what_is_dropped_is_closed() {
    let sys = system(ROOMY);
    {
        let _file = File::create(&sys, "f").unwrap();
        let _dir = Dir::open(&sys, "/").unwrap();
        let _entries = api::read_dir(&sys, "/").unwrap();
        assert_eq!(open_descriptors(&sys), 3 + 3);
    }
    assert_eq!(open_descriptors(&sys), 3);
    let fd = File::open(&sys, "f").unwrap().into_fd();
    assert_eq!(sys.close(fd), Ok(()));
    let file = File::open(&sys, "f").unwrap();
    sys.close(file.fd()).unwrap();
    assert_eq!(file.close(), Err(Errno::EBADF));
}

/// Deeper than a path can name, a stack can recurse or a table of descriptors can hold.
#[test]
fn tree_that_no_path_reaches_is_removed() {
    const LEVELS: usize = 20_000;
    let sys = system(ROOMY);
    let before = sys.usage();
    api::create_dir(&sys, "top").unwrap();
    let mut dir = Dir::open(&sys, "top").unwrap();
    for level in 0..LEVELS {
        for name in ["deeper", "beside"] {
            dir.create_dir(name).unwrap();
        }
        if level % 100 == 0 {
            dir.open_file("file", OpenOptions::new().write(true).create_new(true)).unwrap();
        }
        dir = dir.open_dir("deeper").unwrap();
    }
    drop(dir);
    assert_eq!(api::remove_dir_all(&sys, "top"), Ok(()));
    assert_eq!(sys.usage().inodes, before.inodes);
    assert_eq!(open_descriptors(&sys), 3);
}

#[test]
fn wide_tree_is_removed_and_what_links_lead_to_is_not() {
    let sys = system(ROOMY);
    api::create_dir(&sys, "kept").unwrap();
    api::write(&sys, "kept/file", "kept").unwrap();
    for directory in 0..50 {
        api::create_dir_all(&sys, format!("top/{directory}/sub/sub")).unwrap();
        api::symlink(&sys, "/kept", format!("top/{directory}/link")).unwrap();
        for file in 0..200 {
            File::create(&sys, format!("top/{directory}/{file}")).unwrap();
        }
    }
    api::symlink(&sys, "top", "alias").unwrap();
    assert_eq!(api::remove_dir_all(&sys, "alias"), Ok(()));
    assert_eq!(api::exists(&sys, "top/49/sub/sub"), Ok(true));
    assert_eq!(api::remove_dir_all(&sys, "top/"), Ok(()));
    assert_eq!(names(&sys, "/"), BTreeSet::from([b"kept".to_vec()]));
    assert_eq!(api::read(&sys, "kept/file").unwrap(), b"kept");
}

#[test]
fn remove_dir_all_of_what_is_no_directory_fails() {
    let sys = system(ROOMY);
    api::write(&sys, "f", "").unwrap();
    assert_eq!(api::remove_dir_all(&sys, "f"), Err(Errno::ENOTDIR));
    assert_eq!(api::remove_dir_all(&sys, "missing"), Err(Errno::ENOENT));
    assert_eq!(api::remove_dir_all(&sys, "/"), Err(Errno::EBUSY));
}

/// Two threads that remove one tree: each finds that the other was faster here and there.
#[test]
fn tree_is_removed_by_two_at_once() {
    let sys = &system(ROOMY);
    for _ in 0..20 {
        for at in 0..100 {
            api::create_dir_all(sys, format!("top/{}/{}/{at}", at % 3, at % 7)).unwrap();
        }
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| match api::remove_dir_all(sys, "top") {
                    Ok(()) | Err(Errno::ENOENT) => {}
                    Err(errno) => panic!("{errno:?}"),
                });
            }
        });
        assert_eq!(api::exists(sys, "top"), Ok(false));
    }
}

#[test]
fn create_dir_all_takes_any_slashes_and_dots() {
    for path in ["a", "a/", "a/b/c", "/a/b/c", "//a//b///c//", "./a/../a/./b", "/"] {
        let sys = system(ROOMY);
        assert_eq!(api::create_dir_all(&sys, path), Ok(()), "{path}");
        assert!(api::metadata(&sys, path).unwrap().is_dir(), "{path}");
        assert_eq!(api::create_dir_all(&sys, path), Ok(()), "{path}");
    }
    assert_eq!(api::create_dir_all(&system(ROOMY), ""), Err(Errno::ENOENT));
}

#[test]
fn read_returns_what_write_was_given() {
    let sys = system(ROOMY);
    for len in [0, 1, 4095, 4096, 4097, 65_535, 65_536, 1_000_001] {
        let content: Vec<u8> = (0..len).map(|at| (at % 251) as u8).collect();
        api::write(&sys, "f", &content).unwrap();
        assert!(api::read(&sys, "f").unwrap() == content, "{len} bytes");
        assert_eq!(api::copy(&sys, "f", "g"), Ok(len));
        assert!(api::read(&sys, "g").unwrap() == content, "{len} bytes copied");
    }
}

/// The length that is asked first is a hint only.
#[test]
fn read_to_end_sees_what_is_appended_meanwhile() {
    let sys = system(ROOMY);
    api::write(&sys, "f", vec![1; 5000]).unwrap();
    let file = OpenOptions::new().read(true).append(true).open(&sys, "f").unwrap();
    let mut content = Vec::new();
    assert_eq!(file.read_to_end(&mut content), Ok(5000));
    file.write_all(&[2; 10_000]).unwrap();
    file.seek(SeekFrom::Start(5000)).unwrap();
    assert_eq!(file.read_to_end(&mut content), Ok(10_000));
    assert_eq!(content, [vec![1; 5000], vec![2; 10_000]].concat());
    assert_eq!(file.read_to_end(&mut content), Ok(0));
}

/// Holes cost nothing on the ramdisk, but no heap holds what they read as.
#[test]
fn file_too_long_for_memory_is_enomem() {
    let sys = system(ROOMY);
    let file = File::create(&sys, "f").unwrap();
    file.set_len(i64::MAX as u64).unwrap();
    assert_eq!(api::read(&sys, "f"), Err(Errno::ENOMEM));
    assert_eq!(file.set_len(1 << 63), Err(Errno::EFBIG));
}

#[test]
fn full_ramdisk_is_enospc_in_every_way_of_writing() {
    let sys = system(Limits { size_bytes: 8192, inodes: 10 });
    let file = File::create(&sys, "f").unwrap();
    assert_eq!(file.write_all(&[0; 8193]), Err(Errno::ENOSPC));
    assert_eq!(file.write_all_at(b"a", 10_000), Err(Errno::ENOSPC));
    file.seek(SeekFrom::End(0)).unwrap();
    assert_eq!(writeln!(file, "more"), Err(Errno::ENOSPC));
    assert_eq!(api::write(&sys, "g", "more"), Err(Errno::ENOSPC));
    assert_eq!(api::copy(&sys, "f", "g"), Err(Errno::ENOSPC));
}

#[test]
fn copy_keeps_permissions_and_refuses_what_it_would_destroy() {
    let sys = system(ROOMY);
    api::write(&sys, "f", "abc").unwrap();
    api::set_permissions(&sys, "f", 0o4751).unwrap();
    api::copy(&sys, "f", "g").unwrap();
    assert_eq!(api::metadata(&sys, "g").unwrap().permissions(), 0o4751);
    api::hard_link(&sys, "f", "again").unwrap();
    api::symlink(&sys, "f", "link").unwrap();
    for same in ["f", "again", "link"] {
        assert_eq!(api::copy(&sys, "f", same), Err(Errno::EINVAL));
    }
    assert_eq!(api::read(&sys, "f").unwrap(), b"abc");
    assert_eq!(api::copy(&sys, "/", "h"), Err(Errno::EINVAL));
    assert_eq!(api::exists(&sys, "h"), Ok(false));
}

/// As `std::fs::OpenOptions` has it: what contradicts itself opens nothing.
#[test]
fn options_that_contradict_each_other_are_einval() {
    let sys = system(ROOMY);
    api::write(&sys, "f", "abc").unwrap();
    for bits in 0..64 {
        let [read, write, append, truncate, create, new] =
            [1, 2, 4, 8, 16, 32].map(|bit| bits & bit != 0);
        let mut options = OpenOptions::new();
        options.read(read).write(write).append(append);
        options.truncate(truncate).create(create).create_new(new);
        let like_std = std::fs::OpenOptions::new()
            .read(read)
            .write(write)
            .append(append)
            .truncate(truncate)
            .create(create)
            .create_new(new)
            .open("/nowhere/at/all");
        let contradicts = like_std.unwrap_err().raw_os_error() != Some(libc::ENOENT);
        let opened = options.open(&sys, "/nowhere/at/all").unwrap_err();
        assert_eq!(opened == Errno::EINVAL, contradicts, "{options:?}");
        assert_eq!(opened == Errno::ENOENT, !contradicts, "{options:?}");
    }
    assert_eq!(api::read(&sys, "f").unwrap(), b"abc");
}

#[test]
fn offsets_that_no_file_has_are_einval() {
    let sys = system(ROOMY);
    let file = File::create_new(&sys, "f").unwrap();
    for offset in [1 << 63, u64::MAX] {
        assert_eq!(file.read_at(&mut [0], offset), Err(Errno::EINVAL));
        assert_eq!(file.write_at(b"a", offset), Err(Errno::EINVAL));
        assert_eq!(file.seek(SeekFrom::Start(offset)), Err(Errno::EINVAL));
    }
}

#[test]
fn owners_are_changed_of_links_too() {
    let sys = system(ROOMY);
    api::write(&sys, "file", "").unwrap();
    api::symlink(&sys, "file", "link").unwrap();
    api::lchown(&sys, "link", Some(7), Some(8)).unwrap();
    let owner = |metadata: api::Metadata| (metadata.uid(), metadata.gid());
    assert_eq!(owner(api::symlink_metadata(&sys, "link").unwrap()), (7, 8));
    assert_eq!(owner(api::metadata(&sys, "link").unwrap()), (0, 0));
}

#[test]
fn a_file_tells_where_it_is() {
    let sys = system(ROOMY);
    let file = File::create(&sys, "file").unwrap();
    file.write(b"seven..").unwrap();
    assert_eq!(file.stream_position(), Ok(7));
    file.seek(SeekFrom::Start(0)).unwrap();
    assert_eq!(file.stream_position(), Ok(0));
}

//! A tree filled from archives: what lands where, what is refused, what is left of a preload
//! that stopped, and what becomes of the memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anchorite_syscalls::api::{self, File, OpenOptions};
use anchorite_syscalls::{Errno, Lender, Limits, OnDamage, PreloadError, Preloaded, System};
use host_fs_sim::worlds::{ROOMY, system};
use tar::{Builder, EntryType, Header};

/// An entry: type, path, and content or target.
type Row<'a> = (EntryType, &'a str, &'a [u8]);

const FILE: EntryType = EntryType::Regular;
const DIR: EntryType = EntryType::Directory;
const LINK: EntryType = EntryType::Symlink;
const HARD: EntryType = EntryType::Link;

/// An archive of these entries, with paths that a builder of archives would refuse too.
fn archive(rows: &[Row<'_>]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for (entry_type, path, bytes) in rows {
        let is_file = *entry_type == FILE;
        let mut header = Header::new_ustar();
        header.set_entry_type(*entry_type);
        header.set_mode(if *entry_type == DIR { 0o750 } else { 0o640 });
        header.set_uid(5);
        header.set_gid(6);
        header.set_mtime(1_234_567);
        header.set_size(if is_file { bytes.len() as u64 } else { 0 });
        let raw = header.as_old_mut();
        raw.name[..path.len()].copy_from_slice(path.as_bytes());
        if !is_file {
            raw.linkname[..bytes.len()].copy_from_slice(bytes);
        }
        header.set_cksum();
        builder.append(&header, if is_file { bytes } else { &[][..] }).unwrap();
    }
    builder.into_inner().unwrap()
}

fn preload(sys: &System, dir: &str, rows: &[Row<'_>]) -> Result<Preloaded, PreloadError> {
    sys.preload(dir.as_bytes(), Box::new(archive(rows)), OnDamage::Stop)
}

#[track_caller]
fn check(sys: &System) {
    assert_eq!(sys.check().unwrap().problems, []);
}

#[test]
fn entries_are_there_as_the_archive_has_them() {
    let sys = system(ROOMY);
    let large = vec![7; 10_000];
    let rows = [
        (DIR, "./", &b""[..]),
        (DIR, "d/", b""),
        (FILE, "d/file", b"content"),
        (FILE, "/d/large", &large),
        (HARD, "hard", b"./d/file"),
        (LINK, "link", b"d/file"),
        (EntryType::Fifo, "fifo", b""),
        (FILE, "implied/parent/empty", b""),
    ];
    let done = preload(&sys, "/", &rows).unwrap();
    assert_eq!(done, Preloaded { entries: 8, ..Preloaded::default() });
    let same = |path: &[u8]| sys.lstat(path).unwrap().st_ino;
    assert_eq!(same(b"/hard"), same(b"/d/file"));
    for (path, mode, nlink, size) in [
        (&b"/"[..], libc::S_IFDIR | 0o750, 4, 7 * 20),
        (b"/d", libc::S_IFDIR | 0o750, 2, 4 * 20),
        (b"/d/file", libc::S_IFREG | 0o640, 2, 7),
        (b"/link", libc::S_IFLNK | 0o777, 1, 6),
        (b"/fifo", libc::S_IFIFO | 0o640, 1, 0),
        (b"/implied/parent/empty", libc::S_IFREG | 0o640, 1, 0),
    ] {
        let path_text = String::from_utf8_lossy(path);
        let stat = sys.lstat(path).unwrap();
        assert_eq!((stat.st_mode, stat.st_nlink), (mode, nlink), "{path_text}");
        assert_eq!((stat.st_uid, stat.st_gid, stat.st_size), (5, 6, size), "{path_text}");
        assert_eq!((stat.st_mtime, stat.st_atime), (1_234_567, 1_234_567), "{path_text}");
    }
    assert_eq!(api::read(&sys, "/d/file"), Ok(b"content".to_vec()));
    assert_eq!(api::read(&sys, "/link"), Ok(b"content".to_vec()));
    assert_eq!(api::read(&sys, "/d/large"), Ok(large));
    assert_eq!(api::read(&sys, "/implied/parent/empty"), Ok(vec![]));
    let implied = sys.stat(b"/implied").unwrap();
    assert_eq!((implied.st_mode, implied.st_uid), (libc::S_IFDIR | 0o755, 0));
    check(&sys);
}

/// Files that are then there, with their content, or a part of the sentence.
type Outcome<'a> = Result<&'a [(&'a str, &'a [u8])], &'a str>;

/// Each: the entries, and what becomes of them.
#[test]
fn what_an_archive_may_and_may_not() {
    let table: &[(&str, &[Row<'_>], Outcome<'_>)] = &[
        (
            "a later entry replaces an earlier",
            &[(FILE, "a", b"1"), (FILE, "a", b"2")],
            Ok(&[("/in/a", b"2")]),
        ),
        (
            "a link replaced by what it led to",
            &[(FILE, "b", b"1"), (LINK, "a", b"b"), (FILE, "a", b"2")],
            Ok(&[("/in/a", b"2"), ("/in/b", b"1")]),
        ),
        (
            "a file replaced by a directory",
            &[(FILE, "a", b"1"), (DIR, "a", b""), (FILE, "a/b", b"2")],
            Ok(&[("/in/a/b", b"2")]),
        ),
        (
            "an empty directory by a file",
            &[(DIR, "a", b""), (FILE, "a", b"2")],
            Ok(&[("/in/a", b"2")]),
        ),
        (
            "through a link inside",
            &[(DIR, "d", b""), (LINK, "l", b"d"), (FILE, "l/a", b"2")],
            Ok(&[("/in/d/a", b"2")]),
        ),
        (
            "through links with dots",
            &[
                (DIR, "d/e", b""),
                (LINK, "d/l", b"../d/./e"),
                (LINK, "m", b"d/l/"),
                (FILE, "m/a", b"2"),
            ],
            Ok(&[("/in/d/e/a", b"2")]),
        ),
        (
            "a link that changes between two entries",
            &[
                (DIR, "c", b""),
                (DIR, "d", b""),
                (LINK, "l", b"c"),
                (FILE, "l/a", b"1"),
                (LINK, "l", b"d"),
                (FILE, "l/a", b"2"),
            ],
            Ok(&[("/in/c/a", b"1"), ("/in/d/a", b"2")]),
        ),
        (
            "a hard link replaces",
            &[(FILE, "a", b"1"), (FILE, "b", b"2"), (HARD, "b", b"a")],
            Ok(&[("/in/b", b"1")]),
        ),
        ("a hard link to itself", &[(FILE, "a", b"1"), (HARD, "a", b"a")], Ok(&[("/in/a", b"1")])),
        (
            "a link that leads outside may be stored",
            &[(LINK, "l", b"../../etc"), (FILE, "a", b"1")],
            Ok(&[("/in/a", b"1")]),
        ),
        ("absolute names are below", &[(FILE, "//a", b"1")], Ok(&[("/in/a", b"1")])),
        (
            "a path with ..",
            &[(FILE, "a/../../b", b"1")],
            Err("the entry `a/../../b` at byte 0: its path has `..` in it"),
        ),
        ("a path that is ..", &[(FILE, "..", b"1")], Err("`..` at byte 0")),
        (
            "through a link outside",
            &[(LINK, "l", b".."), (FILE, "l/a", b"1")],
            Err(
                "the entry `l/a` at byte 512: its path goes through a symbolic link that leads outside",
            ),
        ),
        (
            "through an absolute link",
            &[(LINK, "l", b"/in"), (FILE, "l/a", b"1")],
            Err("leads outside"),
        ),
        (
            "through links that lead outside in turn",
            &[(DIR, "d", b""), (LINK, "d/l", b"../.."), (LINK, "m", b"d/l"), (FILE, "m/a", b"1")],
            Err("leads outside"),
        ),
        (
            "through a link to itself",
            &[(LINK, "l", b"l"), (FILE, "l/a", b"1")],
            Err("too many symbolic links"),
        ),
        (
            "through a cycle",
            &[(LINK, "l", b"m/x"), (LINK, "m", b"l/x"), (FILE, "l/a", b"1")],
            Err("too many symbolic links"),
        ),
        (
            "through a link to nothing",
            &[(LINK, "l", b"n"), (FILE, "l/a", b"1")],
            Err("a symbolic link to nothing"),
        ),
        (
            "through a link to a file",
            &[(FILE, "f", b""), (LINK, "l", b"f"), (FILE, "l/a", b"1")],
            Err("no directory"),
        ),
        (
            "below a file",
            &[(FILE, "f", b""), (FILE, "f/a", b"1")],
            Err("a part of its path is no directory"),
        ),
        (
            "a file for a directory with entries",
            &[(FILE, "d/a", b"1"), (FILE, "d", b"2")],
            Err("a directory that is not empty"),
        ),
        (
            "a hard link to nothing",
            &[(HARD, "h", b"nothing")],
            Err("it links to a file that is not there"),
        ),
        (
            "a hard link to below a file",
            &[(FILE, "f", b"1"), (HARD, "h", b"f/a")],
            Err("it links to a file that is not there"),
        ),
        (
            "a hard link to a directory",
            &[(DIR, "d", b""), (HARD, "h", b"d")],
            Err("it links to a directory"),
        ),
        ("a hard link to the target directory", &[(HARD, "h", b"/")], Err("it links to")),
        ("a hard link outside", &[(HARD, "h", b"../outside")], Err("`..`")),
        (
            "a hard link through a link outside",
            &[(LINK, "l", b".."), (HARD, "h", b"l/outside")],
            Err("it links to a file that is not there"),
        ),
        (
            "a file for the directory itself",
            &[(FILE, ".", b"1")],
            Err("it is to replace the directory"),
        ),
        (
            "a link for the directory itself",
            &[(LINK, ".", b"x")],
            Err("it is to replace the directory that is filled"),
        ),
        (
            "a hard link for the directory itself",
            &[(FILE, "a", b"1"), (HARD, "/", b"a")],
            Err("it is to replace the directory that is filled"),
        ),
    ];
    for (what, rows, expected) in table {
        let sys = system(ROOMY);
        api::write(&sys, "/outside", b"as it was").unwrap();
        let done = preload(&sys, "/in", rows);
        match expected {
            Ok(files) => {
                assert!(done.is_ok(), "{what}: {done:?}");
                for (path, content) in *files {
                    assert_eq!(api::read(&sys, path).as_deref(), Ok(*content), "{what}: {path}");
                }
            }
            Err(sentence) => {
                let said = done.expect_err(what).to_string();
                assert!(said.contains(sentence), "{what}: {said}");
                let skipping = system(ROOMY);
                let damaged = Box::new(archive(rows));
                let done = skipping.preload(b"/in", damaged, OnDamage::Skip).unwrap();
                assert_eq!((done.skipped, done.entries), (1, rows.len() as u64 - 1), "{what}");
                assert!(done.first_skipped.unwrap().to_string().contains(sentence), "{what}");
                check(&skipping);
            }
        }
        let names: Vec<_> =
            api::read_dir(&sys, "/").unwrap().map(|entry| entry.unwrap().name().to_vec()).collect();
        assert_eq!(names, [b"outside".to_vec(), b"in".to_vec()], "{what}");
        assert_eq!(api::read(&sys, "/outside").as_deref(), Ok(&b"as it was"[..]), "{what}");
        check(&sys);
    }
}

/// A name with content, whose attributes cannot be: neither is there, nor is the file changed
/// that it names. And of the directory itself it is the attributes that are told.
#[test]
fn a_link_with_content_is_placed_as_a_whole_or_not_at_all() {
    let mut builder = Builder::new(archive(&[(FILE, "a", b"old")])[..1024].to_vec());
    for (entry_type, path, content) in [(HARD, "b", &b"new"[..]), (DIR, "./", b"")] {
        let malformed = ("SCHILY.xattr.security.capability", &b"x"[..]);
        builder.append_pax_extensions([malformed]).unwrap();
        let mut header = Header::new_ustar();
        header.set_entry_type(entry_type);
        header.set_mode(0o700);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(content.len() as u64);
        header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
        if entry_type == HARD {
            header.as_old_mut().linkname[0] = b'a';
        }
        header.set_cksum();
        builder.append(&header, content).unwrap();
    }
    let sys = system(ROOMY);
    let bytes = Box::new(builder.into_inner().unwrap());
    let done = sys.preload(b"/in", bytes, OnDamage::Skip).unwrap();
    assert_eq!((done.entries, done.skipped), (1, 2));
    let first = done.first_skipped.unwrap().to_string();
    assert!(first.contains("`b`") && first.contains("an extended attribute"), "{first}");
    assert_eq!(api::read(&sys, "/in/a"), Ok(b"old".to_vec()));
    assert_eq!(api::metadata(&sys, "/in/b").err(), Some(Errno::ENOENT));
    assert_eq!(sys.stat(b"/in").unwrap().st_mode, libc::S_IFDIR | 0o755);
    check(&sys);
}

/// Where the root is filled nothing is outside: links lead where they would later.
#[test]
fn the_root_can_be_filled_through_absolute_links() {
    let sys = system(ROOMY);
    let rows = [
        (DIR, "usr/lib", &b""[..]),
        (LINK, "lib", b"/usr/lib"),
        (LINK, "up", b"../../usr"),
        (FILE, "lib/a", b"1"),
        (FILE, "up/b", b"2"),
    ];
    preload(&sys, "/", &rows).unwrap();
    assert_eq!(api::read(&sys, "/usr/lib/a"), Ok(b"1".to_vec()));
    assert_eq!(api::read(&sys, "/usr/b"), Ok(b"2".to_vec()));
    check(&sys);
}

#[test]
fn directories_that_cannot_be_filled_are_told() {
    let sys = system(ROOMY);
    api::write(&sys, "/file", b"").unwrap();
    for (dir, errno) in [
        ("", Errno::EINVAL),
        ("in", Errno::EINVAL),
        ("/file", Errno::ENOTDIR),
        ("/file/x", Errno::ENOTDIR),
    ] {
        let done = preload(&sys, dir, &[(FILE, "a", b"1")]);
        assert_eq!(done, Err(PreloadError::Directory(errno)), "{dir}");
    }
    // An archive of nothing.
    for bytes in [vec![], vec![0; 1024]] {
        assert_eq!(
            sys.preload(b"/new/dir", Box::new(bytes), OnDamage::Stop),
            Ok(Preloaded::default())
        );
        assert!(api::metadata(&sys, "/new/dir").unwrap().is_dir());
    }
    let garbage = sys.preload(b"/", Box::new(vec![b'x'; 2000]), OnDamage::Skip);
    assert!(matches!(garbage, Err(PreloadError::Damage(_))), "{garbage:?}");
}

/// Memory that tells whether it was given back.
struct Told(Vec<u8>, Arc<AtomicBool>);

// SAFETY: as for the vector alone.
unsafe impl Lender for Told {
    fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        self.1.store(true, Ordering::Relaxed);
    }
}

#[test]
fn contents_stay_in_the_archive_until_they_are_written_to_or_removed() {
    let sys = system(ROOMY);
    let large = vec![7; 3 * 4096 + 5];
    let bytes = archive(&[(FILE, "a", b"content"), (FILE, "b", &large), (FILE, "c", &large)]);
    let is_returned = Arc::new(AtomicBool::new(false));
    let lender = Told(bytes, is_returned.clone());
    sys.preload(b"/", Box::new(lender), OnDamage::Stop).unwrap();
    let is_returned = || is_returned.load(Ordering::Relaxed);
    assert_eq!(sys.check().unwrap().lent, 3);
    assert_eq!(sys.stat(b"/b").unwrap().st_blocks, 4 * 8);
    assert_eq!(sys.usage().pages, 1 + 4 + 4);

    let file = OpenOptions::new().write(true).open(&sys, "/b").unwrap();
    file.write_all_at(b"new", 4095).unwrap();
    let mut expected = large.clone();
    expected[4095..4098].copy_from_slice(b"new");
    assert_eq!(api::read(&sys, "/b"), Ok(expected));
    assert_eq!(api::read(&sys, "/c"), Ok(large));
    assert_eq!((sys.check().unwrap().lent, sys.usage().pages), (3, 9), "two whole, one page");

    // While it is open, a file that has no name keeps what it refers to.
    let open = File::open(&sys, "/c").unwrap();
    for path in ["/a", "/b", "/c"] {
        api::remove_file(&sys, path).unwrap();
    }
    assert!(!is_returned());
    let mut byte = [0];
    assert_eq!(open.read_at(&mut byte, 3 * 4096), Ok(1));
    assert_eq!(byte, [7]);
    open.close().unwrap();
    assert!(!is_returned(), "an open file of /b");
    file.close().unwrap();
    assert!(is_returned());
    assert_eq!(sys.usage().pages, 0);
    check(&sys);
}

#[test]
fn without_room_the_preload_stops_even_if_it_may_skip() {
    let large = vec![7; 5 * 4096];
    let rows = [(FILE, "a", &b"1"[..]), (FILE, "b", &large), (FILE, "c", b"3")];
    for on_damage in [OnDamage::Stop, OnDamage::Skip] {
        for limits in [
            Limits { size_bytes: 4 * 4096, inodes: 100 },
            Limits { size_bytes: 1 << 20, inodes: 2 },
        ] {
            let sys = system(limits);
            let done = sys.preload(b"/", Box::new(archive(&rows)), on_damage);
            let Err(PreloadError::Room(damage, Errno::ENOSPC)) = done else { panic!("{done:?}") };
            assert_eq!(damage.to_string(), "the entry `b` at byte 1024: there is no room for it");
            assert_eq!(api::read(&sys, "/a"), Ok(b"1".to_vec()));
            assert_eq!(api::metadata(&sys, "/b").err(), Some(Errno::ENOENT));
            check(&sys);
        }
    }
}

/// An archive that is cut off at any byte: what was placed is as it should be, and no more.
#[test]
fn an_archive_cut_off_anywhere_leaves_whole_files() {
    let long = vec![b'l'; 700];
    let rows = [
        (DIR, "d", &b""[..]),
        (FILE, "d/a", &long),
        (LINK, "d/l", b"a"),
        (HARD, "h", b"d/a"),
        (FILE, "z", b"end"),
    ];
    let whole = archive(&rows);
    for len in 0..whole.len() {
        let sys = system(ROOMY);
        let done = sys.preload(b"/", Box::new(whole[..len].to_vec()), OnDamage::Stop);
        for (entry_type, path, content) in &rows {
            if *entry_type == FILE
                && let Ok(read) = api::read(&sys, path)
            {
                assert_eq!(read, *content, "{path}, {len} bytes");
            }
        }
        let found = sys.check().unwrap();
        assert_eq!(found.problems, [], "{len} bytes");
        match done {
            Ok(done) => assert_eq!(found.names, done.entries, "{len} bytes"),
            Err(PreloadError::Damage(damage)) => assert!(damage.offset <= len as u64),
            Err(error) => panic!("{len} bytes: {error:?}"),
        }
    }
}

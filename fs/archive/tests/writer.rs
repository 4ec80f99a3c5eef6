//! What is written is read again, by this crate and by others' programs, in silence.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::env;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt};
use std::process::Command;

use anchorite_archive::{
    Attribute, Body, Content, Device, Entry, Kind, Member, Piece, Pieces, Reader, Time, What,
    WriteError, Writer,
};
use proptest::collection::vec;
use proptest::prelude::*;

/// An archive of entries: the writer's to check the reader, and the other way round.
fn written(entries: &[Entry<'_>]) -> Result<Vec<u8>, WriteError<()>> {
    let mut archive = Vec::new();
    let mut writer = Writer::new(|bytes: &[u8]| {
        archive.extend_from_slice(bytes);
        Ok::<_, ()>(())
    });
    for entry in entries {
        let map: Vec<(u64, u64)>;
        let mut data: Vec<&[u8]> = Vec::new();
        let body = match &entry.kind {
            Kind::File(Content { pieces: Pieces::Whole(bytes), size }) => {
                data.push(bytes);
                Body::File { size: *size }
            }
            Kind::File(Content { pieces: Pieces::Sparse(pieces), size }) => {
                map = pieces.iter().map(|at| (at.offset, at.bytes.len() as u64)).collect();
                data.extend(pieces.iter().map(|piece| piece.bytes));
                Body::Sparse { size: *size, map: &map }
            }
            Kind::HardLink { target, .. } => Body::HardLink(target),
            Kind::Directory => Body::Directory,
            Kind::Symlink(target) => Body::Symlink(target),
            Kind::Fifo => Body::Fifo,
            Kind::Socket => panic!("there are no sockets in tar"),
            Kind::CharDevice(device) => Body::CharDevice(*device),
            Kind::BlockDevice(device) => Body::BlockDevice(*device),
        };
        let Entry { mode, uid, gid, mtime, atime, .. } = *entry;
        let (path, xattrs) = (&*entry.path, &entry.xattrs[..]);
        writer.begin(&Member { path, body, mode, uid, gid, mtime, atime, xattrs })?;
        // In pieces of any size.
        for piece in data {
            for (at, bytes) in piece.chunks(700).enumerate() {
                let (one, other) = bytes.split_at(bytes.len().min(at));
                writer.data(one)?;
                writer.data(other)?;
            }
        }
    }
    writer.finish()?;
    Ok(archive)
}

/// Paths without empty components, and nothing that others remark on.
fn path() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        8 => b'a'..=b'z',
        1 => Just(b' '),
        1 => prop_oneof![Just(b'='), Just(b'%'), Just(b'\\'), Just(b'\n')],
    ];
    let ascii = vec(byte, 1..120);
    let any = vec(prop_oneof![1u8..=b'.', b'0'..=255], 1..120)
        .prop_filter("of dots", |name| name.iter().any(|byte| *byte != b'.'));
    let component = prop_oneof![4 => ascii, 1 => any];
    vec(component, 1..6).prop_map(|components| components.join(&b'/'))
}

fn time() -> impl Strategy<Value = Time> {
    let seconds = prop_oneof![Just(0), 0..2_000_000_000i64, -10_000_000_000..0i64, any::<i64>()];
    let nanoseconds = prop_oneof![Just(0), 0..1_000_000_000u32];
    (seconds, nanoseconds).prop_map(|(seconds, nanoseconds)| Time { seconds, nanoseconds })
}

static DATA: [u8; 1 << 16] = {
    let mut data = [0; 1 << 16];
    let mut at = 0;
    while at < data.len() {
        data[at] = (at % 251) as u8 + 1;
        at += 1;
    }
    data
};

fn content() -> impl Strategy<Value = Content<'static>> {
    let whole = (0..3000usize).prop_map(|len| Content::whole(&DATA[..len]));
    let gaps = vec((1..100_000u64, 1..6usize), 0..30);
    let sparse = (gaps, 0..=512usize, 1..1_000_000_000_000u64).prop_map(|(gaps, last, hole)| {
        let mut pieces: Vec<Piece<'static>> = Vec::new();
        let mut end = 0;
        let count = gaps.len();
        for (at, (gap, blocks)) in gaps.into_iter().enumerate() {
            let len = if at + 1 == count && last > 0 { last } else { blocks * 512 };
            let offset = end + gap;
            pieces.push(Piece { offset, bytes: &DATA[at..at + len] });
            end = offset + len as u64;
        }
        // Every second one ends with its last piece.
        let size = if count == 0 || hole % 2 == 0 { end + hole } else { end };
        Content { size, pieces: Pieces::Sparse(pieces) }
    });
    prop_oneof![3 => whole, 1 => sparse]
}

fn kind() -> impl Strategy<Value = Kind<'static>> {
    let number = prop_oneof![0..300u32, 0..2_097_152u32];
    let device = (number.clone(), number).prop_map(|(major, minor)| Device { major, minor });
    prop_oneof![
        4 => content().prop_map(Kind::File),
        1 => path().prop_map(|path| Kind::HardLink { target: Cow::Owned(path), content: None }),
        1 => Just(Kind::Directory),
        1 => path().prop_map(|path| Kind::Symlink(Cow::Owned(path))),
        1 => Just(Kind::Fifo),
        1 => device.clone().prop_map(Kind::CharDevice),
        1 => device.prop_map(Kind::BlockDevice),
    ]
}

fn xattrs() -> impl Strategy<Value = Vec<Attribute<'static>>> {
    let name = vec(prop_oneof![b'a'..=b'z', Just(b'='), Just(b'%'), Just(b'.')], 1..20)
        .prop_map(|name| [&b"user."[..], &name].concat());
    let value = vec(any::<u8>(), 0..200);
    let pair = (name, value).prop_map(|(name, value)| (Cow::Owned(name), Cow::Owned(value)));
    prop_oneof![2 => Just(Vec::new()), 1 => vec(pair, 0..4)]
}

fn entry() -> impl Strategy<Value = Entry<'static>> {
    let owner = || prop_oneof![0..100u32, 2_097_000..2_097_300u32, any::<u32>()];
    let times = (time(), proptest::option::of(time()));
    (path(), kind(), 0..0o10000u32, owner(), owner(), times, xattrs()).prop_map(
        |(path, kind, mode, uid, gid, (mtime, atime), xattrs)| {
            let path = Cow::Owned(path);
            Entry { offset: 0, path, kind, mode, uid, gid, mtime, atime, xattrs }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read(entries in vec(entry(), 0..8)) {
        let archive = written(&entries).unwrap();
        prop_assert!(archive.len().is_multiple_of(512));
        let read: Vec<_> = Reader::new(&archive).unwrap().map(Result::unwrap).collect();
        prop_assert_eq!(read.len(), entries.len());
        for (read, written) in read.into_iter().zip(&entries) {
            prop_assert_eq!(Entry { offset: 0, ..read }, written.clone());
        }
    }
}

/// Whether a program is installed; if not, says that the test is skipped, or fails in CI.
fn has(program: &str, package: &str) -> bool {
    if Command::new(program).arg("--version").output().is_ok() {
        return true;
    }
    let is_ci = env::var_os("CI").is_some_and(|ci| ci == "true");
    assert!(!is_ci, "this must run in CI: install {package}");
    // Past the test harness's capture.
    let _ = writeln!(io::stdout(), "skipped: {program} is not installed; install {package}");
    false
}

/// What a program prints, which has nothing to complain about.
fn silent(command: &mut Command) -> Vec<u8> {
    let output = command.output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && told.is_empty(), "{command:?}: {told}");
    output.stdout
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn others_list_what_is_written(entries in vec(entry(), 20..40), locale in 0..2usize) {
        let archive = written(&entries).unwrap();
        let file = tempfile::NamedTempFile::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        fs::write(&file, archive).unwrap();
        let locale = ["C", "C.UTF-8"][locale];
        if has("tar", "tar") {
            let quoting = "--quoting-style=escape";
            let mut tar = Command::new("tar");
            let list = silent(tar.arg("-tf").arg(file.path()).arg(quoting).env("LC_ALL", locale));
            let lines = list.iter().filter(|byte| **byte == b'\n').count();
            prop_assert_eq!(lines, entries.len());
        }
        if has("bsdtar", "libarchive-tools") {
            let mut tar = Command::new("bsdtar");
            silent(tar.arg("-tf").arg(file.path()).env("LC_ALL", locale));
        }
    }
}

fn plain(path: &'static str, kind: Kind<'static>) -> Entry<'static> {
    let mtime = Time { seconds: 1_234_567_890, nanoseconds: 123_456_789 };
    Entry {
        offset: 0,
        path: Cow::Borrowed(path.as_bytes()),
        kind,
        mode: 0o644,
        uid: 0,
        gid: 0,
        mtime,
        atime: None,
        xattrs: Vec::new(),
    }
}

/// A tree that can be extracted. It has no times before the epoch: GNU tar warns over them,
/// and libarchive 3.6 adds their fractions instead of subtracting.
fn tree() -> Vec<Entry<'static>> {
    let long: &'static str = Box::leak(format!("dir/{}", "n".repeat(200)).into_boxed_str());
    let wide: &'static str = Box::leak(format!("dir/{}", "\u{e4}".repeat(100)).into_boxed_str());
    let holes = |size, pieces: &[(u64, usize)]| {
        let piece = |&(offset, len): &(u64, usize)| Piece { offset, bytes: &DATA[..len] };
        Content { size, pieces: Pieces::Sparse(pieces.iter().map(piece).collect()) }
    };
    let mut all = vec![
        plain("dir", Kind::Directory),
        plain("dir/file", Kind::File(Content::whole(&DATA[..5000]))),
        plain("dir/empty", Kind::File(Content::whole(b""))),
        plain(long, Kind::File(Content::whole(b"long"))),
        plain(wide, Kind::File(Content::whole(b"wide"))),
        plain("dir/hole", Kind::File(holes(1 << 20, &[]))),
        plain("dir/open", Kind::File(holes(1 << 20, &[(4096, 4096), (500_000, 1024)]))),
        plain("dir/closed", Kind::File(holes(100_100, &[(0, 512), (100_000, 100)]))),
        plain("dir/linked", Kind::HardLink { target: b"dir/file".into(), content: None }),
        plain("dir/link to long", Kind::HardLink { target: long.as_bytes().into(), content: None }),
        plain("dir/symlink", Kind::Symlink(wide.as_bytes().into())),
        plain("dir/fifo", Kind::Fifo),
    ];
    all[1].mode = 0o4750;
    all[1].xattrs = vec![(b"user.a=b".into(), b"\0\n".into()), (b"user.no".into(), b"".into())];
    all[2].mtime = Time { seconds: 1, nanoseconds: 1 };
    all
}

fn extracted_as_written(program: &str, options: &[&str], has_xattrs: bool) {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let archive = dir.path().join("archive");
    let entries = tree();
    fs::write(&archive, written(&entries).unwrap()).unwrap();
    let mut command = Command::new(program);
    silent(command.arg("-xpf").arg(&archive).args(options).current_dir(&dir).env("LC_ALL", "C"));
    let mut numbers = BTreeMap::new();
    for entry in &entries {
        let path = dir.path().join(OsStr::from_bytes(&entry.path));
        let shown = format!("{program}: {}", entry.path.escape_ascii());
        let found = fs::symlink_metadata(&path).unwrap_or_else(|error| panic!("{shown}: {error}"));
        match &entry.kind {
            Kind::File(content) => {
                let mut expected = vec![0; content.size as usize];
                match &content.pieces {
                    Pieces::Whole(bytes) => expected.copy_from_slice(bytes),
                    Pieces::Sparse(pieces) => {
                        for piece in pieces {
                            let start = piece.offset as usize;
                            expected[start..start + piece.bytes.len()].copy_from_slice(piece.bytes);
                        }
                        assert!(found.blocks() * 512 < found.size(), "{shown}: no holes");
                    }
                }
                assert!(fs::read(&path).unwrap() == expected, "{shown}: content");
                numbers.insert(entry.path.to_vec(), found.ino());
            }
            Kind::HardLink { target, .. } => assert_eq!(numbers[&target[..]], found.ino()),
            Kind::Symlink(target) => {
                assert_eq!(fs::read_link(&path).unwrap().as_os_str().as_bytes(), &target[..]);
            }
            Kind::Fifo => assert!(found.file_type().is_fifo(), "{shown}"),
            Kind::Directory => assert!(found.is_dir(), "{shown}"),
            kind => panic!("{kind:?}"),
        }
        if !matches!(entry.kind, Kind::Symlink(_) | Kind::HardLink { .. }) {
            assert_eq!(found.mode() & 0o7777, entry.mode, "{shown}: mode");
            let mtime = (found.mtime(), found.mtime_nsec() as u32);
            assert_eq!(mtime, (entry.mtime.seconds, entry.mtime.nanoseconds), "{shown}: mtime");
        }
    }
    if has_xattrs {
        let mut getfattr = Command::new("getfattr");
        let found = silent(getfattr.args(["-d", "-e", "hex", "dir/file"]).current_dir(&dir));
        let found = String::from_utf8(found).unwrap();
        assert!(found.contains("user.a\\075b=0x000a"), "{program}: {found}");
        assert!(found.contains("user.no"), "{program}: {found}");
    }
}

#[test]
fn gnu_tar_extracts_what_is_written() {
    if has("tar", "tar") && has("getfattr", "attr") {
        extracted_as_written("tar", &["--xattrs"], true);
    }
}

#[test]
fn bsdtar_extracts_what_is_written() {
    if has("bsdtar", "libarchive-tools") {
        // It takes an equals sign's escape for the name.
        extracted_as_written("bsdtar", &[], false);
    }
}

/// A file of 9 GiB, whose content is a hole in the archive itself.
#[test]
fn sizes_above_8_gib_are_in_records() {
    const SIZE: u64 = 9 << 30;
    let file = tempfile::NamedTempFile::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let mut headers = Vec::new();
    let mut writer = Writer::new(|bytes: &[u8]| {
        headers.extend_from_slice(bytes);
        Ok::<_, ()>(())
    });
    let member = |path| Member {
        path,
        body: Body::File { size: SIZE },
        mode: 0o600,
        uid: 1,
        gid: 2,
        mtime: Time::default(),
        atime: None,
        xattrs: &[],
    };
    writer.begin(&member(b"large")).unwrap();
    assert_eq!(writer.finish().err(), Some(WriteError::Missing(SIZE)));
    let archive: &File = file.as_file();
    archive.write_all_at(&headers, 0).unwrap();
    archive.write_all_at(&headers, headers.len() as u64 + SIZE).unwrap();
    archive.set_len(2 * (headers.len() as u64 + SIZE) + 1024).unwrap();
    for (program, package) in [("tar", "tar"), ("bsdtar", "libarchive-tools")] {
        if has(program, package) {
            let list = silent(Command::new(program).arg("-tvf").arg(file.path()));
            let list = String::from_utf8(list).unwrap();
            let sizes = list.lines().filter(|line| line.contains("9663676416")).count();
            assert_eq!(sizes, 2, "{program}: {list}");
        }
    }
}

#[test]
fn what_cannot_be_in_an_archive_is_refused_before_anything_is_written() {
    let device = Device { major: 1, minor: 2_097_152 };
    let rows: [(&[u8], Body<'_>, What); 13] = [
        (b"", Body::Directory, What::Empty("path")),
        (b"a\0b", Body::Directory, What::Nul("path")),
        (b"a/", Body::File { size: 0 }, What::Type),
        (b"a", Body::Symlink(b""), What::Empty("link's target")),
        (b"a", Body::HardLink(b"\0"), What::Nul("link's target")),
        (b"a", Body::CharDevice(device), What::OutOfRange("device number")),
        (b"a", Body::BlockDevice(device), What::OutOfRange("device number")),
        (b"a", Body::File { size: u64::MAX }, What::OutOfRange("size")),
        (b"a", Body::Sparse { size: 1 << 63, map: &[] }, What::OutOfRange("size")),
        (
            b"a",
            Body::Sparse { size: 9999, map: &[(512, 512), (1023, 1)] },
            What::Sparse("overlaps itself or is out of order"),
        ),
        (
            b"a",
            Body::Sparse { size: 9999, map: &[(9999, 1)] },
            What::Sparse("reaches past the file's end"),
        ),
        (
            b"a",
            Body::Sparse { size: 9999, map: &[(u64::MAX, 1)] },
            What::Sparse("reaches past the file's end"),
        ),
        (
            b"a",
            Body::Sparse { size: 9999, map: &[(0, 511), (512, 1)] },
            What::Sparse("has a piece that ends within a block of 512 bytes"),
        ),
    ];
    let mut count = 0;
    let mut writer = Writer::new(|bytes: &[u8]| {
        count += bytes.len();
        Ok::<_, ()>(())
    });
    let time = Time::default();
    for (path, body, what) in rows {
        let member =
            Member { path, body, mode: 0, uid: 0, gid: 0, mtime: time, atime: None, xattrs: &[] };
        assert_eq!(writer.begin(&member), Err(WriteError::Entry(what)), "{body:?}");
    }
    let value = vec![0; 9 << 20];
    let xattrs: [Attribute<'_>; 2] =
        [(b"user.a".into(), value[..].into()), (b"user.b".into(), value[..].into())];
    let member = Member {
        path: b"a",
        body: Body::Fifo,
        mode: 0,
        uid: 0,
        gid: 0,
        mtime: time,
        atime: None,
        xattrs: &xattrs,
    };
    let limit = anchorite_archive::METADATA_LIMIT;
    assert_eq!(writer.begin(&member), Err(WriteError::Entry(What::Metadata { limit })));
    writer.finish().unwrap();
    assert_eq!(count, 1024);
}

#[test]
fn content_is_as_long_as_announced() {
    let mut writer = Writer::new(|_: &[u8]| Ok::<_, &str>(()));
    let mut member = Member {
        path: b"a",
        body: Body::File { size: 3 },
        mode: 0,
        uid: 0,
        gid: 0,
        mtime: Time::default(),
        atime: None,
        xattrs: &[],
    };
    writer.begin(&member).unwrap();
    writer.data(b"ab").unwrap();
    assert_eq!(writer.data(b"cde"), Err(WriteError::Surplus(2)));
    assert_eq!(writer.begin(&member), Err(WriteError::Missing(1)));
    writer.data(b"c").unwrap();
    writer.data(b"").unwrap();
    assert_eq!(writer.data(b"d"), Err(WriteError::Surplus(1)));
    member.body = Body::Directory;
    writer.begin(&member).unwrap();
    writer.finish().unwrap();
    let mut full = Writer::new(|_: &[u8]| Err("full"));
    assert_eq!(full.begin(&member), Err(WriteError::Sink("full")));
}

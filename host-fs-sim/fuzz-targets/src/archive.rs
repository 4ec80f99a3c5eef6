//! `archive`: archives, as bytes, and made of parts whose checksums are right. What is read of
//! them is written and read again; and they are preloaded, what is there then is exported, and
//! that preloaded again.

use std::ops::Range;

use anchorite_archive::{
    Body, Content, DecompressError, Entry, Kind, Member, Pieces, Reader, What, WriteError, Writer,
    decompress, is_compressed,
};
use anchorite_syscalls::{Errno, ExportError, Limits, OnDamage, PreloadError, System, api};
use arbitrary::Arbitrary;

use crate::ground::{PAGE_BYTES, Way, end, system};

/// What anything may become by decompression.
const MOST_BYTES: u64 = 1 << 20;

/// An archive.
#[derive(Arbitrary, Debug)]
pub enum Input<'a> {
    /// Of entries of tar, cut a few bytes short.
    Tar(Vec<Part>, u8),
    /// Of entries of cpio, cut a few bytes short.
    Cpio(Vec<Newc>, u8),
    /// As it is.
    Bytes(&'a [u8]),
}

/// A header of tar, and what follows.
#[derive(Arbitrary, Debug)]
pub struct Part {
    flag: Flag,
    magic: Magic,
    name: Vec<u8>,
    link: Vec<u8>,
    fields: Vec<(Field, Number)>,
    data: Data,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Flag {
    File,
    Old,
    HardLink,
    Symlink,
    CharDevice,
    BlockDevice,
    Directory,
    Fifo,
    Sparse,
    Records,
    Global,
    LongName,
    LongLink,
    Other(u8),
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Magic {
    Ustar,
    Gnu,
    None,
}

/// A field of a header, or a part of one's rest.
#[derive(Arbitrary, Clone, Copy, Debug)]
enum Field {
    Mode,
    Uid,
    Gid,
    Size,
    Mtime,
    Major,
    Minor,
    Prefix,
    /// A pair of GNU's map.
    Offset(u8),
    Length(u8),
    IsExtended,
    RealSize,
}

#[derive(Arbitrary, Debug)]
enum Number {
    Octal(u64),
    Binary(i64),
    Bytes(Vec<u8>),
}

/// What follows a header.
#[derive(Arbitrary, Debug)]
enum Data {
    Bytes(Vec<u8>),
    Records(Vec<(Key, Value)>),
    /// Numbers on lines, and bytes after them.
    Map(Vec<u16>, Vec<u8>),
    /// A block of GNU's map, and bytes after it.
    Pairs(Vec<(u16, u16)>, bool, Vec<u8>),
}

#[derive(Arbitrary, Debug)]
enum Key {
    Path,
    LinkPath,
    Size,
    Uid,
    Gid,
    Mtime,
    Atime,
    Attribute(Vec<u8>),
    Major,
    Minor,
    Name,
    RealSize,
    Map,
    Offset,
    Bytes,
    Other(Vec<u8>),
}

#[derive(Arbitrary, Debug)]
enum Value {
    Number(i16),
    Large(i64),
    Time(i64, u32),
    Numbers(Vec<u16>),
    Bytes(Vec<u8>),
}

/// An entry of cpio.
#[derive(Arbitrary, Debug)]
pub struct Newc {
    has_checksum: bool,
    is_checksum_right: bool,
    file: u8,
    format: u8,
    mode: u16,
    links: u8,
    numbers: (u32, u32, u32),
    name: Vec<u8>,
    data: Vec<u8>,
    is_trailer: bool,
    zeros: u8,
}

/// Takes an input in.
pub fn run(input: Input<'_>) {
    match input {
        Input::Tar(parts, cut) => archive(&shortened(tar(&parts), cut)),
        Input::Cpio(entries, cut) => archive(&shortened(cpio(&entries), cut)),
        Input::Bytes(bytes) => archive(bytes),
    }
}

fn shortened(mut archive: Vec<u8>, cut: u8) -> Vec<u8> {
    archive.truncate(archive.len().saturating_sub(usize::from(cut)));
    archive
}

fn archive(bytes: &[u8]) {
    decompressed(bytes);
    read_and_written(bytes);
    preloaded(bytes);
}

/// Fills a directory of a small ramdisk: nothing else may be touched, and what is there is
/// whole. An archive of it makes the same tree.
fn preloaded(bytes: &[u8]) {
    let roomy = Limits { size_bytes: 1 << 40, inodes: 1 << 20 };
    for limits in [Limits { size_bytes: 20 * PAGE_BYTES, inodes: 12 }, roomy] {
        let sys = system(vec![], vec![], limits);
        api::create_dir(&sys, "/in").expect("there is room for a directory");
        api::symlink(&sys, "/in", "/outside").expect("there is room for a link");
        match sys.preload(b"/in", Box::new(bytes.to_vec()), OnDamage::Skip) {
            Ok(_) => {}
            Err(PreloadError::Damage(damage)) => {
                assert!(Reader::new(bytes).is_err(), "an entry ended it all: {damage}");
            }
            Err(PreloadError::Room(_, errno)) => {
                assert!(errno == Errno::ENOSPC && limits != roomy, "{errno:?}");
            }
            Err(error) => panic!("{error}"),
        }
        let names: Vec<_> = api::read_dir(&sys, "/")
            .expect("the root can be read")
            .map(|entry| entry.expect("the root can be read").name().to_vec())
            .collect();
        assert_eq!(names, [b"in".to_vec(), b"outside".to_vec()]);
        if let Some(archive) = exported(&sys) {
            let again = system(vec![], vec![], roomy);
            let done = again.preload(b"/in", Box::new(archive.clone()), OnDamage::Stop);
            done.unwrap_or_else(|error| panic!("what was exported: {error}"));
            assert_eq!(exported(&again), Some(archive), "exported, preloaded and exported");
            end(&again, Way::Open);
        }
        end(&sys, Way::Open);
    }
}

/// What is in the directory, as an archive; none if it has what cannot be in one.
fn exported(sys: &System) -> Option<Vec<u8>> {
    let mut archive = Vec::new();
    let done = sys.export(b"/in", &mut |bytes| {
        archive.extend_from_slice(bytes);
        Ok(())
    });
    match done {
        Ok(_) => Some(archive),
        Err(ExportError::Entry(..)) => None,
        Err(error) => panic!("{error}"),
    }
}

fn decompressed(bytes: &[u8]) {
    let mut count = 0;
    let mut plain = Vec::new();
    let done = decompress(bytes, MOST_BYTES, &mut |piece| {
        assert!(!piece.is_empty(), "nothing was passed on");
        count += piece.len() as u64;
        plain.extend_from_slice(&piece[..piece.len().min(4096)]);
        Ok::<_, ()>(())
    });
    assert!(count <= MOST_BYTES, "more than allowed");
    match done {
        Ok(()) if !is_compressed(bytes) && !bytes.starts_with(&[0]) => {
            assert!(count <= bytes.len() as u64, "it was not compressed");
        }
        Ok(()) => read_and_written(&plain),
        Err(DecompressError::Out(())) => panic!("nothing was refused"),
        Err(DecompressError::Damage(damage)) => {
            assert!(damage.offset <= bytes.len() as u64, "{damage}");
        }
    }
}

fn read_and_written(bytes: &[u8]) {
    let mut reader = match Reader::new(bytes) {
        Ok(reader) => reader,
        Err(damage) => return assert!(damage.offset <= bytes.len() as u64, "{damage}"),
    };
    let mut entries: Vec<Entry<'_>> = Vec::new();
    // Each takes a header.
    for _ in 0..=bytes.len() / 100 + 1 {
        match reader.next() {
            None => break,
            Some(Ok(entry)) => {
                check_entry(bytes, &entry);
                assert!(entries.last().is_none_or(|last| last.offset < entry.offset));
                entries.push(entry);
            }
            Some(Err(damage)) => {
                assert!(damage.offset <= bytes.len() as u64, "{damage}");
                assert!(!damage.to_string().is_empty());
            }
        }
    }
    assert!(reader.next().is_none(), "it does not end");
    let mut archive = Vec::new();
    let mut writer = Writer::new(|bytes: &[u8]| {
        archive.extend_from_slice(bytes);
        Ok::<_, ()>(())
    });
    entries.retain(|entry| write(&mut writer, entry));
    writer.finish().expect("all entries are whole");
    let again = Reader::new(&archive).expect("an archive").map(|entry| {
        let entry = entry.unwrap_or_else(|damage| panic!("what was written: {damage}"));
        Entry { offset: 0, ..entry }
    });
    let again: Vec<_> = again.collect();
    for entry in &mut entries {
        entry.offset = 0;
        if let Kind::HardLink { content, .. } = &mut entry.kind {
            *content = None;
        }
    }
    assert_eq!(again, entries, "what was read, written and read");
}

/// Writes an entry, if it can be in an archive of tar.
fn write<S>(writer: &mut Writer<S>, entry: &Entry<'_>) -> bool
where
    S: FnMut(&[u8]) -> Result<(), ()>,
{
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
        Kind::Socket => return false,
        Kind::CharDevice(device) => Body::CharDevice(*device),
        Kind::BlockDevice(device) => Body::BlockDevice(*device),
    };
    let Entry { mode, uid, gid, mtime, atime, .. } = *entry;
    let (path, xattrs) = (&*entry.path, &entry.xattrs[..]);
    match writer.begin(&Member { path, body, mode, uid, gid, mtime, atime, xattrs }) {
        Ok(()) => {}
        // A file whose name ends in a slash, odd pieces, and numbers of cpio's devices.
        Err(WriteError::Entry(What::Type | What::Sparse(_) | What::OutOfRange(_))) => return false,
        Err(error) => panic!("{entry:?}: {error:?}"),
    }
    for piece in data {
        writer.data(piece).expect("what was announced");
    }
    true
}

/// An entry is within the archive, and is what its types say.
fn check_entry(bytes: &[u8], entry: &Entry<'_>) {
    let name = |name: &[u8]| assert!(!name.is_empty() && !name.contains(&0), "{entry:?}");
    name(&entry.path);
    assert!(entry.offset < bytes.len() as u64 && entry.mode <= 0o7777, "{entry:?}");
    for time in [Some(entry.mtime), entry.atime].into_iter().flatten() {
        assert!(time.nanoseconds < 1_000_000_000, "{entry:?}");
    }
    entry.xattrs.iter().for_each(|(key, _)| name(key));
    let all: Range<*const u8> = bytes.as_ptr_range();
    let content = |content: &Content<'_>| match &content.pieces {
        Pieces::Whole(whole) => assert_eq!(whole.len() as u64, content.size),
        Pieces::Sparse(pieces) => {
            let mut end = 0;
            for piece in pieces {
                assert!(piece.offset >= end && !piece.bytes.is_empty(), "{entry:?}");
                assert!(all.contains(&piece.bytes.as_ptr()), "bytes of another archive");
                end = piece.offset + piece.bytes.len() as u64;
            }
            assert!(end <= content.size && content.size <= i64::MAX as u64, "{entry:?}");
        }
    };
    match &entry.kind {
        Kind::File(of) => content(of),
        Kind::HardLink { target, content: of } => {
            name(target);
            of.iter().for_each(content);
        }
        Kind::Symlink(target) => name(target),
        _ => {}
    }
}

fn tar(parts: &[Part]) -> Vec<u8> {
    let mut archive = Vec::new();
    for part in parts {
        let mut block = [0; 512];
        let mut put = |range: Range<usize>, bytes: &[u8]| {
            let len = bytes.len().min(range.len());
            block[range][..len].copy_from_slice(&bytes[..len]);
        };
        let data = data(&part.data);
        put(0..100, &part.name);
        put(157..257, &part.link);
        put(156..157, &[flag(part.flag)]);
        put(
            257..265,
            match part.magic {
                Magic::Ustar => b"ustar\x0000",
                Magic::Gnu => b"ustar  \0",
                Magic::None => b"",
            },
        );
        // The block of a map is not counted.
        let uncounted = if matches!(part.data, Data::Pairs(..)) { 512 } else { 0 };
        put(124..136, format!("{:011o}", data.len() - uncounted).as_bytes());
        for (field, value) in &part.fields {
            let range = range(*field);
            match value {
                Number::Octal(value) => {
                    let width = range.len() - 1;
                    put(range, format!("{value:0width$o}").as_bytes());
                }
                Number::Binary(value) => {
                    let fill = if *value < 0 { 0xff } else { 0 };
                    let mut bytes = vec![fill; range.len().max(8) - 8];
                    bytes.extend_from_slice(&value.to_be_bytes());
                    bytes[0] |= 0x80;
                    put(range, &bytes);
                }
                Number::Bytes(bytes) => put(range, bytes),
            }
        }
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        archive.extend_from_slice(&block);
        archive.extend_from_slice(&data);
        archive.resize(archive.len().next_multiple_of(512), 0);
    }
    archive
}

fn flag(flag: Flag) -> u8 {
    match flag {
        Flag::File => b'0',
        Flag::Old => 0,
        Flag::HardLink => b'1',
        Flag::Symlink => b'2',
        Flag::CharDevice => b'3',
        Flag::BlockDevice => b'4',
        Flag::Directory => b'5',
        Flag::Fifo => b'6',
        Flag::Sparse => b'S',
        Flag::Records => b'x',
        Flag::Global => b'g',
        Flag::LongName => b'L',
        Flag::LongLink => b'K',
        Flag::Other(other) => other,
    }
}

fn range(field: Field) -> Range<usize> {
    match field {
        Field::Mode => 100..108,
        Field::Uid => 108..116,
        Field::Gid => 116..124,
        Field::Size => 124..136,
        Field::Mtime => 136..148,
        Field::Major => 329..337,
        Field::Minor => 337..345,
        Field::Prefix => 345..500,
        Field::Offset(at) => {
            let start = 386 + usize::from(at % 4) * 24;
            start..start + 12
        }
        Field::Length(at) => {
            let start = 398 + usize::from(at % 4) * 24;
            start..start + 12
        }
        Field::IsExtended => 482..483,
        Field::RealSize => 483..495,
    }
}

fn data(data: &Data) -> Vec<u8> {
    match data {
        Data::Bytes(bytes) => bytes.clone(),
        Data::Records(records) => records.iter().flat_map(|(key, of)| record(key, of)).collect(),
        Data::Map(numbers, bytes) => {
            let lines: String = numbers.iter().map(|number| format!("{number}\n")).collect();
            let mut data = lines.into_bytes();
            data.resize(data.len().next_multiple_of(512), 0);
            data.extend_from_slice(bytes);
            data
        }
        Data::Pairs(pairs, is_extended, bytes) => {
            let mut data: Vec<u8> = pairs
                .iter()
                .take(21)
                .flat_map(|(offset, len)| format!("{offset:011o}\0{len:011o}\0").into_bytes())
                .collect();
            data.resize(512, 0);
            data[504] = u8::from(*is_extended);
            data.extend_from_slice(bytes);
            data
        }
    }
}

fn record(key: &Key, value: &Value) -> Vec<u8> {
    let sparse = |key: &str| format!("GNU.sparse.{key}").into_bytes();
    let key = match key {
        Key::Path => b"path".to_vec(),
        Key::LinkPath => b"linkpath".to_vec(),
        Key::Size => b"size".to_vec(),
        Key::Uid => b"uid".to_vec(),
        Key::Gid => b"gid".to_vec(),
        Key::Mtime => b"mtime".to_vec(),
        Key::Atime => b"atime".to_vec(),
        Key::Attribute(name) => [b"SCHILY.xattr.", &name[..]].concat(),
        Key::Major => sparse("major"),
        Key::Minor => sparse("minor"),
        Key::Name => sparse("name"),
        Key::RealSize => sparse("realsize"),
        Key::Map => sparse("map"),
        Key::Offset => sparse("offset"),
        Key::Bytes => sparse("numbytes"),
        Key::Other(key) => key.clone(),
    };
    let value = match value {
        Value::Number(number) => number.to_string().into_bytes(),
        Value::Large(number) => number.to_string().into_bytes(),
        Value::Time(seconds, fraction) => format!("{seconds}.{fraction}").into_bytes(),
        Value::Numbers(numbers) => {
            let numbers: Vec<_> = numbers.iter().map(u16::to_string).collect();
            numbers.join(",").into_bytes()
        }
        Value::Bytes(bytes) => bytes.clone(),
    };
    let rest = key.len() + value.len() + 3;
    let len = (rest..).find(|len| rest + len.to_string().len() == *len).unwrap_or(rest);
    [format!("{len} ").as_bytes(), &key, b"=", &value, b"\n"].concat()
}

fn cpio(entries: &[Newc]) -> Vec<u8> {
    let mut archive = Vec::new();
    for entry in entries {
        let (name, data) = match entry.is_trailer {
            true => (&b"TRAILER!!!"[..], &[][..]),
            false => (&entry.name[..], &entry.data[..]),
        };
        let sum = data.iter().fold(0u32, |sum, byte| sum.wrapping_add(u32::from(*byte)));
        let mode = u32::from(entry.format % 16) << 12 | u32::from(entry.mode & 0o7777);
        let (one, two, three) = entry.numbers;
        let fields = [
            u32::from(entry.file % 4),
            mode,
            one,
            two,
            u32::from(entry.links % 4),
            three,
            data.len() as u32,
            0,
            0,
            one,
            two,
            name.len() as u32 + 1,
            if entry.is_checksum_right { sum } else { three },
        ];
        let start = archive.len();
        archive.extend_from_slice(if entry.has_checksum { b"070702" } else { b"070701" });
        archive.extend(fields.iter().flat_map(|field| format!("{field:08x}").into_bytes()));
        archive.extend_from_slice(name);
        archive.push(0);
        archive.resize((archive.len() - start).next_multiple_of(4) + start, 0);
        archive.extend_from_slice(data);
        archive.resize((archive.len() - start).next_multiple_of(4) + start, 0);
        if entry.is_trailer {
            archive.resize(archive.len() + usize::from(entry.zeros % 16), 0);
        }
    }
    archive
}

//! Archives that are odd or damaged, made by hand, and what is read of each: the entry as it
//! should be, or damage with its place. Nothing panics, and what follows is read where its
//! place is known.

mod handmade;

use handmade::{Block, END, Newc, file, padded, pax, record, told, trailer};

/// What it is, the archive, and what is read.
type Row = (&'static str, Vec<Vec<u8>>, &'static [&'static str]);

fn check(rows: &[Row]) {
    for (story, parts, expected) in rows {
        let archive = parts.concat();
        assert_eq!(told(&archive), *expected, "{story}");
        // However the archive is cut, nothing panics.
        for len in 0..archive.len() {
            told(&archive[..len]);
        }
    }
}

fn next() -> Vec<u8> {
    file("next", b"n")
}

#[test]
fn archives_without_entries_are_archives() {
    check(&[
        ("nothing", vec![], &[]),
        ("a byte of zero", vec![vec![0]], &[]),
        ("tar's end", vec![END.to_vec()], &[]),
        ("cpio's end", vec![trailer()], &[]),
        ("cpio's end between zeros", vec![vec![0; 512], trailer(), vec![0; 3]], &[]),
        ("a global header alone", vec![Block::new("g", b'g').with(&record("comment", b"c"))], &[]),
    ]);
}

#[test]
fn what_is_no_archive_is_not_read() {
    const UNKNOWN: &[&str] = &["! at byte 0: it is no tar archive and no cpio archive (newc)"];
    check(&[
        ("text", vec![b"hello".to_vec()], UNKNOWN),
        ("much text", vec![b"hello".repeat(1000)], UNKNOWN),
        ("old cpio", vec![b"070707000000000000".to_vec()], UNKNOWN),
        (
            "what comes after zeros",
            vec![END.to_vec(), b"ext2".to_vec()],
            &["! at byte 1024: it is no tar archive and no cpio archive (newc)"],
        ),
        (
            "gzip",
            vec![b"\x1f\x8b\x08\0".to_vec()],
            &["! at byte 0: what follows is compressed by gzip, and must be decompressed first"],
        ),
        (
            "zstd",
            vec![b"\x28\xb5\x2f\xfd\0".to_vec()],
            &["! at byte 0: what follows is compressed by zstd, and must be decompressed first"],
        ),
    ]);
}

#[test]
fn tar_ends_as_gnu_tar_has_it() {
    check(&[
        ("without an end", vec![file("a", b"1")], &["a \"1\""]),
        ("garbage after it", vec![file("a", b""), END.to_vec(), next()], &["a \"\""]),
        ("one block of zeros", vec![file("a", b""), vec![0; 512], next()], &["a \"\""]),
        ("a piece of a block of zeros", vec![file("a", b""), vec![0; 100]], &["a \"\""]),
        (
            "a piece of a header",
            vec![file("a", b""), next()[..100].to_vec()],
            &[
                "a \"\"",
                "! at byte 512: the archive ends within it, 100 bytes from there instead \
               of 512",
            ],
        ),
        (
            "within data",
            vec![file("a", &[b'x'; 513])[..1024].to_vec()],
            &["! the entry `a` at byte 0: the archive ends within it, 1024 bytes from there \
               instead of 1536"],
        ),
        (
            "an extended header at the end",
            vec![pax(&[("path", b"p")]), END.to_vec()],
            &["! the entry `p` at byte 0: its extended header has no entry after it"],
        ),
    ]);
}

#[test]
fn numbers_in_headers_are_what_they_count_or_damage() {
    let numbered = |at: usize, bytes: &[u8]| Block::new("a", b'0').at(at, bytes).sum();
    check(&[
        (
            "a size that is negative",
            vec![numbered(124, &[0xff; 12]), next()],
            &["! the entry `a` at byte 0: its size is negative or too large"],
        ),
        (
            "a size of 2^64, which wraps in 64 bits",
            vec![numbered(124, b"\x80\0\0\x01\0\0\0\0\0\0\0\0"), next()],
            &["! the entry `a` at byte 0: its size is negative or too large"],
        ),
        (
            "a size up to which no sum goes",
            vec![numbered(124, b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff"), next()],
            &["! the entry `a` at byte 0: the archive ends within it, 1536 bytes from there \
               instead of 9223372036854776320"],
        ),
        (
            "a size beyond the archive",
            vec![numbered(124, b"77777777777\0"), next()],
            &["! the entry `a` at byte 0: the archive ends within it, 1536 bytes from there \
               instead of 8589935104"],
        ),
        (
            "a size that is no number",
            vec![numbered(124, b"0000000000x\0"), next()],
            &["! the entry `a` at byte 0: its size is not a number"],
        ),
        (
            "an owner that is none",
            vec![numbered(108, b"\x80\0\0\x01\0\0\0\0"), next()],
            &["! the entry `a` at byte 0: its uid is negative or too large", "next \"n\""],
        ),
        (
            "a group that is negative",
            vec![numbered(116, &[0xff; 8]), next()],
            &["! the entry `a` at byte 0: its gid is negative or too large", "next \"n\""],
        ),
        (
            "owners as large as they can be",
            vec![
                Block::new("a", b'0')
                    .at(108, b"\x80\0\0\0\xff\xff\xff\xfe")
                    .at(116, b"\x80\0\0\0\0\x20\0\0")
                    .sum(),
            ],
            &["a \"\" of 4294967294:2097152"],
        ),
        ("a time before the epoch", vec![numbered(136, &[0xff; 12])], &["a \"\" at -1.000000000"]),
        (
            "a time that is none",
            vec![numbered(136, b"12:00       "), next()],
            &["! the entry `a` at byte 0: its mtime is not a number", "next \"n\""],
        ),
        (
            "a device that is none",
            vec![Block::new("a", b'3').at(329, b"x").sum(), next()],
            &["! the entry `a` at byte 0: its device number is not a number", "next \"n\""],
        ),
        (
            "a wrong checksum",
            vec![file("a", b""), numbered(0, b"b").into_iter().map(|byte| byte ^ 1).collect()],
            &["a \"\"", "! at byte 512: its header's checksum is wrong"],
        ),
        (
            "a wrong checksum first",
            vec![Block::new("a", b'0').at(148, b"000000\0 ").0.to_vec(), next()],
            &["! at byte 0: its header's checksum is wrong"],
        ),
    ]);
}

#[test]
fn checksums_of_signed_bytes_are_right_too() {
    let mut block = file("\u{e4}", b"");
    block[148..156].fill(b' ');
    let sum: i32 = block.iter().map(|byte| i32::from(*byte as i8)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    assert_eq!(told(&block), ["\\xc3\\xa4 \"\""]);
}

#[test]
fn names_are_whole_or_damage() {
    let long = "l".repeat(300);
    let gnu = |flag: u8, data: &[u8]| Block::gnu("././@LongLink", flag).with(data);
    let shown: &'static [&'static str] =
        Box::leak(Box::new([&*Box::leak(format!("{long} hard link to {long}").into_boxed_str())]));
    check(&[
        (
            "no name",
            vec![file("", b"x"), next()],
            &["! the entry `` at byte 0: its path is empty", "next \"n\""],
        ),
        (
            "no target",
            vec![Block::new("a", b'2').sum(), Block::new("b", b'1').sum(), next()],
            &[
                "! the entry `a` at byte 0: its link's target is empty",
                "! the entry `b` at byte 512: its link's target is empty",
                "next \"n\"",
            ],
        ),
        (
            "a NUL byte in a record",
            vec![pax(&[("path", b"a\0b")]), file("x", b""), next()],
            &["! the entry `a?b` at byte 1024: its path has a NUL byte in it", "next \"n\""],
        ),
        (
            "a NUL byte in a target",
            vec![pax(&[("linkpath", b"a\0b")]), Block::new("x", b'2').sum(), next()],
            &["! the entry `x` at byte 1024: its link's target has a NUL byte in it", "next \"n\""],
        ),
        (
            "long names without their ends, and repeated",
            vec![
                gnu(b'L', b"first\0"),
                gnu(b'L', long.as_bytes()),
                gnu(b'K', format!("{long}\0junk").as_bytes()),
                Block::gnu("x", b'1').link("y").sum(),
            ],
            shown,
        ),
        (
            "a long name that is empty",
            vec![gnu(b'L', b"\0"), file("x", b""), next()],
            &["! the entry `` at byte 1024: its path is empty", "next \"n\""],
        ),
        (
            "a prefix, and a name that fills its field",
            vec![Block::new(&"n".repeat(100), b'5').at(345, b"pre/fix").sum()],
            &[
                "pre/fix/nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn\
               nnnnnnnnnnnnnnnn Directory",
            ],
        ),
        (
            "GNU's headers have no prefix",
            vec![Block::gnu("name", b'5').at(345, b"00000000000\0").sum()],
            &["name Directory"],
        ),
    ]);
}

#[test]
fn types_are_as_gnu_tar_has_them() {
    let old = |name: &str, flag: u8| Block::new(name, flag).at(257, &[0; 8]);
    check(&[
        ("v7's file", vec![old("a", 0).with(b"x")], &["a \"x\""]),
        ("v7's directory", vec![old("a/", 0).sum()], &["a/ Directory"]),
        ("a contiguous file", vec![Block::new("a", b'7').with(b"x")], &["a \"x\""]),
        ("a type that is nobody's", vec![Block::new("a", b'!').with(b"x")], &["a \"x\""]),
        (
            "volumes",
            vec![
                Block::gnu("label", b'V').sum(),
                Block::gnu("d", b'D').with(b"Yname\0\0"),
                Block::gnu("rest", b'M').with(b"x"),
                next(),
            ],
            &[
                "d Directory",
                "! the entry `rest` at byte 1536: it continues a file of another volume",
                "next \"n\"",
            ],
        ),
        (
            "sizes of what has no content",
            vec![
                Block::new("d", b'5').size(1000).sum(),
                Block::new("f", b'6').size(1000).sum(),
                Block::new("l", b'2').link("t").size(1000).sum(),
                next(),
            ],
            &["d Directory", "f Fifo", "l link to t", "next \"n\""],
        ),
        (
            "devices",
            vec![
                Block::new("c", b'3').at(329, b"0000001\0").at(337, b"0000003\0").sum(),
                Block::new("b", b'4').at(329, b"\x80\0\0\0\0\x20\0\0").sum(),
            ],
            &[
                "c CharDevice(Device { major: 1, minor: 3 })",
                "b BlockDevice(Device { major: 2097152, minor: 0 })",
            ],
        ),
        (
            "a hard link's size is not its data's in ustar and GNU's format",
            vec![
                Block::new("a", b'1').link("t").size(3).sum(),
                Block::gnu("b", b'1').link("t").size(3).sum(),
                next(),
            ],
            &["a hard link to t", "b hard link to t", "next \"n\""],
        ),
        (
            "a hard link's data in pax",
            vec![
                Block::new("a", b'1').link("t").with(b"abc"),
                pax(&[]),
                Block::new("b", b'1').link("t").with(b"def"),
                next(),
            ],
            &["a hard link to t with \"abc\"", "b hard link to t with \"def\"", "next \"n\""],
        ),
    ]);
}

#[test]
fn the_last_record_counts_and_malformed_ones_are_damage() {
    let raw = |records: &[u8]| Block::new("x", b'x').with(records);
    let global = |records: &[u8]| Block::new("g", b'g').with(records);
    const MALFORMED: &[&str] =
        &["! the entry `a` at byte 0: its extended header is malformed", "next \"n\""];
    check(&[
        (
            "repeated records, and headers",
            vec![
                pax(&[("path", b"1"), ("path", b"2"), ("uid", b"7")]),
                pax(&[("path", b"3"), ("SCHILY.xattr.user.a", b"")]),
                file("x", b""),
                next(),
            ],
            &["3 \"\" of 7:0 user.a=", "next \"n\""],
        ),
        (
            "a record that is taken back",
            vec![
                pax(&[("path", b"p"), ("size", b"9"), ("path", b""), ("size", b"")]),
                file("a", b"1"),
            ],
            &["a \"1\""],
        ),
        (
            "global records, and one of its own",
            vec![
                global(&record("uid", b"5")),
                file("a", b""),
                pax(&[("uid", b"6")]),
                file("b", b""),
                file("c", b""),
                global(&record("uid", b"")),
                file("d", b""),
            ],
            &["a \"\" of 5:0", "b \"\" of 6:0", "c \"\" of 5:0", "d \"\""],
        ),
        (
            "a size larger than the header's",
            vec![pax(&[("size", b"3")]), Block::new("a", b'0').sum(), padded(b"abc"), next()],
            &["a \"abc\"", "next \"n\""],
        ),
        (
            "a size smaller than the header's",
            vec![pax(&[("size", b"2")]), file("a", b"abc"), next()],
            &["a \"ab\"", "next \"n\""],
        ),
        (
            "a size that overflows",
            vec![pax(&[("size", b"18446744073709551615")]), file("a", b"abc"), next()],
            &["! the entry `a` at byte 1024: its size is negative or too large"],
        ),
        (
            "a size that no number holds",
            vec![pax(&[("size", b"18446744073709551616")]), file("a", b"abc"), next()],
            &["! the entry `a` at byte 0: its size is negative or too large", "next \"n\""],
        ),
        (
            "a size that is negative",
            vec![pax(&[("size", b"-1")]), file("a", b"abc"), next()],
            &["! the entry `a` at byte 0: its size is not a number", "next \"n\""],
        ),
        (
            "times",
            vec![
                pax(&[("mtime", b"-1.5")]),
                file("a", b""),
                pax(&[("mtime", b"12.345678901234")]),
                file("b", b""),
                pax(&[("mtime", b"9223372036854775808")]),
                file("c", b""),
                next(),
            ],
            &[
                "a \"\" at -2.500000000",
                "b \"\" at 12.345678901",
                "! the entry `c` at byte 3072: its mtime is negative or too large",
                "next \"n\"",
            ],
        ),
        (
            "attributes with signs in their names, and values of any bytes",
            vec![
                pax(&[
                    ("SCHILY.xattr.user.a%3Db%25%41", b"\0\n=\xff"),
                    ("SCHILY.acl.access", b"x"),
                ]),
                file("a", b""),
            ],
            &["a \"\" user.a=b%%41=\\x00\\n=\\xff"],
        ),
        (
            "an attribute without a name",
            vec![pax(&[("SCHILY.xattr.", b"v")]), file("a", b""), next()],
            &["! the entry `a` at byte 0: its attribute's name is empty", "next \"n\""],
        ),
        (
            "an attribute with a NUL byte in its name",
            vec![pax(&[("SCHILY.xattr.a\0b", b"v")]), file("a", b""), next()],
            &["! the entry `a` at byte 0: its attribute's name has a NUL byte in it", "next \"n\""],
        ),
        ("a length that is too long", vec![raw(b"99 path=b\n"), file("a", b""), next()], MALFORMED),
        ("a length that is too short", vec![raw(b"5 path=b\n"), file("a", b""), next()], MALFORMED),
        ("a length of nothing", vec![raw(b"0 path=b\n"), file("a", b""), next()], MALFORMED),
        ("no length", vec![raw(b"path=b\n"), file("a", b""), next()], MALFORMED),
        ("a signed length", vec![raw(b"+10 path=b\n"), file("a", b""), next()], MALFORMED),
        (
            "a length that wraps",
            vec![raw(b"18446744073709551626 path=b\n"), file("a", b""), next()],
            MALFORMED,
        ),
        ("no sign", vec![raw(b"9 path b\n"), file("a", b""), next()], MALFORMED),
        ("zeros", vec![raw(&[0; 20]), file("a", b""), next()], MALFORMED),
        (
            "a global header that is malformed",
            vec![global(b"junk"), file("a", b""), next()],
            &["! the entry `a` at byte 0: its extended header is malformed", "next \"n\""],
        ),
        (
            "a global map for which every entry would pay",
            vec![global(&record("GNU.sparse.map", &b"0,0,".repeat(1500))), file("a", b""), next()],
            &[
                "! the entry `a` at byte 0: its names and attributes take more than 4096 bytes",
                "next \"n\"",
            ],
        ),
        (
            "global records for which every entry would pay",
            vec![
                global(&record("SCHILY.xattr.a", b"v").repeat(90)),
                file("a", b""),
                next(),
                global(&record("comment", &[b'c'; 9000])),
                global(&record("uid", b"1")),
                next(),
            ],
            &[
                "! the entry `a` at byte 0: its names and attributes take more than 4096 bytes",
                "next \"n\"",
                "next \"n\" of 1:0",
            ],
        ),
    ]);
}

#[test]
fn metadata_are_limited() {
    let half = Block::gnu("././@LongLink", b'L').with(&vec![b'~'; 9 << 20]);
    let archive = [half.clone(), half, file("a", b""), next()].concat();
    assert_eq!(
        told(&archive)[0].replace('~', ""),
        "! the entry `…` at byte 9437696: its names and attributes take more than 16777216 bytes"
    );
    assert_eq!(told(&archive)[1..], ["next \"n\""]);
}

#[test]
fn maps_of_sparse_files_fit_or_are_damage() {
    let old = |pairs: &[(u64, u64)], size: u64, data: &[u8]| {
        let mut block = Block::gnu("a", b'S').at(483, format!("{size:011o}\0").as_bytes());
        for (at, (offset, len)) in pairs.iter().enumerate() {
            let pair = format!("{offset:011o}\0{len:011o}\0");
            block = block.at(386 + at * 24, pair.as_bytes());
        }
        block.with(data)
    };
    let new = |map: &str, size: &str, data: &[u8]| {
        let header = pax(&[
            ("GNU.sparse.major", b"1"),
            ("GNU.sparse.minor", b"0"),
            ("GNU.sparse.name", b"a"),
            ("GNU.sparse.realsize", size.as_bytes()),
        ]);
        [header, file("GNUSparseFile.0/a", &[&padded(map.as_bytes()), data].concat())].concat()
    };
    let comma = |map: &str, size: &str, data: &[u8]| {
        let records = [("GNU.sparse.size", size.as_bytes()), ("GNU.sparse.map", map.as_bytes())];
        [pax(&records), file("a", data)].concat()
    };
    let pairs = |records: &[(&str, &[u8])], data: &[u8]| {
        let size = [("GNU.sparse.size", &b"100"[..])];
        [pax(&[&size[..], records].concat()), file("a", data)].concat()
    };
    let extended = |last: u8| {
        let mut header =
            Block::gnu("a", b'S').at(483, b"00000000144\0").at(482, &[1]).size(2).sum();
        let mut more = vec![0; 512];
        more[..24].copy_from_slice(b"00000000012\x0000000000002\0");
        more[504] = last;
        header.extend(more);
        [header, padded(b"xy")].concat()
    };
    const OVERLAP: &[&str] = &[
        "! the entry `a` at byte 0: its map of a sparse file overlaps itself or is out of order",
        "next \"n\"",
    ];
    const OVERLAP_1024: &[&str] = &[
        "! the entry `a` at byte 1024: its map of a sparse file overlaps itself or is out of order",
        "next \"n\"",
    ];
    const BEYOND: &[&str] = &[
        "! the entry `a` at byte 1024: its map of a sparse file reaches past the file's end",
        "next \"n\"",
    ];
    const MORE: &[&str] = &[
        "! the entry `a` at byte 1024: its map of a sparse file has more bytes than are stored",
        "next \"n\"",
    ];
    const FEWER: &[&str] = &[
        "! the entry `a` at byte 1024: its map of a sparse file has fewer bytes than are stored",
        "next \"n\"",
    ];
    const MALFORMED: &[&str] =
        &["! the entry `a` at byte 1024: its map of a sparse file is malformed", "next \"n\""];
    const GOOD: &[&str] = &["a 100 bytes, \"x\" at 10, \"y\" at 20", "next \"n\""];
    check(&[
        ("old", vec![old(&[(10, 1), (20, 1), (100, 0)], 100, b"xy"), next()], GOOD),
        ("old, out of order", vec![old(&[(20, 1), (10, 1)], 100, b"xy"), next()], OVERLAP),
        ("old, overlapping", vec![old(&[(10, 2), (11, 1)], 100, b"xyz"), next()], OVERLAP),
        (
            "old, in a further block",
            vec![extended(0), next()],
            &["a 100 bytes, \"xy\" at 10", "next \"n\""],
        ),
        (
            "old, further blocks without an end",
            vec![extended(1)],
            &["! the entry `a` at byte 0: the archive ends within it, 1536 bytes from there \
               instead of 2048"],
        ),
        ("1.0", vec![new("3\n10\n1\n20\n1\n100\n0\n", "100", b"xy"), next()], GOOD),
        ("1.0, all of it", vec![new("1\n0\n2\n", "2", b"xy")], &["a \"xy\""]),
        ("1.0, a hole", vec![new("0\n", "1000000", b"")], &["a 1000000 bytes"]),
        ("1.0, overlapping", vec![new("2\n10\n2\n11\n1\n", "100", b"xyz"), next()], OVERLAP_1024),
        ("1.0, beyond the size", vec![new("1\n99\n2\n", "100", b"xy"), next()], BEYOND),
        (
            "1.0, overflowing",
            vec![new("1\n18446744073709551615\n2\n", "100", b"xy"), next()],
            BEYOND,
        ),
        ("1.0, too few bytes", vec![new("1\n0\n3\n", "100", b"xy"), next()], MORE),
        ("1.0, too many bytes", vec![new("1\n0\n1\n", "100", b"xy"), next()], FEWER),
        ("1.0, too few lines", vec![new("3\n0\n1\n", "100", b"xy"), next()], MALFORMED),
        ("1.0, countless", vec![new("18446744073709551615\n0\n", "9", b""), next()], MALFORMED),
        ("1.0, no lines", vec![new("", "9", b""), next()], MALFORMED),
        (
            "1.0, too large",
            vec![new("0\n", "9223372036854775808", b""), next()],
            &["! the entry `a` at byte 1024: its size is negative or too large", "next \"n\""],
        ),
        ("0.1", vec![comma("10,1,20,1", "100", b"xy"), next()], GOOD),
        ("0.1, odd", vec![comma("10,1,20", "100", b"xy"), next()], MALFORMED),
        ("0.1, overlapping", vec![comma("10,1,5,1", "100", b"xy"), next()], OVERLAP_1024),
        (
            "0.1, no numbers",
            vec![comma("a,b", "100", b"xy"), next()],
            &["! the entry `a` at byte 1024: its sparse file's map is not a number", "next \"n\""],
        ),
        (
            "0.0",
            vec![
                pairs(
                    &[
                        ("GNU.sparse.numblocks", b"2"),
                        ("GNU.sparse.offset", b"10"),
                        ("GNU.sparse.numbytes", b"1"),
                        ("GNU.sparse.offset", b"20"),
                        ("GNU.sparse.numbytes", b"1"),
                    ],
                    b"xy",
                ),
                next(),
            ],
            GOOD,
        ),
        ("0.0, half a pair", vec![pairs(&[("GNU.sparse.offset", b"1")], b""), next()], MALFORMED),
        (
            "0.0, the other half",
            vec![pairs(&[("GNU.sparse.numbytes", b"1")], b""), next()],
            &["! the entry `a` at byte 0: its map of a sparse file is malformed", "next \"n\""],
        ),
        (
            "a version to come",
            vec![
                pax(&[("GNU.sparse.major", b"2"), ("GNU.sparse.size", b"1")]),
                file("a", b""),
                next(),
            ],
            &[
                "! the entry `a` at byte 1024: its map of a sparse file has an unknown version",
                "next \"n\"",
            ],
        ),
    ]);
}

#[test]
fn cpio_is_whole_or_damage() {
    let plain = Newc::new("a", 0o100644, b"x").entry();
    let crc =
        |check| Newc { magic: b"070702", check, ..Newc::new("a", 0o100644, b"\xff\x01") }.entry();
    let digit = |at: usize, byte: u8| {
        let mut entry = plain.clone();
        entry[at] = byte;
        entry
    };
    let linked = |name, data| Newc { ino: 3, nlink: 2, ..Newc::new(name, 0o100644, data) }.entry();
    check(&[
        (
            "all types",
            vec![
                Newc::new("d", 0o040755, b"").entry(),
                Newc::new("l", 0o120777, b"target\0").entry(),
                Newc::new("p", 0o010644, b"").entry(),
                Newc::new("s", 0o140644, b"").entry(),
                Newc::new("c", 0o020644, b"").entry(),
                Newc::new("b", 0o060644, b"").entry(),
                trailer(),
            ],
            &[
                "d Directory at 1.000000000",
                "l link to target at 1.000000000",
                "p Fifo at 1.000000000",
                "s Socket at 1.000000000",
                "c CharDevice(Device { major: 5, minor: 7 }) at 1.000000000",
                "b BlockDevice(Device { major: 5, minor: 7 }) at 1.000000000",
            ],
        ),
        (
            "without a trailer",
            vec![plain.clone()],
            &["a \"x\" at 1.000000000", "! at byte 116: the cpio archive ends without a trailer"],
        ),
        (
            "within a header",
            vec![plain.clone(), plain[..50].to_vec()],
            &[
                "a \"x\" at 1.000000000",
                "! at byte 116: the archive ends within it, 50 bytes from there instead of 110",
            ],
        ),
        (
            "within the content",
            vec![plain[..112].to_vec()],
            &["! the entry `a` at byte 0: the archive ends within it, 0 bytes from there instead \
               of 4"],
        ),
        (
            "a size beyond the archive",
            vec![digit(54, b'F'), trailer()],
            &[
                "! the entry `a` at byte 0: the archive ends within it, 128 bytes from there instead \
               of 4026531844",
            ],
        ),
        (
            "a digit that is none",
            vec![digit(20, b'g'), trailer()],
            &["! at byte 0: its mode is not a number"],
        ),
        (
            "a magic number that is none",
            vec![plain.clone(), digit(5, b'7'), trailer()],
            &[
                "a \"x\" at 1.000000000",
                "! at byte 116: its header does not begin with cpio's magic number",
            ],
        ),
        (
            "no name, names with NUL bytes, names without",
            vec![
                Newc::new("", 0o100644, b"").entry(),
                Newc::new("a\0b", 0o100644, b"").entry(),
                digit(101, b'1'),
                trailer(),
            ],
            &[
                "! the entry `` at byte 0: its path is empty",
                "! the entry `a?b` at byte 112: its path has a NUL byte in it",
                "! the entry `a` at byte 228: its path does not end with a NUL byte",
            ],
        ),
        (
            "a type that is none, and a link to nothing",
            vec![
                Newc::new("a", 0o170644, b"").entry(),
                Newc::new("l", 0o120777, b"\0").entry(),
                trailer(),
            ],
            &[
                "! the entry `a` at byte 0: its type is unknown",
                "! the entry `l` at byte 112: its link's target is empty",
            ],
        ),
        (
            "checksums",
            vec![crc(0x100), crc(0xff), trailer()],
            &[
                "a \"\\xff\\x01\" at 1.000000000",
                "! the entry `a` at byte 116: its content's checksum is wrong",
            ],
        ),
        (
            "names of one file, in two archives",
            vec![
                linked("a", b""),
                linked("b", b"data"),
                trailer(),
                vec![0; 8],
                linked("c", b"new"),
                linked("d", b""),
                trailer(),
            ],
            &[
                "a \"\" at 1.000000000",
                "b hard link to a with \"data\" at 1.000000000",
                "c \"new\" at 1.000000000",
                "d hard link to c at 1.000000000",
            ],
        ),
        (
            "garbage after it",
            vec![plain.clone(), trailer(), b"\0\0junk".to_vec()],
            &[
                "a \"x\" at 1.000000000",
                "! at byte 242: what follows the archive is neither zeros nor another",
            ],
        ),
    ]);
}

/// 100,000 entries, or half as many headers before one: it takes time in proportion.
#[test]
fn many_entries_are_read_in_linear_time() {
    let mut archive = file("a", b"").repeat(100_000);
    assert_eq!(anchorite_archive::Reader::new(&archive).unwrap().count(), 100_000);
    archive = pax(&[("SCHILY.xattr.user.a", b"v")]).repeat(50_000);
    archive.extend(file("a", b""));
    let mut entries = anchorite_archive::Reader::new(&archive).unwrap();
    assert_eq!(entries.next().unwrap().unwrap().xattrs.len(), 50_000);
    let names = (0..50_000u32)
        .flat_map(|ino| Newc { ino, nlink: 2, ..Newc::new("a", 0o100644, b"") }.entry());
    let archive: Vec<u8> = names.chain(trailer()).collect();
    assert_eq!(anchorite_archive::Reader::new(&archive).unwrap().count(), 50_000);
}

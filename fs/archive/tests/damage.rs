//! Good archives, cut at every offset, and with every byte changed.

mod handmade;

use anchorite_archive::{Damage, Entry, Reader, What};
use handmade::{Block, END, Newc, file, padded, pax, record, trailer};

/// Whole entries, one of each kind, each with the headers that belong to it.
fn tar() -> Vec<Vec<u8>> {
    let long = "long/".repeat(40);
    let sparse = |version: &[(&str, &[u8])], data: &[u8]| {
        let size = if version.is_empty() { "GNU.sparse.size" } else { "GNU.sparse.realsize" };
        let records = [&[("GNU.sparse.name", &b"sparse"[..]), (size, b"5000")], version].concat();
        [pax(&records), file("GNUSparseFile.0/sparse", data)].concat()
    };
    let map = padded(b"2\n0\n512\n4096\n4\n");
    let old = Block::gnu("old", b'S').at(386, b"00000000000\x0000000000001\0").at(482, &[1]);
    let mut blocks = vec![0; 1024];
    blocks[..24].copy_from_slice(b"00000001000\x0000000001000\0");
    blocks[504] = 1;
    let old = old.at(483, b"00000010000\0").size(513).sum();
    vec![
        Block::new("v7", 0).at(257, &[0; 8]).with(b"seven"),
        Block::new("prefixed", b'0').at(345, b"some/prefix").with(&[b'u'; 1000]),
        Block::new("directory/", b'5').sum(),
        Block::new("symlink", b'2').link("target").sum(),
        Block::new("fifo", b'6').sum(),
        Block::new("device", b'3').at(329, b"0000001\0").at(337, b"0000003\0").sum(),
        Block::new("link", b'1').link("v7").sum(),
        [
            Block::gnu("././@LongLink", b'K').with(long.as_bytes()),
            Block::gnu("././@LongLink", b'L').with(format!("{long}x\0").as_bytes()),
            Block::gnu("long", b'2').link("long").sum(),
        ]
        .concat(),
        [old, blocks, padded(&[b'o'; 513])].concat(),
        Block::new("global", b'g').with(&record("gid", b"7")),
        [
            pax(&[
                ("path", "\u{e4}".as_bytes()),
                ("mtime", b"-1.25"),
                ("SCHILY.xattr.user.a", b"b"),
            ]),
            pax(&[("atime", b"2.5"), ("uid", b"3000000")]),
            file("x", &[b'x'; 512]),
        ]
        .concat(),
        sparse(&[("GNU.sparse.offset", b"10"), ("GNU.sparse.numbytes", b"3")], b"abc"),
        sparse(&[("GNU.sparse.map", b"10,1,20,2")], b"abc"),
        sparse(
            &[("GNU.sparse.major", b"1"), ("GNU.sparse.minor", b"0")],
            &[map, vec![b's'; 516]].concat(),
        ),
        Block::new("linkdata", b'1').link("v7").with(b"seven"),
        file("empty", b""),
    ]
}

fn cpio() -> Vec<Vec<u8>> {
    let linked = |name, data| Newc { ino: 3, nlink: 2, ..Newc::new(name, 0o100644, data) }.entry();
    let check = 2 * u32::from(b'c') + 1;
    vec![
        Newc::new("directory", 0o040755, b"").entry(),
        linked("first", b""),
        linked("second name", b"content"),
        Newc { magic: b"070702", check, ..Newc::new("summed", 0o100644, b"c\x01c") }.entry(),
        Newc::new("symlink", 0o120777, b"target").entry(),
        Newc::new("device", 0o060644, b"").entry(),
        Newc::new("socket", 0o140644, b"").entry(),
    ]
}

fn read(archive: &[u8]) -> (Vec<Entry<'_>>, Vec<Damage>) {
    let mut read = (Vec::new(), Vec::new());
    match Reader::new(archive) {
        Ok(entries) => {
            for entry in entries {
                match entry {
                    Ok(entry) => read.0.push(entry),
                    Err(damage) => read.1.push(damage),
                }
            }
        }
        Err(damage) => read.1.push(damage),
    }
    read
}

/// Cuts an archive everywhere. What was whole before the cut is read; a cut that is within an
/// entry is damage at that entry, and one between entries only if `end` is damage, too.
fn cut(parts: &[Vec<u8>], end: &[u8], missing_end: Option<What>) {
    let archive = [&parts.concat(), end].concat();
    let (whole, damages) = read(&archive);
    assert_eq!(damages, []);
    let ends: Vec<usize> = parts
        .iter()
        .scan(0, |at, part| {
            *at += part.len();
            Some(*at)
        })
        .collect();
    // How many entries there are in the first so many parts: a global header is none.
    let counts: Vec<usize> = ends
        .iter()
        .map(|end| whole.iter().filter(|entry| entry.offset < *end as u64).count())
        .collect();
    let all = *ends.last().unwrap();
    for len in 0..archive.len() {
        let (entries, damages) = read(&archive[..len]);
        let parts = ends.iter().filter(|end| **end <= len).count();
        let count = if parts == 0 { 0 } else { counts[parts - 1] };
        assert!(entries == whole[..count], "cut at {len}: {} of {count}", entries.len());
        let start = if parts == 0 { 0 } else { ends[parts - 1] };
        if len == 0 {
            assert_eq!(damages, []);
        } else if len >= all || len == start {
            let found: Vec<_> = damages.iter().map(|damage| damage.what).collect();
            match missing_end {
                // The end itself may be cut.
                Some(_) if len > all => assert_eq!(found.len(), 1, "cut at {len}: {found:?}"),
                Some(what) => assert_eq!(found, [what], "cut at {len}"),
                None => assert_eq!(found, [], "cut at {len}"),
            }
        } else {
            let [damage] = &damages[..] else { panic!("cut at {len}: {damages:?}") };
            let offset = damage.offset as usize;
            assert!(start <= offset && offset <= len, "cut at {len}: {damage}");
        }
    }
}

#[test]
fn a_tar_that_is_cut_anywhere_is_read_up_to_there() {
    cut(&tar(), &END, None);
}

#[test]
fn a_cpio_that_is_cut_anywhere_is_read_up_to_there() {
    cut(&cpio(), &trailer(), Some(What::NoTrailer));
}

/// Changes every byte; what was read before it stays as it was.
fn change(parts: &[Vec<u8>], end: &[u8]) {
    let mut archive = [&parts.concat(), end].concat();
    let original = archive.clone();
    let (whole, _) = read(&original);
    let mut damaged = 0;
    for at in 0..archive.len() {
        for change in [0x01, 0x80] {
            archive[at] ^= change;
            let (entries, damages) = read(&archive);
            damaged += usize::from(!damages.is_empty());
            // Those whose next neighbour begins before the change.
            let before = whole.windows(2).filter(|two| two[1].offset <= at as u64).count();
            // The last of them may have its content, or its extended headers, in between.
            let before = before.saturating_sub(1);
            assert!(entries.len() >= before && entries[..before] == whole[..before], "at {at}");
            archive[at] ^= change;
        }
    }
    // Contents of tar have no checksum; headers have.
    assert!(damaged > archive.len() / 4, "{damaged} of {} changes are damage", archive.len() * 2);
}

#[test]
fn a_tar_with_any_byte_changed_is_borne() {
    change(&tar()[..9], &END);
    change(&tar()[9..], &END);
}

#[test]
fn a_cpio_with_any_byte_changed_is_borne() {
    change(&cpio(), &trailer());
}

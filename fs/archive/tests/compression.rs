//! What gzip, zstd and an initramfs made of segments come to.
#![cfg(feature = "compression")]

use std::env;
use std::io::{self, Write};
use std::process::{Command, Stdio};

use anchorite_archive::{Damage, DecompressError, Kind, Reader, What, decompress, is_compressed};

/// What a program makes of its input; nothing where it is not installed.
fn piped(command: &[&str], input: &[u8]) -> Option<Vec<u8>> {
    let child = Command::new(command[0])
        .args(&command[1..])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) => {
            let is_ci = env::var_os("CI").is_some_and(|ci| ci == "true");
            assert!(!is_ci, "this must run in CI: install {}: {error}", command[0]);
            // Past the test harness's capture.
            let _ = writeln!(io::stdout(), "skipped: {} is not installed", command[0]);
            return None;
        }
    };
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writing = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    writing.join().unwrap().unwrap();
    assert!(output.status.success(), "{command:?}");
    Some(output.stdout)
}

fn decompressed(input: &[u8], limit: u64) -> Result<Vec<u8>, Damage> {
    let mut all = Vec::new();
    let taken = decompress(input, limit, &mut |bytes| {
        all.extend_from_slice(bytes);
        Ok::<_, ()>(())
    });
    match taken {
        Ok(()) => Ok(all),
        Err(DecompressError::Damage(damage)) => Err(damage),
        Err(DecompressError::Out(())) => panic!("the output took everything"),
    }
}

/// Some bytes that can be compressed a bit.
fn sample(len: usize) -> Vec<u8> {
    let mut state = 1u32;
    (0..len)
        .map(|at| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            if at % 3 == 0 { (state >> 24) as u8 } else { (at / 100) as u8 }
        })
        .collect()
}

/// A cpio archive with one file.
fn cpio(name: &str, content: &[u8]) -> Vec<u8> {
    let mut archive = Vec::new();
    for (name, mode, content) in [(name, 0o100644, content), ("TRAILER!!!", 0, &[][..])] {
        let fields = [1, mode, 0, 0, 1, 0, content.len(), 0, 0, 0, 0, name.len() + 1, 0];
        archive.extend_from_slice(b"070701");
        archive.extend(fields.iter().flat_map(|field| format!("{field:08x}").into_bytes()));
        archive.extend_from_slice(name.as_bytes());
        archive.push(0);
        archive.resize(archive.len().next_multiple_of(4), 0);
        archive.extend_from_slice(content);
        archive.resize(archive.len().next_multiple_of(4), 0);
    }
    archive
}

#[test]
fn members_and_frames_come_out_one_after_another() {
    let (one, other) = (sample(300_000), sample(1000));
    let both = [&one[..], &other].concat();
    let commands: [&[&str]; 6] = [
        &["gzip", "-c"],
        &["gzip", "-c1"],
        &["zstd", "-qc"],
        &["zstd", "-qc19", "--no-check"],
        &["zstd", "-qc", "--ultra", "-22"],
        &["zstd", "-qc", "--content-size"],
    ];
    for command in commands {
        let (Some(a), Some(b)) = (piped(command, &one), piped(command, &other)) else { return };
        assert!(is_compressed(&a));
        assert_eq!(decompressed(&a, 300_000), Ok(one.clone()), "{command:?}");
        assert_eq!(decompressed(&[&a[..], &b].concat(), u64::MAX), Ok(both.clone()));
        let apart = [&a[..], &[0; 1000], &b, &[0; 3]].concat();
        assert_eq!(decompressed(&apart, u64::MAX), Ok(both.clone()), "{command:?}");
        // A frame that decoders skip.
        let skipped = [&b[..], b"\x5a\x2a\x4d\x18\x03\0\0\0abc", &a].concat();
        let reversed = [&other[..], &one].concat();
        assert_eq!(decompressed(&skipped, u64::MAX), Ok(reversed), "{command:?}");
        // Garbage after it.
        let damage = decompressed(&[&a[..], b"garbage"].concat(), u64::MAX).unwrap_err();
        assert_eq!((damage.offset, damage.what), (a.len() as u64, What::Garbage));
        // One byte less than there must be.
        let damage = decompressed(&a, 299_999).unwrap_err();
        assert_eq!(damage.what, What::Bomb { limit: 299_999 }, "{command:?}");
    }
}

#[test]
fn a_flag_of_gzips_header_changes_nothing_and_a_wrong_checksum_is_seen() {
    let Some(plain) = piped(&["gzip", "-nc"], b"hello\n") else { return };
    // FEXTRA, FNAME, FCOMMENT, and FHCRC over it all.
    let mut header = plain[..10].to_vec();
    header[3] = 0b11110;
    header.extend_from_slice(b"\x04\0abcdname\0comment\0");
    let mut crc = flate2::Crc::new();
    crc.update(&header);
    header.extend_from_slice(&crc.sum().to_le_bytes()[..2]);
    let member = [&header[..], &plain[10..]].concat();
    assert_eq!(decompressed(&member, 6), Ok(b"hello\n".to_vec()));
    // The header's checksum, the content's, and the length.
    for at in [header.len() - 1, member.len() - 5, member.len() - 1] {
        let mut wrong = member.clone();
        wrong[at] ^= 1;
        let damage = decompressed(&wrong, 6).unwrap_err();
        assert!(matches!(damage.what, What::Corrupt(_)), "{at}: {damage}");
    }
}

#[test]
fn a_wrong_checksum_of_zstd_is_seen() {
    let Some(mut frame) = piped(&["zstd", "-qc", "--check"], b"hello\n") else { return };
    assert_eq!(decompressed(&frame, 6), Ok(b"hello\n".to_vec()));
    *frame.last_mut().unwrap() ^= 1;
    assert_eq!(
        decompressed(&frame, 6).unwrap_err().what,
        What::Corrupt("zstd's checksum is wrong")
    );
}

#[test]
fn compressed_data_that_are_cut_are_damaged() {
    let commands: [&[&str]; 3] =
        [&["gzip", "-c"], &["zstd", "-qc"], &["zstd", "-qc", "--no-check"]];
    for command in commands {
        let Some(whole) = piped(command, &sample(3000)) else { return };
        for len in 4..whole.len() {
            let damage = decompressed(&whole[..len], u64::MAX).unwrap_err();
            assert_eq!(damage.offset, 0, "{command:?} cut at {len}");
        }
    }
}

#[test]
fn an_initramfs_of_segments_is_one_archive() {
    let (early, real) = (cpio("early", b"microcode"), cpio("real", &sample(5000)));
    let commands: [&[&str]; 2] = [&["gzip", "-c"], &["zstd", "-qc"]];
    for command in commands {
        let Some(packed) = piped(command, &real) else { return };
        let padding = [0; 512];
        let whole = [&early[..], &padding, &packed, &padding, &early, &packed].concat();
        assert!(is_compressed(&whole));
        let damage = Reader::new(&whole).unwrap().find_map(Result::err).unwrap();
        assert_eq!(damage.offset, early.len() as u64 + 512);
        assert!(matches!(damage.what, What::Compressed(_)), "{damage}");
        let plain = decompressed(&whole, u64::MAX).unwrap();
        assert_eq!(plain, [&early[..], &real, &early, &real].concat());
        let entries: Vec<_> = Reader::new(&plain).unwrap().map(Result::unwrap).collect();
        assert_eq!(entries.len(), 4);
        assert!(matches!(&entries[3].kind, Kind::File(content) if content.size == 5000));
    }
    // What is not compressed comes as it is; what others compressed is refused.
    assert!(!is_compressed(&early));
    assert_eq!(decompressed(&early, u64::MAX), Ok(early));
    assert_eq!(decompressed(b"anything", 8), Ok(b"anything".to_vec()));
    assert_eq!(decompressed(&[], 0), Ok(Vec::new()));
    assert!(!is_compressed(&[]));
    let xz = b"\xfd7zXZ\0...";
    assert!(!is_compressed(xz));
    assert_eq!(decompressed(xz, 100).unwrap_err().what, What::Compressed("xz"));
}

#[test]
fn a_bomb_stops_at_the_limit() {
    let Some(bomb) = piped(&["sh", "-c", "head -c 100000000 /dev/zero | gzip -c9"], &[]) else {
        return;
    };
    assert!(bomb.len() < 200_000);
    let mut passed = 0;
    let stopped = decompress(&bomb, 1_000_000, &mut |bytes| {
        passed += bytes.len();
        Ok::<_, ()>(())
    });
    let Err(DecompressError::Damage(damage)) = stopped else { panic!("{stopped:?}") };
    assert_eq!(damage.what, What::Bomb { limit: 1_000_000 });
    assert!(passed <= 1_000_000);
}

#[test]
fn what_the_output_says_ends_it() {
    let Some(packed) = piped(&["gzip", "-c"], b"hello") else { return };
    let said = decompress(&packed, 10, &mut |_| Err("full"));
    assert_eq!(said, Err(DecompressError::Out("full")));
}

//! Sizes of memory and of disks as a user writes them: `512M`, `512MiB`, `2g`.
//!
//! All suffixes are binary. uhyve asserts on a size that it cannot map, so every
//! bound is checked here, in a sentence.

use crate::failure::{Failure, Result};

/// Bytes in a mebibyte.
pub const MIB: u64 = 1 << 20;
/// Bytes in a gibibyte.
pub const GIB: u64 = 1 << 30;

/// The least memory of a guest.
pub const MIN_BYTES: u64 = 16 * MIB;
/// A guest's memory is whole huge pages.
pub const STEP_BYTES: u64 = 2 * MIB;
/// A guest's memory ends below this: uhyve places it in 64 GiB of guest
/// addresses, of which the first four stay empty.
pub const LIMIT_BYTES: u64 = 60 * GIB;
/// A disk ends before this: its table of partitions counts sectors by 32 bits.
pub const DISK_LIMIT_BYTES: u64 = 2 << 40;
/// What a guest gets when nobody says otherwise.
pub const DEFAULT_BYTES: u64 = 2 * GIB;

/// Reads a memory size and checks that a guest can have it. `origin` names where
/// it came from (`--memory`, `HERMIT_MEM`).
pub fn parse(origin: &str, text: &str) -> Result<u64> {
    let refuse = |why: &str| Err(Failure::usage(format!("{origin} `{text}` {why}")));

    let Some(Read { bytes, has_suffix }) = read(text) else {
        return refuse("is not a size: give a whole number and M or G, such as 512M or 2G");
    };
    let Some(bytes) = bytes.filter(|&bytes| bytes < LIMIT_BYTES) else {
        return refuse("is too much: a guest's memory stays under 60 GiB, such as 59G");
    };
    if bytes < MIN_BYTES {
        let hint = if has_suffix {
            "is too little: a guest needs at least 16 MiB, such as 16M"
        } else {
            "is too little without a suffix: a guest needs at least 16 MiB, such as 512M"
        };
        return refuse(hint);
    }
    if bytes % STEP_BYTES != 0 {
        let below = bytes / STEP_BYTES * 2;
        return refuse(&format!("is not a multiple of 2 MiB: take {below}M or {}M", below + 2));
    }
    Ok(bytes)
}

/// Reads a disk's size and checks that it can be one, of whole steps of `step_bytes`, and holds
/// `needed_bytes`. `origin` is as for [`parse`].
pub fn parse_disk(origin: &str, text: &str, needed_bytes: u64, step_bytes: u64) -> Result<u64> {
    let refuse = |why: &str| Err(Failure::usage(format!("{origin} `{text}` {why}")));
    let Some(Read { bytes, .. }) = read(text) else {
        return refuse("is not a size: give a whole number and M or G, such as 64M or 10G");
    };
    let Some(bytes) = bytes.filter(|&bytes| bytes < DISK_LIMIT_BYTES) else {
        return refuse("is too much: a table of partitions ends at 2 TiB, such as 2047G");
    };
    let least = needed_bytes.next_multiple_of(step_bytes);
    if bytes < least {
        let least = show(least).replace(' ', "").replace("iB", "");
        return refuse(&format!("is too small for what is to be on it: take at least {least}"));
    }
    match (bytes % step_bytes == 0, step_bytes) {
        (true, _) => Ok(bytes),
        (false, GIB) => refuse("is not whole GiB, as Google's platform takes a disk: such as 10G"),
        (false, _) => refuse("is not whole MiB: such as 64M"),
    }
}

/// A size for people, in the largest unit that it is whole of.
pub fn show(bytes: u64) -> String {
    match bytes {
        0 => "0 bytes".to_owned(),
        _ if bytes.is_multiple_of(GIB) => format!("{} GiB", bytes / GIB),
        _ if bytes.is_multiple_of(MIB) => format!("{} MiB", bytes / MIB),
        _ => format!("{bytes} bytes"),
    }
}

/// A size that was read.
struct Read {
    /// If 64 bits hold it.
    bytes: Option<u64>,
    has_suffix: bool,
}

/// Reads a whole number and its suffix, if it is that.
fn read(text: &str) -> Option<Read> {
    let trimmed = text.trim();
    let digits = trimmed.bytes().take_while(u8::is_ascii_digit).count();
    let (number, suffix) = trimmed.split_at(digits);
    let shift = match suffix.trim_start().to_ascii_lowercase().as_str() {
        _ if number.is_empty() => return None,
        "" | "b" => 0,
        "k" | "kib" => 10,
        "m" | "mib" => 20,
        "g" | "gib" => 30,
        "t" | "tib" => 40,
        _ => return None,
    };
    let bytes = number.parse::<u64>().ok().and_then(|number| number.checked_mul(1 << shift));
    Some(Read { bytes, has_suffix: shift != 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_of_every_spelling_are_read() {
        for (text, bytes) in [
            ("16M", MIN_BYTES),
            ("16777216", MIN_BYTES),
            ("16384k", MIN_BYTES),
            ("512MiB", 512 * MIB),
            ("512 MiB", 512 * MIB),
            ("512m", 512 * MIB),
            ("2G", 2 * GIB),
            ("2gib", 2 * GIB),
            ("59G", 59 * GIB),
            ("61438M", LIMIT_BYTES - STEP_BYTES),
        ] {
            assert_eq!(parse("--memory", text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn sizes_that_no_guest_can_have_are_refused() {
        for text in [
            "",
            " ",
            "M",
            "0",
            "0M",
            "-1G",
            "+1G",
            "1.5G",
            "15M",
            "14M",
            "17M",
            "16777217",
            "512",
            "60G",
            "61440M",
            "1T",
            "99999999999999999999G",
            "512MB",
            "512Q",
            "lots",
            "2G2",
            "0x10M",
            "２G",
        ] {
            let failure = parse("--memory", text).expect_err(text);
            assert_eq!(failure.status, 2, "{text}");
            assert!(failure.to_string().starts_with("--memory `"), "{failure}");
        }
    }
    #[test]
    fn sizes_of_disks_are_read() {
        let parse = |text: &str, needed, step| parse_disk("--size", text, needed, step);
        assert_eq!(parse("64M", 5 * MIB, MIB), Ok(64 * MIB));
        assert_eq!(parse("5m", 5 * MIB, MIB), Ok(5 * MIB));
        assert_eq!(parse("2G", 5 * MIB, GIB), Ok(2 * GIB));
        for (text, step, words) in [
            ("", MIB, "is not a size"),
            ("big", MIB, "is not a size"),
            ("0", MIB, "take at least 5M"),
            ("4M", MIB, "take at least 5M"),
            ("5M", GIB, "take at least 1G"),
            ("1500M", GIB, "is not whole GiB"),
            ("5121K", MIB, "is not whole MiB"),
            ("2T", MIB, "is too much"),
            ("99999999999999999999G", MIB, "is too much"),
        ] {
            let failure = parse(text, 5 * MIB - 1, step).expect_err(text);
            assert_eq!(failure.status, 2, "{text}");
            assert!(failure.to_string().contains(words), "{failure}");
        }
    }
}

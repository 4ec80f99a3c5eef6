//! Memory sizes as a user writes them: `512M`, `512MiB`, `2g`.
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
/// What a guest gets when nobody says otherwise.
pub const DEFAULT_BYTES: u64 = 2 * GIB;

/// Reads a memory size and checks that a guest can have it. `origin` names where
/// it came from (`--memory`, `HERMIT_MEM`).
pub fn parse(origin: &str, text: &str) -> Result<u64> {
    let refuse = |why: &str| Err(Failure::usage(format!("{origin} `{text}` {why}")));

    let trimmed = text.trim();
    let digits = trimmed.bytes().take_while(u8::is_ascii_digit).count();
    let (number, suffix) = trimmed.split_at(digits);
    if number.is_empty() {
        return refuse("is not a size: give a whole number and M or G, such as 512M or 2G");
    }
    let shift = match suffix.trim_start().to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kib" => 10,
        "m" | "mib" => 20,
        "g" | "gib" => 30,
        "t" | "tib" => 40,
        _ => return refuse("is not a size: give a whole number and M or G, such as 512M or 2G"),
    };
    let bytes = number.parse::<u64>().ok().and_then(|number| number.checked_mul(1 << shift));
    let Some(bytes) = bytes.filter(|&bytes| bytes < LIMIT_BYTES) else {
        return refuse("is too much: a guest's memory stays under 60 GiB, such as 59G");
    };
    if bytes < MIN_BYTES {
        let hint = if shift == 0 {
            "is too little without a suffix: a guest needs at least 16 MiB, such as 512M"
        } else {
            "is too little: a guest needs at least 16 MiB, such as 16M"
        };
        return refuse(hint);
    }
    if bytes % STEP_BYTES != 0 {
        let below = bytes / STEP_BYTES * 2;
        return refuse(&format!("is not a multiple of 2 MiB: take {below}M or {}M", below + 2));
    }
    Ok(bytes)
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
}

//! [`Size`]: how large a mount may grow, as tmpfs is told: `tmpfs(5)`, `size=`.

use std::str::FromStr;

use anchorite_fs::PAGE_BYTES;
use anyhow::{Context, Result, bail};

/// A size in bytes or as a share of the machine's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// Bytes; 0 is no limit.
    Bytes(u64),
    /// Hundredths of the memory.
    Percent(u64),
}

impl Size {
    /// Half of the memory: tmpfs's default.
    pub const DEFAULT: Size = Size::Percent(50);

    /// In whole pages, rounded up, of a machine with `memory_bytes`; `u64::MAX` is no
    /// limit.
    pub fn bytes(self, memory_bytes: u64) -> u64 {
        let bytes = match self {
            Size::Bytes(0) => return u64::MAX,
            Size::Bytes(bytes) => bytes,
            Size::Percent(percent) => {
                let share = u128::from(memory_bytes) * u128::from(percent) / 100;
                u64::try_from(share).unwrap_or(u64::MAX)
            }
        };
        bytes.checked_next_multiple_of(PAGE_BYTES as u64).unwrap_or(u64::MAX)
    }
}

impl FromStr for Size {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Size> {
        let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
        let unit = &text[digits.len()..];
        let number: u64 = match digits.parse() {
            Ok(number) if digits.starts_with(|c: char| c.is_ascii_digit()) => number,
            _ => bail!("a size is a number, with k, m, g, t or % behind it: not `{text}`"),
        };
        let shift = match unit.to_ascii_lowercase().as_str() {
            "%" => return Ok(Size::Percent(number)),
            "" => 0,
            "k" => 10,
            "m" => 20,
            "g" => 30,
            "t" => 40,
            _ => bail!("the unit `{unit}` is none of k, m, g, t and %"),
        };
        let bytes = number.checked_mul(1 << shift);
        Ok(Size::Bytes(bytes.with_context(|| format!("`{text}` is more than there can be"))?))
    }
}

/// The machine's memory in bytes, from `/proc/meminfo`.
///
/// # Errors
/// The file cannot be read or understood.
pub fn memory_bytes() -> Result<u64> {
    let path = "/proc/meminfo";
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?;
    let total = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let number = total.and_then(|total| total.trim().strip_suffix(" kB")?.trim().parse().ok());
    let kib: u64 = number.with_context(|| format!("{path} tells no MemTotal"))?;
    Ok(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_tmpfs_reads_them() {
        for (text, bytes) in [
            ("1", 4096),
            ("4096", 4096),
            ("4097", 8192),
            ("3k", 4096),
            ("2M", 2 << 20),
            ("1g", 1 << 30),
            ("25%", 1 << 28),
            ("100%", 1 << 30),
            ("0", u64::MAX),
        ] {
            assert_eq!(text.parse::<Size>().unwrap().bytes(1 << 30), bytes, "{text}");
        }
        assert_eq!(Size::DEFAULT.bytes(1 << 30), 1 << 29);
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for text in ["", "k", "-1", "+1", "1.5g", "1x", "1kk", "%", "99999999999t", "1 k"] {
            assert!(text.parse::<Size>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_machine_has_memory() {
        assert!(memory_bytes().unwrap() > 1 << 20);
    }
}

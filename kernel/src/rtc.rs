//! What a PC's real-time clock shows: registers of the MC146818 and its kin, in the CMOS.

use time::{Date, Month, Time, UtcDateTime};

/// The registers that tell the time, in the order of [`Reading::registers`]: seconds, minutes,
/// hours, day, month, year, and by convention (ACPI's FADT may say another) the century.
pub const REGISTERS: [u8; 7] = [0x00, 0x02, 0x04, 0x07, 0x08, 0x09, 0x32];
/// The register whose [`UPDATING`] bit says that the others are about to change.
pub const STATUS_A: u8 = 0x0a;
/// See [`STATUS_A`].
pub const UPDATING: u8 = 1 << 7;
/// The register that says how numbers are written.
pub const STATUS_B: u8 = 0x0b;

/// In [`STATUS_B`]: hours count from 0 to 23.
const HOURS_24: u8 = 1 << 1;
/// In [`STATUS_B`]: numbers are binary, instead of one decimal digit in four bits.
const BINARY: u8 = 1 << 2;
/// In the hours of twelve: the afternoon.
const AFTERNOON: u8 = 1 << 7;

/// One reading of the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// By [`REGISTERS`].
    pub registers: [u8; 7],
    /// By [`STATUS_B`].
    pub status_b: u8,
}

impl Reading {
    /// Seconds since 1970, if the clock shows a time in UTC; `None` if it shows none.
    pub fn seconds(self) -> Option<i64> {
        let [second, minute, hour, day, month, year, century] = self.registers;
        let number = |register: u8| {
            let (tens, ones) = (register >> 4, register & 0xf);
            match self.status_b & BINARY {
                0 if tens > 9 || ones > 9 => None,
                0 => Some(tens * 10 + ones),
                _ => Some(register),
            }
        };
        let hour = match self.status_b & HOURS_24 {
            0 => number(hour & !AFTERNOON)? % 12 + if hour & AFTERNOON != 0 { 12 } else { 0 },
            _ => number(hour)?,
        };
        // A clock without a register for it shows anything there.
        let century = number(century).filter(|century| (19..=22).contains(century)).unwrap_or(20);
        let year = i32::from(century) * 100 + i32::from(number(year)?);
        let month = Month::try_from(number(month)?).ok()?;
        let date = Date::from_calendar_date(year, month, number(day)?).ok()?;
        let time = Time::from_hms(hour, number(minute)?, number(second)?).ok()?;
        Some(UtcDateTime::new(date, time).unix_timestamp())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(registers: [u8; 7], status_b: u8) -> Option<i64> {
        Reading { registers, status_b }.seconds()
    }

    #[test]
    fn a_time_is_read_however_it_is_written() {
        // 2026-11-21 23:46:06 UTC.
        const WANT: Option<i64> = Some(1_795_304_766);
        assert_eq!(seconds([0x06, 0x46, 0x23, 0x21, 0x11, 0x26, 0x20], HOURS_24), WANT);
        assert_eq!(seconds([6, 46, 23, 21, 11, 26, 20], HOURS_24 | BINARY), WANT);
        assert_eq!(seconds([0x06, 0x46, 0x91, 0x21, 0x11, 0x26, 0x20], 0), WANT);
        assert_eq!(seconds([6, 46, 11 | 0x80, 21, 11, 26, 20], BINARY), WANT);
        // Without a century it is this one.
        assert_eq!(seconds([6, 46, 23, 21, 11, 26, 0xff], HOURS_24 | BINARY), WANT);
        assert_eq!(seconds([6, 46, 23, 21, 11, 26, 0], HOURS_24 | BINARY), WANT);
        assert_eq!(seconds([0, 0, 0, 1, 1, 0x70, 0x19], HOURS_24), Some(0));
        // Twelve is the first hour of twelve.
        assert_eq!(seconds([0, 0, 0x12, 1, 1, 0x70, 0x19], 0), Some(0));
        assert_eq!(seconds([0, 0, 0x92, 1, 1, 0x70, 0x19], 0), Some(12 * 3600));
        assert_eq!(seconds([59, 59, 23, 29, 2, 28, 20], 6), Some(1_835_481_599));
    }

    #[test]
    fn what_is_no_time_is_none() {
        for registers in [
            [0x60, 0, 0, 1, 1, 0, 0x20],
            [0, 0x7a, 0, 1, 1, 0, 0x20],
            [0, 0, 0x24, 1, 1, 0, 0x20],
            [0, 0, 0, 0, 1, 0, 0x20],
            [0, 0, 0, 0x29, 2, 0x27, 0x20],
            [0, 0, 0, 1, 0x13, 0, 0x20],
            [0, 0, 0, 1, 0, 0, 0x20],
            [0xff; 7],
        ] {
            assert_eq!(seconds(registers, HOURS_24), None, "{registers:?}");
        }
    }
}

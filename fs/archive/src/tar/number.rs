//! Numbers in headers and in records.

use crate::{Time, What};

/// A number in a header's field: octal digits between spaces, up to a NUL byte, or GNU's
/// binary in big-endian order, whose first bit is set and whose second is the sign. A field
/// without digits is 0.
pub(super) fn number(field: &[u8], name: &'static str) -> Result<i64, What> {
    match field {
        [first, rest @ ..] if first & 0x80 != 0 => {
            let sign = if first & 0x40 == 0 { 0 } else { -1 };
            // At most 12 bytes.
            let top = sign << 7 | i128::from(first & 0x7f);
            let value = rest.iter().fold(top, |value, byte| value << 8 | i128::from(*byte));
            value.try_into().map_err(|_| What::OutOfRange(name))
        }
        _ => {
            let field = field.split(|byte| *byte == 0).next().unwrap_or_default().trim_ascii();
            field.iter().try_fold(0, |value, byte| match byte {
                b'0'..=b'7' => Ok(value << 3 | i64::from(byte - b'0')),
                _ => Err(What::NoNumber(name)),
            })
        }
    }
}

/// A number in a header's field that counts something.
pub(super) fn unsigned(field: &[u8], name: &'static str) -> Result<u64, What> {
    number(field, name)?.try_into().map_err(|_| What::OutOfRange(name))
}

/// A number in a record or a map: decimal digits and nothing else.
pub(super) fn decimal(digits: &[u8], name: &'static str) -> Result<u64, What> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(What::NoNumber(name));
    }
    let next = |value: u64, digit: &u8| value.checked_mul(10)?.checked_add(u64::from(digit - b'0'));
    digits.iter().try_fold(0, next).ok_or(What::OutOfRange(name))
}

/// A time in a record: seconds since the epoch, negative or not, with a fraction or without.
/// What is finer than nanoseconds is rounded down.
pub(super) fn time(value: &[u8], name: &'static str) -> Result<Time, What> {
    let (is_negative, value) = match value {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, value),
    };
    let mut parts = value.splitn(2, |byte| *byte == b'.');
    let seconds = decimal(parts.next().unwrap_or_default(), name)?;
    let fraction = parts.next().unwrap_or(b"0");
    if !fraction.iter().all(u8::is_ascii_digit) {
        return Err(What::NoNumber(name));
    }
    let digits = fraction.iter().copied().chain(core::iter::repeat(b'0')).take(9);
    let mut nanoseconds = digits.fold(0, |value, digit| value * 10 + u32::from(digit - b'0'));
    let whole = if is_negative {
        nanoseconds += u32::from(fraction.iter().skip(9).any(|digit| *digit != b'0'));
        let below = u64::from(nanoseconds > 0);
        nanoseconds = (1_000_000_000 - nanoseconds) % 1_000_000_000;
        seconds.checked_add(below).and_then(|seconds| 0i64.checked_sub_unsigned(seconds))
    } else {
        seconds.try_into().ok()
    };
    Ok(Time { seconds: whole.ok_or(What::OutOfRange(name))?, nanoseconds })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_octal_or_binary() {
        let rows: [(&[u8], Result<i64, What>); 15] = [
            (b"0000644\0", Ok(0o644)),
            (b"  644 \0 ", Ok(0o644)),
            (b"77777777", Ok(0o77777777)),
            (b"", Ok(0)),
            (b"      \0 ", Ok(0)),
            (b"644\0junk", Ok(0o644)),
            (b"0000648\0", Err(What::NoNumber("n"))),
            (b"+000644\0", Err(What::NoNumber("n"))),
            (b"-000644\0", Err(What::NoNumber("n"))),
            (b"64 4\0\0\0\0", Err(What::NoNumber("n"))),
            (b"\x80\0\0\0\0\x20\0\0", Ok(0x20_0000)),
            (b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe", Ok(-2)),
            (b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff", Ok(i64::MAX)),
            (b"\x80\0\0\0\x80\0\0\0\0\0\0\0", Err(What::OutOfRange("n"))),
            (b"\x80\0\0\x01\0\0\0\0\0\0\0\0", Err(What::OutOfRange("n"))),
        ];
        for (field, value) in rows {
            assert_eq!(number(field, "n"), value, "{}", field.escape_ascii());
        }
        assert_eq!(unsigned(b"\xff\xff\xff\xff\xff\xff\xff\xfe", "n"), Err(What::OutOfRange("n")));
    }

    #[test]
    fn times_are_rounded_down() {
        let ok = |seconds, nanoseconds| Ok(Time { seconds, nanoseconds });
        let rows: [(&[u8], Result<Time, What>); 18] = [
            (b"0", ok(0, 0)),
            (b"1700000000.5", ok(1_700_000_000, 500_000_000)),
            (b"1.000000001", ok(1, 1)),
            (b"1.0000000019", ok(1, 1)),
            (b"1.", ok(1, 0)),
            (b"-1", ok(-1, 0)),
            (b"-0.5", ok(-1, 500_000_000)),
            (b"-1.25", ok(-2, 750_000_000)),
            (b"-1.0000000001", ok(-2, 999_999_999)),
            (b"-1.9999999999", ok(-2, 0)),
            (b"9223372036854775807", ok(i64::MAX, 0)),
            (b"-9223372036854775807.1", ok(i64::MIN, 900_000_000)),
            (b"-9223372036854775808", ok(i64::MIN, 0)),
            (b"-9223372036854775808.5", Err(What::OutOfRange("t"))),
            (b"9223372036854775808", Err(What::OutOfRange("t"))),
            (b"", Err(What::NoNumber("t"))),
            (b"1.5e3", Err(What::NoNumber("t"))),
            (b"+1", Err(What::NoNumber("t"))),
        ];
        for (value, expected) in rows {
            assert_eq!(time(value, "t"), expected, "{}", value.escape_ascii());
        }
    }
}

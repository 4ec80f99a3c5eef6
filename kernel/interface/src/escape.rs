//! Percent-encoding of words on a boot command line.

use alloc::string::String;
use alloc::vec::Vec;

/// Escapes `bytes` into one word that neither a boot command line nor a shell's
/// rules for quotes change: letters, digits and `_ - . / , +` stand for
/// themselves, any other byte is `%` and two hexadecimal digits, and nothing at
/// all is `%`.
///
/// ```
/// assert_eq!(anchorite_interface::escape(b"a b"), "a%20b");
/// assert_eq!(anchorite_interface::escape(b""), "%");
/// ```
pub fn escape(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    if bytes.is_empty() {
        return String::from("%");
    }
    let mut word = String::with_capacity(bytes.len());
    for byte in bytes {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' => word.push(char::from(*byte)),
            b'_' | b'-' | b'.' | b'/' | b',' | b'+' => word.push(char::from(*byte)),
            _ => {
                word.push('%');
                word.push(char::from(DIGITS[usize::from(byte >> 4)]));
                word.push(char::from(DIGITS[usize::from(byte & 15)]));
            }
        }
    }
    word
}

/// What [`escape`] made `word` of. `None` if a `%` is not followed by two
/// hexadecimal digits; a byte that did not need escaping stands for itself.
///
/// ```
/// assert_eq!(anchorite_interface::unescape(b"a%20b").unwrap(), b"a b");
/// ```
pub fn unescape(word: &[u8]) -> Option<Vec<u8>> {
    if word == b"%" {
        return Some(Vec::new());
    }
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let mut bytes = Vec::with_capacity(word.len());
    let mut rest = word;
    while let Some((first, after)) = rest.split_first() {
        rest = if *first == b'%' {
            let [high, low, after @ ..] = after else {
                return None;
            };
            bytes.push((digit(high)? * 16 + digit(low)?) as u8);
            after
        } else {
            bytes.push(*first);
            after
        };
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::{escape, unescape};
    use alloc::vec::Vec;

    #[test]
    fn every_byte_comes_back_and_is_a_safe_word() {
        let all: Vec<u8> = (0..=255).collect();
        let word = escape(&all);
        assert!(word.bytes().all(|byte| byte.is_ascii_graphic()));
        assert!(!word.contains(['\'', '"', '\\', ' ', '=', '#', '$']));
        assert_eq!(unescape(word.as_bytes()), Some(all));
    }

    #[test]
    fn words_come_back() {
        for bytes in
            [&b""[..], b"%", b"--", b"a b", b"a'b\"c\\d", b"\n", b"\xff\xfe", b"K=V", b"%41"]
        {
            assert_eq!(unescape(escape(bytes).as_bytes()).as_deref(), Some(bytes));
        }
    }

    #[test]
    fn a_broken_escape_is_none() {
        for word in ["%4", "a%", "%%", "%g0", "%0g", "%+1"] {
            assert_eq!(unescape(word.as_bytes()), None, "{word}");
        }
    }
}

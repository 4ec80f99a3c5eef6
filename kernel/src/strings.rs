//! `memcpy`, `memmove`, `memset`, `memcmp`, `bcmp` and `strlen`: what the
//! compiler expects of the C library that an image does not have, and the
//! ramdisk's hottest path.
//!
//! They are written in assembly (`strings.s`), since a loop
//! in Rust may be compiled into a call of the very function that it implements.
//! Small sizes take a few overlapping SSE moves; from [`REP_MOVSB_FROM`] bytes
//! on `rep movsb` is faster (processors with ERMS, which is every one that runs
//! KVM today, move whole lines by it), unless `to` begins shortly behind where `from` does,
//! counted from the start of a page each: AMD's Zen 4 then takes 3 to 30 times as long by it. AVX
//! is not used: it would have to be switched on, checked for, and saved.
//!
//! Here they are called `anchorite_…`, so that the tests below can compare them
//! with the host's. A bare-metal image gets them under their C names as well.

use core::arch::global_asm;

/// Copies of this many bytes or more are done by `rep movsb`.
pub const REP_MOVSB_FROM: usize = 2048;
/// Fills of this many bytes or more are done by `rep stosb`.
pub const REP_STOSB_FROM: usize = 2048;

global_asm!(
    include_str!("strings.s"),
    rep_movsb_from = const REP_MOVSB_FROM,
    rep_stosb_from = const REP_STOSB_FROM,
);

#[cfg(feature = "bare-metal")]
global_asm!(
    ".globl memcpy, memmove, memset, memcmp, bcmp, strlen",
    ".set memcpy, anchorite_memcpy",
    ".set memmove, anchorite_memmove",
    ".set memset, anchorite_memset",
    ".set memcmp, anchorite_memcmp",
    ".set bcmp, anchorite_memcmp",
    ".set strlen, anchorite_strlen",
);

unsafe extern "C" {
    /// `memcpy(3)`.
    pub fn anchorite_memcpy(to: *mut u8, from: *const u8, len: usize) -> *mut u8;
    /// `memmove(3)`.
    pub fn anchorite_memmove(to: *mut u8, from: *const u8, len: usize) -> *mut u8;
    /// `memset(3)`.
    pub fn anchorite_memset(to: *mut u8, byte: i32, len: usize) -> *mut u8;
    /// `memcmp(3)`.
    pub fn anchorite_memcmp(a: *const u8, b: *const u8, len: usize) -> i32;
    /// `strlen(3)`.
    pub fn anchorite_strlen(text: *const u8) -> usize;
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;
    use std::vec::Vec;

    /// Every length around the borders between the paths.
    fn lengths() -> Vec<usize> {
        (0..=300)
            .chain(REP_MOVSB_FROM - 70..=REP_MOVSB_FROM + 70)
            .chain([4095, 4096, 4097, 65536])
            .collect()
    }

    fn pattern(len: usize) -> Vec<u8> {
        (0..len).map(|i| (i * 31 + i / 256 * 7 + 3) as u8).collect()
    }

    #[test]
    fn memcpy_copies_every_length_and_nothing_else() {
        for len in lengths() {
            for (from_at, to_at) in [(0, 0), (1, 0), (0, 3), (5, 9)] {
                let from = pattern(len + 16);
                let mut to = vec![0xaa; len + 32];
                // SAFETY: both buffers hold `len` bytes from these offsets.
                let got = unsafe {
                    anchorite_memcpy(to.as_mut_ptr().add(to_at), from.as_ptr().add(from_at), len)
                };
                assert_eq!(got, to.as_mut_ptr().wrapping_add(to_at));
                assert_eq!(to[to_at..to_at + len], from[from_at..from_at + len], "{len}");
                assert!(to[..to_at].iter().all(|byte| *byte == 0xaa), "{len}");
                assert!(to[to_at + len..].iter().all(|byte| *byte == 0xaa), "{len}");
            }
        }
    }

    #[test]
    fn memcpy_is_right_for_every_distance_within_a_page() {
        const PAGE: usize = 4096;
        for len in [REP_MOVSB_FROM, REP_MOVSB_FROM + 1, PAGE, PAGE + 63, 3 * PAGE] {
            let from_at = 5;
            for distance in (0..70).chain(PAGE - 70..PAGE) {
                let to_at = from_at + 4 * PAGE + distance;
                let mut buf = pattern(to_at + len + 1);
                let mut want = buf.clone();
                want.copy_within(from_at..from_at + len, to_at);
                let base = buf.as_mut_ptr();
                // SAFETY: the buffer holds `len` bytes from both offsets, which do not overlap.
                unsafe { anchorite_memcpy(base.add(to_at), base.add(from_at), len) };
                assert_eq!(buf, want, "len {len} to {distance} bytes above");
            }
        }
    }

    #[test]
    fn memmove_is_right_for_every_overlap() {
        for len in lengths() {
            for shift in [0, 1, 7, 15, 16, 17, 63, 64, 65, 127, 500] {
                for (from_at, to_at) in [(0, shift), (shift, 0)] {
                    let mut buf = pattern(len + shift + 8);
                    let mut want = buf.clone();
                    want.copy_within(from_at..from_at + len, to_at);
                    let base = buf.as_mut_ptr();
                    // SAFETY: the buffer holds `len` bytes from both offsets.
                    unsafe { anchorite_memmove(base.add(to_at), base.add(from_at), len) };
                    assert_eq!(buf, want, "len {len} from {from_at} to {to_at}");
                }
            }
        }
    }

    #[test]
    fn memset_fills_every_length_and_nothing_else() {
        for len in lengths() {
            for at in [0, 1, 15] {
                let mut buf = vec![0x55; len + 32];
                // SAFETY: the buffer holds `len` bytes from `at`.
                unsafe { anchorite_memset(buf.as_mut_ptr().add(at), 0x1fe, len) };
                assert!(buf[at..at + len].iter().all(|byte| *byte == 0xfe), "{len}");
                assert!(buf[..at].iter().all(|byte| *byte == 0x55), "{len}");
                assert!(buf[at + len..].iter().all(|byte| *byte == 0x55), "{len}");
            }
        }
    }

    #[test]
    fn memcmp_orders_by_the_first_difference() {
        for len in 0..260 {
            let a = pattern(len);
            // SAFETY: both hold `len` bytes.
            assert_eq!(unsafe { anchorite_memcmp(a.as_ptr(), a.as_ptr(), len) }, 0);
            for at in 0..len {
                let mut b = a.clone();
                b[at] = b[at].wrapping_add(0x80);
                if at + 1 < len {
                    b[at + 1] ^= 0xff;
                }
                // SAFETY: both hold `len` bytes.
                let got = unsafe { anchorite_memcmp(a.as_ptr(), b.as_ptr(), len) };
                assert_eq!(got.signum(), a.cmp(&b) as i32, "len {len} at {at}");
            }
        }
    }

    #[test]
    fn strlen_counts_up_to_the_first_nul() {
        for at in 0..16 {
            for len in 0..100 {
                let mut buf = vec![b'x'; at + len];
                buf.push(0);
                buf.extend_from_slice(&[b'y'; 40]);
                // SAFETY: a NUL follows `len` bytes after `at`.
                assert_eq!(unsafe { anchorite_strlen(buf.as_ptr().add(at)) }, len);
            }
        }
    }

    /// Not a test of behaviour: `cargo test --release -- --ignored --nocapture
    /// against_the_host` prints nanoseconds for each size, ours and the host's.
    #[test]
    #[ignore = "a measurement"]
    fn against_the_host() {
        use std::hint::black_box;
        use std::println;
        use std::time::Instant;
        fn time(len: usize, mut call: impl FnMut()) -> f64 {
            let rounds = (50_000_000 / (len + 50)).max(1000);
            (0..7)
                .map(|_| {
                    let start = Instant::now();
                    (0..rounds).for_each(|_| call());
                    start.elapsed().as_nanos() as f64 / rounds as f64
                })
                .fold(f64::MAX, f64::min)
        }
        type Copy = unsafe extern "C" fn(*mut u8, *const u8, usize) -> *mut u8;
        type Set = unsafe extern "C" fn(*mut u8, i32, usize) -> *mut u8;
        type Compare = unsafe extern "C" fn(*const u8, *const u8, usize) -> i32;
        unsafe extern "C" {
            fn memcpy(to: *mut u8, from: *const u8, len: usize) -> *mut u8;
            fn memset(to: *mut u8, byte: i32, len: usize) -> *mut u8;
            fn memcmp(a: *const u8, b: *const u8, len: usize) -> i32;
        }
        let from = vec![1u8; 1 << 20];
        let mut to = vec![1u8; 1 << 20];
        for len in [
            1, 4, 8, 15, 16, 31, 48, 64, 100, 128, 200, 256, 400, 512, 800, 1024, 2048, 4096,
            16384, 65536,
        ] {
            let copy = |call: Copy, to: &mut [u8]| {
                let call = black_box(call);
                // SAFETY: both buffers hold `len` bytes.
                time(len, || unsafe {
                    _ = black_box(call(to.as_mut_ptr(), black_box(from.as_ptr()), len))
                })
            };
            let set = |call: Set, to: &mut [u8]| {
                let call = black_box(call);
                // SAFETY: the buffer holds `len` bytes.
                time(len, || unsafe { _ = black_box(call(black_box(to.as_mut_ptr()), 1, len)) })
            };
            let compare = |call: Compare, to: &mut [u8]| {
                let call = black_box(call);
                // SAFETY: both buffers hold `len` bytes.
                time(len, || unsafe {
                    _ = black_box(call(to.as_ptr(), black_box(from.as_ptr()), len))
                })
            };
            println!(
                "{len:6}: memcpy {:7.1} host {:7.1} | memset {:7.1} host {:7.1} | memcmp {:7.1} host {:7.1}",
                copy(anchorite_memcpy, &mut to),
                copy(memcpy, &mut to),
                set(anchorite_memset, &mut to),
                set(memset, &mut to),
                compare(anchorite_memcmp, &mut to),
                compare(memcmp, &mut to),
            );
        }
    }
}

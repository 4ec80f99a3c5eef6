//! [`Generator`]: unpredictable bytes, as many as are wanted, out of a few that the processor
//! gives: ChaCha20, keyed once.
//!
//! The key is what RDRAND says, laid over times: of the counter at each step, whose last bits
//! depend on what the host did meanwhile, and what the hypervisor told at the boot. So neither
//! a processor that lies nor a clock that is known gives the key away alone. A processor
//! without that instruction leaves the times, and then who knows the host well may guess.

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// Times that are laid over one another for a word of the key.
const TIMES: u32 = 64;

/// A generator, once it has a key.
#[derive(Debug)]
pub struct Generator(Option<ChaCha20Rng>);

impl Generator {
    /// One without a key.
    pub const fn new() -> Self {
        Self(None)
    }

    /// Fills `bytes`. The first time makes the key: of words that `hardware` gives, if it does,
    /// of readings of a counter by `time`, and of `known`, which need not be secret.
    pub fn fill(
        &mut self,
        bytes: &mut [u8],
        known: [u64; 4],
        hardware: impl FnMut() -> Option<u64>,
        time: impl FnMut() -> u64,
    ) {
        self.0.get_or_insert_with(|| keyed(known, hardware, time)).fill_bytes(bytes);
    }
}

impl Default for Generator {
    fn default() -> Self {
        Self::new()
    }
}

fn keyed(
    known: [u64; 4],
    mut hardware: impl FnMut() -> Option<u64>,
    mut time: impl FnMut() -> u64,
) -> ChaCha20Rng {
    let mut key = [0; 32];
    for (word, known) in key.chunks_exact_mut(8).zip(known) {
        let mut times = known;
        for _ in 0..TIMES {
            // An odd factor loses nothing; turning brings the high bits, which the factor
            // moved everything to, back where it can move them again.
            times = (times ^ time()).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
        }
        word.copy_from_slice(&(times ^ hardware().unwrap_or(0)).to_le_bytes());
    }
    // The words are told apart no more: each byte of the key in use depends on all of them.
    let mut first = ChaCha20Rng::from_seed(key);
    ChaCha20Rng::from_rng(&mut first)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [u64; 4] = [1, 2, 3, 4];

    fn bytes(known: [u64; 4], word: Option<u64>, from: u64) -> [u8; 64] {
        let mut now = from;
        let time = || {
            now += 25;
            now
        };
        let mut bytes = [0; 64];
        Generator::new().fill(&mut bytes, known, || word, time);
        bytes
    }

    #[test]
    fn each_source_makes_a_difference() {
        let one = bytes(KNOWN, Some(7), 100);
        assert_eq!(bytes(KNOWN, Some(7), 100), one, "the sources are all there is");
        assert_ne!(bytes(KNOWN, Some(8), 100), one);
        assert_ne!(bytes(KNOWN, None, 100), one);
        assert_ne!(bytes(KNOWN, Some(7), 101), one);
        assert_ne!(bytes([1, 2, 3, 5], Some(7), 100), one);
    }

    #[test]
    fn the_key_is_made_once_and_bytes_do_not_come_again() {
        let mut asked = 0;
        let mut generator = Generator::new();
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..1000 {
            let mut piece = [0; 16];
            let hardware = || {
                asked += 1;
                Some(asked)
            };
            generator.fill(&mut piece, KNOWN, hardware, || 0);
            assert!(seen.insert(piece));
        }
        assert_eq!(asked, 4, "a word of the key each");
    }

    /// Pieces are of one stream, whatever their lengths: none is given out twice.
    #[test]
    fn bits_are_as_often_set_as_not() {
        let mut generator = Generator::new();
        let mut ones = [0u32; 8];
        const BYTES: u32 = 100_000;
        for _ in 0..BYTES / 5 {
            let mut piece = [0; 5];
            generator.fill(&mut piece, KNOWN, || None, || 0);
            for byte in piece {
                (0..8).for_each(|bit| ones[bit] += u32::from(byte >> bit & 1));
            }
        }
        // Six standard deviations of 158.
        assert!(ones.iter().all(|&ones| ones.abs_diff(BYTES / 2) < 950), "{ones:?}");
    }
}

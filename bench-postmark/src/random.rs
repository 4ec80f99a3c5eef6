//! [`Random`]: the generator that PostMark draws every number from.
//!
//! It is the Mersenne Twister MT19937 of Matsumoto and Nishimura with the
//! seeding that they published in 1999 (two steps of `69069 x + 1` for each
//! word), as watching the original's sizes and file contents shows; it is
//! neither glibc's `random()` nor the seeding of 2002.

/// How many words of state there are.
const WORDS: usize = 624;
/// How far ahead the word lies that is mixed in.
const SHIFT: usize = 397;
/// The twist's matrix, as the last row's bits.
const MATRIX: u32 = 0x9908_b0df;

/// A Mersenne Twister, with the state of one benchmark run.
#[derive(Clone)]
pub struct Random {
    /// Invariant: the words from `next` on have not been drawn yet.
    words: [u32; WORDS],
    next: usize,
}

impl Random {
    /// The generator that `set seed` and each run start with.
    pub fn new(seed: u32) -> Random {
        let mut words = [0; WORDS];
        let mut x = seed;
        for word in &mut words {
            let high = x & 0xffff_0000;
            x = x.wrapping_mul(69069).wrapping_add(1);
            *word = high | x >> 16;
            x = x.wrapping_mul(69069).wrapping_add(1);
        }
        Random { words, next: WORDS }
    }

    /// The next 32 bits.
    pub fn draw(&mut self) -> u32 {
        if self.next == WORDS {
            self.twist();
        }
        let mut y = self.words[self.next];
        self.next += 1;
        y ^= y >> 11;
        y ^= y << 7 & 0x9d2c_5680;
        y ^= y << 15 & 0xefc6_0000;
        y ^ y >> 18
    }

    /// A number from 0 to `bound - 1`. A bound of 0 or less gives 0 and draws
    /// nothing: the sequence of draws depends on it.
    pub fn below(&mut self, bound: i32) -> i32 {
        match u32::try_from(bound) {
            // The remainder is less than `bound`, so it fits.
            Ok(bound) if bound > 0 => (self.draw() % bound) as i32,
            _ => 0,
        }
    }

    /// Replaces all words by the next generation.
    fn twist(&mut self) {
        let mixed = |here: u32, after: u32| {
            let y = here & 0x8000_0000 | after & 0x7fff_ffff;
            y >> 1 ^ if y & 1 == 1 { MATRIX } else { 0 }
        };
        let words = &mut self.words;
        for i in 0..WORDS - SHIFT {
            words[i] = words[i + SHIFT] ^ mixed(words[i], words[i + 1]);
        }
        for i in WORDS - SHIFT..WORDS - 1 {
            words[i] = words[i + SHIFT - WORDS] ^ mixed(words[i], words[i + 1]);
        }
        words[WORDS - 1] = words[SHIFT - 1] ^ mixed(words[WORDS - 1], words[0]);
        self.next = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Debian's postmark writes first into its first file, by seed:
    /// byte i is a space plus draw i modulo 95.
    const SEEN: [(u32, &[u8]); 5] = [
        (1, b"IX<Rde<r+vYLC0+\"@xrMcqFVk/r^wR'J/C\\CeP~l7wa=y:qQB+B?RHj7ZJY5D[6c"),
        (2, b"s*)gfgMo}E Rj>oXs11e-N\"@.v;+8P7D50o]u@Z/k<dO]G72u(t \"{9VO!A(EPOL"),
        (42, b"LeZebJ6S5~qPv$C$py}hmKd H58nM4~.}pv}Q7wSt'&R0{oSe8eY_i&z}T'VGt*I"),
        (43, b"K M{kQUigG;.;\"\\6x1r[W@Gs1/,*88azn=|Mm8{[AcnU(%n#;4=,^%we|_-^F\\_c"),
        (0x7fff_ffff, b"ws@HJ<[?xiD8_.]\"2;f8KutCj0.PkeRz7NNEc1Cw>>*\"\":2jQn+SLf9J=/i4jETG"),
    ];

    #[test]
    fn draws_are_those_seen_in_the_originals_files() {
        for (seed, seen) in SEEN {
            let mut random = Random::new(seed);
            for (i, byte) in seen.iter().enumerate() {
                assert_eq!(b' ' + random.below(95) as u8, *byte, "seed {seed}, draw {i}");
            }
        }
    }

    #[test]
    fn a_bound_of_zero_or_less_draws_nothing() {
        let mut drawn = Random::new(42);
        for bound in [0, -1, i32::MIN] {
            assert_eq!(drawn.below(bound), 0);
        }
        assert_eq!(drawn.draw(), Random::new(42).draw());
    }

    #[test]
    fn draws_stay_below_their_bound() {
        let mut random = Random::new(7);
        for bound in [1, 2, 95, 1000, i32::MAX] {
            for _ in 0..2000 {
                assert!((0..bound).contains(&random.below(bound)), "{bound}");
            }
        }
    }
}

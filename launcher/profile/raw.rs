//! [`Sample`], and how samples travel from the process that takes them: words of 64 bits, little
//! endian. The first tells how many addresses follow, and what is known of them.

use super::unwind::{MAX_FRAMES, Walked};

/// The stack is told to where it begins.
const WHOLE: u64 = 1 << 32;
/// The guest waited for its host meanwhile.
const IN_HOST: u64 = 1 << 33;

/// Where a virtual processor was.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Addresses in the image, as in its file; the innermost first.
    pub frames: [u64; MAX_FRAMES],
    /// How many there are.
    pub walked: Walked,
    /// Whether the host did what the guest had asked it for.
    pub is_in_host: bool,
}

impl Default for Sample {
    fn default() -> Self {
        let walked = Walked { frames: 0, is_whole: false };
        Sample { frames: [0; MAX_FRAMES], walked, is_in_host: false }
    }
}

/// A stack as it is told.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Stack {
    /// The innermost first.
    pub frames: Vec<u64>,
    /// As [`Walked::is_whole`].
    pub is_whole: bool,
    /// As [`Sample::is_in_host`].
    pub is_in_host: bool,
}

/// Adds a sample to what is to be written.
pub fn append(sample: &Sample, bytes: &mut Vec<u8>) {
    let frames = &sample.frames[..sample.walked.frames];
    let first = frames.len() as u64
        | if sample.walked.is_whole { WHOLE } else { 0 }
        | if sample.is_in_host { IN_HOST } else { 0 };
    for word in [first].iter().chain(frames) {
        bytes.extend(word.to_le_bytes());
    }
}

/// The samples in `bytes`, of which the last one may be cut off.
pub fn read(bytes: &[u8]) -> Vec<Stack> {
    let mut words = bytes.as_chunks().0.iter().map(|word| u64::from_le_bytes(*word));
    let mut stacks = Vec::new();
    while let Some(first) = words.next() {
        let count = first as u32 as usize;
        let frames: Vec<u64> = words.by_ref().take(count).collect();
        if frames.len() == count {
            let is_whole = first & WHOLE != 0;
            stacks.push(Stack { frames, is_whole, is_in_host: first & IN_HOST != 0 });
        }
    }
    stacks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_arrive_as_they_were_sent() {
        let mut sample = Sample::default();
        sample.frames[..2].copy_from_slice(&[1, u64::MAX]);
        sample.walked = Walked { frames: 2, is_whole: true };
        let mut bytes = Vec::new();
        append(&sample, &mut bytes);
        append(&Sample { is_in_host: true, ..Sample::default() }, &mut bytes);
        append(&sample, &mut bytes);
        let whole = Stack { frames: vec![1, u64::MAX], is_whole: true, is_in_host: false };
        let none = Stack { frames: vec![], is_whole: false, is_in_host: true };
        assert_eq!(read(&bytes), [whole.clone(), none.clone(), whole.clone()]);
        assert_eq!(read(&bytes[..bytes.len() - 1]), [whole, none]);
    }
}

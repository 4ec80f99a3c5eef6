//! Takes apart the one stream on which an isle sends everything: frames, and
//! whatever the virtual machine monitor itself prints in between.
//!
//! The monitor shares the stream with its guest, so nothing here trusts it: bytes
//! that are no frame are [`Event::Noise`], and the next magic starts anew.

use alloc::vec::Vec;

use crate::{HEADER_BYTES, Kind, MAGIC, parse_header};

/// What the stream carried.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A whole frame.
    Frame(Kind, &'a [u8]),
    /// Bytes outside any frame.
    Noise(&'a [u8]),
}

/// The demultiplexer: bytes in, events out.
#[derive(Debug, Default)]
pub struct Demux {
    pending: Vec<u8>,
}

impl Demux {
    /// Takes in the stream's next `bytes` and reports what they complete.
    ///
    /// # Errors
    /// The first that `on` returns; the rest of the stream is then of no use.
    pub fn push<E>(
        &mut self,
        bytes: &[u8],
        on: &mut impl FnMut(Event<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.pending.extend_from_slice(bytes);
        let mut at = 0;
        loop {
            let rest = &self.pending[at..];
            let quiet = noise_length(rest);
            if quiet > 0 {
                on(Event::Noise(&rest[..quiet]))?;
                at += quiet;
                continue;
            }
            let Some(header) = rest.first_chunk::<HEADER_BYTES>() else {
                break;
            };
            let Some((kind, len)) = parse_header(header) else {
                // A magic that starts no frame.
                on(Event::Noise(&rest[..1]))?;
                at += 1;
                continue;
            };
            let Some(payload) = rest[HEADER_BYTES..].get(..len) else {
                break;
            };
            on(Event::Frame(kind, payload))?;
            at += HEADER_BYTES + len;
        }
        self.pending.drain(..at);
        Ok(())
    }

    /// The stream ended: reports what was begun and never finished.
    ///
    /// # Errors
    /// That of `on`.
    pub fn finish<E>(&mut self, on: &mut impl FnMut(Event<'_>) -> Result<(), E>) -> Result<(), E> {
        let rest = core::mem::take(&mut self.pending);
        if rest.is_empty() {
            return Ok(());
        }
        match rest.first_chunk().and_then(parse_header) {
            // The program did write what came of it.
            Some((kind @ (Kind::Stdout | Kind::Stderr), _)) => {
                on(Event::Frame(kind, &rest[HEADER_BYTES..]))
            }
            _ => on(Event::Noise(&rest)),
        }
    }
}

/// How many of the first bytes cannot be the beginning of a frame.
fn noise_length(bytes: &[u8]) -> usize {
    (0..bytes.len())
        .find(|&at| {
            let seen = &bytes[at..];
            let compared = seen.len().min(MAGIC.len());
            seen[..compared] == MAGIC[..compared]
        })
        .unwrap_or(bytes.len())
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use core::convert::Infallible;

    use super::*;
    use crate::header;

    fn frame(kind: Kind, payload: &[u8]) -> Vec<u8> {
        let mut bytes = header(kind, payload.len() as u32).to_vec();
        bytes.extend_from_slice(payload);
        bytes
    }

    /// Everything in `stream`, pushed in pieces of `step` bytes; neighbouring
    /// noise joined, since its pieces depend on the step.
    fn events(stream: &[u8], step: usize) -> Vec<(Option<Kind>, Vec<u8>)> {
        let mut seen: Vec<(Option<Kind>, Vec<u8>)> = Vec::new();
        let mut on = |event: Event<'_>| {
            match event {
                Event::Frame(kind, payload) => seen.push((Some(kind), payload.to_vec())),
                Event::Noise(bytes) => match seen.last_mut() {
                    Some((None, noise)) => noise.extend_from_slice(bytes),
                    _ => seen.push((None, bytes.to_vec())),
                },
            }
            Ok::<(), Infallible>(())
        };
        let mut demux = Demux::default();
        for piece in stream.chunks(step) {
            let Ok(()) = demux.push(piece, &mut on);
        }
        let Ok(()) = demux.finish(&mut on);
        seen
    }

    #[test]
    fn frames_and_noise_are_told_apart_however_the_stream_is_cut() {
        let mut stream = b"boot: \x01 \x01A noise\n".to_vec();
        stream.extend(frame(Kind::Stdout, b"out\n"));
        stream.extend(frame(Kind::Stderr, b""));
        stream.extend(b"\x01AN\x09wrong kind");
        stream.extend(frame(Kind::Log, b"a line with \x01AN in it"));
        stream.extend(frame(Kind::Exit, &7i32.to_le_bytes()));
        let expected = vec![
            (None, b"boot: \x01 \x01A noise\n".to_vec()),
            (Some(Kind::Stdout), b"out\n".to_vec()),
            (Some(Kind::Stderr), Vec::new()),
            (None, b"\x01AN\x09wrong kind".to_vec()),
            (Some(Kind::Log), b"a line with \x01AN in it".to_vec()),
            (Some(Kind::Exit), vec![7, 0, 0, 0]),
        ];
        for step in [1, 2, 3, 7, 8, 9, 64, 4096] {
            assert_eq!(events(&stream, step), expected, "step {step}");
        }
    }

    #[test]
    fn output_that_was_cut_short_is_still_output() {
        let stream = &frame(Kind::Stdout, b"half of it")[..HEADER_BYTES + 4];
        assert_eq!(events(stream, 5), [(Some(Kind::Stdout), b"half".to_vec())]);
        let stream = &frame(Kind::Exit, &0i32.to_le_bytes())[..HEADER_BYTES + 2];
        assert_eq!(events(stream, 5)[0].0, None);
    }
}

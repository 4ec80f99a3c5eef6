//! gzip and zstd, for hosts.
//!
//! As Linux takes an initramfs, the input may be segments one after another, with zeros
//! between them: members of gzip, frames of zstd, plain cpio archives. The output is what is
//! in them, without the zeros between. Anything else, at the start, is a plain archive.
//!
//! flate2 compares a member's checksum and length. What the zstd decoder leaves to its
//! caller, the checksum and the length that a frame states, is compared here. Its buffers are
//! bounded by the window, which may be as large as zstd itself allows by default.

extern crate std;

use core::fmt::{self, Display, Formatter};
use std::io::{self, Read};
use std::vec;

use flate2::bufread::GzDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use crate::cpio::{Cpio, is_cpio};
use crate::reader::compressed_by;
use crate::{Damage, What};

/// Bytes that are passed on at once.
const PIECE_BYTES: usize = 64 << 10;
/// The largest window of a zstd frame: `zstd --ultra` makes it, and `zstd -d` takes it.
const WINDOW_BYTES: u64 = 128 << 20;

/// Why something could not be decompressed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DecompressError<E> {
    /// The input is damaged, or its content longer than allowed: from that offset in it.
    Damage(Damage),
    /// What the output said.
    Out(E),
}

impl<E: Display> Display for DecompressError<E> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            DecompressError::Damage(damage) => damage.fmt(f),
            DecompressError::Out(error) => error.fmt(f),
        }
    }
}

impl<E: fmt::Debug + Display> core::error::Error for DecompressError<E> {}

/// Whether some of an archive is compressed by gzip or zstd, so that it must go through
/// [`decompress`] before it can be read.
pub fn is_compressed(input: &[u8]) -> bool {
    let mut at = 0;
    loop {
        at = after_zeros(input, at);
        if !is_cpio(&input[at..]) {
            return matches!(compressed_by(&input[at..]), Some("gzip" | "zstd"));
        }
        match Cpio::new(input, at).end() {
            Ok(end) => at = end,
            Err(_) => return false,
        }
    }
}

/// Passes what is in `input` to `out`, decompressed, in pieces: at most `limit` bytes. What is
/// not compressed comes out as it is.
///
/// # Errors
/// [`DecompressError::Damage`] with [`What::Corrupt`], [`What::Bomb`], [`What::Compressed`] (by
/// something else), [`What::Garbage`] (after something compressed), or what is wrong with a
/// cpio archive in between; [`DecompressError::Out`]. What was passed on until then is to be
/// thrown away.
pub fn decompress<E>(
    input: &[u8],
    limit: u64,
    out: &mut dyn FnMut(&[u8]) -> Result<(), E>,
) -> Result<(), DecompressError<E>> {
    let mut left = limit;
    let mut out = |bytes: &[u8]| -> Result<(), Stop<E>> {
        left = left.checked_sub(bytes.len() as u64).ok_or(Stop::What(What::Bomb { limit }))?;
        if bytes.is_empty() { Ok(()) } else { out(bytes).map_err(Stop::Out) }
    };
    let mut at = after_zeros(input, 0);
    let mut piece = vec![0; PIECE_BYTES];
    let mut zstd = FrameDecoder::new();
    zstd.set_max_window_size(WINDOW_BYTES);
    while at < input.len() {
        let mut rest = &input[at..];
        let done = match compressed_by(rest) {
            Some("gzip") => gzip(&mut rest, &mut piece, &mut out),
            Some("zstd") => frame(&mut zstd, &mut rest, &mut piece, &mut out),
            Some(by) => Err(Stop::What(What::Compressed(by))),
            None if is_cpio(rest) => {
                let end = Cpio::new(input, at).end().map_err(DecompressError::Damage)?;
                rest = &input[end..];
                out(&input[at..end])
            }
            None if at == after_zeros(input, 0) => {
                rest = &[];
                out(&input[at..])
            }
            None => Err(Stop::What(What::Garbage)),
        };
        done.map_err(|stop| match stop {
            Stop::Out(error) => DecompressError::Out(error),
            Stop::What(what) => {
                DecompressError::Damage(Damage { offset: at as u64, entry: None, what })
            }
        })?;
        at = after_zeros(input, input.len() - rest.len());
    }
    Ok(())
}

/// Why a segment could not be passed on.
enum Stop<E> {
    Out(E),
    What(What),
}

type Out<'o, E> = &'o mut dyn FnMut(&[u8]) -> Result<(), Stop<E>>;

fn after_zeros(input: &[u8], at: usize) -> usize {
    at + input[at..].iter().take_while(|byte| **byte == 0).count()
}

/// One member.
fn gzip<E>(rest: &mut &[u8], piece: &mut [u8], out: Out<'_, E>) -> Result<(), Stop<E>> {
    let mut decoder = GzDecoder::new(*rest);
    loop {
        let len = decoder.read(piece).map_err(|error| {
            Stop::What(What::Corrupt(match error.kind() {
                io::ErrorKind::UnexpectedEof => "gzip's data end too early",
                _ => "gzip's header, data, checksum or length is wrong",
            }))
        })?;
        if len == 0 {
            *rest = decoder.into_inner();
            return Ok(());
        }
        out(&piece[..len])?;
    }
}

/// One frame.
fn frame<E>(
    decoder: &mut FrameDecoder,
    rest: &mut &[u8],
    piece: &mut [u8],
    out: Out<'_, E>,
) -> Result<(), Stop<E>> {
    use FrameDecoderError::{DictNotProvided, ReadFrameHeaderError as Header, WindowSizeTooBig};
    let corrupt = |how| Stop::What(What::Corrupt(how));
    match decoder.reset(&mut *rest) {
        Ok(()) => {}
        Err(Header(ReadFrameHeaderError::SkipFrame { length, .. })) => {
            let after = rest.get(length as usize..);
            *rest = after.ok_or(corrupt("a skippable frame of zstd's ends too early"))?;
            return Ok(());
        }
        Err(WindowSizeTooBig { .. }) => {
            return Err(corrupt("zstd's window is larger than 128 MiB; compress without --long"));
        }
        Err(DictNotProvided { .. }) => return Err(corrupt("zstd's frame needs a dictionary")),
        Err(_) => return Err(corrupt("zstd's frame header is wrong")),
    }
    let mut sum = 0;
    while !decoder.is_finished() {
        decoder
            .decode_blocks(&mut *rest, BlockDecodingStrategy::UptoBytes(PIECE_BYTES))
            .map_err(|_| corrupt("zstd's data are wrong or end too early"))?;
        while decoder.can_collect() > 0 {
            let len = decoder.read(piece).map_err(|_| corrupt("zstd's data are wrong"))?;
            sum += len as u64;
            out(&piece[..len])?;
        }
    }
    let stated = decoder.get_checksum_from_data();
    if stated.is_some() && stated != decoder.get_calculated_checksum() {
        return Err(corrupt("zstd's checksum is wrong"));
    }
    // A frame that does not state its content's size says 0.
    match decoder.content_size() {
        stated if stated == 0 || stated == sum => Ok(()),
        _ => Err(corrupt("zstd's content is not as long as it says")),
    }
}

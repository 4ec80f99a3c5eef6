//! HermitCore's rows about memory: a block of it, and the first write to a page. Nothing is
//! given back before all their samples are taken: a block or page that was used before is
//! another thing, and has a row of its own. And what memory that is in no cache takes, which
//! bounds calls that cannot do without it.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::hint::black_box;

use anchorite_syscalls::Errno;

use super::bench::{Bench, Samples};
use super::many::Random;
use super::{Calls, rows};
use crate::io::{Failure, ToDo};

const PAGE_BYTES: usize = 4096;
/// Blocks in a sample.
const BLOCKS: usize = 2000;
/// Lines of memory that an empty file takes, in a chain as long as many files are.
const LINES_OF_FILE: usize = 4;
/// Pages in a sample: 8 MiB, which no allocator takes from its small change.
const PAGES: usize = 2048;

/// Allocates blocks of 4 KiB: first without freeing any, then one again and again.
///
/// # Errors
/// There is no memory; the console's.
pub fn malloc<C: Calls>(bench: &mut Bench<'_, C>) -> Result<(), Failure> {
    if bench.wants(rows::MALLOC) {
        malloc_only(bench)?;
    }
    bench.repeat(rows::MALLOC_FREE, || {
        drop(black_box(Box::<[u8; PAGE_BYTES]>::new_uninit()));
        Ok(())
    })
}

fn malloc_only<C: Calls>(bench: &mut Bench<'_, C>) -> Result<(), Failure> {
    let mut samples = Samples::default();
    let mut kept: Vec<Vec<u8>> = reserved(bench.options.samples as usize * BLOCKS)?;
    for _ in 0..bench.options.samples {
        let elapsed = bench.clocked(|| {
            for _ in 0..BLOCKS {
                kept.push(black_box(reserved(black_box(PAGE_BYTES))?));
            }
            Ok(())
        })?;
        samples.push(elapsed, BLOCKS as u64);
    }
    bench.tell(rows::MALLOC, &samples)
}

/// Writes a byte to each page of memory that was never touched.
///
/// # Errors
/// There is no memory; the console's.
pub fn first_write<C: Calls>(bench: &mut Bench<'_, C>) -> Result<(), Failure> {
    if !bench.wants(rows::FIRST_WRITE) {
        return Ok(());
    }
    let mut samples = Samples::default();
    let mut kept: Vec<Vec<u8>> = reserved(bench.options.samples as usize)?;
    for _ in 0..bench.options.samples {
        let mut block = reserved(PAGES * PAGE_BYTES)?;
        let room = block.spare_capacity_mut();
        let elapsed = bench.clocked(|| {
            for page in room.chunks_mut(PAGE_BYTES) {
                if let Some(byte) = black_box(page).first_mut() {
                    byte.write(1);
                }
            }
            Ok(())
        })?;
        samples.push(elapsed, room.len().div_ceil(PAGE_BYTES) as u64);
        kept.push(black_box(block));
    }
    bench.tell(rows::FIRST_WRITE, &samples)
}

/// Copies to as many pages as are appended to a file, and reads lines by the order of a chain.
///
/// # Errors
/// The console's.
pub fn in_no_cache<C: Calls>(bench: &mut Bench<'_, C>) -> Result<(), Failure> {
    if bench.wants(rows::MEMCPY_FAR) {
        copy_to_pages(bench)?;
    }
    if bench.wants(rows::STREAM_FAR) {
        stream_to_pages(bench)?;
    }
    if bench.wants(rows::LINE) {
        follow_chain(bench)?;
    }
    Ok(())
}

fn copy_to_pages<C: Calls>(bench: &mut Bench<'_, C>) -> Result<(), Failure> {
    let pages = bench.options.append_bytes / PAGE_BYTES as u64;
    let mut block = match reserved(pages as usize * PAGE_BYTES) {
        Ok(block) => block,
        Err(_) => return bench.tell_absent(rows::MEMCPY_FAR, Errno::ENOMEM.message()),
    };
    block.resize(pages as usize * PAGE_BYTES, 0u8); // used, once
    let from = [1u8; PAGE_BYTES];
    let elapsed = bench.clocked(|| {
        for page in block.chunks_exact_mut(PAGE_BYTES) {
            black_box(page).copy_from_slice(black_box(&from));
        }
        Ok(())
    })?;
    black_box(block);
    bench.tell(rows::MEMCPY_FAR, &Samples::of(elapsed, pages))
}

/// A page, of whole lines.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Page([u8; PAGE_BYTES]);

fn stream_to_pages<C: Calls>(bench: &mut Bench<'_, C>) -> Result<(), Failure> {
    let count = bench.options.append_bytes / PAGE_BYTES as u64;
    let mut pages: Vec<Page> = match reserved(count as usize) {
        Ok(pages) => pages,
        Err(_) => return bench.tell_absent(rows::STREAM_FAR, Errno::ENOMEM.message()),
    };
    pages.resize(count as usize, Page([0; PAGE_BYTES])); // used, once
    let from = Page([1; PAGE_BYTES]);
    let elapsed = bench.clocked(|| {
        stream_to(&mut pages, black_box(&from));
        Ok(())
    })?;
    black_box(pages);
    bench.tell(rows::STREAM_FAR, &Samples::of(elapsed, count))
}

/// Copies a page to each of others, past the caches.
#[allow(unsafe_code)]
fn stream_to(pages: &mut [Page], from: &Page) {
    use core::arch::x86_64::{__m128i, _mm_load_si128, _mm_sfence, _mm_stream_si128};
    let from: *const __m128i = from.0.as_ptr().cast();
    // SAFETY: all are pages, aligned to more than such a vector, which every x86-64 processor has; the
    // fence comes before anybody reads what was stored.
    unsafe {
        for page in pages {
            let to: *mut __m128i = page.0.as_mut_ptr().cast();
            for at in 0..PAGE_BYTES / size_of::<__m128i>() {
                _mm_stream_si128(to.add(at), _mm_load_si128(from.add(at)));
            }
        }
        _mm_sfence();
    }
}

/// A line of memory, with the number of another one.
#[repr(align(64))]
struct Line(usize);

fn follow_chain<C: Calls>(bench: &mut Bench<'_, C>) -> Result<(), Failure> {
    let count = bench.options.files as usize * LINES_OF_FILE;
    let mut chain: Vec<Line> = match reserved(count) {
        Ok(chain) => chain,
        Err(_) => return bench.tell_absent(rows::LINE, Errno::ENOMEM.message()),
    };
    chain.extend((0..count).map(Line));
    // Sattolo's shuffle: one cycle through all of them.
    let mut random = Random::new();
    for at in (1..count).rev() {
        let other = random.below(at as u64) as usize;
        let swapped = chain[at].0;
        chain[at].0 = chain[other].0;
        chain[other].0 = swapped;
    }
    let steps = bench.options.files.into();
    let mut at = 0;
    let elapsed = bench.clocked(|| {
        for _ in 0..steps {
            at = chain[at].0;
        }
        black_box(at);
        Ok(())
    })?;
    bench.tell(rows::LINE, &Samples::of(elapsed, steps))
}

/// An empty vector with room for `count`.
fn reserved<T>(count: usize) -> Result<Vec<T>, Failure> {
    let mut room = Vec::new();
    room.try_reserve_exact(count).map_err(|_| Errno::ENOMEM).to_do("allocate memory")?;
    Ok(room)
}

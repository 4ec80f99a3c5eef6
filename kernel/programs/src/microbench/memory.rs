//! HermitCore's rows about memory: a block of it, and the first write to a page. Nothing is
//! given back before all their samples are taken: a block or page that was used before is
//! another thing, and has a row of its own.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::hint::black_box;

use anchorite_syscalls::Errno;

use super::bench::{Bench, Samples};
use super::{Calls, rows};
use crate::io::{Failure, ToDo};

const PAGE_BYTES: usize = 4096;
/// Blocks in a sample.
const BLOCKS: usize = 2000;
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

/// An empty vector with room for `count`.
fn reserved<T>(count: usize) -> Result<Vec<T>, Failure> {
    let mut room = Vec::new();
    room.try_reserve_exact(count).map_err(|_| Errno::ENOMEM).to_do("allocate memory")?;
    Ok(room)
}

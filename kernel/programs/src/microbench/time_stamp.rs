//! The time-stamp counter, which every ring may read.

/// The counter, in cycles of its own constant rate; the same on all cores.
#[inline]
pub fn time_stamp() -> u64 {
    // SAFETY: Linux and this kernel let programs read it.
    unsafe { core::arch::x86_64::_rdtsc() }
}

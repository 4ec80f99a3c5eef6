//! Hypercalls of uhyve's interface, version 2.
//!
//! A hypercall is an `out` of four bytes to a port that is its number, with the
//! physical address of its parameters in `rdi`. Memory is mapped to itself, so a
//! pointer is a physical address, and whatever is contiguous here is contiguous
//! there.
//!
//! The task segment lets ring 3 do the `out` itself. That takes 143,000 cycles
//! where KVM is page-table virtualised (uhyve 0.10), of which an `out` in ring 0
//! would be 22,000 only; but the way into ring 0 and back costs more than that
//! saves: 180,000 cycles in all by an exception, 245,000 by `syscall` and `iretq`.

use core::arch::asm;

use uhyve_interface::GuestPhysAddr;
use uhyve_interface::v2::HypercallAddress;
use uhyve_interface::v2::parameters::SerialWriteBufferParams;

use crate::console::Sink;

/// Makes a hypercall, which may read and write `params` and what they point to.
///
/// # Safety
/// `params` are `port`'s, and every address in them is what the hypercall takes
/// it for: uhyve 0.10 checks little, and writes where it is told to.
pub unsafe fn call<T>(port: HypercallAddress, params: &mut T) {
    // SAFETY: by this function's contract; without `nomem`, the compiler expects
    // any memory to change.
    unsafe {
        asm!(
            "out dx, eax",
            in("dx") port as u64 as u16,
            in("eax") 0,
            in("rdi") params,
            options(nostack, preserves_flags),
        )
    };
}

/// The address of `pointer` for a hypercall's parameters.
pub fn address<T>(pointer: *const T) -> GuestPhysAddr {
    GuestPhysAddr::new(pointer as u64)
}

/// Ends the machine with `status`.
pub fn exit(status: i32) -> ! {
    loop {
        // SAFETY: Exit takes the status itself where others take parameters.
        unsafe {
            asm!(
                "out dx, eax",
                in("dx") HypercallAddress::Exit as u64 as u16,
                in("eax") 0,
                in("rdi") u64::from(status.cast_unsigned()),
            )
        };
    }
}

/// The hypervisor's serial console.
#[derive(Debug)]
pub struct Serial;

impl Sink for Serial {
    fn send(&mut self, bytes: &[u8]) {
        let mut params =
            SerialWriteBufferParams { len: bytes.len() as u64, buf: address(bytes.as_ptr()) };
        // SAFETY: the buffer is read for the given length.
        unsafe { call(HypercallAddress::SerialWriteBuffer, &mut params) };
    }
}

/// How many counts of the time-stamp counter one hypercall takes: the least of
/// a few that write nothing at all.
pub fn cost() -> u64 {
    let mut params = SerialWriteBufferParams { len: 0, buf: address([0u8; 8].as_ptr()) };
    (0..8)
        .map(|_| {
            let start = crate::platform::time_stamp();
            // SAFETY: a buffer of no length at an address within memory.
            unsafe { call(HypercallAddress::SerialWriteBuffer, &mut params) };
            crate::platform::time_stamp() - start
        })
        .min()
        .unwrap_or(0)
}

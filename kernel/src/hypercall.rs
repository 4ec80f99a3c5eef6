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

use crate::isle::Isle;

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

/// The isle that uhyve is.
#[derive(Debug)]
pub struct Uhyve;

impl Isle for Uhyve {
    fn send(&self, bytes: &[u8]) {
        let mut params =
            SerialWriteBufferParams { len: bytes.len() as u64, buf: address(bytes.as_ptr()) };
        // SAFETY: the buffer is read for the given length.
        unsafe { call(HypercallAddress::SerialWriteBuffer, &mut params) };
    }

    fn exit(&self, status: i32) -> ! {
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

    fn leaves_status_untold(&self) -> bool {
        false
    }

    fn leave(&self) {
        // A buffer of no length at an address within memory.
        let mut params = SerialWriteBufferParams { len: 0, buf: address([0u8; 8].as_ptr()) };
        // SAFETY: as above.
        unsafe { call(HypercallAddress::SerialWriteBuffer, &mut params) };
    }
}

//! The end by a panic: its message and place, and status 101 as `std` has it;
//! or 137 for an allocation that could not fail and did.

use core::fmt::{self, Write};
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicBool, Ordering};

use anchorite_interface::{STATUS_OUT_OF_MEMORY, STATUS_PANIC};

use crate::machine::{self, Machine};
use crate::{heap, output};

static PANICKING: AtomicBool = AtomicBool::new(false);

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    output::claim_end();
    if PANICKING.swap(true, Ordering::Relaxed) {
        // What the first one was doing (a `Display` of the program's) cannot be
        // trusted to be done again.
        output::report(format_args!("\nanchorite: a panic while a panic was reported\n"));
        output::exit(STATUS_PANIC);
    }
    if let Some(bytes) = failed_allocation(info) {
        let mib = machine::get().map_or(0, Machine::memory_mib);
        output::report(format_args!(
            "anchorite: out of memory: the program asked for {bytes} bytes more than this \
             machine's {mib} MiB have room for; give it more memory (--memory)\n",
        ));
        output::exit(STATUS_OUT_OF_MEMORY);
    }
    output::report(format_args!("anchorite: {info}\n"));
    output::exit(STATUS_PANIC)
}

/// The size of the allocation that this panic is about, if it is one that the
/// standard library makes when an allocation fails which must not.
///
/// The default handler for that cannot be replaced on stable Rust, so this
/// compares its message with the failure that the allocator remembers.
fn failed_allocation(info: &PanicInfo<'_>) -> Option<usize> {
    let bytes = heap::last_failure();
    if bytes == 0 {
        return None;
    }
    let mut wanted = Text::EMPTY;
    let mut found = Text::EMPTY;
    write!(wanted, "memory allocation of {bytes} bytes failed").ok()?;
    write!(found, "{}", info.message()).ok()?;
    (wanted.as_bytes() == found.as_bytes()).then_some(bytes)
}

/// A short text; a longer one is an error.
struct Text {
    bytes: [u8; 64],
    len: usize,
}

impl Text {
    const EMPTY: Self = Self { bytes: [0; 64], len: 0 };

    fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = self.bytes[self.len..].get_mut(..text.len()).ok_or(fmt::Error)?;
        room.copy_from_slice(text.as_bytes());
        self.len += text.len();
        Ok(())
    }
}

/// `core` and `alloc` are compiled to be unwound; nothing here ever is.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}

/// The end of a landing pad, of which none is ever entered.
#[unsafe(no_mangle)]
extern "C" fn _Unwind_Resume() -> ! {
    output::exit(STATUS_PANIC)
}

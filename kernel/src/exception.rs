//! What the processor's exceptions mean, as a Linux shell would tell it.

/// A signal that ends a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signal {
    /// Its name.
    pub name: &'static str,
    /// Its number on Linux.
    pub number: i32,
}

impl Signal {
    const ILL: Self = Self { name: "SIGILL", number: 4 };
    const TRAP: Self = Self { name: "SIGTRAP", number: 5 };
    const BUS: Self = Self { name: "SIGBUS", number: 7 };
    const FPE: Self = Self { name: "SIGFPE", number: 8 };
    const SEGV: Self = Self { name: "SIGSEGV", number: 11 };

    /// The status that a shell shows for a program that it ended.
    pub const fn status(self) -> i32 {
        128 + self.number
    }
}

/// The vector of a page fault.
pub const PAGE_FAULT: u64 = 14;

/// The name of the exception with this vector, and the signal that Linux sends
/// a program for it (`arch/x86/kernel/traps.c`).
pub const fn describe(vector: u64) -> (&'static str, Signal) {
    match vector {
        0 => ("division error", Signal::FPE),
        1 => ("debug exception", Signal::TRAP),
        2 => ("non-maskable interrupt", Signal::BUS),
        3 => ("breakpoint", Signal::TRAP),
        4 => ("overflow", Signal::SEGV),
        5 => ("bound range exceeded", Signal::SEGV),
        6 => ("invalid instruction", Signal::ILL),
        7 => ("device not available", Signal::FPE),
        8 => ("double fault", Signal::SEGV),
        9 => ("coprocessor segment overrun", Signal::FPE),
        10 => ("invalid task segment", Signal::SEGV),
        11 => ("segment not present", Signal::BUS),
        12 => ("stack segment fault", Signal::BUS),
        13 => (
            "general protection fault: a privileged instruction, or an address that cannot be",
            Signal::SEGV,
        ),
        PAGE_FAULT => ("page fault", Signal::SEGV),
        16 => ("x87 floating-point exception", Signal::FPE),
        17 => ("alignment check", Signal::BUS),
        18 => ("machine check", Signal::BUS),
        19 => ("SIMD floating-point exception", Signal::FPE),
        21 => ("control protection exception", Signal::SEGV),
        _ => ("unknown exception", Signal::SEGV),
    }
}

/// What a page fault's error code says was tried.
pub const fn attempt(error_code: u64) -> &'static str {
    const WRITE: u64 = 1 << 1;
    const FETCH: u64 = 1 << 4;
    if error_code & FETCH != 0 {
        "jump to"
    } else if error_code & WRITE != 0 {
        "write to"
    } else {
        "read from"
    }
}

/// What a page fault's error code and address say about the page.
pub const fn obstacle(error_code: u64, address: u64) -> &'static str {
    const PRESENT: u64 = 1;
    if error_code & PRESENT != 0 {
        "which is not allowed there"
    } else if address < 4096 {
        "a null pointer"
    } else {
        "where nothing is mapped"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_a_shells() {
        for (vector, status) in [
            (0, 136),
            (1, 133),
            (3, 133),
            (6, 132),
            (12, 135),
            (13, 139),
            (14, 139),
            (17, 135),
            (19, 136),
            (200, 139),
        ] {
            assert_eq!(describe(vector).1.status(), status, "{vector}");
        }
    }

    #[test]
    fn a_page_fault_is_told_in_words() {
        assert_eq!(attempt(0b00100), "read from");
        assert_eq!(attempt(0b00110), "write to");
        assert_eq!(attempt(0b10100), "jump to");
        assert_eq!(obstacle(0b00100, 8), "a null pointer");
        assert_eq!(obstacle(0b00100, 1 << 40), "where nothing is mapped");
        assert_eq!(obstacle(0b00111, 1 << 33), "which is not allowed there");
    }
}

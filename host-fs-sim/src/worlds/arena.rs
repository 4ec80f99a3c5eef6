//! [`Arena`]: memory whose ends are known, so that a pointer can be made to lead outside.

/// Mapped memory between two pages that are not.
pub struct Arena {
    start: *mut u8,
}

// SAFETY: the pages are the arena's own, and it hands out plain addresses.
unsafe impl Send for Arena {}

impl Arena {
    /// Bytes in an arena.
    pub const LEN: usize = 1 << 20;
    const GUARD: usize = 4096;

    /// A new one.
    pub fn new() -> Arena {
        let len = Arena::LEN + 2 * Arena::GUARD;
        // SAFETY: a new mapping; then two changes inside it.
        unsafe {
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
            let base = libc::mmap(std::ptr::null_mut(), len, libc::PROT_NONE, flags, -1, 0);
            assert_ne!(base, libc::MAP_FAILED);
            let start = base.cast::<u8>().add(Arena::GUARD);
            let access = libc::PROT_READ | libc::PROT_WRITE;
            assert_eq!(libc::mprotect(start.cast(), Arena::LEN, access), 0);
            start.expose_provenance();
            Arena { start }
        }
    }

    /// The address of the first byte.
    pub fn start(&self) -> usize {
        self.start as usize
    }

    /// The address behind the last byte.
    pub fn end(&self) -> usize {
        self.start() + Arena::LEN
    }

    /// Writes `bytes` from the address `at` on.
    pub fn put(&self, at: usize, bytes: &[u8]) {
        assert!(at >= self.start() && at + bytes.len() <= self.end());
        // SAFETY: inside the arena, which nobody borrows.
        unsafe { self.start.add(at - self.start()).copy_from(bytes.as_ptr(), bytes.len()) };
    }

    /// The `len` bytes from the address `at` on.
    pub fn get(&self, at: usize, len: usize) -> Vec<u8> {
        assert!(at >= self.start() && at + len <= self.end());
        let mut bytes = vec![0; len];
        // SAFETY: inside the arena, which nobody borrows.
        unsafe { bytes.as_mut_ptr().copy_from(self.start.add(at - self.start()), len) };
        bytes
    }
}

impl Default for Arena {
    fn default() -> Arena {
        Arena::new()
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        // SAFETY: the mapping that `new` made, whole.
        unsafe {
            let base = self.start.sub(Arena::GUARD);
            libc::munmap(base.cast(), Arena::LEN + 2 * Arena::GUARD);
        }
    }
}

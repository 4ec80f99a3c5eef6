//! What a file costs: bytes of the heap, by an allocator that counts, for empty files with
//! names of ten characters in one directory. The heap's own overhead is left out.

use std::alloc::{GlobalAlloc, Layout, System as Heap};
use std::sync::atomic::{AtomicUsize, Ordering};

use host_fs_sim::worlds::{ROOMY, system};

struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: hands on to the system's heap.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { Heap.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { Heap.dealloc(block, layout) }
    }
}

#[test]
fn empty_file_takes_at_most_256_bytes_and_gives_them_back() {
    const FILES: usize = 100_000;
    const MOST: usize = 256;
    let system = system(ROOMY);
    system.mkdir(b"/d", 0o755).unwrap();
    let before = LIVE.load(Ordering::Relaxed);
    for number in 0..FILES {
        let fd = system.creat(format!("/d/{number:010}").as_bytes(), 0o644).unwrap();
        system.close(fd).unwrap();
    }
    let each = (LIVE.load(Ordering::Relaxed) - before) as f64 / FILES as f64;
    println!("{each:.1} bytes an empty file");
    assert!(each <= MOST as f64, "{each:.1} bytes an empty file");
    for number in 0..FILES {
        system.unlink(format!("/d/{number:010}").as_bytes()).unwrap();
    }
    let left = LIVE.load(Ordering::Relaxed).saturating_sub(before);
    assert!(left <= 64 * 1024, "{left} bytes left in an empty directory");
}

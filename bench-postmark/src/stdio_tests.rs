//! Buffered files against the calls that glibc 2.36 was seen to make, traced
//! with `strace` under Debian's postmark: one file of a known size, written
//! and read in blocks of a known size.

use core::cell::{Cell, RefCell};

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use crate::calls::{Calls, Stat};
use crate::stdio::{Mode, Stream};
use crate::{Errno, Result};

/// One file of zeros, and a record of the calls.
struct Recorder {
    /// Bytes left to be read.
    left: Cell<usize>,
    block_size: i64,
    /// Whether writing fails.
    full: bool,
    log: RefCell<Vec<String>>,
}

impl Recorder {
    fn new(bytes: usize) -> Recorder {
        Recorder {
            left: Cell::new(bytes),
            block_size: 4096,
            full: false,
            log: RefCell::new(Vec::new()),
        }
    }

    fn note(&self, call: String) {
        self.log.borrow_mut().push(call);
    }

    fn calls(&self) -> String {
        self.log.borrow().join(" ")
    }
}

impl Calls for Recorder {
    fn open(&self, _: &[u8], flags: i32, mode: u32) -> Result<i32> {
        self.note(format!("open({flags:#o},{mode:#o})"));
        Ok(3)
    }
    fn close(&self, _: i32) -> Result<()> {
        self.note("close".into());
        Ok(())
    }
    fn read(&self, _: i32, buffer: &mut [u8]) -> Result<usize> {
        let count = buffer.len().min(self.left.get());
        self.left.set(self.left.get() - count);
        self.note(format!("read({})={count}", buffer.len()));
        Ok(count)
    }
    fn write(&self, _: i32, bytes: &[u8]) -> Result<usize> {
        self.note(format!("write({})", bytes.len()));
        if self.full {
            return Err(Errno::ENOSPC);
        }
        Ok(bytes.len())
    }
    fn lseek(&self, _: i32, offset: i64, whence: i32) -> Result<u64> {
        self.note(format!("lseek({offset},{whence})"));
        Ok(0)
    }
    fn fstat(&self, _: i32) -> Result<Stat> {
        self.note("fstat".into());
        Ok(Stat { mode: libc::S_IFREG, block_size: self.block_size })
    }
    fn unlink(&self, _: &[u8]) -> Result<()> {
        Err(Errno::ENOSYS)
    }
    fn mkdir(&self, _: &[u8], _: u32) -> Result<()> {
        Err(Errno::ENOSYS)
    }
    fn rmdir(&self, _: &[u8]) -> Result<()> {
        Err(Errno::ENOSYS)
    }
    fn getcwd(&self, _: &mut [u8]) -> Result<usize> {
        Err(Errno::ENOSYS)
    }
    fn now_ns(&self) -> u64 {
        0
    }
}

fn written(recorder: &Recorder, mode: Mode, bytes: usize, block: usize) -> String {
    let mut stream = Stream::new().unwrap();
    stream.open(recorder, b"1", mode).unwrap();
    for part in vec![0; bytes].chunks(block) {
        let _ = stream.write(recorder, part);
    }
    let _ = stream.close_writing(recorder);
    recorder.calls()
}

fn read(bytes: usize, block: usize) -> String {
    let recorder = Recorder::new(bytes);
    let mut stream = Stream::new().unwrap();
    stream.open(&recorder, b"1", Mode::Read).unwrap();
    for part in vec![0; bytes].chunks_mut(block) {
        assert_eq!(stream.read(&recorder, part), part.len());
    }
    stream.close_reading(&recorder).unwrap();
    recorder.calls()
}

#[test]
fn writing_fills_the_buffer_and_sends_whole_blocks_past_it() {
    for (bytes, block, seen) in [
        (1390, 512, "write(1390)"),
        (4732, 512, "write(4096) write(636)"),
        (20000, 10000, "write(8192) write(4096) write(4096) write(3616)"),
        (20000, 4096, "write(4096) write(4096) write(4096) write(4096) write(3616)"),
        (20000, 4097, "write(4096) write(4096) write(4096) write(4096) write(3616)"),
    ] {
        assert_eq!(
            written(&Recorder::new(0), Mode::Write, bytes, block),
            format!("open(0o1101,0o666) fstat {seen} close")
        );
    }
}

#[test]
fn appending_asks_for_the_end_before_anything_else() {
    assert_eq!(
        written(&Recorder::new(0), Mode::Append, 4156, 512),
        "open(0o2101,0o666) lseek(0,2) fstat write(4096) write(60) close"
    );
}

#[test]
fn reading_fills_the_buffer_and_fetches_whole_blocks_past_it() {
    for (bytes, block, seen) in [
        (6736, 512, "read(4096)=4096 read(4096)=2640"),
        (20000, 9000, "read(8192)=8192 read(4096)=4096 read(4096)=4096 read(4096)=3616"),
        (
            20000,
            4095,
            "read(4096)=4096 read(4096)=4096 read(4096)=4096 read(4096)=4096 read(4096)=3616",
        ),
    ] {
        assert_eq!(read(bytes, block), format!("open(0o0,0o666) fstat {seen} close"));
    }
}

#[test]
fn the_buffer_has_the_files_block_size_up_to_8192() {
    for (block_size, seen) in [
        (512, "write(9728) write(272)"),
        (4096, "write(8192) write(1808)"),
        (8192, "write(8192) write(1808)"),
        (1 << 20, "write(8192) write(1808)"),
        (0, "write(8192) write(1808)"),
        (-1, "write(8192) write(1808)"),
    ] {
        let recorder = Recorder { block_size, ..Recorder::new(0) };
        assert_eq!(
            written(&recorder, Mode::Write, 10000, 10000),
            format!("open(0o1101,0o666) fstat {seen} close"),
            "{block_size}"
        );
    }
}

#[test]
fn what_a_full_disk_refuses_is_not_sent_again() {
    let recorder = Recorder { full: true, ..Recorder::new(0) };
    assert_eq!(
        written(&recorder, Mode::Write, 5000, 1000),
        "open(0o1101,0o666) fstat write(4096) close"
    );
}

#[test]
fn lines_end_at_a_newline_at_254_bytes_or_at_the_end() {
    let recorder = Recorder::new(300);
    let mut stream = Stream::new().unwrap();
    stream.open(&recorder, b"1", Mode::Read).unwrap();
    let lengths: Vec<Option<usize>> =
        (0..3).map(|_| stream.read_line(&recorder).map(|line| line.len())).collect();
    assert_eq!(lengths, [Some(254), Some(46), None]);
    assert_eq!(recorder.calls(), "open(0o0,0o666) fstat read(4096)=300 read(4096)=0");
}

//! A system to run programs in: their console is in memory.
#![allow(dead_code, reason = "each test file uses its part")]

use std::collections::VecDeque;
use std::io::Read;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use anchorite_programs::{Context, PROGRAMS};
use anchorite_syscalls::{Errno, Limits, Platform, Result, Stream, System, hosted};

/// A system, and its console.
pub struct Machine {
    pub sys: System,
    recorder: Arc<Recorder>,
}

/// How a program ended, and what it printed.
#[derive(Debug, PartialEq, Eq)]
pub struct Printed {
    pub status: i32,
    pub out: Vec<u8>,
    pub err: Vec<u8>,
}

impl Machine {
    pub fn new(limits: Limits) -> Machine {
        let recorder = Arc::new(Recorder::default());
        Machine { sys: System::new(recorder.clone(), limits).unwrap(), recorder }
    }

    /// What programs find in standard input from now on.
    pub fn type_in(&self, input: &[u8]) {
        self.recorder.input.lock().unwrap().extend(input);
    }

    /// Runs the program that `args` begin with.
    #[track_caller]
    pub fn run(&self, args: &[&[u8]]) -> Printed {
        let named = |name: &str| name.as_bytes() == args[0];
        let program = PROGRAMS.iter().find(|program| named(program.name)).unwrap();
        let status = (program.main)(&Context { sys: &self.sys, args, env: &[] });
        let take = |kept: &Mutex<Vec<u8>>| std::mem::take(&mut *kept.lock().unwrap());
        Printed { status, out: take(&self.recorder.out), err: take(&self.recorder.err) }
    }
}

/// Cores to start threads on, whatever the host has.
const CORES: u32 = 3;

/// A console in memory, and the host's clock.
#[derive(Default)]
struct Recorder {
    input: Mutex<VecDeque<u8>>,
    out: Mutex<Vec<u8>>,
    err: Mutex<Vec<u8>>,
}

impl Platform for Recorder {
    fn user_memory(&self) -> &[Range<usize>] {
        &[]
    }

    fn write_console(&self, stream: Stream, bytes: &[u8]) -> Result<()> {
        let kept = match stream {
            Stream::Stdout => &self.out,
            Stream::Stderr => &self.err,
        };
        kept.lock().unwrap().extend_from_slice(bytes);
        Ok(())
    }

    fn read_console(&self, buf: &mut [u8]) -> Result<usize> {
        Ok(self.input.lock().unwrap().read(buf).unwrap())
    }

    fn realtime(&self) -> libc::timespec {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        libc::timespec { tv_sec: since.as_secs() as i64, tv_nsec: since.subsec_nanos().into() }
    }

    fn monotonic(&self) -> libc::timespec {
        self.realtime()
    }

    fn fill_random(&self, buf: &mut [u8]) -> Result<()> {
        let mut source = std::fs::File::open("/dev/urandom").map_err(|_| Errno::EIO)?;
        source.read_exact(buf).map_err(|_| Errno::EIO)
    }

    fn yield_now(&self) {
        std::thread::yield_now();
    }

    fn thread_id(&self) -> u32 {
        hosted::thread_id()
    }

    fn cores(&self) -> u32 {
        CORES
    }

    fn core(&self) -> u32 {
        hosted::core()
    }

    fn spawn(&self, core: u32, run: Box<dyn FnOnce() + Send>) -> Result<u32> {
        hosted::spawn(CORES, core, run)
    }

    fn join(&self, thread: u32) -> Result<()> {
        hosted::join(thread)
    }

    fn park(&self) {
        hosted::park();
    }

    fn unpark(&self, thread: u32) {
        hosted::unpark(thread);
    }

    fn exit(&self, status: i32) -> ! {
        panic!("exit with {status}");
    }
}

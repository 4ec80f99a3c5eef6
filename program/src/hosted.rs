//! A process of the host as the ground under a program: the same ramdisk and calls, no machine.
//! Its console is the process's, and so is its end.

use std::boxed::Box;
use std::io::{self, ErrorKind, Read, Write};
use std::ops::Range;
use std::os::unix::ffi::OsStringExt;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use std::vec::Vec;
use std::{env, eprintln, fs, process, thread};

use anchorite_syscalls::{Limits, Platform, Stream, declare_alone, hosted};

use crate::{Context, Errno, Program, Result, System};

/// The variable by which `anchorite run` tells cores and bytes of memory, with a comma between.
const SIZES: &str = "ANCHORITE_HOSTED";
/// Cores and memory of a program that is started by hand.
const DEFAULT_SIZES: (u32, u64) = (1, 2 << 30);
/// Exit status if there is nothing to run on.
const STATUS_ISLE_FAILED: i32 = 125;

/// Runs `program` in this process, to its end.
pub fn run(program: &Program) -> ! {
    // SAFETY: no thread of this process but this one uses the call layer, until it starts one.
    unsafe { declare_alone() };
    // The first thread that asks is number 1.
    hosted::thread_id();
    let (cores, memory_bytes) = env::var(SIZES).ok().and_then(sizes).unwrap_or(DEFAULT_SIZES);
    let ground = Arc::new(Process { cores, start: Instant::now() });
    let sys = match System::new(ground, Limits::of_memory(memory_bytes)) {
        Ok(sys) => Box::leak(Box::new(sys)),
        Err(errno) => {
            eprintln!("the ramdisk cannot be made ({errno}): take more memory");
            process::exit(STATUS_ISLE_FAILED);
        }
    };
    let mut args: Vec<Vec<u8>> = env::args_os().map(OsStringExt::into_vec).collect();
    match args.first_mut() {
        Some(name) => *name = program.name.into(),
        None => args.push(program.name.into()),
    }
    let env: Vec<Vec<u8>> = env::vars_os()
        .filter(|(name, _)| name != SIZES)
        .map(|(name, value)| [name.into_vec(), value.into_vec()].join(&b'='))
        .collect();
    let args: Vec<&[u8]> = args.iter().map(Vec::as_slice).collect();
    let env: Vec<&[u8]> = env.iter().map(Vec::as_slice).collect();
    let status = (program.main)(&Context { sys, args: &args, env: &env });
    sys.exit_group(status)
}

fn sizes(text: std::string::String) -> Option<(u32, u64)> {
    let (cores, bytes) = text.split_once(',')?;
    Some((cores.parse().ok()?, bytes.parse().ok()?))
}

struct Process {
    cores: u32,
    start: Instant,
}

impl Platform for Process {
    fn user_memory(&self) -> &[Range<usize>] {
        // Programs call the system by its typed interface; raw pointers would be the host's.
        &[]
    }

    fn write_console(&self, stream: Stream, bytes: &[u8]) -> Result<()> {
        let written = match stream {
            Stream::Stdout => {
                let mut stdout = io::stdout().lock();
                stdout.write_all(bytes).and_then(|()| stdout.flush())
            }
            Stream::Stderr => io::stderr().write_all(bytes),
        };
        written.map_err(|_| Errno::EIO)
    }

    fn read_console(&self, buf: &mut [u8]) -> Result<usize> {
        io::stdin().read(buf).map_err(|_| Errno::EIO)
    }

    fn realtime(&self) -> libc::timespec {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        libc::timespec { tv_sec: now.as_secs() as i64, tv_nsec: now.subsec_nanos().into() }
    }

    fn monotonic(&self) -> libc::timespec {
        let now = self.start.elapsed();
        libc::timespec { tv_sec: now.as_secs() as i64, tv_nsec: now.subsec_nanos().into() }
    }

    fn fill_random(&self, buf: &mut [u8]) -> Result<()> {
        let read = fs::File::open("/dev/urandom").and_then(|mut file| file.read_exact(buf));
        read.map_err(|error| match error.kind() {
            ErrorKind::NotFound => Errno::ENOSYS,
            _ => Errno::EIO,
        })
    }

    fn yield_now(&self) {
        thread::yield_now();
    }

    fn thread_id(&self) -> u32 {
        hosted::thread_id()
    }

    fn cores(&self) -> u32 {
        self.cores
    }

    fn core(&self) -> u32 {
        hosted::core()
    }

    fn spawn(&self, core: u32, run: Box<dyn FnOnce() + Send>) -> Result<u32> {
        hosted::spawn(self.cores, core, run)
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
        process::exit(status & 0xff)
    }
}

//! The machine's one console, its lock, and formatted text on it.
//!
//! Locking: the console's lock is a leaf: nothing else is locked while it is
//! held. A report of a failure waits for it only so long ([`with_anyhow`]),
//! since the failure may have happened under it.

use core::fmt::{self, Write};
use core::sync::atomic::{AtomicU32, Ordering};

use anchorite_interface::Kind;
use spin::Mutex;

use crate::cmdline::Format;
use crate::console::{Console, Sink};
use crate::{cpu, isle, machine};

static CONSOLE: Mutex<Console<Machine>> = Mutex::new(Console::new(Machine));

/// Where the console's bytes go.
#[derive(Debug)]
pub struct Machine;

impl Sink for Machine {
    fn send(&mut self, bytes: &[u8]) {
        isle::current().send(bytes);
    }
}

/// How often a report of a failure tries to get the lock.
const TRIES: u32 = 1_000_000;

/// Runs `act` on the console.
pub fn with<R>(act: impl FnOnce(&mut Console<Machine>) -> R) -> R {
    act(&mut CONSOLE.lock())
}

/// Runs `act` on the console even if whoever has its lock never gives it back.
/// What the console holds then is at worst a line that is sent twice.
pub fn with_anyhow<R>(act: impl FnOnce(&mut Console<Machine>) -> R) -> R {
    for _ in 0..TRIES {
        if let Some(mut console) = CONSOLE.try_lock() {
            return act(&mut console);
        }
        core::hint::spin_loop();
    }
    // SAFETY: the machine is about to end, and the lock's owner is this very
    // core, below the failure, or one that has not moved for millions of cycles.
    unsafe { CONSOLE.force_unlock() };
    act(&mut CONSOLE.lock())
}

/// Chooses the format, before anything is written.
pub fn set_format(format: Format) {
    with(|console| console.set_format(format));
}

/// The format that was chosen.
pub fn format() -> Format {
    with(|console| console.format())
}

/// Writes `text` to standard error in as few sends as may be; for reports of
/// failures.
pub fn report(text: fmt::Arguments<'_>) {
    write(Kind::Stderr, text);
}

/// Logs one line.
pub fn log(line: fmt::Arguments<'_>) {
    write(Kind::Log, line);
}

fn write(kind: Kind, text: fmt::Arguments<'_>) {
    let mut pieces = Pieces { kind, bytes: [0; PIECE_BYTES], len: 0 };
    // Pieces never fail; a formatter that does has told what it could.
    let _ = pieces.write_fmt(text);
    pieces.flush();
}

/// The number of the core that ends the machine, plus 1.
static ENDING: AtomicU32 = AtomicU32::new(0);

/// Leaves the end of the machine, and the words about it, to this core: returns on the
/// first core that calls it; any other waits there for its end.
pub fn claim_end() {
    let own = cpu::current().id() + 1;
    let owner = ENDING.compare_exchange(0, own, Ordering::Relaxed, Ordering::Relaxed);
    while owner.is_err_and(|owner| owner != own) {
        core::hint::spin_loop();
    }
}

/// Ends the machine: everything that waits, the exit record, and the end.
pub fn exit(status: i32) -> ! {
    claim_end();
    let format = with_anyhow(|console| {
        console.exit(status);
        console.format()
    });
    if format == Format::Plain && isle::current().leaves_status_untold() {
        with_anyhow(Console::end_line);
        log(format_args!("ended with status {}", u64::from(status.cast_unsigned())));
    }
    isle::current().exit(status)
}

/// Tells the launcher how far something is that may take long.
#[derive(Debug)]
pub struct Progress {
    /// Bytes in all; 0 if nobody knows.
    total: u64,
    /// When to tell it next.
    next_ns: u64,
}

impl Progress {
    /// Nothing is told before this time has passed, nor more often than every `STEP_NS`.
    const PATIENCE_NS: u64 = 1_000_000_000;
    const STEP_NS: u64 = 200_000_000;

    /// Something of `total` bytes, or 0, begins now.
    pub fn new(total: u64) -> Self {
        Self { total, next_ns: machine::uptime_ns() + Self::PATIENCE_NS }
    }

    /// So many bytes are done.
    pub fn at(&mut self, done: u64) {
        let now = machine::uptime_ns();
        if now < self.next_ns {
            return;
        }
        self.next_ns = now + Self::STEP_NS;
        let mut counts = [0; 16];
        counts[..8].copy_from_slice(&done.to_le_bytes());
        counts[8..].copy_from_slice(&self.total.to_le_bytes());
        with(|console| console.tell(Kind::Progress, &counts));
    }
}

const PIECE_BYTES: usize = 2048;

/// Gathers text, so that it leaves in pieces as large as may be.
struct Pieces {
    kind: Kind,
    bytes: [u8; PIECE_BYTES],
    len: usize,
}

impl Pieces {
    fn flush(&mut self) {
        let bytes = &self.bytes[..self.len];
        if !bytes.is_empty() {
            with_anyhow(|console| match self.kind {
                Kind::Log => console.log(bytes),
                _ => console.stderr(bytes),
            });
        }
        self.len = 0;
    }
}

impl Write for Pieces {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            if self.len == PIECE_BYTES {
                self.flush();
            }
            let len = rest.len().min(PIECE_BYTES - self.len);
            self.bytes[self.len..][..len].copy_from_slice(&rest[..len]);
            self.len += len;
            rest = &rest[len..];
        }
        Ok(())
    }
}

//! Samples of a guest under QEMU, by its server for debuggers (GDB manual, "Remote Serial
//! Protocol"): the machine is stopped, each processor's registers and stack are read, and it goes
//! on. Time passes for the guest only between two samples.

use std::io::{self, Read, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::raw::Stack;
use super::unwind::{MAX_FRAMES, Registers, Unwinder};
use crate::qemu::IMAGE_ADDRESS;

/// How long the guest runs between two samples: emulated code is slow, and so is stopping.
const PERIOD: Duration = Duration::from_millis(5);
/// An answer that takes longer does not come.
const TIMEOUT: Duration = Duration::from_secs(20);
/// How much of a stack is read at once.
const PIECE_BYTES: u64 = 1024;
/// What stops the machine.
const INTERRUPT: &[u8] = b"\x03";

/// A thread that takes samples as soon as QEMU calls it.
pub struct Stub {
    address: String,
    sampler: Option<JoinHandle<Vec<Stack>>>,
}

impl Stub {
    /// Waits for QEMU; `elf` is the image with its symbols.
    ///
    /// # Errors
    /// In a sentence: there are no tables in the image, or no socket.
    pub fn listen(elf: &[u8]) -> Result<Self, String> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let unwinder = Unwinder::new(elf).map_err(|why| format!("--profile: {why}"))?;
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let address = format!("anchorite-{}-{count}", std::process::id());
        let listener = SocketAddr::from_abstract_name(&address)
            .and_then(|address| UnixListener::bind_addr(&address))
            .map_err(|error| format!("--profile: no socket can be made ({error})"))?;
        let sampler = thread::spawn(move || {
            let mut stacks = Vec::new();
            if let Ok((stream, _)) = listener.accept() {
                // It ends with the machine.
                let _ = sample_for_ever(stream, &unwinder, &mut stacks);
            }
            stacks
        });
        Ok(Stub { address, sampler: Some(sampler) })
    }

    /// The socket's name, an abstract one (unix(7)).
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The samples, when QEMU is at its end.
    pub fn finish(mut self) -> Vec<Stack> {
        self.wake();
        self.sampler.take().and_then(|sampler| sampler.join().ok()).unwrap_or_default()
    }

    /// Has the thread end if QEMU never called.
    fn wake(&self) {
        if let Ok(address) = SocketAddr::from_abstract_name(&self.address) {
            let _ = UnixStream::connect_addr(&address);
        }
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.wake();
    }
}

fn sample_for_ever(
    stream: UnixStream,
    unwinder: &Unwinder,
    stacks: &mut Vec<Stack>,
) -> io::Result<()> {
    stream.set_read_timeout(Some(TIMEOUT))?;
    let mut server = Server { stream, buffer: Vec::new() };
    server.ask("QStartNoAckMode")?;
    server.stream.write_all(b"+")?;
    let mut processors = Vec::new();
    let mut answer = server.ask("qfThreadInfo")?;
    while let Some(listed) = answer.strip_prefix('m') {
        processors.extend(listed.split(',').map(str::to_owned));
        answer = server.ask("qsThreadInfo")?;
    }
    loop {
        server.send("c")?;
        thread::sleep(PERIOD);
        server.stream.write_all(INTERRUPT)?;
        if !server.receive()?.starts_with('T') {
            return Ok(());
        }
        for processor in &processors {
            server.ask(&format!("Hg{processor}"))?;
            let Some(registers) = registers(&server.ask("g")?) else { continue };
            let mut frames = [0; MAX_FRAMES];
            let mut memory = Memory { server: &mut server, start: 0, bytes: Vec::new() };
            let mut read = |at| memory.read(at);
            let walked = unwinder.walk(registers, IMAGE_ADDRESS.into(), &mut read, &mut frames);
            stacks.push(Stack {
                frames: frames[..walked.frames].to_vec(),
                is_whole: walked.is_whole,
                is_in_host: false,
            });
        }
    }
}

/// The registers that a walk needs, of those in an answer to `g`: sixteen general ones, of which
/// the seventh is RBP and the eighth RSP, and then RIP.
fn registers(hex: &str) -> Option<Registers> {
    let bytes = bytes(hex)?;
    let word = |number: usize| Some(u64::from_le_bytes(*bytes.get(number * 8..)?.first_chunk()?));
    Some(Registers { at: word(16)?, stack: word(7)?, base: word(6)? })
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let digits = hex.as_bytes().chunks(2);
    digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

/// The guest's memory, of which the last piece is kept.
struct Memory<'a> {
    server: &'a mut Server,
    start: u64,
    bytes: Vec<u8>,
}

impl Memory<'_> {
    fn read(&mut self, at: u64) -> Option<u64> {
        if let Some(word) = self.kept(at) {
            return Some(word);
        }
        // Above a stack there may be nothing.
        for len in [PIECE_BYTES, 8] {
            let answer = self.server.ask(&format!("m{at:x},{len:x}")).ok()?;
            self.start = at;
            self.bytes = bytes(&answer).unwrap_or_default();
            if let Some(word) = self.kept(at) {
                return Some(word);
            }
        }
        None
    }

    fn kept(&self, at: u64) -> Option<u64> {
        let offset = usize::try_from(at.checked_sub(self.start)?).ok()?;
        Some(u64::from_le_bytes(*self.bytes.get(offset..)?.first_chunk()?))
    }
}

/// The other end.
struct Server {
    stream: UnixStream,
    /// What came after the last answer.
    buffer: Vec<u8>,
}

impl Server {
    fn ask(&mut self, command: &str) -> io::Result<String> {
        self.send(command)?;
        self.receive()
    }

    fn send(&mut self, command: &str) -> io::Result<()> {
        let sum = command.bytes().fold(0u8, u8::wrapping_add);
        self.stream.write_all(format!("${command}#{sum:02x}").as_bytes())
    }

    /// The next packet, without its frame.
    fn receive(&mut self) -> io::Result<String> {
        loop {
            let start = self.buffer.iter().position(|byte| *byte == b'$');
            let end = self.buffer.iter().position(|byte| *byte == b'#');
            if let (Some(start), Some(end)) = (start, end)
                && start < end
                && self.buffer.len() >= end + 3
            {
                let packet = String::from_utf8_lossy(&self.buffer[start + 1..end]).into_owned();
                self.buffer.drain(..end + 3);
                return Ok(packet);
            }
            let mut piece = [0; 4096];
            match self.stream.read(&mut piece)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                len => self.buffer.extend_from_slice(&piece[..len]),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers_are_found_among_others() {
        let hex: String =
            (0..17u64).flat_map(u64::to_le_bytes).map(|b| format!("{b:02x}")).collect();
        assert_eq!(registers(&hex), Some(Registers { at: 16, stack: 7, base: 6 }));
        assert_eq!(registers(&hex[..hex.len() - 2]), None);
        assert_eq!(registers("E01"), None);
        assert_eq!(bytes("0g"), None);
    }
}

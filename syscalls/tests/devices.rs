//! What of character devices no row can say: random bytes, and the console.

use std::ops::Range;
use std::sync::Arc;
use std::thread;

use anchorite_syscalls::{Errno, Platform, Result, Stream, System};
use host_fs_sim::worlds::{ROOMY, TestPlatform, Whole, system};
use libc::{O_RDONLY, O_RDWR, O_WRONLY, S_IFCHR, timespec};

const RANDOM: u32 = 1 << 8 | 8;
const URANDOM: u32 = 1 << 8 | 9;
const NULL: u32 = 1 << 8 | 3;
const TTY: u32 = 5 << 8;
const CONSOLE: u32 = 5 << 8 | 1;

fn open_device(sys: &System, name: &[u8], number: u32, flags: i32) -> i32 {
    sys.mknod(name, S_IFCHR | 0o666, number).unwrap();
    sys.open(name, flags, 0).unwrap()
}

/// The platform says what is random, and every byte that was asked for is from it, whatever the
/// pieces are in which it is asked.
#[test]
fn random_bytes_are_the_platforms() {
    const BY_THE_PLATFORM: u8 = 4;
    let sys = Whole(system(ROOMY));
    for (name, number) in [(b"random", RANDOM), (b"urandm", URANDOM)] {
        let fd = open_device(&sys, name, number, O_RDONLY);
        for len in [1, 255, 256, 257, 5000] {
            let mut bytes = vec![0; len + 1];
            assert_eq!(sys.read(fd, &mut bytes[..len]), Ok(len));
            assert!(bytes[..len].iter().all(|&byte| byte == BY_THE_PLATFORM));
            assert_eq!(bytes[len], 0, "no more than was asked for");
            assert_eq!(sys.pread(fd, &mut bytes[..len], 100), Ok(len));
        }
    }
}

/// One call copies no more than Linux lets one, from wherever in a page it begins.
#[test]
fn no_more_is_sent_than_one_call_may() {
    let sys = Whole(system(ROOMY));
    let null = open_device(&sys, b"null", NULL, O_WRONLY);
    let file = sys.open(b"file", libc::O_CREAT | O_RDWR, 0o600).unwrap();
    sys.ftruncate(file, 1 << 33).unwrap();
    let mut position = 4009;
    assert_eq!(sys.sendfile(null, file, Some(&mut position), 1 << 40), Ok(0x7fff_f000));
    assert_eq!(position, 4009 + 0x7fff_f000);
}

/// Both names lead to the console: what is read is its input, what is written its output; there
/// are no positions.
#[test]
fn tty_is_the_console() {
    let platform = TestPlatform::new(Vec::new()).with_console(b"a line\n".to_vec(), 10);
    let sys = System::new(Arc::new(platform), ROOMY).unwrap();
    let tty = open_device(&sys, b"tty", TTY, O_RDWR);
    let console = open_device(&sys, b"console", CONSOLE, O_WRONLY);
    let mut line = [0; 4];
    assert_eq!(sys.read(tty, &mut line), Ok(4));
    assert_eq!(&line, b"a li");
    assert_eq!(sys.read(0, &mut line), Ok(3), "the same input");
    assert_eq!(&line[..3], b"ne\n");
    assert_eq!(sys.read(tty, &mut line), Ok(0));
    assert_eq!(sys.read(console, &mut line), Err(Errno::EBADF));
    assert_eq!(sys.write(tty, b"12345"), Ok(5));
    assert_eq!(sys.write(console, b"67890"), Ok(5));
    assert_eq!(sys.write(tty, b"too much"), Err(Errno::EIO));
    for fd in [tty, console, 0, 1] {
        assert_eq!(sys.lseek(fd, 0, libc::SEEK_SET), Err(Errno::ESPIPE));
        assert_eq!(sys.lseek(fd, 0, 9), Err(Errno::EINVAL));
        assert_eq!(sys.pread(fd, &mut line, 0), Err(Errno::ESPIPE));
        assert_eq!(sys.fsync(fd), Err(Errno::EINVAL));
    }
    assert_eq!(sys.fstat(tty).unwrap().st_rdev, u64::from(TTY));
    assert_eq!(sys.fstat(console).unwrap().st_rdev, u64::from(CONSOLE));
}

/// A machine that has nothing random.
struct Foreseeable;

impl Platform for Foreseeable {
    fn user_memory(&self) -> &[Range<usize>] {
        &[]
    }

    fn write_console(&self, _: Stream, _: &[u8]) -> Result<()> {
        Ok(())
    }

    fn read_console(&self, _: &mut [u8]) -> Result<usize> {
        Ok(0)
    }

    fn realtime(&self) -> timespec {
        timespec { tv_sec: 0, tv_nsec: 0 }
    }

    fn monotonic(&self) -> timespec {
        timespec { tv_sec: 0, tv_nsec: 0 }
    }

    fn fill_random(&self, _: &mut [u8]) -> Result<()> {
        Err(Errno::ENOSYS)
    }

    fn yield_now(&self) {}

    fn thread_id(&self) -> u32 {
        1
    }

    fn exit(&self, status: i32) -> ! {
        panic!("the program ended with {status}")
    }
}

/// Who asks for random bytes where there are none is told, and is given none that are not.
#[test]
fn without_a_source_nothing_is_taken_for_random() {
    let sys = System::new(Arc::new(Foreseeable), ROOMY).unwrap();
    let fd = open_device(&sys, b"random", RANDOM, O_RDONLY);
    let mut bytes = [7; 16];
    assert_eq!(sys.read(fd, &mut bytes), Err(Errno::EIO));
    assert_eq!(sys.getrandom(&mut bytes, 0), Err(Errno::ENOSYS));
    assert_eq!(bytes, [7; 16]);
    assert_eq!(sys.read(fd, &mut []), Ok(0));
}

/// One open device is used by several threads, which see no error and none of each other.
#[test]
fn devices_are_shared_by_threads() {
    const TIMES: usize = 2000;
    let sys = Whole(system(ROOMY));
    let null = open_device(&sys, b"null", NULL, O_RDWR);
    let urandom = open_device(&sys, b"urandom", URANDOM, O_RDWR);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let mut bytes = [0; 300];
                for _ in 0..TIMES {
                    assert_eq!(sys.write(null, &bytes), Ok(300));
                    assert_eq!(sys.read(null, &mut bytes), Ok(0));
                    assert_eq!(sys.read(urandom, &mut bytes), Ok(300));
                    assert_eq!(sys.lseek(null, 5, libc::SEEK_CUR), Ok(0));
                    let another = sys.open(b"null", O_WRONLY, 0).unwrap();
                    assert_eq!(sys.pwrite(another, &bytes, 1), Ok(300));
                    sys.close(another).unwrap();
                }
            });
        }
    });
}

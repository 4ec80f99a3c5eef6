//! The three worlds: Linux itself, the system by numbers, the system by methods. The
//! checker looks at both systems when they are done with.

use std::sync::Arc;

use anchorite_syscalls::{Errno, PATH_MAX, System};
use host_fs_sim::worlds::{Arena, ROOMY, TestPlatform, Whole, linux_call, system};

use crate::calls::{Arg, Bytes, Call, Error, Outcome, World, entries};

/// Calls by Linux's numbers, with pointers into an arena.
pub struct ByNumber<F> {
    arena: Arena,
    syscall: F,
    wait: fn(),
}

/// The system's methods.
pub struct ByMethod(Whole);

/// A new ramdisk, called by numbers.
pub fn by_number() -> ByNumber<impl Fn(i64, [u64; 6]) -> i64> {
    let arena = Arena::new();
    let memory = arena.start()..arena.end();
    let system = System::new(Arc::new(TestPlatform::new(vec![memory])), ROOMY).unwrap();
    let system = Whole(system);
    let syscall = move |number, words| system.syscall(number, words);
    ByNumber { arena, syscall, wait: || {} }
}

/// A new ramdisk, called by methods.
pub fn by_method() -> ByMethod {
    ByMethod(Whole(system(ROOMY)))
}

/// Lets `program` make calls of Linux, in a thread that has an empty tmpfs for its root,
/// and descriptors, directory and mask of its own. `None`, and a word about it, if the
/// kernel does not permit that.
pub fn on_linux<T: Send>(program: impl FnOnce(&mut dyn World) -> T + Send) -> Option<T> {
    let linux = host_fs_sim::worlds::on_linux(|| {
        let wait = || std::thread::sleep(std::time::Duration::from_millis(12));
        program(&mut ByNumber { arena: Arena::new(), syscall: linux_call, wait })
    });
    linux.inspect_err(|why| println!("skipped: the comparison with Linux: {why:#}")).ok()
}

impl<F: Fn(i64, [u64; 6]) -> i64> ByNumber<F> {
    fn result(&self, number: i64, words: &[i64]) -> Result<i64, Error> {
        let mut six = [0; 6];
        words.iter().zip(&mut six).for_each(|(word, to)| *to = *word as u64);
        match (self.syscall)(number, six) {
            errno @ -4095..0 => Err(Error(-errno as i32)),
            value => Ok(value),
        }
    }

    fn done(&self, number: i64, words: &[i64]) -> Outcome {
        self.result(number, words).map_or_else(Outcome::Failed, Outcome::Done)
    }

    /// Puts a string into the arena; there is room for two.
    fn text(&self, number: usize, text: &[u8]) -> i64 {
        assert!(text.len() < 2 * PATH_MAX);
        let at = self.arena.start() + number * 2 * PATH_MAX;
        self.arena.put(at, &[text, &[0]].concat());
        at as i64
    }

    fn buffer(&self) -> i64 {
        (self.arena.start() + 8 * PATH_MAX) as i64
    }

    fn data(&self, number: i64, words: &[i64]) -> Outcome {
        match self.result(number, words) {
            Ok(len) => Outcome::Data(Bytes(self.arena.get(self.buffer() as usize, len as usize))),
            Err(errno) => Outcome::Failed(errno),
        }
    }

    fn stat(&self, number: i64, of: i64) -> Outcome {
        match self.result(number, &[of, self.buffer()]) {
            Ok(_) => {
                let bytes = self.arena.get(self.buffer() as usize, size_of::<libc::stat>());
                // SAFETY: the bytes are a `struct stat`, all of integers.
                let stat = unsafe { bytes.as_ptr().cast::<libc::stat>().read_unaligned() };
                Outcome::Stat(stat.into())
            }
            Err(errno) => Outcome::Failed(errno),
        }
    }

    fn argument(&self, number: usize, argument: &Arg) -> i64 {
        match argument {
            Arg::Word(word) => *word,
            Arg::Text(text) => self.text(number, text),
            Arg::Tail(len) => (self.arena.end() - len) as i64,
            Arg::TextAtEnd(bytes) => {
                let at = self.arena.end() - bytes.len();
                self.arena.put(at, bytes);
                at as i64
            }
            Arg::Room => self.buffer(),
        }
    }
}

impl<F: Fn(i64, [u64; 6]) -> i64> World for ByNumber<F> {
    fn call(&mut self, call: &Call) -> Outcome {
        use libc::*;
        let buffer = self.buffer();
        let one = |path: &[u8]| self.text(0, path);
        let two = |path: &[u8]| self.text(1, path);
        let put = |Bytes(bytes): &Bytes| {
            self.arena.put(buffer as usize, bytes);
            bytes.len() as i64
        };
        let word = |id: u32| i64::from(id);
        match call {
            Call::Open(path, flags, mode) => {
                self.done(SYS_open, &[one(path), (*flags).into(), word(*mode)])
            }
            Call::OpenAt(at, path, flags, mode) => {
                self.done(SYS_openat, &[(*at).into(), one(path), (*flags).into(), word(*mode)])
            }
            Call::Creat(path, mode) => self.done(SYS_creat, &[one(path), word(*mode)]),
            Call::Close(fd) => self.done(SYS_close, &[(*fd).into()]),
            Call::Read(fd, len) => self.data(SYS_read, &[(*fd).into(), buffer, *len as i64]),
            Call::Pread(fd, len, at) => {
                self.data(SYS_pread64, &[(*fd).into(), buffer, *len as i64, *at])
            }
            Call::Write(fd, bytes) => {
                let len = put(bytes);
                self.done(SYS_write, &[(*fd).into(), buffer, len])
            }
            Call::Pwrite(fd, bytes, at) => {
                let len = put(bytes);
                self.done(SYS_pwrite64, &[(*fd).into(), buffer, len, *at])
            }
            Call::Lseek(fd, offset, whence) => {
                self.done(SYS_lseek, &[(*fd).into(), *offset, (*whence).into()])
            }
            Call::Mkdir(path, mode) => self.done(SYS_mkdir, &[one(path), word(*mode)]),
            Call::Rmdir(path) => self.done(SYS_rmdir, &[one(path)]),
            Call::Unlink(path) => self.done(SYS_unlink, &[one(path)]),
            Call::Rename(old, new) => self.done(SYS_rename, &[one(old), two(new)]),
            Call::RenameAt2(old, new, flags) => {
                let here = AT_FDCWD.into();
                self.done(SYS_renameat2, &[here, one(old), here, two(new), word(*flags)])
            }
            Call::Fallocate(fd, mode, at, len) => {
                self.done(SYS_fallocate, &[(*fd).into(), (*mode).into(), *at, *len])
            }
            Call::Link(old, new) => self.done(SYS_link, &[one(old), two(new)]),
            Call::Symlink(old, new) => self.done(SYS_symlink, &[one(old), two(new)]),
            Call::Readlink(path, len) => self.data(SYS_readlink, &[one(path), buffer, *len as i64]),
            Call::Stat(path) => self.stat(SYS_stat, one(path)),
            Call::Lstat(path) => self.stat(SYS_lstat, one(path)),
            Call::Fstat(fd) => self.stat(SYS_fstat, (*fd).into()),
            Call::Getdents(fd, len) => {
                match self.data(SYS_getdents64, &[(*fd).into(), buffer, *len as i64]) {
                    Outcome::Data(Bytes(bytes)) => Outcome::Entries(entries(&bytes)),
                    other => other,
                }
            }
            Call::Getcwd(len) => self.data(SYS_getcwd, &[buffer, *len as i64]),
            Call::Chdir(path) => self.done(SYS_chdir, &[one(path)]),
            Call::Truncate(path, len) => self.done(SYS_truncate, &[one(path), *len]),
            Call::Ftruncate(fd, len) => self.done(SYS_ftruncate, &[(*fd).into(), *len]),
            Call::Chmod(path, mode) => self.done(SYS_chmod, &[one(path), word(*mode)]),
            Call::Fchmod(fd, mode) => self.done(SYS_fchmod, &[(*fd).into(), word(*mode)]),
            Call::Chown(path, uid, gid) => {
                self.done(SYS_chown, &[one(path), word(*uid), word(*gid)])
            }
            Call::Lchown(path, uid, gid) => {
                self.done(SYS_lchown, &[one(path), word(*uid), word(*gid)])
            }
            Call::Fchown(fd, uid, gid) => {
                self.done(SYS_fchown, &[(*fd).into(), word(*uid), word(*gid)])
            }
            Call::Umask(mask) => self.done(SYS_umask, &[word(*mask)]),
            Call::Raw(number, arguments) => {
                let words: Vec<i64> =
                    arguments.iter().enumerate().map(|(at, arg)| self.argument(at, arg)).collect();
                self.done(*number, &words)
            }
            composed => unreachable!("{composed:?} is made of others"),
        }
    }

    fn wait(&self) {
        (self.wait)();
    }
}

impl World for ByMethod {
    fn call(&mut self, call: &Call) -> Outcome {
        let ByMethod(system) = self;
        let fd = |result: Result<i32, Errno>| result.map(|fd| Outcome::Done(fd.into()));
        let len = |result: Result<usize, Errno>| result.map(|len| Outcome::Done(len as i64));
        let unit = |result: Result<(), Errno>| result.map(|()| Outcome::Done(0));
        let stat = |result: Result<libc::stat, Errno>| result.map(|s| Outcome::Stat(s.into()));
        let filled = |result: Result<usize, Errno>, buffer: &[u8]| {
            result.map(|len| Outcome::Data(Bytes(buffer[..len].to_vec())))
        };
        let result = match call {
            Call::Open(path, flags, mode) => fd(system.open(path, *flags, *mode)),
            Call::OpenAt(at, path, flags, mode) => fd(system.openat(*at, path, *flags, *mode)),
            Call::Creat(path, mode) => fd(system.creat(path, *mode)),
            Call::Close(fd) => unit(system.close(*fd)),
            Call::Read(fd, len) => {
                let mut buffer = vec![0xaa; *len];
                filled(system.read(*fd, &mut buffer), &buffer)
            }
            Call::Pread(fd, len, at) => {
                let mut buffer = vec![0xaa; *len];
                filled(system.pread(*fd, &mut buffer, *at), &buffer)
            }
            Call::Write(fd, Bytes(bytes)) => len(system.write(*fd, bytes)),
            Call::Pwrite(fd, Bytes(bytes), at) => len(system.pwrite(*fd, bytes, *at)),
            Call::Lseek(fd, offset, whence) => {
                system.lseek(*fd, *offset, *whence).map(|at| Outcome::Done(at as i64))
            }
            Call::Mkdir(path, mode) => unit(system.mkdir(path, *mode)),
            Call::Rmdir(path) => unit(system.rmdir(path)),
            Call::Unlink(path) => unit(system.unlink(path)),
            Call::Rename(old, new) => unit(system.rename(old, new)),
            Call::RenameAt2(old, new, flags) => {
                unit(system.renameat2(libc::AT_FDCWD, old, libc::AT_FDCWD, new, *flags))
            }
            Call::Fallocate(fd, mode, at, len) => unit(system.fallocate(*fd, *mode, *at, *len)),
            Call::Link(old, new) => unit(system.link(old, new)),
            Call::Symlink(old, new) => unit(system.symlink(old, new)),
            Call::Readlink(path, len) => {
                let mut buffer = vec![0xaa; *len];
                filled(system.readlink(path, &mut buffer), &buffer)
            }
            Call::Stat(path) => stat(system.stat(path)),
            Call::Lstat(path) => stat(system.lstat(path)),
            Call::Fstat(fd) => stat(system.fstat(*fd)),
            Call::Getdents(fd, len) => {
                let mut buffer = vec![0xaa; *len];
                system
                    .getdents64(*fd, &mut buffer)
                    .map(|len| Outcome::Entries(entries(&buffer[..len])))
            }
            Call::Getcwd(len) => {
                let mut buffer = vec![0xaa; *len];
                filled(system.getcwd(&mut buffer), &buffer)
            }
            Call::Chdir(path) => unit(system.chdir(path)),
            Call::Truncate(path, len) => unit(system.truncate(path, *len)),
            Call::Ftruncate(fd, len) => unit(system.ftruncate(*fd, *len)),
            Call::Chmod(path, mode) => unit(system.chmod(path, *mode)),
            Call::Fchmod(fd, mode) => unit(system.fchmod(*fd, *mode)),
            Call::Chown(path, uid, gid) => unit(system.chown(path, *uid, *gid)),
            Call::Lchown(path, uid, gid) => unit(system.lchown(path, *uid, *gid)),
            Call::Fchown(fd, uid, gid) => unit(system.fchown(*fd, *uid, *gid)),
            Call::Umask(mask) => Ok(Outcome::Done(system.umask(*mask).into())),
            Call::Raw(..) => unreachable!("a method takes no pointers"),
            composed => unreachable!("{composed:?} is made of others"),
        };
        result.unwrap_or_else(|errno| Outcome::Failed(Error(errno.raw())))
    }

    fn wait(&self) {}
}

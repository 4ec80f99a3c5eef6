//! The calls for C, and for whatever can call C: each as `anchorite_NAME`, with Linux's
//! name, and all through `anchorite_syscall`, by number. `include/anchorite.h` declares
//! them.
//!
//! A function takes what the call takes in Linux's own interface, which is not always
//! what the C library's function of that name takes: `anchorite_getcwd` returns a length.
//! It returns the result, or an error's number below zero, and knows no `errno`: C has
//! one only where a library keeps one for each thread. The prefix keeps the functions
//! apart from those of a C library in the same program.
//!
//! C has nothing to say which process calls, so there is one for all, [`install`]ed once
//! by whoever starts the program. Until then every call is ENOSYS. Pointers go to
//! [`System::syscall`] as numbers and are checked there, against
//! [`Platform::user_memory`](crate::Platform::user_memory); nothing here looks at memory.

use core::ffi::{c_char, c_int, c_long, c_uint, c_ulong, c_void};

use anchorite_fs::sync::Once;

use crate::{Errno, Result, System};

/// The process in whose name C calls. Set once, then immutable.
static PROCESS: Once<&'static System> = Once::new();

/// Lets the functions for C call in the name of `system`.
///
/// # Errors
/// EBUSY if there is one already, which stays.
///
/// ```
/// use anchorite_syscalls::{Errno, c};
///
/// assert_eq!(c::anchorite_getpid(), -38); // ENOSYS: nobody to ask yet
/// let sys = Box::leak(Box::new(anchorite_example::system()));
/// c::install(sys)?;
/// assert_eq!(c::anchorite_getpid(), 1);
/// assert_eq!(c::install(sys), Err(Errno::EBUSY));
/// # Ok::<(), Errno>(())
/// ```
pub fn install(system: &'static System) -> Result<()> {
    let mut installed = Err(Errno::EBUSY);
    PROCESS.call_once(|| {
        installed = Ok(());
        system
    });
    installed
}

/// The process in whose name C calls, once there is one.
pub fn installed() -> Option<&'static System> {
    PROCESS.get().copied()
}

/// `syscall(2)`: the call with Linux's `number`, with six words of which it takes as many
/// as it needs; its result, or an error's number below zero.
// SAFETY: no other function has this prefix.
#[unsafe(no_mangle)]
pub extern "C" fn anchorite_syscall(
    number: c_long,
    a: c_long,
    b: c_long,
    c: c_long,
    d: c_long,
    e: c_long,
    f: c_long,
) -> c_long {
    call(number, &[a.word(), b.word(), c.word(), d.word(), e.word(), f.word()])
}

fn call(number: c_long, words: &[u64]) -> c_long {
    let Some(system) = PROCESS.get() else { return -c_long::from(Errno::ENOSYS.raw()) };
    let mut arguments = [0; 6];
    arguments[..words.len()].copy_from_slice(words);
    system.syscall(number, arguments)
}

/// What a C function may be passed.
trait Argument: Copy {
    /// The type in C, with a blank behind it where a name needs one.
    #[cfg(test)]
    const C: &'static str;

    /// As a call's word: numbers with their sign, pointers as addresses.
    fn word(self) -> u64;
}

macro_rules! numbers {
    ($($type:ty: $c:literal),*) => {
        $(impl Argument for $type {
            #[cfg(test)]
            const C: &'static str = concat!($c, " ");

            fn word(self) -> u64 {
                self as i64 as u64
            }
        })*
    };
}

numbers!(c_int: "int", c_uint: "unsigned int", c_long: "long", c_ulong: "unsigned long");
numbers!(usize: "size_t");

macro_rules! pointers {
    ($($type:ty: $c:literal),* $(,)?) => {
        $(impl Argument for *const $type {
            #[cfg(test)]
            const C: &'static str = concat!("const ", $c, " *");

            fn word(self) -> u64 {
                self.expose_provenance() as u64
            }
        }

        impl Argument for *mut $type {
            #[cfg(test)]
            const C: &'static str = concat!($c, " *");

            fn word(self) -> u64 {
                self.expose_provenance() as u64
            }
        })*
    };
}

pointers! {
    c_char: "char",
    c_int: "int",
    c_void: "void",
    c_long: "long",
    c_uint: "unsigned int",
    libc::fd_set: "fd_set",
    libc::iovec: "struct iovec",
    libc::pollfd: "struct pollfd",
    libc::rlimit: "struct rlimit",
    libc::stat: "struct stat",
    libc::statfs: "struct statfs",
    libc::statx: "struct statx",
    libc::timespec: "struct timespec",
    libc::timeval: "struct timeval",
    libc::utimbuf: "struct utimbuf",
    libc::utsname: "struct utsname",
}

/// Defines each function, and for the tests a table of them.
macro_rules! functions {
    ($($name:ident = $number:ident($($argument:ident: $type:ty),*);)*) => {
        $(
            #[doc = concat!("Linux's call `", stringify!($number), "`.")]
            // SAFETY: no other function has this prefix.
            #[unsafe(no_mangle)]
            pub extern "C" fn $name($($argument: $type),*) -> c_long {
                call(libc::$number, &[$($argument.word()),*])
            }
        )*

        #[cfg(test)]
        const FUNCTIONS: &[tests::Function] = &[$(tests::Function {
            name: stringify!($name),
            number_name: stringify!($number),
            number: libc::$number,
            arguments: &[$((<$type as Argument>::C, stringify!($argument))),*],
        }),*];
    };
}

functions! {
    anchorite_open = SYS_open(path: *const c_char, flags: c_int, mode: c_uint);
    anchorite_openat = SYS_openat(at: c_int, path: *const c_char, flags: c_int, mode: c_uint);
    anchorite_creat = SYS_creat(path: *const c_char, mode: c_uint);
    anchorite_close = SYS_close(fd: c_int);
    anchorite_close_range = SYS_close_range(first: c_uint, last: c_uint, flags: c_uint);
    anchorite_dup = SYS_dup(fd: c_int);
    anchorite_dup2 = SYS_dup2(fd: c_int, copy: c_int);
    anchorite_dup3 = SYS_dup3(fd: c_int, copy: c_int, flags: c_int);
    anchorite_pipe = SYS_pipe(fds: *mut c_int);
    anchorite_pipe2 = SYS_pipe2(fds: *mut c_int, flags: c_int);
    anchorite_poll = SYS_poll(files: *mut libc::pollfd, count: c_uint, timeout_ms: c_int);
    anchorite_ppoll = SYS_ppoll(
        files: *mut libc::pollfd, count: c_uint, timeout: *mut libc::timespec,
        mask: *const c_void, len: usize
    );
    anchorite_select = SYS_select(
        count: c_int, read: *mut libc::fd_set, write: *mut libc::fd_set,
        except: *mut libc::fd_set, timeout: *mut libc::timeval
    );
    anchorite_pselect6 = SYS_pselect6(
        count: c_int, read: *mut libc::fd_set, write: *mut libc::fd_set,
        except: *mut libc::fd_set, timeout: *mut libc::timespec, mask: *const c_void
    );
    anchorite_inotify_init = SYS_inotify_init();
    anchorite_inotify_init1 = SYS_inotify_init1(flags: c_int);
    anchorite_inotify_add_watch = SYS_inotify_add_watch(
        fd: c_int, path: *const c_char, mask: c_uint
    );
    anchorite_inotify_rm_watch = SYS_inotify_rm_watch(fd: c_int, wd: c_int);
    anchorite_ioctl = SYS_ioctl(fd: c_int, request: c_uint, argument: *mut c_void);
    anchorite_fcntl = SYS_fcntl(fd: c_int, command: c_int, argument: c_ulong);
    anchorite_flock = SYS_flock(fd: c_int, operation: c_int);

    anchorite_read = SYS_read(fd: c_int, buf: *mut c_void, len: usize);
    anchorite_pread64 = SYS_pread64(fd: c_int, buf: *mut c_void, len: usize, offset: c_long);
    anchorite_readv = SYS_readv(fd: c_int, buffers: *const libc::iovec, count: c_ulong);
    anchorite_preadv = SYS_preadv(
        fd: c_int, buffers: *const libc::iovec, count: c_ulong, offset: c_long
    );
    anchorite_preadv2 = SYS_preadv2(
        fd: c_int, buffers: *const libc::iovec, count: c_ulong, offset: c_long, unused: c_long,
        flags: c_int
    );
    anchorite_write = SYS_write(fd: c_int, buf: *const c_void, len: usize);
    anchorite_pwrite64 = SYS_pwrite64(
        fd: c_int, buf: *const c_void, len: usize, offset: c_long
    );
    anchorite_writev = SYS_writev(fd: c_int, buffers: *const libc::iovec, count: c_ulong);
    anchorite_pwritev = SYS_pwritev(
        fd: c_int, buffers: *const libc::iovec, count: c_ulong, offset: c_long
    );
    anchorite_pwritev2 = SYS_pwritev2(
        fd: c_int, buffers: *const libc::iovec, count: c_ulong, offset: c_long, unused: c_long,
        flags: c_int
    );
    anchorite_lseek = SYS_lseek(fd: c_int, offset: c_long, whence: c_int);
    anchorite_truncate = SYS_truncate(path: *const c_char, length: c_long);
    anchorite_ftruncate = SYS_ftruncate(fd: c_int, length: c_long);
    anchorite_fsync = SYS_fsync(fd: c_int);
    anchorite_fdatasync = SYS_fdatasync(fd: c_int);
    anchorite_sync = SYS_sync();
    anchorite_syncfs = SYS_syncfs(fd: c_int);

    anchorite_fallocate = SYS_fallocate(fd: c_int, mode: c_int, offset: c_long, len: c_long);
    anchorite_copy_file_range = SYS_copy_file_range(
        input: c_int, input_at: *mut c_long, output: c_int, output_at: *mut c_long, len: usize,
        flags: c_uint
    );
    anchorite_sendfile = SYS_sendfile(
        output: c_int, input: c_int, input_at: *mut c_long, len: usize
    );
    anchorite_fadvise64 = SYS_fadvise64(fd: c_int, offset: c_long, len: c_long, advice: c_int);
    anchorite_readahead = SYS_readahead(fd: c_int, offset: c_long, len: usize);

    anchorite_mkdir = SYS_mkdir(path: *const c_char, mode: c_uint);
    anchorite_mkdirat = SYS_mkdirat(at: c_int, path: *const c_char, mode: c_uint);
    anchorite_mknod = SYS_mknod(path: *const c_char, mode: c_uint, device: c_uint);
    anchorite_mknodat = SYS_mknodat(
        at: c_int, path: *const c_char, mode: c_uint, device: c_uint
    );
    anchorite_rmdir = SYS_rmdir(path: *const c_char);
    anchorite_unlink = SYS_unlink(path: *const c_char);
    anchorite_unlinkat = SYS_unlinkat(at: c_int, path: *const c_char, flags: c_int);
    anchorite_link = SYS_link(from: *const c_char, to: *const c_char);
    anchorite_linkat = SYS_linkat(
        from_at: c_int, from: *const c_char, to_at: c_int, to: *const c_char, flags: c_int
    );
    anchorite_symlink = SYS_symlink(target: *const c_char, path: *const c_char);
    anchorite_symlinkat = SYS_symlinkat(target: *const c_char, at: c_int, path: *const c_char);
    anchorite_readlink = SYS_readlink(path: *const c_char, buf: *mut c_char, len: c_int);
    anchorite_readlinkat = SYS_readlinkat(
        at: c_int, path: *const c_char, buf: *mut c_char, len: c_int
    );
    anchorite_rename = SYS_rename(from: *const c_char, to: *const c_char);
    anchorite_renameat = SYS_renameat(
        from_at: c_int, from: *const c_char, to_at: c_int, to: *const c_char
    );
    anchorite_renameat2 = SYS_renameat2(
        from_at: c_int, from: *const c_char, to_at: c_int, to: *const c_char, flags: c_uint
    );
    anchorite_getdents = SYS_getdents(fd: c_int, records: *mut c_void, len: c_uint);
    anchorite_getdents64 = SYS_getdents64(fd: c_int, records: *mut c_void, len: c_uint);
    anchorite_chdir = SYS_chdir(path: *const c_char);
    anchorite_fchdir = SYS_fchdir(fd: c_int);
    anchorite_chroot = SYS_chroot(path: *const c_char);
    anchorite_mount = SYS_mount(
        source: *const c_char, target: *const c_char, kind: *const c_char, flags: c_ulong,
        options: *const c_void
    );
    anchorite_umount2 = SYS_umount2(target: *const c_char, flags: c_int);
    anchorite_getcwd = SYS_getcwd(buf: *mut c_char, len: c_ulong);

    anchorite_stat = SYS_stat(path: *const c_char, stat: *mut libc::stat);
    anchorite_lstat = SYS_lstat(path: *const c_char, stat: *mut libc::stat);
    anchorite_fstat = SYS_fstat(fd: c_int, stat: *mut libc::stat);
    anchorite_newfstatat = SYS_newfstatat(
        at: c_int, path: *const c_char, stat: *mut libc::stat, flags: c_int
    );
    anchorite_statx = SYS_statx(
        at: c_int, path: *const c_char, flags: c_int, mask: c_uint, statx: *mut libc::statx
    );
    anchorite_access = SYS_access(path: *const c_char, mode: c_int);
    anchorite_faccessat = SYS_faccessat(at: c_int, path: *const c_char, mode: c_int);
    anchorite_faccessat2 = SYS_faccessat2(
        at: c_int, path: *const c_char, mode: c_int, flags: c_int
    );
    anchorite_chmod = SYS_chmod(path: *const c_char, mode: c_uint);
    anchorite_fchmod = SYS_fchmod(fd: c_int, mode: c_uint);
    anchorite_fchmodat = SYS_fchmodat(at: c_int, path: *const c_char, mode: c_uint);
    anchorite_fchmodat2 = SYS_fchmodat2(
        at: c_int, path: *const c_char, mode: c_uint, flags: c_int
    );
    anchorite_chown = SYS_chown(path: *const c_char, uid: c_uint, gid: c_uint);
    anchorite_lchown = SYS_lchown(path: *const c_char, uid: c_uint, gid: c_uint);
    anchorite_fchown = SYS_fchown(fd: c_int, uid: c_uint, gid: c_uint);
    anchorite_fchownat = SYS_fchownat(
        at: c_int, path: *const c_char, uid: c_uint, gid: c_uint, flags: c_int
    );
    anchorite_umask = SYS_umask(mask: c_uint);
    anchorite_statfs = SYS_statfs(path: *const c_char, statfs: *mut libc::statfs);
    anchorite_fstatfs = SYS_fstatfs(fd: c_int, statfs: *mut libc::statfs);
    anchorite_utimensat = SYS_utimensat(
        at: c_int, path: *const c_char, times: *const libc::timespec, flags: c_int
    );
    anchorite_futimesat = SYS_futimesat(
        at: c_int, path: *const c_char, times: *const libc::timeval
    );
    anchorite_utimes = SYS_utimes(path: *const c_char, times: *const libc::timeval);
    anchorite_utime = SYS_utime(path: *const c_char, times: *const libc::utimbuf);

    anchorite_setxattr = SYS_setxattr(
        path: *const c_char, name: *const c_char, value: *const c_void, len: usize, flags: c_int
    );
    anchorite_lsetxattr = SYS_lsetxattr(
        path: *const c_char, name: *const c_char, value: *const c_void, len: usize, flags: c_int
    );
    anchorite_fsetxattr = SYS_fsetxattr(
        fd: c_int, name: *const c_char, value: *const c_void, len: usize, flags: c_int
    );
    anchorite_getxattr = SYS_getxattr(
        path: *const c_char, name: *const c_char, value: *mut c_void, len: usize
    );
    anchorite_lgetxattr = SYS_lgetxattr(
        path: *const c_char, name: *const c_char, value: *mut c_void, len: usize
    );
    anchorite_fgetxattr = SYS_fgetxattr(
        fd: c_int, name: *const c_char, value: *mut c_void, len: usize
    );
    anchorite_listxattr = SYS_listxattr(path: *const c_char, names: *mut c_char, len: usize);
    anchorite_llistxattr = SYS_llistxattr(path: *const c_char, names: *mut c_char, len: usize);
    anchorite_flistxattr = SYS_flistxattr(fd: c_int, names: *mut c_char, len: usize);
    anchorite_removexattr = SYS_removexattr(path: *const c_char, name: *const c_char);
    anchorite_lremovexattr = SYS_lremovexattr(path: *const c_char, name: *const c_char);
    anchorite_fremovexattr = SYS_fremovexattr(fd: c_int, name: *const c_char);

    anchorite_getuid = SYS_getuid();
    anchorite_geteuid = SYS_geteuid();
    anchorite_getgid = SYS_getgid();
    anchorite_getegid = SYS_getegid();
    anchorite_getresuid = SYS_getresuid(
        real: *mut c_uint, effective: *mut c_uint, saved: *mut c_uint
    );
    anchorite_getresgid = SYS_getresgid(
        real: *mut c_uint, effective: *mut c_uint, saved: *mut c_uint
    );
    anchorite_getgroups = SYS_getgroups(count: c_int, groups: *mut c_uint);
    anchorite_setuid = SYS_setuid(uid: c_uint);
    anchorite_setgid = SYS_setgid(gid: c_uint);
    anchorite_setreuid = SYS_setreuid(real: c_uint, effective: c_uint);
    anchorite_setregid = SYS_setregid(real: c_uint, effective: c_uint);
    anchorite_setresuid = SYS_setresuid(real: c_uint, effective: c_uint, saved: c_uint);
    anchorite_setresgid = SYS_setresgid(real: c_uint, effective: c_uint, saved: c_uint);
    anchorite_setfsuid = SYS_setfsuid(uid: c_uint);
    anchorite_setfsgid = SYS_setfsgid(gid: c_uint);
    anchorite_setgroups = SYS_setgroups(count: c_int, groups: *const c_uint);

    anchorite_getpid = SYS_getpid();
    anchorite_gettid = SYS_gettid();
    anchorite_sched_yield = SYS_sched_yield();
    anchorite_clock_gettime = SYS_clock_gettime(clock: c_int, time: *mut libc::timespec);
    anchorite_getrandom = SYS_getrandom(buf: *mut c_void, len: usize, flags: c_uint);
    anchorite_uname = SYS_uname(names: *mut libc::utsname);
    anchorite_getrlimit = SYS_getrlimit(resource: c_uint, limit: *mut libc::rlimit);
    anchorite_setrlimit = SYS_setrlimit(resource: c_uint, limit: *const libc::rlimit);
    anchorite_prlimit64 = SYS_prlimit64(
        pid: c_int, resource: c_uint, limit: *const libc::rlimit, former: *mut libc::rlimit
    );
    anchorite_exit = SYS_exit(status: c_int);
    anchorite_exit_group = SYS_exit_group(status: c_int);
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::collections::BTreeSet;
    use std::string::String;
    use std::sync::Arc;
    use std::vec::Vec;
    use std::{format, println};

    use super::*;
    use crate::{Limits, Platform, Stream};

    pub(super) struct Function {
        pub(super) name: &'static str,
        pub(super) number_name: &'static str,
        pub(super) number: c_long,
        /// The type in C and the name of each.
        pub(super) arguments: &'static [(&'static str, &'static str)],
    }

    impl Function {
        fn prototype(&self) -> String {
            let arguments: Vec<String> =
                self.arguments.iter().map(|(c, name)| format!("{c}{name}")).collect();
            let arguments = if arguments.is_empty() { "void".into() } else { arguments.join(", ") };
            format!("long {}({arguments});", self.name)
        }
    }

    struct Nothing;

    impl Platform for Nothing {
        fn user_memory(&self) -> &[core::ops::Range<usize>] {
            &[]
        }

        fn write_console(&self, _: Stream, _: &[u8]) -> Result<()> {
            Ok(())
        }

        fn read_console(&self, _: &mut [u8]) -> Result<usize> {
            Ok(0)
        }

        fn realtime(&self) -> libc::timespec {
            libc::timespec { tv_sec: 0, tv_nsec: 0 }
        }

        fn monotonic(&self) -> libc::timespec {
            self.realtime()
        }

        fn fill_random(&self, _: &mut [u8]) -> Result<()> {
            Err(Errno::ENOSYS)
        }

        fn yield_now(&self) {}

        fn thread_id(&self) -> u32 {
            1
        }

        fn exit(&self, status: i32) -> ! {
            panic!("exit with {status}")
        }
    }

    /// The declarations of functions in the header, each on one line.
    fn declared() -> BTreeSet<String> {
        let header = include_str!("../include/anchorite.h");
        let without_comments: String = header
            .split("/*")
            .map(|piece| piece.split_once("*/").map_or(piece, |(_, code)| code))
            .collect();
        without_comments
            .split_inclusive(';')
            .filter_map(|statement| statement.find("long anchorite_").map(|at| &statement[at..]))
            .map(|statement| {
                statement.split_whitespace().collect::<Vec<_>>().join(" ").replace("( ", "(")
            })
            .collect()
    }

    #[test]
    fn header_declares_what_there_is_and_nothing_else() {
        const BY_NUMBER: Function = Function {
            name: "anchorite_syscall",
            number_name: "",
            number: 0,
            arguments: &[
                ("long ", "number"),
                ("long ", "a"),
                ("long ", "b"),
                ("long ", "c"),
                ("long ", "d"),
                ("long ", "e"),
                ("long ", "f"),
            ],
        };
        let defined: BTreeSet<String> =
            FUNCTIONS.iter().chain([&BY_NUMBER]).map(Function::prototype).collect();
        let declared = declared();
        for missing in defined.difference(&declared) {
            println!("the header lacks {missing}");
        }
        for unknown in declared.difference(&defined) {
            println!("the header alone has {unknown}");
        }
        assert!(defined == declared, "include/anchorite.h and c.rs differ");
    }

    #[test]
    fn each_function_is_named_as_its_call() {
        for function in FUNCTIONS {
            let name = function.name.strip_prefix("anchorite_").unwrap();
            assert_eq!(function.number_name.strip_prefix("SYS_"), Some(name));
        }
    }

    /// Whoever adds a call by number adds the function for C with it.
    #[test]
    fn each_call_by_number_has_a_function() {
        // No call ends the process, means something, or waits with this: the third word is no
        // address, and no time either, where that is an `int`.
        const NONSENSE: [u64; 6] = [u64::MAX, 0, 1 << 32, 0, 0, 0];
        const BEHIND_LAST: i64 = 512;
        let limits = Limits { size_bytes: 1 << 20, inodes: 100 };
        let system = System::new(Arc::new(Nothing), limits).unwrap();
        let ends = [libc::SYS_exit, libc::SYS_exit_group];
        for number in (0..BEHIND_LAST).filter(|number| !ends.contains(number)) {
            let known = system.syscall(number, NONSENSE) != -i64::from(libc::ENOSYS);
            let named = FUNCTIONS.iter().find(|function| function.number == number);
            assert_eq!(known, named.is_some(), "call {number}: {:?}", named.map(|f| f.name));
        }
    }
}

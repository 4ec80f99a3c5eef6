//! The functions for C: called as C calls them, with pointers into registered memory; and
//! the header, as a C compiler takes it. A process can be installed once, so there is one
//! test for what happens before and after.

use std::ffi::{c_char, c_int, c_long};
use std::io::Write;
use std::process::{Command, Stdio};
use std::ptr::{null, null_mut, with_exposed_provenance, with_exposed_provenance_mut};
use std::sync::Arc;

use anchorite_syscalls::{Errno, System, c};
use host_fs_sim::worlds::{Arena, ROOMY, TestPlatform};

/// As the header declares them: the linker finds the functions by name.
mod declared {
    use super::*;

    unsafe extern "C" {
        pub safe fn anchorite_open(path: *const c_char, flags: c_int, mode: u32) -> c_long;
        pub safe fn anchorite_read(fd: c_int, buf: *mut u8, len: usize) -> c_long;
        pub safe fn anchorite_pwrite64(fd: c_int, buf: *const u8, len: usize, at: c_long)
        -> c_long;
        pub safe fn anchorite_fstat(fd: c_int, stat: *mut libc::stat) -> c_long;
        pub safe fn anchorite_getcwd(buf: *mut c_char, len: u64) -> c_long;
        pub safe fn anchorite_close(fd: c_int) -> c_long;
        pub safe fn anchorite_lseek(fd: c_int, offset: c_long, whence: c_int) -> c_long;
        pub safe fn anchorite_syscall(
            number: c_long,
            a: c_long,
            b: c_long,
            c: c_long,
            d: c_long,
            e: c_long,
            f: c_long,
        ) -> c_long;
    }
}

#[test]
fn c_calls_the_one_process_that_is_installed() {
    use declared::*;
    const ENOSYS: c_long = -(libc::ENOSYS as c_long);
    assert_eq!(anchorite_close(0), ENOSYS);
    assert!(c::installed().is_none());

    let arena = Arena::new();
    let memory = arena.start()..arena.end();
    let platform = TestPlatform::new(Vec::from([memory]));
    let system: &System = Box::leak(Box::new(System::new(Arc::new(platform), ROOMY).unwrap()));
    assert_eq!(c::install(system), Ok(()));
    assert_eq!(c::install(system), Err(Errno::EBUSY));
    assert!(c::installed().is_some_and(|installed| std::ptr::eq(installed, system)));

    let (path, buf) = (arena.start(), arena.start() + 64);
    arena.put(path, b"/file\0");
    arena.put(buf, b"content");
    let flags = libc::O_RDWR | libc::O_CREAT;
    let fd = anchorite_open(with_exposed_provenance(path), flags, 0o640) as c_int;
    assert_eq!(fd, 3);
    assert_eq!(anchorite_pwrite64(fd, with_exposed_provenance(buf), 7, 2), 7);
    assert_eq!(system.stat(b"/file").unwrap().st_size, 9);
    assert_eq!(anchorite_read(fd, with_exposed_provenance_mut(buf), 64), 9);
    assert_eq!(arena.get(buf, 9), b"\0\0content");
    // Numbers below zero stay below zero on their way.
    assert_eq!(anchorite_lseek(fd, -4, libc::SEEK_CUR), 5);
    assert_eq!(anchorite_lseek(fd, -6, libc::SEEK_CUR), -c_long::from(libc::EINVAL));

    assert_eq!(anchorite_fstat(fd, with_exposed_provenance_mut(buf)), 0);
    let size_at = std::mem::offset_of!(libc::stat, st_size);
    assert_eq!(arena.get(buf + size_at, 8), 9u64.to_ne_bytes());
    assert_eq!(anchorite_getcwd(with_exposed_provenance_mut(buf), 64), 2);
    assert_eq!(arena.get(buf, 2), b"/\0");

    // Bad pointers are errors, never touched.
    const EFAULT: c_long = -(libc::EFAULT as c_long);
    assert_eq!(anchorite_open(null(), libc::O_RDONLY, 0), EFAULT);
    assert_eq!(anchorite_read(fd, null_mut(), 1), EFAULT);
    assert_eq!(anchorite_read(fd, with_exposed_provenance_mut(arena.end() - 1), 2), EFAULT);
    let mut outside = 0u8;
    assert_eq!(anchorite_read(fd, &raw mut outside, 1), EFAULT);

    let fd = c_long::from(fd);
    assert_eq!(anchorite_syscall(libc::SYS_dup, fd, 0, 0, 0, 0, 0), 4);
    assert_eq!(anchorite_syscall(-1, 0, 0, 0, 0, 0, 0), ENOSYS);
    assert_eq!(anchorite_close(3), 0);
    assert_eq!(anchorite_close(3), -c_long::from(libc::EBADF));
}

/// Alone, then beside the C library's own headers in the way that a program would use it.
#[test]
fn header_compiles_without_a_warning() {
    const PROGRAM: &str = r#"
        #include "anchorite.h"
        #include <errno.h>
        #include <fcntl.h>
        #include <sys/stat.h>
        #include <time.h>
        #include <unistd.h>

        int copy(const char *from, const char *to) {
            char buf[512];
            struct stat stat;
            long in = anchorite_open(from, O_RDONLY, 0);
            if (in < 0) return (int)in;
            if (anchorite_fstat((int)in, &stat) < 0) return -EIO;
            long out = anchorite_creat(to, stat.st_mode & 0777);
            long got;
            while ((got = anchorite_read((int)in, buf, sizeof buf)) > 0)
                if (anchorite_write((int)out, buf, (size_t)got) != got) return -ENOSPC;
            anchorite_close((int)in);
            return (int)anchorite_close((int)out);
        }
    "#;
    const STRICT: [&str; 5] = ["-Wall", "-Wextra", "-Werror", "-pedantic", "-c"];
    for standard in ["-std=c99", "-std=c11"] {
        for program in ["#include \"anchorite.h\"\nextern int unused;\n", PROGRAM] {
            let mut compiler = Command::new("cc");
            compiler
                .args(STRICT)
                .args([standard, "-x", "c", "-o", "/dev/null", "-I"])
                .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/include"))
                .arg("-");
            let mut compiler = compiler.stdin(Stdio::piped()).spawn().expect("cc, as to link");
            compiler.stdin.take().unwrap().write_all(program.as_bytes()).unwrap();
            assert!(compiler.wait().unwrap().success(), "{standard}: {program}");
        }
    }
}

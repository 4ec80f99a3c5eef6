//! What the only thread does by shorter ways than one of several: the outcomes are the same. There is
//! one test in this program, since for a while it has to be the only thread that uses the system.
//!
//! The ways are over references that nobody counts. Miri tells if one is used when it should not be:
//! `MIRIFLAGS=-Zmiri-disable-isolation cargo +nightly miri test -p anchorite-syscalls --test only_thread`.

mod transfers;

use anchorite_syscalls::{Result, System, declare_alone, declare_shared};
use host_fs_sim::worlds::{ROOMY, assert_whole, system};
use transfers::{By, READS, SITUATIONS, Seen, WRITES, after_read, after_write};

/// Paths of all kinds to one file, a directory, a link, something missing.
const PATHS: [&[u8]; 26] = [
    b"",
    b"f",
    b"/f",
    b"d",
    b"d/",
    b"d//e/f",
    b"d/e/f",
    b"/d/e/f",
    b"d/e/f/",
    b"d/e/f/x",
    b"d/./e/f",
    b"d/../f",
    b".",
    b"..",
    b"d/e/.",
    b"d/e/..",
    b".hidden",
    b"link",
    b"link/",
    b"link/e/f",
    b"d/broken",
    b"missing",
    b"missing/x",
    b"d/missing",
    b"f\0g",
    &[b'x'; 300],
];

#[test]
fn the_only_thread_gets_what_one_of_several_does() {
    let of_several = (outcomes(), transfers(By::New));
    // SAFETY: the other thread of this program waits for this one.
    unsafe { declare_alone() };
    let of_one = (outcomes(), transfers(By::Used));
    declare_shared();
    assert_each_is_same(&of_one.0, &of_several.0);
    assert_each_is_same(&of_one.1, &of_several.1);
}

/// Tells of the first that differs, not of all.
fn assert_each_is_same<T: PartialEq + std::fmt::Debug>(of_one: &[T], of_several: &[T]) {
    assert_eq!(of_one.len(), of_several.len());
    for (one, several) in of_one.iter().zip(of_several) {
        assert_eq!(one, several);
    }
}

/// What reads and writes do, in each situation of a file; of a part of all of them, where each takes long.
fn transfers(by: By) -> Vec<(&'static str, (usize, i64), Seen)> {
    let mut done = Vec::new();
    let step = if cfg!(miri) { 4 } else { 1 };
    for (at, &(name, situation)) in SITUATIONS.iter().enumerate() {
        for &write in WRITES.iter().skip(at % step).step_by(step) {
            done.push((name, write, after_write(situation, write, by)));
        }
        for &read in READS.iter().skip(at % step).step_by(step) {
            for again in [false, true] {
                done.push((name, read, after_read(situation, read, by, again)));
            }
        }
    }
    done
}

/// What calls say, as root and as somebody else; of a part of all of them, where each takes long.
fn outcomes() -> Vec<String> {
    let mut told = Vec::new();
    let (kinds, step) = match cfg!(miri) {
        true => (&[(7, IN_FIRST_MOUNT)][..], 5),
        false => (&[(0, IN_FIRST_MOUNT), (7, IN_FIRST_MOUNT), (0, !IN_FIRST_MOUNT)][..], 1),
    };
    for &(uid, mount) in kinds {
        for (at, path) in PATHS.into_iter().enumerate().step_by(step) {
            let sys = furnished(uid, mount);
            each(&sys, path, &mut told);
            for other in PATHS.into_iter().skip(at % 3).step_by(2 * step - 1) {
                let sys = furnished(uid, mount);
                tell(&mut told, ("rename", path, other), sys.rename(path, other));
                tell(&mut told, ("then", other, b""), sys.lstat(other).map(|stat| stat.st_mode));
                assert_whole(&sys);
            }
        }
    }
    told
}

/// Whether the working directory is in the mount that the root is in, or in another of the same ramdisk.
const IN_FIRST_MOUNT: bool = true;

/// A small tree in which `d/e` cannot be searched or written by others than its owner, root, and
/// the working directory.
fn furnished(uid: u32, in_first_mount: bool) -> System {
    let sys = system(ROOMY);
    for directory in [&b"/w"[..], b"/w/d", b"/w/d/e", b"/d", b"/d/e"] {
        sys.mkdir(directory, 0o777).unwrap();
    }
    if !in_first_mount {
        sys.mount(Some(b"/w"), b"/w", None, libc::MS_BIND, None).unwrap();
    }
    sys.chdir(b"/w").unwrap();
    for file in [&b"f"[..], b"/f", b"d/e/f", b"/d/e/f", b".hidden"] {
        let fd = sys.open(file, libc::O_CREAT | libc::O_WRONLY, 0o640).unwrap();
        sys.write(fd, b"bytes").unwrap();
        sys.close(fd).unwrap();
    }
    sys.symlink(b"d", b"link").unwrap();
    sys.symlink(b"nowhere", b"d/broken").unwrap();
    sys.chmod(b"d/e", 0o700).unwrap();
    sys.chmod(b"/", 0o777).unwrap();
    sys.setresuid(uid, uid, uid).unwrap();
    sys
}

/// Each call with `path` alone, in an order in which later ones meet what earlier ones made.
fn each(sys: &System, path: &[u8], told: &mut Vec<String>) {
    let mut buf = [0; 16];
    let attributes = |stat: libc::stat| (stat.st_mode, stat.st_nlink, stat.st_size);
    tell(told, ("stat", path, b""), sys.stat(path).map(attributes));
    tell(told, ("lstat", path, b""), sys.lstat(path).map(attributes));
    let link = sys.readlink(path, &mut buf).map(|len| buf[..len].to_vec());
    tell(told, ("readlink", path, b""), link);
    tell(told, ("access", path, b""), sys.access(path, libc::R_OK as u32));
    for flags in [
        libc::O_RDONLY,
        libc::O_RDWR,
        libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL,
        libc::O_RDWR | libc::O_CREAT | libc::O_TRUNC,
        libc::O_RDONLY | libc::O_DIRECTORY,
        libc::O_RDONLY | libc::O_NOFOLLOW,
        libc::O_PATH,
        libc::O_RDWR | libc::O_APPEND,
    ] {
        let opened = sys.open(path, flags, 0o600);
        tell(told, ("open", path, format!("{flags:#o}").as_bytes()), opened);
        let Ok(fd) = opened else { continue };
        tell(told, ("write", path, b""), sys.write(fd, b"abc"));
        tell(told, ("pwrite", path, b""), sys.pwrite(fd, b"de", 4090));
        tell(told, ("pread", path, b""), sys.pread(fd, &mut buf, 2));
        tell(told, ("read", path, b""), sys.read(fd, &mut buf).map(|len| buf[..len].to_vec()));
        tell(told, ("pread", path, b"below 0"), sys.pread(fd, &mut buf, -1));
        tell(told, ("lseek", path, b""), sys.lseek(fd, 0, libc::SEEK_CUR));
        tell(told, ("fstat", path, b""), sys.fstat(fd).map(attributes));
        tell(told, ("close", path, b""), sys.close(fd));
        tell(told, ("read", path, b"closed"), sys.read(fd, &mut buf));
        tell(told, ("write", path, b"closed"), sys.write(fd, &buf));
    }
    tell(told, ("mkdir", path, b""), sys.mkdir(path, 0o755));
    tell(told, ("symlink", path, b""), sys.symlink(b"f", path));
    tell(told, ("rmdir", path, b""), sys.rmdir(path));
    tell(told, ("unlink", path, b""), sys.unlink(path));
    tell(told, ("mkdir", path, b"again"), sys.mkdir(path, 0o755));
    tell(told, ("stat", path, b"at last"), sys.stat(path).map(attributes));
    assert_whole(sys);
}

fn tell<T: std::fmt::Debug>(
    told: &mut Vec<String>,
    (call, path, more): (&str, &[u8], &[u8]),
    outcome: Result<T>,
) {
    let (path, more) = (path.escape_ascii(), more.escape_ascii());
    told.push(format!("{call} {path} {more}: {outcome:?}"));
}

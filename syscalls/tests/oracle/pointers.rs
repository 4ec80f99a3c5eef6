//! Calls by number with pointers that lead nowhere, and words wider than an `int`.

use std::panic::{AssertUnwindSafe, catch_unwind};

use host_fs_sim::worlds::WAITS;
use libc::*;

use crate::calls::Arg::{Room, Tail, Text, TextAtEnd, Word};
use crate::calls::{Arg, Call, Error, Outcome, World};
use crate::steps::{Step, check, creat, mkdir, raw, rows, symlink, write};
use crate::worlds::by_number;

const NULL: Arg = Word(0);
const NONE: Arg = Word(0);

fn text(text: &str) -> Arg {
    Text(text.into())
}

/// Every pointer of every call: null, behind the end, in no half of the address space
/// that a program has, and with its last byte outside.
#[test]
fn every_bad_pointer_is_efault() {
    let stat_len = size_of::<stat>();
    let bad = [NULL, Word(1), Tail(0), Word(-1), Word(i64::MIN), Word(-4096)];
    let strings = bad.iter().cloned().chain([TextAtEnd(b"/f".into()), TextAtEnd(b"f".into())]);
    let mut steps = files();
    for path in strings {
        let first = |number, rest: [Arg; 3]| {
            let [b, c, d] = rest;
            raw(number, [path.clone(), b, c, d]).fails(EFAULT)
        };
        let second = |number, a: Arg, c: Arg| raw(number, [a, path.clone(), c, NONE]).fails(EFAULT);
        steps.extend([
            first(SYS_open, [Word(0), NONE, NONE]),
            first(SYS_creat, [Word(0o644), NONE, NONE]),
            second(SYS_openat, Word(AT_FDCWD.into()), Word(0)),
            first(SYS_stat, [Room, NONE, NONE]),
            first(SYS_lstat, [Room, NONE, NONE]),
            first(SYS_mkdir, [Word(0o755), NONE, NONE]),
            first(SYS_rmdir, [NONE, NONE, NONE]),
            first(SYS_unlink, [NONE, NONE, NONE]),
            first(SYS_link, [text("/new"), NONE, NONE]),
            second(SYS_link, text("/f"), NONE),
            first(SYS_symlink, [text("/new"), NONE, NONE]),
            second(SYS_symlink, text("/f"), NONE),
            first(SYS_rename, [text("/new"), NONE, NONE]),
            second(SYS_rename, text("/f"), NONE),
            first(SYS_readlink, [Room, Word(10), NONE]),
            first(SYS_chdir, [NONE, NONE, NONE]),
            first(SYS_truncate, [Word(0), NONE, NONE]),
            first(SYS_chmod, [Word(0o644), NONE, NONE]),
            first(SYS_chown, [NONE, NONE, NONE]),
            first(SYS_lchown, [NONE, NONE, NONE]),
            first(SYS_setxattr, [text("user.a"), Room, Word(1)]),
            first(SYS_lsetxattr, [text("user.a"), Room, Word(1)]),
            first(SYS_getxattr, [text("user.x"), Room, Word(9)]),
            first(SYS_lgetxattr, [text("user.x"), Room, Word(9)]),
            first(SYS_listxattr, [Room, Word(100), NONE]),
            first(SYS_llistxattr, [Room, Word(100), NONE]),
            first(SYS_removexattr, [text("user.a"), NONE, NONE]),
            first(SYS_lremovexattr, [text("user.a"), NONE, NONE]),
            raw(SYS_setxattr, [text("/f"), path.clone(), Room, Word(1)]).fails(EFAULT),
            raw(SYS_fsetxattr, [Word(3), path.clone(), Room, Word(1)]).fails(EFAULT),
            raw(SYS_getxattr, [text("/f"), path.clone(), Room, Word(9)]).fails(EFAULT),
            raw(SYS_fgetxattr, [Word(3), path.clone(), Room, Word(9)]).fails(EFAULT),
            second(SYS_removexattr, text("/f"), NONE),
            second(SYS_fremovexattr, Word(3), NONE),
        ]);
    }
    for buffer in bad.iter().cloned().chain([Tail(stat_len - 1)]) {
        steps.extend([
            raw(SYS_stat, [text("/f"), buffer.clone(), NONE, NONE]).fails(EFAULT),
            raw(SYS_lstat, [text("/f"), buffer.clone(), NONE, NONE]).fails(EFAULT),
            raw(SYS_fstat, [Word(3), buffer, NONE, NONE]).fails(EFAULT),
        ]);
    }
    steps.push(raw(SYS_stat, [text("/f"), Tail(stat_len), NONE, NONE]).gives(0));
    for buffer in bad {
        steps.extend([
            raw(SYS_pread64, [Word(4), buffer.clone(), Word(2), Word(0)]).fails(EFAULT),
            raw(SYS_write, [Word(3), buffer.clone(), Word(2), NONE]).fails(EFAULT),
            raw(SYS_pwrite64, [Word(3), buffer.clone(), Word(2), Word(0)]).fails(EFAULT),
            raw(SYS_getdents64, [Word(5), buffer.clone(), Word(100), NONE]).fails(EFAULT),
            raw(SYS_readlink, [text("/l"), buffer.clone(), Word(10), NONE]).fails(EFAULT),
            raw(SYS_getcwd, [buffer.clone(), Word(10), NONE, NONE]).fails(EFAULT),
            raw(SYS_setxattr, [text("/f"), text("user.a"), buffer.clone(), Word(2)]).fails(EFAULT),
            raw(SYS_fsetxattr, [Word(3), text("user.a"), buffer.clone(), Word(2)]).fails(EFAULT),
            raw(SYS_getxattr, [text("/f"), text("user.x"), buffer.clone(), Word(2)]).fails(EFAULT),
            raw(SYS_fgetxattr, [Word(3), text("user.x"), buffer.clone(), Word(2)]).fails(EFAULT),
            raw(SYS_listxattr, [text("/f"), buffer.clone(), Word(99), NONE]).fails(EFAULT),
            raw(SYS_flistxattr, [Word(3), buffer.clone(), Word(99), NONE]).fails(EFAULT),
        ]);
    }
    check("every_bad_pointer_is_efault", &steps);
}

/// A file `/f` with content as descriptor 3 to write and 4 to read, `/` as 5, a link `/l`.
fn files() -> Vec<Step> {
    use crate::steps::{O_RDONLY, open};
    let link = symlink("target", "/l");
    let name = Text("user.x".into());
    let attribute = raw(SYS_fsetxattr, [Word(3), name, Text("value".into()), Word(2)]).gives(0);
    let (file, root) = (open("/f", O_RDONLY), open("/", O_RDONLY));
    vec![creat("/f"), write(3, "content"), file, root, link, attribute]
}

fn differs(step: Step, ours: i32, linux: Outcome) -> Vec<Step> {
    [files(), vec![step.fails(ours).unlike_linux(linux)]].concat()
}

/// A deviation: BUFFERS_ARE_CHECKED_WHOLE.
#[test]
fn buffer_that_is_only_partly_used_is_checked_whole() {
    let failed = |errno| Outcome::Failed(Error(errno));
    for (step, linux) in [
        (raw(SYS_readlink, [text("/l"), Tail(6), Word(7), NONE]), Outcome::Done(6)),
        (raw(SYS_getcwd, [Tail(2), Word(3), NONE, NONE]), Outcome::Done(2)),
        (raw(SYS_read, [Word(4), Tail(7), Word(8), NONE]), Outcome::Done(7)),
        (raw(SYS_pread64, [Word(4), NULL, Word(8), Word(7)]), Outcome::Done(0)),
        (raw(SYS_read, [Word(5), NULL, Word(8), NONE]), failed(EISDIR)),
    ] {
        check("buffer_that_is_only_partly_used", &differs(step, EFAULT, linux));
    }
}

/// A deviation: STRINGS_COME_FIRST.
#[test]
fn rename_checks_both_pointers_first() {
    let step = raw(SYS_rename, [text("/none/x"), NULL, NONE, NONE]);
    check("rename_checks_both", &differs(step, EFAULT, Outcome::Failed(Error(ENOENT))));
}

/// Any call with any words answers, and never panics; the two that end the program are
/// left out. One that would wait for ever, for a pipe or a fifo, panics in the platform, and
/// holds nothing then: the next are done as ever.
#[test]
fn hostile_words_never_panic() {
    let mut world = by_number();
    let mut random = 0x9e37_79b9_7f4a_7c15u64;
    let mut below = |limit: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random % limit as u64) as usize
    };
    let texts = ["/", "/f", "a", "/d/e", "..", "/l", "/f/", "/d"];
    let words = [0, 1, -1, 2, 3, 4, 5, 64, 4096, 0o777, O_CREAT.into(), O_DIRECTORY.into()];
    let words = [&words[..], &[i64::MAX, i64::MIN, i32::MAX.into(), 1 << 32, -100]].concat();
    for _ in 0..100_000 {
        let number = below(340) as i64;
        let mut argument = || match below(8) {
            0..3 => text(texts[below(texts.len())]),
            3 => Tail(below(300)),
            4 => Room,
            _ => Word(words[below(words.len())]),
        };
        let arguments = [(); 4].map(|()| argument());
        if ![SYS_exit, SYS_exit_group].contains(&number) {
            let call = Call::Raw(number, arguments);
            let done = catch_unwind(AssertUnwindSafe(|| _ = world.call(&call)));
            if let Err(panic) = done {
                let said = panic.downcast_ref::<&str>().copied();
                let said = said.or(panic.downcast_ref::<String>().map(String::as_str));
                assert_eq!(said, Some(WAITS), "{call:?}");
            }
        }
    }
}

rows! {
    calls_that_are_not_about_files: [
        raw(SYS_getrandom, [Room, Word(100), Word(0), NONE]).gives(100),
        raw(SYS_getrandom, [NULL, Word(100), Word(0), NONE]).fails(EFAULT),
        raw(SYS_getrandom, [Tail(0), Word(1), Word(0), NONE]).fails(EFAULT),
        raw(SYS_getrandom, [NULL, Word(0), Word(0), NONE]).gives(0),
        raw(SYS_getrandom, [Room, Word(10), Word(99), NONE]).fails(EINVAL),
        raw(SYS_getrandom, [Room, Word(10), Word(6), NONE]).fails(EINVAL),
        raw(SYS_clock_gettime, [Word(0), Room, NONE, NONE]).gives(0),
        raw(SYS_clock_gettime, [Word(1), Tail(16), NONE, NONE]).gives(0),
        raw(SYS_clock_gettime, [Word(1), Tail(15), NONE, NONE]).fails(EFAULT),
        raw(SYS_clock_gettime, [Word(1), NULL, NONE, NONE]).fails(EFAULT),
        raw(SYS_clock_gettime, [Word(99), NULL, NONE, NONE]).fails(EINVAL),
        raw(SYS_sysinfo, [Room, NONE, NONE, NONE]).gives(0),
        raw(SYS_sysinfo, [NULL, NONE, NONE, NONE]).fails(EFAULT),
        raw(SYS_sysinfo, [Tail(111), NONE, NONE, NONE]).fails(EFAULT),
        raw(SYS_uname, [Room, NONE, NONE, NONE]).gives(0),
        raw(SYS_uname, [NULL, NONE, NONE, NONE]).fails(EFAULT),
        raw(SYS_uname, [Tail(389), NONE, NONE, NONE]).fails(EFAULT),
        raw(SYS_sched_yield, [NONE, NONE, NONE, NONE]).gives(0),
    ];
    nothing_is_read_or_written_through_any_pointer: [
        creat("/f"), raw(SYS_write, [Word(3), NULL, Word(0), NONE]).gives(0),
        raw(SYS_write, [Word(3), Tail(0), Word(0), NONE]).gives(0),
        raw(SYS_pwrite64, [Word(3), NULL, Word(0), Word(0)]).gives(0),
        raw(SYS_open, [text("/f"), Word(0), NONE, NONE]).gives(4),
        raw(SYS_read, [Word(4), NULL, Word(0), NONE]).gives(0),
        raw(SYS_getcwd, [NULL, Word(0), NONE, NONE]).fails(ERANGE),
        raw(SYS_readlink, [text("/f"), NULL, Word(0), NONE]).fails(EINVAL),
        raw(SYS_readlink, [text("/f"), Room, Word(-1), NONE]).fails(EINVAL),
        raw(SYS_setxattr, [text("/f"), text("user.a"), NULL, Word(0)]).gives(0),
        raw(SYS_setxattr, [text("/f"), text("user.a"), text("1"), Word(2)]).gives(0),
        raw(SYS_getxattr, [text("/f"), text("user.a"), NULL, Word(0)]).gives(2),
        raw(SYS_listxattr, [text("/f"), NULL, Word(0), NONE]).gives(7),
    ];
    /// What Linux finds wrong before it looks at memory was found after: a bad length or
    /// flag, a descriptor of no directory, a path to no link.
    first_error_is_linux_first_error: [
        mkdir("/d"), creat("/f"), raw(SYS_stat, [text("/none"), NULL, NONE, NONE]).fails(ENOENT),
        raw(SYS_fstat, [Word(77), NULL, NONE, NONE]).fails(EBADF),
        raw(SYS_read, [Word(77), NULL, Word(1), NONE]).fails(EBADF),
        raw(SYS_read, [Word(3), NULL, Word(1), NONE]).fails(EBADF),
        raw(SYS_getdents64, [Word(77), NULL, Word(99), NONE]).fails(EBADF),
        raw(SYS_getdents64, [Word(3), NULL, Word(99), NONE]).fails(ENOTDIR),
        raw(SYS_pread64, [Word(77), NULL, Word(1), Word(-1)]).fails(EINVAL),
        raw(SYS_truncate, [NULL, Word(-1), NONE, NONE]).fails(EINVAL),
        raw(SYS_open, [NULL, Word((O_CREAT | O_DIRECTORY).into()), NONE, NONE]).fails(EINVAL),
        raw(SYS_readlink, [text("/none"), NULL, Word(9), NONE]).fails(ENOENT),
        raw(SYS_readlink, [text("/f"), NULL, Word(9), NONE]).fails(EINVAL),
        raw(SYS_readlink, [NULL, Room, Word(0), NONE]).fails(EINVAL),
        raw(SYS_setxattr, [NULL, text(""), NULL, Word(9)]).fails(ERANGE),
        raw(SYS_setxattr, [NULL, text("user.a"), NULL, Word(65_537)]).fails(E2BIG),
        raw(SYS_fsetxattr, [Word(77), text("user.a"), NULL, Word(1)]).fails(EFAULT),
        raw(SYS_fsetxattr, [Word(77), text("user.a"), NULL, Word(0)]).fails(EBADF),
        raw(SYS_getxattr, [text("/none"), text("user.a"), NULL, Word(9)]).fails(ENOENT),
        raw(SYS_fgetxattr, [Word(77), text(""), NULL, Word(9)]).fails(ERANGE),
        raw(SYS_fgetxattr, [Word(77), text("user.a"), NULL, Word(9)]).fails(EBADF),
        raw(SYS_listxattr, [text("/none"), NULL, Word(9), NONE]).fails(ENOENT),
        raw(SYS_removexattr, [NULL, text(""), NONE, NONE]).fails(ERANGE),
        raw(SYS_symlink, [text(""), text("/none/x"), NONE, NONE]),
        raw(SYS_chdir, [text(""), NONE, NONE, NONE]),
    ];
    lengths_above_every_file: [
        creat("/f"), write(3, "hello"),
        raw(SYS_open, [text("/f"), Word(O_RDWR.into()), NONE, NONE]).gives(4),
        raw(SYS_read, [Word(4), Room, Word(-1), NONE]),
        raw(SYS_read, [Word(4), Room, Word(i64::MIN), NONE]),
        raw(SYS_write, [Word(4), Room, Word(-1), NONE]),
        raw(SYS_write, [Word(4), NULL, Word(i64::MIN), NONE]),
        raw(SYS_pread64, [Word(4), Room, Word(-1), Word(0)]),
        raw(SYS_fsetxattr, [Word(4), text("user.a"), text("value"), Word(5)]).gives(0),
        raw(SYS_fsetxattr, [Word(4), text("user.a"), Room, Word(-1)]).fails(E2BIG),
        raw(SYS_fgetxattr, [Word(4), text("user.a"), Room, Word(-1)]),
        raw(SYS_flistxattr, [Word(4), Room, Word(i64::MIN), NONE]),
    ];
    upper_halves_of_ints_are_ignored: [
        creat("/f"), raw(SYS_close, [Word(3 | 7 << 32), NONE, NONE, NONE]).gives(0),
        raw(SYS_close, [Word(3 | 7 << 32), NONE, NONE, NONE]).fails(EBADF),
        raw(SYS_mkdir, [text("/d"), Word(0o755 | 7 << 40), NONE, NONE]).gives(0),
        raw(SYS_umask, [Word(7 << 32 | 0o77), NONE, NONE, NONE]).gives(0o22),
        raw(SYS_open, [text("/d"), Word(7 << 32), NONE, NONE]).gives(3),
        raw(SYS_getdents64, [Word(3), Room, Word(5 << 32 | 24), NONE]).gives(24),
        raw(SYS_lseek, [Word(3 | 1 << 32), Word(0), Word(9 << 32), NONE]).gives(0),
        raw(SYS_chown, [text("/d"), Word(1 << 32 | 5), Word(0xffff_ffff), NONE]),
        raw(SYS_readlink, [text("/d"), Room, Word(1 << 32), NONE]).fails(EINVAL),
    ];
}

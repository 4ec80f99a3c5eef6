//! Random sequences of calls, over few names so that they meet often, on Linux and on
//! the system by numbers: every outcome and the tree at the end must agree. Times are left
//! to the rows: Linux's clock ticks are too coarse to tell calls apart without waiting.
//!
//! The environment chooses: `ANCHORITE_OPERATIONS` calls at least (20,000 unless given),
//! `ANCHORITE_SEED` for another sequence of sequences. A failure prints both and the
//! shortest sequence that still fails.

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, RngSeed, TestError, TestRunner};

use crate::calls::{Bytes, Call, Path};
use crate::steps::*;
use crate::worlds::{by_number, on_linux};

const LONGEST: usize = 120;

#[test]
fn random_calls_do_what_linux_does() {
    let number = |name: &str, unless: u64| {
        std::env::var(name).map_or(unless, |text| text.parse().expect("a number"))
    };
    let seed = number("ANCHORITE_SEED", 1);
    let operations = number("ANCHORITE_OPERATIONS", 20_000);
    if on_linux(|_| ()).is_none() {
        return;
    }
    let mut runner = TestRunner::new(Config {
        cases: (operations / (LONGEST as u64 / 2)) as u32,
        failure_persistence: None,
        max_shrink_iters: 3000,
        rng_algorithm: RngAlgorithm::ChaCha,
        rng_seed: RngSeed::Fixed(seed),
        ..Config::default()
    });
    let sequences = prop::collection::vec(call(), 1..LONGEST);
    match runner.run(&sequences, |calls| compare(&calls)) {
        Ok(()) => {}
        Err(TestError::Fail(why, calls)) => {
            let story: Vec<String> = calls.iter().map(|call| format!("  {call:?}")).collect();
            panic!("ANCHORITE_SEED={seed}: {why}\n{}", story.join("\n"));
        }
        Err(other) => panic!("ANCHORITE_SEED={seed}: {other}"),
    }
}

fn compare(calls: &[Call]) -> Result<(), TestCaseError> {
    // The root is sticky: deviation 7.
    let calls = &[&[Call::Chmod(b"/".to_vec(), 0o777)], calls].concat()[..];
    let linux = on_linux(|world| run(world, calls));
    let (linux, linux_tree) = linux.ok_or_else(|| TestCaseError::reject("no oracle"))?;
    let (ours, our_tree) = run(&mut by_number(), calls);
    for (at, call) in calls.iter().enumerate() {
        prop_assert_eq!(&ours[at], &linux[at], "ours (left), Linux, call {}: {:?}", at, call);
    }
    prop_assert_eq!(our_tree, linux_tree, "trees afterwards, ours (left), Linux");
    Ok(())
}

fn path() -> impl Strategy<Value = Path> {
    let name = prop::sample::select(vec!["a", "b", "c", "a", "b", "l", "m", ".", ".."]);
    let start = prop::sample::select(vec!["", "", "/", "./"]);
    let end = prop::sample::select(vec!["", "", "", "", "", "/", "/."]);
    (start, prop::collection::vec(name, 1..=3), end)
        .prop_map(|(start, names, end)| format!("{start}{}{end}", names.join("/")).into_bytes())
}

fn fd() -> impl Strategy<Value = i32> {
    3..8i32
}

fn offset() -> impl Strategy<Value = i64> {
    let edges = vec![0, 1, 63, 64, 65, 4095, 4096, 4097, 262_143, 262_144, 262_145, 1 << 24];
    prop_oneof![prop::sample::select(edges), 0..10_000i64, -3..3i64]
}

fn bytes() -> impl Strategy<Value = Bytes> {
    let len = prop::sample::select(vec![0, 1, 10, 63, 64, 65, 500, 4095, 4096, 4097, 9000]);
    (len, b'a'..=b'z').prop_map(|(len, byte)| Bytes(vec![byte; len]))
}

fn flags() -> impl Strategy<Value = i32> {
    let access = prop::sample::select(vec![O_RDONLY, O_WRONLY, O_RDWR, O_RDWR]);
    let flag = [O_CREAT, O_CREAT, O_EXCL, O_TRUNC, O_APPEND, O_DIRECTORY, O_NOFOLLOW];
    let more = prop::sample::subsequence(flag.to_vec(), 0..3);
    (access, more).prop_map(|(access, more)| more.into_iter().fold(access, |all, flag| all | flag))
}

fn call() -> impl Strategy<Value = Call> {
    // No sticky bit: deviation 7.
    let mode = || (0..0o10000u32).prop_map(|mode| mode & !0o1000);
    let id = || prop::sample::select(vec![0, 1, 2, u32::MAX]);
    let len = || prop::sample::select(vec![0usize, 1, 100, 4096, 5000]);
    // Not SEEK_DATA and SEEK_HOLE: deviation 6.
    let whence = prop::sample::select(vec![SEEK_SET, SEEK_CUR, SEEK_END]);
    // Not FALLOC_FL_PUNCH_HOLE: deviation 8.
    let mode_of_fallocate = prop::sample::select(vec![0, libc::FALLOC_FL_KEEP_SIZE]);
    let names = prop_oneof![
        4 => (path(), mode()).prop_map(|(path, mode)| Call::Mkdir(path, mode)),
        2 => path().prop_map(Call::Rmdir),
        3 => path().prop_map(Call::Unlink),
        5 => (path(), path()).prop_map(|(old, new)| Call::Rename(old, new)),
        3 => (path(), path(), 0..4u32)
            .prop_map(|(old, new, flags)| Call::RenameAt2(old, new, flags)),
        3 => (path(), path()).prop_map(|(old, new)| Call::Link(old, new)),
        2 => (path(), path()).prop_map(|(target, path)| Call::Symlink(target, path)),
        1 => (path(), len()).prop_map(|(path, len)| Call::Readlink(path, len)),
        1 => path().prop_map(Call::Chdir),
        1 => len().prop_map(Call::Getcwd),
    ];
    let files = prop_oneof![
        6 => (path(), flags(), mode()).prop_map(|(path, flags, mode)| Call::Open(path, flags, mode)),
        1 => (fd(), path(), flags()).prop_map(|(at, path, flags)| Call::OpenAt(at, path, flags, 0o640)),
        2 => fd().prop_map(Call::Close),
        1 => (fd(), len()).prop_map(|(fd, len)| Call::Read(fd, len)),
        1 => (fd(), len(), offset()).prop_map(|(fd, len, at)| Call::Pread(fd, len, at)),
        2 => (fd(), bytes()).prop_map(|(fd, bytes)| Call::Write(fd, bytes)),
        2 => (fd(), bytes(), offset()).prop_map(|(fd, bytes, at)| Call::Pwrite(fd, bytes, at)),
        2 => (fd(), offset(), whence).prop_map(|(fd, at, whence)| Call::Lseek(fd, at, whence)),
        1 => (path(), offset()).prop_map(|(path, size)| Call::Truncate(path, size)),
        1 => (fd(), offset()).prop_map(|(fd, size)| Call::Ftruncate(fd, size)),
        2 => (fd(), mode_of_fallocate, offset(), offset())
            .prop_map(|(fd, mode, at, len)| Call::Fallocate(fd, mode, at, len)),
        1 => fd().prop_map(Call::Fstat),
    ];
    let attributes = prop_oneof![
        2 => path().prop_map(Call::Stat),
        2 => path().prop_map(Call::Lstat),
        1 => (path(), mode()).prop_map(|(path, mode)| Call::Chmod(path, mode)),
        1 => (fd(), mode()).prop_map(|(fd, mode)| Call::Fchmod(fd, mode)),
        1 => (path(), id(), id()).prop_map(|(path, uid, gid)| Call::Chown(path, uid, gid)),
        1 => (path(), id(), id()).prop_map(|(path, uid, gid)| Call::Lchown(path, uid, gid)),
        1 => (0..0o1000u32).prop_map(Call::Umask),
    ];
    prop_oneof![4 => names, 4 => files, 1 => attributes]
}

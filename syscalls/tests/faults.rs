//! Want of memory and of room: the nth allocation of each call fails, for every n; and
//! every limit of pages and inodes.
//!
//! A call that fails must answer ENOMEM or ENOSPC and leave the tree as it was, to the
//! last byte; a write or read may be short instead. Nothing may leak.
//!
//! What this found: open allocated the open file description after it had made or emptied
//! the file, so with O_CREAT or O_TRUNC it could fail and leave its mark.

use std::alloc::{GlobalAlloc, Layout, System as Heap};
use std::cell::Cell;

use anchorite_syscalls::{Errno, Limits, Result, System, api};
use host_fs_sim::worlds::{ROOMY, system};

/// The heap, which counts this thread's bytes and can be told to fail.
struct Failing;

thread_local! {
    static LIVE: Cell<isize> = const { Cell::new(0) };
    /// How many allocations still succeed.
    static LEFT: Cell<usize> = const { Cell::new(usize::MAX) };
}

#[global_allocator]
static ALLOCATOR: Failing = Failing;

impl Failing {
    fn fails() -> bool {
        let left = LEFT.get();
        if left == 0 {
            return true;
        }
        if left != usize::MAX {
            LEFT.set(left - 1);
        }
        false
    }
}

// SAFETY: hands on to the system's heap, or fails as an allocator may.
unsafe impl GlobalAlloc for Failing {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if Failing::fails() {
            return std::ptr::null_mut();
        }
        LIVE.set(LIVE.get() + layout.size() as isize);
        // SAFETY: the caller's promise.
        unsafe { Heap.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        LIVE.set(LIVE.get() - layout.size() as isize);
        // SAFETY: the caller's promise.
        unsafe { Heap.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if Failing::fails() {
            return std::ptr::null_mut();
        }
        LIVE.set(LIVE.get() + size as isize - layout.size() as isize);
        // SAFETY: the caller's promise.
        unsafe { Heap.realloc(block, layout, size) }
    }
}

/// A call of the script; what it returns is the number of bytes, for transfers.
type Op = (&'static str, fn(&System) -> Result<usize>);

macro_rules! script {
    ($($call:ident($($argument:expr),*)),* $(,)?) => {
        &[$((
            concat!(stringify!($call), " ", $(stringify!($argument), " "),*),
            |system| done(system.$call($($argument),*)),
        )),*]
    };
}

trait Done {
    fn bytes(self) -> usize;
}

impl Done for () {
    fn bytes(self) -> usize {
        0
    }
}

impl Done for usize {
    fn bytes(self) -> usize {
        self
    }
}

impl Done for i32 {
    fn bytes(self) -> usize {
        0
    }
}

impl Done for u64 {
    fn bytes(self) -> usize {
        0
    }
}

impl Done for libc::stat {
    fn bytes(self) -> usize {
        0
    }
}

fn done(result: Result<impl Done>) -> Result<usize> {
    result.map(Done::bytes)
}

static BYTES: [u8; 70 * 4096] = [b'x'; 70 * 4096];
const RW: i32 = libc::O_RDWR | libc::O_CREAT;
const NAME: &[u8] = b"/d/a name of more bytes than an entry holds in place";
const TEXT: &[u8] = &[b't'; 200];

/// Every call, over files and directories of all the layouts there are.
const SCRIPT: &[Op] = script![
    mkdir(b"/d", 0o755),
    mkdir(b"/d/e", 0o755),
    mkdir(b"/d/e/f", 0o700),
    open(b"/file", RW, 0o644),
    write(3, b"small"),
    pwrite(3, &BYTES[..100], 50),
    write(3, &BYTES[..5000]),
    pwrite(3, &BYTES, 1 << 13),
    pwrite(3, b"far", 1 << 40),
    pwrite(3, b"near", 1 << 25),
    open(NAME, RW, 0o644),
    write(4, b"text"),
    ftruncate(4, 4096),
    pwrite(4, b"at the end", 4000),
    open(b"/d", libc::O_RDONLY, 0),
    symlink(b"../d", b"/d/l"),
    symlink(TEXT, b"/d/long"),
    link(b"/file", b"/d/l/e/hard"),
    link(NAME, b"/d/l/l/e/another name of more bytes than fit in place"),
    stat(b"/d/l/l/e/f"),
    lstat(b"/d/long"),
    readlink(b"/d/l/long", &mut [0; 300]),
    chdir(b"/d/l/e"),
    getcwd(&mut [0; 300]),
    openat(5, b"l/e/hard", RW, 0),
    pread(6, &mut [0; 9000], 4000),
    getdents64(5, &mut [0; 1000]),
    rename(b"/d/l/e/f", b"/d/l/g"),
    rename(b"/d/l/g", b"/d/e/f"),
    rename(b"hard", b"/file"),
    rename(b"hard", b"/d/a new name of more bytes than an entry holds"),
    rename(NAME, b"/d/a new name of more bytes than an entry holds"),
    truncate(b"/d/l/../file", 100_000),
    chmod(b"/d/l/../file", 0o600),
    chown(b"/file", 1, 1),
    creat(b"/file", 0o600),
    write(7, &BYTES[..10_000]),
    unlink(b"/d/l/long"),
    mkdir(b"f/deep", 0o755),
    rename(b"f/deep", b"/deep"),
    rename(b"/deep", b"f"),
    rmdir(b"f"),
    close(3),
    unlink(b"/file"),
    close(6),
    close(7),
];

/// All that can be seen of the tree: names, attributes but for times, content.
fn dump(system: &System) -> Vec<String> {
    let mut lines = vec![format!("{:?}", cwd(system))];
    visit(system, b"/".to_vec(), &mut lines);
    for fd in 0..20 {
        lines.push(format!("{fd} {:?}", system.fstat(fd).map(|stat| told(&stat))));
        lines.push(format!("{:?}", system.lseek(fd, 0, libc::SEEK_CUR)));
    }
    lines
}

fn cwd(system: &System) -> Result<Vec<u8>> {
    let mut buffer = [0; 4096];
    system.getcwd(&mut buffer).map(|len| buffer[..len].to_vec())
}

fn told(stat: &libc::stat) -> String {
    let libc::stat { st_ino, st_mode, st_nlink, st_size, st_blocks, st_uid, .. } = stat;
    format!("{st_ino} {st_mode:o} {st_nlink} {st_size} {st_blocks} {st_uid}")
}

fn visit(system: &System, path: Vec<u8>, lines: &mut Vec<String>) {
    let stat = system.lstat(&path).unwrap();
    let mut line = format!("{} {}", path.escape_ascii(), told(&stat));
    let mut buffer = vec![0; 300_000];
    match stat.st_mode & libc::S_IFMT {
        libc::S_IFLNK => {
            let len = system.readlink(&path, &mut buffer).unwrap();
            line += &buffer[..len].escape_ascii().to_string();
            lines.push(line);
        }
        libc::S_IFREG => {
            let fd = system.open(&path, libc::O_RDONLY, 0).unwrap();
            for at in [0, 1 << 25, 1 << 40] {
                let len = system.pread(fd, &mut buffer, at).unwrap();
                let runs = buffer[..len].chunk_by(|a, b| a == b);
                line += &format!(" {:?}", runs.map(|run| (run.len(), run[0])).collect::<Vec<_>>());
            }
            system.close(fd).unwrap();
            lines.push(line);
        }
        _ => {
            lines.push(line);
            let fd = system.open(&path, libc::O_RDONLY, 0).unwrap();
            let len = system.getdents64(fd, &mut buffer).unwrap();
            system.close(fd).unwrap();
            let mut at = 0;
            let mut names = Vec::new();
            while at < len {
                let next = usize::from(u16::from_ne_bytes([buffer[at + 16], buffer[at + 17]]));
                let name = buffer[at + 19..at + next].split(|&byte| byte == 0).next().unwrap();
                names.push(name.to_vec());
                at += next;
            }
            for name in names.iter().filter(|name| !matches!(&name[..], b"." | b"..")) {
                let slash: &[u8] = if path == b"/" { b"" } else { b"/" };
                visit(system, [&path, slash, name].concat(), lines);
            }
        }
    }
}

fn run(system: &System, script: &[Op]) {
    for (name, op) in script {
        op(system).unwrap_or_else(|errno| panic!("{name}: {errno:?}"));
    }
}

#[test]
fn nth_allocation_fails_and_the_tree_is_as_it_was() {
    let mut failures = 0;
    for at in 0..SCRIPT.len() {
        let (name, op) = SCRIPT[at];
        for nth in 0.. {
            let live = LIVE.get();
            let failed = {
                let system = system(ROOMY);
                run(&system, &SCRIPT[..at]);
                let before = dump(&system);
                let used = system.usage();
                LEFT.set(nth);
                let result = op(&system);
                let failed = LEFT.replace(usize::MAX) == 0;
                match result {
                    Err(errno) => {
                        assert!(failed, "{name}: {errno:?} without a failure");
                        assert_eq!(errno, Errno::ENOMEM, "{name}, allocation {nth}");
                        assert_eq!(dump(&system), before, "{name}, allocation {nth}");
                        assert_eq!(system.usage(), used, "{name}, allocation {nth}");
                        // With memory again, all goes on.
                        run(&system, &SCRIPT[at..]);
                    }
                    Ok(_) if name.contains("write") => {
                        // A short write: the same bytes again end as if it had been whole.
                    }
                    Ok(_) => run(&system, &SCRIPT[at + 1..]),
                }
                failed
            };
            assert_eq!(LIVE.get(), live, "{name}, allocation {nth}: bytes leaked");
            failures += usize::from(failed);
            if !failed {
                break;
            }
        }
    }
    assert!(failures > 100, "{failures} failures were met");
}

#[test]
fn short_write_for_want_of_memory_wrote_what_it_says() {
    for offset in [0usize, 100, 4096, 64 * 4096 - 10] {
        for nth in 0..200 {
            let system = system(ROOMY);
            let fd = system.open(b"/f", RW, 0o644).unwrap();
            system.pwrite(fd, b"y", offset as i64).unwrap();
            LEFT.set(nth);
            let result = system.pwrite(fd, &BYTES, offset as i64);
            let failed = LEFT.replace(usize::MAX) == 0;
            let written = result.unwrap_or(0);
            assert!(failed || written == BYTES.len());
            let mut buffer = vec![0; BYTES.len() + 10];
            let len = system.pread(fd, &mut buffer, offset as i64).unwrap();
            assert_eq!(len, written.max(1), "offset {offset}, allocation {nth}");
            let expected = if written == 0 { b'y' } else { b'x' };
            assert!(buffer[..len].iter().all(|&byte| byte == expected));
        }
    }
}

#[test]
fn new_system_without_memory_is_enomem() {
    for nth in 0.. {
        let platform = std::sync::Arc::new(host_fs_sim::worlds::TestPlatform::new(Vec::new()));
        let live = LIVE.get();
        LEFT.set(nth);
        let made = System::new(platform.clone(), ROOMY);
        LEFT.set(usize::MAX);
        let error = made.err();
        assert_eq!(LIVE.get(), live, "bytes leaked");
        match error {
            Some(errno) => assert_eq!(errno, Errno::ENOMEM),
            None => break,
        }
    }
}

/// The API's own allocations, beside those of the calls under it: it keeps no descriptor.
#[test]
fn nth_allocation_fails_and_the_api_says_enomem_and_leaks_nothing() {
    type Step = (&'static str, fn(&System) -> Result<()>);
    const STEPS: &[Step] = &[
        ("read", |sys| api::read(sys, "d/file").map(drop)),
        ("read_to_string", |sys| api::read_to_string(sys, "d/file").map(drop)),
        ("read_link", |sys| api::read_link(sys, "d/link").map(drop)),
        ("current_dir", |sys| api::current_dir(sys).map(drop)),
        ("copy", |sys| api::copy(sys, "d/file", "copy").map(drop)),
        ("create_dir_all", |sys| api::create_dir_all(sys, "p/q/r")),
        ("remove_dir_all", |sys| api::remove_dir_all(sys, "d")),
        ("read_dir", |sys| {
            api::read_dir(sys, "d")?.try_for_each(|entry| entry?.path_in("d").map(drop))
        }),
    ];
    for (name, step) in STEPS {
        for nth in 0.. {
            let live = LIVE.get();
            let failed = {
                let system = system(ROOMY);
                api::create_dir_all(&system, "d/e/f/g").unwrap();
                api::write(&system, "d/file", BYTES).unwrap();
                api::symlink(&system, "file", "d/link").unwrap();
                LEFT.set(nth);
                let result = step(&system);
                let failed = LEFT.replace(usize::MAX) == 0;
                match result {
                    Err(errno) => assert_eq!(errno, Errno::ENOMEM, "{name}, allocation {nth}"),
                    Ok(()) => assert!(nth > 0, "{name} allocates nothing"),
                }
                assert!(failed || result.is_ok(), "{name}: {result:?} without a failure");
                assert_eq!(system.dup(0), Ok(3), "{name}, allocation {nth}: still open");
                failed
            };
            assert_eq!(LIVE.get(), live, "{name}, allocation {nth}: bytes leaked");
            if !failed {
                break;
            }
        }
    }
}

/// A call of the script that does not find room leaves all as it was; and what found room
/// is given back when everything is removed.
fn sweep(limits: Limits) {
    let live = LIVE.get();
    {
        let system = system(limits);
        for (name, op) in SCRIPT {
            let before = dump(&system);
            match op(&system) {
                Ok(_) => {}
                Err(Errno::ENOSPC) => assert_eq!(dump(&system), before, "{name} {limits:?}"),
                // What an earlier call did not make is missing here.
                Err(Errno::ENOENT | Errno::EBADF | Errno::EINVAL | Errno::EISDIR) => {}
                Err(Errno::ENOTDIR | Errno::ENOTEMPTY) => {}
                Err(errno) => panic!("{name}: {errno:?} with {limits:?}"),
            }
            let used = system.usage();
            assert!(used.pages * 4096 <= limits.size_bytes && used.inodes <= limits.inodes);
        }
        clear(&system);
        let used = system.usage();
        assert_eq!((used.pages, used.inodes), (0, 1), "{limits:?}");
    }
    assert_eq!(LIVE.get(), live, "{limits:?}: bytes leaked");
}

fn clear(system: &System) {
    for fd in 3..20 {
        let _ = system.close(fd);
    }
    system.chdir(b"/").unwrap();
    let mut lines = Vec::new();
    visit(system, b"/".to_vec(), &mut lines);
    for line in lines.iter().skip(1).rev() {
        // Paths of the script with spaces in them: the attributes start with the number.
        let words: Vec<&str> = line.split(' ').collect();
        let end = (1..words.len()).find(|&at| words[at].parse::<u64>().is_ok()).unwrap();
        let path = words[..end].join(" ");
        let removed = system.unlink(path.as_bytes());
        removed.or_else(|_| system.rmdir(path.as_bytes())).unwrap();
    }
}

#[test]
fn every_limit_of_pages_leaves_the_tree_as_it_was() {
    for pages in (0..8).chain((8..90).step_by(9)) {
        sweep(Limits { size_bytes: pages * 4096, inodes: 1 << 40 });
        sweep(Limits { size_bytes: pages * 4096 + 4095, inodes: 1 << 40 });
    }
}

#[test]
fn every_limit_of_inodes_leaves_the_tree_as_it_was() {
    for inodes in 1..14 {
        sweep(Limits { size_bytes: 1 << 40, inodes });
    }
}

#[test]
fn write_that_partly_fits_returns_what_fitted() {
    for pages in 1..8u64 {
        for offset in [0usize, 1, 4095, 4096, 5000] {
            let system = system(Limits { size_bytes: pages * 4096, inodes: 10 });
            let fd = system.open(b"/f", RW, 0o644).unwrap();
            let first = offset / 4096 * 4096;
            let fits = first + pages as usize * 4096 - offset;
            assert_eq!(system.pwrite(fd, &BYTES, offset as i64), Ok(fits));
            assert_eq!(system.fstat(fd).unwrap().st_size as usize, offset + fits);
            let next = (offset + fits) as i64;
            assert_eq!(system.pwrite(fd, b"x", next), Err(Errno::ENOSPC));
            assert_eq!(system.pwrite(fd, b"x", next - 1), Ok(1), "no more room is needed");
            system.ftruncate(fd, 0).unwrap();
            assert_eq!(system.usage().pages, 0);
        }
    }
}

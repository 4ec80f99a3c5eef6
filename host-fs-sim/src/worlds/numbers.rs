//! [`Numbers`]: whoever does calls by Linux's numbers, as a world of rows.

use std::mem::offset_of;

use anchorite_programs::posix::methods::{ended_by_nul, entries, events};
use anchorite_programs::posix::script::{Reply, Statement, Value, World};
use anchorite_syscalls::Errno;

/// Calls by Linux's numbers, with pointers to memory that is made for each call.
pub struct Numbers<'a> {
    /// Does the call of this number; returns its value, or an error's number below zero.
    pub syscall: &'a dyn Fn(i64, [u64; 6]) -> i64,
}

/// The names of all calls that [`Numbers`] knows.
pub fn names() -> impl Iterator<Item = &'static str> {
    CALLS.iter().map(|(name, ..)| *name)
}

/// What the call of this name wants for arguments, a letter each: see `CALLS`, without what
/// is not given. None if there is no such call.
pub fn arguments_of(name: &str) -> Option<impl Iterator<Item = char>> {
    let (_, _, letters, _) = CALLS.iter().find(|(known, ..)| *known == name)?;
    Some(letters.chars().filter(|letter| *letter != 'o' && !letter.is_ascii_digit()))
}

/// What comes back from a call beside its value.
#[derive(Clone, Copy)]
enum Out {
    Nothing,
    Bytes,
    /// Bytes; or how many they would be, where there is no room.
    Value,
    /// Names that end in NUL; or how many bytes they would be, where there is no room.
    Names,
    Old,
    New,
    Stat,
    Statx,
    Statfs,
    Space,
    Numbers,
    Ids,
    Pair,
    Ends,
    Polled,
    /// What F_GETLK tells of a lock.
    Lock,
    /// Events of inotify.
    Events,
}

/// Name, number, what the arguments become, what comes back. Each letter takes an argument:
/// `w` a word, `s` a string, `d` bytes and their length, `r` room and its length, `a` an
/// array of words, `v` an array of buffers and its length, `i` an array of ids after its
/// length, `g` room for that many ids after it, `p` an array of descriptors and events and its
/// length, `t` an array of words of which nothing comes back, `l` a `struct flock` as an array of its
/// five; but for `o`, room for what comes back, and
/// digits, which are themselves.
#[rustfmt::skip]
const CALLS: &[(&str, i64, &str, Out)] = {
    use Out::{
        Bytes, Ends, Events, Ids, Lock, Names, New, Nothing, Old, Pair, Polled, Space, Stat, Statfs, Statx,
        Value,
    };
    use libc::*;
    const NUMBERS: Out = Out::Numbers;
    &[
        ("open", SYS_open, "sww", Nothing), ("openat", SYS_openat, "wsww", Nothing),
        ("creat", SYS_creat, "sw", Nothing), ("close", SYS_close, "w", Nothing),
        ("close_range", SYS_close_range, "www", Nothing), ("dup", SYS_dup, "w", Nothing),
        ("dup2", SYS_dup2, "ww", Nothing), ("dup3", SYS_dup3, "www", Nothing),
        ("pipe", SYS_pipe, "o", Ends), ("pipe2", SYS_pipe2, "ow", Ends),
        ("poll", SYS_poll, "pw", Polled), ("ppoll", SYS_ppoll, "pt00", Polled),
        ("select", SYS_select, "waaat", NUMBERS), ("pselect6", SYS_pselect6, "waaat0", NUMBERS),
        ("inotify_init", SYS_inotify_init, "", Nothing),
        ("inotify_init1", SYS_inotify_init1, "w", Nothing),
        ("inotify_add_watch", SYS_inotify_add_watch, "wsw", Nothing),
        ("inotify_rm_watch", SYS_inotify_rm_watch, "ww", Nothing),
        ("read_events", SYS_read, "wr", Events), ("ioctl", SYS_ioctl, "wwa", NUMBERS),
        ("fcntl", SYS_fcntl, "www", Nothing), ("flock", SYS_flock, "ww", Nothing),
        ("fcntl_setlk", SYS_fcntl, "wwl", Nothing), ("fcntl_getlk", SYS_fcntl, "wwl", Lock),
        ("read", SYS_read, "wr", Bytes),
        ("pread64", SYS_pread64, "wrw", Bytes), ("write", SYS_write, "wd", Nothing),
        ("pwrite64", SYS_pwrite64, "wdw", Nothing), ("readv", SYS_readv, "wv", Bytes),
        ("writev", SYS_writev, "wv", Nothing), ("preadv", SYS_preadv, "wvw", Bytes),
        ("pwritev", SYS_pwritev, "wvw", Nothing), ("preadv2", SYS_preadv2, "wvw0w", Bytes),
        ("pwritev2", SYS_pwritev2, "wvw0w", Nothing), ("lseek", SYS_lseek, "www", Nothing),
        ("truncate", SYS_truncate, "sw", Nothing), ("ftruncate", SYS_ftruncate, "ww", Nothing),
        ("fallocate", SYS_fallocate, "wwww", Nothing),
        ("copy_file_range", SYS_copy_file_range, "wawaww", NUMBERS),
        ("sendfile", SYS_sendfile, "wwaw", NUMBERS), ("fadvise64", SYS_fadvise64, "wwww", Nothing),
        ("readahead", SYS_readahead, "www", Nothing), ("fsync", SYS_fsync, "w", Nothing),
        ("fdatasync", SYS_fdatasync, "w", Nothing), ("sync", SYS_sync, "", Nothing),
        ("syncfs", SYS_syncfs, "w", Nothing), ("mkdir", SYS_mkdir, "sw", Nothing),
        ("mkdirat", SYS_mkdirat, "wsw", Nothing), ("mknod", SYS_mknod, "sww", Nothing),
        ("mknodat", SYS_mknodat, "wsww", Nothing), ("rmdir", SYS_rmdir, "s", Nothing),
        ("unlink", SYS_unlink, "s", Nothing), ("unlinkat", SYS_unlinkat, "wsw", Nothing),
        ("link", SYS_link, "ss", Nothing), ("linkat", SYS_linkat, "wswsw", Nothing),
        ("symlink", SYS_symlink, "ss", Nothing), ("symlinkat", SYS_symlinkat, "sws", Nothing),
        ("readlink", SYS_readlink, "sr", Bytes), ("readlinkat", SYS_readlinkat, "wsr", Bytes),
        ("rename", SYS_rename, "ss", Nothing), ("renameat", SYS_renameat, "wsws", Nothing),
        ("renameat2", SYS_renameat2, "wswsw", Nothing), ("chdir", SYS_chdir, "s", Nothing),
        ("mount", SYS_mount, "sssws", Nothing), ("umount2", SYS_umount2, "sw", Nothing),
        ("chroot", SYS_chroot, "s", Nothing), ("statvfs", SYS_statfs, "so", Space),
        ("fchdir", SYS_fchdir, "w", Nothing), ("getcwd", SYS_getcwd, "r", Bytes),
        ("getdents", SYS_getdents, "wr", Old), ("getdents64", SYS_getdents64, "wr", New),
        ("stat", SYS_stat, "so", Stat), ("lstat", SYS_lstat, "so", Stat),
        ("fstat", SYS_fstat, "wo", Stat), ("newfstatat", SYS_newfstatat, "wsow", Stat),
        ("statx", SYS_statx, "wswwo", Statx), ("access", SYS_access, "sw", Nothing),
        ("faccessat", SYS_faccessat, "wsw", Nothing), ("faccessat2", SYS_faccessat2, "wsww", Nothing),
        ("chmod", SYS_chmod, "sw", Nothing), ("fchmod", SYS_fchmod, "ww", Nothing),
        ("fchmodat", SYS_fchmodat, "wsw", Nothing), ("fchmodat2", SYS_fchmodat2, "wsww", Nothing),
        ("chown", SYS_chown, "sww", Nothing), ("lchown", SYS_lchown, "sww", Nothing),
        ("fchown", SYS_fchown, "www", Nothing), ("fchownat", SYS_fchownat, "wswww", Nothing),
        ("umask", SYS_umask, "w", Nothing), ("statfs", SYS_statfs, "so", Statfs),
        ("fstatfs", SYS_fstatfs, "wo", Statfs), ("utimensat", SYS_utimensat, "wsaw", Nothing),
        ("futimens", SYS_utimensat, "w0a0", Nothing), ("utimes", SYS_utimes, "sa", Nothing),
        ("futimesat", SYS_futimesat, "wsa", Nothing), ("utime", SYS_utime, "sa", Nothing),
        ("setxattr", SYS_setxattr, "ssdw", Nothing), ("lsetxattr", SYS_lsetxattr, "ssdw", Nothing),
        ("fsetxattr", SYS_fsetxattr, "wsdw", Nothing), ("getxattr", SYS_getxattr, "ssr", Value),
        ("lgetxattr", SYS_lgetxattr, "ssr", Value), ("fgetxattr", SYS_fgetxattr, "wsr", Value),
        ("listxattr", SYS_listxattr, "sr", Names), ("llistxattr", SYS_llistxattr, "sr", Names),
        ("flistxattr", SYS_flistxattr, "wr", Names), ("removexattr", SYS_removexattr, "ss", Nothing),
        ("lremovexattr", SYS_lremovexattr, "ss", Nothing),
        ("fremovexattr", SYS_fremovexattr, "ws", Nothing),
        ("sched_yield", SYS_sched_yield, "", Nothing), ("clock_gettime", SYS_clock_gettime, "wo", Pair),
        ("getrlimit", SYS_getrlimit, "wo", Pair), ("setrlimit", SYS_setrlimit, "wa", Nothing),
        ("prlimit64", SYS_prlimit64, "wwao", Pair),
        ("getuid", SYS_getuid, "", Nothing), ("geteuid", SYS_geteuid, "", Nothing),
        ("getgid", SYS_getgid, "", Nothing), ("getegid", SYS_getegid, "", Nothing),
        ("getresuid", SYS_getresuid, "ooo", Ids), ("getresgid", SYS_getresgid, "ooo", Ids),
        ("setuid", SYS_setuid, "w", Nothing), ("setgid", SYS_setgid, "w", Nothing),
        ("setreuid", SYS_setreuid, "ww", Nothing), ("setregid", SYS_setregid, "ww", Nothing),
        ("setresuid", SYS_setresuid, "www", Nothing), ("setresgid", SYS_setresgid, "www", Nothing),
        ("setfsuid", SYS_setfsuid, "w", Nothing), ("setfsgid", SYS_setfsgid, "w", Nothing),
        ("setgroups", SYS_setgroups, "i", Nothing), ("getgroups", SYS_getgroups, "g", Ids),
    ]
};

/// Where the fields of a `struct flock` are, and their lengths.
const LOCK: [(usize, usize); 5] = [
    (offset_of!(libc::flock, l_type), 2),
    (offset_of!(libc::flock, l_whence), 2),
    (offset_of!(libc::flock, l_start), 8),
    (offset_of!(libc::flock, l_len), 8),
    (offset_of!(libc::flock, l_pid), 4),
];

/// Whether there is such a call, and the arguments are what it wants.
///
/// # Errors
/// A sentence about what it wants.
pub fn check(statement: &Statement) -> Result<(), String> {
    let fits = |letter: char, value: &Value| match (letter, value) {
        ('w', Value::Word(_)) | ('g', Value::Word(..=65536)) => true,
        ('s' | 'd', Value::Text(_)) | ('s' | 'a', Value::Null) | ('r', Value::Room(_)) => true,
        ('p', Value::List(list)) if list.len() % 2 == 1 => false,
        ('t' | 'l', Value::Null) => true,
        ('l', Value::List(list)) if list.len() != LOCK.len() => false,
        ('a' | 'i' | 'p' | 't' | 'l', Value::List(list)) => {
            list.iter().all(|one| matches!(one, Value::Word(_)))
        }
        ('v', Value::List(list)) => {
            list.iter().all(|one| matches!(one, Value::Room(_) | Value::Text(_)))
        }
        _ => false,
    };
    let name = &statement.name;
    let wanted: Vec<char> = match &**name {
        "stamp" => vec!['s'],
        "list" => vec!['w', 'r'],
        name => arguments_of(name).ok_or_else(|| format!("there is no call `{name}`"))?.collect(),
    };
    let given = &statement.arguments;
    let fit = given.len() == wanted.len()
        && wanted.iter().zip(given).all(|(letter, value)| fits(*letter, value));
    if fit && statement.watched.iter().all(|path| matches!(path, Value::Text(_))) {
        return Ok(());
    }
    let told = wanted.iter().map(|letter| match letter {
        'w' => "a number",
        'g' => "a number up to 65536",
        's' => "a string",
        'd' => "a string of data",
        'r' => "room",
        'p' => "an array of pairs of numbers",
        'a' | 't' => "an array of numbers or NULL",
        'i' => "an array of numbers",
        'l' => "type, whence, start, length and process of a lock, or NULL",
        _ => "an array of buffers",
    });
    let told: Vec<&str> = told.collect();
    Err(format!("`{name}` wants {} arguments: {}", told.len(), told.join(", ")))
}

impl World for Numbers<'_> {
    fn call(&mut self, name: &str, arguments: &[Value]) -> Option<Reply> {
        let (_, number, letters, out) = CALLS.iter().find(|(known, ..)| *known == name)?;
        let mut given = arguments.iter();
        let mut memory = Memory(Vec::new());
        let mut words = Vec::new();
        // What the call may write to.
        let mut rooms = Vec::new();
        for letter in letters.chars() {
            if letter == 'o' {
                rooms.push(memory.0.len());
                words.push(memory.put(vec![0; 512]));
                continue;
            } else if let Some(digit) = letter.to_digit(10) {
                words.push(digit.into());
                continue;
            }
            match (letter, given.next().unwrap_or_else(|| panic!("{name} wants more"))) {
                ('w', Value::Word(word)) => words.push(*word as u64),
                ('s' | 'a' | 't' | 'l', Value::Null) => words.push(0),
                ('l', Value::List(list)) => {
                    let mut lock = vec![0; size_of::<libc::flock>()];
                    for (word, (at, len)) in list.iter().zip(LOCK) {
                        lock[at..at + len].copy_from_slice(&long(word).to_ne_bytes()[..len]);
                    }
                    rooms.push(memory.0.len());
                    words.push(memory.put(lock));
                }
                ('t', Value::List(list)) => {
                    let bytes = list.iter().flat_map(|word| long(word).to_ne_bytes());
                    words.push(memory.put(bytes.collect()));
                }
                ('p', Value::List(list)) => {
                    let file = |pair: &[Value]| {
                        let (fd, events) = (long(&pair[0]) as u32, long(&pair[1]) as u16);
                        (u64::from(events) << 32 | u64::from(fd)).to_ne_bytes()
                    };
                    rooms.push(memory.0.len());
                    words.push(memory.put(list.chunks_exact(2).flat_map(file).collect()));
                    words.push(list.len() as u64 / 2);
                }
                ('v', Value::Null) => words.extend([0, 1]),
                ('s', Value::Text(text)) => words.push(memory.put([text, &[0][..]].concat())),
                ('d', Value::Text(text)) => {
                    words.extend([memory.put(text.clone()), text.len() as u64]);
                }
                ('r', Value::Room(len)) => {
                    rooms.push(memory.0.len());
                    words.extend([memory.put(vec![0xaa; *len]), *len as u64]);
                }
                ('a', Value::List(list)) => {
                    rooms.push(memory.0.len());
                    words.push(
                        memory.put(list.iter().flat_map(|word| long(word).to_ne_bytes()).collect()),
                    );
                }
                ('v', Value::List(list)) => {
                    let mut vector = Vec::new();
                    for buffer in list {
                        let (bytes, len) = match buffer {
                            Value::Room(len) => (vec![0xaa; *len], *len),
                            Value::Text(text) => (text.clone(), text.len()),
                            other => panic!("{other:?} is no buffer"),
                        };
                        rooms.push(memory.0.len());
                        vector.extend(memory.put(bytes).to_ne_bytes());
                        vector.extend((len as u64).to_ne_bytes());
                    }
                    words.extend([memory.put(vector), list.len() as u64]);
                }
                ('i', Value::List(list)) => {
                    let ids = list.iter().flat_map(|id| (long(id) as u32).to_ne_bytes()).collect();
                    words.extend([list.len() as u64, memory.put(ids)]);
                }
                ('g', Value::Word(count)) => {
                    rooms.push(memory.0.len());
                    words
                        .extend([*count as u64, memory.put(vec![0; 4 * (*count).max(0) as usize])]);
                }
                (letter, other) => panic!("{name}: {other:?} is not for {letter}"),
            }
        }
        assert_eq!(given.next(), None, "{name} wants no more");
        let mut six = [0; 6];
        six[..words.len()].copy_from_slice(&words);
        let value = (self.syscall)(*number, six);
        if (-4095..0).contains(&value) {
            return Some(Reply::Failed(Errno::from_raw(-value as i32)));
        }
        let rooms: Vec<&[u8]> = rooms.iter().map(|at| &*memory.0[*at]).collect();
        let mut reply = reply(*out, value, &rooms);
        if let (Out::Lock, Reply::Numbers(_, lock)) = (out, &mut reply) {
            // Whatever number this process has.
            let own = (self.syscall)(libc::SYS_getpid, [0; 6]);
            lock.iter_mut().skip(4).filter(|pid| **pid == own).for_each(|pid| *pid = 1);
        }
        Some(reply)
    }
}

/// What a call wrote.
fn reply(out: Out, value: i64, rooms: &[&[u8]]) -> Reply {
    let all = rooms.concat();
    let word = |at: usize| i64::from_ne_bytes(all[at..at + 8].try_into().unwrap());
    let half = |at: usize| u32::from_ne_bytes(all[at..at + 4].try_into().unwrap());
    let ids = |ids: &mut dyn Iterator<Item = usize>| ids.map(|at| half(at).into()).collect();
    match out {
        Out::Nothing => Reply::Done(value),
        Out::Bytes => Reply::Data(all[..value as usize].to_vec()),
        Out::Value | Out::Names if all.is_empty() => Reply::Done(value),
        Out::Value => Reply::Data(all[..value as usize].to_vec()),
        Out::Names => Reply::Names(ended_by_nul(&all[..value as usize])),
        Out::New => Reply::Entries(entries(&all[..value as usize])),
        Out::Old => Reply::Entries(old_entries(&all[..value as usize])),
        // SAFETY: the bytes are a `struct stat`, all of integers.
        Out::Stat => Reply::Stat(unsafe { all.as_ptr().cast::<libc::stat>().read_unaligned() }),
        Out::Statx => {
            // SAFETY: the bytes are a `struct statx`, all of integers.
            let statx = unsafe { all.as_ptr().cast::<libc::statx>().read_unaligned() };
            // SAFETY: all of integers.
            let mut stat: libc::stat = unsafe { std::mem::zeroed() };
            (stat.st_mode, stat.st_nlink) = (statx.stx_mode.into(), statx.stx_nlink.into());
            (stat.st_uid, stat.st_gid) = (statx.stx_uid, statx.stx_gid);
            (stat.st_size, stat.st_blocks) = (statx.stx_size as i64, statx.stx_blocks as i64);
            (stat.st_ino, stat.st_blksize) = (statx.stx_ino, statx.stx_blksize.into());
            stat.st_dev = libc::makedev(statx.stx_dev_major, statx.stx_dev_minor);
            stat.st_rdev = libc::makedev(statx.stx_rdev_major, statx.stx_rdev_minor);
            let time = |time: libc::statx_timestamp| (time.tv_sec, time.tv_nsec.into());
            (stat.st_atime, stat.st_atime_nsec) = time(statx.stx_atime);
            (stat.st_mtime, stat.st_mtime_nsec) = time(statx.stx_mtime);
            (stat.st_ctime, stat.st_ctime_nsec) = time(statx.stx_ctime);
            Reply::Stat(stat)
        }
        // Type, size of a block, longest name.
        Out::Statfs => Reply::Numbers(value, vec![word(0), word(8), word(64)]),
        // Flags; blocks and how many are free; inodes and how many are free.
        Out::Space => Reply::Numbers(value, [80, 16, 24, 40, 48].map(word).to_vec()),
        Out::Numbers => Reply::Numbers(value, (0..all.len() / 8).map(|at| word(8 * at)).collect()),
        Out::Ids if rooms.len() == 3 => Reply::Numbers(value, ids(&mut [0, 512, 1024].into_iter())),
        Out::Ids => {
            let count = if all.is_empty() { 0 } else { value as usize };
            Reply::Numbers(value, ids(&mut (0..count).map(|at| 4 * at)))
        }
        Out::Polled => {
            let told =
                all.chunks_exact(8).map(|file| i16::from_ne_bytes([file[6], file[7]]).into());
            Reply::Numbers(value, told.collect())
        }
        Out::Lock => {
            let field = |(at, len): (usize, usize)| {
                let mut word = [0; 8];
                word[8 - len..].copy_from_slice(&all[at..at + len]);
                // With its sign: what is shorter is the upper end of a word.
                i64::from_ne_bytes(word) >> (64 - 8 * len)
            };
            Reply::Numbers(value, LOCK.map(field).to_vec())
        }
        Out::Events => Reply::Told(events(&all[..value as usize])),
        Out::Ends => Reply::Numbers(value, ids(&mut [0, 4].into_iter())),
        Out::Pair => {
            let pair = rooms.last().map_or(&[][..], |room| &room[..16]);
            let words = pair.chunks_exact(8);
            let word = |word: &[u8]| i64::from_ne_bytes(word.try_into().expect("eight bytes"));
            Reply::Numbers(value, words.map(word).collect())
        }
    }
}

fn old_entries(mut records: &[u8]) -> Vec<(Vec<u8>, u8)> {
    let mut entries = Vec::new();
    while !records.is_empty() {
        let len = usize::from(u16::from_ne_bytes([records[16], records[17]]));
        let name = records[18..len].split(|&byte| byte == 0).next().unwrap();
        entries.push((name.to_vec(), records[len - 1]));
        records = &records[len..];
    }
    entries
}

fn long(value: &Value) -> i64 {
    match value {
        Value::Word(word) => *word,
        other => panic!("{other:?} is no number"),
    }
}

/// What a call's pointers lead to.
struct Memory(Vec<Box<[u8]>>);

impl Memory {
    /// Keeps `bytes`; returns their address.
    fn put(&mut self, bytes: Vec<u8>) -> u64 {
        let mut bytes = bytes.into_boxed_slice();
        let address = bytes.as_mut_ptr().expose_provenance();
        self.0.push(bytes);
        address as u64
    }
}

//! [`Methods`]: the system, called by its methods, as a world of rows.

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt::Write;

use anchorite_syscalls::{Errno, System};

use super::constants::event_names;
use super::script::{Reply, Value, World};

/// The system's methods.
pub struct Methods<'a>(pub &'a System);

impl World for Methods<'_> {
    fn call(&mut self, name: &str, arguments: &[Value]) -> Option<Reply> {
        let result = by_method(self.0, name, Arguments(arguments))?;
        Some(result.unwrap_or_else(Reply::Failed))
    }
}

struct Arguments<'a>(&'a [Value]);

impl<'a> Arguments<'a> {
    fn long(&self, at: usize) -> i64 {
        match self.0.get(at) {
            Some(Value::Word(word)) => *word,
            other => panic!("argument {at} is {other:?}, no number"),
        }
    }

    fn int(&self, at: usize) -> i32 {
        self.long(at) as i32
    }

    fn id(&self, at: usize) -> u32 {
        self.long(at) as u32
    }

    fn text(&self, at: usize) -> &'a [u8] {
        match self.0.get(at) {
            Some(Value::Text(text)) => text,
            other => panic!("argument {at} is {other:?}, no text"),
        }
    }

    /// A text that may be missing.
    fn path(&self, at: usize) -> Option<&'a [u8]> {
        match self.0.get(at) {
            Some(Value::Null) => None,
            _ => Some(self.text(at)),
        }
    }

    fn room(&self, at: usize) -> Vec<u8> {
        match self.0.get(at) {
            Some(Value::Room(len)) => vec![0xaa; *len],
            other => panic!("argument {at} is {other:?}, no room"),
        }
    }

    fn list(&self, at: usize) -> Option<&'a [Value]> {
        match self.0.get(at) {
            Some(Value::List(list)) => Some(list),
            Some(Value::Null) => None,
            other => panic!("argument {at} is {other:?}, no list"),
        }
    }

    fn numbers(&self, at: usize) -> Option<Vec<i64>> {
        let list = Arguments(self.list(at)?);
        Some((0..list.0.len()).map(|at| list.long(at)).collect())
    }

    fn times(&self, at: usize) -> Option<[libc::timespec; 2]> {
        let numbers = self.numbers(at)?;
        let time = |at: usize| libc::timespec { tv_sec: numbers[at], tv_nsec: numbers[at + 1] };
        Some([time(0), time(2)])
    }
}

type Told = Result<Reply, Errno>;

fn by_method(sys: &System, name: &str, given: Arguments<'_>) -> Option<Told> {
    let done = |result: Result<(), Errno>| result.map(|()| Reply::Done(0));
    let fd = |result: Result<i32, Errno>| result.map(|fd| Reply::Done(fd.into()));
    let len = |result: Result<usize, Errno>| result.map(|len| Reply::Done(len as i64));
    let stat = |result: Result<libc::stat, Errno>| result.map(Reply::Stat);
    let id = |id: u32| Ok(Reply::Done(id.into()));
    let three = |ids: [u32; 3]| Ok(Reply::Numbers(0, ids.map(i64::from).to_vec()));
    let (long, int) = (|at| given.long(at), |at| given.int(at));
    let (word, text) = (|at| given.id(at), |at| given.text(at));
    Some(match name {
        "open" => fd(sys.open(text(0), int(1), word(2))),
        "openat" => fd(sys.openat(int(0), text(1), int(2), word(3))),
        "creat" => fd(sys.creat(text(0), word(1))),
        "close" => done(sys.close(int(0))),
        "close_range" => done(sys.close_range(word(0), word(1), word(2))),
        "dup" => fd(sys.dup(int(0))),
        "dup2" => fd(sys.dup2(int(0), int(1))),
        "dup3" => fd(sys.dup3(int(0), int(1), int(2))),
        "pipe" => sys.pipe().map(both),
        "pipe2" => sys.pipe2(int(0)).map(both),
        "poll" => polled(&given, |files| sys.poll(files, int(1))),
        "ppoll" => {
            let timeout = given.numbers(1).map(time_of);
            polled(&given, |files| sys.ppoll(files, timeout))
        }
        "select" => {
            let timeout = given.numbers(4).map(time_of);
            let timeout =
                timeout.map(|time| libc::timespec { tv_nsec: time.tv_nsec * 1000, ..time });
            selected(&given, |sets| sys.select(int(0), sets, timeout))
        }
        "pselect6" => {
            let timeout = given.numbers(4).map(time_of);
            selected(&given, |sets| sys.pselect(int(0), sets, timeout))
        }
        "inotify_init" => fd(sys.inotify_init()),
        "inotify_init1" => fd(sys.inotify_init1(int(0))),
        "inotify_add_watch" => fd(sys.inotify_add_watch(int(0), text(1), word(2))),
        "inotify_rm_watch" => done(sys.inotify_rm_watch(int(0), int(1))),
        "read_events" => {
            filled(given.room(1), |room| sys.read(int(0), room)).map(|told| match told {
                Reply::Data(bytes) => Reply::Told(events(&bytes)),
                other => other,
            })
        }
        "ioctl" if long(1) == libc::FIONREAD as i64 => {
            sys.bytes_to_read(int(0)).map(|bytes| Reply::Numbers(0, vec![bytes.into()]))
        }
        "fcntl" => fd(sys.fcntl(int(0), int(1), long(2) as u64)),
        "flock" => done(sys.flock(int(0), int(1))),
        "fcntl_setlk" => locked(sys, &given).map(|_| Reply::Done(0)),
        "fcntl_getlk" => locked(sys, &given).map(|lock| Reply::Numbers(0, lock)),
        "read" => filled(given.room(1), |room| sys.read(int(0), room)),
        "pread64" => filled(given.room(1), |room| sys.pread(int(0), room, long(2))),
        "write" => len(sys.write(int(0), text(1))),
        "pwrite64" => len(sys.pwrite(int(0), text(1), long(2))),
        "readv" => readv(sys, &given),
        "writev" => {
            let list = Arguments(given.list(1).unwrap_or_default());
            let buffers: Vec<&[u8]> = (0..list.0.len()).map(|at| list.text(at)).collect();
            len(sys.writev(int(0), &buffers))
        }
        "lseek" => sys.lseek(int(0), long(1), int(2)).map(|at| Reply::Done(at as i64)),
        "truncate" => done(sys.truncate(text(0), long(1))),
        "ftruncate" => done(sys.ftruncate(int(0), long(1))),
        "fallocate" => done(sys.fallocate(int(0), int(1), long(2), long(3))),
        "copy_file_range" => {
            let (mut from, mut to) = (given.numbers(1), given.numbers(3));
            let position = |list: &'_ mut Option<Vec<i64>>| list.as_ref().map(|list| list[0]);
            let (mut from, mut to) = (position(&mut from), position(&mut to));
            let (input, output) = ((int(0), from.as_mut()), (int(2), to.as_mut()));
            let done = sys.copy_file_range(input, output, long(4) as usize, word(5));
            done.map(|done| moved(done, [from, to]))
        }
        "sendfile" => {
            let mut position = given.numbers(2).map(|list| list[0]);
            let done = sys.sendfile(int(0), int(1), position.as_mut(), long(3) as usize);
            done.map(|done| moved(done, [position]))
        }
        "fadvise64" => done(sys.fadvise(int(0), long(1), long(2), int(3))),
        "readahead" => done(sys.readahead(int(0), long(2) as usize)),
        "fsync" | "fdatasync" => done(sys.fsync(int(0))),
        "syncfs" => done(sys.syncfs(int(0))),
        "sync" => {
            sys.sync();
            Ok(Reply::Done(0))
        }
        "getrlimit" => sys.getrlimit(word(0)).map(limit_told),
        "setrlimit" => {
            let numbers = given.numbers(1).unwrap_or_default();
            done(sys.setrlimit(word(0), limit(&numbers)))
        }
        "umask" => id(sys.umask(word(0))),
        "sched_yield" => {
            sys.sched_yield();
            Ok(Reply::Done(0))
        }
        "clock_gettime" => {
            let time = |time: libc::timespec| Reply::Numbers(0, vec![time.tv_sec, time.tv_nsec]);
            sys.clock_gettime(int(0)).map(time)
        }
        "getuid" => id(sys.getresuid()[0]),
        "geteuid" => id(sys.getresuid()[1]),
        "getgid" => id(sys.getresgid()[0]),
        "getegid" => id(sys.getresgid()[1]),
        "getresuid" => three(sys.getresuid()),
        "getresgid" => three(sys.getresgid()),
        "setuid" => done(sys.setuid(word(0))),
        "setgid" => done(sys.setgid(word(0))),
        "setreuid" => done(sys.setreuid(word(0), word(1))),
        "setregid" => done(sys.setregid(word(0), word(1))),
        "setresuid" => done(sys.setresuid(word(0), word(1), word(2))),
        "setresgid" => done(sys.setresgid(word(0), word(1), word(2))),
        "setfsuid" => id(sys.setfsuid(word(0))),
        "setfsgid" => id(sys.setfsgid(word(0))),
        "setgroups" => {
            let groups = given.numbers(0).unwrap_or_default();
            let groups: Vec<u32> = groups.into_iter().map(|group| group as u32).collect();
            done(sys.setgroups(&groups))
        }
        "getgroups" => {
            let mut groups = vec![0; long(0) as usize];
            sys.getgroups(&mut groups).map(|count| {
                let told = groups.iter().take(count).map(|&group| group.into());
                Reply::Numbers(count as i64, told.collect())
            })
        }
        "statvfs" => sys.statfs(text(0)).map(|told| {
            let blocks = [told.f_blocks, told.f_bfree, told.f_files, told.f_ffree];
            let numbers = [told.f_flags].into_iter().chain(blocks.map(|count| count as i64));
            Reply::Numbers(0, numbers.collect())
        }),
        "statfs" => sys.statfs(text(0)).map(kind_of_file_system),
        "fstatfs" => sys.fstatfs(int(0)).map(kind_of_file_system),
        "stat" => stat(sys.stat(text(0))),
        "lstat" => stat(sys.lstat(text(0))),
        "fstat" => stat(sys.fstat(int(0))),
        "newfstatat" => stat(sys.fstatat(int(0), text(1), int(2))),
        "access" => done(sys.access(text(0), word(1))),
        "faccessat" => done(sys.faccessat(int(0), text(1), word(2), 0)),
        "faccessat2" => done(sys.faccessat(int(0), text(1), word(2), int(3))),
        "chmod" => done(sys.chmod(text(0), word(1))),
        "fchmod" => done(sys.fchmod(int(0), word(1))),
        "fchmodat" => done(sys.fchmodat(int(0), text(1), word(2), 0)),
        "fchmodat2" => done(sys.fchmodat(int(0), text(1), word(2), int(3))),
        "chown" => done(sys.chown(text(0), word(1), word(2))),
        "lchown" => done(sys.lchown(text(0), word(1), word(2))),
        "fchown" => done(sys.fchown(int(0), word(1), word(2))),
        "fchownat" => done(sys.fchownat(int(0), text(1), word(2), word(3), int(4))),
        "utimensat" => done(sys.utimensat(int(0), text(1), given.times(2), int(3))),
        "futimens" => done(sys.futimens(int(0), given.times(1))),
        name => return names(sys, name, &given),
    })
}

/// The calls that make, remove, change and list names.
fn names(sys: &System, name: &str, given: &Arguments<'_>) -> Option<Told> {
    let (int, word, text) = (|at| given.int(at), |at| given.id(at), |at| given.text(at));
    let result = match name {
        "mkdir" => sys.mkdir(text(0), word(1)),
        "mkdirat" => sys.mkdirat(int(0), text(1), word(2)),
        "mknod" => sys.mknod(text(0), word(1), word(2)),
        "mknodat" => sys.mknodat(int(0), text(1), word(2), word(3)),
        "rmdir" => sys.rmdir(text(0)),
        "unlink" => sys.unlink(text(0)),
        "unlinkat" => sys.unlinkat(int(0), text(1), int(2)),
        "link" => sys.link(text(0), text(1)),
        "linkat" => sys.linkat(int(0), text(1), int(2), text(3), int(4)),
        "symlink" => sys.symlink(text(0), text(1)),
        "symlinkat" => sys.symlinkat(text(0), int(1), text(2)),
        "rename" => sys.rename(text(0), text(1)),
        "renameat2" => sys.renameat2(int(0), text(1), int(2), text(3), word(4)),
        "mount" => {
            let (source, kind, data) = (given.path(0), given.path(2), given.path(4));
            sys.mount(source, text(1), kind, given.long(3) as u64, data)
        }
        "umount2" => sys.umount2(text(0), int(1)),
        "chroot" => sys.chroot(text(0)),
        "chdir" => sys.chdir(text(0)),
        "fchdir" => sys.fchdir(int(0)),
        "readlink" => return Some(filled(given.room(1), |room| sys.readlink(text(0), room))),
        "readlinkat" => {
            return Some(filled(given.room(2), |room| sys.readlinkat(int(0), text(1), room)));
        }
        "getcwd" => return Some(filled(given.room(0), |room| sys.getcwd(room))),
        "getdents64" => {
            let told = filled(given.room(1), |room| sys.getdents64(int(0), room));
            return Some(told.map(|reply| match reply {
                Reply::Data(records) => Reply::Entries(entries(&records)),
                other => other,
            }));
        }
        _ => return xattrs(sys, name, given),
    };
    Some(result.map(|()| Reply::Done(0)))
}

/// The calls on extended attributes.
fn xattrs(sys: &System, name: &str, given: &Arguments<'_>) -> Option<Told> {
    let (int, text) = (|at| given.int(at), |at| given.text(at));
    let result = match name {
        "setxattr" => sys.setxattr(text(0), text(1), text(2), int(3)),
        "lsetxattr" => sys.lsetxattr(text(0), text(1), text(2), int(3)),
        "fsetxattr" => sys.fsetxattr(int(0), text(1), text(2), int(3)),
        "removexattr" => sys.removexattr(text(0), text(1)),
        "lremovexattr" => sys.lremovexattr(text(0), text(1)),
        "fremovexattr" => sys.fremovexattr(int(0), text(1)),
        "getxattr" => {
            return Some(asked(given.room(2), |room| sys.getxattr(text(0), text(1), room)));
        }
        "lgetxattr" => {
            return Some(asked(given.room(2), |room| sys.lgetxattr(text(0), text(1), room)));
        }
        "fgetxattr" => {
            return Some(asked(given.room(2), |room| sys.fgetxattr(int(0), text(1), room)));
        }
        "listxattr" => return Some(listed(given.room(1), |room| sys.listxattr(text(0), room))),
        "llistxattr" => return Some(listed(given.room(1), |room| sys.llistxattr(text(0), room))),
        "flistxattr" => return Some(listed(given.room(1), |room| sys.flistxattr(int(0), room))),
        _ => return None,
    };
    Some(result.map(|()| Reply::Done(0)))
}

/// What fills room, or tells how much it would be if there is none.
fn asked(room: Vec<u8>, fill: impl FnOnce(&mut [u8]) -> Result<usize, Errno>) -> Told {
    if room.is_empty() {
        return fill(&mut []).map(|len| Reply::Done(len as i64));
    }
    filled(room, fill)
}

/// As [`asked`], for names that end in NUL.
fn listed(room: Vec<u8>, fill: impl FnOnce(&mut [u8]) -> Result<usize, Errno>) -> Told {
    asked(room, fill).map(|reply| match reply {
        Reply::Data(names) => Reply::Names(ended_by_nul(&names)),
        other => other,
    })
}

/// The names of extended attributes in a list.
pub fn ended_by_nul(names: &[u8]) -> Vec<Vec<u8>> {
    names.split_inclusive(|&byte| byte == 0).map(|name| name[..name.len() - 1].to_vec()).collect()
}

fn filled(mut room: Vec<u8>, fill: impl FnOnce(&mut [u8]) -> Result<usize, Errno>) -> Told {
    let len = fill(&mut room)?;
    room.truncate(len);
    Ok(Reply::Data(room))
}

fn time_of(numbers: Vec<i64>) -> libc::timespec {
    libc::timespec { tv_sec: numbers[0], tv_nsec: numbers[1] }
}

/// What is told of each file of a list of descriptors and events.
fn polled(
    given: &Arguments<'_>,
    poll: impl FnOnce(&mut [libc::pollfd]) -> Result<usize, Errno>,
) -> Told {
    let numbers = given.numbers(0).unwrap_or_default();
    let file =
        |pair: &[i64]| libc::pollfd { fd: pair[0] as i32, events: pair[1] as i16, revents: 0 };
    let mut files: Vec<_> = numbers.chunks_exact(2).map(file).collect();
    let count = poll(&mut files)?;
    Ok(Reply::Numbers(count as i64, files.iter().map(|file| file.revents.into()).collect()))
}

/// The sets that are given, each a word, as they are afterwards; and no time that is left.
fn selected(
    given: &Arguments<'_>,
    select: impl FnOnce([Option<&mut [u64]>; 3]) -> Result<usize, Errno>,
) -> Told {
    let mut sets = [1, 2, 3].map(|at| given.numbers(at).map(|word| [word[0] as u64]));
    let count = select(sets.each_mut().map(|set| set.as_mut().map(|set| &mut set[..])))?;
    let told = sets.iter().flatten().map(|set| set[0] as i64);
    Ok(Reply::Numbers(count as i64, told.collect()))
}

/// The fields of a `struct flock`, as the call leaves them; by the address of nothing, if there
/// is none.
fn locked(sys: &System, given: &Arguments<'_>) -> Result<Vec<i64>, Errno> {
    let (fd, command) = (given.int(0), given.int(1));
    let Some(fields) = given.numbers(2) else {
        return sys.fcntl(fd, command, 0).map(|_| Vec::new());
    };
    let mut lock = libc::flock {
        l_type: fields[0] as i16,
        l_whence: fields[1] as i16,
        l_start: fields[2],
        l_len: fields[3],
        l_pid: fields[4] as i32,
    };
    sys.fcntl_lock(fd, command, &mut lock)?;
    let libc::flock { l_type, l_whence, l_start, l_len, l_pid } = lock;
    Ok([l_type.into(), l_whence.into(), l_start, l_len, l_pid.into()].to_vec())
}

/// The descriptors of a pipe.
fn both(fds: [i32; 2]) -> Reply {
    Reply::Numbers(0, fds.map(i64::from).to_vec())
}

fn limit(numbers: &[i64]) -> libc::rlimit {
    let number = |at: usize| numbers.get(at).copied().unwrap_or_default() as u64;
    libc::rlimit { rlim_cur: number(0), rlim_max: number(1) }
}

fn limit_told(limit: libc::rlimit) -> Reply {
    Reply::Numbers(0, [limit.rlim_cur as i64, limit.rlim_max as i64].to_vec())
}

fn moved<const N: usize>(done: usize, positions: [Option<i64>; N]) -> Reply {
    Reply::Numbers(done as i64, positions.into_iter().flatten().collect())
}

/// The type, and what all files of it have in common.
fn kind_of_file_system(told: libc::statfs64) -> Reply {
    Reply::Numbers(0, [told.f_type, told.f_bsize, told.f_namelen].to_vec())
}

fn readv(sys: &System, given: &Arguments<'_>) -> Told {
    let list = Arguments(given.list(1).unwrap_or_default());
    let mut rooms: Vec<Vec<u8>> = (0..list.0.len()).map(|at| list.room(at)).collect();
    let mut buffers: Vec<&mut [u8]> = rooms.iter_mut().map(Vec::as_mut_slice).collect();
    let len = sys.readv(given.int(0), &mut buffers)?;
    let mut all = rooms.concat();
    all.truncate(len);
    Ok(Reply::Data(all))
}

/// The events that were read from an instance of inotify: how many bytes they took; of each
/// the watch descriptor, the names of the mask's bits, `#` and a number if it has a cookie, the same
/// number for the same cookie; the name, and behind a slash the bytes that it takes. The number in
/// the name of what has none is told as `#N`.
pub fn events(mut bytes: &[u8]) -> String {
    let mut text = format!("{}", bytes.len());
    let mut cookies = Vec::new();
    while let Some((head, rest)) = bytes.split_first_chunk::<16>() {
        let word =
            |at: usize| u32::from_ne_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let (wd, mask, cookie, len) = (word(0) as i32, word(4), word(8), word(12) as usize);
        let _ = write!(text, "; {wd} {}", event_names(mask));
        if cookie != 0 {
            let known = cookies.iter().position(|known| *known == cookie);
            let number = known.unwrap_or_else(|| {
                cookies.push(cookie);
                cookies.len() - 1
            });
            let _ = write!(text, " #{}", number + 1);
        }
        let Some((name, after)) = rest.split_at_checked(len) else { return text + " cut off" };
        if len > 0 {
            let end = name.iter().position(|&byte| byte == 0).unwrap_or(len);
            let is_number = |rest: &[u8]| !rest.is_empty() && rest.iter().all(u8::is_ascii_digit);
            let _ = match name[..end].strip_prefix(b"#") {
                Some(rest) if is_number(rest) => write!(text, " #N/{len}"),
                _ => write!(text, " {}/{len}", name[..end].escape_ascii()),
            };
            text += if name[end..].iter().all(|&byte| byte == 0) { "" } else { " not padded" };
        }
        bytes = after;
    }
    text
}

/// The records that `getdents64` wrote.
pub fn entries(mut records: &[u8]) -> Vec<(Vec<u8>, u8)> {
    let mut entries = Vec::new();
    while !records.is_empty() {
        let len = usize::from(u16::from_ne_bytes([records[16], records[17]]));
        let name = records[19..len].split(|&byte| byte == 0).next().unwrap_or_default();
        entries.push((name.to_vec(), records[18]));
        records = &records[len..];
    }
    entries
}

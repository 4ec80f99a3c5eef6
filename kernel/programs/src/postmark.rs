//! `postmark`: the benchmark, over the calls of the system that it is in.
//!
//! Before PostMark's own arguments come ours: `--directory DIR` changes the working
//! directory, `--make DIR` makes a directory and its parents if they are missing, and `--bare` has
//! PostMark work on files that are nothing but their bytes, to see what it takes by itself.

use anchorite_postmark::{Bare, Calls, Stat};
use anchorite_syscalls::{Result, System, api};

use crate::io::{Failure, ToDo, run_to_status};
use crate::{Context, Program};

/// See the module.
pub const POSTMARK: Program = Program {
    name: "postmark",
    summary: "[--directory DIR] [--make DIR] [--bare] [--json] [FILE]: the PostMark benchmark, by FILE's commands",
    main: |context| run_to_status(context, postmark),
};

fn postmark(context: &Context<'_>) -> core::result::Result<i32, Failure> {
    let mut args = context.args.get(1..).unwrap_or_default();
    let mut is_bare = false;
    loop {
        args = match args {
            [b"--directory", directory, rest @ ..] => {
                context.sys.chdir(directory).to_do("change to the directory")?;
                rest
            }
            [b"--make", directory, rest @ ..] => {
                api::create_dir_all(context.sys, directory).to_do("make the directory")?;
                rest
            }
            [b"--bare", rest @ ..] => {
                is_bare = true;
                rest
            }
            _ => break,
        };
    }
    if let [.., file] = args
        && *file != b"--json"
    {
        // PostMark goes on to its prompt without a word; here nobody may be there to answer.
        let commands = api::File::open(context.sys, file).to_do("open the file of commands")?;
        commands.read(&mut [0]).to_do("read the file of commands")?;
    }
    let guest = Guest(context.sys);
    Ok(match is_bare {
        false => anchorite_postmark::main(&guest, args),
        true => anchorite_postmark::main(&Bare::new(&guest), args),
    })
}

/// PostMark's calls as the system's.
struct Guest<'a>(&'a System);

impl Calls for Guest<'_> {
    fn open(&self, path: &[u8], flags: i32, mode: u32) -> Result<i32> {
        self.0.open(path, flags, mode)
    }

    fn close(&self, fd: i32) -> Result<()> {
        self.0.close(fd)
    }

    fn read(&self, fd: i32, buffer: &mut [u8]) -> Result<usize> {
        self.0.read(fd, buffer)
    }

    fn write(&self, fd: i32, bytes: &[u8]) -> Result<usize> {
        self.0.write(fd, bytes)
    }

    fn lseek(&self, fd: i32, offset: i64, whence: i32) -> Result<u64> {
        self.0.lseek(fd, offset, whence)
    }

    fn fstat(&self, fd: i32) -> Result<Stat> {
        let stat = self.0.fstat(fd)?;
        Ok(Stat { mode: stat.st_mode, block_size: stat.st_blksize })
    }

    fn unlink(&self, path: &[u8]) -> Result<()> {
        self.0.unlink(path)
    }

    fn mkdir(&self, path: &[u8], mode: u32) -> Result<()> {
        self.0.mkdir(path, mode)
    }

    fn rmdir(&self, path: &[u8]) -> Result<()> {
        self.0.rmdir(path)
    }

    fn getcwd(&self, buffer: &mut [u8]) -> Result<usize> {
        // The system counts the NUL, PostMark does not.
        self.0.getcwd(buffer).map(|len| len.saturating_sub(1))
    }

    fn now_ns(&self) -> u64 {
        let now = self.0.clock_gettime(libc::CLOCK_MONOTONIC);
        now.map_or(0, |now| now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64)
    }
}

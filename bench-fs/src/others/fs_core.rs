//! `fs-core`: `Fs`, in its form for threads.

use std::hint::black_box;

use fs_core::{Fs, O_APPEND, O_CREAT, O_RDONLY, O_WRONLY, TimeProvider};

use super::now_ns;
use crate::subject::{Operation, Subject};
use crate::work::{
    APPEND_BYTES, DEEP_DIRECTORIES, DEEP_FILE, DIRECTORY, FILE, FILE_BYTES, GROWING, GROWN_BYTES,
    MANY, NEW, NEW_BYTE, OLD_BYTE, ONE_OF_MANY, Work, name_of,
};

/// An `Fs` with a clock: its own counts calls.
pub struct FsCore(Fs<Clock>);

struct Clock;

impl TimeProvider for Clock {
    fn now(&self) -> u64 {
        now_ns()
    }
}

impl FsCore {
    /// With the files.
    ///
    /// # Panics
    /// They cannot be made.
    pub fn new() -> FsCore {
        let fs = Fs::with_time_provider(Clock);
        for directory in DEEP_DIRECTORIES.into_iter().chain([DIRECTORY]) {
            fs.mkdir(&absolute(directory)).expect("a directory");
        }
        for file in [FILE, DEEP_FILE] {
            let fd = fs.open_path_with_flags(&absolute(file), O_WRONLY | O_CREAT).expect("a file");
            fs.write(fd, &[OLD_BYTE; FILE_BYTES]).expect("room");
            fs.close(fd).expect("an open file");
        }
        for at in 0..MANY {
            let fd = fs.open_path(&inside(&name_of(at))).expect("a file");
            fs.close(fd).expect("an open file");
        }
        FsCore(fs)
    }
}

impl Default for FsCore {
    fn default() -> Self {
        Self::new()
    }
}

impl Subject for FsCore {
    fn prepare(&self, work: Work) -> Option<Operation<'_>> {
        let fs = &self.0;
        let open =
            |path: &str, flags| fs.open_path_with_flags(&absolute(path), flags).expect("a file");
        Some(match work {
            // No process; no symbolic links.
            Work::Getpid | Work::Readlink => return None,
            Work::Lseek => {
                let fd = open(FILE, O_RDONLY);
                Box::new(move || {
                    let at = fs.seek(black_box(fd), 512, libc::SEEK_SET).expect("an offset");
                    assert_eq!(at, 512);
                })
            }
            Work::Fstat => {
                let fd = open(FILE, O_RDONLY);
                Box::new(move || {
                    let metadata = fs.fstat(black_box(fd)).expect("attributes");
                    assert_eq!(metadata.size, FILE_BYTES as u64);
                })
            }
            Work::Lookup | Work::Stat => {
                let (path, len) = match work {
                    Work::Stat => (absolute(DEEP_FILE), FILE_BYTES),
                    _ => (inside(ONE_OF_MANY), 0),
                };
                Box::new(move || {
                    let metadata = fs.stat(black_box(&path)).expect("a file");
                    assert_eq!(metadata.size, len as u64);
                })
            }
            Work::OpenClose => {
                let path = absolute(DEEP_FILE);
                Box::new(move || {
                    let fd = fs.open_path_with_flags(black_box(&path), O_RDONLY).expect("a file");
                    fs.close(fd).expect("an open file");
                })
            }
            Work::Read(bytes) => {
                let fd = open(FILE, O_RDONLY);
                let mut buffer = vec![0; bytes];
                Box::new(move || {
                    let done = fs.read_at(fd, 0, black_box(&mut buffer)).expect("content");
                    assert_eq!(done, bytes);
                })
            }
            Work::Write(bytes) => {
                let fd = open(FILE, O_WRONLY);
                let buffer = vec![NEW_BYTE; bytes];
                Box::new(move || {
                    let done = fs.write_at(fd, 0, black_box(&buffer)).expect("room");
                    assert_eq!(done, bytes);
                })
            }
            Work::Append => {
                let fd = open(GROWING, O_WRONLY | O_CREAT | O_APPEND);
                let buffer = [NEW_BYTE; APPEND_BYTES];
                let mut len = 0;
                Box::new(move || {
                    if len == GROWN_BYTES {
                        fs.ftruncate(fd, 0).expect("an empty file");
                        len = 0;
                    }
                    let done = fs.write(fd, black_box(&buffer)).expect("room");
                    assert_eq!(done, APPEND_BYTES);
                    len += APPEND_BYTES as u64;
                })
            }
            Work::CreateUnlink => {
                let path = inside(NEW);
                let flags = O_WRONLY | O_CREAT;
                Box::new(move || {
                    let fd = fs.open_path_with_flags(black_box(&path), flags).expect("a file");
                    fs.close(fd).expect("an open file");
                    fs.unlink(black_box(&path)).expect("a file");
                })
            }
            Work::MkdirRmdir => {
                let path = inside(NEW);
                Box::new(move || {
                    fs.mkdir(black_box(&path)).expect("a directory");
                    fs.rmdir(black_box(&path)).expect("a directory");
                })
            }
            Work::Renames => {
                let (old, new) = (inside(ONE_OF_MANY), inside(NEW));
                Box::new(move || {
                    fs.rename(black_box(&old), black_box(&new)).expect("a file");
                    fs.rename(black_box(&new), black_box(&old)).expect("a file");
                })
            }
            Work::List => {
                let path = absolute(DIRECTORY);
                Box::new(move || {
                    let names = fs.readdir(black_box(&path)).expect("a directory");
                    assert_eq!(black_box(names).len(), MANY);
                })
            }
        })
    }

    fn content(&self) -> Vec<u8> {
        let fd = self.0.open_path_with_flags(&absolute(FILE), O_RDONLY).expect("a file");
        let mut content = vec![0; FILE_BYTES + 1];
        let len = self.0.read(fd, &mut content).expect("content");
        self.0.close(fd).expect("an open file");
        content.truncate(len);
        content
    }
}

fn absolute(path: &str) -> String {
    format!("/{path}")
}

fn inside(name: &str) -> String {
    format!("/{DIRECTORY}/{name}")
}

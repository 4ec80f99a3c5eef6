//! `rsfs`: `mem::FS`.

use std::hint::black_box;
use std::io::{Read, Seek, SeekFrom, Write};

use rsfs::mem::FS;
use rsfs::unix_ext::{FileExt, GenFSExt};
use rsfs::{File, GenFS, Metadata, OpenOptions};

use crate::subject::{Operation, Subject};
use crate::work::{
    APPEND_BYTES, DEEP_DIRECTORIES, DEEP_FILE, DIRECTORY, FILE, FILE_BYTES, GROWING, GROWN_BYTES,
    LINK, MANY, NEW, NEW_BYTE, OLD_BYTE, ONE_OF_MANY, Work, name_of,
};

/// An `FS`.
pub struct Rsfs(FS);

impl Rsfs {
    /// With the files.
    ///
    /// # Panics
    /// They cannot be made.
    pub fn new() -> Rsfs {
        let fs = FS::new();
        for directory in DEEP_DIRECTORIES.into_iter().chain([DIRECTORY]) {
            fs.create_dir(absolute(directory)).expect("a directory");
        }
        for file in [FILE, DEEP_FILE] {
            let mut file = fs.create_file(absolute(file)).expect("a file");
            file.write_all(&[OLD_BYTE; FILE_BYTES]).expect("its content");
        }
        for at in 0..MANY {
            fs.create_file(inside(&name_of(at))).expect("a file");
        }
        fs.symlink(FILE, absolute(LINK)).expect("a symbolic link");
        Rsfs(fs)
    }
}

impl Default for Rsfs {
    fn default() -> Self {
        Self::new()
    }
}

impl Subject for Rsfs {
    fn prepare(&self, work: Work) -> Option<Operation<'_>> {
        let fs = &self.0;
        Some(match work {
            // No calls.
            Work::Getpid => return None,
            Work::Lseek => {
                let mut file = fs.open_file(absolute(FILE)).expect("a file");
                Box::new(move || {
                    let at = file.seek(SeekFrom::Start(black_box(512))).expect("an offset");
                    assert_eq!(at, 512);
                })
            }
            Work::Fstat => {
                let file = fs.open_file(absolute(FILE)).expect("a file");
                Box::new(move || {
                    let metadata = black_box(&file).metadata().expect("attributes");
                    assert_eq!(metadata.len(), FILE_BYTES as u64);
                })
            }
            Work::Lookup | Work::Stat => {
                let (path, len) = match work {
                    Work::Stat => (absolute(DEEP_FILE), FILE_BYTES),
                    _ => (inside(ONE_OF_MANY), 0),
                };
                Box::new(move || {
                    let metadata = fs.metadata(black_box(&path)).expect("a file");
                    assert_eq!(metadata.len(), len as u64);
                })
            }
            Work::OpenClose => {
                let path = absolute(DEEP_FILE);
                Box::new(move || drop(fs.open_file(black_box(&path)).expect("a file")))
            }
            Work::Read(bytes) => {
                let file = fs.open_file(absolute(FILE)).expect("a file");
                let mut buffer = vec![0; bytes];
                Box::new(move || {
                    let done = file.read_at(black_box(&mut buffer), 0).expect("content");
                    assert_eq!(done, bytes);
                })
            }
            Work::Write(bytes) => {
                let file = fs.new_openopts().write(true).open(absolute(FILE)).expect("a file");
                let buffer = vec![NEW_BYTE; bytes];
                Box::new(move || {
                    let done = file.write_at(black_box(&buffer), 0).expect("room");
                    assert_eq!(done, bytes);
                })
            }
            Work::Append => {
                let mut options = fs.new_openopts();
                options.write(true).append(true).create(true);
                let mut file = options.open(absolute(GROWING)).expect("a file");
                let buffer = [NEW_BYTE; APPEND_BYTES];
                let mut len = 0;
                Box::new(move || {
                    if len == GROWN_BYTES {
                        file.set_len(0).expect("an empty file");
                        len = 0;
                    }
                    let done = file.write(black_box(&buffer)).expect("room");
                    assert_eq!(done, APPEND_BYTES);
                    len += APPEND_BYTES as u64;
                })
            }
            Work::CreateUnlink => {
                let path = inside(NEW);
                Box::new(move || {
                    drop(fs.create_file(black_box(&path)).expect("a file"));
                    fs.remove_file(black_box(&path)).expect("a file");
                })
            }
            Work::MkdirRmdir => {
                let path = inside(NEW);
                Box::new(move || {
                    fs.create_dir(black_box(&path)).expect("a directory");
                    fs.remove_dir(black_box(&path)).expect("a directory");
                })
            }
            Work::Renames => {
                let (old, new) = (inside(ONE_OF_MANY), inside(NEW));
                Box::new(move || {
                    fs.rename(black_box(&old), black_box(&new)).expect("a file");
                    fs.rename(black_box(&new), black_box(&old)).expect("a file");
                })
            }
            Work::Readlink => {
                let path = absolute(LINK);
                Box::new(move || {
                    let target = fs.read_link(black_box(&path)).expect("a symbolic link");
                    assert_eq!(target.as_os_str().len(), FILE.len());
                })
            }
            Work::List => {
                let path = absolute(DIRECTORY);
                Box::new(move || {
                    let entries = fs.read_dir(black_box(&path)).expect("a directory");
                    assert_eq!(entries.map(black_box).count(), MANY);
                })
            }
        })
    }

    fn content(&self) -> Vec<u8> {
        let mut content = Vec::new();
        let mut file = self.0.open_file(absolute(FILE)).expect("a file");
        file.read_to_end(&mut content).expect("its content");
        content
    }
}

fn absolute(path: &str) -> String {
    format!("/{path}")
}

fn inside(name: &str) -> String {
    format!("/{DIRECTORY}/{name}")
}

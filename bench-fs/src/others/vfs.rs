//! `vfs`: `MemoryFS`, by its trait, without `VfsPath` above it.

use std::hint::black_box;
use std::io::{Read, Seek, SeekFrom, Write};

use vfs::{FileSystem, MemoryFS, SeekAndWrite};

use crate::subject::{Operation, Subject};
use crate::work::{
    APPEND_BYTES, DEEP_DIRECTORIES, DEEP_FILE, DIRECTORY, FILE, FILE_BYTES, GROWING, GROWN_BYTES,
    MANY, NEW, NEW_BYTE, OLD_BYTE, ONE_OF_MANY, Work, name_of,
};

/// A `MemoryFS`.
pub struct MemoryFs(MemoryFS);

impl MemoryFs {
    /// With the files.
    ///
    /// # Panics
    /// They cannot be made.
    pub fn new() -> MemoryFs {
        let fs = MemoryFS::new();
        for directory in DEEP_DIRECTORIES.into_iter().chain([DIRECTORY]) {
            fs.create_dir(&absolute(directory)).expect("a directory");
        }
        for file in [FILE, DEEP_FILE] {
            let mut file = fs.create_file(&absolute(file)).expect("a file");
            file.write_all(&[OLD_BYTE; FILE_BYTES]).expect("its content");
        }
        for at in 0..MANY {
            fs.create_file(&inside(&name_of(at))).expect("a file");
        }
        MemoryFs(fs)
    }
}

impl Default for MemoryFs {
    fn default() -> Self {
        Self::new()
    }
}

impl Subject for MemoryFs {
    fn prepare(&self, work: Work) -> Option<Operation<'_>> {
        let fs = &self.0;
        Some(match work {
            // No calls; nothing to look at in an open file; no rename (`VfsPath` copies the
            // file and removes the old one); no symbolic links.
            Work::Getpid | Work::Fstat | Work::Renames | Work::Readlink => return None,
            Work::Lseek => {
                let mut file = fs.open_file(&absolute(FILE)).expect("a file");
                Box::new(move || {
                    let at = file.seek(SeekFrom::Start(black_box(512))).expect("an offset");
                    assert_eq!(at, 512);
                })
            }
            Work::Lookup | Work::Stat => {
                let (path, len) = match work {
                    Work::Stat => (absolute(DEEP_FILE), FILE_BYTES),
                    _ => (inside(ONE_OF_MANY), 0),
                };
                Box::new(move || {
                    let metadata = fs.metadata(black_box(&path)).expect("a file");
                    assert_eq!(metadata.len, len as u64);
                })
            }
            Work::OpenClose => {
                let path = absolute(DEEP_FILE);
                Box::new(move || drop(fs.open_file(black_box(&path)).expect("a file")))
            }
            Work::Read(bytes) => {
                let mut file = fs.open_file(&absolute(FILE)).expect("a file");
                let mut buffer = vec![0; bytes];
                Box::new(move || {
                    file.seek(SeekFrom::Start(0)).expect("an offset");
                    file.read_exact(black_box(&mut buffer)).expect("content");
                })
            }
            Work::Write(bytes) => {
                let mut file = fs.append_file(&absolute(FILE)).expect("a file");
                let buffer = vec![NEW_BYTE; bytes];
                Box::new(move || {
                    file.seek(SeekFrom::Start(0)).expect("an offset");
                    file.write_all(black_box(&buffer)).expect("room");
                    // Until then nobody sees it.
                    file.flush().expect("room");
                })
            }
            Work::Append => {
                let path = absolute(GROWING);
                let buffer = [NEW_BYTE; APPEND_BYTES];
                let mut file: Option<Box<dyn SeekAndWrite + Send>> = None;
                let mut len = 0;
                Box::new(move || {
                    if len == GROWN_BYTES {
                        // When it goes, it writes itself once more.
                        file = None;
                        len = 0;
                    }
                    let file = file.get_or_insert_with(|| fs.create_file(&path).expect("a file"));
                    file.write_all(black_box(&buffer)).expect("room");
                    file.flush().expect("room");
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
            Work::List => {
                let path = absolute(DIRECTORY);
                Box::new(move || {
                    let names = fs.read_dir(black_box(&path)).expect("a directory");
                    assert_eq!(names.map(black_box).count(), MANY);
                })
            }
        })
    }

    fn content(&self) -> Vec<u8> {
        let mut content = Vec::new();
        let mut file = self.0.open_file(&absolute(FILE)).expect("a file");
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

//! `axfs_ramfs`: by its nodes, as ArceOS reaches it below its own path walk.

use std::hint::black_box;

use axfs_ramfs::RamFileSystem;
use axfs_vfs::{VfsDirEntry, VfsNodeRef, VfsNodeType, VfsOps};

use crate::subject::{Operation, Subject};
use crate::work::{
    APPEND_BYTES, DEEP_DIRECTORIES, DEEP_FILE, DIRECTORY, FILE, FILE_BYTES, GROWING, GROWN_BYTES,
    MANY, NEW, NEW_BYTE, OLD_BYTE, ONE_OF_MANY, Work, name_of,
};

/// A `RamFileSystem`.
pub struct Ramfs(RamFileSystem);

impl Ramfs {
    /// With the files.
    ///
    /// # Panics
    /// They cannot be made.
    pub fn new() -> Ramfs {
        let fs = Ramfs(RamFileSystem::new());
        let root = fs.0.root_dir();
        for directory in DEEP_DIRECTORIES.into_iter().chain([DIRECTORY]) {
            root.create(directory, VfsNodeType::Dir).expect("a directory");
        }
        for file in [FILE, DEEP_FILE] {
            root.create(file, VfsNodeType::File).expect("a file");
            fs.node(file).write_at(0, &[OLD_BYTE; FILE_BYTES]).expect("room");
        }
        let directory = fs.node(DIRECTORY);
        for at in 0..MANY {
            directory.create(&name_of(at), VfsNodeType::File).expect("a file");
        }
        fs
    }

    fn node(&self, path: &str) -> VfsNodeRef {
        self.0.root_dir().lookup(path).expect("a file")
    }
}

impl Default for Ramfs {
    fn default() -> Self {
        Self::new()
    }
}

impl Subject for Ramfs {
    fn prepare(&self, work: Work) -> Option<Operation<'_>> {
        let root = self.0.root_dir();
        let directory = self.node(DIRECTORY);
        Some(match work {
            // No calls; offsets are the reader's own; no rename; no symbolic links.
            Work::Getpid | Work::Lseek | Work::Renames | Work::Readlink => return None,
            Work::Fstat => {
                let file = self.node(FILE);
                Box::new(move || {
                    let attributes = black_box(&file).get_attr().expect("attributes");
                    assert_eq!(attributes.size(), FILE_BYTES as u64);
                })
            }
            Work::Lookup | Work::Stat => {
                let (from, path, len) = match work {
                    Work::Stat => (root, DEEP_FILE, FILE_BYTES),
                    _ => (directory, ONE_OF_MANY, 0),
                };
                Box::new(move || {
                    let file = from.clone().lookup(black_box(path)).expect("a file");
                    assert_eq!(file.get_attr().expect("attributes").size(), len as u64);
                })
            }
            Work::OpenClose => Box::new(move || {
                let file = root.clone().lookup(black_box(DEEP_FILE)).expect("a file");
                file.open().expect("an open file");
                file.release().expect("a closed file");
            }),
            Work::Read(bytes) => {
                let file = self.node(FILE);
                let mut buffer = vec![0; bytes];
                Box::new(move || {
                    let done = file.read_at(0, black_box(&mut buffer)).expect("content");
                    assert_eq!(done, bytes);
                })
            }
            Work::Write(bytes) => {
                let file = self.node(FILE);
                let buffer = vec![NEW_BYTE; bytes];
                Box::new(move || {
                    let done = file.write_at(0, black_box(&buffer)).expect("room");
                    assert_eq!(done, bytes);
                })
            }
            Work::Append => {
                root.create(GROWING, VfsNodeType::File).expect("a file");
                let file = self.node(GROWING);
                let buffer = [NEW_BYTE; APPEND_BYTES];
                Box::new(move || {
                    let mut len = file.get_attr().expect("attributes").size();
                    if len == GROWN_BYTES {
                        file.truncate(0).expect("an empty file");
                        len = 0;
                    }
                    let done = file.write_at(len, black_box(&buffer)).expect("room");
                    assert_eq!(done, APPEND_BYTES);
                })
            }
            Work::CreateUnlink | Work::MkdirRmdir => {
                let kind = match work {
                    Work::MkdirRmdir => VfsNodeType::Dir,
                    _ => VfsNodeType::File,
                };
                Box::new(move || {
                    directory.create(black_box(NEW), kind).expect("a file");
                    directory.remove(black_box(NEW)).expect("a file");
                })
            }
            Work::List => {
                // All at once: a second look would begin at the first entry again.
                let mut entries: Vec<_> =
                    (0..MANY + 3).map(|_| VfsDirEntry::new("", VfsNodeType::File)).collect();
                Box::new(move || {
                    let count = directory.read_dir(0, black_box(&mut entries)).expect("a list");
                    assert_eq!(count, MANY + 2);
                })
            }
        })
    }

    fn content(&self) -> Vec<u8> {
        let mut content = vec![0; FILE_BYTES + 1];
        let len = self.node(FILE).read_at(0, &mut content).expect("content");
        content.truncate(len);
        content
    }
}

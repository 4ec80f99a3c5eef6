//! [`Inodes`]: the crate `anchorite-fs`, by its inodes.

use std::hint::black_box;

use anchorite_fs::{
    Caller, Credentials, EntryName, Inode, InodeRef, Left, New, Ramdisk, RenameMode, Sink, Source,
    Timestamp, rename,
};

use super::LIMITS;
use crate::subject::{Operation, Subject};
use crate::work::{
    APPEND_BYTES, DEEP_DIRECTORIES, DEEP_FILE, DIRECTORY, FILE, FILE_BYTES, GROWING, GROWN_BYTES,
    LINK, MANY, NEW, NEW_BYTE, OLD_BYTE, ONE_OF_MANY, Work, name_of,
};

/// Permissions of everything.
const MODE: u32 = 0o755;

/// A ramdisk, whose caller is root and has one time.
pub struct Inodes {
    ramdisk: Ramdisk,
    credentials: Credentials,
}

impl Inodes {
    /// With the files.
    ///
    /// # Panics
    /// They cannot be made.
    pub fn new() -> Inodes {
        let credentials = Credentials::default();
        let caller = Caller::new(&credentials, Timestamp::default());
        let ramdisk = Ramdisk::new(&caller, MODE, LIMITS, 1, 0).expect("a ramdisk");
        let inodes = Inodes { ramdisk, credentials };
        for path in DEEP_DIRECTORIES.into_iter().chain([DIRECTORY]) {
            inodes.make(path, New::Directory);
        }
        for path in [FILE, DEEP_FILE] {
            let file = inodes.make(path, New::Regular);
            file.write(&inodes.caller(), Some(0), &mut Source::from(&[OLD_BYTE; FILE_BYTES][..]))
                .expect("room");
        }
        for at in 0..MANY {
            inodes.make(&format!("{DIRECTORY}/{}", name_of(at)), New::Regular);
        }
        inodes.make(LINK, New::Symlink(FILE.as_bytes()));
        inodes
    }

    fn caller(&self) -> Caller<'_> {
        Caller::new(&self.credentials, Timestamp::default())
    }

    /// The inode at `path`, one lookup for each component.
    fn inode(&self, path: &str) -> InodeRef {
        let mut inode = self.ramdisk.root().clone();
        for name in path.split('/').filter(|name| !name.is_empty()) {
            inode = inode.lookup(&self.caller(), name.as_bytes()).expect("a file");
        }
        inode
    }

    fn make(&self, path: &str, new: New<'_>) -> InodeRef {
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        let parent = self.inode(parent);
        Inode::create(&parent, &self.caller(), name.as_bytes(), new, MODE).expect("a file")
    }
}

impl Default for Inodes {
    fn default() -> Self {
        Self::new()
    }
}

impl Subject for Inodes {
    fn prepare(&self, work: Work) -> Option<Operation<'_>> {
        let caller = self.caller();
        let directory = self.inode(DIRECTORY);
        Some(match work {
            // No processes, no descriptors.
            Work::Getpid | Work::Lseek | Work::OpenClose => return None,
            Work::Fstat => {
                let file = self.inode(FILE);
                Box::new(move || {
                    assert_eq!(black_box(&file).attributes().size, FILE_BYTES as u64);
                })
            }
            Work::Lookup => Box::new(move || {
                let file = directory.lookup(&caller, black_box(ONE_OF_MANY.as_bytes()));
                assert_eq!(file.expect("a file").attributes().size, 0);
            }),
            Work::Stat => Box::new(move || {
                let file = self.inode(black_box(DEEP_FILE));
                assert_eq!(file.attributes().size, FILE_BYTES as u64);
            }),
            Work::Read(bytes) => {
                let file = self.inode(FILE);
                let mut buffer = vec![0; bytes];
                Box::new(move || {
                    let mut sink = Sink::from(black_box(&mut buffer[..]));
                    assert_eq!(file.read(&caller, 0, &mut sink), Ok(bytes));
                })
            }
            Work::Write(bytes) => {
                let file = self.inode(FILE);
                let buffer = vec![NEW_BYTE; bytes];
                Box::new(move || {
                    let mut source = Source::from(black_box(&buffer[..]));
                    let done = file.write(&caller, Some(0), &mut source);
                    assert_eq!(done, Ok((bytes, bytes as u64)));
                })
            }
            Work::Append => {
                let file = self.make(GROWING, New::Regular);
                let buffer = [NEW_BYTE; APPEND_BYTES];
                Box::new(move || {
                    let mut source = Source::from(black_box(&buffer[..]));
                    let (done, end) = file.write(&caller, None, &mut source).expect("room");
                    assert_eq!(done, APPEND_BYTES);
                    if end == GROWN_BYTES {
                        file.truncate(&caller, 0).expect("an empty file");
                    }
                })
            }
            Work::CreateUnlink => Box::new(move || {
                let name = black_box(NEW.as_bytes());
                let file = Inode::create(&directory, &caller, name, New::Regular, MODE);
                drop(file.expect("a file"));
                directory.unlink(&caller, name).expect("a file");
            }),
            Work::MkdirRmdir => Box::new(move || {
                let name = black_box(NEW.as_bytes());
                let child = Inode::create(&directory, &caller, name, New::Directory, MODE);
                drop(child.expect("a directory"));
                directory.rmdir(&caller, name).expect("a directory");
            }),
            Work::Renames => {
                let name = |name: &'static str| EntryName {
                    bytes: black_box(name.as_bytes()),
                    directory_only: false,
                };
                Box::new(move || {
                    for (old, new) in [(ONE_OF_MANY, NEW), (NEW, ONE_OF_MANY)] {
                        let (old, new) = ((&directory, name(old)), (&directory, name(new)));
                        let mode = (RenameMode::Replace, Left::Nothing);
                        rename(&caller, old.0, old.1, new.0, new.1, mode.0, mode.1)
                            .expect("a file");
                    }
                })
            }
            Work::Readlink => {
                let link = self.inode(LINK);
                let mut buffer = [0; 64];
                Box::new(move || {
                    let mut sink = Sink::from(black_box(&mut buffer[..]));
                    assert_eq!(link.read_link(&caller, &mut sink), Ok(FILE.len()));
                })
            }
            Work::List => Box::new(move || {
                let mut count = 0;
                let listed = directory.list(&caller, black_box(0), &mut |entry| {
                    black_box(entry);
                    count += 1;
                    true
                });
                listed.expect("a directory");
                // With `.` and `..`.
                assert_eq!(count, MANY + 2);
            }),
        })
    }

    fn content(&self) -> Vec<u8> {
        let mut content = vec![0; FILE_BYTES + 1];
        let mut sink = Sink::from(&mut content[..]);
        let len = self.inode(FILE).read(&self.caller(), 0, &mut sink).expect("content");
        content.truncate(len);
        content
    }
}

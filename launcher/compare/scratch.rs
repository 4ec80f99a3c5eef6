//! [`Scratch`]: the directories that a comparison writes in. They are removed when
//! it ends, also by a signal that can be caught; what a program leaves there
//! (it cannot remove a directory through forwarding) goes with them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::exit;
use std::sync::{Mutex, Once, PoisonError};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use crate::failure::{Failure, Result};
use crate::forward::describe;

/// Where the native run's files go unless the user says otherwise.
const NATIVE_PARENT: &str = "/dev/shm";
/// Exit status after an interrupt (128 + SIGINT).
const STATUS_INTERRUPTED: i32 = 130;

/// Directories to remove at an interrupt.
static LIVE: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// The place for a comparison's directories.
pub struct Scratch {
    native_parent: PathBuf,
}

/// A new, empty directory that goes away with this value.
pub struct Fresh(Option<TempDir>);

impl Scratch {
    /// With native files in a fresh directory below `native_dir`, or `/dev/shm`.
    pub fn new(native_dir: Option<&Path>) -> Result<Self> {
        clean_up_when_interrupted();
        let parent = native_dir.unwrap_or(Path::new(NATIVE_PARENT));
        let resolved = parent.canonicalize().and_then(|path| {
            if path.is_dir() { Ok(path) } else { Err(std::io::ErrorKind::NotADirectory.into()) }
        });
        let native_parent = resolved.map_err(|error| {
            Failure::usage(format!(
                "{} cannot hold the native run's files ({}): name a directory by --native-dir",
                parent.display(),
                describe(&error)
            ))
        })?;
        // The forwarded way's files are below it too.
        if native_parent.to_str().is_none_or(|path| path.contains(':')) {
            return Err(Failure::usage(format!(
                "{} has a colon in it or is not in UTF-8, and uhyve cannot forward it: name another \
                 directory by --native-dir",
                native_parent.display()
            )));
        }
        Ok(Scratch { native_parent })
    }

    /// The directory that holds the native run's, and the forwarded one's, files.
    pub fn native_parent(&self) -> &Path {
        &self.native_parent
    }

    /// A fresh directory.
    pub fn fresh(&self) -> Result<Fresh> {
        let made = TempDir::with_prefix_in("anchorite-", &self.native_parent);
        let directory = made.map_err(|error| {
            Failure::usage(format!(
                "{} cannot hold the native run's files ({}): name another directory by --native-dir",
                self.native_parent.display(),
                describe(&error)
            ))
        })?;
        live().push(directory.path().to_owned());
        Ok(Fresh(Some(directory)))
    }
}

impl Fresh {
    /// Where it is.
    pub fn path(&self) -> &Path {
        self.0.as_ref().map_or(Path::new(""), TempDir::path)
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        if let Some(directory) = self.0.take() {
            let path = directory.path().to_owned();
            // Best effort: there is nobody left to tell.
            let _ = directory.close();
            live().retain(|other| *other != path);
        }
    }
}

fn live() -> std::sync::MutexGuard<'static, Vec<PathBuf>> {
    LIVE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn clean_up_when_interrupted() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // Without a handler an interrupt ends the process all the same.
        let _ = ctrlc::set_handler(|| {
            // A run that is still writing finds its directory gone.
            for path in live().iter() {
                for _ in 0..10 {
                    if fs::remove_dir_all(path).is_ok() || !path.exists() {
                        break;
                    }
                    thread::sleep(Duration::from_millis(10));
                }
            }
            exit(STATUS_INTERRUPTED);
        });
    });
}

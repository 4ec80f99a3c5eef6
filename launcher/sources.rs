//! [`Workshop`]: where programs of one's own are built: the kernel's sources, which this
//! executable carries, and all that cargo makes of them.
//!
//! It is a directory of this version alone, `anchorite/VERSION-HASH` in the user's cache, so
//! that nothing of another version is linked by accident; whoever removes it loses the time of
//! one build. All programs share it, so that the kernel is compiled once.

use std::env;
use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::complain;
use crate::failure::{Failure, Result};
use crate::forward::describe;
use crate::guest::PROFILE;
use crate::new::LINK;

// `SOURCES: &[(&str, &[u8])]`, paths and content, and `SOURCES_HASH`, from launcher/build.rs.
include!(concat!(env!("OUT_DIR"), "/sources.rs"));

/// The workspace's manifest, which has the profile of images, and its lock file.
const MANIFEST: &str = include_str!("../Cargo.toml");
/// The versions of all crates.
pub const LOCK_FILE: &str = include_str!("../Cargo.lock");

/// The place, in which this process alone builds.
pub struct Workshop {
    dir: PathBuf,
    /// Held for as long as this is.
    _lock: File,
}

impl Workshop {
    /// The place, with the sources in it; waits until no other process builds there.
    ///
    /// # Errors
    /// There is no cache directory, or it cannot be written.
    pub fn open() -> Result<Self> {
        let dir = cache_dir()?.join(format!("{}-{SOURCES_HASH}", env!("CARGO_PKG_VERSION")));
        Self::open_in(&dir).map_err(|error| {
            Failure::isle(format!(
                "{} cannot be written ({}): make room there, or set XDG_CACHE_HOME to a directory \
                 that can be",
                dir.display(),
                describe(&error)
            ))
        })
    }

    fn open_in(dir: &Path) -> io::Result<Self> {
        fs::create_dir_all(dir)?;
        let lock = File::create(dir.join("lock"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                complain("waiting for another build of a program");
                lock.lock()?;
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let workshop = Workshop { dir: dir.to_owned(), _lock: lock };
        // Whatever else happened to the files, they are as they should be afterwards.
        for (path, content) in SOURCES {
            put(&workshop.sources().join(path), content)?;
        }
        put(&workshop.profile(), profile().as_bytes())?;
        Ok(workshop)
    }

    /// The sources, as in this command's own repository.
    pub fn sources(&self) -> PathBuf {
        self.dir.join("sources")
    }

    /// A configuration of cargo's with the profile of images.
    pub fn profile(&self) -> PathBuf {
        self.dir.join("profile.toml")
    }

    /// Cargo's target directory.
    pub fn target(&self) -> PathBuf {
        self.dir.join("target")
    }

    /// The crate that makes the library for programs in C, which exists after the call.
    pub fn c_library(&self) -> Result<PathBuf> {
        let dir = self.dir.join("c");
        let files = [
            ("Cargo.toml", include_str!("templates/c-library.toml")),
            ("Cargo.lock", LOCK_FILE),
            ("lib.rs", include_str!("templates/c_library.rs")),
        ];
        for (name, content) in files {
            let path = dir.join(name);
            // Cargo writes its lock file itself, later.
            if name == "Cargo.lock" && path.exists() {
                continue;
            }
            put(&path, content.as_bytes()).map_err(|error| {
                Failure::isle(format!(
                    "{} cannot be written ({}): make room there",
                    path.display(),
                    describe(&error)
                ))
            })?;
        }
        // By the same path as a crate of a user's, for which cargo takes the kernel that it compiled
        // for another.
        link_sources(self, &dir.join(LINK))?;
        Ok(dir)
    }
}

/// Makes `content` all that is in the file at `path`. A file that has it already keeps its time,
/// by which cargo would take it for a new one.
fn put(path: &Path, content: &[u8]) -> io::Result<()> {
    if fs::read(path).is_ok_and(|found| found == content) {
        return Ok(());
    }
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    fs::write(path, content)
}

/// The profile of images alone, out of the workspace's manifest: a program's own manifest need
/// not have it.
fn profile() -> String {
    let manifest: toml::Table = MANIFEST.parse().unwrap_or_default();
    let profile = manifest.get("profile").and_then(|profiles| profiles.get(PROFILE));
    let profiles = toml::Table::from_iter(profile.map(|it| (PROFILE.to_owned(), it.clone())));
    toml::Table::from_iter([("profile".to_owned(), profiles.into())]).to_string()
}

/// Where this user's caches of anchorite's are, as the XDG base directory specification has it.
fn cache_dir() -> Result<PathBuf> {
    let absolute = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute("XDG_CACHE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".cache")))
        .map(|cache| cache.join("anchorite"))
        .ok_or_else(|| {
            Failure::isle(
                "there is no place to build in: set HOME, or XDG_CACHE_HOME to a directory",
            )
        })
}

/// Lets `link` lead to the sources, whatever it led to before. Where it does already nothing is
/// written.
pub fn link_sources(workshop: &Workshop, link: &Path) -> Result<()> {
    let sources = workshop.sources();
    if fs::read_link(link).is_ok_and(|target| target == sources) {
        return Ok(());
    }
    let removed = match fs::remove_file(link) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    };
    removed.and_then(|()| std::os::unix::fs::symlink(&sources, link)).map_err(|error| {
        Failure::usage(format!(
            "{} cannot be made a link to anchorite's sources ({}): let the directory be written, \
             and move away what has that name",
            link.display(),
            describe(&error)
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_profile_is_the_workspaces() {
        let read: toml::Table = profile().parse().unwrap();
        let guest = &read["profile"]["guest"];
        assert_eq!(guest["panic"].as_str(), Some("abort"));
        assert_eq!(guest["package"]["anchorite-kernel"]["opt-level"].as_str(), Some("s"));
        assert_eq!(read["profile"].as_table().unwrap().len(), 1);
    }

    #[test]
    fn what_became_of_the_sources_is_mended() {
        let place = tempfile::tempdir().unwrap();
        drop(Workshop::open_in(place.path()).unwrap());
        let file = place.path().join("sources/program/src/lib.rs");
        let content = fs::read(&file).unwrap();
        let time = fs::metadata(&file).unwrap().modified().unwrap();
        drop(Workshop::open_in(place.path()).unwrap());
        assert_eq!(fs::metadata(&file).unwrap().modified().unwrap(), time);
        fs::write(&file, "changed").unwrap();
        drop(Workshop::open_in(place.path()).unwrap());
        assert_eq!(fs::read(&file).unwrap(), content);
    }
}

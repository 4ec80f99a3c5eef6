//! `--export FILE[:DIR]`: where a guest's files go when its program ends; and [`Target`], a file
//! that is complete or not there at all.
//!
//! The isle writes into a file that has no name yet, in FILE's directory; when all is in it, it
//! becomes FILE at once. Until then FILE is as it was, and however this process ends nothing else
//! stays behind: only on file systems that have no nameless files (NFS, FAT) is it a hidden file,
//! which a kill leaves there.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::unistd::linkat;
use tempfile::TempPath;

use crate::archive::Archive;
use crate::failure::{Failure, Result};
use crate::forward::describe;
use crate::preload::path_of;

/// Permissions of a new file, of which the umask takes some away.
const FILE_MODE: u32 = 0o666;
/// How a file's name begins until it has its own.
const HIDDEN_PREFIX: &str = ".anchorite-";

/// Reads the option's argument and sees whether such a file can be.
pub fn parse(argument: &OsStr) -> Result<Archive> {
    let archive = Archive::parse("--export", argument)?;
    Ok(Archive { host: writable("--export", &archive.host)?, ..archive })
}

/// The path of the file that would be written if `path` was given to `option`, which can be.
pub fn writable(option: &str, path: &Path) -> Result<PathBuf> {
    let refuse = |why: String| Failure::usage(format!("{option} {}: {why}", path.display()));
    let path = match fs::metadata(path) {
        Ok(found) if !found.is_file() => {
            return Err(refuse("there is something that is no file: choose another name".into()));
        }
        // What a symbolic link names is replaced, not the link.
        Ok(_) => path.canonicalize().unwrap_or(path.to_owned()),
        Err(_) => path.to_owned(),
    };
    if path.file_name().is_none() {
        return Err(refuse("that is no name of a file: choose one, such as files.tar".into()));
    }
    match fs::metadata(directory(&path)) {
        Ok(found) if found.is_dir() => Ok(path),
        Ok(_) => Err(refuse("it would be in something that is no directory".into())),
        Err(error) => Err(refuse(format!(
            "its directory: {}: make it with mkdir, or choose another",
            describe(&error)
        ))),
    }
}

/// A file that is yet to be.
pub struct Target {
    /// The option that names it.
    option: &'static str,
    path: PathBuf,
    file: File,
    /// Its name where it has to have one.
    hidden: Option<TempPath>,
}

impl Target {
    /// Room for the file `path`, which the user gave to `option`.
    pub fn new(option: &'static str, path: &Path) -> Result<Self> {
        let refuse = |error: io::Error| {
            Failure::usage(format!(
                "{option} {}: no file can be made in its directory ({}): choose another",
                path.display(),
                describe(&error)
            ))
        };
        let directory = directory(path);
        let nameless = OpenOptions::new()
            .read(true)
            .write(true)
            .mode(FILE_MODE)
            .custom_flags(libc::O_TMPFILE)
            .open(directory);
        let (file, hidden) = match nameless {
            Ok(file) => (file, None),
            Err(error) if is_without_nameless_files(&error) => {
                let made = tempfile::Builder::new()
                    .prefix(HIDDEN_PREFIX)
                    .permissions(Permissions::from_mode(FILE_MODE))
                    .tempfile_in(directory)
                    .map_err(refuse)?;
                let (file, name) = made.into_parts();
                (file, Some(name))
            }
            Err(error) => return Err(refuse(error)),
        };
        Ok(Target { option, path: path.to_owned(), file, hidden })
    }

    /// The path that the user named.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file, to write into.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Gives the file its name: all is in it.
    pub fn keep(self) -> Result<()> {
        let Target { option, path, file, hidden } = self;
        let named = match hidden {
            Some(name) => Ok(name),
            None => tempfile::Builder::new()
                .prefix(HIDDEN_PREFIX)
                .make_in(directory(&path), |name| {
                    let flags = AtFlags::AT_SYMLINK_FOLLOW;
                    linkat(AT_FDCWD, &path_of(&file), AT_FDCWD, name, flags)
                        .map_err(io::Error::from)
                })
                .map(|made| made.into_temp_path()),
        };
        let kept = named.and_then(|name| name.persist(&path).map_err(|kept| kept.error));
        kept.map_err(|error| {
            Failure::isle(format!(
                "{option} {}: the file cannot be put there ({}): choose another place",
                path.display(),
                describe(&error)
            ))
        })
    }
}

fn is_without_nameless_files(error: &io::Error) -> bool {
    // An old kernel takes the flag for a directory to be written.
    error.kind() == ErrorKind::IsADirectory
        || [Some(libc::EOPNOTSUPP), Some(libc::EINVAL)].contains(&error.raw_os_error())
}

/// The directory that `file` is in.
fn directory(file: &Path) -> &Path {
    match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn target(file: &Path) -> Target {
        Target::new("--export", &parse(file.as_os_str()).unwrap().host).unwrap()
    }

    #[test]
    fn a_file_is_replaced_at_once_and_only_when_it_is_complete() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("out.tar");
        fs::write(&file, "before").unwrap();
        let names = || fs::read_dir(&place).unwrap().count();
        let write = |target: &Target| {
            let opened = OpenOptions::new().write(true).open(path_of(target.file()));
            opened.unwrap().write_all(b"after").unwrap();
        };

        let given_up = target(&file);
        write(&given_up);
        drop(given_up);
        assert_eq!((fs::read(&file).unwrap().as_slice(), names()), (&b"before"[..], 1));

        let kept = target(&file);
        write(&kept);
        assert_eq!(fs::read(&file).unwrap(), b"before");
        kept.keep().unwrap();
        assert_eq!((fs::read(&file).unwrap().as_slice(), names()), (&b"after"[..], 1));

        let new = target(&place.path().join("new.tar"));
        write(&new);
        new.keep().unwrap();
        assert_eq!(names(), 2);
    }

    #[test]
    fn a_links_target_is_replaced() {
        let place = tempfile::tempdir().unwrap();
        let (file, link) = (place.path().join("file"), place.path().join("link"));
        fs::write(&file, "before").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        target(&link).keep().unwrap();
        assert!(link.is_symlink());
        assert_eq!(fs::read(&file).unwrap(), b"");
    }

    #[test]
    fn what_cannot_be_a_file_is_refused() {
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join("file"), "").unwrap();
        for name in ["", "none/a.tar", "file/a.tar", ".."] {
            let refused = parse(place.path().join(name).as_os_str()).expect_err(name);
            assert_eq!(refused.status, 2, "{name}");
        }
        assert_eq!(parse(OsStr::new("/dev/null")).expect_err("a device").status, 2);
    }
}

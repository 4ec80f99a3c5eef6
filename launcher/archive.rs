//! [`Archive`]: an archive of the host's and the guest's directory that it fills
//! (`--preload ARCHIVE[:DIR]`) or keeps (`--export FILE[:DIR]`).

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use anchorite_interface::{ARCHIVES_DIR, escape};
use serde::{Deserialize, Serialize};

use crate::failure::{Failure, Result};
use crate::forward::{Root, guest_dir};

/// Bytes of an archive's name that a guest is told.
const NAME_BYTES: usize = 64;

/// An archive and a directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Archive {
    /// The file on the host; for the isle, a path at which it can open it.
    pub host: PathBuf,
    /// How a guest calls it: the last part of the path that the user gave, [`escape`]d.
    pub name: String,
    /// The absolute, normalised directory in the guest.
    pub dir: String,
}

impl Archive {
    /// Reads `HOST_PATH[:DIR]`, which stands after `option`. The last colon is the one that
    /// counts, unless no absolute path follows it and the whole is a path that exists.
    pub fn parse(option: &str, argument: &OsStr) -> Result<Self> {
        let bytes = argument.as_bytes();
        let colon = bytes
            .iter()
            .rposition(|byte| *byte == b':')
            .filter(|colon| bytes[colon + 1..].starts_with(b"/") || !Path::new(argument).exists());
        let (host, dir) = match colon {
            Some(colon) => (&bytes[..colon], &bytes[colon + 1..]),
            None => (bytes, &b"/"[..]),
        };
        if host.is_empty() {
            return Err(Failure::usage(format!(
                "{option} needs a path of this host before the colon, such as {option} \
                 files.tar:/data"
            )));
        }
        let Ok(dir) = str::from_utf8(dir) else {
            return Err(Failure::usage(format!(
                "{option} {}: the guest directory is not UTF-8: choose another",
                argument.display()
            )));
        };
        let host = PathBuf::from(OsStr::from_bytes(host));
        let name = escape(host.file_name().unwrap_or(OsStr::new("archive")).as_bytes());
        Ok(Archive {
            host,
            name: name.chars().take(NAME_BYTES).collect(),
            dir: guest_dir(option, dir, Root::Allowed, "/data")?,
        })
    }

    /// A directory of the host's, at `dir` in the guest, which is absolute and normalised.
    pub fn of_directory(host: &Path, dir: &str) -> Self {
        Archive { host: host.to_owned(), name: "directory".to_owned(), dir: dir.to_owned() }
    }

    /// The path at which uhyve shows the archive to its guest, as the `number`th of its `use_`,
    /// and the name of a multiboot loader's module.
    pub fn guest_path(&self, use_: &str, number: usize) -> String {
        format!("{ARCHIVES_DIR}/{use_}/{number}/{}", self.name)
    }

    /// The guest's kernel argument called `name` about this archive.
    pub fn kernel_argument(&self, name: &str, use_: &str, number: usize) -> String {
        let path = self.guest_path(use_, number);
        format!("{name}={}:{}", escape(path.as_bytes()), escape(self.dir.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_and_its_directory_are_told_apart() {
        let place = tempfile::tempdir().unwrap();
        let path = |name: &str| place.path().join(name).display().to_string();
        std::fs::write(path("there:is"), "").unwrap();
        for (argument, host, dir) in [
            (path("a.tar"), path("a.tar"), "/"),
            (path("a.tar:/"), path("a.tar"), "/"),
            (path("a.tar:/x//y/"), path("a.tar"), "/x/y"),
            (path("a:b.tar:/x"), path("a:b.tar"), "/x"),
            (path("there:is"), path("there:is"), "/"),
            (path("there:is:/x"), path("there:is"), "/x"),
        ] {
            let archive = Archive::parse("--preload", OsStr::new(&argument)).expect(&argument);
            assert_eq!((archive.host, archive.dir.as_str()), (PathBuf::from(host), dir));
        }
        for argument in ["", ":/x", "a.tar:", "a.tar:x", "a.tar:/a/../b"] {
            let refused = Archive::parse("--preload", OsStr::new(argument)).expect_err(argument);
            assert_eq!(refused.status, 2, "{argument}");
            assert!(refused.to_string().starts_with("--preload"), "{refused}");
        }
    }

    #[test]
    fn a_guest_is_told_a_name_that_is_harmless() {
        let odd = OsStr::from_bytes(b"/tmp/a:b \xff,c.tar:/d e");
        let archive = Archive::parse("--preload", odd).unwrap();
        assert_eq!(archive.guest_path("preload", 3), "/.anchorite/preload/3/a%3Ab%20%FF,c.tar");
        let argument = archive.kernel_argument("anchorite.preload", "preload", 0);
        assert_eq!(argument.matches(':').count(), 1, "{argument}");
        assert!(argument.ends_with(":/d%20e"), "{argument}");
    }
}

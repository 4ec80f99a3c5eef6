//! [`Forward`]: a host directory that a guest sees (`--forward HOST_DIR[:GUEST_DIR]`).
//!
//! uhyve takes a mapping as one string `host:guest`, so neither side may have a
//! colon in it, and panics on mappings that overlap: both are checked here.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use anchorite_interface::{ARCHIVES_DIR, FORWARD, READ_ONLY, escape};
use serde::{Deserialize, Serialize};

use crate::failure::{Failure, Result};

/// Where a forwarded directory appears unless the option says otherwise.
pub const DEFAULT_GUEST_DIR: &str = "/host";

/// What the guest may do below a forwarded directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Access {
    /// Anything that the user may.
    ReadWrite,
    /// Look, only. Enforced where the host's kernel has Landlock; the launcher
    /// hands out copies, so that it does not depend on that.
    ReadOnly,
}

/// One forwarded directory, checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forward {
    /// The directory on the host: absolute, without symbolic links, UTF-8.
    pub host: PathBuf,
    /// The absolute path at which the guest sees it: normalised, not `/`.
    pub guest: String,
    /// What the guest may do there.
    pub access: Access,
}

impl Forward {
    /// Reads the option's argument.
    pub fn parse(argument: &OsStr) -> Result<Self> {
        let Some(text) = argument.to_str() else {
            return Err(Failure::usage(format!(
                "--forward {}: uhyve takes only paths in UTF-8: rename the directory",
                argument.display()
            )));
        };
        let mut parts = text.split(':');
        let host = parts.next().unwrap_or_default();
        let guest = parts.next();
        let is_host_path_with_colon = parts.next().is_some()
            || (guest.is_some_and(|guest| !guest.starts_with('/')) && Path::new(text).exists());
        if is_host_path_with_colon {
            return Err(colon_refusal("--forward", text));
        }
        Self::new(
            "--forward",
            Path::new(host),
            guest.unwrap_or(DEFAULT_GUEST_DIR),
            Access::ReadWrite,
        )
    }

    /// Checks both sides of a directory that was given to `option`.
    pub fn new(option: &str, host: &Path, guest: &str, access: Access) -> Result<Self> {
        let shown = host.display();
        if host.as_os_str().is_empty() {
            return Err(Failure::usage(format!(
                "{option} needs a host directory before the guest's, such as .:/host",
            )));
        }
        let resolved = host.canonicalize().map_err(|error| {
            Failure::usage(format!(
                "{option} {shown}: {}: name a directory of this host",
                describe(&error)
            ))
        })?;
        if !resolved.is_dir() {
            return Err(Failure::usage(format!(
                "{option} {shown}: not a directory: name the directory that it is in"
            )));
        }
        let Some(text) = resolved.to_str() else {
            return Err(Failure::usage(format!(
                "{option} {shown}: uhyve takes only paths in UTF-8: rename the directory"
            )));
        };
        if text.contains(':') {
            return Err(colon_refusal(option, text));
        }
        let guest = guest_dir(option, guest, Root::Refused, DEFAULT_GUEST_DIR)?;
        if Path::new(&guest).starts_with(ARCHIVES_DIR) {
            return Err(Failure::usage(format!(
                "{option}: the guest directory `{guest}` is where archives are shown to a guest: \
                 choose another, such as {DEFAULT_GUEST_DIR}"
            )));
        }
        Ok(Forward { host: resolved, guest, access })
    }

    /// The kernel argument that has the guest mount it.
    pub fn kernel_argument(&self) -> String {
        let read_only = match self.access {
            Access::ReadWrite => "",
            Access::ReadOnly => READ_ONLY,
        };
        format!("{FORWARD}={}{read_only}", escape(self.guest.as_bytes()))
    }

    /// The mapping as uhyve takes it.
    pub fn uhyve_mapping(&self) -> String {
        format!("{}:{}", self.host.display(), self.guest)
    }
}

/// Checks that no two directories appear at, or below, one another.
pub fn check_disjoint(forwards: &[Forward]) -> Result<()> {
    for (i, one) in forwards.iter().enumerate() {
        for other in &forwards[..i] {
            let (a, b) = (Path::new(&one.guest), Path::new(&other.guest));
            if a.starts_with(b) || b.starts_with(a) {
                return Err(Failure::usage(format!(
                    "--forward: {} and {} cannot both appear at {}: give each a GUEST_DIR of its \
                     own, not inside the other's",
                    other.host.display(),
                    one.host.display(),
                    one.guest
                )));
            }
        }
    }
    Ok(())
}

/// What an I/O error says, without Rust's "(os error N)".
pub fn describe(error: &std::io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error ") {
        Some((message, _)) => message.to_owned(),
        None => text,
    }
}

fn colon_refusal(option: &str, text: &str) -> Failure {
    Failure::usage(format!(
        "{option} {text}: a host path with a colon in it cannot be forwarded: use a symbolic \
         link's target, or a bind mount, without one"
    ))
}

/// Whether a guest directory may be the ramdisk's root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Root {
    /// It may.
    Allowed,
    /// Something would hide it.
    Refused,
}

/// Normalises and checks a guest directory that was given to `option`.
pub fn guest_dir(option: &str, guest: &str, root: Root, example: &str) -> Result<String> {
    let refuse = |why: &str| {
        Err(Failure::usage(format!(
            "{option}: the guest directory `{guest}` {why}, such as {example}"
        )))
    };
    if !guest.starts_with('/') {
        return refuse("is not an absolute path: begin it with a slash");
    }
    let names: Vec<&str> =
        guest.split('/').filter(|name| !name.is_empty() && *name != ".").collect();
    if names.is_empty() && root == Root::Refused {
        return refuse("is the ramdisk's own root: name a directory below it");
    }
    if names.contains(&"..") {
        return refuse("has `..` in it: name the directory directly");
    }
    if guest.len() > 1024 || names.iter().any(|name| name.len() > 255) {
        return refuse("is too long: choose a short path");
    }
    Ok(format!("/{}", names.join("/")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forwards_are_read_and_normalised() {
        for (argument, guest) in [
            ("/", "/host"),
            ("/:/x", "/x"),
            ("/:/x//y/./z/", "/x/y/z"),
            ("/:/with space", "/with space"),
        ] {
            let forward = Forward::parse(OsStr::new(argument)).expect(argument);
            assert_eq!((forward.host.as_path(), forward.guest.as_str()), (Path::new("/"), guest));
        }
    }

    #[test]
    fn forwards_that_cannot_be_are_refused_as_usage() {
        for argument in [
            "",
            ":/x",
            "/nonexistent/anchorite",
            "/dev/null",
            "/:",
            "/:x",
            "/:/",
            "/://",
            "/:/a/../b",
            "/:/a:/b",
            "/:/a:",
            "/:/.anchorite",
            "/:/.anchorite/preload",
        ] {
            let failure = Forward::parse(OsStr::new(argument)).expect_err(argument);
            assert_eq!(failure.status, 2, "{argument}");
        }
    }

    #[test]
    fn a_host_path_with_a_colon_is_refused_as_such() {
        let parent = tempfile::tempdir().unwrap();
        let with_colon = parent.path().join("a:b");
        std::fs::create_dir(&with_colon).unwrap();
        let link = parent.path().join("link");
        std::os::unix::fs::symlink(&with_colon, &link).unwrap();
        let with_guest = format!("{}:/host", with_colon.display());
        for argument in [with_colon.as_os_str(), link.as_os_str(), OsStr::new(&with_guest)] {
            let failure = Forward::parse(argument).expect_err("a colon");
            assert!(failure.to_string().contains("colon"), "{failure}");
        }
    }

    #[test]
    fn overlapping_guest_directories_are_refused() {
        let at = |guest: &str| {
            Forward::new("--forward", Path::new("/"), guest, Access::ReadWrite).unwrap()
        };
        assert!(check_disjoint(&[at("/a"), at("/b"), at("/ab")]).is_ok());
        for (one, other) in [("/a", "/a"), ("/a", "/a/b"), ("/a/b", "/a")] {
            assert!(check_disjoint(&[at(one), at(other)]).is_err(), "{one} {other}");
        }
    }
}

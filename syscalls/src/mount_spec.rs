//! [`MountSpec`]: a mount as a word on a command line says it.

use alloc::vec::Vec;
use core::fmt::{self, Display, Formatter};

use anchorite_fs::mem::try_bytes;

use crate::Result;
use crate::mounts::options::{Data, MountFlags, RamdiskOptions};
use crate::mounts::{Spot, file_system};
use crate::system::System;

/// What is to be mounted where: `tmpfs:DIR[:OPTIONS]`, for a new ramdisk, or
/// `bind:SOURCE:DIR[:OPTIONS]`, for a directory to be seen at another place too, with what is
/// mounted below it. OPTIONS are words with commas between them, those of [`System::mount`]'s
/// flags as `mount(8)` calls them (`ro`, `noatime`, …) and, of a ramdisk, `size=64m` and its
/// kin.
///
/// ```
/// use anchorite_syscalls::{MountSpec, api};
///
/// let sys = &anchorite_example::system();
/// sys.mount_as(&MountSpec::parse(b"tmpfs:/tmp:size=64k,mode=1777")?)?;
/// sys.mount_as(&MountSpec::parse(b"bind:/tmp:/var/tmp:ro")?)?;
/// api::write(sys, "/tmp/file", "seen in both").unwrap();
/// assert_eq!(api::read(sys, "/var/tmp/file").unwrap(), b"seen in both");
/// assert!(api::remove_file(sys, "/var/tmp/file").is_err());
/// assert!(MountSpec::parse(b"tmpfs:tmp").is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MountSpec<'a> {
    what: What<'a>,
    target: &'a [u8],
    flags: u64,
    /// The options that are no flags.
    data: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What<'a> {
    /// A new file system of this kind.
    New(&'a [u8]),
    /// What is at this path.
    Bound(&'a [u8]),
}

/// Why a word tells no mount. Displayed, it is a clause that names the remedy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MountSpecError {
    /// It has another form.
    Form,
    /// There is no such kind of file system.
    Kind,
    /// A path is relative, or has `..` in it.
    Path,
    /// The path of the mount is `/`, or empty.
    Root,
    /// An option is unknown, or its value is wrong.
    Options,
    /// There is no memory for it.
    Memory,
}

impl Display for MountSpecError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            MountSpecError::Form => "give it as tmpfs:DIR[:OPTIONS] or bind:SOURCE:DIR[:OPTIONS]",
            MountSpecError::Kind => "there is no such file system: begin with tmpfs, ramfs or bind",
            MountSpecError::Path => {
                "a path in it is relative or has `..` in it: give it from the root, such as /tmp"
            }
            MountSpecError::Root => {
                "the root has its file system already: name a directory below it, such as /tmp"
            }
            MountSpecError::Options => {
                "an option is unknown or has no such value: give ro, noatime, nodiratime, \
                 relatime, strictatime, nodev, nosuid, noexec, and to tmpfs size=64m, \
                 nr_blocks=N, nr_inodes=N, mode=1777, uid=N, gid=N"
            }
            MountSpecError::Memory => "there is no memory for it: take more",
        })
    }
}

impl core::error::Error for MountSpecError {}

impl<'a> MountSpec<'a> {
    /// Reads it.
    ///
    /// # Errors
    /// It tells no mount.
    #[cold]
    pub fn parse(word: &'a [u8]) -> core::result::Result<MountSpec<'a>, MountSpecError> {
        let mut parts = word.split(|&byte| byte == b':');
        let mut next = || parts.next().filter(|part| !part.is_empty());
        let kind = next().ok_or(MountSpecError::Form)?;
        let what = match kind {
            b"bind" => What::Bound(next().ok_or(MountSpecError::Form)?),
            kind if file_system::is_known(kind) => What::New(kind),
            _ => return Err(MountSpecError::Kind),
        };
        let target = next().ok_or(MountSpecError::Form)?;
        let options = next().unwrap_or_default();
        if parts.next().is_some() {
            return Err(MountSpecError::Form);
        }
        check_path(target)?;
        if target.iter().all(|byte| matches!(byte, b'/' | b'.')) {
            return Err(MountSpecError::Root);
        }
        if let What::Bound(source) = what {
            check_path(source)?;
        }
        let (flags, data) = split(options)?;
        let is_wrong = match what {
            What::Bound(_) => !data.is_empty(),
            What::New(b"tmpfs") => RamdiskOptions::parse(Data(&data), 0).is_err(),
            What::New(_) => false,
        };
        if is_wrong {
            return Err(MountSpecError::Options);
        }
        Ok(MountSpec { what, target, flags, data })
    }

    /// Where it is to be mounted.
    pub fn target(&self) -> &[u8] {
        self.target
    }
}

impl System {
    /// Mounts what `spec` says. The directory that it is mounted at, and what is bound, are made
    /// with their parents if they are missing.
    ///
    /// # Errors
    /// Those of [`mount`](System::mount) and of `mkdir(2)`.
    #[cold]
    pub fn mount_as(&self, spec: &MountSpec<'_>) -> Result<()> {
        self.as_caller(|caller| {
            let at = Spot::new(self.make_directory_at(caller, spec.target)?);
            match spec.what {
                What::New(kind) => {
                    self.mount_new(caller, Some(kind), at, kind, spec.flags, Data(&spec.data))
                }
                What::Bound(source) => {
                    self.make_directory_at(caller, source)?;
                    let flags = (spec.flags != 0).then(|| MountFlags::of(spec.flags));
                    self.bind(caller, Some(source), at, true, flags)
                }
            }
        })
    }
}

/// # Errors
/// The path is relative, or has `..` in it.
fn check_path(path: &[u8]) -> core::result::Result<(), MountSpecError> {
    let is_plain = path.first() == Some(&b'/')
        && !path.contains(&0)
        && path.split(|&byte| byte == b'/').all(|name| name != b"..");
    if is_plain { Ok(()) } else { Err(MountSpecError::Path) }
}

/// The flags of `mount(2)` among options, and the others.
fn split(options: &[u8]) -> core::result::Result<(u64, Vec<u8>), MountSpecError> {
    const FLAGS: [(&[u8], u64); 9] = [
        (b"rw", 0),
        (b"ro", libc::MS_RDONLY),
        (b"nosuid", libc::MS_NOSUID),
        (b"nodev", libc::MS_NODEV),
        (b"noexec", libc::MS_NOEXEC),
        (b"noatime", libc::MS_NOATIME),
        (b"nodiratime", libc::MS_NODIRATIME),
        (b"relatime", libc::MS_RELATIME),
        (b"strictatime", libc::MS_STRICTATIME),
    ];
    let mut flags = 0;
    let mut data = try_bytes(options).map_err(|_| MountSpecError::Memory)?;
    data.clear();
    for option in options.split(|&byte| byte == b',').filter(|option| !option.is_empty()) {
        match FLAGS.iter().find(|(name, _)| *name == option) {
            Some((_, flag)) => flags |= flag,
            None => {
                if !data.is_empty() {
                    data.push(b',');
                }
                data.extend_from_slice(option);
            }
        }
    }
    Ok((flags, data))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_mount_is_refused() {
        use MountSpecError::{Form, Kind, Options, Path, Root};
        for (word, why) in [
            ("", Form),
            ("tmpfs", Form),
            ("tmpfs:", Form),
            ("bind:/a", Form),
            ("bind::/a", Form),
            ("tmpfs:/a:ro:rw", Form),
            ("proc2:/a", Kind),
            ("/a:/b", Kind),
            ("tmpfs:a", Path),
            ("tmpfs:/a/../b", Path),
            ("bind:a:/b", Path),
            ("tmpfs:/", Root),
            ("tmpfs://./", Root),
            ("tmpfs:/a:what", Options),
            ("tmpfs:/a:size=x", Options),
            ("bind:/a:/b:size=1m", Options),
        ] {
            assert_eq!(MountSpec::parse(word.as_bytes()), Err(why), "{word}");
        }
    }

    #[test]
    fn flags_and_options_come_apart() {
        let spec = MountSpec::parse(b"tmpfs:/tmp:ro,size=1m,noatime,,mode=700").unwrap();
        assert_eq!(spec.target(), b"/tmp");
        assert_eq!(spec.flags, libc::MS_RDONLY | libc::MS_NOATIME);
        assert_eq!(spec.data, b"size=1m,mode=700");
        assert_eq!(MountSpec::parse(b"bind:/a:/b").unwrap().what, What::Bound(b"/a"));
    }
}

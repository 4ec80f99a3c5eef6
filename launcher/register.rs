//! `anchorite register` and `anchorite unregister`: have this host's kernel start images by this
//! executable, so that a shell starts them like its own programs.
//!
//! That is binfmt_misc's affair (the kernel's `admin-guide/binfmt-misc.rst`): a rule names bytes by
//! which it knows a file ([`BEGINNING`]), and who is started for it, with the file's path and its
//! arguments; [`crate::arguments`] makes `anchorite run` of that. The executable is looked up when
//! an image starts (no flag F), since it starts itself once more for the isle, and finds the
//! newer one that may lie at its path then.

use std::env;
use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};

use crate::complain;
use crate::failure::{Failure, Result};
use crate::forward::describe;
use crate::image::BEGINNING;

/// Where the kernel's rules are.
const RULES: &str = "/proc/sys/fs/binfmt_misc";
/// The name of ours.
const NAME: &str = "anchorite";
/// What a rule is written to, to be gone.
const REMOVE: &str = "-1";
/// What may stand between the parts of a rule: not in a path, and in no byte as it is written.
const SEPARATORS: [char; 4] = [':', '|', ',', ';'];
/// Status where there is nothing to be taken back.
const STATUS_NOT_THERE: u8 = 2;

/// Registers images, unless they are already.
///
/// # Errors
/// The kernel cannot, or does not let this user.
pub fn register() -> Result<()> {
    check_root("register")?;
    let executable = executable()?;
    mount_rules()?;
    let path = rule_path();
    match fs::read(&path) {
        Ok(found) if found == told(&executable) => {
            complain(&format!(
                "images are registered already, and start by {}",
                executable.display()
            ));
            return Ok(());
        }
        // Another one's, or one that is turned off.
        Ok(_) => tell(&path, REMOVE.as_bytes()).map_err(|error| refused("register", &error))?,
        Err(_) => {}
    }
    let rule = rule(&executable)?;
    tell(&Path::new(RULES).join("register"), &rule).map_err(|error| refused("register", &error))?;
    complain(&format!(
        "images that `anchorite build` makes start by {} from now on, until the next boot or \
         `anchorite unregister`",
        executable.display()
    ));
    Ok(())
}

/// Takes the rule back.
///
/// # Errors
/// There is none, or the kernel does not let this user.
pub fn unregister() -> Result<()> {
    check_root("unregister")?;
    match tell(&rule_path(), REMOVE.as_bytes()) {
        Ok(()) => {
            complain("images are no longer registered");
            Ok(())
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Err(Failure::new(
            STATUS_NOT_THERE,
            "images are not registered: there is nothing to take back",
        )),
        Err(error) => Err(refused("unregister", &error)),
    }
}

/// Writes to a file of the kernel's, which is there or not: none can be made.
fn tell(path: &Path, words: &[u8]) -> io::Result<()> {
    OpenOptions::new().write(true).open(path)?.write_all(words)
}

fn rule_path() -> PathBuf {
    Path::new(RULES).join(NAME)
}

fn check_root(command: &str) -> Result<()> {
    if nix::unistd::geteuid().is_root() {
        return Ok(());
    }
    let own = env::current_exe().unwrap_or(PathBuf::from(NAME));
    Err(Failure::isle(format!(
        "{command} changes what this host's kernel does, which takes root: sudo {} {command}",
        own.display()
    )))
}

/// This executable, as it can be found again.
fn executable() -> Result<PathBuf> {
    env::current_exe().ok().filter(|path| path.is_file()).ok_or_else(|| {
        Failure::isle("this executable cannot be found any more: install it anew, then register it")
    })
}

/// Sees to it that the kernel's rules can be reached.
fn mount_rules() -> Result<()> {
    // To look is enough where systemd mounts it when somebody does.
    if Path::new(RULES).join("register").exists() {
        return Ok(());
    }
    let kind = Some("binfmt_misc");
    let mounted = mount(kind, RULES, kind, MsFlags::empty(), None::<&str>);
    mounted.map_err(|errno| match errno {
        Errno::ENODEV | Errno::ENOENT => Failure::isle(
            "this host's kernel has no binfmt_misc: load it (`modprobe binfmt_misc`), or start \
             images with `anchorite run`",
        ),
        errno => Failure::isle(format!(
            "binfmt_misc cannot be mounted on {RULES} ({}): mount it, or start images with \
             `anchorite run`",
            errno.desc()
        )),
    })?;
    complain(&format!("binfmt_misc was not mounted, and is now, on {RULES}"));
    Ok(())
}

fn refused(command: &str, error: &io::Error) -> Failure {
    Failure::isle(format!(
        "{command}: the kernel refuses ({}): see whether {RULES} can be written here",
        describe(error)
    ))
}

/// The rule as the kernel is told.
fn rule(executable: &Path) -> Result<Vec<u8>> {
    let path = executable.as_os_str().as_bytes();
    let separator = SEPARATORS.iter().find(|separator| !path.contains(&(**separator as u8)));
    let (Some(separator), false) = (separator, path.contains(&b'\n')) else {
        return Err(Failure::isle(format!(
            "{}: the kernel can have no such path: install anchorite at another",
            executable.display()
        )));
    };
    let hex = |bytes: &[u8]| {
        bytes.iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "\\x{byte:02x}");
            text
        })
    };
    let head = [NAME, "M", "0", &hex(&BEGINNING), ""];
    let mut rule = head.iter().fold(String::new(), |mut rule, part| {
        let _ = write!(rule, "{separator}{part}");
        rule
    });
    rule.push(*separator);
    let mut rule = rule.into_bytes();
    rule.extend_from_slice(path);
    rule.push(*separator as u8);
    Ok(rule)
}

/// What the kernel tells of the rule.
fn told(executable: &Path) -> Vec<u8> {
    let magic = BEGINNING.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    });
    let path = executable.as_os_str().as_bytes();
    let rest = format!("\nflags: \noffset 0\nmagic {magic}\n");
    [b"enabled\ninterpreter ", path, rest.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_as_the_kernel_reads_it() {
        let text = |path: &str| String::from_utf8(rule(Path::new(path)).unwrap()).unwrap();
        let magic =
            r"\x7f\x45\x4c\x46\x02\x01\x01\xff\x41\x00\x00\x00\x00\x00\x00\x00\x03\x00\x3e\x00";
        assert_eq!(text("/a b"), format!(":anchorite:M:0:{magic}::/a b:"));
        assert_eq!(text("/a:b"), format!("|anchorite|M|0|{magic}||/a:b|"));
        assert!(rule(Path::new("/a:|,;")).is_err());
        assert!(rule(Path::new("/a\n")).is_err());
    }
}

//! `--mount SPEC`: what is mounted in a guest before its program starts.
//!
//! A word of [`MountSpec`]'s is done in the guest, before its archives are read; `host:` and a
//! directory of the host's is a [`Forward`], as `--forward` makes one.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use anchorite_interface::{MOUNT, escape};
use anchorite_syscalls::MountSpec;

use crate::failure::{Failure, Result};
use crate::forward::{Access, Forward};
use crate::order::{Order, Word};

/// Adds what the option's argument says to the order.
pub fn add(argument: &OsStr, order: &mut Order) -> Result<()> {
    let bytes = argument.as_bytes();
    if let Some(rest) = bytes.strip_prefix(b"host:") {
        order.forwards.push(host(argument, rest)?);
        return Ok(());
    }
    match MountSpec::parse(bytes) {
        Ok(_) => order.mounts.push(Word::from(argument)),
        Err(error) => {
            return Err(Failure::usage(format!("--mount {}: {error}", argument.display())));
        }
    }
    Ok(())
}

/// The kernel argument that has the guest mount it.
pub fn kernel_argument(word: &Word) -> String {
    format!("{MOUNT}={}", escape(word.bytes()))
}

/// Reads `HOST_DIR:DIR[:ro]`.
fn host(argument: &OsStr, rest: &[u8]) -> Result<Forward> {
    let parts: Vec<&[u8]> = rest.split(|&byte| byte == b':').collect();
    let (host, guest, access) = match parts[..] {
        [host, guest] | [host, guest, b"rw"] => (host, guest, Access::ReadWrite),
        [host, guest, b"ro"] => (host, guest, Access::ReadOnly),
        _ => {
            return Err(Failure::usage(format!(
                "--mount {}: give a directory of the host's as host:HOST_DIR:DIR or \
                 host:HOST_DIR:DIR:ro",
                argument.display()
            )));
        }
    };
    let guest = String::from_utf8_lossy(guest);
    Forward::new("--mount", Path::new(OsStr::from_bytes(host)), &guest, access)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add_all(arguments: &[&str]) -> Result<Order> {
        let mut order = Order::new("hello");
        arguments.iter().try_for_each(|argument| add(OsStr::new(argument), &mut order))?;
        Ok(order)
    }

    #[test]
    fn mounts_and_directories_of_the_host_are_told_apart() {
        let order =
            add_all(&["tmpfs:/tmp:size=1m", "host:/:/h", "bind:/a:/b:ro", "host:/:/r:ro"]).unwrap();
        assert_eq!(order.mounts, [Word::from("tmpfs:/tmp:size=1m"), Word::from("bind:/a:/b:ro")]);
        let access: Vec<_> =
            order.forwards.iter().map(|forward| (&*forward.guest, forward.access)).collect();
        assert_eq!(access, [("/h", Access::ReadWrite), ("/r", Access::ReadOnly)]);
        assert_eq!(order.forwards[1].kernel_argument(), "anchorite.forward=/r:ro");
        assert_eq!(kernel_argument(&order.mounts[1]), "anchorite.mount=bind%3A/a%3A/b%3Aro");
    }

    #[test]
    fn what_is_no_mount_is_refused_in_a_sentence() {
        for argument in ["", "tmpfs", "x:/a", "tmpfs:/a:what", "host:/", "host:/:/a:no", "host:/:a"]
        {
            let failure = add_all(&[argument]).expect_err(argument);
            assert_eq!(failure.status, 2, "{argument}");
            let sentence = failure.to_string();
            assert!(sentence.contains("--mount") && !sentence.contains('\n'), "{sentence}");
        }
    }
}

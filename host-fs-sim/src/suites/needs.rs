//! [`Need`]: what a suite needs of the host, how to tell, and how to install it.

use std::path::Path;
use std::process::Command;

use anyhow::Result;
use nix::unistd::User;

use super::sqlite;
use crate::programs::{Package, apt_command, find_on_path, run, shown};

/// The user that suites work as where root's rights would hide something. There is a
/// group of the same name.
pub const USER: &str = "tests";

/// Something that must be installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// A crate's program.
    Crate(Package),
    /// A program of the Debian package of that name.
    Debian(&'static str),
    /// The users `nobody` and [`USER`].
    Users,
    /// SQLite's tests, built from Debian's source package.
    Testfixture,
}

impl Need {
    /// Whether it is there; crates and sources are looked for in `root` first.
    ///
    /// # Errors
    /// Those of `getpwnam(3)`.
    pub fn is_met(self, root: &Path) -> Result<bool> {
        Ok(match self {
            Need::Crate(package) => package.find(root).is_some(),
            Need::Debian(package) => find_on_path(package).is_some(),
            Need::Users => User::from_name("nobody")?.is_some() && User::from_name(USER)?.is_some(),
            Need::Testfixture => sqlite::is_built(root),
        })
    }

    /// A sentence that says what is missing, and how to get it.
    pub fn missing(self, root: &Path) -> String {
        match self {
            Need::Crate(package) => {
                let command = shown(&package.install_command(root));
                format!("{} {} is missing: `{command}`", package.name, package.version)
            }
            Need::Debian(package) => {
                format!("{package} is missing: `{}`", shown(&apt_command(&[package])))
            }
            Need::Users => {
                format!("the users nobody and {USER} are needed: `{}`", shown(&user_command()))
            }
            Need::Testfixture => {
                let root = root.display();
                format!(
                    "SQLite's tests are not built in {root}: \
                     `host-fs-sim suites sqlite --install --root {root}`"
                )
            }
        }
    }

    /// Installs it.
    ///
    /// # Errors
    /// A command fails.
    pub fn install(self, root: &Path) -> Result<()> {
        match self {
            Need::Crate(package) => run(&mut package.install_command(root)),
            Need::Debian(package) => run(&mut apt_command(&[package])),
            Need::Users => run(&mut user_command()),
            Need::Testfixture => sqlite::build(root),
        }
    }
}

fn user_command() -> Command {
    let mut command = Command::new("useradd");
    command.args(["--no-create-home", "--shell", "/usr/sbin/nologin", USER]);
    command
}

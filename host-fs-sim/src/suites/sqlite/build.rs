//! SQLite's test program, built from the source package of whatever Debian this is.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::available_parallelism;

use anyhow::{Context, Result, ensure};

use crate::programs::{apt_command, run, shown};

/// What is needed to unpack and build it.
const PACKAGES: [&str; 6] = ["dpkg-dev", "gcc", "libc6-dev", "make", "tcl8.6-dev", "zlib1g-dev"];

/// Where it is.
pub fn home(root: &Path) -> PathBuf {
    root.join("sqlite")
}

/// Whether it is there.
pub fn is_built(root: &Path) -> bool {
    let home = home(root);
    home.join("build/testfixture").is_file() && home.join("source/test/veryquick.test").is_file()
}

/// Fetches the sources, beside apt's own lists, and builds the test program.
///
/// # Errors
/// A command fails; the log has the details.
pub fn build(root: &Path) -> Result<()> {
    run(&mut apt_command(&[&PACKAGES[..], &["tcl8.6"]].concat()))?;
    let home = home(root);
    if home.exists() {
        fs::remove_dir_all(&home)?;
    }
    for dir in ["lists/partial", "cache", "unpacked", "build"] {
        fs::create_dir_all(home.join(dir))?;
    }
    // apt goes elsewhere to fetch.
    let home = home.canonicalize()?;
    fs::write(home.join("sources.list"), source_lines()?)?;
    let log = home.join("log");
    eprintln!("building SQLite's tests; {} tells how it goes ...", log.display());
    let step = Step { log: File::create(&log)?, path: &log };

    step.run(apt(&home).arg("update"))?;
    let unpacked = home.join("unpacked");
    step.run(apt(&home).args(["source", "--only-source", "sqlite3"]).current_dir(&unpacked))?;
    fs::rename(directory_in(&unpacked)?, home.join("source"))?;
    let build = home.join("build");
    // With everything that is tested; and optimised little, since building would take longer
    // than it saves.
    let mut configure = Command::new("../source/configure");
    step.run(configure.args(["--enable-all", "CFLAGS=-O1"]).current_dir(&build))?;
    let jobs = available_parallelism().map_or(1, |n| n.get());
    step.run(Command::new("make").arg(format!("-j{jobs}")).arg("testfixture").current_dir(&build))
}

/// apt-get with state of its own, so that the host's stays as it is.
fn apt(home: &Path) -> Command {
    let mut command = Command::new("apt-get");
    let mut option = |name: &str, path: PathBuf| {
        command.arg("-o").arg(format!("{name}={}", path.display()));
    };
    option("Dir::Etc::SourceList", home.join("sources.list"));
    option("Dir::Etc::SourceParts", "/dev/null".into());
    option("Dir::State::Lists", home.join("lists"));
    option("Dir::Cache", home.join("cache"));
    // `_apt` may not be able to enter a home.
    command.args(["-o", "APT::Sandbox::User=root"]);
    command
}

/// Lines that name the sources of those archives of Debian's, or of one that is made like
/// it, that the host takes its packages from.
fn source_lines() -> Result<String> {
    let format = "$(ORIGIN) $(COMPONENT) $(SITE) $(RELEASE) $(SIGNED_BY)";
    let mut command = Command::new("apt-get");
    command.args(["indextargets", "--format", format, "Created-By: Packages"]);
    let told = command.stderr(Stdio::inherit()).output().context("cannot start apt-get")?;
    let lines = deb_src(&String::from_utf8_lossy(&told.stdout));
    ensure!(!lines.is_empty(), "apt knows no archive of Debian's: `apt-get update`");
    Ok(lines)
}

fn deb_src(targets: &str) -> String {
    let mut lines = String::new();
    for target in targets.lines() {
        let words: Vec<_> = target.split_whitespace().collect();
        let ["Debian" | "Ubuntu", "main", site, release, signed_by @ ..] = &words[..] else {
            continue;
        };
        // What apt does not know, it leaves as it stands.
        let line = match signed_by {
            [key] if key.starts_with('/') => format!("deb-src [signed-by={key}] "),
            _ => "deb-src ".into(),
        } + &format!("{site} {release} main\n");
        if !lines.contains(&line) {
            lines += &line;
        }
    }
    lines
}

struct Step<'a> {
    log: File,
    path: &'a Path,
}

impl Step<'_> {
    fn run(&self, command: &mut Command) -> Result<()> {
        command.stdin(Stdio::null()).stdout(self.log.try_clone()?).stderr(self.log.try_clone()?);
        let status =
            command.status().with_context(|| format!("cannot start {}", shown(command)))?;
        let path = self.path.display();
        ensure!(status.success(), "`{}` failed: {path} tells why", shown(command));
        Ok(())
    }
}

/// The one directory in there.
fn directory_in(dir: &Path) -> Result<PathBuf> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            return Ok(entry.path());
        }
    }
    anyhow::bail!("nothing was unpacked in {}", dir.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_those_of_the_distribution_alone() {
        let targets = "\
Debian main http://deb.debian.org/debian bookworm /usr/share/keyrings/debian.gpg
Debian main http://deb.debian.org/debian bookworm /usr/share/keyrings/debian.gpg
Debian contrib http://deb.debian.org/debian bookworm
. main https://deb.nodesource.com/node_20.x nodistro /usr/share/keyrings/node.gpg
Debian main http://deb.debian.org/debian-security bookworm-security $(SIGNED_BY)
$(ORIGIN) main http://x y
";
        let expected = "\
deb-src [signed-by=/usr/share/keyrings/debian.gpg] http://deb.debian.org/debian bookworm main
deb-src http://deb.debian.org/debian-security bookworm-security main
";
        assert_eq!(deb_src(targets), expected);
    }
}

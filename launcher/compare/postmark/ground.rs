//! [`Ground`]: how postmark is run once, each way.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::results::Outcome;
use super::{Configuration, debian};
use crate::archive::Archive;
use crate::compare::scratch::{Fresh, Scratch};
use crate::compare::session::{DIRECTORY, Said, Session, Way};
use crate::failure::{Failure, Result};
use crate::forward::{Access, DEFAULT_GUEST_DIR, Forward, describe};
use crate::order::Word;

/// The program that is compared.
pub const PROGRAM: &str = "postmark";
/// Its option: results as JSON.
const JSON: &str = "--json";
/// The guest's option: a directory to make first.
const MAKE: &str = "--make";
/// The guest's option: files that are nothing but their bytes.
const BARE: &str = "--bare";
/// Where a guest sees its configuration.
pub const GUEST_CONFIG_DIR: &str = "/config";
/// The configuration's name in its directory.
const CONFIG_NAME: &str = "postmark.cfg";

/// Exit status of a comparison in which postmark failed.
const STATUS_FAILED: u8 = 1;

/// A configuration in a directory of the host's, as a guest and the native run read it.
pub struct Files {
    path: PathBuf,
    /// The directories that the configuration takes for granted.
    locations: Vec<String>,
}

impl Files {
    /// Writes the commands into `directory`.
    ///
    /// # Errors
    /// There is no room there, or the ways would not do the same.
    pub fn new(directory: &Path, commands: &[u8]) -> Result<Self> {
        let locations = locations(commands)?;
        let path = directory.join(CONFIG_NAME);
        std::fs::write(&path, to_be_run(commands)).map_err(|error| {
            Failure::isle(format!(
                "{} cannot be written ({}): make room there",
                path.display(),
                describe(&error)
            ))
        })?;
        Ok(Files { path, locations })
    }

    /// A guest's arguments, to work on the ramdisk.
    pub fn guest_args(&self) -> Vec<String> {
        let path = format!("{GUEST_CONFIG_DIR}/{CONFIG_NAME}");
        let make = self.locations.iter().flat_map(|location| [MAKE, location]);
        let args = [DIRECTORY, "/"].into_iter().chain(make).chain([JSON, path.as_str()]);
        args.map(str::to_owned).collect()
    }
}

/// What the further ways need; nothing where they are not to be had.
#[derive(Default)]
pub struct Further {
    /// A directory on ext4.
    pub ext4: Option<Scratch>,
    /// Debian's program.
    pub debian: Option<PathBuf>,
}

/// What every run of one configuration needs.
pub struct Ground<'a> {
    session: &'a Session,
    /// A directory with a copy of the configuration.
    directory: Fresh,
    config: Files,
    further: &'a Further,
}

impl<'a> Ground<'a> {
    /// Puts a copy of the configuration where a guest can read it.
    ///
    /// # Errors
    /// There is no room there, or the ways would not do the same.
    pub fn new(
        session: &'a Session,
        subject: &Configuration,
        further: &'a Further,
    ) -> Result<Self> {
        let directory = session.scratch.fresh()?;
        let commands = subject.commands.as_deref().unwrap_or_default();
        let config = Files::new(directory.path(), commands)?;
        Ok(Ground { session, directory, config, further })
    }

    /// Runs postmark once, one way.
    pub fn run(&self, way: Way) -> Result<Outcome> {
        // Read into the ramdisk beforehand, so that no way waits for it.
        let config = Archive::of_directory(self.directory.path(), GUEST_CONFIG_DIR);
        let said = match way {
            Way::Ramdisk | Way::Bare => {
                let bare = (way == Way::Bare).then(|| BARE.to_owned());
                let args: Vec<_> = bare.into_iter().chain(self.config.guest_args()).collect();
                let args = args.iter().map(|arg| Word::from(arg.as_str()));
                self.session.guest(PROGRAM, args, Vec::new(), vec![config])?
            }
            Way::Forwarded => {
                let files = self.fresh_with_locations(&self.session.scratch)?;
                let forward =
                    Forward::new("--forward", files.path(), DEFAULT_GUEST_DIR, Access::ReadWrite)?;
                let path = format!("{GUEST_CONFIG_DIR}/{CONFIG_NAME}");
                let args = [DIRECTORY, DEFAULT_GUEST_DIR, JSON, &path].map(Word::from);
                self.session.guest(PROGRAM, args, vec![forward], vec![config])?
            }
            Way::Native | Way::Ext4 => {
                let elsewhere = self.further.ext4.as_ref().filter(|_| way == Way::Ext4);
                let place = elsewhere.unwrap_or(&self.session.scratch);
                let files = self.fresh_with_locations(place)?;
                let config = self.config.path.as_path();
                let args = [DIRECTORY.as_ref(), files.path(), JSON.as_ref(), config];
                self.session.native(PROGRAM, args.map(AsRef::<OsStr>::as_ref))?
            }
            Way::Debian => {
                let files = self.fresh_with_locations(&self.session.scratch)?;
                let program = self.further.debian.as_deref().unwrap_or(Path::new(PROGRAM));
                return debian::run(program, files.path(), &self.config.path);
            }
        };
        read(way, &said)
    }

    /// A fresh directory of the host's, with the locations in it.
    fn fresh_with_locations(&self, place: &Scratch) -> Result<Fresh> {
        let files = place.fresh()?;
        for location in &self.config.locations {
            let path = files.path().join(location);
            std::fs::create_dir_all(&path).map_err(|error| {
                Failure::isle(format!(
                    "{} cannot be made ({}): make room there",
                    path.display(),
                    describe(&error)
                ))
            })?;
        }
        Ok(files)
    }
}

/// The commands as postmark gets them. A configuration may end in `run` and
/// `quit`, as for postmark itself, or leave that to us.
fn to_be_run(commands: &[u8]) -> Vec<u8> {
    // As postmark has it, a line is the command that it begins with.
    let is = |line: &[u8], command: &str| line.starts_with(command.as_bytes());
    let lines = || commands.split(|&byte| byte == b'\n');
    let mut text = Vec::new();
    let runs = lines().any(|line| is(line, "run"));
    for line in lines().filter(|line| !line.is_empty()) {
        if !runs && (is(line, "quit") || is(line, "exit")) {
            break;
        }
        text.extend_from_slice(line);
        text.push(b'\n');
    }
    if !runs {
        text.extend_from_slice(b"run\n");
    }
    text.extend_from_slice(b"quit\n");
    text
}

/// The directories that the configuration's commands name: postmark expects them to be
/// there. Each way must keep to its own directory: at an absolute location, or one that
/// leads up, the forwarded way would work on the ramdisk, and the native one anywhere.
fn locations(commands: &[u8]) -> Result<Vec<String>> {
    let mut locations = Vec::new();
    for line in commands.split(|&byte| byte == b'\n') {
        let Some(location) = line.strip_prefix(b"set location") else {
            continue;
        };
        let location = location.trim_ascii();
        let location = location.strip_prefix(b"+").unwrap_or(location);
        let path = location.split(u8::is_ascii_whitespace).next().unwrap_or_default();
        if path.is_empty() || path.starts_with(b"-") {
            continue;
        }
        let text = String::from_utf8_lossy(path);
        let stays =
            !path.starts_with(b"/") && path.split(|&byte| byte == b'/').all(|name| name != b"..");
        if !stays || std::str::from_utf8(path).is_err() {
            return Err(Failure::usage(format!(
                "the configuration's location {text} is not in the directory that each way works \
                 in: take a relative one in UTF-8, and name that directory's place by --native-dir"
            )));
        }
        locations.push(text.into_owned());
    }
    Ok(locations)
}

/// Reads what one run of postmark printed.
fn read(way: Way, said: &Said) -> Result<Outcome> {
    let title = way.title();
    let Said { status, stdout, stderr: told, .. } = said;
    let mut outcomes = stdout.lines().filter_map(|line| serde_json::from_str(line).ok());
    let outcome: Option<Outcome> = outcomes.next();

    // What cannot be forwarded (removing a directory) postmark reports and goes
    // on; anything else would be an error of the configuration's.
    let complaint = told.lines().find(|line| way != Way::Forwarded && line.starts_with("Error: "));
    let why = complaint.or_else(|| told.lines().rev().find(|line| !line.trim().is_empty()));
    let failed = |what: String| {
        let why = why.unwrap_or("it does not say why");
        Err(Failure::new(STATUS_FAILED, format!("postmark ({title}) {what}: {why}")))
    };
    match outcome {
        _ if *status != 0 => failed(format!("ended with status {status}")),
        _ if complaint.is_some() => failed("cannot do what it was told".to_owned()),
        None => failed("ended without results".to_owned()),
        Some(_) if outcomes.next().is_some() => Err(Failure::usage(format!(
            "the configuration runs postmark ({title}) more than once: leave one `run` in it"
        ))),
        Some(outcome) if outcome.out_of_files => Err(Failure::usage(format!(
            "postmark ({title}) ran out of files: give the configuration more files or fewer \
             transactions"
        ))),
        Some(outcome) => Ok(outcome),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_is_run_once_however_it_ends() {
        for (commands, text) in [
            ("", "run\nquit\n"),
            ("set seed 7", "set seed 7\nrun\nquit\n"),
            ("set seed 7\nrun\nquit\n", "set seed 7\nrun\nquit\nquit\n"),
            ("set seed 7\nquit\n", "set seed 7\nrun\nquit\n"),
            ("run", "run\nquit\n"),
        ] {
            let given = to_be_run(commands.as_bytes());
            assert_eq!(String::from_utf8_lossy(&given), text, "{commands:?}");
        }
    }

    /// `set location /` compared the ramdisk with itself, as "forwarded".
    #[test]
    fn locations_are_found_and_kept_to_the_ways_directories() {
        for (commands, named) in [
            ("", &[][..]),
            ("set location .\n", &["."]),
            ("set location a/b 3\r\nset location +c\nset location -c", &["a/b", "c"]),
        ] {
            let found = locations(commands.as_bytes());
            assert_eq!(found, Ok(named.iter().map(ToString::to_string).collect()), "{commands:?}");
        }
        for commands in [
            "set location /",
            "set seed 7\nset location  /tmp 3\n",
            "set location +/a",
            "set location a/../../b",
        ] {
            let failure = locations(commands.as_bytes()).expect_err(commands);
            assert_eq!(failure.status, 2, "{commands:?}");
        }
    }
}

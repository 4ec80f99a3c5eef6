//! [`Command`]: what a line of input asks for.
//!
//! A line is a command if it *starts* with the command's name: `runaway` runs.
//! What follows the name and one more character, whichever it is, is the
//! argument. Shorter forms of a name are not known.

/// The commands of the original in the order of its `help`, which is also the
/// order in which a line is compared with them.
pub const COMMANDS: [(&str, &str, Verb); 17] = [
    ("set size", "Sets low and high bounds of files", Verb::Size),
    ("set number", "Sets number of simultaneous files", Verb::Number(Number::Files)),
    ("set seed", "Sets seed for random number generator", Verb::Number(Number::Seed)),
    ("set transactions", "Sets number of transactions", Verb::Number(Number::Transactions)),
    ("set location", "Sets location of working files", Verb::Location),
    ("set subdirectories", "Sets number of subdirectories", Verb::Number(Number::Subdirectories)),
    ("set read", "Sets read block size", Verb::Number(Number::Read)),
    ("set write", "Sets write block size", Verb::Number(Number::Write)),
    ("set buffering", "Sets usage of buffered I/O", Verb::Buffering),
    (
        "set bias read",
        "Sets the chance of choosing read over append",
        Verb::Number(Number::BiasRead),
    ),
    (
        "set bias create",
        "Sets the chance of choosing create over delete",
        Verb::Number(Number::BiasCreate),
    ),
    ("set report", "Choose verbose or terse report format", Verb::Report),
    ("run", "Runs one iteration of benchmark", Verb::Run),
    ("load", "Read configuration file", Verb::Load),
    ("show", "Displays current configuration", Verb::Show),
    ("help", "Prints out available commands", Verb::Help),
    ("quit", "Exit program", Verb::Quit),
];

/// Our addition, which the original's `help` does not list.
const DELETE_LOCATION: &[u8] = b"del location";

use crate::settings::Number;

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// `set size`.
    Size,
    /// `set` of a number.
    Number(Number),
    /// `set location`.
    Location,
    /// `del location`.
    DeleteLocation,
    /// `set buffering`.
    Buffering,
    /// `set report`.
    Report,
    /// `run [FILE]`.
    Run,
    /// `load FILE`.
    Load,
    /// `show [FILE]`.
    Show,
    /// `help`.
    Help,
    /// `quit`.
    Quit,
    /// `!COMMAND`.
    Shell,
}

/// What is to be done, and with what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Command<'a> {
    /// What is to be done.
    pub verb: Verb,
    /// What follows the name, if anything does.
    pub argument: Option<&'a [u8]>,
}

impl<'a> Command<'a> {
    /// Understands a line as `fgets` gave it, its newline not yet taken off.
    ///
    /// The original takes off the last character whatever it is, so a last
    /// line without a newline loses a letter; and a NUL ends a line.
    pub fn parse(line: &'a [u8]) -> Option<Command<'a>> {
        let end = line.iter().position(|byte| *byte == 0);
        let line = &line[..end.unwrap_or(line.len())];
        let line = &line[..line.len().saturating_sub(1)];
        if let [b'!', command @ ..] = line {
            return Some(Command {
                verb: Verb::Shell,
                argument: (!command.is_empty()).then_some(command),
            });
        }
        let line = if line == b"exit" { b"quit" } else { line };
        let named = |name: &[u8], verb| {
            let rest = line.strip_prefix(name)?;
            let argument = (!rest.is_empty()).then(|| &rest[1..]);
            Some(Command { verb, argument })
        };
        COMMANDS
            .iter()
            .find_map(|(name, _, verb)| named(name.as_bytes(), *verb))
            .or_else(|| named(DELETE_LOCATION, Verb::DeleteLocation))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    fn parse(line: &str) -> Option<(Verb, Option<&str>)> {
        let command = Command::parse(line.as_bytes())?;
        let argument = command.argument.map(|text| str::from_utf8(text).unwrap());
        Some((command.verb, argument))
    }

    #[test]
    fn a_line_is_a_command_if_it_starts_with_its_name() {
        assert_eq!(parse("run\n"), Some((Verb::Run, None)));
        assert_eq!(parse("run a b\n"), Some((Verb::Run, Some("a b"))));
        assert_eq!(parse("runx\n"), Some((Verb::Run, Some(""))));
        assert_eq!(parse("runaway\n"), Some((Verb::Run, Some("way"))));
        assert_eq!(parse("set size 5\n"), Some((Verb::Size, Some("5"))));
        assert_eq!(parse("set numberX9\n"), Some((Verb::Number(Number::Files), Some("9"))));
        for line in ["ru\n", "set\n", " run\n", "\n", "Run\n", "exitx\n", "exit now\n", "del\n"] {
            assert_eq!(parse(line), None, "{line:?}");
        }
        assert_eq!(parse("exit\n"), Some((Verb::Quit, None)));
        assert_eq!(parse("!ls -l\n"), Some((Verb::Shell, Some("ls -l"))));
        assert_eq!(parse("!\n"), Some((Verb::Shell, None)));
        assert_eq!(parse("del location /a\n"), Some((Verb::DeleteLocation, Some("/a"))));
    }

    #[test]
    fn the_last_character_is_taken_off_whatever_it_is_and_a_nul_ends_the_line() {
        assert_eq!(parse("runs"), Some((Verb::Run, None)));
        assert_eq!(parse("run"), None);
        assert_eq!(parse("set number 5\0 6\n"), parse("set number \n"));
        assert_eq!(parse("\0run\n"), None);
        assert_eq!(parse(""), None);
    }

    proptest! {
        #[test]
        fn no_line_makes_the_parser_panic(line in any::<Vec<u8>>()) {
            let _ = Command::parse(&line);
        }

        #[test]
        fn no_argument_makes_a_setting_panic(which in 0..17usize, text in any::<Vec<u8>>()) {
            let mut line = COMMANDS[which].0.as_bytes().to_vec();
            line.push(b' ');
            line.extend(text);
            line.push(b'\n');
            let command = Command::parse(&line).unwrap();
            let mut settings = crate::Settings::default();
            let _ = settings.set_size(command.argument);
            let _ = settings.set_location(command.argument);
            let _ = settings.set_number(Number::Read, command.argument);
            let _ = settings.set_buffering(command.argument);
            let _ = settings.set_format(command.argument);
        }
    }
}

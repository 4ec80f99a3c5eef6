//! [`main`]: the program — its arguments, the commands it reads, what each
//! one does.
//!
//! Commands come from `.pmrc` or from the file that the argument names, then
//! from the standard input. Files may `load` further files; the ones being
//! read are a stack on the heap, so that a file that loads itself ends as it
//! does with the original, at the limit of open files, and not with the stack.

use alloc::vec::Vec;

use anchorite_syscalls::Result;

use crate::Calls;
use crate::command::{COMMANDS, Command, Verb};
use crate::console::{Console, Sink};
use crate::report::{Outcome, Report};
use crate::settings::{Complaint, Settings};
use crate::show::show;
use crate::stdio::{Mode, Stream};
use crate::workload;

const VERSION: &str = "v1.51 : 8/14/01";
/// Read if there is no argument.
const USUAL_FILE: &[u8] = b".pmrc";
/// How many files the original can have open besides the console: Linux's
/// usual limit of 1024.
const MOST_OPEN_FILES: usize = 1021;

/// Runs PostMark with the arguments after the program's name, to the end of
/// its input. Returns the exit status.
///
/// `args` is empty, or names a file of commands (with more than one argument
/// the original takes none of them). Our addition: `--json` before it turns
/// each run's report into one line of JSON on the standard output, and a file
/// that cannot be read into an error and status 1.
pub fn main<C: Calls>(calls: &C, args: &[&[u8]]) -> i32 {
    main_with(calls, args, |_| {})
}

/// Like [`main`], and shows each run's result to `on_report`.
pub fn main_with<C: Calls>(calls: &C, args: &[&[u8]], on_report: impl FnMut(&Report)) -> i32 {
    let (style, args) = match args {
        [b"--json", rest @ ..] => (Style::Json, rest),
        _ => (Style::Human, args),
    };
    match Session::new(calls, style, on_report) {
        Ok(mut session) => session.main(args),
        Err(_) => 1,
    }
}

/// Whom the results are for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    Human,
    Json,
}

/// What reading a file of commands came to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Loaded {
    ToItsEnd,
    ToQuit,
    NotAtAll,
}

/// What is to happen after a command.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Go,
    Quit,
}

struct Session<'c, C: Calls, O> {
    calls: &'c C,
    style: Style,
    on_report: O,
    console: Console<'c, C>,
    settings: Settings,
    /// The files of commands being read, the innermost last.
    files: Vec<Stream>,
}

impl<'c, C: Calls, O: FnMut(&Report)> Session<'c, C, O> {
    fn new(calls: &'c C, style: Style, on_report: O) -> Result<Self> {
        Ok(Session {
            calls,
            style,
            on_report,
            console: Console::new(calls)?,
            settings: Settings::default(),
            files: Vec::new(),
        })
    }

    fn main(&mut self, args: &[&[u8]]) -> i32 {
        self.console.print(format_args!("PostMark {VERSION}\n"));
        let (file, named) = match args {
            [file] => (*file, true),
            _ => (USUAL_FILE, false),
        };
        let mut status = 0;
        match self.load(file) {
            Loaded::ToQuit => {}
            Loaded::ToItsEnd => self.read_standard_input(),
            Loaded::NotAtAll if named && self.style == Style::Json => {
                self.complain_of_file(file);
                status = 1;
            }
            // The original says nothing, even of a file it was given.
            Loaded::NotAtAll => self.read_standard_input(),
        }
        self.console.flush();
        status
    }

    fn read_standard_input(&mut self) {
        let Ok(mut input) = Stream::on(0) else {
            return;
        };
        loop {
            self.console.print(format_args!("pm>"));
            self.console.flush();
            let Some(line) = input.read_line(self.calls) else {
                break;
            };
            if self.execute(&line) == Next::Quit {
                break;
            }
        }
        self.console.flush();
        input.give_back(self.calls);
    }

    /// Reads and executes a file, and those that it loads.
    fn load(&mut self, path: &[u8]) -> Loaded {
        let outermost = self.files.len();
        if !self.open(path) {
            return Loaded::NotAtAll;
        }
        let mut last = Next::Go;
        while self.files.len() > outermost {
            // The original reads one line more after `quit`.
            let file = self.files.last_mut().expect("longer than outermost");
            match file.read_line(self.calls) {
                Some(line) if last == Next::Go => last = self.execute(&line),
                _ => {
                    let _ = file.close_reading(self.calls);
                    self.files.pop();
                    // `quit` ends a file, not the ones that loaded it.
                    if self.files.len() > outermost {
                        last = Next::Go;
                    }
                }
            }
        }
        match last {
            Next::Go => Loaded::ToItsEnd,
            Next::Quit => Loaded::ToQuit,
        }
    }

    /// Opens a file of commands, to be read next; whether that worked.
    fn open(&mut self, path: &[u8]) -> bool {
        if self.files.try_reserve(1).is_err() {
            return false;
        }
        let Ok(mut file) = Stream::new() else {
            return false;
        };
        if file.open(self.calls, path, Mode::Read).is_err() {
            return false;
        }
        if self.files.len() >= MOST_OPEN_FILES {
            let _ = file.close_reading(self.calls);
            return false;
        }
        self.console.print_bytes(b"Reading configuration from file '");
        self.console.print_bytes(path);
        self.console.print_bytes(b"'\n");
        self.files.push(file);
        true
    }

    fn execute(&mut self, line: &[u8]) -> Next {
        let Some(Command { verb, argument }) = Command::parse(line) else {
            self.console.print_bytes(b"Eh?\n");
            return Next::Go;
        };
        let settings = &mut self.settings;
        let set = match verb {
            Verb::Size => settings.set_size(argument),
            Verb::Number(which) => settings.set_number(which, argument),
            Verb::Location => settings.set_location(argument),
            Verb::DeleteLocation => settings.delete_location(argument),
            Verb::Buffering => settings.set_buffering(argument),
            Verb::Report => settings.set_format(argument),
            Verb::Run => {
                self.run(argument);
                Ok(())
            }
            Verb::Load => {
                self.load_command(argument);
                Ok(())
            }
            Verb::Show => {
                self.show(argument);
                Ok(())
            }
            Verb::Help => {
                for (name, what, _) in COMMANDS {
                    self.console.print(format_args!("{name} - {what}\n"));
                }
                Ok(())
            }
            Verb::Shell => {
                if self.calls.shell(argument.unwrap_or_default()).is_err() {
                    self.console.error(&[b"there is no shell here"]);
                }
                Ok(())
            }
            Verb::Quit => return Next::Quit,
        };
        match set {
            Ok(()) => {}
            Err(Complaint::Sentence(text)) => self.console.error(&[text.as_bytes()]),
            Err(Complaint::Weight(text)) => {
                self.console.error(&[b"ignoring invalid weight '", text, b"'"])
            }
            Err(Complaint::NoLocation(path)) => {
                self.console.error(&[b"cannot find location '", path, b"'"])
            }
        }
        Next::Go
    }

    /// `load`. Within a file, the new file is read next, by the same loop.
    fn load_command(&mut self, argument: Option<&[u8]>) {
        match argument {
            None => self.console.error(&[b"no configuration file specified"]),
            Some(path) => {
                let read = if self.files.is_empty() {
                    self.load(path) != Loaded::NotAtAll
                } else {
                    self.open(path)
                };
                if !read {
                    self.complain_of_file(path);
                }
            }
        }
    }

    fn complain_of_file(&mut self, path: &[u8]) {
        self.console.error(&[b"cannot read configuration file '", path, b"'"]);
    }

    /// `run`.
    fn run(&mut self, argument: Option<&[u8]>) {
        let Some(report) = workload::run(self.calls, &self.settings, &mut self.console) else {
            return;
        };
        (self.on_report)(&report);
        if self.style == Style::Json {
            let _ = report.tell_json(&mut self.console);
            return;
        }
        let file = self.output_file(argument);
        // The file is opened even if there is nothing to tell.
        let told = report.outcome == Outcome::Complete;
        let format = self.settings.format;
        match file {
            None if told => {
                let _ = report.tell(format, &mut self.console);
            }
            None => {}
            Some(mut file) => {
                if told {
                    let _ = report.tell(format, &mut Sink::File(self.calls, &mut file));
                }
                let _ = file.close_writing(self.calls);
            }
        }
    }

    /// `show`.
    fn show(&mut self, argument: Option<&[u8]>) {
        let mut file = self.output_file(argument);
        show(self.calls, &self.settings, &mut self.console, file.as_mut());
        if let Some(mut file) = file {
            let _ = file.close_writing(self.calls);
        }
    }

    /// Opens the file that `run` or `show` is to append to, if it names one.
    /// If that fails, it says so, and the standard output is meant.
    fn output_file(&mut self, argument: Option<&[u8]>) -> Option<Stream> {
        let path = argument?;
        let file = Stream::new().and_then(|mut file| {
            file.open(self.calls, path, Mode::Append)?;
            Ok(file)
        });
        if file.is_err() {
            self.console.error(&[b"Cannot direct output to file '", path, b"'"]);
        }
        file.ok()
    }
}

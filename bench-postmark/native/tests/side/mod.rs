//! One side of a comparison: a program, run on a [`Case`] in a directory of
//! its own, and what it said, left behind and asked of the system.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// The port.
pub const OURS: &str = env!("CARGO_BIN_EXE_postmark");

/// Debian's `postmark`.
pub struct Original(pub String);

/// What a program is run on.
pub struct Case {
    name: String,
    script: String,
    args: Vec<String>,
    files: Vec<(String, String)>,
    /// The same for both sides: some output tells it.
    directory: PathBuf,
}

/// What a program did.
#[derive(PartialEq, Eq)]
pub struct Side {
    pub status: Option<i32>,
    pub output: String,
    pub errors: String,
    /// The files that were left behind, with what is in them.
    contents: Vec<(String, String)>,
    pub left: Vec<String>,
}

/// Where the original is, if it is; if not, that is said.
pub fn original() -> Option<Original> {
    let path = "/usr/bin/postmark";
    needed(Path::new(path).exists(), "postmark").then(|| Original(path.into()))
}

/// Whether calls can be traced; if not, that is said.
pub fn strace() -> bool {
    let status =
        Command::new("strace").args(["-o", "/dev/null", "true"]).stderr(Stdio::null()).status();
    needed(status.is_ok_and(|status| status.success()), "strace")
}

fn needed(there: bool, what: &str) -> bool {
    if !there {
        let ci = std::env::var_os("CI").is_some_and(|value| value == "true");
        assert!(!ci, "{what} is not installed, or does not work");
        eprintln!("skipped: {what} is not installed, or does not work");
    }
    there
}

impl Case {
    pub fn new(name: &str, script: &str) -> Case {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let directory = format!(
            "anchorite-postmark-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        Case {
            name: name.into(),
            script: script.into(),
            args: Vec::new(),
            files: Vec::new(),
            directory: scratch().join(directory),
        }
    }

    /// With these arguments.
    pub fn args(mut self, args: &[&str]) -> Case {
        self.args = args.iter().map(|each| each.to_string()).collect();
        self
    }

    /// With this file in the directory.
    pub fn file(mut self, name: &str, contents: &str) -> Case {
        self.files.push((name.into(), contents.into()));
        self
    }

    /// Runs both and asserts that they do the same; returns what.
    pub fn compare(&self, original: &Original) -> Side {
        let expected = run(&original.0, self);
        let ours = run(OURS, self);
        let name = &self.name;
        same_lines(&format!("{name}, output"), &ours.output, &expected.output);
        same_lines(&format!("{name}, errors"), &ours.errors, &expected.errors);
        assert_eq!(ours.status, expected.status, "{name}");
        assert_eq!(ours.left, expected.left, "{name}");
        for (ours, expected) in ours.contents.iter().zip(&expected.contents) {
            same_lines(&format!("{name}, {}", ours.0), &ours.1, &expected.1);
        }
        expected
    }
}

/// Memory, if there is a file system in it: a disk takes most of the time.
fn scratch() -> PathBuf {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { memory.into() } else { std::env::temp_dir() }
}

/// Runs `program` on `case`.
pub fn run(program: &str, case: &Case) -> Side {
    run_command(Command::new(program), case)
}

fn run_command(mut command: Command, case: &Case) -> Side {
    let directory = &case.directory;
    let _ = fs::remove_dir_all(directory);
    for below in ["a", "b", "c"] {
        fs::create_dir_all(directory.join(below)).unwrap();
    }
    for (name, contents) in &case.files {
        fs::write(directory.join(name), contents).unwrap();
    }
    let mut child = command
        .args(&case.args)
        .current_dir(directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let script = case.script.clone();
    // A program that quits early leaves the pipe broken: no matter.
    let writer = std::thread::spawn(move || drop(input.write_all(script.as_bytes())));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    let mut contents = Vec::new();
    files_below(directory, directory, &mut contents);
    contents.retain(|(name, _)| !case.files.iter().any(|(given, _)| given == name));
    contents.sort();
    fs::remove_dir_all(directory).unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Side {
        status: output.status.code(),
        output: text(&output.stdout),
        errors: text(&output.stderr),
        left: contents.iter().map(|(name, _)| name.clone()).collect(),
        contents,
    }
}

fn files_below(top: &Path, directory: &Path, files: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files_below(top, &path, files);
        } else {
            let name = path.strip_prefix(top).unwrap().to_string_lossy();
            let contents = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
            files.push((name.into_owned(), contents));
        }
    }
}

fn same_lines(name: &str, ours: &str, expected: &str) {
    let mut ours = ours.lines().map(without_times);
    let mut expected = expected.lines().map(without_times);
    for number in 1.. {
        match (ours.next(), expected.next()) {
            (None, None) => break,
            (ours, expected) => assert_eq!(ours, expected, "{name}, line {number}"),
        }
    }
}

/// A line with its seconds and rates blotted out.
fn without_times(line: &str) -> String {
    let numbers: Vec<&str> = line.trim_start_matches("pm>").split(' ').collect();
    if numbers.len() == 13 && numbers.iter().all(|each| each.parse::<f64>().is_ok()) {
        return "(thirteen numbers)".into();
    }
    let mut line = line.to_string();
    if let Some(end) = line.find(" seconds ") {
        line.replace_range(..end, "(some)");
    }
    if let (Some(start), Some(end)) = (line.find('('), line.find(" per second)"))
        && let Some(start) = line[..end].rfind('(').or(Some(start))
    {
        line.replace_range(start..end, "(some");
    }
    line
}

/// The system calls that `program` makes on `case`, from its first output on:
/// before that, libraries are loaded.
pub fn trace(program: &str, case: &Case) -> Vec<String> {
    let path = case.directory.with_extension("trace");
    let mut command = Command::new("strace");
    command.args(["-s", "64", "-o"]).arg(&path).arg(program);
    run_command(command, case);
    let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
    fs::remove_file(&path).unwrap();
    // The memory's and the program's end are not the benchmark's.
    let others = [
        "brk",
        "mmap",
        "munmap",
        "mremap",
        "madvise",
        "getrandom",
        "exit",
        "sigaltstack",
        "rt_sig",
        "+++",
    ];
    text.lines()
        .skip_while(|line| !line.contains("fstatat(1, ") && !line.starts_with("fstat(1, "))
        .filter(|line| !others.iter().any(|other| line.starts_with(other)))
        .map(|line| match line.find("Time:") {
            // The report's length differs with its times.
            Some(at) => line[..at].to_string(),
            None => line.split_whitespace().collect::<Vec<_>>().join(" "),
        })
        .collect()
}

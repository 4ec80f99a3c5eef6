//! [`Progress`]: tells on standard error how far a comparison is: a bar on a
//! terminal, a line per run elsewhere.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// How far it is.
pub struct Progress {
    steps: u32,
    done: u32,
    /// A line has begun that tells of a run, where there is no terminal.
    is_line_open: bool,
    /// On a terminal.
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Of `steps` runs none is done.
    pub fn new(steps: u32) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(steps.into());
            let style =
                ProgressStyle::with_template("{spinner} {bar:24} {pos}/{len} {elapsed} {msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        Progress { steps, done: 0, is_line_open: false, bar }
    }

    /// A run begins.
    pub fn begin(&mut self, what: &str) {
        match &self.bar {
            Some(bar) => bar.set_message(what.to_owned()),
            None => {
                let step = self.done + 1;
                let _ = write!(std::io::stderr(), "{step}/{} {what}: ", self.steps);
                self.is_line_open = true;
            }
        }
    }

    /// It ended, after `seconds`.
    pub fn end(&mut self, seconds: f64) {
        self.done += 1;
        match &self.bar {
            Some(bar) => bar.inc(1),
            None => {
                let _ = writeln!(std::io::stderr(), "{seconds:.3} s");
                self.is_line_open = false;
            }
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        if self.is_line_open {
            let _ = writeln!(std::io::stderr());
        }
    }
}

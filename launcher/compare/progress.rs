//! [`Progress`]: tells on standard error how far a comparison is: a bar on a
//! terminal, a line per run elsewhere.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// How far it is.
pub struct Progress {
    steps: u32,
    done: u32,
    what: String,
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
        Progress { steps, done: 0, what: String::new(), bar }
    }

    /// A run begins.
    pub fn begin(&mut self, what: &str) {
        self.what = what.to_owned();
        if let Some(bar) = &self.bar {
            bar.set_message(self.what.clone());
        }
    }

    /// It ended, and postmark says that it took `seconds`.
    pub fn end(&mut self, seconds: f64) {
        self.done += 1;
        match &self.bar {
            Some(bar) => bar.inc(1),
            None => {
                let (done, steps, what) = (self.done, self.steps, &self.what);
                let _ = writeln!(std::io::stderr(), "{done}/{steps} {what}: {seconds:.3} s");
            }
        }
    }

    /// All are done: leaves the terminal as it was.
    pub fn finish(self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

//! [`Transfer`]: shows how far something is that moves bytes, on a terminal and once it has
//! taken a second.

use std::io::{IsTerminal, stderr};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// What is done sooner is not worth a bar.
const PATIENCE: Duration = Duration::from_secs(1);

/// Something that moves bytes. Its bar goes when this value does.
pub struct Transfer {
    what: String,
    shown_from: Instant,
    bar: Option<ProgressBar>,
}

impl Transfer {
    /// Called `what`, and beginning now.
    pub fn new(what: impl Into<String>) -> Self {
        Transfer { what: what.into(), shown_from: Instant::now() + PATIENCE, bar: None }
    }

    /// Called `what`, and begun long ago.
    pub fn late(what: impl Into<String>) -> Self {
        Transfer { what: what.into(), shown_from: Instant::now(), bar: None }
    }

    /// So many bytes are done; `total` is 0 where nobody knows.
    pub fn at(&mut self, done: u64, total: u64) {
        if self.bar.is_none() && (Instant::now() < self.shown_from || !stderr().is_terminal()) {
            return;
        }
        let bar = self.bar.get_or_insert_with(|| bar(&self.what, total));
        bar.set_position(done);
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn bar(what: &str, total: u64) -> ProgressBar {
    let (bar, template) = match total {
        0 => (ProgressBar::no_length(), "{spinner} {msg} {bytes}, {bytes_per_sec}"),
        _ => (ProgressBar::new(total), "{spinner} {msg} {bar:24} {bytes}/{total_bytes} {eta}"),
    };
    let style = ProgressStyle::with_template(template);
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.set_message(what.to_owned());
    bar
}

//! What the commands tell, to whoever may have stopped listening: `| head`, a full disk.

use std::fmt::Display;
use std::io::{self, Write};

/// A line on standard output.
pub fn tell(line: impl Display) {
    let _ = writeln!(io::stdout(), "{line}");
}

/// A line on standard error: how far things are.
pub fn tell_progress(line: impl Display) {
    let _ = writeln!(io::stderr(), "{line}");
}

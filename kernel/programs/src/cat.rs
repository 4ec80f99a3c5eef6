//! `cat [FILE]...`: the contents of files, one after the other, as they are; `-`, or nothing at
//! all, is standard input. A file that cannot be read is told, and the others are still written;
//! the status is then 1.

use crate::io::{Failure, Output, complain, options, piece, run_to_status, with_input};
use crate::{Context, Program};

/// See the module.
pub const CAT: Program = Program {
    name: "cat",
    summary: "[FILE]...: writes the contents of files, or of standard input",
    main: |context| run_to_status(context, cat),
};

fn cat(context: &Context<'_>) -> Result<i32, Failure> {
    let (_, mut paths) = options(context, b"", "cat [FILE]..., - for standard input")?;
    if paths.is_empty() {
        paths.push(b"-");
    }
    let mut piece = piece()?;
    let mut out = Output::new(context)?;
    let mut status = 0;
    for path in paths {
        let mut written = Ok(());
        let read = with_input(context, path, |file| {
            while written.is_ok() {
                match file.read(&mut piece)? {
                    0 => break,
                    len => written = out.bytes(&piece[..len]),
                }
            }
            Ok(())
        });
        written?;
        if let Err(errno) = read {
            complain(context, format_args!("{}: {errno}", path.escape_ascii()));
            status = 1;
        }
    }
    out.end()?;
    Ok(status)
}

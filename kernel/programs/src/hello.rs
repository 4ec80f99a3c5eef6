//! `hello`: makes a file, writes it, seeks, reads it back and compares.

use core::fmt::Write;

use anchorite_syscalls::api::{OpenOptions, SeekFrom};

use crate::io::{Failure, Text, ToDo, run};
use crate::{Context, Program};

/// See the module.
pub const HELLO: Program = Program {
    name: "hello",
    summary: "makes a file, writes it, reads it back and compares",
    main: |context| run(context, hello),
};

const PATH: &[u8] = b"hello.txt";
const CONTENT: &[u8] = b"A hermit who never leaves the cell.\n";

fn hello(context: &Context<'_>) -> Result<(), Failure> {
    let sys = context.sys;
    let mut out = Text::stdout(context);
    writeln!(out, "Hello from anchorite!")?;

    let file =
        OpenOptions::new().read(true).write(true).create(true).truncate(true).open(sys, PATH);
    let file = file.to_do("make hello.txt")?;
    if file.write(CONTENT).to_do("write hello.txt")? != CONTENT.len() {
        return Err(Failure::Wrong("not all of the content was written"));
    }
    if file.seek(SeekFrom::Start(0)).to_do("seek in hello.txt")? != 0 {
        return Err(Failure::Wrong("the offset is not where it was set"));
    }
    let mut buf = [0; 64];
    let len = file.read(&mut buf).to_do("read hello.txt")?;
    if &buf[..len] != CONTENT {
        return Err(Failure::Wrong("what was read is not what was written"));
    }
    if file.read(&mut buf).to_do("read hello.txt")? != 0 {
        return Err(Failure::Wrong("there is more in the file than was written"));
    }
    file.close().to_do("close hello.txt")?;
    writeln!(out, "hello.txt: {len} bytes written, read back, the same.")?;
    Ok(())
}

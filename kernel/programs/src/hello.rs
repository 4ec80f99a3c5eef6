//! `hello`: makes a file, writes it, seeks, reads it back and compares.

use core::fmt::Write;

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

    let fd = sys.open(PATH, libc::O_CREAT | libc::O_RDWR | libc::O_TRUNC, 0o644);
    let fd = fd.to_do("make hello.txt")?;
    if sys.write(fd, CONTENT).to_do("write hello.txt")? != CONTENT.len() {
        return Err(Failure::Wrong("not all of the content was written"));
    }
    if sys.lseek(fd, 0, libc::SEEK_SET).to_do("seek in hello.txt")? != 0 {
        return Err(Failure::Wrong("the offset is not where it was set"));
    }
    let mut buf = [0; 64];
    let len = sys.read(fd, &mut buf).to_do("read hello.txt")?;
    if &buf[..len] != CONTENT {
        return Err(Failure::Wrong("what was read is not what was written"));
    }
    if sys.read(fd, &mut buf).to_do("read hello.txt")? != 0 {
        return Err(Failure::Wrong("there is more in the file than was written"));
    }
    sys.close(fd).to_do("close hello.txt")?;
    writeln!(out, "hello.txt: {len} bytes written, read back, the same.")?;
    Ok(())
}

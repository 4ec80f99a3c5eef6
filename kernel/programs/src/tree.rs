//! `tree`: a directory with a few files; listed, renamed, a symbolic link read and
//! followed; all removed again.

use core::fmt::Write;

use anchorite_syscalls::{Errno, System};
use arrayvec::ArrayVec;

use crate::io::{Failure, Text, ToDo, run};
use crate::{Context, Program};

/// See the module.
pub const TREE: Program = Program {
    name: "tree",
    summary: "makes a directory with a few files, lists it, renames, reads a symbolic link",
    main: |context| run(context, tree),
};

const FILES: [&str; 3] = ["tree/apple", "tree/birch", "tree/cedar"];
const NAME_BYTES: usize = 64;

fn tree(context: &Context<'_>) -> Result<(), Failure> {
    let sys = context.sys;
    let mut out = Text::stdout(context);

    sys.mkdir(b"tree", 0o755).to_do("make the directory tree")?;
    for path in FILES {
        let fd = sys.creat(path.as_bytes(), 0o644).to_do("make a file in tree")?;
        sys.write(fd, path.as_bytes()).to_do("write a file in tree")?;
        sys.close(fd).to_do("close a file in tree")?;
    }
    sys.mkdir(b"tree/grove", 0o755).to_do("make tree/grove")?;
    sys.symlink(b"../cedar", b"tree/grove/link").to_do("make tree/grove/link")?;
    show(&mut out, sys, "tree:", &["apple", "birch", "cedar", "grove"])?;

    sys.rename(b"tree/birch", b"tree/grove/beech").to_do("rename tree/birch")?;
    sys.rename(b"tree/apple", b"tree/cedar").to_do("rename tree/apple over tree/cedar")?;
    show(&mut out, sys, "after two renames:", &["cedar", "grove"])?;

    let mut target = [0; NAME_BYTES];
    let len = sys.readlink(b"tree/grove/link", &mut target).to_do("read tree/grove/link")?;
    writeln!(out, "tree/grove/link -> {}", target[..len].escape_ascii())?;
    if &target[..len] != b"../cedar" {
        return Err(Failure::Wrong("the symbolic link leads elsewhere"));
    }
    let fd = sys.open(b"tree/grove/link", libc::O_RDONLY, 0).to_do("open tree/grove/link")?;
    let mut content = [0; NAME_BYTES];
    let len = sys.read(fd, &mut content).to_do("read through the link")?;
    sys.close(fd).to_do("close what the link leads to")?;
    writeln!(out, "it holds: {}", content[..len].escape_ascii())?;
    if &content[..len] != FILES[0].as_bytes() {
        return Err(Failure::Wrong("the renamed file has not kept its content"));
    }

    if sys.rmdir(b"tree") != Err(Errno::ENOTEMPTY) {
        return Err(Failure::Wrong("a directory that is not empty could be removed"));
    }
    for path in [&b"tree/cedar"[..], b"tree/grove/beech", b"tree/grove/link"] {
        sys.unlink(path).to_do("remove a file")?;
    }
    sys.rmdir(b"tree/grove").to_do("remove tree/grove")?;
    sys.rmdir(b"tree").to_do("remove tree")?;
    writeln!(out, "removed.")?;
    Ok(())
}

/// Lists the directory `tree` and compares.
fn show(out: &mut Text<'_>, sys: &System, title: &str, expected: &[&str]) -> Result<(), Failure> {
    let fd = sys.open(b"tree", libc::O_RDONLY | libc::O_DIRECTORY, 0).to_do("open tree")?;
    let mut names: ArrayVec<ArrayVec<u8, NAME_BYTES>, 16> = ArrayVec::new();
    let mut fits = true;
    crate::many::list(sys, fd, &mut |name| {
        let mut copy = ArrayVec::new();
        fits &= copy.try_extend_from_slice(name).is_ok() && names.try_push(copy).is_ok();
    })?;
    sys.close(fd).to_do("close tree")?;
    names.sort_unstable();
    write!(out, "{title}")?;
    for name in &names {
        write!(out, " {}", name.escape_ascii())?;
    }
    writeln!(out)?;
    let found = names.iter().map(|name| name.as_slice());
    if !fits || !found.eq(expected.iter().map(|name| name.as_bytes())) {
        return Err(Failure::Wrong("the listing is not what was made"));
    }
    Ok(())
}

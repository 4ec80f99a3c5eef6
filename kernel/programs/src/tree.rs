//! `tree`: a directory with a few files; listed, renamed, a symbolic link read and
//! followed; all removed again, and the ramdisk checked.

use core::fmt::Write;

use anchorite_syscalls::api::{self, File};
use anchorite_syscalls::{Errno, System};
use arrayvec::ArrayVec;

use crate::io::{Failure, Text, ToDo, check_ramdisk, run};
use crate::{Context, Program};

/// See the module.
pub const TREE: Program = Program {
    name: "tree",
    summary: "makes a directory with a few files, lists it, renames, reads a symbolic link",
    main: |context| run(context, tree),
};

const FILES: [&str; 3] = ["tree/apple", "tree/birch", "tree/cedar"];
/// Names that are listed at most.
const NAMES: usize = 16;

fn tree(context: &Context<'_>) -> Result<(), Failure> {
    let sys = context.sys;
    let mut out = Text::stdout(context);

    api::create_dir(sys, "tree").to_do("make the directory tree")?;
    for path in FILES {
        let file = File::create_new(sys, path).to_do("make a file in tree")?;
        file.write_all(path.as_bytes()).to_do("write a file in tree")?;
        file.close().to_do("close a file in tree")?;
    }
    api::create_dir(sys, "tree/grove").to_do("make tree/grove")?;
    api::symlink(sys, "../cedar", "tree/grove/link").to_do("make tree/grove/link")?;
    show(&mut out, sys, "tree:", &["apple", "birch", "cedar", "grove"])?;

    api::rename(sys, "tree/birch", "tree/grove/beech").to_do("rename tree/birch")?;
    api::rename(sys, "tree/apple", "tree/cedar").to_do("rename tree/apple over tree/cedar")?;
    show(&mut out, sys, "after two renames:", &["cedar", "grove"])?;

    let target = api::read_link(sys, "tree/grove/link").to_do("read tree/grove/link")?;
    writeln!(out, "tree/grove/link -> {}", target.escape_ascii())?;
    if target != b"../cedar" {
        return Err(Failure::Wrong("the symbolic link leads elsewhere"));
    }
    let content = api::read(sys, "tree/grove/link").to_do("read through the link")?;
    writeln!(out, "it holds: {}", content.escape_ascii())?;
    if content != FILES[0].as_bytes() {
        return Err(Failure::Wrong("the renamed file has not kept its content"));
    }

    if api::remove_dir(sys, "tree") != Err(Errno::ENOTEMPTY) {
        return Err(Failure::Wrong("a directory that is not empty could be removed"));
    }
    api::remove_dir_all(sys, "tree").to_do("remove tree and all in it")?;
    if api::exists(sys, "tree").to_do("look for tree")? {
        return Err(Failure::Wrong("what was removed is still there"));
    }
    check_ramdisk(context, &mut out)?;
    writeln!(out, "removed.")?;
    Ok(())
}

/// Lists the directory `tree` and compares.
fn show(out: &mut Text<'_>, sys: &System, title: &str, expected: &[&str]) -> Result<(), Failure> {
    let mut entries = ArrayVec::<_, NAMES>::new();
    for entry in api::read_dir(sys, "tree").to_do("open tree")? {
        let entry = entry.to_do("list tree")?;
        entries.try_push(entry).map_err(|_| Failure::Wrong("more is listed than was made"))?;
    }
    entries.sort_unstable_by(|a, b| a.name().cmp(b.name()));
    write!(out, "{title}")?;
    for entry in &entries {
        write!(out, " {}", entry.name().escape_ascii())?;
    }
    writeln!(out)?;
    if !entries.iter().map(|entry| entry.name()).eq(expected.iter().map(|name| name.as_bytes())) {
        return Err(Failure::Wrong("the listing is not what was made"));
    }
    Ok(())
}

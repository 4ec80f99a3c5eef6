//! `posix`: calls of the ramdisk, each with the outcome that Linux has. At the end the
//! ramdisk is checked.
//!
//! The rows are text: sequences of calls with what came of each on Linux. The tests of the
//! call layer record them there and compare them again with each run; here they show
//! that the guest is the system that was compared. [`script`] has the language,
//! [`methods`] the system as a world in which its sentences are said.

pub mod constants;
pub mod methods;
pub mod script;

use core::fmt::Write;

use crate::io::{Failure, Text, check_ramdisk, run};
use crate::{Context, Program};

use methods::Methods;
use script::rows;

/// See the module.
pub const POSIX: Program = Program {
    name: "posix",
    summary: "does rows of calls and compares each outcome with Linux'",
    main: |context| run(context, posix),
};

/// The rows, by what they are about. Each call has a method.
pub const ROWS: &[(&str, &str)] = &[
    ("descriptors", include_str!("posix/descriptors.txt")),
    ("ranges", include_str!("posix/ranges.txt")),
    ("names", include_str!("posix/names.txt")),
    ("metadata", include_str!("posix/metadata.txt")),
    ("permissions", include_str!("posix/permissions.txt")),
    ("pipes", include_str!("posix/pipes.txt")),
    ("attributes", include_str!("posix/attributes.txt")),
    ("locks", include_str!("posix/locks.txt")),
    ("devices", include_str!("posix/devices.txt")),
    ("mounts", include_str!("posix/mounts.txt")),
    ("proc", include_str!("posix/proc.txt")),
    ("inotify", include_str!("posix/inotify.txt")),
];

fn posix(context: &Context<'_>) -> Result<(), Failure> {
    let mut out = Text::stdout(context);
    let (mut all, mut same) = (0, 0);
    for row in ROWS.iter().flat_map(|(_, text)| rows(text)) {
        let mut differs = false;
        row.run(&mut Methods(context.sys), &mut |line, outcome| {
            if line.recorded != Some(outcome) {
                if !differs {
                    let _ = writeln!(out, "{}:", row.name);
                }
                differs = true;
                let _ = writeln!(out, "  {}\n    {outcome}\n", line.text);
            }
        });
        all += 1;
        same += usize::from(!differs);
    }
    check_ramdisk(context, &mut out)?;
    writeln!(out, "{all} rows, {same} as on Linux")?;
    if same == all { Ok(()) } else { Err(Failure::Wrong("rows differ")) }
}

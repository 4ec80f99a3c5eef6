//! [`Path`]: few names, so that calls meet, and whatever else a program may pass.

use std::fmt;

use arbitrary::{Arbitrary, Result, Unstructured};

/// A path without the NUL at its end.
#[derive(Clone, PartialEq, Eq)]
pub struct Path(pub Vec<u8>);

/// Components that most paths are made of.
const NAMES: [&[u8]; 14] =
    [b"a", b"b", b"c", b"d", b"a", b"b", b"c", b"d", b".", b"..", b"..", b"", b"...", b"\xff\n"];
/// Paths of `/dev` and `/proc`.
#[rustfmt::skip]
const FURNISHED: [&[u8]; 28] = [
    b"/dev/null", b"/dev/zero", b"/dev/full", b"/dev/urandom", b"/dev/tty", b"/dev/fd/3",
    b"/dev/stdin", b"/dev", b"/proc", b"/proc/self/fd", b"/proc/self/fd/3", b"/proc/self/fd/4",
    b"/proc/self/fd/5", b"/proc/self/fd/6", b"/proc/self/cwd", b"/proc/self/root",
    b"/proc/self/exe", b"/proc/self/mounts", b"/proc/self/status", b"/proc/self/stat",
    b"/proc/1", b"/proc/meminfo", b"/proc/cpuinfo", b"/proc/filesystems", b"/proc/uptime",
    b"/proc/self/cmdline", b"/proc/mounts", b"/proc/2",
];
/// How many components paths have.
const COUNTS: [usize; 16] = [1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 3, 3, 4, 7, 0];

impl<'a> Arbitrary<'a> for Path {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Path> {
        let shape: u8 = u.arbitrary()?;
        let mut path = Vec::new();
        if shape & 0x80 != 0 {
            path.push(b'/');
        }
        let count = COUNTS[usize::from(shape) % COUNTS.len()];
        for at in 0..count {
            if at > 0 {
                path.push(b'/');
            }
            let component: u8 = u.arbitrary()?;
            match component {
                0..224 => path.extend_from_slice(NAMES[usize::from(component) % NAMES.len()]),
                // Names about as long as one may be.
                224..236 => path.resize(path.len() + 250 + usize::from(component - 224), b'n'),
                // Paths about as long as one may be.
                236..240 => path.resize(4092 + usize::from(component - 236), b'/'),
                // As many links, perhaps, as one path may lead through.
                240..244 => {
                    let times = 39 + usize::from(component - 240);
                    path.extend_from_slice(&b"a/".repeat(times));
                }
                // What a program is given: devices, and itself.
                244 => path.extend_from_slice(
                    FURNISHED[usize::from(u.arbitrary::<u8>()?) % FURNISHED.len()],
                ),
                // What the input has: NULs and slashes, too.
                _ => path.extend_from_slice(u.bytes(usize::from(component - 240).min(u.len()))?),
            }
        }
        Ok(Path(path))
    }
}

impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

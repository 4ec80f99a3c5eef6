//! [`Machine`]: what a measurement was taken on.

use std::path::Path;
use std::{fs, thread};

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::qemu::Setup;

/// The machine and the versions that a measurement depends on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// The processor's model name.
    pub cpu: String,
    /// Cores that this process may use.
    pub cores: usize,
    /// The host's kernel, such as `Linux 6.18.0`.
    pub kernel: String,
    /// KVM, as a guest found it; nothing where no guest ran on it.
    pub kvm: Option<Kvm>,
    /// uhyve's version.
    pub uhyve: String,
    /// anchorite's version.
    pub anchorite: String,
    /// The commit that this executable was built from, if that was known.
    pub commit: Option<String>,
    /// When: a date and time, UTC.
    pub date: String,
    /// The directory of the native run.
    pub native_dir: String,
    /// Its file system, such as `tmpfs`.
    pub native_file_system: String,
}

/// What a guest measured about the KVM under it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kvm {
    /// `hardware`; `page-table` where guest ring 0 is interpreted; `none` under emulation.
    pub kind: String,
    /// The time-stamp counter's rate.
    pub tsc_khz: u64,
    /// Cycles that one hypercall costs.
    pub hypercall_cycles: u64,
    /// Nanoseconds that one hypercall costs.
    pub hypercall_ns: u64,
}

impl Machine {
    /// This machine, now, with native files in `native_dir`.
    pub fn here(native_dir: &Path) -> Self {
        let commit = env!("ANCHORITE_COMMIT");
        Machine {
            cpu: cpu_model().unwrap_or_else(|| "unknown".to_owned()),
            cores: thread::available_parallelism().map_or(1, usize::from),
            kernel: kernel_release(),
            kvm: None,
            uhyve: env!("ANCHORITE_UHYVE_VERSION").to_owned(),
            anchorite: match env!("ANCHORITE_COUNTED") {
                "" => concat!(env!("CARGO_PKG_VERSION"), ", images built without counts"),
                _ => env!("CARGO_PKG_VERSION"),
            }
            .to_owned(),
            commit: (!commit.is_empty()).then(|| commit.to_owned()),
            date: now(),
            native_dir: native_dir.display().to_string(),
            native_file_system: file_system(native_dir).unwrap_or_else(|| "unknown".to_owned()),
        }
    }
}

impl Machine {
    /// Whether guests were emulated, so that no goal is judged by their times.
    pub fn is_emulated(&self) -> bool {
        self.kvm.as_ref().is_some_and(|kvm| kvm.kind == "none")
    }
}

impl Kvm {
    /// Reads the kernel's `machine:` line (see [`anchorite_interface::MACHINE`]).
    pub fn parse(line: &str) -> Option<Self> {
        let value = |name| field(line, "machine:", name);
        Some(Kvm {
            kind: value("kvm")?.to_owned(),
            tsc_khz: value("tsc_khz")?.parse().ok()?,
            hypercall_cycles: value("hypercall_cycles")?.parse().ok()?,
            hypercall_ns: value("hypercall_ns")?.parse().ok()?,
        })
    }
}

/// The value called `name` in a line of the kernel's that begins with `kind`, such as
/// `machine:`.
pub fn field<'a>(line: &'a str, kind: &str, name: &str) -> Option<&'a str> {
    let (_, fields) = line.split_once(kind)?;
    fields
        .split_whitespace()
        .filter_map(|field| field.split_once('='))
        .find_map(|(key, value)| (key == name).then_some(value))
}

/// Memory that the host could give away now, in bytes.
pub fn available_memory_bytes() -> Option<u64> {
    meminfo_bytes("MemAvailable:")
}

/// Memory of the machine, in bytes.
pub fn memory_bytes() -> Option<u64> {
    meminfo_bytes("MemTotal:")
}

/// QEMU's version; nothing where it is not installed.
pub fn qemu_version() -> Option<String> {
    Some(Setup::find_emulator().ok()?.version)
}

fn meminfo_bytes(name: &str) -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

fn cpu_model() -> Option<String> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn kernel_release() -> String {
    match fs::read_to_string("/proc/sys/kernel/osrelease") {
        Ok(release) => format!("Linux {}", release.trim()),
        Err(_) => "Linux".to_owned(),
    }
}

fn now() -> String {
    let now = OffsetDateTime::now_utc();
    format!(
        "{}-{:02}-{:02} {:02}:{:02} UTC",
        now.year(),
        u8::from(now.month()),
        now.day(),
        now.hour(),
        now.minute()
    )
}

/// The kind of the file system that `path` is on: of the mounts that hold it, the
/// innermost, and of those at one place the last.
pub fn file_system(path: &Path) -> Option<String> {
    let path = path.canonicalize().ok()?;
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    mounts
        .lines()
        .filter_map(|line| {
            let (place, kind) = line.split_once(" - ")?;
            // The kernel writes a blank as \040.
            let point = place.split(' ').nth(4)?.replace("\\040", " ");
            path.starts_with(&point)
                .then(|| (point.len(), kind.split(' ').next().unwrap_or_default().to_owned()))
        })
        .max_by_key(|(length, _)| *length)
        .map(|(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_line_about_kvm_is_read() {
        let line = "machine: kvm=page-table tsc_khz=2600000 hypercall_cycles=64000 hypercall_ns=24615 \
             boot_ns=1500000";
        let kvm = Kvm::parse(line).expect("a machine line");
        assert_eq!((kvm.kind.as_str(), kvm.hypercall_ns), ("page-table", 24615));
        assert_eq!(field(line, "machine:", "boot_ns"), Some("1500000"));
        assert_eq!(Kvm::parse("machine: kvm=hardware"), None);
        assert_eq!(Kvm::parse("boot: done"), None);
    }

    #[test]
    fn proc_is_a_file_system_of_its_own() {
        assert_eq!(file_system(Path::new("/proc/self")).as_deref(), Some("proc"));
    }
}

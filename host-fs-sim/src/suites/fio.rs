//! fio: data written in many ways, each block with a checksum of its own that is compared
//! when the block is read back.

use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;
use serde_json::Value;

use super::trial::tail;
use super::{Failure, Outcome, Trial};

/// The Debian package, and its program.
pub const PACKAGE: &str = "fio";

/// What all jobs do: 8 MiB for each process, written and compared over and over.
const COMMON: &str = "--size=8m --verify=crc32c --verify_fatal=1 --time_based --eta=never";

/// The jobs. Those that only write compare each 16 blocks soon after: fio would do it at
/// their end, which does not come within a time limit. Absent: `trim`, which fio does on
/// block devices only; the engines `falloc` and `ftruncate`, which move no data that could
/// be compared.
pub const JOBS: [(&str, &str); 10] = [
    ("random mix, 4k", "--rw=randrw --bs=4k"),
    ("random mix, 512 to 64k, unaligned", "--rw=randrw --bsrange=512-64k --bs_unaligned"),
    ("random mix, two processes", "--rw=randrw --bs=8k --numjobs=2"),
    (
        "sequential, many files, fsync",
        "--rw=write --bs=128k --nrfiles=8 --fsync=16 --verify_backlog=16",
    ),
    ("sequential, reserved", "--rw=write --bs=64k --fallocate=posix --verify_backlog=16"),
    ("random writes, O_SYNC", "--rw=randwrite --bs=16k --sync=1 --verify_backlog=16"),
    ("random writes, O_DIRECT", "--rw=randwrite --bs=16k --direct=1 --verify_backlog=16"),
    ("random mix, mmap", "--rw=randrw --bs=4k --ioengine=mmap"),
    ("random mix, libaio", "--rw=randrw --bs=16k --ioengine=libaio --iodepth=8 --direct=1"),
    ("random mix, io_uring", "--rw=randrw --bs=16k --ioengine=io_uring --iodepth=8"),
];

/// How long preparations and the last comparison may take beside the job's own time.
const MARGIN: Duration = Duration::from_secs(60);

/// Runs each job for `duration`; whole seconds. A job counts as one case.
///
/// # Errors
/// The program cannot be started.
pub fn run(trial: &mut Trial, duration: Duration) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    for (number, (case, options)) in JOBS.into_iter().enumerate() {
        let dir = trial.ground().make_directory(&format!("fio-{number}"))?;
        let report = trial.scratch().join("fio.json");
        let mut command = Command::new(PACKAGE);
        command.arg("--name=job").args(COMMON.split_whitespace()).args(options.split(' '));
        command.arg(format!("--runtime={}", duration.as_secs().max(1)));
        command.arg("--directory").arg(&dir);
        command.arg("--output-format=json").arg("--output").arg(&report);
        // Where it writes down what it verified.
        command.current_dir(trial.scratch());
        let ran = match trial.run(&mut command, duration + MARGIN)? {
            Ok(ran) => ran,
            Err(expired) => {
                outcome.failures.push(expired);
                break;
            }
        };
        let report = fs::read_to_string(&report).unwrap_or_default();
        if ran.status.success() && has_moved_data(&report) {
            outcome.passed += 1;
        } else if is_refused(&report) || is_refused(&ran.output) {
            outcome.skipped.push(case.into());
        } else {
            // What it tells of errors is in both.
            let text = format!("{report}\n{}", ran.output);
            let told: Vec<_> = text
                .lines()
                .filter(|line| line.starts_with("fio:") || line.starts_with("verify:"))
                .collect();
            let moved = if has_moved_data(&report) { "" } else { ", or nothing was compared" };
            let story = format!("{}{moved}: {}", ran.status, tail(&told.join("\n"), 4));
            outcome.failures.push(Failure::of(case, story));
        }
        fs::remove_dir_all(&dir)?;
    }
    Ok(outcome)
}

/// Whether the engine is not there, or the kernel does not let anybody have it.
fn is_refused(text: &str) -> bool {
    text.contains("not loadable") || text.contains("io_queue_init")
}

/// Whether each process of a job wrote something and read something back, as the report
/// says. (What fio tells before the report is in the same file.)
fn has_moved_data(report: &str) -> bool {
    let start = report.find('{').unwrap_or(report.len());
    let values = serde_json::Deserializer::from_str(&report[start..]).into_iter::<Value>();
    let Some(Ok(report)) = values.into_iter().next() else { return false };
    let bytes = |job: &Value, way: &str| job[way]["io_bytes"].as_u64().unwrap_or(0);
    let jobs = report["jobs"].as_array().map_or(&[][..], Vec::as_slice);
    let moved =
        |job: &Value| job["error"] == 0 && bytes(job, "read") > 0 && bytes(job, "write") > 0;
    !jobs.is_empty() && jobs.iter().all(moved)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(jobs: &str) -> String {
        format!("fio: verification read phase will be short\n{{\"jobs\": [{jobs}]}}\n")
    }

    #[test]
    fn a_job_counts_only_if_it_wrote_and_read_back() {
        let job = |error: i32, read: u64, write: u64| {
            format!(
                "{{\"error\": {error}, \"read\": {{\"io_bytes\": {read}}}, \
                 \"write\": {{\"io_bytes\": {write}}}}}"
            )
        };
        assert!(has_moved_data(&report(&job(0, 8, 9))));
        assert!(has_moved_data(&report(&[job(0, 8, 9), job(0, 1, 1)].join(","))));
        for bad in [
            report(&job(84, 8, 9)),
            report(&job(0, 0, 9)),
            report(&job(0, 8, 0)),
            report(&[job(0, 8, 9), job(0, 0, 1)].join(",")),
            report(""),
            String::new(),
            "fio: engine missing".into(),
        ] {
            assert!(!has_moved_data(&bad), "{bad}");
        }
    }
}

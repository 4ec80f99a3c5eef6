//! Every suite in a short form over a mount of the ramdisk.

mod support;

use std::fs;
use std::path::Path;

use anyhow::{Result, bail};
use host_fs_sim::fuse::Caching;
use host_fs_sim::suites::{
    DEFAULT_ROOT, Ground, Kind, Need, Outcome, PASS_THROUGH, Scale, Suite, fio, stress_ng,
};

use support::{PROGRAM, can_mount, skip};

/// What pjdfstest 0.2.2 does on tmpfs.
const PASSES: usize = 382;
const SKIPS: usize = 16;
/// What of stress-ng has nothing to work with on the ramdisk: verity, extents, and the flags of
/// inodes, which are set by ioctl.
const NOT_HERE: [&str; 3] = ["fiemap", "inode-flags", "verity"];
/// Fails on tmpfs too: SQLite expects files to be written in steps that no longer are so.
const KNOWN_OF_SQLITE: &str = "io-5.5";

/// Whether all that is needed is there.
fn check(needs: &[Need]) -> Result<()> {
    can_mount()?;
    for need in needs {
        if !need.is_met(DEFAULT_ROOT.as_ref())? {
            bail!("{}", need.missing(DEFAULT_ROOT.as_ref()));
        }
    }
    Ok(())
}

/// What `suite` finds on each kind; none if it cannot run here.
fn outcomes(suite: Suite, kinds: &[Kind]) -> Option<Vec<Outcome>> {
    if let Err(reason) = check(suite.needs()) {
        skip(&reason);
        return None;
    }
    let run = |&kind: &Kind| {
        let outcome = suite.run(kind, PROGRAM.as_ref(), DEFAULT_ROOT.as_ref(), &Scale::QUICK);
        println!("{}: {outcome:?}", kind.name());
        outcome.unwrap()
    };
    Some(kinds.iter().map(run).collect())
}

const PAGE_CACHE: Kind = Kind::Ramdisk(Caching::PageCache);
const DIRECT: Kind = Kind::Ramdisk(Caching::Direct);

#[test]
fn pjdfstest_finds_nothing() {
    for outcome in outcomes(Suite::Pjdfstest, &[PAGE_CACHE, DIRECT]).unwrap_or_default() {
        assert_eq!(outcome.failures, []);
        assert!(outcome.passed >= PASSES && outcome.skipped.len() <= SKIPS);
    }
}

#[test]
fn fsx_finds_no_mismatch() {
    for outcome in outcomes(Suite::Fsx, &[PAGE_CACHE, DIRECT]).unwrap_or_default() {
        assert_eq!(outcome.failures, []);
        assert_eq!(outcome.passed as u64, Scale::QUICK.seeds);
    }
}

#[test]
fn fio_reads_back_what_it_wrote() {
    for outcome in outcomes(Suite::Fio, &[PAGE_CACHE, DIRECT]).unwrap_or_default() {
        assert_eq!(outcome.failures, []);
        assert_eq!(outcome.passed + outcome.skipped.len(), fio::JOBS.len());
        // A kernel may be told to refuse io_uring.
        assert!(outcome.skipped.len() <= 1);
    }
}

/// What differs without the page cache is data, which is fio's and fsx's.
#[test]
fn stress_ng_finds_nothing() {
    for outcome in outcomes(Suite::StressNg, &[PAGE_CACHE]).unwrap_or_default() {
        assert_eq!(outcome.failures, []);
        assert_eq!(outcome.passed + outcome.skipped.len(), stress_ng::STRESSORS.len());
        for stressor in &outcome.skipped {
            assert!(NOT_HERE.contains(&stressor.as_str()), "{stressor} did nothing");
        }
    }
}

#[test]
fn sqlite_works_as_on_tmpfs() {
    for outcome in outcomes(Suite::Sqlite, &[PAGE_CACHE]).unwrap_or_default() {
        assert!(outcome.passed > 3_000);
        let known = |case: &Option<String>| case.as_deref() == Some(KNOWN_OF_SQLITE);
        let new: Vec<_> = outcome.failures.iter().filter(|one| !known(&one.case)).collect();
        assert!(new.is_empty(), "{new:?}");
    }
}

/// What is compared with must be tmpfs as it is, with the owners and links of its files.
#[test]
fn the_pass_through_passes_owners_and_links_on() {
    use std::os::unix::fs::{MetadataExt, chown};
    if let Err(reason) = check(&[Need::Debian(PASS_THROUGH)]) {
        return skip(&reason);
    }
    let ground = Ground::new(Kind::PassThrough, PROGRAM.as_ref(), "1m").unwrap();
    let (file, link) = (ground.dir().join("file"), ground.dir().join("link"));
    fs::write(&file, "text").unwrap();
    fs::hard_link(&file, &link).unwrap();
    chown(&link, Some(7), Some(8)).unwrap();
    let metadata = file.metadata().unwrap();
    assert_eq!((metadata.uid(), metadata.gid(), metadata.nlink()), (7, 8, 2));
    assert!(fs::write(ground.dir().join("large"), vec![0; 2 << 20]).is_err());
    let dir = ground.dir().to_owned();
    ground.end().unwrap();
    assert_nothing_is_left(&dir);
}

fn assert_nothing_is_left(dir: &Path) {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    assert!(!mounts.contains(dir.to_str().unwrap()));
    assert!(!dir.exists());
}

/// The limit must end even a process that waits for a daemon that answers no more.
#[test]
fn a_suite_over_its_limit_ends_with_the_daemon() {
    use host_fs_sim::programs::{Ended, run_limited};
    use nix::sys::signal::{Signal, kill};
    use std::process::Command;
    use std::time::{Duration, Instant};
    if let Err(reason) = can_mount() {
        return skip(&reason);
    }
    let mut ground =
        Ground::new(Kind::Ramdisk(Caching::PageCache), PROGRAM.as_ref(), "1m").unwrap();
    let dir = ground.dir().to_owned();
    kill(ground.daemon_pid().unwrap(), Signal::SIGSTOP).unwrap();
    let start = Instant::now();
    let output = fs::File::options().write(true).open("/dev/null").unwrap();
    let ended = run_limited(
        Command::new("touch").arg(dir.join("file")),
        Duration::from_millis(200),
        &output,
        || ground.kill_daemon(),
    );
    assert_eq!(ended.unwrap(), Ended::Expired);
    drop(ground);
    assert!(start.elapsed() < Duration::from_secs(15));
    assert_nothing_is_left(&dir);
}

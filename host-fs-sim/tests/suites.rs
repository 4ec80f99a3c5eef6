//! pjdfstest and a short fsx over a mount.

mod support;

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use host_fs_sim::fuse::Caching;
use host_fs_sim::programs::Package;
use host_fs_sim::suites::{DEFAULT_ROOT, Ground, Kind, Outcome, fsx, new_directory, pjdfstest};

use support::{PROGRAM, can_mount, skip};

/// What pjdfstest 0.2.2 does on tmpfs.
const PASSES: usize = 382;
const SKIPS: usize = 16;

fn find(package: Package) -> Result<PathBuf> {
    can_mount()?;
    package.find(DEFAULT_ROOT.as_ref()).with_context(|| {
        let command = package.install_command(DEFAULT_ROOT.as_ref());
        format!("{} is not installed: {command:?}", package.name)
    })
}

fn find_pjdfstest() -> Result<PathBuf> {
    ensure!(pjdfstest::users_exist()?, "no user `tests`: {:?}", pjdfstest::user_command());
    find(pjdfstest::PACKAGE)
}

fn run(kind: Kind, suite: impl FnOnce(&mut Ground, &std::path::Path) -> Result<Outcome>) {
    let mut ground = Ground::new(kind, PROGRAM.as_ref(), "1g").unwrap();
    let scratch = new_directory().unwrap();
    let outcome = suite(&mut ground, &scratch);
    fs::remove_dir_all(scratch).unwrap();
    let outcome = outcome.unwrap();
    println!("{}: {outcome:?}", kind.name());
    assert!(outcome.failures.is_empty(), "{}: {}", kind.name(), outcome.failures.join("\n"));
    ground.end().unwrap();
}

#[test]
fn pjdfstest_finds_nothing() {
    let program = match find_pjdfstest() {
        Ok(program) => program,
        Err(reason) => return skip(&reason),
    };
    for caching in [Caching::PageCache, Caching::Direct] {
        run(Kind::Ramdisk(caching), |ground, scratch| {
            let outcome = pjdfstest::run(&program, ground, scratch)?;
            assert!(outcome.passed >= PASSES && outcome.skipped <= SKIPS, "{outcome:?}");
            Ok(outcome)
        });
    }
}

#[test]
fn fsx_finds_no_mismatch() {
    let program = match find(fsx::PACKAGE) {
        Ok(program) => program,
        Err(reason) => return skip(&reason),
    };
    for caching in [Caching::PageCache, Caching::Direct] {
        run(Kind::Ramdisk(caching), |ground, scratch| {
            let outcome = fsx::run(&program, ground, scratch, 20_000, 2)?;
            assert_eq!(outcome.passed + outcome.failures.len(), 2);
            Ok(outcome)
        });
    }
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
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    assert!(!mounts.contains(dir.to_str().unwrap()));
    assert!(!dir.exists());
}

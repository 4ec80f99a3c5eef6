//! Runs against calls that do nothing, for what can be said without files:
//! the counts and sums that the original was seen to report.

use core::cell::Cell;

use alloc::vec::Vec;

use crate::calls::{Calls, Stat};
use crate::{Bare, Counts, Errno, Report, Result, main_with};

/// Files that take all and give zeros; a standard input with one script.
struct Nothing<'a> {
    script: Cell<&'a [u8]>,
    ns: Cell<u64>,
    /// What every call on a file answers, if it is to fail.
    failure: Option<Errno>,
}

impl Nothing<'_> {
    fn answer<T>(&self, value: T) -> Result<T> {
        self.failure.map_or(Ok(value), Err)
    }
}

impl Calls for Nothing<'_> {
    fn open(&self, path: &[u8], _: i32, _: u32) -> Result<i32> {
        if path == b".pmrc" {
            return Err(Errno::ENOENT);
        }
        self.answer(3)
    }
    fn close(&self, _: i32) -> Result<()> {
        self.answer(())
    }
    fn read(&self, fd: i32, buffer: &mut [u8]) -> Result<usize> {
        if fd == 0 {
            let (now, later) =
                self.script.get().split_at(buffer.len().min(self.script.get().len()));
            buffer[..now.len()].copy_from_slice(now);
            self.script.set(later);
            return Ok(now.len());
        }
        self.answer(buffer.len())
    }
    fn write(&self, fd: i32, bytes: &[u8]) -> Result<usize> {
        if fd < 3 { Ok(bytes.len()) } else { self.answer(bytes.len()) }
    }
    fn lseek(&self, _: i32, _: i64, _: i32) -> Result<u64> {
        self.answer(0)
    }
    fn fstat(&self, fd: i32) -> Result<Stat> {
        let stat = Stat { mode: libc::S_IFREG, block_size: 4096 };
        if fd < 3 { Ok(stat) } else { self.answer(stat) }
    }
    fn unlink(&self, _: &[u8]) -> Result<()> {
        self.answer(())
    }
    fn mkdir(&self, _: &[u8], _: u32) -> Result<()> {
        self.answer(())
    }
    fn rmdir(&self, _: &[u8]) -> Result<()> {
        self.answer(())
    }
    fn getcwd(&self, _: &mut [u8]) -> Result<usize> {
        self.answer(0)
    }
    fn now_ns(&self) -> u64 {
        self.ns.set(self.ns.get() + 1_000_000_000);
        self.ns.get()
    }
}

fn nothing(script: &str, failure: Option<Errno>) -> Nothing<'_> {
    Nothing { script: Cell::new(script.as_bytes()), ns: Cell::new(0), failure }
}

fn reports_of(calls: &impl Calls) -> Vec<Report> {
    let mut reports = Vec::new();
    assert_eq!(main_with(calls, &[], |report| reports.push(*report)), 0);
    reports
}

fn reports(script: &str, failure: Option<Errno>) -> Vec<Report> {
    reports_of(&nothing(script, failure))
}

/// Of PostMark's own configuration.
const COUNTS: Counts = Counts {
    created: 764,
    created_alone: 500,
    created_mixed: 264,
    read: 243,
    appended: 257,
    deleted: 764,
    deleted_alone: 528,
    deleted_mixed: 236,
    bytes_read: 1_430_770,
    bytes_written: 4_662_068,
};

#[test]
fn the_default_run_has_the_well_known_counts() {
    for report in reports("run\nrun\nset buffering false\nrun\n", None) {
        assert_eq!(report.counts, COUNTS);
        assert_eq!(report.times.total_ns, 3_000_000_000);
        assert_eq!(report.transaction_seconds(), 1.0);
    }
}

/// Every call on a file that went on to the calls outside would fail.
#[test]
fn bare_files_are_all_that_a_run_needs() {
    let script = "run\nset subdirectories 20\nrun\nset buffering false\nrun\nset read 4096\n\
                  set write 4096\nrun\nset location a\nrun\n";
    let outside = nothing(script, Some(Errno::EIO));
    let counts = |reports: Vec<Report>| reports.iter().map(|one| one.counts).collect::<Vec<_>>();
    let bare = counts(reports_of(&Bare::new(&outside)));
    assert_eq!((bare.len(), bare[0]), (5, COUNTS));
    assert_eq!(bare, counts(reports(script, None)));
}

#[test]
fn bare_files_have_the_bytes_that_were_written() {
    let outside = nothing("", Some(Errno::EIO));
    let bare = Bare::new(&outside);
    let (make, append) = (libc::O_WRONLY | libc::O_CREAT, libc::O_WRONLY | libc::O_APPEND);
    let mut model = Vec::new();
    for round in 0..3 {
        assert_eq!(bare.open(b"d/7", libc::O_RDONLY, 0), Err(Errno::EIO));
        for (count, len) in [1, 5000, 4095, 12_288, 7].into_iter().enumerate() {
            let bytes: Vec<u8> = (0..len).map(|at| (at * 7 + count + round) as u8).collect();
            let flags = if count == 0 { make | libc::O_TRUNC } else { append };
            let fd = bare.open(b"d/7", flags, 0o644).unwrap();
            assert_eq!(bare.write(fd, &bytes), Ok(len));
            assert_eq!(bare.close(fd), Ok(()));
            model.extend(bytes);
        }
        // Over what is there, and to a place that is not.
        let fd = bare.open(b"7", libc::O_RDWR, 0).unwrap();
        assert_eq!(bare.lseek(fd, 4000, libc::SEEK_SET), Ok(4000));
        assert_eq!(bare.write(fd, &[9; 200]), Ok(200));
        model[4000..4200].fill(9);
        assert_eq!(bare.lseek(fd, 1, libc::SEEK_END), Err(Errno::EINVAL));
        assert_eq!(bare.lseek(fd, -4200, libc::SEEK_CUR), Ok(0));
        let mut bytes = alloc::vec![0; model.len() + 1];
        let mut done = 0;
        while done < model.len() {
            done += bare.read(fd, &mut bytes[done..][..3000.min(model.len() + 1 - done)]).unwrap();
        }
        assert_eq!((bare.read(fd, &mut [0]), &bytes[..done]), (Ok(0), &model[..]));
        assert_eq!(bare.close(fd), Ok(()));
        assert_eq!(bare.read(fd, &mut [0]), Err(Errno::EBADF));
        assert_eq!(bare.unlink(b"s3/7"), Ok(()));
        assert_eq!(bare.unlink(b"s3/7"), Err(Errno::ENOENT));
        model.clear();
    }
    assert_eq!(bare.open(b"99999999999999999999", make, 0), Err(Errno::EIO));
    assert_eq!(bare.open(b"18446744073709551615", make, 0), Err(Errno::ENOMEM));
}

#[test]
fn the_data_are_summed_up_as_floats() {
    let seen = reports(
        "set size 60001 900001\nset number 100\nset transactions 3000\n\
         set read 65536\nset write 65536\nrun\n\
         set size 1 3001\nset number 20000\nset transactions 20000\nrun\n",
        None,
    );
    let data = |report: &Report| (report.data.read, report.data.written);
    assert_eq!(data(&seen[0]), (925_056_512.0, 988_815_488.0));
    assert_eq!(data(&seen[1]), (16_502_698.0, 51_720_932.0));
    assert_eq!(seen[0].counts.bytes_written, 988_814_654);
}

#[test]
fn a_run_goes_on_whatever_the_calls_answer() {
    for errno in [Errno::ENOSYS, Errno::ENOSPC, Errno::EISDIR, Errno::ENOMEM] {
        for buffering in ["true", "false"] {
            let script = alloc::format!("set buffering {buffering}\nset subdirectories 3\nrun\n");
            let report = reports(&script, Some(errno))[0];
            // What the original counts when nothing can be opened.
            assert_eq!(report.counts.created_alone, 500);
            assert_eq!(report.counts.read + report.counts.appended, 0);
            assert_eq!(report.counts.deleted, 0);
        }
    }
}

#[test]
fn absurd_settings_end_in_a_sentence_or_a_run() {
    for script in [
        "set size 2147483647\nrun\n",
        "set size 1 1073741824\nrun\n",
        "set size 9\nset number 2147483647\nrun\n",
        "set size 9\nset number 1073741824\nrun\n",
        "set size 9\nset number 1\nset transactions 1\nset write 2147483647\nrun\n",
        "set location a 2147483647\nset location +b 2147483647\nrun\n",
        "set bias create 0\nset number 1\nset transactions 9\nrun\n",
        "set bias create 10\nset bias read -1\nset number 1\nset size 1\nrun\n",
        "set bias create -1\nset bias read -1\nset number 1\nset size 1\nrun\n",
        "set number 2147483647\nset transactions 2147483647\nset size 1 2147483647\nrun\n",
    ] {
        reports(script, None);
    }
}

//! Transfers by a descriptor that is used often, with other threads about, are done by shorter
//! ways ([`Published`](anchorite_fs::sync::Published)). Whatever the state of the file, they do
//! what they do by a descriptor that was never used.

mod transfers;

use anchorite_syscalls::Errno;
use host_fs_sim::worlds::{ROOMY, system};
use transfers::{By, OFTEN, READS, SITUATIONS, WRITES, after_read, after_write};

#[test]
fn writes_by_a_descriptor_used_often_are_as_by_a_new_one() {
    for &(name, situation) in SITUATIONS {
        for &write in WRITES {
            let [new, used] = [By::New, By::Used].map(|by| after_write(situation, write, by));
            assert_eq!(new, used, "{name}, {write:?}");
        }
    }
}

#[test]
fn reads_by_a_descriptor_used_often_are_as_by_a_new_one() {
    for &(name, situation) in SITUATIONS {
        for (&read, again) in READS.iter().flat_map(|read| [(read, false), (read, true)]) {
            let [new, used] = [By::New, By::Used].map(|by| after_read(situation, read, by, again));
            assert_eq!(new, used, "{name}, {read:?}, again: {again}");
        }
    }
}

#[test]
fn what_may_not_be_written_is_refused_however_often_it_is_used() {
    let sys = system(ROOMY);
    let fd = sys.open(b"/f", libc::O_RDONLY | libc::O_CREAT, 0o666).unwrap();
    let other = sys.open(b"/f", libc::O_WRONLY, 0).unwrap();
    sys.pwrite(other, b"abc", 0).unwrap();
    for _ in 0..OFTEN {
        assert_eq!(sys.pwrite(fd, b"x", 0), Err(Errno::EBADF));
        assert_eq!(sys.pread(other, &mut [0], 0), Err(Errno::EBADF));
        assert_eq!(sys.pread(fd, &mut [0], 0), Ok(1));
        assert_eq!(sys.pwrite(other, b"a", 0), Ok(1));
    }
    sys.close(fd).unwrap();
    sys.close(other).unwrap();
    for fd in [fd, other] {
        assert_eq!(sys.pwrite(fd, b"x", 0), Err(Errno::EBADF));
        assert_eq!(sys.pread(fd, &mut [0], 0), Err(Errno::EBADF));
    }
}

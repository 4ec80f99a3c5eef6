//! Content: read, write, pread, pwrite, lseek, truncate, ftruncate.

use crate::steps::*;

/// Sizes at which the layout of a file's data changes, and their neighbours: buffers of
/// 64 bytes and more, pages, the first and second level of the tree.
const EDGES: [i64; 15] = {
    let (leaf, tree) = (64 * 4096, 64 * 64 * 4096);
    [0, 1, 63, 64, 65, 128, 4095, 4096, 4097, leaf - 1, leaf, leaf + 1, tree - 1, tree, tree + 1]
};

/// What is around `at`.
fn around(fd: i32, at: i64) -> [Step; 2] {
    [pread(fd, 200, (at - 100).max(0)), pread(fd, 9000, (at - 4200).max(0))]
}

/// The file is filled to one size, cut to a second, and made longer to a third by
/// truncate or by a write behind the end: what was cut off must read as zeros.
#[test]
fn holes_read_as_zeros_after_every_cut() {
    let mut steps = vec![open("/f", O_RDWR | O_CREAT), close(3)];
    for full in EDGES {
        for cut in EDGES.into_iter().filter(|cut| *cut <= full) {
            for longer in EDGES.into_iter().filter(|longer| *longer >= cut) {
                for by_write in [false, true] {
                    steps.extend([open("/f", O_RDWR | O_CREAT | O_TRUNC).gives(3)]);
                    // The end alone is written where the file is large.
                    let start = (full - 5000).max(0);
                    steps.push(pwrite(3, vec![b'x'; (full - start) as usize], start));
                    steps.push(ftruncate(3, cut).gives(0));
                    steps.push(if by_write {
                        pwrite(3, "y", longer)
                    } else {
                        ftruncate(3, longer)
                    });
                    steps.push(fstat(3));
                    steps.extend(around(3, cut));
                    steps.extend(around(3, full));
                    steps.extend([pread(3, 10, longer - 5), close(3)]);
                }
            }
        }
    }
    check("holes_read_as_zeros_after_every_cut", &steps);
}

/// Two writes at any two edges, read back in one piece or around.
#[test]
fn writes_at_every_edge_leave_holes_between() {
    let mut steps = Vec::new();
    for first in EDGES {
        for second in EDGES {
            for len in [1usize, 64, 4096, 5000] {
                steps.extend([
                    open("/f", O_RDWR | O_CREAT | O_TRUNC),
                    pwrite(3, vec![b'1'; len], first),
                    pwrite(3, vec![b'2'; len], second),
                    fstat(3),
                ]);
                steps.extend(around(3, first));
                steps.extend(around(3, second));
                steps.push(close(3));
            }
        }
    }
    check("writes_at_every_edge_leave_holes_between", &steps);
}

/// A file grows by small steps through all of its layouts.
#[test]
fn file_that_grows_bit_by_bit_keeps_its_content() {
    for step in [1, 7, 63, 64, 100, 4095, 4096, 4097] {
        let mut steps = vec![open("/f", O_RDWR | O_CREAT)];
        for number in 0..90u8 {
            steps.extend([write(3, vec![b' ' + number; step]), lseek(3, 0, SEEK_END)]);
        }
        steps.extend([fstat(3), pread(3, 400_000, 0), pread(3, 100, 4000)]);
        check(&format!("steps of {step} bytes"), &steps);
    }
}

const MAX: i64 = i64::MAX;

/// A deviation: TRUNCATE_MARKS_TIMES.
#[test]
fn truncate_to_the_same_size_marks_times() {
    let same = || truncate("/f", 0).touches(&[("/f", "mc")]);
    let linux = Outcome::Timed(Box::new(Outcome::Done(0)), vec!["".into()]);
    let steps = [creat("/f"), same().unlike_linux(linux), ftruncate(3, 0).touches(&[("/f", "mc")])];
    check("truncate_to_the_same_size_marks_times", &steps);
}

/// Sparse files, searched from every edge.
#[test]
fn seeking_data_and_holes_at_every_edge() {
    let [data, hole] = [libc::SEEK_DATA, libc::SEEK_HOLE];
    let mut steps = Vec::new();
    for at in EDGES {
        for size in EDGES {
            steps.extend([open("/f", O_RDWR | O_CREAT | O_TRUNC), pwrite(3, "x", at)]);
            steps.push(ftruncate(3, size));
            for from in [-1, 0, at - 1, at, at + 1, size - 1, size, size + 1] {
                steps.extend([lseek(3, from, data), lseek(3, from, hole)]);
            }
            steps.push(close(3));
        }
    }
    check("seeking_data_and_holes_at_every_edge", &steps);
}

/// A deviation: ALLOCATED_RANGES_ARE_DATA.
#[test]
fn allocated_ranges_are_data() {
    use crate::calls::Error;
    let none = Outcome::Failed(Error(libc::ENXIO));
    let steps = [
        creat("/f"),
        fallocate(3, 0, 0, 4096).gives(0),
        lseek(3, 0, libc::SEEK_DATA).gives(0).unlike_linux(none),
    ];
    check("allocated_ranges_are_data", &steps);
}

/// A deviation: HOLES_FREE_THE_LAST_PAGE.
#[test]
fn hole_up_to_the_end_frees_the_last_page() {
    use crate::calls::{Ignored, Stat};
    let stat = |blocks| {
        let (ino, times) = (Ignored(0), Ignored([(0, 0); 3]));
        let (mode, nlink, uid, gid, size, block_size) = (0o100644, 1, 0, 0, 4097, 4096);
        Outcome::Stat(Stat { mode, nlink, uid, gid, size, blocks, block_size, ino, times })
    };
    let punch = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
    let steps = [
        creat("/f"),
        pwrite(3, "x", 4096),
        fallocate(3, punch, 1, 4096).gives(0),
        fstat(3).is(stat(0)).unlike_linux(stat(8)),
        unlink("/f"),
    ];
    check("hole_up_to_the_end_frees_the_last_page", &steps);
}

/// Punched holes of every size and place, in a file that goes on behind them.
#[test]
fn holes_punched_at_every_edge_read_as_zeros() {
    let punch = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
    let mut steps = Vec::new();
    for from in EDGES.into_iter().filter(|edge| *edge < 300_000) {
        for len in EDGES.into_iter().filter(|edge| *edge < 300_000) {
            steps.extend([open("/f", O_RDWR | O_CREAT | O_TRUNC), pwrite(3, "end", 700_000)]);
            steps.push(pwrite(3, vec![b'x'; 540_000], 0));
            steps.extend([fallocate(3, punch, from, len), fstat(3)]);
            steps.extend(around(3, from));
            steps.extend(around(3, from + len));
            steps.push(close(3));
        }
    }
    check("holes_punched_at_every_edge_read_as_zeros", &steps);
}

rows! {
    seeking_never_changes_the_file: [
        open("/f", O_RDWR | O_CREAT), write(3, "hello"), lseek(3, 0, SEEK_CUR).gives(5),
        lseek(3, -2, SEEK_CUR).gives(3), read(3, 9).tells(b"lo"),
        lseek(3, -1, SEEK_SET).fails(EINVAL), lseek(3, -6, SEEK_END).fails(EINVAL),
        lseek(3, -5, SEEK_END).gives(0), lseek(3, 100, SEEK_END).gives(105), fstat(3),
        read(3, 9).tells(b""), fstat(3), lseek(3, 0, SEEK_CUR).gives(105), write(3, "!"), fstat(3),
        pread(3, 200, 0), lseek(3, 0, 5).fails(EINVAL), lseek(3, 0, -1).fails(EINVAL),
        lseek(3, 0, SEEK_CUR).gives(106),
    ];
    offsets_up_to_the_largest: [
        open("/f", O_RDWR | O_CREAT), lseek(3, MAX, SEEK_SET).gives(MAX),
        lseek(3, 1, SEEK_CUR).fails(EINVAL), lseek(3, MAX, SEEK_CUR).fails(EINVAL),
        lseek(3, i64::MIN, SEEK_CUR).fails(EINVAL), write(3, "x").fails(EINVAL), read(3, 0),
        write(3, ""), read(3, 1), lseek(3, -1, SEEK_CUR).gives(MAX - 1), write(3, "x").gives(1),
        fstat(3), lseek(3, 0, SEEK_END).gives(MAX), lseek(3, 1, SEEK_END).fails(EINVAL),
        pread(3, 1, MAX - 1).tells(b"x"), lseek(3, -1, SEEK_END).gives(MAX - 1), read(3, 1),
        lseek(3, -1, SEEK_END), read(3, 2), ftruncate(3, 0), fstat(3),
        pwrite(3, "y", MAX - 1).gives(1), unlink("/f"), close(3),
    ];
    /// A transfer over the largest offset was cut off there: a short write, EFBIG, or end
    /// of file. Linux refuses it as a whole, before it looks at the file.
    transfers_over_the_largest_offset: [
        open("/f", O_RDWR | O_CREAT), pwrite(3, "abc", MAX - 1).fails(EINVAL),
        pwrite(3, "abc", MAX - 2), pwrite(3, "abc", MAX - 3), pwrite(3, "a", MAX),
        pwrite(3, "", MAX), pread(3, 1, MAX), pread(3, 1, MAX - 1), pread(3, 9, MAX - 8),
        pread(3, 9, MAX - 9), fstat(3), lseek(3, MAX - 1, SEEK_SET), read(3, 3), write(3, "xy"),
        write(3, "x"), open("/f", O_WRONLY | O_APPEND), write(4, "z").fails(EFBIG),
        pwrite(4, "z", 0), write(4, ""),
    ];
    truncate_to_the_largest_size: [
        creat("/f"), truncate("/f", MAX).gives(0), stat("/f"), truncate("/f", -1).fails(EINVAL),
        truncate("/f", i64::MIN).fails(EINVAL), open("/f", O_RDWR), pread(4, 10, MAX - 10),
        pread(4, 10, 4096), lseek(4, 0, SEEK_END).gives(MAX), pwrite(4, "x", 1 << 40), stat("/f"),
        truncate("/f", (1 << 40) + 1), stat("/f"), pread(4, 10, (1 << 40) - 2), truncate("/f", 0),
        stat("/f"), truncate("/f", 1), pread(4, 9, 0),
    ];
    truncate_refuses: [
        mkdir("/d"), truncate("/d", 0).fails(EISDIR), truncate("/none", 0).fails(ENOENT),
        truncate("/none", -1).fails(EINVAL), creat("/f"), truncate("/f/", 0).fails(ENOTDIR),
        open("/f", O_RDONLY), ftruncate(4, 0).fails(EINVAL), open("/d", O_RDONLY),
        ftruncate(5, 0).fails(EINVAL), ftruncate(3, -1).fails(EINVAL),
        ftruncate(77, -1).fails(EINVAL), symlink("f", "/l"), truncate("/l", 10).gives(0),
        stat("/f"), symlink("none", "/m"), truncate("/m", 1).fails(ENOENT),
    ];
    truncate_marks_times: [
        creat("/f"), write(3, "hello"), ftruncate(3, 3).touches(&[("/f", "mc")]),
        ftruncate(3, 3).touches(&[("/f", "mc")]), truncate("/f", 9).touches(&[("/f", "mc")]),
        truncate("/f", 2).touches(&[("/f", "mc")]), truncate("/f", 2).touches(&[("/f", "mc")]),
        truncate("/f", 0).touches(&[("/f", "mc")]),
    ];
    transfers_mark_times: [
        open("/f", O_RDWR | O_CREAT),
        write(3, "hello").gives(5).touches(&[("/f", "mc"), ("/", "")]),
        write(3, "").gives(0).touches(&[("/f", "")]), lseek(3, 0, SEEK_SET).touches(&[("/f", "")]),
        write(3, "a").gives(1).touches(&[("/f", "mc")]),
        pwrite(3, "a", 9).gives(1).touches(&[("/f", "mc")]),
        lseek(3, 0, SEEK_END).gives(10).touches(&[("/f", "")]), fstat(3),
    ];
    /// Truncating to the same size kept what fallocate had taken behind the end.
    truncate_frees_what_was_allocated_behind_the_end: [
        creat("/f"), write(3, "x"), fallocate(3, libc::FALLOC_FL_KEEP_SIZE, 0, 100_000).gives(0),
        fstat(3), ftruncate(3, 1).gives(0), fstat(3),
        fallocate(3, libc::FALLOC_FL_KEEP_SIZE, 0, 100_000), ftruncate(3, 0), fstat(3),
        fallocate(3, libc::FALLOC_FL_KEEP_SIZE, 0, 100), ftruncate(3, 0), fstat(3),
        fallocate(3, libc::FALLOC_FL_KEEP_SIZE, 8192, 100), ftruncate(3, 5000), fstat(3),
    ];
    holes_take_no_blocks: [
        open("/f", O_RDWR | O_CREAT), fstat(3), ftruncate(3, 1 << 30), fstat(3),
        pread(3, 5000, 4000), fstat(3), pwrite(3, "x", 1 << 20), fstat(3), pwrite(3, "x", 0),
        fstat(3), pwrite(3, vec![b'y'; 8192], 4000), fstat(3), ftruncate(3, 4096), fstat(3),
        ftruncate(3, 4097), fstat(3), ftruncate(3, 1), fstat(3), ftruncate(3, 0), fstat(3),
    ];
    directories_are_not_read_or_written: [
        mkdir("/d"), open("/d", O_RDONLY), read(3, 10).fails(EISDIR), write(3, "x").fails(EBADF),
        pread(3, 10, 0).fails(EISDIR), read(3, 0).fails(EISDIR), open("/d", O_WRONLY).fails(EISDIR),
        open("/d", O_RDWR).fails(EISDIR), pread(3, 1, -1).fails(EINVAL),
        pwrite(3, "x", 0).fails(EBADF),
    ];
    access_modes_bind_transfers: [
        creat("/f"), open("/f", O_RDONLY), open("/f", O_RDWR), read(3, 1).fails(EBADF),
        write(4, "x").fails(EBADF), write(5, "x").gives(1), pread(3, 1, 0).fails(EBADF),
        pwrite(4, "x", 0).fails(EBADF), write(4, "").fails(EBADF), read(3, 0).fails(EBADF),
        ftruncate(4, 0).fails(EINVAL), lseek(3, 0, SEEK_END).gives(1), chmod("/f", 0),
        pread(5, 1, 0).tells(b"x"), read(4, 1).tells(b"x"),
    ];
}

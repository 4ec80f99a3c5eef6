//! Listing: getdents64.

use crate::steps::*;

/// `count` files in `/d`, open as descriptor 3.
fn many(count: usize) -> Vec<Step> {
    let mut steps = vec![mkdir("/d")];
    for number in 0..count {
        steps.extend([creat(&format!("/d/{number:04}")), close(3)]);
    }
    steps.push(open("/d", O_RDONLY).gives(3));
    steps
}

#[test]
fn each_entry_is_listed_once_whatever_the_buffer() {
    for count in [0, 1, 2, 3, 255, 256, 257, 600] {
        for len in [24, 31, 32, 48, 100, 1000, 32768] {
            let listings = [list_rest(3, len), list_rest(3, len), lseek(3, 0, SEEK_SET)];
            let steps = [many(count), listings.into(), vec![list_rest(3, len)]].concat();
            check(&format!("{count} entries by {len} bytes"), &steps);
        }
    }
}

#[test]
fn listing_resumes_from_every_d_off() {
    for count in [0, 1, 3, 100] {
        let gaps = (0..count).step_by(3).map(|number| unlink(&format!("/d/{number:04}")));
        let steps = [many(count), vec![list_from_each(3)], gaps.collect(), vec![list_from_each(3)]];
        check(&format!("{count} entries"), &steps.concat());
    }
}

#[test]
fn entries_removed_while_listing_are_each_listed_once() {
    for count in [1, 10, 300, 1000] {
        for len in [24, 32, 240, 5000] {
            let listing = [list_and_unlink(3, len, "/d/"), rmdir("/d").gives(0), list_rest(3, 99)];
            check(&format!("{count}, {len} bytes"), &[many(count), listing.into()].concat());
        }
    }
}

/// A deviation: LISTINGS_GO_ON.
#[test]
fn listing_goes_on_after_its_end() {
    use crate::calls::Arg::{Room, Word};
    let getdents = || raw(libc::SYS_getdents64, [Word(3), Room, Word(1000), Word(0)]);
    check(
        "listing_goes_on_after_its_end",
        &[
            mkdir("/d"),
            open("/d", O_RDONLY),
            getdents().gives(48),
            getdents().gives(0),
            creat("/d/f"),
            getdents().gives(24).unlike_linux(Outcome::Done(0)),
        ],
    );
}

rows! {
    listing_of_an_empty_directory: [
        mkdir("/d"), open("/d", O_RDONLY), getdents(3, 1000), getdents(3, 1000), fstat(3),
        lseek(3, 0, SEEK_SET).gives(0), getdents(3, 1000), rmdir("/d"), lseek(3, 0, SEEK_SET),
        getdents(3, 1000).fails(ENOENT), getdents(3, 0).fails(ENOENT),
    ];
    buffer_too_small_for_one_entry_is_einval: [
        mkdir("/d"), open("/d", O_RDONLY), getdents(3, 0).fails(EINVAL),
        getdents(3, 1).fails(EINVAL), getdents(3, 23).fails(EINVAL), getdents(3, 24),
        getdents(3, 24), getdents(3, 24), getdents(3, 0),
    ];
    types_are_listed: [
        mkdir("/d"), mkdir("/d/d"), creat("/d/f"), symlink("x", "/d/l"), open("/d", O_RDONLY),
        list_rest(4, 999), open("/", O_RDONLY), list_rest(5, 999),
    ];
    files_are_not_listed: [
        creat("/f"), getdents(3, 1000).fails(ENOTDIR), getdents(3, 0).fails(ENOTDIR),
        open("/f", O_RDONLY), getdents(4, 100).fails(ENOTDIR), getdents(0, 100).fails(ENOTDIR),
    ];
    seeking_in_a_directory: [
        mkdir("/d"), open("/d", O_RDONLY), lseek(3, 0, SEEK_CUR).gives(0),
        lseek(3, -1, SEEK_SET).fails(EINVAL), lseek(3, i64::MAX, SEEK_SET), getdents(3, 100),
        lseek(3, 0, SEEK_SET), lseek(3, 0, 9).fails(EINVAL), list_rest(3, 100),
        lseek(3, 0, SEEK_END),
    ];
    /// Data and holes were searched in directories: ENXIO.
    seeking_data_in_a_directory_is_einval: [
        mkdir("/d"), open("/d", O_RDONLY), lseek(3, 0, libc::SEEK_DATA).fails(EINVAL),
        lseek(3, -1, libc::SEEK_HOLE).fails(EINVAL),
    ];
    listing_sees_what_is_made_after_a_rewind: [
        mkdir("/d"), open("/d", O_RDONLY), list_rest(3, 100), creat("/d/f"), lseek(3, 0, SEEK_SET),
        list_rest(3, 100), rename("/d/f", "/d/g"), lseek(3, 0, SEEK_SET), list_rest(3, 100),
        rename("/d/g", "/h"), lseek(3, 0, SEEK_SET), list_rest(3, 100), rename("/h", "/d/i"),
        lseek(3, 0, SEEK_SET), list_rest(3, 100),
    ];
    listing_marks_the_access_time: [
        mkdir("/d"), mkdir("/d/e"), open("/d", O_RDONLY), fstat(3),
        lseek(3, 0, SEEK_SET).touches(&[("/d", "")]),
    ];
}

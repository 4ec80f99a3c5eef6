//! Attributes: stat, chmod, chown, umask; and the access time.

use crate::calls::Call;
use crate::steps::*;

/// A step whose outcome is compared, with the times that it changes.
fn watched(step: Step, path: &str) -> Step {
    Step::plain(Call::Timed(Box::new(step.call), vec![path.into()]))
}

#[test]
fn access_time_follows_relatime() {
    check(
        "access_time_follows_relatime",
        &[
            open("/f", O_RDWR | O_CREAT),
            write(3, "hello"),
            watched(pread(3, 1, 0), "/f"),
            watched(pread(3, 1, 0), "/f"),
            write(3, "x"),
            watched(pread(3, 0, 0), "/f"),
            watched(pread(3, 9, 100), "/f"),
            chmod("/f", 0o600),
            watched(pread(3, 9, 100), "/f"),
            watched(stat("/f"), "/f"),
            mkdir("/d"),
            mkdir("/d/e"),
            open("/d", O_RDONLY),
            watched(list_rest(4, 1000), "/d"),
            watched(list_rest(4, 1000), "/d"),
            creat("/d/e/f"),
            lseek(4, 0, SEEK_SET),
            watched(list_rest(4, 1000), "/d"),
            symlink("f", "/l"),
            watched(lstat("/l"), "/l"),
            watched(readlink("/l", 1), "/l"),
            watched(readlink("/l", 1), "/l"),
            symlink("f", "/m"),
            watched(stat("/m"), "/m"),
            watched(stat("/m"), "/m"),
            watched(stat("/d/e/f"), "/d"),
        ],
    );
}

rows! {
    chmod_sets_twelve_bits: [
        creat("/f"), chmod("/f", 0o7777), stat("/f"), chmod("/f", 0), stat("/f"),
        chmod("/f", 0o100644), stat("/f"), chmod("/f", u32::MAX), stat("/f"), fchmod(3, 0o1640),
        fstat(3), mkdir("/d"), chmod("/d", 0o2750), stat("/d"), chmod("/d/", 0o3777), stat("/d"),
        symlink("f", "/l"), chmod("/l", 0o604), stat("/f"), lstat("/l"),
        chmod("/none", 0).fails(ENOENT), chmod("/f/", 0).fails(ENOTDIR), symlink("none", "/m"),
        chmod("/m", 0).fails(ENOENT),
    ];
    chown_sets_owner_and_group: [
        creat("/f"), chown("/f", 1, 2), stat("/f"), chown("/f", u32::MAX, 3), stat("/f"),
        chown("/f", 4, u32::MAX), stat("/f"), chown("/f", u32::MAX, u32::MAX), stat("/f"),
        fchown(3, 5, 6), stat("/f"), symlink("f", "/l"), lchown("/l", 7, 8), lstat("/l"),
        stat("/l"), chown("/l", 9, 10), lstat("/l"), stat("/f"), mkdir("/d"), chown("/d", 1, 1),
        stat("/d"), lchown("/f", 11, 12), stat("/f"), chown("/none", 0, 0).fails(ENOENT),
        chown("/f", u32::MAX - 1, 0), stat("/f"),
    ];
    chown_drops_set_ids_of_files: [
        creat_mode("/f", 0o777), chmod("/f", 0o6777), chown("/f", 1, 1), stat("/f"),
        chmod("/f", 0o6767), chown("/f", u32::MAX, u32::MAX), stat("/f"), mkdir("/d"),
        chmod("/d", 0o6777), chown("/d", 1, 1), stat("/d"), chmod("/f", 0o6777), write(3, "x"),
        stat("/f"), ftruncate(3, 0), stat("/f"), truncate("/f", 5), stat("/f"),
    ];
    new_files_in_a_set_group_directory: [
        mkdir("/d"), chown("/d", 5, 6), chmod("/d", 0o2777), creat("/d/f"), stat("/d/f"),
        mkdir("/d/e"), stat("/d/e"), symlink("x", "/d/l"), lstat("/d/l"),
        creat_mode("/d/g", 0o2777), stat("/d/g"), chmod("/d", 0o777), creat("/d/h"), stat("/d/h"),
        mkdir("/d/e/k"), stat("/d/e/k"), rename("/d/h", "/d/e/h"), stat("/d/e/h"),
        link("/d/g", "/d/e/g"), stat("/d/e/g"),
    ];
    changes_of_attributes_mark_the_status: [
        creat("/f"), chmod("/f", 0o600).touches(&[("/f", "c"), ("/", "")]),
        chmod("/f", 0o600).touches(&[("/f", "c")]), chown("/f", 1, 1).touches(&[("/f", "c")]),
        chown("/f", u32::MAX, u32::MAX).touches(&[("/f", "c")]),
        fchmod(3, 0o644).touches(&[("/f", "c")]), fchown(3, 0, 0).touches(&[("/f", "c")]),
        symlink("f", "/l"), lchown("/l", 1, 1).touches(&[("/l", "c"), ("/f", "")]),
        chmod("/l", 0o600).touches(&[("/f", "c"), ("/l", "a")]),
        umask(0).gives(0o22).touches(&[("/f", "")]),
    ];
    stat_follows_and_lstat_does_not: [
        creat("/f"), write(3, "hello"), symlink("f", "/l"), stat("/l"), lstat("/l"),
        symlink("none", "/m"), stat("/m").fails(ENOENT), lstat("/m"), lstat("/l/").fails(ENOTDIR),
        stat("/l/").fails(ENOTDIR), mkdir("/d"), symlink("d", "/k"), lstat("/k"), lstat("/k/"),
        lstat("/k/."), stat("/f/x").fails(ENOTDIR), stat("/none/x").fails(ENOENT), stat("/"),
        fstat(3),
    ];
}

//! Making, removing and changing names: mkdir, rmdir, unlink, rename, link, symlink,
//! readlink.

use crate::steps::*;

rows! {
    mkdir_on_a_taken_name_is_eexist: [
        mkdir("/a"), creat("/f"), symlink("nowhere", "/l"), mkdir("/a").fails(EEXIST),
        mkdir("/f").fails(EEXIST), mkdir("/l").fails(EEXIST), mkdir("/").fails(EEXIST),
        mkdir("/.").fails(EEXIST), mkdir("/..").fails(EEXIST), mkdir("/a/.").fails(EEXIST),
        mkdir("/a/..").fails(EEXIST),
    ];
    mkdir_below_what_is_no_directory: [
        creat("/f"), mkdir("/f/a").fails(ENOTDIR), mkdir("/missing/a").fails(ENOENT),
        mkdir("/f/").fails(EEXIST), mkdir("/new/").gives(0), stat("/new/"), symlink("target", "/l"),
        mkdir("/l/").fails(EEXIST), mkdir("/target"), mkdir("/l/x"),
    ];
    /// mkdir kept the set-ID bits that it was given; Linux keeps the sticky bit alone.
    mkdir_with_all_mode_bits: [
        mkdir_mode("/a", 0o7777), stat("/a"), mkdir_mode("/b", 0o100777), stat("/b"), umask(0),
        mkdir_mode("/c", 0o7777), stat("/c"), mkdir_mode("/c/d", 0o700), stat("/c/d"),
        creat_mode("/c/f", 0o2755), stat("/c/f"),
    ];
    each_subdirectory_is_a_link_of_its_parent: [
        mkdir("/a"), mkdir("/a/b"), mkdir("/a/c"), creat("/a/f"), stat("/a"), stat("/"),
        rmdir("/a/b"), stat("/a"), rename("/a/c", "/c"), stat("/a"), stat("/"),
    ];
    rmdir_wants_an_empty_directory: [
        mkdir("/a"), creat("/a/f"), rmdir("/a").fails(ENOTEMPTY), rmdir("/a/f").fails(ENOTDIR),
        unlink("/a/f"), rmdir("/a").gives(0), rmdir("/a").fails(ENOENT), symlink("/", "/l"),
        rmdir("/l").fails(ENOTDIR), rmdir("/l/").fails(ENOTDIR),
    ];
    rmdir_of_dots_and_the_root: [
        mkdir("/a"), mkdir("/a/b"), rmdir("/a/.").fails(EINVAL), rmdir("/a/b/..").fails(ENOTEMPTY),
        rmdir("/").fails(EBUSY), rmdir("/.").fails(EINVAL), rmdir("/..").fails(ENOTEMPTY),
        rmdir(".").fails(EINVAL), rmdir("..").fails(ENOTEMPTY), rmdir("").fails(ENOENT),
        rmdir("/a/b/").gives(0), rmdir("/a//").gives(0),
    ];
    removed_directory_holds_nothing_more: [
        mkdir("/a"), mkdir("/a/b"), open("/a/b", O_RDONLY), chdir("/a/b"), rmdir("/a/b").gives(0),
        creat("f").fails(ENOENT), mkdir("d").fails(ENOENT), symlink("x", "l").fails(ENOENT),
        creat("/f"), link("/f", "f").fails(ENOENT), rename("/f", "f").fails(ENOENT),
        rename("f", "/g").fails(ENOENT), stat("f").fails(ENOENT), unlink("f").fails(ENOENT),
        stat("."), fstat(3), stat(".."), getcwd(100).fails(ENOENT), list_rest(3, 1000),
        openat(3, "f", O_RDONLY | O_CREAT).fails(ENOENT), open(".", O_RDONLY), open("..", O_RDONLY),
        rmdir("."), rmdir(".."), chdir("."), chdir(".."), getcwd(100).tells(b"/a\0"),
    ];
    directory_replaced_by_rename_is_removed: [
        mkdir("/a"), mkdir("/b"), creat("/a/f"), open("/b", O_RDONLY), chdir("/b"),
        rename("/a", "/b").gives(0), fstat(4), list_rest(4, 1000).fails(ENOENT),
        creat("f").fails(ENOENT), getcwd(10).fails(ENOENT), stat("/b/f"), stat("/"),
    ];
    unlink_of_what_is_no_file: [
        mkdir("/a"), unlink("/a").fails(EISDIR), unlink("/a/").fails(EISDIR),
        unlink("/").fails(EISDIR), unlink("/a/.").fails(EISDIR), unlink("/a/..").fails(EISDIR),
        unlink("/missing").fails(ENOENT), unlink("").fails(ENOENT),
        unlink("/missing/").fails(ENOENT), creat("/f"), unlink("/f/").fails(ENOTDIR),
        unlink("/f/g").fails(ENOTDIR), symlink("a", "/l"), unlink("/l/").fails(ENOTDIR),
        unlink("/l").gives(0),
    ];
    unlinked_file_lives_while_it_is_open: [
        open("/f", O_RDWR | O_CREAT), link("/f", "/g"), write(3, "hello"), unlink("/f").gives(0),
        fstat(3), unlink("/g").gives(0), fstat(3), stat("/f").fails(ENOENT), write(3, " world"),
        pread(3, 20, 0).tells(b"hello world"), ftruncate(3, 3), fstat(3), fchmod(3, 0o600),
        fstat(3), creat("/f"), stat("/f"), pread(3, 20, 0), close(3),
    ];
    link_makes_one_more_name: [
        creat("/f"), write(3, "x"), link("/f", "/g").gives(0), stat("/g"), write(3, "y"),
        stat("/g"), truncate("/g", 1), fstat(3), unlink("/f"), stat("/g"),
    ];
    link_refuses: [
        mkdir("/d"), creat("/f"), creat("/g"), symlink("f", "/l"), symlink("none", "/m"),
        link("/d", "/e").fails(EPERM), link("/", "/e").fails(EPERM), link("/f", "/g").fails(EEXIST),
        link("/f", "/d").fails(EEXIST), link("/f", "/l").fails(EEXIST),
        link("/f", "/m").fails(EEXIST), link("/none", "/e").fails(ENOENT),
        link("/f", "/none/e").fails(ENOENT), link("/f", "/g/e").fails(ENOTDIR),
        link("/f", "/e/").fails(ENOENT), link("/f/", "/e").fails(ENOTDIR),
        link("/f", "/").fails(EEXIST), link("/f", "/d/.").fails(EEXIST),
        link("/f", "/d/..").fails(EEXIST), link("", "/e").fails(ENOENT),
        link("/f", "").fails(ENOENT), link("/f", "/f").fails(EEXIST),
        link("/d", "/d").fails(EEXIST), link("/f", "/g/").fails(EEXIST),
    ];
    link_of_a_symbolic_link_links_the_link: [
        symlink("none", "/m"), link("/m", "/n").gives(0), lstat("/n"),
        readlink("/n", 10).tells(b"none"), mkdir("/d"), symlink("d", "/l"),
        link("/l/", "/x").fails(EPERM), link("/l", "/y").gives(0),
    ];
    symlink_holds_any_text: [
        symlink("a b//c/./..", "/l"), readlink("/l", 100).tells(b"a b//c/./.."), lstat("/l"),
        symlink("", "/e").fails(ENOENT), symlink("x", "").fails(ENOENT),
        symlink("x", "/l").fails(EEXIST), symlink("x", "/").fails(EEXIST),
        symlink("x", "/new/").fails(ENOENT), symlink("x", "/l/"), mkdir("/d"),
        symlink("x", "/d/").fails(EEXIST), symlink("x", "/none/l").fails(ENOENT),
        symlink("x", "/l/y"), symlink("x", "/d/.").fails(EEXIST),
    ];
    symlink_of_every_length_around_its_limits: [
        symlink(&"x".repeat(127), "/127"), lstat("/127"), symlink(&"x".repeat(128), "/128"),
        lstat("/128"), symlink(&"x".repeat(4095), "/4095").gives(0), lstat("/4095"),
        readlink("/4095", 5000), readlink("/4095", 4095), readlink("/4095", 4094),
        symlink(&"x".repeat(4096), "/4096").fails(ENAMETOOLONG), stat("/4095"),
    ];
    readlink_cuts_off: [
        symlink("target", "/l"), readlink("/l", 3).tells(b"tar"),
        readlink("/l", 6).tells(b"target"), readlink("/l", 7).tells(b"target"),
        readlink("/l", 1).tells(b"t"), readlink("/l", 0).fails(EINVAL),
    ];
    readlink_of_what_is_no_link: [
        creat("/f"), mkdir("/d"), symlink("d", "/l"), readlink("/f", 9).fails(EINVAL),
        readlink("/d", 9).fails(EINVAL), readlink("/l/", 9).fails(EINVAL),
        readlink("/f/", 9).fails(ENOTDIR), readlink("/none", 9).fails(ENOENT),
        readlink("", 9).fails(ENOENT), readlink("/", 9).fails(EINVAL),
        readlink("/none", 0).fails(EINVAL),
    ];
    rename_dir_into_own_child_is_einval: [
        mkdir("/a"), mkdir("/a/b"), mkdir("/a/b/c"), rename("/a", "/a/x").fails(EINVAL),
        rename("/a", "/a/b").fails(EINVAL), rename("/a", "/a/b/c").fails(EINVAL),
        rename("/a", "/a/b/c/x").fails(EINVAL), rename("/a/b", "/a/b/c/x").fails(EINVAL),
        rename("/a", "/a/none/x").fails(ENOENT),
    ];
    rename_over_own_ancestor_is_enotempty: [
        mkdir("/a"), mkdir("/a/b"), mkdir("/a/b/c"), creat("/a/b/f"),
        rename("/a/b", "/a").fails(ENOTEMPTY), rename("/a/b/c", "/a").fails(ENOTEMPTY),
        rename("/a/b/f", "/a").fails(ENOTEMPTY), rename("/a/b/f", "/a/b").fails(ENOTEMPTY),
    ];
    rename_to_itself_does_nothing: [
        mkdir("/a"), creat("/f"), link("/f", "/g"), rename("/a", "/a").gives(0),
        rename("/f", "/f").gives(0), rename("/f", "/g").gives(0), stat("/f"), stat("/g"),
        rename("/a/", "/a").gives(0), rename("/a", "/a//").gives(0),
        rename("/f", "/f/").fails(ENOTDIR), mkdir("/d"), link("/f", "/d/h"),
        rename("/f", "/d/h").gives(0), stat("/f"),
    ];
    rename_over_another_type: [
        mkdir("/a"), mkdir("/b"), creat("/f"), symlink("a", "/l"), symlink("none", "/m"),
        rename("/f", "/a").fails(EISDIR), rename("/a", "/f").fails(ENOTDIR),
        rename("/a", "/l").fails(ENOTDIR), rename("/l", "/a").fails(EISDIR),
        rename("/f", "/l").gives(0), rename("/m", "/l").gives(0), readlink("/l", 9).tells(b"none"),
        rename("/a", "/b").gives(0), rename("/b", "/none/x").fails(ENOENT),
        rename("/none", "/x").fails(ENOENT), rename("/l/x", "/x"), rename("/b", "/l/x"),
    ];
    rename_over_a_directory_wants_it_empty: [
        mkdir("/a"), mkdir("/b"), creat("/b/f"), rename("/a", "/b").fails(ENOTEMPTY),
        rename("/b", "/a").gives(0), stat("/a/f"), stat("/"), mkdir("/c"), mkdir("/c/d"),
        mkdir("/e"), rename("/c/d", "/e").gives(0), stat("/"), stat("/c"), stat("/e"),
    ];
    rename_of_dots_and_the_root_is_ebusy: [
        mkdir("/a"), mkdir("/b"), rename("/a/.", "/x").fails(EBUSY),
        rename("/a/..", "/x").fails(EBUSY), rename("/a", "/b/.").fails(EBUSY),
        rename("/a", "/b/..").fails(EBUSY), rename("/", "/x").fails(EBUSY),
        rename("/a", "/").fails(EBUSY), rename(".", "/x").fails(EBUSY),
        rename("/none", "/").fails(EBUSY), rename("", "/x").fails(ENOENT),
        rename("/a", "").fails(ENOENT),
    ];
    renamed_directory_keeps_children_and_changes_its_dotdot: [
        mkdir("/a"), mkdir("/b"), mkdir("/a/d"), mkdir("/a/d/e"), creat("/a/d/f"), close(3),
        chdir("/a/d/e"), getcwd(100).tells(b"/a/d/e\0"), rename("/a/d", "/b/x").gives(0),
        getcwd(100).tells(b"/b/x/e\0"), stat("../f"), stat("../.."), stat("/a"), stat("/b"),
        open("../..", O_RDONLY), list_rest(3, 1000), chdir("../../.."), getcwd(9).tells(b"/\0"),
    ];
    rename_within_a_directory: [
        mkdir("/a"), creat("/a/f"), write(3, "f"), creat("/a/g"), write(4, "g"),
        rename("/a/f", "/a/h").gives(0), stat("/a"), rename("/a/g", "/a/h").gives(0), stat("/a"),
        pread(3, 3, 0), fstat(3), fstat(4), stat("/a/g").fails(ENOENT),
    ];
    rename_touches_both_directories_and_the_file: [
        mkdir("/a"), mkdir("/b"), creat("/a/f"), creat("/b/g"),
        rename("/a/f", "/b/f").touches(&[("/a", "mc"), ("/b", "mc"), ("/a/f", "removed"), ("/b/g", "")]),
        rename("/b/f", "/b/g").touches(&[("/a", ""), ("/b", "mc"), ("/b/f", "removed")]),
        rename("/b", "/a/b").touches(&[("/a", "mc"), ("/", "mc")]),
        rename("/a/b/g", "/a/b/g").touches(&[("/a/b", ""), ("/a/b/g", "")]),
    ];
    renames_that_exchange_or_never_replace: [
        mkdir("/a"), mkdir("/b"), mkdir("/a/d"), creat("/a/f"), creat("/b/g"), mkdir("/a/d/e"),
        rename_at2("/a/f", "/b/g", 1).fails(EEXIST), rename_at2("/a/f", "/b/h", 1).gives(0),
        rename_at2("/none", "/b/g", 1).fails(ENOENT), rename_at2("/b/g", "/none", 2).fails(ENOENT),
        rename_at2("/a/d", "/b/g", 2).gives(0), stat("/a"), stat("/b"), stat("/b/g/e/../.."),
        rename_at2("/a", "/b/g", 2).gives(0), stat("/b/g/d"), stat("/a/e"), stat("/"), stat("/b"),
        rename_at2("/b", "/b/g", 2).fails(EINVAL), rename_at2("/b/g", "/b", 2).fails(EINVAL),
        rename_at2("/a", "/b", 3).fails(EINVAL), rename_at2("/a", "/a", 1).fails(EEXIST),
        rename_at2("/a", "/a", 2).gives(0), rename_at2("/b/h", "/a/", 2),
        rename_at2("/a/", "/b/h", 2), rename_at2("/a", "/b", 8), rename_at2("/", "/a", 2),
        rename_at2("/a/.", "/b", 1), rename_at2("/a", "/b/.", 1), chdir("/a"),
        rename_at2("/a", "/b/g", 2), getcwd(99), stat(".."),
    ];
    names_touch_their_directory: [
        mkdir("/a"), mkdir("/a/b").touches(&[("/a", "mc"), ("/", "")]),
        creat("/a/f").gives(3).touches(&[("/a", "mc"), ("/a/b", "")]),
        symlink("x", "/a/l").touches(&[("/a", "mc")]),
        link("/a/f", "/a/b/g").touches(&[("/a/f", "c"), ("/a/b", "mc"), ("/a", "")]),
        unlink("/a/f").touches(&[("/a/b/g", "c"), ("/a", "mc"), ("/a/b", "")]),
        unlink("/a/b/g").touches(&[("/a/b", "mc")]),
        rmdir("/a/b").touches(&[("/a", "mc"), ("/", "")]),
    ];
}

/// Every call with a path, on every kind of file, with everything that may follow a name;
/// and every pair of them for the calls with two paths. Each case has a directory of its
/// own.
#[test]
fn slashes_and_dots_after_every_kind_of_name() {
    let kinds =
        ["f", "h", "d", "e", "lf", "ld", "lm", "lo", "none", "f/x", "none/x", "lf/x", "ld/s"];
    let endings = ["", "/", "//", "/.", "/..", "/./"];
    let paths = kinds.map(|kind| endings.map(|ending| format!("{kind}{ending}"))).concat();
    type OnPath = fn(&str) -> Step;
    let calls: [OnPath; 20] = [
        |path| mkdir(path),
        |path| rmdir(path),
        |path| unlink(path),
        |path| open(path, O_RDONLY),
        |path| open(path, O_WRONLY | O_TRUNC),
        |path| open(path, O_RDONLY | O_CREAT),
        |path| open(path, O_RDWR | O_CREAT | O_EXCL),
        |path| open(path, O_RDONLY | O_NOFOLLOW),
        |path| open(path, O_RDONLY | O_CREAT | O_NOFOLLOW),
        |path| open(path, O_RDONLY | O_DIRECTORY),
        |path| open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW),
        |path| open(path, O_RDONLY | O_TRUNC | O_DIRECTORY),
        |path| stat(path),
        |path| lstat(path),
        |path| readlink(path, 100),
        |path| truncate(path, 2),
        |path| chmod(path, 0o741),
        |path| lchown(path, 3, 4),
        |path| chdir(path),
        |path| symlink("here", path),
    ];
    let every = paths.iter().flat_map(|path| calls.map(|call| call(path)));
    check("slashes_and_dots, one path", &in_own_directories(every));
    let few = kinds.map(|kind| ["", "/", "/."].map(|ending| format!("{kind}{ending}"))).concat();
    let pairs = few.iter().flat_map(|old| few.iter().map(move |new| (old, new)));
    let every = pairs.flat_map(|(old, new)| [rename(old, new), link(old, new)]);
    check("slashes_and_dots, two paths", &in_own_directories(every));
}

/// Each step in a new directory with files of all kinds.
fn in_own_directories(steps: impl Iterator<Item = Step>) -> Vec<Step> {
    let case = |(number, step): (usize, Step)| {
        let dir = format!("/{number}");
        let fixture = [
            mkdir(&dir),
            chdir(&dir),
            creat("f").gives(3),
            write(3, "content"),
            close(3),
            link("f", "h"),
            mkdir("d"),
            mkdir("d/s"),
            symlink("x", "d/s/x"),
            mkdir("e"),
            symlink("f", "lf"),
            symlink("d", "ld"),
            symlink("missing", "lm"),
            symlink("lo", "lo"),
        ];
        fixture.into_iter().chain([step, close(3)])
    };
    steps.enumerate().flat_map(case).collect()
}

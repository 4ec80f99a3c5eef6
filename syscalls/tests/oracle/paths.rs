//! From a path to a file: dots, slashes, symbolic links, limits; the working directory.

use crate::steps::*;

/// `links` symbolic links in a row, `/0` to the file `/f`.
fn chain(links: usize) -> Vec<Step> {
    let mut steps = vec![creat("/f"), close(3)];
    for number in 0..links {
        let target = if number + 1 == links { "/f".to_owned() } else { (number + 1).to_string() };
        steps.push(symlink(&target, &format!("/{number}")));
    }
    steps
}

#[test]
fn forty_links_are_followed_and_no_more() {
    for (links, result) in [(39, stat("/0")), (40, stat("/0")), (41, stat("/0").fails(ELOOP))] {
        let others = [
            open("/0", O_RDONLY),
            open("/0", O_WRONLY | O_CREAT),
            lstat("/0"),
            lstat("/0/"),
            truncate("/0", 1),
            rename("/0/x", "/y"),
            stat("/0/x"),
            chdir("/0"),
        ];
        check(&format!("{links} links"), &[chain(links), vec![result], others.into()].concat());
    }
}

#[test]
fn links_in_the_middle_and_at_the_end_count_together() {
    let dots = "d/".repeat(39);
    let more = "d/".repeat(40);
    let most = "d/".repeat(41);
    check(
        "links in the middle",
        &[
            symlink(".", "/d"),
            creat("/f"),
            symlink("f", "/l"),
            stat(&format!("{dots}f")),
            stat(&format!("{dots}l")),
            stat(&format!("{more}f")),
            stat(&format!("{more}l")).fails(ELOOP),
            lstat(&format!("{more}l")),
            stat(&format!("{most}f")).fails(ELOOP),
            rename(&format!("{more}f"), &format!("{more}g")).gives(0),
            rename(&format!("{most}g"), "f").fails(ELOOP),
        ],
    );
}

#[test]
fn names_of_255_bytes_and_no_more() {
    let (fits, long) = ("n".repeat(255), "n".repeat(256));
    let (in_fits, in_long) = (format!("/{fits}/x"), format!("/{long}/x"));
    let (fits, long) = (format!("/{fits}"), format!("/{long}"));
    check(
        "names of 255 and 256 bytes",
        &[
            stat(&fits).fails(ENOENT),
            stat(&long).fails(ENAMETOOLONG),
            mkdir(&long).fails(ENAMETOOLONG),
            mkdir(&fits).gives(0),
            creat(&in_fits).gives(3),
            creat(&in_long).fails(ENAMETOOLONG),
            stat(&in_long).fails(ENAMETOOLONG),
            creat(&long).fails(ENAMETOOLONG),
            open(&long, O_RDONLY).fails(ENAMETOOLONG),
            symlink("x", &long).fails(ENAMETOOLONG),
            symlink(&long, "/l").gives(0),
            stat("/l").fails(ENAMETOOLONG),
            creat("/l").fails(ENAMETOOLONG),
            link(&in_fits, &long).fails(ENAMETOOLONG),
            rename(&fits, &long).fails(ENAMETOOLONG),
            rename(&long, &fits).fails(ENAMETOOLONG),
            // The new name was looked at first.
            rename("/none", &long).fails(ENOENT),
            unlink(&long).fails(ENAMETOOLONG),
            rmdir(&long).fails(ENAMETOOLONG),
            readlink(&long, 9).fails(ENAMETOOLONG),
            chdir(&long).fails(ENAMETOOLONG),
            truncate(&long, 0).fails(ENAMETOOLONG),
            chdir(&fits),
            getcwd(300),
            open(".", O_RDONLY),
            list_rest(4, 32),
            list_rest(4, 1000),
            open("/", O_RDONLY),
            list_rest(5, 280),
            getdents(5, 0),
        ],
    );
}

#[test]
fn paths_of_4095_bytes_and_no_more() {
    let fits = format!("/{}f", "./".repeat(2047));
    let long = format!("/{}ff", "./".repeat(2047));
    assert_eq!((fits.len(), long.len()), (4096, 4097));
    let (fits, long) = (&fits[1..], &fits[..]);
    check(
        "paths of 4095 and 4096 bytes",
        &[
            creat(fits).gives(3),
            stat(fits),
            stat(long).fails(ENAMETOOLONG),
            open(long, O_RDONLY).fails(ENAMETOOLONG),
            mkdir(long).fails(ENAMETOOLONG),
            rename(fits, long).fails(ENAMETOOLONG),
            rename(long, fits).fails(ENAMETOOLONG),
            symlink(fits, "/l").gives(0),
            stat("/l"),
            stat(&"l/".repeat(3)),
            link(fits, "/g").gives(0),
            unlink(fits).gives(0),
            symlink(&format!("{}d", "./".repeat(2047)), "/l1"),
            mkdir("/d"),
            symlink(&format!("{}d", "../d/".repeat(800)), "/d/l2"),
            mkdir("/d/d"),
            stat("/l1/l2"),
            stat(&format!("/l1/{}l2/../{}d", "./".repeat(1000), "./".repeat(900))),
        ],
    );
}

#[test]
fn working_directory_of_4095_bytes_and_no_more() {
    let name = "n".repeat(255);
    for last in [253, 254, 255] {
        let deep = (0..15).flat_map(|_| [mkdir(&name), chdir(&name), getcwd(4096)]);
        let mut steps: Vec<Step> = deep.collect();
        let last = "l".repeat(last);
        steps.extend([mkdir(&last), chdir(&last), getcwd(4095), getcwd(4096), getcwd(8192)]);
        steps.extend([getcwd(10), mkdir("more"), chdir("more"), getcwd(4096), getcwd(9000)]);
        steps.extend([stat("../.."), chdir("../.."), getcwd(4096)]);
        check(&format!("last name of {} bytes", last.len()), &steps);
    }
}

rows! {
    empty_paths_are_enoent: [
        open("", O_RDONLY).fails(ENOENT), creat("").fails(ENOENT), mkdir("").fails(ENOENT),
        stat("").fails(ENOENT), lstat("").fails(ENOENT), chdir("").fails(ENOENT),
        truncate("", 0).fails(ENOENT), chmod("", 0).fails(ENOENT), chown("", 0, 0).fails(ENOENT),
        lchown("", 0, 0).fails(ENOENT),
    ];
    dots_and_many_slashes: [
        mkdir("/a"), mkdir("/a/b"), creat("/a/b/f"), stat("//a///b//f"), stat("/a/./b/./f"),
        stat("/a/b/../b/f"), stat("/../../a/../a/b/f"), stat("/a/b/f/.").fails(ENOTDIR),
        stat("/a/b/f/..").fails(ENOTDIR), stat("/none/..").fails(ENOENT), stat("///"), stat("/.."),
        stat("..."), stat("/a/b/..."), mkdir("/..."), stat("/..."), mkdir("/.hidden"),
        rmdir("/.../"),
    ];
    walk_over_links: [
        mkdir("/a"), mkdir("/a/b"), creat("/a/b/f"), symlink("a/b", "/rel"),
        symlink("/a/b", "/abs"), symlink("..", "/a/b/up"), symlink("/", "/a/root"), stat("/rel/f"),
        stat("/abs/f"), stat("/rel/.."), stat("/abs/../b/f"), stat("/rel/up/b/f"),
        stat("/a/root/a/b/f"), chdir("/rel"), getcwd(99).tells(b"/a/b\0"), stat("../../rel/f"),
        stat("up/root/abs/f"), chdir("/a/root"), getcwd(9).tells(b"/\0"), symlink("abs/", "/slash"),
        stat("/slash"), stat("/slash/f"), lstat("/slash"), lstat("/slash/"),
        creat("/slash").fails(EISDIR), symlink("a/b/f/", "/fs"), stat("/fs").fails(ENOTDIR),
        open("/fs", O_RDONLY | O_CREAT), symlink("none/", "/ns"), open("/ns", O_RDONLY | O_CREAT),
        mkdir("/ns").fails(EEXIST), mkdir("/ns/").fails(EEXIST),
    ];
    loops_are_eloop: [
        symlink("l", "/l"), symlink("b", "/a"), symlink("a", "/b"), stat("/l").fails(ELOOP),
        stat("/a/x").fails(ELOOP), open("/l", O_CREAT).fails(ELOOP), lstat("/l"),
        lstat("/l/").fails(ELOOP), creat("/l/x").fails(ELOOP), unlink("/l/x").fails(ELOOP),
        rename("/l", "/a").gives(0), chdir("/b").fails(ENOENT), mkdir("/a").fails(EEXIST),
        open("/a", O_CREAT | O_EXCL).fails(EEXIST),
    ];
    getcwd_fits_or_is_erange: [
        mkdir("/dir"), getcwd(2).tells(b"/\0"), getcwd(1).fails(ERANGE), getcwd(0).fails(ERANGE),
        chdir("/dir"), getcwd(4).fails(ERANGE), getcwd(5).tells(b"/dir\0"),
        getcwd(500).tells(b"/dir\0"), rmdir("/dir"), getcwd(500).fails(ENOENT),
        getcwd(0).fails(ENOENT), chdir("/"), getcwd(2),
    ];
    chdir_wants_a_directory: [
        creat("/f"), chdir("/f").fails(ENOTDIR), chdir("/none").fails(ENOENT),
        chdir("/f/").fails(ENOTDIR), mkdir_mode("/d", 0), chdir("/d"), creat("f"), stat("/d/f"),
        chdir(".."), getcwd(4),
    ];
    openat_walks_from_its_descriptor: [
        mkdir("/d"), creat("/d/f"), open("/d", O_RDONLY), openat(4, "f", O_RDONLY).gives(5),
        openat(3, "f", O_RDONLY).fails(ENOTDIR), openat(77, "f", O_RDONLY).fails(EBADF),
        openat(-1, "f", O_RDONLY).fails(EBADF), openat(77, "/d/f", O_RDONLY).gives(6),
        openat(4, "..", O_RDONLY).gives(7), rename("/d", "/e"),
        openat(4, "g", O_RDWR | O_CREAT).gives(8), stat("/e/g"),
        openat(77, "", O_RDONLY).fails(ENOENT), openat(AT_FDCWD, "e/g", O_RDONLY).gives(9),
        openat(4, "", O_RDONLY).fails(ENOENT),
    ];
}

//! open, openat, creat, close: flags, access modes, descriptors.

use crate::steps::*;

const FILE: &str = "/f";

/// Each access mode with each set of flags, on each kind of name; what can then be done.
#[test]
fn every_flag_on_every_kind_of_file() {
    let flags = [O_CREAT, O_EXCL, O_TRUNC, O_APPEND, O_DIRECTORY, O_NOFOLLOW];
    let mut steps = vec![creat(FILE), close(3)];
    for set in 0..1 << flags.len() {
        let chosen = (0..flags.len()).filter(|bit| set >> bit & 1 == 1).map(|bit| flags[bit]);
        let chosen = chosen.fold(0, |all, flag| all | flag);
        for access in [O_RDONLY, O_WRONLY, O_RDWR, O_ACCMODE] {
            for path in ["/f", "/d", "/lf", "/ld", "/lm", "/none", "/none/x", "/f/x", "/"] {
                steps.extend([
                    unlink("/none"),
                    unlink("/missing"),
                    truncate(FILE, 0),
                    open(FILE, O_WRONLY).gives(3),
                    write(3, "0123456789"),
                    close(3),
                    mkdir("/d"),
                    symlink("f", "/lf"),
                    symlink("d", "/ld"),
                    symlink("missing", "/lm"),
                    open(path, access | chosen),
                    fstat(3),
                    read(3, 4),
                    write(3, "ab"),
                    lseek(3, 0, SEEK_CUR),
                    pread(3, 3, 1),
                    pwrite(3, "c", 1),
                    ftruncate(3, 9),
                    fchmod(3, 0o640),
                    list_rest(3, 999),
                    close(3),
                    stat(FILE),
                ]);
            }
        }
    }
    check("every_flag_on_every_kind_of_file", &steps);
}

/// What is wrong with the path itself comes before what is wrong with descriptors: it
/// was the other way round, EMFILE and EBADF for an empty path.
#[test]
fn descriptors_end_at_the_limit_with_emfile() {
    let mut steps = vec![creat(FILE)];
    steps.extend((4..1024).map(|fd| open(FILE, O_RDONLY).gives(fd)));
    steps.extend([
        open(FILE, O_RDONLY).fails(EMFILE),
        open("/none", O_RDONLY).fails(EMFILE),
        creat("/new").fails(EMFILE),
        stat("/new").fails(ENOENT),
        openat(5000, "f", O_RDONLY).fails(EMFILE),
        open("", O_RDONLY).fails(ENOENT),
        open(&"x".repeat(4096), O_RDONLY).fails(ENAMETOOLONG),
        open(FILE, O_CREAT | O_DIRECTORY).fails(EINVAL),
        close(500).gives(0),
        close(400).gives(0),
        close(400).fails(EBADF),
        open("/none", O_RDONLY).fails(ENOENT),
        open(FILE, O_RDONLY).gives(400),
        open(FILE, O_RDONLY).gives(500),
        open(FILE, O_RDONLY).fails(EMFILE),
    ]);
    check("descriptors_end_at_the_limit_with_emfile", &steps);
}

/// A deviation: STICKY_DIRECTORIES_GUARD_NO_LINKS.
#[test]
fn sticky_directories_guard_no_links() {
    let linux = Outcome::Failed(crate::calls::Error(libc::EACCES));
    let open = open("/l", O_CREAT | O_NOFOLLOW).fails(ELOOP).unlike_linux(linux);
    let steps = [symlink("f", "/l"), lchown("/l", 1, 0), open];
    check("sticky_directories_guard_no_links", &steps);
}

rows! {
    path_descriptors_name_without_opening: [
        creat("/f"), mkdir("/d"), symlink("f", "/l"), open("/f", O_PATH | O_RDWR).gives(4),
        read(4, 1).fails(EBADF), write(4, "x").fails(EBADF), fstat(4), ftruncate(4, 0),
        fchmod(4, 0), fchown(4, 0, 0), lseek(4, 0, SEEK_SET), getdents(4, 99),
        open("/l", O_PATH | O_NOFOLLOW).gives(5), fstat(5),
        open("/d", O_PATH | O_CREAT | O_TRUNC).gives(6), openat(6, "g", O_RDWR | O_CREAT).gives(7),
        list_rest(6, 99), open("/none", O_PATH | O_CREAT), open("/f", O_PATH | O_DIRECTORY),
        open("/l", O_PATH | O_NOFOLLOW | O_DIRECTORY), openat(4, "x", O_RDONLY), close(4).gives(0),
    ];
    unnamed_files_are_made_in_directories: [
        mkdir("/d"), creat("/f"), open("/d", O_TMPFILE | O_RDWR).gives(4), write(4, "abc"),
        pread(4, 9, 0), fstat(4), stat("/d"), rmdir("/d"), fstat(4), close(4),
        open("/none", O_TMPFILE | O_RDWR).fails(ENOENT), open("/f", O_TMPFILE | O_RDWR).fails(ENOTDIR),
        open("/", O_TMPFILE | O_RDONLY).fails(EINVAL), open("/", O_TMPFILE | O_CREAT | O_RDWR).fails(EINVAL),
        open("/", (O_TMPFILE & !O_DIRECTORY) | O_RDWR).fails(EINVAL),
    ];
    lowest_free_descriptor_is_taken: [
        creat("/f").gives(3), open("/f", O_RDONLY).gives(4), open("/f", O_RDONLY).gives(5),
        close(3), close(4), open("/f", O_RDONLY).gives(3), open("/f", O_RDONLY).gives(4),
        open("/f", O_RDONLY).gives(6),
    ];
    bad_descriptors_are_ebadf: [
        close(3).fails(EBADF), close(-1).fails(EBADF), close(i32::MAX).fails(EBADF),
        close(i32::MIN).fails(EBADF), read(3, 1).fails(EBADF), write(3, "x").fails(EBADF),
        pread(3, 1, 0).fails(EBADF), pwrite(3, "x", 0).fails(EBADF),
        lseek(3, 0, SEEK_SET).fails(EBADF), fstat(3).fails(EBADF), ftruncate(3, 0).fails(EBADF),
        fchmod(3, 0).fails(EBADF), fchown(3, 0, 0).fails(EBADF), getdents(3, 100).fails(EBADF),
        pread(3, 1, -1).fails(EINVAL), pwrite(3, "x", -1).fails(EINVAL),
        ftruncate(3, -1).fails(EINVAL), read(3, 0).fails(EBADF), write(3, "").fails(EBADF),
        lseek(3, 0, 99).fails(EBADF), getdents(3, 0).fails(EBADF),
    ];
    creat_empties: [
        creat("/f"), write(3, "hello"), creat_mode("/f", 0o400).gives(4), stat("/f"), write(3, "x"),
        read(4, 1).fails(EBADF), write(4, "y"), stat("/f"), mkdir("/d"), creat("/d").fails(EISDIR),
        symlink("g", "/l"), creat("/l").gives(5), stat("/g"), stat("/l"),
    ];
    creating_open_may_write_a_file_of_any_mode: [
        open_mode("/f", O_RDWR | O_CREAT, 0).gives(3), write(3, "x"), pread(3, 1, 0), stat("/f"),
        open_mode("/g", O_RDONLY | O_CREAT | O_TRUNC, 0o7777), stat("/g"), umask(0o77).gives(0o22),
        open_mode("/h", O_RDONLY | O_CREAT, 0o1777), stat("/h"), umask(0o7777).gives(0o77),
        umask(0).gives(0o777), open_mode("/i", O_RDONLY | O_CREAT, 0o177777), stat("/i"),
    ];
    truncating_open_touches_even_an_empty_file: [
        creat("/f").gives(3), creat("/f").gives(4).touches(&[("/f", "mc"), ("/", "")]),
        open("/f", O_WRONLY).gives(5).touches(&[("/f", "")]),
        open("/f", O_RDONLY | O_CREAT).gives(6).touches(&[("/f", ""), ("/", "")]),
        write(3, "x").gives(1).touches(&[("/f", "mc")]),
        creat("/f").gives(7).touches(&[("/f", "mc")]),
    ];
    appending_descriptors_write_at_the_end: [
        creat("/f"), open("/f", O_RDWR | O_APPEND), write(3, "abc"), write(4, "def"),
        lseek(4, 0, SEEK_CUR).gives(6), write(3, "X"), lseek(4, 0, SEEK_SET),
        write(4, "g").gives(1), lseek(4, 0, SEEK_CUR), pwrite(4, "h", 0).gives(1),
        lseek(4, 0, SEEK_CUR), pread(4, 99, 0).tells(b"abcXefgh"), read(4, 9),
        lseek(4, 100, SEEK_SET), write(4, ""), lseek(4, 0, SEEK_CUR).gives(100), write(4, "i"),
        fstat(4),
    ];
    descriptors_of_the_same_file_have_own_offsets: [
        creat("/f"), write(3, "abcdef"), open("/f", O_RDONLY), open("/f", O_RDONLY),
        read(4, 2).tells(b"ab"), read(5, 3).tells(b"abc"), read(4, 9).tells(b"cdef"),
        read(4, 9).tells(b""), close(5), read(5, 1).fails(EBADF),
    ];
}

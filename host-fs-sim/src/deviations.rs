//! Where the system is not like Linux, on purpose: all of it, and nowhere else.
//!
//! Each deviation is pinned by rows, done on Linux and on the system, that say what both do.
//! The tests of the call layer see to it that those rows are there, and that no other row
//! says that Linux differs; random sequences beside Linux leave out what would meet a
//! deviation, and name it ([`Judge`](crate::campaign::judge::Judge)).

/// A way in which the system is not like Linux.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deviation {
    /// What the system does, and what Linux does.
    pub what: &'static str,
    /// Why that is so.
    pub why: &'static str,
    /// The rows that say so.
    pub rows: &'static [&'static str],
}

macro_rules! deviations {
    ($($name:ident: $what:literal, $why:literal, $rows:expr;)*) => {
        $(#[doc = $what] pub const $name: Deviation =
            Deviation { what: $what, why: $why, rows: &$rows };)*

        /// All of them.
        pub const DEVIATIONS: &[Deviation] = &[$($name),*];
    };
}

deviations! {
    MOUNTS_OVER_MOUNTED_FILES:
        "A mount over what is mounted over a file, so a file itself, keeps all names of that from \
         being removed and renamed; on Linux only the one that it was bound by.",
        "What is mounted is known by its inode, and need not have that name any more.",
        ["what_is_covered_twice_has_all_its_names_kept"];
    BUFFERS_ARE_CHECKED_WHOLE:
        "A buffer is checked as a whole, before the call is done. Linux finds out while it \
         copies, so a buffer of which too little is used may reach outside, and an error that \
         needs no copy comes first.",
        "Checking first keeps faults out of copies that are made under a lock.",
        ["buffer_that_is_only_partly_used_is_checked_whole"];
    STRINGS_COME_FIRST:
        "Strings are copied before the call starts: a bad one is EFAULT, or ENAMETOOLONG, even \
         where flags are bad too, or where a first path leads nowhere. Linux looks at the flags, \
         or walks the first path, before it looks at the error of the second.",
        "No call of the layer has to deal with a string that is none.",
        ["rename_checks_both_pointers_first"];
    LISTINGS_GO_ON:
        "A listing that came to its end goes on if an entry is made after that; tmpfs waits for a \
         rewind.",
        "POSIX.1-2024, readdir(), leaves it unspecified; and a mark for the end would be state \
         that nothing needs.",
        ["listing_goes_on_after_its_end"];
    TRUNCATE_MARKS_TIMES:
        "truncate to the size that a file has marks its times; tmpfs does so only where the file \
         holds pages.",
        "POSIX.1-2024, ftruncate(), wants it; on tmpfs it is an accident.",
        ["truncate_to_the_same_size_marks_times"];
    ALLOCATED_RANGES_ARE_DATA:
        "Ranges that fallocate took are data to SEEK_DATA and SEEK_HOLE even before they are \
         written; tmpfs tells such pages apart.",
        "lseek(2) leaves it to the file system, and a mark on every page would cost a look on \
         every write.",
        ["allocated_ranges_are_data"];
    PIPES_HAVE_ATTRIBUTES:
        "A pipe that pipe(2) made can have trusted and security attributes, as a fifo can; on \
         Linux its file system keeps none, and says EOPNOTSUPP.",
        "It is a fifo whose name is missing. To refuse would be one more rule.",
        ["pipes_without_a_name_have_attributes"];
    STICKY_DIRECTORIES_GUARD_NO_LINKS:
        "O_CREAT opens, or refuses with ELOOP as ever, what somebody else put into a sticky \
         directory that all may write. Linux answers EACCES, even to root, for a device, and with \
         O_NOFOLLOW for a link.",
        "It is a side effect of hardening (fs.protected_regular, fs.protected_fifos, off by \
         default) that POSIX does not know.",
        ["sticky_directories_guard_no_links"];
    HOLES_FREE_THE_LAST_PAGE:
        "A hole punched up to a file's end, or further, frees the page that the hole's end is in; \
         tmpfs only zeroes it. Only st_blocks tells.",
        "Behind the end is nothing to be kept.",
        ["hole_up_to_the_end_frees_the_last_page"];
    LINKS_ARE_FREE:
        "linkat with AT_EMPTY_PATH does not ask who opened the descriptor, and anybody may link \
         another user's file. Linux wants a caller with the very credentials of the open, or with \
         CAP_DAC_READ_SEARCH; and with fs.protected_hardlinks one who could as well write the file.",
        "In a single process whoever has the descriptor was given it; the other is hardening \
         that POSIX does not know.",
        ["link_by_descriptor_does_not_ask_who_opened_it"];
    RIGHTS_FOLLOW_THE_FILE_SYSTEM_USER:
        "Root's rights on files follow the file-system user. On Linux they are capabilities, which \
         setfsuid() takes and gives, but for those on extended attributes; another call that keeps that user root does not give them \
         back, and one that makes another user of somebody else does not take them.",
        "There are no capabilities here.",
        ["rights_of_root_follow_the_file_system_user", "rights_of_root_are_nobody_elses",
         "rights_on_xattrs_follow_the_file_system_user"];
    THE_LAST_PAGES_ARE_SOUGHT:
        "SEEK_DATA and SEEK_HOLE find the way in the last two pages that a file can have, where \
         tmpfs loses it.",
        "On tmpfs an offset runs over.",
        ["last_pages_of_the_largest_file_are_sought"];
    FLAGS_ARE_LOOKED_AT:
        "Flags that newfstatat and statx do not know are EINVAL, also with AT_EMPTY_PATH. Since \
         Linux 6.12 they are not looked at where the path is empty and there is a descriptor.",
        "The manual pages want EINVAL; on Linux it was lost to a short cut.",
        ["flags_are_looked_at_where_a_descriptor_is_meant"];
    SENDFILE_COPIES:
        "sendfile of a file to a later place of itself that it goes on to read copies what is there, \
         4 KiB after 4 KiB, and so does one into a pipe. Linux hands pages over, not their \
         content, as many as a pipe takes: holes as zeros, and pages as they are when they arrive, \
         or when they are read from the pipe.",
        "POSIX does not know the call, and sendfile(2) wants what was sent into a pipe left alone \
         until it is read: a program that wants a certain outcome has none on Linux either.",
        ["sendfile_to_itself_copies_what_is_there", "sendfile_into_a_pipe_copies_what_is_there"];
    ACCESS_CONTROL_LISTS_ARE_NOT_KEPT:
        "Access control lists (system.posix_acl_access, system.posix_acl_default) are EOPNOTSUPP, \
         as on a Linux that is built without them. A tmpfs that has them answers as to an \
         attribute that is not there, and takes those of the right form.",
        "They would change what permissions mean everywhere, for one user in a machine of its own.",
        ["access_control_lists_are_not_kept"];
    THE_WORKING_DIRECTORY_IS_NO_DESCRIPTOR:
        "fsetxattr and fgetxattr of AT_FDCWD are EBADF. Since Linux 6.13 they mean the working \
         directory, unlike flistxattr and fremovexattr.",
        "xattr(7)'s calls take an open file; on Linux it slipped in with setxattrat.",
        ["xattr_descriptor_of_the_working_directory_is_none"];
    LOST_NAMES_ARE_NUMBERS:
        "The link in /proc/self/fd of what was unlinked or removed tells the inode's number, as in \
         `/#12 (deleted)`. Linux tells the last path, with the same at its end; and the number of \
         what never had a name.",
        "A file does not know its names, and to keep the last one would cost every unlink.",
        ["what_lost_its_name_is_called_by_its_number"];
}

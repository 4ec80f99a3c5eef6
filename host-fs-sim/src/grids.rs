//! Generated rows: permissions, set-ID bits, sticky directories and times, by every class
//! of user, each combination a row of its own; and random rows of several users. Nothing is
//! recorded of them: they are to be done in two worlds.

use std::fmt::Write;

/// Who calls: 65534 with group 65533 and the supplementary group 77; or root.
const ME: &str = "setgroups {77}\n  setresgid -1 65533 -1\n  setresuid -1 65534 -1";
const ROOT: &str = "setgroups {}";

/// How the caller stands to a file: class, owner, caller.
const CLASSES: [(&str, &str, &str); 5] = [
    ("owner", "65534 0", ME),
    ("group", "0 65533", ME),
    ("supplementary", "0 77", ME),
    ("other", "0 0", ME),
    ("root", "1 1", ROOT),
];

/// A text of rows.
#[derive(Default)]
struct Grid(String);

impl Grid {
    fn row(&mut self, name: &str, lines: &[&str]) {
        let _ = write!(self.0, "\nrow {name}");
        for line in lines {
            let _ = write!(self.0, "\n  {line}");
        }
        self.0.push('\n');
    }
}

/// All grids, each a name and a text of rows.
pub fn grids() -> Vec<(&'static str, String)> {
    vec![
        ("files_by_class_and_mode", files_by_class_and_mode()),
        ("directories_by_class_and_mode", directories_by_class_and_mode()),
        ("sticky_directories_by_owners", sticky_directories_by_owners()),
        ("set_ids_by_caller_and_change", set_ids_by_caller_and_change()),
        ("new_files_by_directory_and_caller", new_files_by_directory_and_caller()),
        ("times_by_class_and_kind", times_by_class_and_kind()),
        ("owners_by_class", owners_by_class()),
        ("access_by_real_and_effective_user", access_by_real_and_effective_user()),
        ("xattrs_by_class_and_mode", xattrs_by_class_and_mode()),
        ("xattr_lists_end_at_65536_bytes", xattr_lists_end_at_65536_bytes()),
    ]
}

/// `count` random rows, in which users by turns make, change, remove and try files of one
/// another. The same seed gives the same rows.
pub fn random_rows(count: u64, seed: u64) -> String {
    let mut chance = Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let mut grid = Grid::default();
    for at in 0..count {
        let mut lines = vec!["umask 0".to_owned()];
        let mut is_root = true;
        for _ in 0..60 {
            lines.push(chance.line(&mut is_root));
        }
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        grid.row(&format!("random_{at}"), &lines);
    }
    grid.0
}

/// The modes that give `bits` to one class, and the opposite to the others.
fn modes_of(class: &str, bits: u32) -> u32 {
    let against = 7 - bits;
    match class {
        "owner" => bits << 6 | against << 3 | against,
        "other" => against << 6 | against << 3 | bits,
        "root" => bits << 3,
        _ => against << 6 | bits << 3 | against,
    }
}

fn files_by_class_and_mode() -> String {
    let mut grid = Grid::default();
    for (class, owner, caller) in CLASSES {
        for bits in 0..8 {
            let mode = modes_of(class, bits);
            for (name, call) in [
                ("open_to_read", "open \"f\" O_RDONLY 0"),
                ("open_to_write", "open \"f\" O_WRONLY 0"),
                ("open_to_do_both", "open \"f\" O_RDWR 0"),
                ("open_to_empty", "open \"f\" O_RDONLY|O_TRUNC 0"),
                ("truncate", "truncate \"f\" 1"),
                ("ask_to_execute", "faccessat2 AT_FDCWD \"f\" X_OK AT_EACCESS"),
                ("ask_to_read_and_write", "faccessat2 AT_FDCWD \"f\" R_OK|W_OK AT_EACCESS"),
            ] {
                let (chown, chmod) =
                    (format!("chown \"f\" {owner}"), format!("chmod \"f\" 0{mode:o}"));
                grid.row(
                    &format!("{class}_with_bits_{bits}_may_{name}"),
                    &[
                        "open \"f\" O_RDWR|O_CREAT 0600",
                        "write 3 \"abc\"",
                        &chown,
                        &chmod,
                        caller,
                        call,
                        "stat \"f\"",
                    ],
                );
            }
        }
    }
    grid.0
}

fn xattrs_by_class_and_mode() -> String {
    let mut grid = Grid::default();
    let names =
        ["user.a", "user.b", "user.", "trusted.a", "security.a", "security.capability", "other.a"];
    for (class, owner, caller) in CLASSES {
        for (bits, (kind, make, sticky)) in (0..8).flat_map(|bits| {
            let directory = "mkdir \"f\" 0700";
            let kinds = [
                ("file", "open \"f\" O_RDWR|O_CREAT 0600", 0),
                ("directory", directory, 0),
                ("sticky_directory", directory, 0o1000),
            ];
            kinds.map(|kind| (bits, kind))
        }) {
            let mode = sticky | modes_of(class, bits);
            let mut lines = vec![make.to_owned()];
            for name in ["user.a", "trusted.a", "security.a"] {
                lines.push(format!("setxattr \"f\" \"{name}\" \"1\" 0"));
            }
            lines.push(format!("chown \"f\" {owner}"));
            lines.push(format!("chmod \"f\" 0{mode:o}"));
            lines.push(caller.to_owned());
            for name in names {
                lines.push(format!("getxattr \"f\" \"{name}\" [9]"));
                lines.push(format!("setxattr \"f\" \"{name}\" \"2\" XATTR_REPLACE"));
                lines.push(format!("setxattr \"f\" \"{name}\" \"3\" 0"));
                lines.push("listxattr \"f\" [999]".to_owned());
                lines.push(format!("removexattr \"f\" \"{name}\""));
            }
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            grid.row(&format!("{class}_with_bits_{bits}_and_xattrs_of_a_{kind}"), &lines);
        }
    }
    grid.0
}

fn xattr_lists_end_at_65536_bytes() -> String {
    let mut grid = Grid::default();
    // Each name is 255 bytes and its NUL.
    let long = "n".repeat(247);
    for count in 250..262 {
        let mut lines = vec!["open \"f\" O_RDWR|O_CREAT 0600".to_owned()];
        let set = |number: u32| format!("fsetxattr 3 \"user.{number:03}{long}\" \"\" 0");
        lines.extend((0..count).map(set));
        lines.push("fsetxattr 3 \"trusted.a\" \"\" 0".to_owned());
        // Whom it does not concern sees fewer.
        for caller in [ROOT, ME] {
            lines.push(caller.to_owned());
            let rooms = [0, 65_535, 65_536, 65_537];
            lines.extend(rooms.map(|room| format!("flistxattr 3 [{room}]")));
        }
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        grid.row(&format!("lists_of_{count}_long_names"), &lines);
    }
    grid.0
}

fn directories_by_class_and_mode() -> String {
    let mut grid = Grid::default();
    for (class, owner, caller) in CLASSES {
        for bits in 0..8 {
            let mode = modes_of(class, bits);
            for (name, call) in [
                ("look_inside", "stat \"d/f\""),
                ("list", "open \"d\" O_RDONLY 0"),
                ("create", "open \"d/new\" O_RDWR|O_CREAT 0644"),
                ("remove", "unlink \"d/f\""),
                ("rename", "rename \"d/f\" \"d/g\""),
                ("move_out", "rename \"d/e\" \"e\""),
                ("go_there", "chdir \"d\""),
            ] {
                let (chown, chmod) =
                    (format!("chown \"d\" {owner}"), format!("chmod \"d\" 0{mode:o}"));
                grid.row(
                    &format!("{class}_with_bits_{bits}_may_{name}"),
                    &[
                        "mkdir \"d\" 0700",
                        "open \"d/f\" O_RDWR|O_CREAT 0644",
                        "mkdir \"d/e\" 0777",
                        "chmod \"d/e\" 0777",
                        &chown,
                        &chmod,
                        caller,
                        call,
                        "setresuid -1 0 -1",
                        "open \"d\" O_RDONLY 0",
                        "getdents64 4 [1000]",
                        "stat \"d\"",
                    ],
                );
            }
        }
    }
    grid.0
}

fn sticky_directories_by_owners() -> String {
    let mut grid = Grid::default();
    let owners = [("root", 0), ("me", 65534), ("another", 7)];
    for mode in ["0777", "01777"] {
        for (of_dir, dir_owner) in owners {
            for (of_file, owner) in owners {
                for (name, call) in [
                    ("unlink", "unlink \"d/f\""),
                    ("rmdir", "rmdir \"d/e\""),
                    ("rename", "rename \"d/f\" \"d/x\""),
                    ("replace", "rename \"d/mine\" \"d/f\""),
                    ("exchange", "renameat2 AT_FDCWD \"d/mine\" AT_FDCWD \"d/f\" RENAME_EXCHANGE"),
                ] {
                    let file = format!("chown \"d/f\" {owner} 0");
                    let empty = format!("chown \"d/e\" {owner} 0");
                    let dir = format!("chown \"d\" {dir_owner} 0");
                    let chmod = format!("chmod \"d\" {mode}");
                    grid.row(
                        &format!("{name}_in_{mode}_of_{of_dir}_what_is_of_{of_file}"),
                        &[
                            "mkdir \"d\" 0777",
                            "open \"d/f\" O_RDWR|O_CREAT 0666",
                            "mkdir \"d/e\" 0777",
                            "open \"d/mine\" O_RDWR|O_CREAT 0666",
                            "chown \"d/mine\" 65534 0",
                            &file,
                            &empty,
                            &dir,
                            &chmod,
                            ME,
                            call,
                            "open \"d\" O_RDONLY 0",
                            "getdents64 5 [1000]",
                        ],
                    );
                }
            }
        }
    }
    grid.0
}

fn set_ids_by_caller_and_change() -> String {
    let mut grid = Grid::default();
    for mode in ["04777", "02777", "02767", "06777", "06767", "04666", "06666", "0777"] {
        for (class, owner, caller) in CLASSES {
            for (name, call) in [
                ("write", "watch \"f\": write 3 \"abc\""),
                ("empty_write", "watch \"f\": write 3 \"\""),
                ("ftruncate", "watch \"f\": ftruncate 3 1"),
                ("truncate", "watch \"f\": truncate \"f\" 9"),
                ("truncating_open", "watch \"f\": open \"f\" O_WRONLY|O_TRUNC 0"),
                ("fallocate", "watch \"f\": fallocate 3 0 0 9"),
                ("chown_of_nothing", "watch \"f\": chown \"f\" -1 -1"),
                ("chown_of_the_group", "watch \"f\": chown \"f\" -1 77"),
                ("chmod", "watch \"f\": chmod \"f\" 06751"),
            ] {
                let (chown, chmod) =
                    (format!("chown \"f\" {owner}"), format!("chmod \"f\" {mode}"));
                grid.row(
                    &format!("{name}_of_{mode}_by_{class}"),
                    &[
                        "open \"f\" O_RDWR|O_CREAT 0600",
                        "write 3 \"abcdef\"",
                        &chown,
                        &chmod,
                        caller,
                        call,
                        "stat \"f\"",
                    ],
                );
            }
        }
    }
    grid.0
}

fn new_files_by_directory_and_caller() -> String {
    let mut grid = Grid::default();
    for mode in ["0777", "02777", "03777"] {
        for (of, group) in [("my_group", 65533), ("my_second_group", 77), ("no_group_of_mine", 5)] {
            for (who, caller) in [("me", ME), ("root", ROOT)] {
                for (kind, call) in [
                    ("file", "open \"d/x\" O_RDWR|O_CREAT 0777"),
                    ("set_group_id_file", "open \"d/x\" O_RDWR|O_CREAT 02777"),
                    (
                        "set_group_id_file_that_is_not_executable",
                        "open \"d/x\" O_RDWR|O_CREAT 02666",
                    ),
                    ("set_user_id_file", "open \"d/x\" O_RDWR|O_CREAT 04777"),
                    ("directory", "mkdir \"d/x\" 0777"),
                    ("directory_with_all_bits", "mkdir \"d/x\" 07777"),
                    ("link", "symlink \"t\" \"d/x\""),
                ] {
                    let (chown, chmod) =
                        (format!("chown \"d\" 0 {group}"), format!("chmod \"d\" {mode}"));
                    grid.row(
                        &format!("{kind}_by_{who}_in_{mode}_of_{of}"),
                        &[
                            "mkdir \"d\" 0777",
                            &chown,
                            &chmod,
                            "umask 0",
                            caller,
                            call,
                            "lstat \"d/x\"",
                            "stat \"d\"",
                        ],
                    );
                }
            }
        }
    }
    grid.0
}

fn times_by_class_and_kind() -> String {
    let mut grid = Grid::default();
    let kinds = [("now", "0 UTIME_NOW"), ("omit", "0 UTIME_OMIT"), ("set", "5 6")];
    for (class, owner, caller) in CLASSES {
        for mode in ["0666", "0444"] {
            for (first, access) in kinds {
                for (second, modification) in kinds {
                    let (chown, chmod) =
                        (format!("chown \"f\" {owner}"), format!("chmod \"f\" {mode}"));
                    let times = format!("{{{access} {modification}}}");
                    let by_path = format!("watch \"f\" \".\": utimensat AT_FDCWD \"f\" {times} 0");
                    let by_descriptor = format!("futimens 3 {times}");
                    grid.row(
                        &format!("{class}_sets_{first}_and_{second}_with_{mode}"),
                        &[
                            "open \"f\" O_RDWR|O_CREAT 0600",
                            &chown,
                            &chmod,
                            caller,
                            &by_path,
                            &by_descriptor,
                            "stamp \"f\"",
                        ],
                    );
                }
            }
        }
    }
    grid.0
}

fn owners_by_class() -> String {
    let mut grid = Grid::default();
    for (class, owner, caller) in CLASSES {
        for user in ["-1", "65534", "0"] {
            for group in ["-1", "65533", "77", "5"] {
                let chown = format!("chown \"f\" {owner}");
                let call = format!("chown \"f\" {user} {group}");
                grid.row(
                    &format!("{class}_gives_to_{user}_and_{group}"),
                    &["open \"f\" O_RDWR|O_CREAT 0644", &chown, caller, &call, "stat \"f\""],
                );
            }
        }
    }
    grid.0
}

fn access_by_real_and_effective_user() -> String {
    let mut grid = Grid::default();
    for real in [0, 5, 65534] {
        for effective in [0, 5, 65534] {
            for mode in ["0400", "0044", "0700", "0"] {
                for (flags, which) in [("0", "real"), ("AT_EACCESS", "effective")] {
                    let chmod = format!("chmod \"f\" {mode}");
                    let ids = format!("setresuid {real} {effective} 0");
                    let call = |mode: &str| format!("faccessat2 AT_FDCWD \"f\" {mode} {flags}");
                    grid.row(
                        &format!("{real}_as_{effective}_asks_for_{mode}_by_the_{which}_user"),
                        &[
                            "open \"f\" O_RDWR|O_CREAT 0600",
                            "chown \"f\" 5 5",
                            &chmod,
                            &ids,
                            &call("R_OK"),
                            &call("W_OK"),
                            &call("X_OK"),
                            &call("F_OK"),
                        ],
                    );
                }
            }
        }
    }
    grid.0
}

/// Xorshift.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    fn of<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len() as u64) as usize]
    }

    fn path(&mut self) -> String {
        let name = ["a", "b", "c", "a", "b"];
        let first = self.of(&name);
        match self.below(5) {
            0 | 1 => format!("\"{first}\""),
            2 | 3 => format!("\"{first}/{}\"", self.of(&name)),
            _ => format!("\"{first}/{}/{}\"", self.of(&["a", "b", "..", "."]), self.of(&name)),
        }
    }

    fn mode(&mut self) -> String {
        let special = self.of(&["0", "0", "0", "1", "2", "4", "6", "3"]);
        let bits = self.of(&["777", "755", "700", "644", "666", "711", "733", "077", "070", "0"]);
        format!("0{special}{bits:0>3}")
    }

    fn line(&mut self, is_root: &mut bool) -> String {
        let (path, other, mode) = (self.path(), self.path(), self.mode());
        let fd = 3 + self.below(4);
        let user = self.of(&["0", "0", "5", "5", "6", "7"]);
        match self.below(30) {
            0..=2 => {
                // Root in between: only root becomes whoever it likes.
                if *is_root {
                    *is_root = user == "0";
                    return format!("setresuid -1 {user} -1");
                }
                *is_root = true;
                "setresuid -1 0 -1".to_owned()
            }
            3 => format!("setresgid -1 {user} -1"),
            4 => format!("setgroups {}", self.of(&["{}", "{5}", "{5 6}", "{7}"])),
            5..=7 => format!("mkdir {path} {mode}"),
            8..=10 => {
                let flags =
                    ["O_RDWR|O_CREAT", "O_WRONLY|O_CREAT|O_EXCL", "O_RDONLY|O_CREAT|O_TRUNC"];
                format!("open {path} {} {mode}", self.of(&flags))
            }
            11 => format!("open {path} {} 0", self.of(&["O_RDONLY", "O_RDWR", "O_WRONLY|O_TRUNC"])),
            12 => format!("unlink {path}"),
            13 => format!("rmdir {path}"),
            14 | 15 => format!("rename {path} {other}"),
            16 => {
                let flags = self.of(&["RENAME_NOREPLACE", "RENAME_EXCHANGE"]);
                format!("renameat2 AT_FDCWD {path} AT_FDCWD {other} {flags}")
            }
            // Not for others: `deviations::LINKS_ARE_FREE`.
            17 if *is_root => format!("link {path} {other}"),
            17..=19 => format!("chmod {path} {mode}"),
            20 => format!(
                "chown {path} {} {}",
                self.of(&["-1", "5", "6"]),
                self.of(&["-1", "5", "7"])
            ),
            21 => format!("lchown {path} {} -1", self.of(&["-1", "5", "6"])),
            22 => format!("symlink {} {path}", self.of(&["\"a\"", "\"b\"", "\"a/b\"", "\"../a\""])),
            23 => format!("stat {path}"),
            24 => format!("lstat {path}"),
            25 => {
                let flags = self.of(&["0", "AT_EACCESS", "AT_SYMLINK_NOFOLLOW"]);
                format!(
                    "faccessat2 AT_FDCWD {path} {} {flags}",
                    self.of(&["R_OK", "W_OK", "X_OK", "7"])
                )
            }
            26 => format!("truncate {path} {}", self.below(9000)),
            27 => format!("write {fd} \"abc\""),
            28 => format!("ftruncate {fd} {}", self.below(9000)),
            _ => format!("fchmod {fd} {mode}"),
        }
    }
}

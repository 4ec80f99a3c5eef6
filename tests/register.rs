//! Images that a shell starts, since the kernel was told how (`anchorite register`).
//!
//! The kernel's rules are changed in a user namespace of the test's own, where it has such rules
//! (Linux 6.7), and vanish with it; elsewhere, as root, they are this machine's, and taken back at
//! the end, however that comes.

#![forbid(unsafe_code)]

mod common;

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use common::{anchorite, assert_refused, finish, machines, skip, stderr, stdout};

/// A program whose words and status are to arrive.
const SOURCE: &str = r#"
#include <stdio.h>
#include <unistd.h>
int main(int argc, char **argv) {
    for (int at = 1; at < argc; at++) puts(argv[at]);
    write(2, "told\n", 5);
    return 40 + argc;
}
"#;

/// What a shell does, `$0` being the command, with rules of its own; 77 where there can be none.
const SCRIPT: &str = r#"
rules=/proc/sys/fs/binfmt_misc
test -e $rules/anchorite && exit 77
if test ! -e $rules/register; then
    mount -t binfmt_misc none $rules || exit 77
    umount $rules
    trap '"$0" unregister 2> /dev/null; umount $rules' EXIT
else
    trap '"$0" unregister 2> /dev/null' EXIT
fi
say() { echo "status $?"; }
"$0" register; say
cat $rules/anchorite
"$0" register; say
./x.image a 'b  c' -- --env '$d'; say
(PATH=:$PATH; x.image; say)
./copy.image; say
/bin/true; say
echo 0 > $rules/anchorite
"$0" register; say
head -n 1 $rules/anchorite
"$0" unregister; say
test -e $rules/anchorite; say
"$0" unregister; say
"#;

/// Runs a shell's script in `dir`, with rules of its own if that can be.
fn script(dir: &Path, isle: &str, text: &str) -> Output {
    let try_out = "mount -t binfmt_misc none /proc/sys/fs/binfmt_misc";
    let own = ["--user", "--map-root-user", "--mount", "sh", "-c"];
    let has_own = Command::new("unshare").args(own).arg(try_out).stderr(Stdio::null()).status();
    let mut command = match has_own.is_ok_and(|status| status.success()) {
        true => {
            let mut command = Command::new("unshare");
            command.args(own);
            command
        }
        false => {
            let mut command = Command::new("sh");
            command.arg("-c");
            command
        }
    };
    let setting = if isle == "qemu" { "0" } else { "" };
    command
        .args([text, env!("CARGO_BIN_EXE_anchorite")])
        .current_dir(dir)
        .env("HERMIT_ISLE", isle)
        .env("HERMIT_KVM", setting)
        .stdin(Stdio::null());
    finish(command)
}

#[test]
fn a_shell_starts_images_while_they_are_registered() {
    let test = "a_shell_starts_images";
    let Some(isle) = machines(test).first().copied() else {
        return;
    };
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    fs::write(dir.join("x.c"), SOURCE).unwrap();
    let mut build = anchorite(&["build", "x.c", "-o", "x.image"]);
    build
        .current_dir(dir)
        .env("XDG_CACHE_HOME", concat!(env!("CARGO_TARGET_TMPDIR"), "/cache"))
        .env("CARGO_NET_OFFLINE", "true");
    let built = finish(build);
    assert_eq!(built.status.code(), Some(0), "{}", stderr(&built));
    // What begins otherwise is not the rule's, be it an image.
    let mut other = fs::read(dir.join("x.image")).unwrap();
    assert_eq!(other[7..9], [0xff, b'A']);
    other[8] = 0;
    fs::copy(dir.join("x.image"), dir.join("copy.image")).unwrap();
    fs::write(dir.join("copy.image"), other).unwrap();

    let output = script(dir, isle, SCRIPT);
    if output.status.code() == Some(77) {
        skip(test, "the kernel has no binfmt_misc for this user, or images are registered already");
        return;
    }
    let told = stderr(&output);
    let magic = "7f454c46020101ff410000000000000003003e00";
    let own = env!("CARGO_BIN_EXE_anchorite");
    let rule = format!("enabled\ninterpreter {own}\nflags: \noffset 0\nmagic {magic}\n");
    assert_eq!(
        stdout(&output),
        format!(
            "status 0\n{rule}status 0\na\nb  c\n--\n--env\n$d\nstatus 46\nstatus 41\n\
             status 139\nstatus 0\nstatus 0\nenabled\nstatus 0\nstatus 1\nstatus 2\n"
        ),
        "{told}"
    );
    assert_eq!(told.matches("told\n").count(), 2, "{told}");
    for words in [
        "anchorite: images that `anchorite build` makes start by /",
        "anchorite: images are registered already, and start by /",
        "anchorite: images are no longer registered\n",
        "anchorite: images are not registered: there is nothing to take back\n",
    ] {
        assert!(told.contains(words), "`{words}` is not in: {told}");
    }
}

#[test]
fn who_is_not_root_is_told_so() {
    for subcommand in ["register", "unregister"] {
        // Nobody in particular.
        let own = env!("CARGO_BIN_EXE_anchorite");
        let mut command = Command::new("unshare");
        command.args(["--user", own, subcommand]);
        let refused = finish(command);
        if stderr(&refused).starts_with("unshare:") {
            skip("who_is_not_root_is_told_so", "there are no user namespaces here");
            return;
        }
        assert_refused(&refused, 125, &format!("takes root: sudo {own} {subcommand}"));
    }
}

/// What the kernel gives this command is a path and any words.
#[test]
fn a_path_in_place_of_a_subcommand_is_started() {
    for words in [&["./none.image"][..], &["/none/x", "--help"], &["/none/run", "--version"]] {
        assert_refused(&finish(anchorite(words)), 127, words[0]);
    }
    assert_refused(&finish(anchorite(&["nonsense"])), 2, "unrecognized subcommand");
}

//! Files that a guest begins with, out of archives that others' tools made, and files that it
//! leaves behind, in archives that others' tools read.

#![forbid(unsafe_code)]

mod common;
#[path = "common/tree.rs"]
mod tree;

use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};

use common::{
    anchorite, assert_refused, can_boot, finish, isles, machines, run, skip, stderr, stdout,
};
use tempfile::TempDir;
use tree::{ATTRIBUTES, Extent, Times, make, manifest};

/// A way to make an archive of a directory.
struct Way {
    /// In a shell, in the directory; the archive goes to standard output.
    command: &'static str,
    /// What the format can hold.
    extent: Extent,
    times: Times,
}

const fn way(command: &'static str, extent: Extent, times: Times) -> Way {
    Way { command, extent, times }
}

/// By each tool and in each format.
const WAYS: &[Way] = &[
    way("tar --sort=name --format=pax --sparse --xattrs -c .", Extent::All, Times::Exact),
    way("tar --sort=name --format=pax -c . | gzip", Extent::All, Times::Exact),
    way("tar --sort=name --format=gnu --sparse -c .", Extent::All, Times::Whole),
    way("tar --sort=name --format=gnu -c * | zstd -q", Extent::All, Times::Whole),
    way("tar --sort=name --format=ustar -c .", Extent::Plain, Times::Whole),
    way("bsdtar --format=pax -cf - .", Extent::All, Times::Exact),
    way("bsdtar --format=ustar -cf - .", Extent::Plain, Times::Whole),
    way("bsdtar --format=newc -cf - .", Extent::Plain, Times::Whole),
    way("find . -mindepth 1 | sort | cpio --quiet -o -H newc", Extent::Plain, Times::Whole),
    way("find . -mindepth 1 | sort | cpio --quiet -o -H crc", Extent::Plain, Times::Whole),
    way("find . | sort | cpio --quiet -o -H newc | zstd -q", Extent::Plain, Times::Whole),
    way(
        "(find a empty | cpio --quiet -o -H newc; \
          find . -mindepth 1 | sort | cpio --quiet -o -H newc) | gzip",
        Extent::Plain,
        Times::Whole,
    ),
    way(
        "python3 -c 'import sys, tarfile
def whole(entry):
    # It has times as floating-point numbers, and writes what is left of their digits.
    entry.mtime = int(entry.mtime)
    return entry
with tarfile.open(fileobj=sys.stdout.buffer, mode=\"w|\", format=tarfile.PAX_FORMAT) as out:
    out.add(\".\", filter=whole)'",
        Extent::All,
        Times::Whole,
    ),
    way(
        "python3 -c 'import sys, tarfile
with tarfile.open(fileobj=sys.stdout.buffer, mode=\"w|gz\", format=tarfile.GNU_FORMAT) as out:
    out.add(\".\")'",
        Extent::All,
        Times::Whole,
    ),
];

/// Runs a shell's command in `dir`; its standard output goes to `file`.
#[track_caller]
fn shell(command: &str, dir: &Path, file: &Path) {
    let out = fs::File::create(file).unwrap();
    let done = Command::new("bash")
        .args(["-euo", "pipefail", "-c", command])
        .current_dir(dir)
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::null())
        .stdout(out)
        .output()
        .unwrap();
    assert!(done.status.success(), "{command}: {}", stderr(&done));
}

/// Whether the tools are here that archives are made and read by.
#[track_caller]
fn has_tools(test: &str) -> bool {
    for tool in ["bsdtar", "cpio", "gzip", "python3", "tar", "zstd"] {
        let found = Command::new(tool)
            .arg("--version")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        if found.is_err() {
            skip(test, &format!("{tool} is missing: apt-get install cpio libarchive-tools zstd"));
            return false;
        }
    }
    true
}

/// A tree, and what `manifest` should print of it.
struct Tree {
    dir: TempDir,
    exact: String,
    whole: String,
}

impl Tree {
    fn new(extent: Extent) -> Tree {
        let dir = tempfile::tempdir().unwrap();
        make(dir.path(), extent);
        let [exact, whole] = [Times::Exact, Times::Whole].map(|times| manifest(dir.path(), times));
        Tree { dir, exact, whole }
    }

    fn manifest(&self, times: Times) -> &str {
        match times {
            Times::Exact => &self.exact,
            Times::Whole => &self.whole,
        }
    }
}

/// A manifest without the line of its top, which not every archive has.
fn below_top(manifest: &str) -> &str {
    manifest.split_once('\n').unwrap_or_default().1
}

/// What a guest with `options` prints as the manifest of `dir`.
#[track_caller]
fn guest_manifest(isle: &str, options: &[&str], dir: &str) -> String {
    let args = [&["run", "--isle", isle, "--memory", "256M"], options, &["manifest", dir]];
    let output = run(&args.concat());
    assert_eq!(stderr(&output), "", "{options:?}");
    assert_eq!(output.status.code(), Some(0), "{options:?}");
    stdout(&output)
}

/// Both manifests are the same; the first difference is told.
#[track_caller]
fn assert_same(got: &str, want: &str, what: &str) {
    for (got, want) in got.lines().zip(want.lines()) {
        assert_eq!(got, want, "{what}");
    }
    assert_eq!(got.lines().count(), want.lines().count(), "{what}");
}

#[test]
fn an_archive_by_anybody_is_the_same_tree_in_a_guest() {
    let test = "an_archive_by_anybody";
    if !has_tools(test) {
        return;
    }
    let trees = [Tree::new(Extent::Plain), Tree::new(Extent::All)];
    let place = tempfile::tempdir().unwrap();
    let archive = place.path().join("files");
    for Way { command, extent, times } in WAYS {
        let tree = &trees[usize::from(*extent == Extent::All)];
        shell(command, tree.dir.path(), &archive);
        let option = format!("{}:/data/x", archive.display());
        let want = tree.manifest(*times);
        let has_top = !command.contains("-mindepth") && !command.contains("-c *");
        for isle in isles(test) {
            let got = guest_manifest(isle, &["--preload", &option], "/data/x");
            let what = format!("{isle}: {command}");
            match has_top {
                true => assert_same(&got, want, &what),
                false => assert_same(below_top(&got), below_top(want), &what),
            }
        }
    }
}

#[test]
fn a_directory_of_the_hosts_is_the_same_tree_in_a_guest() {
    let tree = Tree::new(Extent::All);
    for isle in isles("a_directory_of_the_hosts") {
        let option = format!("{}:/data", tree.dir.path().display());
        let got = guest_manifest(isle, &["--preload", &option], "/data");
        assert_same(&got, &tree.exact, isle);
    }
}

#[test]
fn archives_are_laid_over_one_another_in_order() {
    let [first, second] = [0, 1].map(|_| tempfile::tempdir().unwrap());
    for (dir, name, text) in [
        (&first, "both", "1"),
        (&first, "first", "1"),
        (&second, "both", "2"),
        (&second, "second", "2"),
    ] {
        fs::write(dir.path().join(name), text).unwrap();
    }
    let [first, second] = [&first, &second].map(|dir| dir.path().display().to_string());
    for isle in isles("archives_are_laid_over") {
        let options = ["--preload", &first, "--preload", &second];
        let args = [&["run", "--isle", isle], &options[..], &["cat", "/both", "/first", "/second"]];
        let output = run(&args.concat());
        assert_eq!(stdout(&output), "212", "{}", stderr(&output));
    }
}

#[test]
fn odd_names_of_archives_are_no_trouble() {
    let tree = tempfile::tempdir().unwrap();
    fs::write(tree.path().join("file"), "text").unwrap();
    let place = tempfile::tempdir().unwrap();
    for name in [&b"a:b.tar"[..], b"a b,c.tar", b"\xff.tar", b"%41 'q'.tar"] {
        let archive = place.path().join(std::ffi::OsStr::from_bytes(name));
        shell("tar -c .", tree.path(), &archive);
        for isle in isles("odd_names_of_archives") {
            let mut command = anchorite(&["run", "--isle", isle, "--preload"]);
            command.arg(&archive).args(["cat", "/file"]);
            let output = finish(command);
            assert_eq!(stdout(&output), "text", "{archive:?}: {}", stderr(&output));
        }
    }
}

#[test]
fn an_archive_can_come_through_a_pipe() {
    let tree = tempfile::tempdir().unwrap();
    fs::write(tree.path().join("file"), "text").unwrap();
    for compress in ["", "z"] {
        let tar = format!("tar -c{compress} . | \"$0\" run --preload /dev/stdin cat /file");
        for isle in isles("an_archive_can_come_through_a_pipe") {
            let output = Command::new("bash")
                .args(["-c", &tar, env!("CARGO_BIN_EXE_anchorite")])
                .current_dir(&tree)
                .envs([
                    ("HERMIT_ISLE", isle),
                    ("HERMIT_KVM", if isle == "qemu" { "0" } else { "" }),
                ])
                .output()
                .unwrap();
            assert_eq!(stdout(&output), "text", "{}", stderr(&output));
        }
    }
}

#[test]
fn preloads_that_cannot_be_are_refused() {
    let place = tempfile::tempdir().unwrap();
    let path = |name: &str| place.path().join(name).display().to_string();
    fs::write(path("file"), "").unwrap();
    for (argument, words) in [
        (path("missing"), "No such file or directory"),
        (path("missing:/x"), "No such file or directory"),
        (path("file/x"), "Not a directory"),
        (path("file:x"), "not an absolute path"),
        (path("file:"), "not an absolute path"),
        (path("file:/a/../b"), ".."),
        (":/x".to_owned(), "path of this host"),
        (String::new(), "path of this host"),
    ] {
        for isle in ["uhyve", "qemu", "hosted"] {
            let output = run(&["run", "--isle", isle, "--preload", &argument, "hello"]);
            assert_refused(&output, 2, words);
        }
    }
    assert_refused(&run(&["run", "--preload-lenient", "hello"]), 2, "--preload");
}

#[test]
fn a_damaged_archive_stops_the_start_with_one_sentence() {
    let tree = tempfile::tempdir().unwrap();
    fs::write(tree.path().join("a"), "first").unwrap();
    fs::write(tree.path().join("b"), [b'b'; 2000]).unwrap();
    let place = tempfile::tempdir().unwrap();
    let path = |name: &str| place.path().join(name);
    let whole = path("whole");
    shell("tar --format=ustar -c a b", tree.path(), &whole);
    let whole = fs::read(whole).unwrap();
    fs::write(path("truncated.tar"), &whole[..2500]).unwrap();
    let mut wrong = whole.clone();
    wrong[1024 + 4] ^= 1;
    fs::write(path("checksum.tar"), wrong).unwrap();
    fs::write(path("no.tar"), "this is no archive, but a text\n".repeat(100)).unwrap();
    shell(
        "tar -P --format=ustar --transform 's,b,x/../../b,' -c a b",
        tree.path(),
        &path("up.tar"),
    );
    shell("find a b | cpio --quiet -o -H newc", tree.path(), &path("whole.cpio"));
    let cpio = fs::read(path("whole.cpio")).unwrap();
    fs::write(path("truncated.cpio"), &cpio[..1000]).unwrap();
    for (name, words) in [
        ("truncated.tar", &["`b`", "byte 1024", "ends"][..]),
        ("checksum.tar", &["byte 1024", "checksum"]),
        ("up.tar", &["`x/../../b`", "byte 1024", ".."]),
        ("no.tar", &["byte 0", "no tar archive"]),
        ("truncated.cpio", &["`b`", "byte", "ends"]),
    ] {
        let archive = path(name).display().to_string();
        for isle in isles("a_damaged_archive") {
            let output = run(&["run", "--isle", isle, "--preload", &archive, "cat", "/a"]);
            assert_refused(&output, 125, name);
            for word in words {
                let told = stderr(&output);
                assert!(told.contains(word), "{isle}: `{word}` is not in: {told}");
            }
        }
    }
    for name in ["truncated.tar", "up.tar"] {
        let archive = path(name).display().to_string();
        for isle in isles("a_damaged_archive") {
            let options = ["--preload", &archive, "--preload-lenient"];
            let args = [&["run", "--isle", isle], &options[..], &["cat", "/a"]].concat();
            let output = run(&args);
            assert_eq!(stdout(&output), "first", "{}", stderr(&output));
            let told = stderr(&output);
            assert!(told.contains(name) && told.contains("1 of its entries"), "{isle}: {told}");
            assert_eq!(told.lines().count(), 1, "{told}");
        }
    }
}

#[test]
fn a_damaged_compressed_archive_is_told_by_the_launcher() {
    let place = tempfile::tempdir().unwrap();
    let path = |name: &str| place.path().join(name);
    fs::write(path("zeros"), vec![0; 64 << 20]).unwrap();
    shell("tar -c zeros | gzip", place.path(), &path("bomb.tar.gz"));
    shell("tar -c zeros | zstd -q", place.path(), &path("bomb.tar.zst"));
    let bytes = fs::read(path("bomb.tar.gz")).unwrap();
    fs::write(path("short.tar.gz"), &bytes[..bytes.len() / 2]).unwrap();
    let mut wrong = bytes.clone();
    let crc = bytes.len() - 8;
    wrong[crc] ^= 1;
    fs::write(path("crc.tar.gz"), wrong).unwrap();
    for (name, words) in [
        ("bomb.tar.gz", "--memory"),
        ("bomb.tar.zst", "--memory"),
        ("short.tar.gz", "make it anew"),
        ("crc.tar.gz", "make it anew"),
    ] {
        let archive = path(name).display().to_string();
        // The size that the archive has is no affair of the ones that are damaged.
        let memory = if name.starts_with("bomb") { "32M" } else { "512M" };
        let args = ["run", "--memory", memory, "--isle", "hosted", "--preload", &archive, "hello"];
        let output = run(&args);
        assert_refused(&output, 125, words);
        assert!(stderr(&output).contains(name), "{}", stderr(&output));
    }
}

#[test]
fn an_archive_that_does_not_fit_is_told_with_the_remedy() {
    let place = tempfile::tempdir().unwrap();
    let archive = place.path().join("large.tar");
    fs::File::create(&archive).unwrap().set_len(40 << 20).unwrap();
    let archive = archive.display().to_string();
    for isle in isles("an_archive_that_does_not_fit") {
        let args = ["run", "--isle", isle, "--memory", "32M", "--preload", &archive, "hello"];
        assert_refused(&run(&args), 125, "--memory");
    }
}

/// A Debian package's content, as `dpkg-deb` gives it.
#[test]
fn a_debian_packages_content_is_the_same_tree_in_a_guest() {
    let test = "a_debian_packages_content";
    let place = tempfile::tempdir().unwrap();
    let fetched = Command::new("sh")
        .args(["-c", "apt-get -q download hello && mv hello_*.deb hello.deb"])
        .current_dir(&place)
        .stdin(Stdio::null())
        .output();
    if !fetched.is_ok_and(|fetched| fetched.status.success()) {
        skip(test, "apt-get cannot download the package `hello`");
        return;
    }
    let archive = place.path().join("hello.tar");
    shell("dpkg-deb --fsys-tarfile hello.deb", place.path(), &archive);
    let tree = place.path().join("tree");
    fs::create_dir(&tree).unwrap();
    shell("tar -xpf ../hello.tar", &tree, &place.path().join("out"));
    // Whoever extracts without being root owns the files.
    let is_root = nix::unistd::geteuid().is_root();
    let fields = |manifest: String| -> String {
        let line = |line: &str| {
            let mut fields: Vec<&str> = line.splitn(9, ' ').collect();
            if !is_root {
                fields.drain(2..4);
            }
            fields.join(" ") + "\n"
        };
        manifest.lines().map(line).collect()
    };
    let want = fields(manifest(&tree, Times::Whole));
    assert!(want.contains("./usr/bin/hello"), "{want}");
    let archive = archive.display().to_string();
    for isle in isles(test) {
        let got = guest_manifest(isle, &["--preload", &archive], "/");
        assert_same(&fields(got), &want, isle);
    }
}

/// Has the guest with `options` leave /data in `file`.
#[track_caller]
fn export(isle: &str, options: &[&str], file: &Path, program: &[&str]) {
    let file = format!("{}:/data", file.display());
    let args = [&["run", "--isle", isle], options, &["--export", &file], program];
    let output = run(&args.concat());
    assert_eq!(stderr(&output), "", "{isle}");
    assert_eq!(output.status.code(), Some(0), "{isle}");
}

#[test]
fn what_was_preloaded_and_exported_is_the_same_tree_to_everybody() {
    let test = "what_was_preloaded_and_exported";
    if !has_tools(test) {
        return;
    }
    let tree = Tree::new(Extent::All);
    let top = tree.dir.path().display().to_string();
    let preload = format!("{top}:/data");
    let place = tempfile::tempdir().unwrap();
    let archive = place.path().join("out.tar");
    for isle in isles(test) {
        export(isle, &["--preload", &preload], &archive, &["hello"]);
        let is_root = nix::unistd::geteuid().is_root();
        for command in [
            "tar --compare --file \"$0\" --directory \"$1\"",
            "tar --extract --preserve-permissions --xattrs --file \"$0\"",
            "bsdtar -x -p -f \"$0\"",
        ] {
            let into = tempfile::tempdir().unwrap();
            let told = Command::new("bash")
                .args(["-c", command, archive.to_str().unwrap(), &top])
                .current_dir(&into)
                .env("LC_ALL", "C.UTF-8")
                .output()
                .unwrap();
            assert_eq!(stdout(&told) + &stderr(&told), "", "{isle}: {command}");
            assert!(told.status.success(), "{isle}: {command}");
            if command.contains("--compare") {
                continue;
            }
            let got = manifest(into.path(), Times::Exact);
            if is_root {
                // bsdtar leaves the directory that it extracts into as it is.
                let (got, want) = (below_top(&got), below_top(&tree.exact));
                assert_same(got, want, &format!("{isle}: {command}"));
            } else {
                assert_eq!(got.lines().count(), tree.exact.lines().count());
            }
            for (file, name, value) in ATTRIBUTES {
                let got = xattr::get(into.path().join(file), name).unwrap();
                assert_eq!(got.as_deref(), Some(value), "{isle}: {command}: {file}");
            }
            let sparse = fs::metadata(into.path().join("sparse")).unwrap();
            assert!(sparse.blocks() * 512 < sparse.len(), "{isle}: {command}: {sparse:?}");
        }
        // And again through a guest.
        let again = format!("{}:/data", archive.display());
        let got = guest_manifest(isle, &["--preload", &again], "/data");
        assert_same(&got, &tree.exact, isle);
    }
}

#[test]
fn a_change_to_a_preloaded_file_is_exported_and_its_archive_stays() {
    let tree = tempfile::tempdir().unwrap();
    let before = "b".repeat(5000);
    for name in ["changed", "other"] {
        fs::write(tree.path().join(name), &before).unwrap();
    }
    let place = tempfile::tempdir().unwrap();
    let [preloaded, exported] = ["in.tar", "out.tar"].map(|name| place.path().join(name));
    shell("tar -c .", tree.path(), &preloaded);
    let archive = fs::read(&preloaded).unwrap();
    let preload = format!("{}:/data", preloaded.display());
    let file = format!("{}:/data", exported.display());
    for isle in machines("a_change_to_a_preloaded_file") {
        let options = ["run", "--isle", isle, "--preload", &preload, "--export", &file];
        let output = run(&[&options[..], &["probe", "change", "/data/changed"]].concat());
        let after = format!("C{}+", &before[1..]);
        assert_eq!(stdout(&output), format!("changed: {after}\n"), "{}", stderr(&output));
        let extracted = make_dir(place.path(), isle);
        shell("tar -xf ../out.tar", &extracted, &place.path().join("told"));
        assert_eq!(fs::read_to_string(extracted.join("changed")).unwrap(), after);
        assert_eq!(fs::read_to_string(extracted.join("other")).unwrap(), before);
        assert!(fs::read(&preloaded).unwrap() == archive, "the archive was written to");
    }
}

fn make_dir(place: &Path, name: &str) -> std::path::PathBuf {
    fs::create_dir(place.join(name)).unwrap();
    place.join(name)
}

#[test]
fn an_export_keeps_the_programs_status_and_is_complete_or_absent() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("out.tar");
    let export = file.display().to_string();
    let names = || fs::read_dir(&place).unwrap().count();
    for isle in isles("an_export_keeps_the_programs_status") {
        // A program that fails by itself has ended all the same.
        let output = run(&["run", "--isle", isle, "--export", &export, "cat", "/none"]);
        assert_eq!(output.status.code(), Some(1), "{isle}: {}", stderr(&output));
        assert!(fs::metadata(&file).unwrap().len() >= 1024);
        assert_eq!(names(), 1);
        fs::write(&file, "before").unwrap();

        let none = format!("{export}:/none");
        let output = run(&["run", "--isle", isle, "--export", &none, "hello"]);
        assert_eq!(output.status.code(), Some(125), "{isle}: {}", stderr(&output));
        assert!(stderr(&output).contains("/none"), "{}", stderr(&output));
        assert_eq!(stderr(&output).lines().count(), 1, "{}", stderr(&output));

        if isle != "hosted" {
            let args = ["run", "--isle", isle, "--export", &export, "fault", "panic"];
            let output = run(&args);
            assert_eq!(output.status.code(), Some(101));
            assert!(stderr(&output).contains("out.tar: not written"), "{}", stderr(&output));
        }
        assert_eq!(fs::read_to_string(&file).unwrap(), "before", "{isle}");
        assert_eq!(names(), 1);
    }
}

#[test]
fn an_export_that_does_not_fit_leaves_what_was_there() {
    let test = "an_export_that_does_not_fit";
    let tree = tempfile::tempdir().unwrap();
    fs::write(tree.path().join("large"), vec![b'x'; 4 << 20]).unwrap();
    for isle in isles(test) {
        // A file system with too little room, of the command's own.
        let script = "mount -t tmpfs -o size=1m none /mnt || exit 77
            echo before > /mnt/out.tar
            \"$0\" run --isle \"$1\" --preload \"$2\" --export /mnt/out.tar hello > /dev/null
            echo \"status $?\"; ls -A /mnt; cat /mnt/out.tar";
        let output = Command::new("unshare")
            .args(["--map-root-user", "--mount", "sh", "-c", script])
            .args([env!("CARGO_BIN_EXE_anchorite"), isle])
            .arg(tree.path())
            .output();
        let output = output.expect("util-linux is everywhere");
        if output.status.code() == Some(77) || stderr(&output).starts_with("unshare:") {
            let _ = writeln!(std::io::stderr(), "skipped: {test}: a tmpfs cannot be mounted here");
            return;
        }
        assert_eq!(stdout(&output), "status 125\nout.tar\nbefore\n", "{}", stderr(&output));
        let told = stderr(&output);
        assert!(told.contains("No space left on device"), "{isle}: {told}");
        assert_eq!(told.lines().count(), 1, "{isle}: {told}");
    }
}

#[test]
fn exports_that_cannot_be_are_refused() {
    let place = tempfile::tempdir().unwrap();
    let path = |name: &str| place.path().join(name).display().to_string();
    fs::write(path("file"), "").unwrap();
    for (argument, words) in [
        (path("none/out.tar"), "No such file or directory"),
        (path("file/out.tar"), "no directory"),
        (path("out.tar:x"), "not an absolute path"),
        (place.path().display().to_string(), "no file"),
        ("/dev/null".to_owned(), "no file"),
        (String::new(), "path of this host"),
    ] {
        for isle in ["uhyve", "qemu", "hosted"] {
            let output = run(&["run", "--isle", isle, "--export", &argument, "hello"]);
            assert_refused(&output, 2, words);
        }
    }
    let twice = ["run", "--export", &path("a"), "--export", &path("a"), "hello"];
    assert_refused(&run(&twice), 2, "twice");
}

/// Stock uhyve: `cargo install uhyve --version 0.10.0 --locked --root target/suites`.
#[test]
fn stock_uhyve_starts_an_image_with_its_files() {
    let test = "stock_uhyve_starts_an_image";
    let installed = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/suites/bin/uhyve");
    let uhyve = if installed.exists() { installed } else { "uhyve".into() };
    let found = Command::new(&uhyve).arg("--version").output();
    if !found.is_ok_and(|found| found.status.success()) {
        skip(test, "uhyve is missing: cargo install uhyve --version 0.10.0 --locked");
        return;
    }
    if !can_boot(test) {
        return;
    }
    let tree = Tree::new(Extent::All);
    let place = tempfile::tempdir().unwrap();
    let compressed = place.path().join("more.tar.gz");
    fs::write(place.path().join("file"), "it's \"preloaded\"").unwrap();
    shell("tar -cz file", place.path(), &compressed);
    let preloads = [
        "--preload",
        &format!("{}:/data", tree.dir.path().display()),
        "--preload",
        &compressed.display().to_string(),
    ];
    let image = place.path().join("image.gz");
    let start = |program: &str, args: &[&str]| {
        let output = image.display().to_string();
        let options =
            [&["image", "--hermit", program], &preloads[..], &["-o", &output, "--"], args];
        let made = run(&options.concat());
        assert_eq!(stdout(&made) + &stderr(&made), "");
        assert_eq!(made.status.code(), Some(0));
        let mut command = Command::new(&uhyve);
        command.args(["--hermit-image-mode", "internal", &output]);
        let output = finish(command);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        stdout(&output)
    };
    assert_same(&start("manifest", &["/data"]), &tree.exact, "stock uhyve");
    assert_eq!(start("cat", &["/file"]), "it's \"preloaded\"");
    // The image is mapped for reading only: a write that did not copy would be a fault.
    assert_eq!(start("probe", &["change", "/file"]), "changed: Ct\\'s \\\"preloaded\\\"+\n");
    let word = "a  b'c\"d\\e";
    let words = start("probe", &["words", word]);
    assert!(words.contains(&format!("arg 2 \"{}\"", word.escape_default())), "{words}");
}

#[test]
fn images_that_cannot_be_are_refused() {
    let place = tempfile::tempdir().unwrap();
    let path = |name: &str| place.path().join(name).display().to_string();
    for (program, preload, output, status, words) in [
        ("none", "/", path("image"), 127, "no program"),
        ("hello", "/none", path("image"), 2, "--preload /none"),
        ("hello", "/dev/null", path("none/image"), 2, "--output"),
        ("hello", "/dev/null", place.path().display().to_string(), 2, "no file"),
    ] {
        let made = run(&["image", "--hermit", program, "--preload", preload, "-o", &output]);
        assert_refused(&made, status, words);
    }
    let image = path("image");
    let mut command = anchorite(&["image", "--hermit", "hello", "-o", &image, "--"]);
    command.arg(std::ffi::OsStr::from_bytes(b"odd\xff"));
    assert_refused(&finish(command), 2, "UTF-8");
    assert_eq!(fs::read_dir(&place).unwrap().count(), 0);
}

#[test]
fn an_image_without_preloads_begins_with_its_own_members() {
    let test = "an_image_without_preloads";
    let installed = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/suites/bin/uhyve");
    if !installed.exists() || !can_boot(test) {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let image = place.path().join("image.gz").display().to_string();
    let made = run(&["image", "--hermit", "cat", "-o", &image, "--", "/hermit.toml"]);
    assert_eq!(made.status.code(), Some(0), "{}", stderr(&made));
    let mut command = Command::new(installed);
    command.args(["--hermit-image-mode", "internal", &image]);
    let output = finish(command);
    assert!(stdout(&output).contains("kernel = \"kernel\""), "{}", stderr(&output));
}

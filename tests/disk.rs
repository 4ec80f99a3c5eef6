//! Disks that `anchorite image --disk` makes, started by QEMU as a PC would: by its BIOS, GRUB, and
//! one serial port, which is all that is heard of them.

#![forbid(unsafe_code)]

mod common;
#[allow(dead_code, reason = "other formats are other tests' affair")]
#[path = "common/tree.rs"]
mod tree;

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use common::{anchorite, assert_refused, finish, has_qemu, run, skip, stderr, stdout};
use sha2::{Digest, Sha256};
use tree::{Extent, Times, make, manifest};

const GIB: u64 = 1 << 30;

/// Whether disks can be made and started here.
#[track_caller]
fn can_start(test: &str) -> bool {
    let is_there =
        |name| ["/usr/bin", "/usr/sbin"].iter().any(|dir| Path::new(dir).join(name).exists());
    let has_grub = Path::new("/usr/lib/grub/i386-pc/boot.img").exists();
    if !(is_there("grub-mkimage") && is_there("mke2fs") && has_grub) {
        skip(test, "GRUB or mke2fs is missing: apt-get install grub-common grub-pc-bin e2fsprogs");
        return false;
    }
    has_qemu(test)
}

/// `anchorite image --disk` in `dir`.
fn make_disk<A: AsRef<OsStr>>(dir: &Path, args: &[A]) -> Output {
    let mut command = anchorite(&["image", "--disk"]);
    command.args(args).current_dir(dir);
    finish(command)
}

/// The same, all well; returns what it says.
#[track_caller]
fn image<A: AsRef<OsStr>>(dir: &Path, args: &[A]) -> String {
    let made = make_disk(dir, args);
    assert_eq!(made.status.code(), Some(0), "{}", stderr(&made));
    assert_eq!(stdout(&made), "");
    stderr(&made)
}

/// QEMU with one serial port, on standard output.
fn machine(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new("qemu-system-x86_64");
    command.args(["-display", "none", "-serial", "stdio"]).args(args);
    command.current_dir(dir).stdin(Stdio::null());
    command
}

/// What the machine with the disk `disk.raw` in it says, which ends by itself.
#[track_caller]
fn start(dir: &Path, args: &[&str]) -> String {
    let drive = ["-drive", "if=virtio,format=raw,file=disk.raw"];
    let output = finish(machine(dir, &[&drive[..], args].concat()));
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    stdout(&output)
}

/// A machine that does not end by itself, but with this value.
struct Lasting(Child);

impl Lasting {
    /// Starts it, and hears what it says until `words` came.
    #[track_caller]
    fn until(mut command: Command, words: &str) -> (Self, String) {
        let mut child = Lasting(command.stdout(Stdio::piped()).spawn().unwrap());
        let mut pipe = child.0.stdout.take().unwrap();
        let mut heard = Vec::new();
        let mut byte = [0];
        while !heard.ends_with(words.as_bytes()) {
            let read = pipe.read(&mut byte).unwrap();
            assert_eq!(read, 1, "{}", String::from_utf8_lossy(&heard));
            heard.push(byte[0]);
        }
        // Whoever reads no more must not keep it from speaking.
        thread::spawn(move || io::copy(&mut pipe, &mut io::sink()));
        (child, String::from_utf8_lossy(&heard).into_owned())
    }
}

impl Drop for Lasting {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

const END: &str = "anchorite: ended with status 0\n";

#[test]
fn a_disk_starts_its_program_and_turns_the_machine_off() {
    if !can_start("a_disk_starts_its_program") {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    let told = image(dir, &["hello", "-o", "disk.raw"]);
    assert!(told.starts_with("anchorite: disk.raw: a disk of 2 MiB; to try it: "), "{told}");
    let want = stdout(&run(&["run", "--isle", "qemu", "hello"]));
    assert!(want.starts_with("Hello from anchorite!\n"), "{want}");
    let want = want + END;
    assert_eq!(start(dir, &["-m", "64M"]), want);
    // Memory above 4 GiB, several cores, another chipset.
    assert_eq!(start(dir, &["-m", "5G", "-smp", "3", "-machine", "q35"]), want);
    // An IDE disk, and the device that the isle qemu has, which tells that it was written to.
    let exits = ["-device", "isa-debug-exit,iobase=0xf4,iosize=4"];
    let ide = ["-drive", "format=raw,file=disk.raw"];
    let output = finish(machine(dir, &[exits, ide].concat()));
    assert_eq!((output.status.code(), stdout(&output)), (Some(1), want.clone()));

    // A machine that cannot be turned off stands still.
    let off = machine(dir, &[&["-machine", "pc,acpi=off"], &ide[..]].concat());
    let (machine, heard) = Lasting::until(off, END);
    assert_eq!(heard, want);
    thread::sleep(Duration::from_millis(300));
    let ticks = || {
        let stat = fs::read_to_string(format!("/proc/{}/stat", machine.0.id())).unwrap();
        let fields: Vec<_> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        // utime and stime; a hundred are a second.
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    };
    let before = ticks();
    thread::sleep(Duration::from_millis(1000));
    assert!(ticks() - before < 30, "{} hundredths of a second of one", ticks() - before);
}

#[test]
fn a_disk_is_tried_by_the_line_that_is_told() {
    if !can_start("a_disk_is_tried_by_the_line") {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let told = image(place.path(), &["fault", "-o", "it's a, b.raw", "--args", "panic"]);
    let (_, line) = told.trim_end().split_once("; to try it: ").expect(&told);
    let mut shell = Command::new("sh");
    shell.args(["-c", line]).current_dir(&place).stdin(Stdio::null());
    let output = finish(shell);
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(text.contains("panicked") && text.contains("asked to panic: 2\n"), "{text}");
    assert!(text.ends_with("\nanchorite: ended with status 101\n"), "{text}");
}

#[test]
fn words_reach_a_disks_program_as_they_were_given() {
    if !can_start("words_reach_a_disks_program") {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let all = [
        &b"a  b"[..],
        b"it's",
        b"\"\\\"",
        b"\\",
        b"$HOME ${x} $(y) `z`",
        b"new\nline",
        b"\xff\x80",
        b"",
        b"%41",
        b"#no",
        b";|&<>{}()!*?[]~",
        b"-l",
        b"--",
        "\u{e9}".as_bytes(),
    ]
    .map(OsStr::from_bytes);
    let env = ["A=it's \"$x\" \\ %", "EMPTY=", "A=last\nof two"];
    let env: Vec<_> = env.iter().flat_map(|word| ["--env", word]).map(OsStr::new).collect();
    let first = ["probe", "--args", "words", "-x", "y"].map(OsStr::new);
    let rest = ["-o", "disk.raw", "--args=z", "--"].map(OsStr::new);
    image(place.path(), &[&first[..], &env, &rest, &all].concat());
    let mut same = anchorite(&["run", "--isle", "qemu"]);
    same.args(env).args(["probe", "words", "-x", "y", "z"]).args(all);
    let want = stdout(&finish(same));
    assert_eq!(want.matches("arg ").count(), 5 + all.len(), "{want}");
    assert_eq!(start(place.path(), &[]), want + END);
}

/// Archives of every kind and size: GRUB puts what is small below the kernel.
#[test]
fn a_disks_program_begins_with_its_files() {
    if !can_start("a_disks_program_begins_with_its_files") {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    fs::create_dir(dir.join("tree")).unwrap();
    make(&dir.join("tree"), Extent::All);
    fs::create_dir(dir.join("large")).unwrap();
    let bytes: Vec<u8> = (0..16_000_000u32).map(|at| (at ^ at >> 9) as u8).collect();
    fs::write(dir.join("large/file"), &bytes).unwrap();
    let mut tar = Command::new("tar");
    assert!(finish_well(tar.args(["-czf", "more.tar.gz", "large"]).current_dir(dir)));
    fs::write(dir.join("nothing.tar"), [0; 1024]).unwrap();
    let preloads = [
        "--preload=nothing.tar:/n",
        "--preload=tree:/data/tree",
        "--preload=more.tar.gz:/data",
        "--mount=tmpfs:/data:mode=0755",
    ];
    image(dir, &[&["manifest", "-o", "disk.raw", "--args", "/data/tree"], &preloads[..]].concat());
    let want = manifest(&dir.join("tree"), Times::Exact) + END;
    let shown = start(dir, &["-m", "128M"]);
    assert!(shown == want, "{shown}\n{want}");
    let mut check = Command::new("/usr/sbin/e2fsck");
    check.args(["-fn", "disk.raw?offset=1048576"]).stdout(Stdio::null());
    assert!(finish_well(check.current_dir(dir)));

    image(
        dir,
        &[&["sha256sum", "-o", "disk.raw"], &preloads[..], &["--", "/data/large/file"]].concat(),
    );
    let hash: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(start(dir, &["-m", "128M"]), format!("{hash}  /data/large/file\n{END}"));
    // What does not fit into memory is told on the serial port, by GRUB.
    let small = ["-m", "16M", "-drive", "if=virtio,format=raw,file=disk.raw"];
    let (_machine, heard) = Lasting::until(machine(dir, &small), "grub> ");
    assert!(heard.contains("error: out of memory"), "{heard}");
}

/// Whether a command ends well.
fn finish_well(command: &mut Command) -> bool {
    command.status().unwrap().success()
}

/// A multiboot loader may ask for frames where there is no port for them.
#[test]
fn a_machine_with_one_serial_port_speaks_plainly() {
    let test = "a_machine_with_one_serial_port";
    if !can_start(test) {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    image(dir, &["probe", "-o", "disk.raw"]);
    let dump = ["-R", "dump /boot/kernel kernel", "disk.raw?offset=1048576"];
    let mut debugfs = Command::new("/usr/sbin/debugfs");
    assert!(finish_well(debugfs.args(dump).current_dir(dir).stderr(Stdio::null())));
    let args = ["-kernel", "kernel", "-append", "anchorite.framed -- words a%20b"];
    let output = finish(machine(dir, &args));
    let want = "arg 0 \"probe\"\narg 1 \"words\"\narg 2 \"a b\"\n".to_owned() + END;
    assert_eq!(stdout(&output), want, "{}", stderr(&output));
}

#[test]
fn google_gets_what_it_asks_for() {
    if !can_start("google_gets_what_it_asks_for") {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    image(dir, &["hello", "--gce", "-o", "mine.raw"]);
    let disk = fs::metadata(dir.join("mine.raw")).unwrap();
    assert_eq!(disk.len(), GIB);
    assert!(disk.blocks() * 512 < 4 << 20, "no holes");
    let mut tar = Vec::new();
    let packed = File::open(dir.join("mine.tar.gz")).unwrap();
    flate2::read::GzDecoder::new(packed).read_to_end(&mut tar).unwrap();
    // GNU's old format, in which `S` is a file with holes; then two blocks of zeros.
    assert!(tar.starts_with(b"disk.raw\0") && tar.len() < 4 << 20, "{}", tar.len());
    assert_eq!((tar[156], &tar[257..265]), (b'S', &b"ustar  \0"[..]));
    assert!(tar.ends_with(&[0; 1024]));
    let listed = Command::new("tar").args(["-tzvf", "mine.tar.gz"]).current_dir(dir).output();
    let listed = stdout(&listed.unwrap());
    assert_eq!(listed.lines().count(), 1, "{listed}");
    assert!(
        listed.contains(" 1073741824 ") && listed.trim_end().ends_with(" disk.raw"),
        "{listed}"
    );
    assert!(finish_well(Command::new("tar").args(["-xzf", "mine.tar.gz"]).current_dir(dir)));
    assert!(start(dir, &[]).ends_with(END));

    image(dir, &["hello", "--gce", "--size", "3G", "-o", "mine.raw"]);
    assert_eq!(fs::metadata(dir.join("mine.raw")).unwrap().len(), 3 * GIB);
    for (size, words) in [("1500M", "whole GiB"), ("0", "at least 1G"), ("2T", "2 TiB")] {
        let refused = make_disk(dir, &["hello", "--gce", "--size", size, "-o", "none.raw"]);
        assert_refused(&refused, 2, words);
    }
    let refused = make_disk(dir, &["hello", "--gce", "-o", "none.tar.gz"]);
    assert_refused(&refused, 2, "another name");
    let left = fs::read_dir(dir).unwrap().count();
    assert_eq!(left, 3, "disk.raw, mine.raw, mine.tar.gz");
}

#[test]
fn openstack_gets_a_qcow2_or_a_sentence() {
    if !can_start("openstack_gets_a_qcow2") {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    let made = make_disk(dir, &["hello", "--qcow2", "-o", "disk.raw"]);
    if Command::new("qemu-img").arg("--version").stdout(Stdio::null()).status().is_err() {
        assert_refused(&made, 125, "qemu-img is missing: apt-get install qemu-utils");
        assert_eq!(fs::read_dir(dir).unwrap().count(), 0);
        return;
    }
    assert_eq!(made.status.code(), Some(0), "{}", stderr(&made));
    let drive = ["-drive", "if=virtio,format=qcow2,file=disk.qcow2"];
    let output = finish(machine(dir, &drive));
    assert!(stdout(&output).ends_with(END), "{}", stderr(&output));
}

#[test]
fn a_disk_that_cannot_be_is_refused_and_nothing_stays() {
    let test = "a_disk_that_cannot_be";
    if !can_start(test) {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    fs::create_dir(dir.join("in")).unwrap();
    fs::write(dir.join("in/file"), [7; 3000]).unwrap();
    assert!(finish_well(
        Command::new("tar").args(["-cf", "in/cut.tar", "in/file"]).current_dir(dir)
    ));
    File::options().write(true).open(dir.join("in/cut.tar")).unwrap().set_len(2000).unwrap();
    fs::write(dir.join("in/junk"), [b'?'; 2000]).unwrap();
    let huge = File::create(dir.join("in/huge")).unwrap();
    huge.set_len(4 << 30).unwrap();
    // A whole archive of little.
    let mut tar = fs::read(dir.join("in/cut.tar")).unwrap();
    tar.resize(10240, 0);
    huge.write_all_at(&tar, 0).unwrap();
    for (args, status, words) in [
        (&["hello", "--size", "1M"][..], 2, "too small for what is to be on it: take at least 2M"),
        (&["hello", "--size", "lots"], 2, "is not a size"),
        (&["hello", "--size", "2500K"], 2, "whole MiB"),
        (&["hello", "--preload", "in/cut.tar"], 125, "ends within it"),
        (&["hello", "--preload", "in/junk"], 125, "no tar archive"),
        (&["hello", "--preload", "in/huge"], 125, "below 4 GiB"),
        (&["hello", "--preload", "none"], 2, "--preload none"),
        (&["hello", "--hermit", "hello"], 2, "two kinds of images"),
        (&["hello", "--memory", "1G"], 2, "--memory"),
        (&["hello", "--cpus", "2"], 2, "--cpus"),
        (&["hello", "--mount", "host:/:/x"], 2, "--preload"),
        (&["hello", "--mount", "nonsense"], 2, "--mount"),
        (&["none"], 127, "no program `none`"),
        (&["./in/file"], 2, "it is no image"),
        (&["./none"], 127, "./none"),
    ] {
        let refused = make_disk(dir, &[args, &["-o", "disk.raw"]].concat());
        assert_refused(&refused, status, words);
    }
    for (args, words) in [
        (&["image", "--gce", "-o", "disk.raw"][..], "--disk PROGRAM"),
        (&["image", "--hermit", "hello", "--gce", "-o", "disk.raw"], "--gce"),
        (&["image", "--hermit", "hello", "--qcow2", "-o", "disk.raw"], "--qcow2"),
        (&["image", "--hermit", "hello", "--size", "1G", "-o", "disk.raw"], "--size"),
        (&["image", "--disk", "hello"], "--output"),
        (&["image", "--disk", "hello", "-o", "/none/disk.raw"], "--output"),
    ] {
        assert_refused(&run(args), 2, words);
    }
    let mut command = anchorite(&["image", "--disk", "hello", "-o", "disk.raw"]);
    command.current_dir(dir).env("PATH", "/none");
    assert_refused(&finish(command), 125, "grub-mkimage: apt-get install grub-common");
    assert_eq!(fs::read_dir(dir).unwrap().count(), 1);

    // What is damaged is left out if that is wanted.
    let lenient = ["hello", "--preload", "in/cut.tar", "--preload-lenient", "-o", "disk.raw"];
    let told = image(dir, &lenient);
    assert!(told.contains("1 of its entries are damaged and left out"), "{told}");
    let said = start(dir, &[]);
    assert!(said.contains("damaged and left out") && said.ends_with(END), "{said}");
}

#[test]
fn a_disk_that_does_not_fit_leaves_what_was_there() {
    let test = "a_disk_that_does_not_fit";
    if !can_start(test) {
        return;
    }
    let tree = tempfile::tempdir().unwrap();
    fs::write(tree.path().join("large"), vec![b'x'; 4 << 20]).unwrap();
    // A file system with too little room, of the command's own.
    let script = "mount -t tmpfs -o size=1m none /mnt || exit 77
        echo before > /mnt/disk.raw
        \"$0\" image --disk hello --preload \"$1\" --gce -o /mnt/disk.raw
        echo \"status $?\"; ls -A /mnt; cat /mnt/disk.raw";
    let output = Command::new("unshare")
        .args(["--map-root-user", "--mount", "sh", "-c", script])
        .arg(env!("CARGO_BIN_EXE_anchorite"))
        .arg(tree.path())
        .output();
    let output = output.expect("util-linux is everywhere");
    if output.status.code() == Some(77) || stderr(&output).starts_with("unshare:") {
        let _ = writeln!(io::stderr(), "skipped: {test}: a tmpfs cannot be mounted here");
        return;
    }
    assert_eq!(stdout(&output), "status 125\ndisk.raw\nbefore\n", "{}", stderr(&output));
    let told = stderr(&output);
    assert!(told.contains("No space left on device"), "{told}");
    assert_eq!(told.lines().count(), 1, "{told}");
}

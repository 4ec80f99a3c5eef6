//! Builds the guest images with a nested cargo and hands them to
//! `launcher/programs.rs` as `images.rs`, a table from program names to what is loaded of each,
//! and to the whole file with its symbols, compressed by gzip.
//!
//! The images are bare metal, but for the host's own target (see
//! `kernel/src/lib.rs`), so whatever stable toolchain builds the launcher builds
//! them too. They get a target directory of their own: the outer cargo holds the
//! lock of the usual one.
//!
//! It hands over the sources of the kernel too, as `sources.rs` to `launcher/sources.rs`, so
//! that an installed command can build programs.

mod guest;

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio, exit};

use flate2::Compression;
use flate2::write::GzEncoder;
use guest::{PROFILE, TARGET, WITH_LINES};

/// The package whose binaries are the images.
const KERNEL: &str = "anchorite-kernel";
/// What images are made of; a change makes new ones.
const SOURCES: [&str; 7] =
    ["kernel", "fs", "syscalls", "bench-postmark", "program", "Cargo.toml", "Cargo.lock"];
/// The images that are built for size, without the counts of a training run: by this one is judged
/// how small an image can be.
const SMALL: &[&str] = &["hello"];
/// What a program of one's own is built from: of the same, all but guest programs and tests.
const EMBEDDED: [&str; 19] = [
    "Cargo.toml",
    "Cargo.lock",
    "fs/Cargo.toml",
    "fs/src",
    "fs/archive/Cargo.toml",
    "fs/archive/src",
    "kernel/Cargo.toml",
    "kernel/build.rs",
    "kernel/discard.ld",
    "kernel/interface",
    "kernel/link-arguments",
    "kernel/src",
    guest::COUNTS,
    guest::COUNTS_COMPILER,
    "program/Cargo.toml",
    "program/src",
    "syscalls/Cargo.toml",
    "syscalls/include",
    "syscalls/src",
];

fn main() {
    let root = PathBuf::from(variable("CARGO_MANIFEST_DIR"));
    let out = PathBuf::from(variable("OUT_DIR"));
    for source in SOURCES {
        println!("cargo::rerun-if-changed={}", root.join(source).display());
    }
    println!("cargo::rerun-if-changed=launcher/build.rs");
    println!("cargo::rerun-if-changed=launcher/guest.rs");
    tell_versions(&root);

    let target = variable("TARGET");
    if target != TARGET {
        fail(&format!("anchorite runs on {TARGET}, and this build is for {target}"));
    }
    let images = build_all_images(&root, &out);
    write(&out.join("images.rs"), table_of(&images, &out).as_bytes());
    embed_sources(&root, &out);
}

/// Builds the images, those for speed and those for size; returns each one's name and path, by name.
fn build_all_images(root: &Path, out: &Path) -> Vec<(String, PathBuf)> {
    let counts = root.join(guest::COUNTS);
    let bytes = fs::read(&counts)
        .unwrap_or_else(|error| fail(&format!("cannot read {}: {error}", counts.display())));
    let compiler = root.join(guest::COUNTS_COMPILER);
    let compiler = fs::read_to_string(&compiler)
        .unwrap_or_else(|error| fail(&format!("cannot read {}: {error}", compiler.display())));
    let mut flags = WITH_LINES.to_owned();
    let uncounted = guest::uncounted(variable("RUSTC"), &compiler);
    match &uncounted {
        // Cargo builds others' crates anew for other flags, and not for other counts.
        None => {
            let mut hasher = DefaultHasher::new();
            bytes.hash(&mut hasher);
            let counts = out.join(format!("{:016x}.profdata", hasher.finish()));
            write(&counts, &bytes);
            flags = [flags, guest::by_counts(&counts)].join("\x1f");
        }
        Some(why) => println!("cargo::warning={why}"),
    }
    let is_counted = if uncounted.is_none() { "1" } else { "" };
    println!("cargo::rustc-env=ANCHORITE_COUNTED={is_counted}");
    let mut images = build_images(root, &out.join("guest"), &flags, &["--bins"]);
    let small: Vec<_> = SMALL.iter().flat_map(|name| ["--bin", name]).collect();
    let small = build_images(root, &out.join("guest-small"), WITH_LINES, &small);
    images.retain(|(name, _)| !SMALL.contains(&name.as_str()));
    images.extend(small);
    images.sort();
    images
}

/// Runs the nested cargo with rustc's arguments `flags`; returns each image's name and path.
fn build_images(root: &Path, target: &Path, flags: &str, bins: &[&str]) -> Vec<(String, PathBuf)> {
    let output = guest::command(variable("CARGO"))
        // The linker's arguments are passed on by kernel/build.rs.
        .env("CARGO_ENCODED_RUSTFLAGS", flags)
        .env("RUSTC", variable("RUSTC"))
        .args(["build", "--package", KERNEL, "--features", "images"])
        .args(bins)
        .args(["--profile", PROFILE, "--target", TARGET, "--locked"])
        .args(["--message-format", "json-render-diagnostics"])
        .arg("--target-dir")
        .arg(target)
        .current_dir(root)
        .stdin(Stdio::null())
        .output();
    let output = match output {
        Ok(output) => output,
        Err(error) => fail(&format!("cannot start cargo for the guest images: {error}")),
    };
    if !output.status.success() {
        fail(&format!(
            "the guest images do not build:\n{}",
            String::from_utf8_lossy(&output.stderr)
        ));
    }
    let images: Vec<_> = String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(guest::executable)
        .map(|path| {
            let name = path.file_name().unwrap_or_default();
            (name.to_string_lossy().into_owned(), path.clone())
        })
        .collect();
    if images.is_empty() {
        fail("cargo names no guest image among what it built");
    }
    images
}

/// The table of images, whose parts are put into `out`.
fn table_of(images: &[(String, PathBuf)], out: &Path) -> String {
    let mut table = String::from("static IMAGES: &[Embedded] = &[\n");
    for (name, path) in images {
        let elf = fs::read(path)
            .unwrap_or_else(|error| fail(&format!("cannot read the image {name}: {error}")));
        let Some(loaded) = guest::loaded(&elf) else {
            fail(&format!("the image {name} is no ELF file"));
        };
        let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
        let whole = gzip.write_all(&elf).and_then(|()| gzip.finish());
        let whole = whole.unwrap_or_else(|error| fail(&format!("cannot compress: {error}")));
        let image = out.join(format!("{name}.image"));
        let symbols = out.join(format!("{name}.symbols.gz"));
        write(&image, &loaded);
        write(&symbols, &whole);
        let (image, symbols) = (image.display().to_string(), symbols.display().to_string());
        let _ = writeln!(
            table,
            "    Embedded {{ name: {name:?}, image: include_bytes!({image:?}), symbols: \
             include_bytes!({symbols:?}) }},"
        );
    }
    table.push_str("];\n");
    table
}

/// Writes the table from the paths of what a program of one's own is built from to their
/// content, and a number that differs where any of it does.
fn embed_sources(root: &Path, out: &Path) {
    let mut files = Vec::new();
    for source in EMBEDDED {
        gather(&root.join(source), &mut files);
    }
    files.sort();
    let mut hasher = DefaultHasher::new();
    let mut table = String::from("static SOURCES: &[(&str, &[u8])] = &[\n");
    for file in files {
        let name = file.strip_prefix(root).unwrap_or(&file).display().to_string();
        let content = fs::read(&file);
        let content = content.unwrap_or_else(|error| fail(&format!("cannot read {name}: {error}")));
        (&name, content).hash(&mut hasher);
        let _ =
            writeln!(table, "    ({name:?}, include_bytes!({:?})),", file.display().to_string());
    }
    table.push_str("];\n");
    let _ = writeln!(table, "const SOURCES_HASH: &str = \"{:016x}\";", hasher.finish());
    write(&out.join("sources.rs"), table.as_bytes());
}

/// Adds the files at and below `path`.
fn gather(path: &Path, files: &mut Vec<PathBuf>) {
    if !path.is_dir() {
        return files.push(path.to_owned());
    }
    let entries = fs::read_dir(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match entries {
        Ok(entries) => entries.iter().for_each(|entry| gather(&entry.path(), files)),
        Err(error) => fail(&format!("cannot list {}: {error}", path.display())),
    }
}

fn write(path: &Path, bytes: &[u8]) {
    if let Err(error) = fs::write(path, bytes) {
        fail(&format!("cannot write {}: {error}", path.display()));
    }
}

/// Tells the launcher uhyve's version, from the lock file, and the commit.
fn tell_versions(root: &Path) {
    let lock = fs::read_to_string(root.join("Cargo.lock")).unwrap_or_default();
    let uhyve = lock
        .split_once("name = \"uhyve\"\nversion = \"")
        .and_then(|(_, rest)| rest.split_once('"'))
        .map_or("unknown", |(version, _)| version);
    println!("cargo::rustc-env=ANCHORITE_UHYVE_VERSION={uhyve}");

    let commit = git(root, &["describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]);
    println!("cargo::rustc-env=ANCHORITE_COMMIT={}", commit.unwrap_or_default());
    if let Some(head) = git(root, &["rev-parse", "--git-path", "logs/HEAD"]) {
        let head = root.join(head);
        if head.exists() {
            println!("cargo::rerun-if-changed={}", head.display());
        }
    }
}

fn git(root: &Path, args: &[&str]) -> Option<String> {
    let output =
        Command::new("git").args(args).current_dir(root).stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|error| fail(&format!("cargo sets no {name}: {error}")))
}

fn fail(text: &str) -> ! {
    eprintln!("{text}");
    exit(1)
}

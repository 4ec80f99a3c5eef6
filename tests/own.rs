//! A program of one's own, end to end: made, built and run from a temporary directory, without
//! the network; and what is refused.
//!
//! All tests share a cache directory, which stays between runs, as a user's does: the kernel is
//! compiled in one of them.

mod common;

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use common::{anchorite, assert_refused, finish, isles, machines, skip, stderr, stdout};

/// `anchorite` in `dir`, offline.
fn command(dir: &Path, args: &[&str]) -> Command {
    let mut command = anchorite(args);
    command
        .current_dir(dir)
        .env("XDG_CACHE_HOME", concat!(env!("CARGO_TARGET_TMPDIR"), "/cache"))
        .env("CARGO_NET_OFFLINE", "true")
        .env("LC_ALL", "C")
        .env_remove("CC")
        .env_remove("CFLAGS");
    command
}

fn run(dir: &Path, args: &[&str]) -> Output {
    finish(command(dir, args))
}

/// Runs and expects all to be well; returns standard output.
#[track_caller]
fn well(dir: &Path, args: &[&str]) -> String {
    let output = run(dir, args);
    assert_eq!(output.status.code(), Some(0), "{args:?}: {}", stderr(&output));
    stdout(&output)
}

#[test]
fn a_crate_is_made_built_and_run() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    assert_eq!(well(dir, &["new", "greet"]), "");
    assert_refused(&run(dir, &["new", "greet"]), 2, "there is something of that name");
    well(dir, &["build", "greet", "-o", "greet.image"]);
    // Every crate that was built is pinned.
    let pinned = fs::read_to_string(dir.join("greet/Cargo.lock")).unwrap();
    for name in ["anchorite-kernel", "hermit-entry", "talc"] {
        assert!(pinned.contains(&format!("name = \"{name}\"\n")), "{name}");
    }
    let mut again = command(dir, &["build", "greet"]);
    again.env_remove("CARGO_NET_OFFLINE");
    let output = finish(again);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(!stderr(&output).contains("Updating"), "{}", stderr(&output));
    assert_eq!(fs::read_to_string(dir.join("greet/Cargo.lock")).unwrap(), pinned);
    for isle in machines("a_crate_is_made_built_and_run") {
        let args = ["run", "--isle", isle, "./greet.image"];
        assert_eq!(well(dir, &args), "Hello from greet!\n", "{isle}");
    }
    // The counts that images are built by are found by the names that functions have in a user's crate:
    // what is called often is longer then. They are one compiler's.
    let fast = run(dir, &["build", "greet", "-o", "greet.image"]);
    let small = run(dir, &["build", "--small", "greet", "-o", "small.image"]);
    assert_eq!(small.status.code(), Some(0), "{}", stderr(&small));
    assert!(!stderr(&small).contains("counts"), "{}", stderr(&small));
    for isle in machines("a_crate_is_made_built_and_run") {
        let args = ["run", "--isle", isle, "./small.image"];
        assert_eq!(well(dir, &args), "Hello from greet!\n", "{isle}");
    }
    let bytes = |image: &str| fs::metadata(dir.join(image)).unwrap().len() as f64;
    if is_counted() {
        assert!(!stderr(&fast).contains("counts"), "{}", stderr(&fast));
        assert!(bytes("greet.image") > 1.1 * bytes("small.image"));
        // With another feature of a crate that the kernel uses too, functions have other names, and
        // that is told.
        let manifest = dir.join("greet/Cargo.toml");
        let own = fs::read_to_string(&manifest).unwrap();
        let more = "[dependencies]\nspin = { version = \"0.12\", default-features = false, \
                    features = [\"barrier\"] }\n";
        fs::write(&manifest, own.replace("[dependencies]\n", more)).unwrap();
        let other = run(dir, &["build", "greet", "-o", "other.image"]);
        assert_eq!(other.status.code(), Some(0), "{}", stderr(&other));
        assert!(stderr(&other).contains("the counts by which"), "{}", stderr(&other));
        fs::write(&manifest, own).unwrap();
    } else {
        assert!(stderr(&fast).contains("RUSTUP_TOOLCHAIN="), "{}", stderr(&fast));
        skip("the counts of a training run", "they are another compiler's");
    }

    // By stock uhyve's own image too, which has the same file in it.
    well(dir, &["image", "--hermit", "./greet.image", "-o", "greet.gz"]);
    assert!(fs::metadata(dir.join("greet.gz")).unwrap().len() > 50_000);

    // What a program may return, and what it is given.
    let main = r#"
        #![no_std]
        #![no_main]
        extern crate alloc;
        use anchorite::{Context, Errno, api, eprintln, println};
        anchorite::main!(main);
        fn main(ctx: &Context<'_>) -> Result<i32, Errno> {
            let args: alloc::vec::Vec<_> = ctx.args.iter().map(|arg| arg.escape_ascii()).collect();
            println!(ctx, "{} {}", args.len(), args[1]);
            eprintln!(ctx, "{}", ctx.env[0].escape_ascii());
            api::read(ctx.sys, args[1].clone().collect::<alloc::vec::Vec<u8>>())?;
            Ok(7)
        }
    "#;
    fs::write(dir.join("greet/src/main.rs"), main).unwrap();
    for isle in isles("a_crate_is_made_built_and_run") {
        let output = run(dir, &["run", "--isle", isle, "--env", "K=V", "greet/", "/", "x"]);
        assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
        assert_eq!(stdout(&output), "3 /\n", "{isle}");
        assert!(stderr(&output).ends_with("K=V\ngreet: Is a directory\n"), "{}", stderr(&output));
    }
    let hosted = ["run", "--isle", "hosted"];
    let image = [&hosted[..], &["./greet.image"]].concat();
    assert_refused(&run(dir, &image), 2, "the isle hosted is no machine");
    let files = [&hosted[..], &["--preload", "greet", "greet/"]].concat();
    assert_refused(&run(dir, &files), 2, "leave out --forward");

    // The compiler's words reach the user, and the image stays what it was.
    let image = dir.join("greet/target/anchorite/greet");
    well(dir, &["build", "greet"]);
    let before = fs::read(&image).unwrap();
    fs::write(dir.join("greet/src/main.rs"), main.replace("Ok(7)", "Ok(nothing)")).unwrap();
    let output = run(dir, &["build", "greet"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("cannot find value `nothing`"), "{}", stderr(&output));
    assert!(stderr(&output).ends_with("anchorite: greet: it does not build, as told above\n"));
    assert_eq!(fs::read(&image).unwrap(), before);
}

/// Whether the compiler is the one that kernel/training counted with.
fn is_counted() -> bool {
    let rustc = Command::new("rustc").arg("-vV").output().unwrap();
    let compiler = include_str!("../kernel/training/compiler");
    String::from_utf8_lossy(&rustc.stdout).trim() == compiler.trim()
}

/// Editors, clippy and `cargo check` need no more than the crate.
#[test]
fn a_crate_is_an_ordinary_one_for_cargo() {
    let place = tempfile::tempdir().unwrap();
    well(place.path(), &["new", "greet"]);
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args(["check", "--offline", "--quiet", "--manifest-path", "greet/Cargo.toml"])
        .args(["--target-dir", concat!(env!("CARGO_TARGET_TMPDIR"), "/checked")])
        .current_dir(place.path())
        .stdin(Stdio::null());
    let output = finish(cargo);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(stderr(&output), "");
    let ignored = fs::read_to_string(place.path().join("greet/.gitignore")).unwrap();
    assert_eq!(ignored, "/target\n/.anchorite\n");
}

#[test]
fn programs_in_c_are_compiled_by_the_users_compiler() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    well(dir, &["new", "--c", "hello"]);
    well(dir, &["build", "hello/main.c", "-o", "hello.image"]);
    fs::write(dir.join("all.c"), include_str!("own.c")).unwrap();
    well(dir, &["build", "all.c"]);
    let has_clang = Command::new("clang").arg("--version").stdout(Stdio::null()).status().is_ok();
    if has_clang {
        let mut by_clang = command(dir, &["build", "all.c", "-o", "clang.image"]);
        by_clang.env("CC", "clang");
        let output = finish(by_clang);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    }
    for isle in machines("programs_in_c_are_compiled_by_the_users_compiler") {
        assert_eq!(well(dir, &["run", "--isle", isle, "./hello.image"]), "Hello from hello!\n");
        assert_eq!(well(dir, &["run", "--isle", isle, "hello/"]), "Hello from hello!\n");
        let mut images = vec!["./all"];
        images.extend(has_clang.then_some("./clang.image"));
        for image in images {
            let args = ["run", "--isle", isle, "--env", "WORD=here", image, "one", "two words"];
            let output = run(dir, &args);
            assert_eq!(output.status.code(), Some(42), "{}{}", stdout(&output), stderr(&output));
            assert_eq!(stdout(&output), "all is well\n");
            assert_eq!(stderr(&output), "missing: No such file or directory\n");
        }
    }

    // What is not there is told by name.
    let printf = "#include <stdio.h>\nint main(int c, char **v) { return printf(\"%d\", c); }\n";
    fs::write(dir.join("printf.c"), printf).unwrap();
    let output = run(dir, &["build", "printf.c"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("anchorite: printf.c: there is no printf in anchorite"));
    let local = "_Thread_local int n; int main(void) { return n++; }\n";
    fs::write(dir.join("local.c"), local).unwrap();
    let output = run(dir, &["build", "local.c"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("thread-local variables"), "{}", stderr(&output));
    fs::write(dir.join("wrong.c"), "int main(void) { return 1 }\n").unwrap();
    let output = run(dir, &["build", "wrong.c"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("error: expected ';' before"), "{}", stderr(&output));
    for name in ["printf", "local", "wrong"] {
        assert!(!dir.join(name).exists(), "{name}");
    }
    let mut without = command(dir, &["build", "all.c"]);
    without.env("CC", "no-such-compiler");
    let output = finish(without);
    assert_eq!(output.status.code(), Some(125));
    assert!(stderr(&output).ends_with("install one, such as gcc, or name it in CC\n"));
}

#[test]
fn what_is_no_image_is_refused_in_a_sentence() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    fs::write(dir.join("text"), "#!/bin/sh\n").unwrap();
    fs::write(dir.join("empty"), "").unwrap();
    fs::create_dir(dir.join("nothing")).unwrap();
    fs::copy("/bin/sh", dir.join("linux")).unwrap();
    let isles = machines("what_is_no_image_is_refused_in_a_sentence");
    let refused = |path: &str, status, words: &str| {
        for isle in &isles {
            assert_refused(&run(dir, &["run", "--isle", isle, path]), status, words);
        }
        let hermit = ["image", "--hermit", path, "-o", "out.gz"];
        assert_refused(&run(dir, &hermit), status, words);
        assert!(!dir.join("out.gz").exists());
    };
    refused("./text", 2, "it is no image");
    refused("./empty", 2, "it is no image");
    refused("./linux", 2, "it is a program for Linux");
    refused("/dev/null", 2, "it is no file");
    refused("./nothing", 2, "neither a Cargo.toml nor a C file");
    refused("./missing", 127, "No such file or directory");
    // Without a slash it is the name of a program that is built in.
    refused("text", 127, "for what is here by that name say ./text");
    assert_eq!(well(dir, &["run", "--isle", "hosted", "hello"]).lines().count(), 2);
}

#[test]
fn what_cannot_be_made_or_built_is_refused_in_a_sentence() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    for name in ["1a", "a b", "fn", "anchorite", ".."] {
        assert_refused(&run(dir, &["new", name]), 2, "that is no name for a program");
    }
    assert_refused(&run(dir, &["new", "no/such/place"]), 2, "it cannot be made");
    assert_refused(&run(dir, &["build", "missing"]), 2, "No such file or directory");
    assert_refused(&run(dir, &["build"]), 2, "neither a Cargo.toml nor a C file");
    fs::write(dir.join("text"), "").unwrap();
    assert_refused(&run(dir, &["build", "text"]), 2, "neither a directory nor a C file");
    fs::write(dir.join("a.c"), "int main(void) { return 0; }\n").unwrap();
    let output = ["build", "a.c", "-o", "no/such/place"];
    assert_refused(&run(dir, &output), 2, "its directory");

    let mut nowhere = command(dir, &["new", "greet"]);
    nowhere.env("XDG_CACHE_HOME", "/dev/null/cache");
    assert_refused(&finish(nowhere), 125, "set XDG_CACHE_HOME");
    // Nothing stays behind.
    assert!(!dir.join("greet").exists());
    // From here on in a cache of its own, where no other test builds.
    let alone = |args: &[&str]| {
        let mut command = command(dir, args);
        command.env("XDG_CACHE_HOME", dir.join("cache"));
        command
    };
    assert_eq!(finish(alone(&["new", "greet"])).status.code(), Some(0));
    let mut without = alone(&["build", "greet"]);
    without.env("PATH", dir);
    assert_refused(&finish(without), 125, "https://rustup.rs");
    // A crate that was never built, on a machine that never built one, without a network.
    let mut first = alone(&["build", "greet"]);
    first.env("CARGO_HOME", dir.join("cargo"));
    if Path::new(concat!(env!("CARGO"))).components().any(|part| part.as_os_str() == "toolchains") {
        let output = finish(first);
        assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
        assert!(stderr(&output).contains("needs the network"), "{}", stderr(&output));
    } else {
        skip("a build without a network", "cargo here is not rustup's");
    }
}

//! The image of `probe`: prints what the kernel gave a program, for the kernel's
//! own tests.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::ffi::CString;
use alloc::format;
use alloc::vec;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, Ordering};

use anchorite_kernel::host_files::UhyveFiles;
use anchorite_kernel::platform::BareMetal;
use anchorite_kernel::{cpu, machine};
use anchorite_programs::{Context, Program};
use anchorite_syscalls::api::OpenOptions;
use anchorite_syscalls::{HostFiles, Platform, Result, thread};

anchorite_kernel::image!(Program {
    name: "probe",
    summary: "prints what the kernel gave it: words, clock, random, cores, memory, host",
    main: probe,
});

fn probe(ctx: &Context<'_>) -> i32 {
    match ctx.args.get(1).copied() {
        Some(b"words") | None => words(ctx),
        Some(b"clock") => clock(ctx),
        Some(b"random") => random(ctx),
        Some(b"cores") => cores(ctx),
        Some(b"memory") => memory(ctx),
        Some(b"lines") => lines(ctx),
        Some(b"host") => host(ctx),
        Some(b"change") => change(ctx),
        Some(_) => {
            print(ctx, "probe: no such thing\n");
            return 2;
        }
    }
    0
}

fn print(ctx: &Context<'_>, text: &str) {
    let _ = ctx.sys.write(1, text.as_bytes());
}

fn words(ctx: &Context<'_>) {
    for (nth, arg) in ctx.args.iter().enumerate() {
        print(ctx, &format!("arg {nth} \"{}\"\n", arg.escape_ascii()));
    }
    for entry in ctx.env {
        print(ctx, &format!("env \"{}\"\n", entry.escape_ascii()));
    }
}

fn clock(ctx: &Context<'_>) {
    let platform = BareMetal::new(Vec::new());
    let wall = platform.realtime();
    let start = platform.monotonic();
    let mut last = start;
    while last.tv_sec - start.tv_sec < 1 || last.tv_nsec < start.tv_nsec {
        let now = platform.monotonic();
        if (now.tv_sec, now.tv_nsec) < (last.tv_sec, last.tv_nsec) {
            print(ctx, "the clock was set back\n");
        }
        last = now;
    }
    print(
        ctx,
        &format!(
            "realtime {}.{:09}\nmonotonic {}.{:09} to {}.{:09}\n",
            wall.tv_sec, wall.tv_nsec, start.tv_sec, start.tv_nsec, last.tv_sec, last.tv_nsec
        ),
    );
}

fn random(ctx: &Context<'_>) {
    let mut bytes = [0; 19];
    let got = BareMetal::new(Vec::new()).fill_random(&mut bytes);
    print(ctx, &format!("{got:?} {bytes:02x?}\n"));
}

/// Starts a thread on each core.
fn cores(ctx: &Context<'_>) {
    let sum = AtomicU32::new(0);
    thread::scope(ctx.sys, |scope| {
        for core in 0..thread::cores(ctx.sys) {
            let started =
                scope.spawn(core, || sum.fetch_add(thread::core(ctx.sys), Ordering::Relaxed));
            if let Err(errno) = started {
                print(ctx, &format!("core {core}: {errno}\n"));
            }
        }
    });
    let online = cpu::online();
    print(
        ctx,
        &format!("{online} cores, sum {} of {}\n", sum.into_inner(), online * (online - 1) / 2),
    );
}

/// Writes to and checks nearly all memory, a page at a time.
fn memory(ctx: &Context<'_>) {
    let mut blocks: Vec<Vec<u64>> = Vec::new();
    loop {
        let mut block = Vec::new();
        if blocks.try_reserve(1).is_err() || block.try_reserve_exact(1 << 14).is_err() {
            break;
        }
        block.resize(1 << 14, blocks.len() as u64);
        blocks.push(block);
    }
    let wrong = (0..).zip(&blocks).filter(|(nth, block)| block.iter().any(|word| word != nth));
    print(ctx, &format!("{} blocks of 128 KiB, {} wrong\n", blocks.len(), wrong.count()));
}

/// Lines of every length, in odd pieces; the host can check the sum.
fn lines(ctx: &Context<'_>) {
    let text: Vec<u8> = (0..3000u32)
        .flat_map(|len| {
            let mut line = vec![b'a' + (len % 26) as u8; len as usize % 300];
            line.push(b'\n');
            line
        })
        .collect();
    for piece in text.chunks(777) {
        let _ = ctx.sys.write(1, piece);
    }
    let _ = ctx.sys.write(1, &text);
}

/// Overwrites the first byte of the file that is the second argument, appends to it, and tells
/// what it holds then.
fn change(ctx: &Context<'_>) {
    let path = ctx.args.get(2).copied().unwrap_or(b"/file");
    let change = || -> Result<Vec<u8>> {
        let file = OpenOptions::new().read(true).write(true).open(ctx.sys, path)?;
        let len = file.metadata()?.len();
        file.write_all_at(b"C", 0)?;
        file.write_all_at(b"+", len)?;
        let mut content = Vec::new();
        file.read_to_end(&mut content)?;
        Ok(content)
    };
    match change() {
        Ok(content) => print(ctx, &format!("changed: {}\n", content.escape_ascii())),
        Err(errno) => print(ctx, &format!("not changed: {errno}\n")),
    }
}

/// The file hypercalls below the mapped directory that is the second argument.
fn host(ctx: &Context<'_>) {
    let Some(machine) = machine::get() else { return };
    let memory = machine.memory.start as usize..machine.memory.end as usize;
    let dir = alloc::string::String::from_utf8_lossy(ctx.args.get(2).copied().unwrap_or(b"/host"));
    let files = UhyveFiles::new(memory, format!("{dir}\0").as_bytes());
    let path = |name: &str| CString::new(format!("{dir}{name}")).unwrap_or_default();
    let show = |what: &str, got: &dyn core::fmt::Debug| print(ctx, &format!("{what}: {got:?}\n"));

    let new = files.open(&path("/new"), libc::O_CREAT | libc::O_RDWR | libc::O_EXCL, 0o644);
    show("create", &new);
    let Ok(fd) = new else { return };
    let text = b"forwarded\n";
    let mut buf = [0u8; 64];
    // SAFETY: buffers of these lengths.
    unsafe {
        show("write", &files.write(fd, text.as_ptr(), text.len()));
        show("write none", &files.write(fd, text.as_ptr(), 0));
        show("lseek", &files.lseek(fd, 2, libc::SEEK_SET));
        show("lseek bad", &files.lseek(fd, 2, 77));
        show(
            "read",
            &files
                .read(fd, buf.as_mut_ptr(), buf.len())
                .map(|len| buf[..len].escape_ascii().collect::<Vec<u8>>()),
        );
        show("write outside", &files.write(fd, 8 as *const u8, 8));
        show("read beyond", &files.read(fd, buf.as_mut_ptr(), 1 << 40));
    }
    let stat =
        |got: Result<libc::stat>| got.map(|stat| (stat.st_mode, stat.st_size, stat.st_nlink));
    show("fstat", &stat(files.fstat(fd)));
    show("close", &files.close(fd));
    show("close again", &files.close(fd));
    // SAFETY: buffers of these lengths.
    unsafe {
        show("write closed", &files.write(fd, text.as_ptr(), text.len()));
        let read_only = files.open(&path("/new"), libc::O_RDONLY, 0);
        show("open", &read_only);
        if let Ok(fd) = read_only {
            show("write read-only", &files.write(fd, text.as_ptr(), text.len()));
            show("close", &files.close(fd));
        }
    }
    show("open image file", &files.open(c"/hermit.toml", libc::O_RDWR, 0));
    show("open nothing", &files.open(&path("/nothing"), libc::O_RDONLY, 0));
    show(
        "open O_EXCL",
        &files.open(&path("/new"), libc::O_CREAT | libc::O_EXCL | libc::O_WRONLY, 0o644),
    );
    show("stat", &stat(files.stat(&path("/new"))));
    show("stat link", &stat(files.stat(&path("/link"))));
    show("lstat link", &stat(files.lstat(&path("/link"))));
    show("open link O_NOFOLLOW", &files.open(&path("/link"), libc::O_RDONLY | libc::O_NOFOLLOW, 0));
    show("mkdir", &files.mkdir(&path("/dir"), 0o755));
    show("mkdir again", &files.mkdir(&path("/dir"), 0o755));
    let dir = files.open(&path(""), libc::O_RDONLY | libc::O_DIRECTORY, 0);
    show("open directory", &dir);
    if let Ok(fd) = dir {
        let mut records = [0u8; 1024];
        let mut names: Vec<Vec<u8>> = Vec::new();
        while let Ok(len @ 1..) = files.getdents64(fd, &mut records) {
            let mut at = 0;
            while at < len {
                let bytes = u16::from_le_bytes([records[at + 16], records[at + 17]]) as usize;
                let name = records[at + 19..at + bytes].split(|byte| *byte == 0).next();
                names.push(name.unwrap_or_default().to_vec());
                at += bytes;
            }
        }
        names.sort();
        show(
            "names",
            &names.iter().map(|name| format!("{}", name.escape_ascii())).collect::<Vec<_>>(),
        );
        show("getdents small", &files.getdents64(fd, &mut records[..3]));
        // SAFETY: a buffer of this length.
        show("write directory", &unsafe { files.write(fd, text.as_ptr(), text.len()) });
        show("close", &files.close(fd));
    }
    show("unlink", &files.unlink(&path("/new")));
    show("unlink again", &files.unlink(&path("/new")));
    show("unlink directory", &files.unlink(&path("/dir")));
    show("unlink mount", &files.unlink(&path("/./")));
}

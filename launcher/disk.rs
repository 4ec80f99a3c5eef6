//! `anchorite image --disk PROGRAM`: a disk that a PC starts from, by its BIOS.
//!
//! | sectors | |
//! |---|---|
//! | 0 | GRUB's first stage, and the table of partitions |
//! | 1 to 2047 at most | GRUB's core: what reads ext2 and starts a multiboot kernel |
//! | 2048 to the end | the one partition, ext2: `/boot/grub/grub.cfg`, `/boot/kernel`, `/boot/preload/N` |
//!
//! Nothing needs root, or a mount: `grub-mkimage` makes the core, `mke2fs -d` fills the file system.
//! The kernel is the image as for the isle qemu; archives are its modules. Its arguments are words
//! of [`escape`]'s, which neither GRUB's language nor its way to hand them over changes.
//!
//! [`cloud`] packs a disk as clouds want it.
//!
//! [`escape`]: anchorite_interface::escape

mod cloud;

use std::env;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Seek, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anchorite_interface::ESCAPED;

use crate::archive::Archive;
use crate::cli::ImageArgs;
use crate::export::Target;
use crate::failure::{Failure, Result};
use crate::forward::describe;
use crate::isle::{HOSTED_COMMAND, Isle};
use crate::order::{Order, Verbosity};
use crate::preload::{Limit, path_of};
use crate::size::{GIB, MIB, show};
use crate::supervise::Captured;
use crate::{complain, preload, programs, qemu, supervise};

/// Bytes of a sector.
const SECTOR_BYTES: u64 = 512;
/// Where the partition begins, as everybody has it; before it is room for GRUB's core.
const PARTITION_START: u64 = MIB;
/// Bytes of a block of the file system.
const BLOCK_BYTES: u64 = 4096;
/// Blocks that one block of addresses tells of.
const ADDRESSED_BLOCKS: u64 = BLOCK_BYTES / 4;
/// Blocks of a group, which has maps of its own.
const GROUP_BLOCKS: u64 = 8 * BLOCK_BYTES;
/// Blocks that a group's maps, and what there is once, take at most.
const MAPS_BLOCKS: u64 = 64;
/// Where Debian has GRUB for a PC's BIOS.
const GRUB_DIR: &str = "/usr/lib/grub/i386-pc";
/// GRUB's first stage, in that directory.
const FIRST_STAGE: &str = "boot.img";
/// Bytes of the first stage before what is the disk's own.
const FIRST_STAGE_BYTES: usize = 440;
/// What GRUB's core has in it.
const MODULES: [&str; 8] =
    ["biosdisk", "boot", "ext2", "multiboot", "normal", "part_msdos", "serial", "terminal"];
/// Where an ordinary user's PATH does not lead.
const ROOTS_DIRS: [&str; 3] = ["/usr/local/sbin", "/usr/sbin", "/sbin"];
/// Memory beside that of the archives in the machine that a disk is tried with.
const TRIAL_BYTES: u64 = 256 * MIB;
/// That machine's memory is whole steps of this.
const TRIAL_STEP_BYTES: u64 = 64 * MIB;

/// Does what the command line says.
pub fn image(args: &ImageArgs) -> Result<()> {
    let mut order = args.order()?;
    let _image = programs::ready(&mut order, Isle::Qemu)?;
    programs::check(Isle::Qemu, &order)?;
    order.check()?;
    let tools = Tools::find()?;
    let output = args.output()?;
    let clouds = cloud::Clouds::ready(args, &output)?;
    let target = Target::new("--output", &output)?;

    let limit = Limit {
        bytes: qemu::MODULES_BYTES,
        why: "a PC has room for below 4 GiB: leave out what the program can do without",
    };
    let mut files = Vec::new();
    for archive in &order.preloads {
        files.push(preload::ready(archive, limit)?);
    }
    rehearse(&order, &files)?;
    let kernel = programs::image(&order)?;
    let kernel = qemu::wrap(&kernel).map_err(|error| {
        Failure::isle(format!("the program's image cannot be loaded ({})", describe(&error)))
    })?;

    let staged = Staged::new(&order, &kernel, files)?;
    let needed_bytes = PARTITION_START + partition_bytes(&staged.sizes);
    let disk_bytes = args.disk_bytes(needed_bytes)?;
    if staged.archives_bytes() > qemu::MODULES_BYTES {
        return Err(Failure::isle(format!("--preload: the archives hold more than {}", limit.why)));
    }
    let core = tools.core(staged.dir.path())?;
    write(&tools, &target, &staged, &core, disk_bytes).map_err(|why| {
        Failure::isle(format!(
            "--output {}: the disk cannot be written ({why}): see whether there is room",
            output.display()
        ))
    })?;
    let packed = clouds.pack(&target)?;
    target.keep()?;
    complain(&format!(
        "{}: a disk of {}; to try it: {}",
        output.display(),
        show(disk_bytes),
        trial(&output, staged.archives_bytes()),
    ));
    packed.into_iter().try_for_each(Target::keep)
}

/// Begins with the order's files, in a process of this host, so that what a machine could not
/// start with is told now.
fn rehearse(order: &Order, files: &[(Archive, File)]) -> Result<()> {
    if order.mounts.is_empty() && files.is_empty() {
        return Ok(());
    }
    let rehearsal = Order {
        program: "hello".to_owned(),
        image: None,
        args: Vec::new(),
        env: Vec::new(),
        memory_bytes: 4 * GIB,
        preloads: files.iter().map(|(archive, _)| archive.clone()).collect(),
        verbosity: Verbosity::Quiet,
        ..order.clone()
    };
    let mut said = Captured::default();
    supervise::run(HOSTED_COMMAND, &rehearsal, &mut said).map_err(|failure| {
        let why = failure.to_string();
        Failure::isle(why.strip_prefix("cannot start: ").unwrap_or(&why))
    })?;
    // What is left out of a damaged archive, if that is wanted.
    io::stderr().write_all(&said.stderr).map_err(Failure::output)
}

/// The files of the partition, in a directory of the host's that goes when this value does.
struct Staged {
    dir: tempfile::TempDir,
    /// How long they are: the configuration, the kernel, and each archive.
    sizes: Vec<u64>,
}

impl Staged {
    fn new(order: &Order, kernel: &[u8], archives: Vec<(Archive, File)>) -> Result<Self> {
        Self::fill(order, kernel, archives).map_err(|error| {
            Failure::isle(format!(
                "the disk's files cannot be put together in {} ({}): set TMPDIR to a directory \
                 that has room",
                env::temp_dir().display(),
                describe(&error)
            ))
        })
    }

    fn fill(order: &Order, kernel: &[u8], archives: Vec<(Archive, File)>) -> io::Result<Self> {
        let dir = tempfile::tempdir()?;
        let boot = dir.path().join("root/boot");
        fs::create_dir_all(boot.join("grub"))?;
        fs::create_dir(boot.join("preload"))?;
        let configuration = configuration(order);
        fs::write(boot.join("grub/grub.cfg"), &configuration)?;
        fs::write(boot.join("kernel"), kernel)?;
        let mut sizes = vec![configuration.len() as u64, kernel.len() as u64];
        for (number, (_, mut from)) in archives.into_iter().enumerate() {
            from.rewind()?;
            let mut to = File::create_new(boot.join(format!("preload/{number}")))?;
            sizes.push(io::copy(&mut from, &mut to)?);
        }
        Ok(Staged { dir, sizes })
    }

    /// What is to be the partition's root.
    fn root(&self) -> PathBuf {
        self.dir.path().join("root")
    }

    fn archives_bytes(&self) -> u64 {
        self.sizes[2..].iter().sum()
    }
}

/// What GRUB does. It is quiet unless something is wrong, and then heard on the serial port too.
fn configuration(order: &Order) -> String {
    let quoted =
        |words: Vec<String>| -> String { words.iter().map(|word| format!(" '{word}'")).collect() };
    let arguments = quoted(order.kernel_arguments(ESCAPED));
    // GRUB passes on what follows the file; loaders have its name there.
    let mut steps = vec![format!("multiboot /boot/kernel /boot/kernel{arguments}")];
    for (number, archive) in order.preloads.iter().enumerate() {
        let name = quoted(vec![archive.guest_path("preload", number)]);
        steps.push(format!("module /boot/preload/{number}{name}"));
    }
    let begin: String = steps.iter().map(|step| format!("if {step}; then\n")).collect();
    let end = "fi\n".repeat(steps.len());
    format!(
        "# What the machine starts; words are percent-encoded.\n\
         function start {{\n{begin}boot\n{end}}}\n\
         start\n\
         # Something is wrong: again, for whoever is at the other end of the line.\n\
         serial --unit=0 --speed=115200\n\
         terminal_output serial console\n\
         terminal_input serial console\n\
         start\n"
    )
}

/// Bytes of a partition that files of these lengths fit into, whole MiB.
fn partition_bytes(sizes: &[u64]) -> u64 {
    let blocks = |bytes: &u64| {
        let data = bytes.div_ceil(BLOCK_BYTES);
        // Addresses of blocks, of blocks of addresses, and so on.
        data + data.div_ceil(ADDRESSED_BLOCKS) + data.div_ceil(ADDRESSED_BLOCKS.pow(2)) + 2
    };
    let blocks: u64 = sizes.iter().map(blocks).sum();
    let groups = blocks / (GROUP_BLOCKS - MAPS_BLOCKS) + 2;
    ((blocks + groups * MAPS_BLOCKS) * BLOCK_BYTES).next_multiple_of(MIB)
}

/// Writes the disk; the error is a clause.
fn write(
    tools: &Tools,
    target: &Target,
    staged: &Staged,
    core: &[u8],
    disk_bytes: u64,
) -> std::result::Result<(), String> {
    let told = |error: io::Error| describe(&error);
    let file = target.file();
    file.set_len(disk_bytes).map_err(told)?;
    let partition_bytes = disk_bytes - PARTITION_START;
    let options = format!("offset={PARTITION_START},root_owner=0:0");
    let inodes = (16 + 2 * staged.sizes.len()).to_string();
    let mut command = Command::new(&tools.mke2fs);
    command
        .args(["-q", "-F", "-t", "ext2", "-m", "0", "-L", "anchorite"])
        .args(["-b", &BLOCK_BYTES.to_string(), "-N", &inodes, "-E", &options])
        .args(["-O", "^resize_inode,^dir_index", "-d"])
        .arg(staged.root())
        .arg(path_of(file))
        .arg(format!("{}k", partition_bytes >> 10));
    run(command)?;
    let first = fs::read(tools.grub.join(FIRST_STAGE)).map_err(told)?;
    let first = first_sector(&first, partition_bytes)
        .ok_or_else(|| format!("{GRUB_DIR}/{FIRST_STAGE} is not whole"))?;
    file.write_all_at(&first, 0).map_err(told)?;
    file.write_all_at(core, SECTOR_BYTES).map_err(told)?;
    file.sync_data().map_err(told)
}

/// The first sector: GRUB's first stage, which goes on at the second one, and the partition.
fn first_sector(stage: &[u8], partition_bytes: u64) -> Option<[u8; SECTOR_BYTES as usize]> {
    const SIGNATURE: &[u8; 4] = b"anch";
    const BOOTS: u8 = 0x80;
    const LINUX: u8 = 0x83;
    // Too far for cylinders, heads and sectors, so that addresses of blocks count.
    const FAR: [u8; 3] = [0xfe, 0xff, 0xff];
    let mut sector = [0; SECTOR_BYTES as usize];
    sector[..FIRST_STAGE_BYTES].copy_from_slice(stage.get(..FIRST_STAGE_BYTES)?);
    sector[440..444].copy_from_slice(SIGNATURE);
    let number = |bytes: u64| u32::try_from(bytes / SECTOR_BYTES).ok().map(u32::to_le_bytes);
    let entry =
        [&[BOOTS][..], &FAR, &[LINUX], &FAR, &number(PARTITION_START)?, &number(partition_bytes)?]
            .concat();
    sector[446..462].copy_from_slice(&entry);
    sector[510..].copy_from_slice(&[0x55, 0xaa]);
    Some(sector)
}

/// How to try a disk: a line for a shell.
fn trial(disk: &Path, archives_bytes: u64) -> String {
    let memory_bytes = (2 * archives_bytes + TRIAL_BYTES).next_multiple_of(TRIAL_STEP_BYTES);
    let drive =
        format!("if=virtio,format=raw,file={}", disk.display().to_string().replace(',', ",,"));
    format!(
        "qemu-system-x86_64 -m {}M -display none -serial stdio -drive {}",
        memory_bytes / MIB,
        shell_words::quote(&drive)
    )
}

/// What of others' a disk is made with.
#[derive(Debug)]
struct Tools {
    mkimage: PathBuf,
    mke2fs: PathBuf,
    /// The directory of GRUB's parts.
    grub: PathBuf,
}

impl Tools {
    fn find() -> Result<Self> {
        Self::find_in(&search_dirs(), Path::new(GRUB_DIR))
    }

    fn find_in(dirs: &[PathBuf], grub: &Path) -> Result<Self> {
        let first = Some(grub.join(FIRST_STAGE)).filter(|path| path.is_file());
        let (mkimage, mke2fs) = (find_in(dirs, "grub-mkimage"), find_in(dirs, "mke2fs"));
        let missing: Vec<_> = [
            (mkimage.is_none(), "grub-mkimage", "grub-common"),
            (first.is_none(), "GRUB for a BIOS", "grub-pc-bin"),
            (mke2fs.is_none(), "mke2fs", "e2fsprogs"),
        ]
        .into_iter()
        .filter_map(|(is_missing, what, package)| is_missing.then_some((what, package)))
        .collect();
        match (mkimage, first, mke2fs) {
            (Some(mkimage), Some(_), Some(mke2fs)) => {
                Ok(Tools { mkimage, mke2fs, grub: grub.to_owned() })
            }
            _ => {
                let list = |of: fn(&(&'static str, &'static str)) -> &'static str, with: &str| {
                    missing.iter().map(of).collect::<Vec<_>>().join(with)
                };
                Err(Failure::isle(format!(
                    "what a disk is made with is missing, {}: apt-get install {}",
                    list(|(what, _)| what, " and "),
                    list(|(_, package)| package, " "),
                )))
            }
        }
    }

    /// GRUB's core, which is made in `dir`.
    fn core(&self, dir: &Path) -> Result<Vec<u8>> {
        let refuse = |why: String| {
            Failure::isle(format!(
                "grub-mkimage cannot make GRUB's core ({why}): apt-get install --reinstall \
                 grub-common grub-pc-bin"
            ))
        };
        let made = dir.join("core.img");
        let mut command = Command::new(&self.mkimage);
        command.args(["--format", "i386-pc", "--prefix", "(,msdos1)/boot/grub"]);
        command.arg("--directory").arg(&self.grub).arg("--output").arg(&made).args(MODULES);
        run(command).map_err(refuse)?;
        let core = fs::read(&made).map_err(|error| refuse(describe(&error)))?;
        if core.len() as u64 > PARTITION_START - SECTOR_BYTES {
            return Err(refuse(format!("its {} bytes are too many", core.len())));
        }
        Ok(core)
    }
}

/// Where programs are looked for.
fn search_dirs() -> Vec<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).chain(ROOTS_DIRS.map(PathBuf::from)).collect()
}

/// The path of a program.
fn find_in(dirs: &[PathBuf], name: &str) -> Option<PathBuf> {
    dirs.iter().map(|dir| dir.join(name)).find(|path| path.is_file())
}

/// Runs a program to its end; the error is a clause, with the last that it said.
fn run(mut command: Command) -> std::result::Result<(), String> {
    let name = Path::new(command.get_program()).file_name().unwrap_or(OsStr::new("it")).to_owned();
    let done = command.env("LC_ALL", "C").stdin(Stdio::null()).output();
    let done = done.map_err(|error| format!("{}: {}", name.display(), describe(&error)))?;
    if done.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&done.stderr);
    let last = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it does not say why");
    Err(format!("{}: {}", name.display(), last.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_told_with_its_packages() {
        let place = tempfile::tempdir().unwrap();
        let dirs = [place.path().to_owned()];
        let grub = place.path().join("grub");
        fs::create_dir(&grub).unwrap();
        let told = || Tools::find_in(&dirs, &grub).map_err(|failure| failure.to_string());
        let all = told().unwrap_err();
        assert!(all.ends_with("apt-get install grub-common grub-pc-bin e2fsprogs"), "{all}");
        fs::write(place.path().join("grub-mkimage"), "").unwrap();
        fs::write(grub.join(FIRST_STAGE), "").unwrap();
        let one = told().unwrap_err();
        assert!(one.ends_with("missing, mke2fs: apt-get install e2fsprogs"), "{one}");
        fs::write(place.path().join("mke2fs"), "").unwrap();
        assert!(told().is_ok());
    }

    #[test]
    fn the_partition_is_where_the_first_sector_says() {
        let stage = [7; 512];
        let sector = first_sector(&stage, 3 * MIB).unwrap();
        assert_eq!(sector[..440], stage[..440]);
        assert_eq!(sector[446..454], [0x80, 0xfe, 0xff, 0xff, 0x83, 0xfe, 0xff, 0xff]);
        assert_eq!(sector[454..462], [0, 8, 0, 0, 0, 24, 0, 0]);
        assert_eq!(sector[462..], [&[0; 48][..], &[0x55, 0xaa]].concat());
        assert_eq!(first_sector(&stage[..439], MIB), None);
        assert_eq!(first_sector(&stage, 1 << 42), None);
    }

    #[test]
    fn a_disk_is_tried_by_a_line_that_a_shell_takes() {
        let line = trial(Path::new("a b,c.raw"), 3 * MIB);
        assert!(line.contains(" -m 320M "), "{line}");
        assert!(line.ends_with(" 'if=virtio,format=raw,file=a b,,c.raw'"), "{line}");
    }
}

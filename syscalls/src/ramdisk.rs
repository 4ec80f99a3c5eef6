//! The ramdisk as a mounted file system: [`Files`] for its inodes.

use anchorite_fs::{
    Access, Attributes, Caller, Change, Created, EntryName, FileType, Inode, InodeRef, New, Sink,
};

use crate::device::Device;
use crate::file::Object;
use crate::node::Files;
use crate::walk::LastLink;
use crate::{Errno, Result};

impl Files for InodeRef {
    fn file_type(&self) -> Option<FileType> {
        Some(Inode::file_type(self))
    }

    fn child(&self, caller: &Caller<'_>, name: EntryName<'_>) -> Result<InodeRef> {
        self.lookup(caller, name.bytes)
    }

    fn parent(&self) -> Result<Option<InodeRef>> {
        Ok(Inode::parent(self))
    }

    fn attributes(&self, _: LastLink) -> Result<Attributes> {
        Ok(Inode::attributes(self))
    }

    fn check(&self, caller: &Caller<'_>, wanted: Access) -> Result<()> {
        Inode::check(self, caller, wanted)
    }

    fn open(&self, caller: &Caller<'_>, flags: i32) -> Result<Object> {
        Ok(match check_to_open(self, caller, flags)? {
            None => Object::Inode(self.clone()),
            Some(device) => Object::Device(device),
        })
    }

    fn create(&self, caller: &Caller<'_>, name: &[u8], new: New<'_>, mode: u32) -> Result<()> {
        Inode::create(self, caller, name, new, mode).map(drop)
    }

    fn unlink(&self, caller: &Caller<'_>, name: &[u8]) -> Result<()> {
        Inode::unlink(self, caller, name)
    }

    fn rmdir(&self, caller: &Caller<'_>, name: &[u8]) -> Result<()> {
        Inode::rmdir(self, caller, name)
    }

    fn read_link(&self, caller: &Caller<'_>, sink: &mut Sink<'_>) -> Result<usize> {
        Inode::read_link(self, caller, sink)
    }

    fn change(&self, caller: &Caller<'_>, change: Change) -> Result<()> {
        Inode::change(self, caller, change)
    }

    fn truncate(&self, caller: &Caller<'_>, size: u64) -> Result<()> {
        match Inode::file_type(self) {
            FileType::Directory => return Err(Errno::EISDIR),
            FileType::Regular => {}
            _ => return Err(Errno::EINVAL),
        }
        Inode::check(self, caller, Access::WRITE)?;
        Inode::truncate(self, caller, size)
    }
}

/// Opens a file, as far as it is to be asked and emptied; which device it is, if it is one.
///
/// # Errors
/// Those of [`Files::open`].
pub(crate) fn check_to_open(
    file: &InodeRef,
    caller: &Caller<'_>,
    flags: i32,
) -> Result<Option<Device>> {
    let wanted = wanted_access(flags);
    match Inode::file_type(file) {
        FileType::Symlink => return Err(Errno::ELOOP),
        FileType::Directory if wanted.contains(Access::WRITE) => return Err(Errno::EISDIR),
        _ => {}
    }
    if !wanted.is_empty() {
        Inode::check_to_transfer(file, caller, wanted)?;
    }
    let who = caller.credentials;
    let owns = || who.is_root() || who.uid == Inode::attributes(file).uid;
    if flags & libc::O_NOATIME != 0 && !owns() {
        return Err(Errno::EPERM);
    }
    if flags & libc::O_DIRECT != 0 && file.is_directory() {
        return Err(Errno::EINVAL);
    }
    match Inode::file_type(file) {
        FileType::Regular if flags & libc::O_TRUNC != 0 => Inode::truncate(file, caller, 0)?,
        FileType::Regular | FileType::Directory | FileType::Fifo => {}
        FileType::CharDevice => {
            let device = Device::by_number(Inode::attributes(file).rdev)?;
            let direct = flags & libc::O_DIRECT != 0;
            return if direct { Err(Errno::EINVAL) } else { Ok(Some(device)) };
        }
        // There is nobody behind a socket, and no driver of a block device.
        _ => return Err(Errno::ENXIO),
    }
    Ok(None)
}

/// The file that `name` names in a directory, made if there is none; and whether it was.
///
/// # Errors
/// Those of [`Inode::create`]; EEXIST only if it is to be made in any case.
pub(crate) fn find_or_make(
    directory: &InodeRef,
    caller: &Caller<'_>,
    name: &[u8],
    is_exclusive: bool,
    mode: u32,
) -> Result<(InodeRef, Created)> {
    if is_exclusive {
        let made = Inode::create(directory, caller, name, New::Regular, mode)?;
        return Ok((made, Created::Yes));
    }
    Inode::find_or_create(directory, caller, name, mode)
}

/// The access that open flags ask for. The fourth access mode, which Linux has for
/// `ioctl(2)` alone, asks for both.
pub(crate) fn wanted_access(flags: i32) -> Access {
    let wanted = match flags & libc::O_ACCMODE {
        libc::O_RDONLY => Access::READ,
        libc::O_WRONLY => Access::WRITE,
        _ => Access::READ | Access::WRITE,
    };
    if flags & libc::O_TRUNC != 0 { wanted | Access::WRITE } else { wanted }
}

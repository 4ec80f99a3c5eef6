//! [`Watches`]: which instance watches which files for what, and to whom an event goes.

use alloc::vec::Vec;

use anchorite_fs::{FileId, FileType, Gone};
use hashbrown::HashTable;

use super::queue::Queue;
use crate::{Errno, Platform, Result};

/// Instances, at most: Linux' `max_user_instances`.
const INSTANCES_MAX: usize = 128;
/// What happens to files; the other bits of a mask say how to watch.
const EVENTS: u32 = libc::IN_ALL_EVENTS;
/// The bits of a mask that a watch keeps.
const KEPT: u32 = EVENTS | libc::IN_EXCL_UNLINK | libc::IN_ONESHOT;

/// All instances and what they watch.
pub(super) struct Watches {
    /// Each by its number; none where one was closed.
    instances: Vec<Option<Group>>,
    files: HashTable<Watched>,
    /// How many watches there are, and can be.
    count: usize,
    most: usize,
    /// The last that was given to a rename.
    cookie: u32,
}

/// An instance.
struct Group {
    queue: Queue,
    /// The last watch descriptor that was given.
    last_wd: i32,
    /// The files of its watch descriptors.
    files: HashTable<(i32, FileId)>,
}

/// A file that is watched.
struct Watched {
    file: FileId,
    /// The oldest first. One at most of each instance; never none.
    watches: Vec<Watch>,
}

#[derive(Clone, Copy)]
struct Watch {
    instance: usize,
    wd: i32,
    mask: u32,
}

/// What happened, as it is told to those who watch a file.
#[derive(Clone, Copy)]
pub(super) struct Event<'a> {
    pub(super) mask: u32,
    pub(super) cookie: u32,
    /// Of the entry, for those who watch its directory; else empty.
    pub(super) name: &'a [u8],
    /// Whether it happened through an open file that has lost its name: IN_EXCL_UNLINK.
    pub(super) is_unlinked: bool,
}

impl Event<'_> {
    /// Of the file itself.
    pub(super) fn of_self(mask: u32) -> Event<'static> {
        Event { mask, cookie: 0, name: b"", is_unlinked: false }
    }
}

fn hash(file: FileId) -> u64 {
    (file.number.0 ^ file.device << 48).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn hash_wd(wd: i32) -> u64 {
    (wd as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl Watches {
    /// None, of which there can be `most`.
    pub(super) fn new(most: usize) -> Watches {
        let files = HashTable::new();
        Watches { instances: Vec::new(), files, count: 0, most, cookie: 0 }
    }

    /// Adds an instance; its number.
    ///
    /// # Errors
    /// EMFILE; ENOMEM.
    pub(super) fn create(&mut self) -> Result<usize> {
        let group = Group { queue: Queue::new()?, last_wd: 0, files: HashTable::new() };
        let free = self.instances.iter().position(Option::is_none);
        let at = match free {
            Some(at) => at,
            None if self.instances.len() == INSTANCES_MAX => return Err(Errno::EMFILE),
            None => {
                self.instances.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
                self.instances.push(None);
                self.instances.len() - 1
            }
        };
        self.instances[at] = Some(group);
        Ok(at)
    }

    /// Ends an instance, with its watches; whether it was the last.
    pub(super) fn end(&mut self, instance: usize) -> bool {
        if let Some(group) = self.instances.get_mut(instance).and_then(Option::take) {
            for (_, file) in &group.files {
                self.forget(*file, instance);
            }
        }
        !self.is_on()
    }

    /// Whether there is any instance.
    pub(super) fn is_on(&self) -> bool {
        self.instances.iter().any(Option::is_some)
    }

    /// The queue of an instance that is there.
    pub(super) fn queue(&mut self, instance: usize) -> Option<&mut Queue> {
        self.group(instance).map(|group| &mut group.queue)
    }

    fn group(&mut self, instance: usize) -> Option<&mut Group> {
        self.instances.get_mut(instance)?.as_mut()
    }

    /// Lets an instance watch a file, or changes how it does; the watch descriptor.
    ///
    /// # Errors
    /// EEXIST with IN_MASK_CREATE; ENOSPC; ENOMEM.
    pub(super) fn add(&mut self, instance: usize, file: FileId, mask: u32) -> Result<i32> {
        let kept = mask & KEPT;
        let same = self.files.find_mut(hash(file), |watched| watched.file == file);
        let same = same.and_then(|watched| {
            watched.watches.iter_mut().find(|watch| watch.instance == instance)
        });
        if let Some(watch) = same {
            if mask & libc::IN_MASK_CREATE != 0 {
                return Err(Errno::EEXIST);
            }
            watch.mask = if mask & libc::IN_MASK_ADD != 0 { watch.mask | kept } else { kept };
            return Ok(watch.wd);
        }
        if self.count >= self.most {
            return Err(Errno::ENOSPC);
        }
        // Room first: what follows cannot fail.
        self.files.try_reserve(1, |watched| hash(watched.file)).map_err(|_| Errno::ENOMEM)?;
        let mut first = Vec::new();
        let watched = self.files.find_mut(hash(file), |watched| watched.file == file);
        let room = watched.map_or(&mut first, |watched| &mut watched.watches);
        room.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        let group = self.group(instance).ok_or(Errno::EINVAL)?;
        group.files.try_reserve(1, |(wd, _)| hash_wd(*wd)).map_err(|_| Errno::ENOMEM)?;
        let wd = group.new_wd();
        group.files.insert_unique(hash_wd(wd), (wd, file), |(wd, _)| hash_wd(*wd));
        let watch = Watch { instance, wd, mask: kept };
        match self.files.find_mut(hash(file), |watched| watched.file == file) {
            Some(watched) => watched.watches.push(watch),
            None => {
                first.push(watch);
                let watched = Watched { file, watches: first };
                self.files.insert_unique(hash(file), watched, |watched| hash(watched.file));
            }
        }
        self.count += 1;
        Ok(wd)
    }

    /// Ends a watch.
    ///
    /// # Errors
    /// EINVAL if there is none.
    pub(super) fn remove(
        &mut self,
        platform: &dyn Platform,
        instance: usize,
        wd: i32,
    ) -> Result<()> {
        let group = self.group(instance).ok_or(Errno::EINVAL)?;
        let (_, file) =
            *group.files.find(hash_wd(wd), |(known, _)| *known == wd).ok_or(Errno::EINVAL)?;
        self.ignore(platform, file, Watch { instance, wd, mask: 0 });
        Ok(())
    }

    /// Tells all who watch `file` for it.
    pub(super) fn tell(&mut self, platform: &dyn Platform, file: FileId, event: Event<'_>) {
        let mut at = 0;
        while let Some(watch) = self.watch_at(file, at) {
            at += 1;
            let excludes = event.is_unlinked && watch.mask & libc::IN_EXCL_UNLINK != 0;
            if watch.mask & event.mask & EVENTS == 0 || excludes {
                continue;
            }
            if let Some(queue) = self.queue(watch.instance) {
                queue.push(platform, (watch.wd, event.mask), event.cookie, event.name);
            }
            if watch.mask & libc::IN_ONESHOT != 0 {
                self.ignore(platform, file, watch);
                at -= 1;
            }
        }
    }

    /// Tells all who watch `file` that it goes, and ends their watches.
    pub(super) fn gone(&mut self, platform: &dyn Platform, file: FileId, how: Gone) {
        if how == Gone::Deleted {
            self.tell(platform, file, Event::of_self(libc::IN_DELETE_SELF));
        }
        while let Some(watch) = self.watch_at(file, 0) {
            if let Gone::Unmounted(file_type) = how
                && let Some(queue) = self.queue(watch.instance)
            {
                // Nobody can choose not to hear of it.
                let is_dir = if file_type == FileType::Directory { libc::IN_ISDIR } else { 0 };
                queue.push(platform, (watch.wd, libc::IN_UNMOUNT | is_dir), 0, b"");
            }
            self.ignore(platform, file, watch);
        }
    }

    /// What the two events of a rename have in common, and no other: never 0.
    pub(super) fn new_cookie(&mut self) -> u32 {
        self.cookie = self.cookie.checked_add(1).unwrap_or(1);
        self.cookie
    }

    fn watch_at(&self, file: FileId, at: usize) -> Option<Watch> {
        let watched = self.files.find(hash(file), |watched| watched.file == file)?;
        watched.watches.get(at).copied()
    }

    /// Ends a watch and tells its instance so.
    fn ignore(&mut self, platform: &dyn Platform, file: FileId, watch: Watch) {
        self.forget(file, watch.instance);
        if let Some(group) = self.group(watch.instance) {
            if let Ok(entry) = group.files.find_entry(hash_wd(watch.wd), |(wd, _)| *wd == watch.wd)
            {
                entry.remove();
            }
            group.queue.push(platform, (watch.wd, libc::IN_IGNORED), 0, b"");
        }
    }

    /// Takes the watch of an instance from a file.
    fn forget(&mut self, file: FileId, instance: usize) {
        let Ok(mut entry) = self.files.find_entry(hash(file), |watched| watched.file == file)
        else {
            return;
        };
        let watches = &mut entry.get_mut().watches;
        if let Some(at) = watches.iter().position(|watch| watch.instance == instance) {
            watches.remove(at);
            self.count -= 1;
        }
        if watches.is_empty() {
            entry.remove();
        }
    }
}

impl Group {
    /// The next watch descriptor: none comes again before all others did.
    fn new_wd(&mut self) -> i32 {
        loop {
            self.last_wd = self.last_wd.checked_add(1).unwrap_or(1);
            let wd = self.last_wd;
            if self.files.find(hash_wd(wd), |(known, _)| *known == wd).is_none() {
                return wd;
            }
        }
    }
}

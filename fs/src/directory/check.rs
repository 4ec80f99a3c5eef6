//! Whether a directory's log and index agree.

use super::{CHUNK, Directory, Entry, FEW, FEW_GAPS, FIRST_COOKIE, Slot};
use crate::check::{Problem, Report};
use crate::inode::{InodeNo, InodeRef};
use crate::mem::try_bytes;
use crate::ramdisk::Superblock;
use crate::{NAME_MAX, Result};

impl Directory {
    /// Each entry, gaps left out: its name, its cookie and what it names.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&[u8], u64, &InodeRef)> {
        let entries = self.chunks.iter().flatten();
        entries
            .filter_map(|entry| Some((entry.name.as_bytes(), entry.cookie, entry.child.as_ref()?)))
    }

    /// Checks the directory with this number, by itself.
    ///
    /// # Errors
    /// ENOMEM.
    pub(crate) fn check(
        &self,
        directory: InodeNo,
        superblock: &Superblock,
        report: &mut Report,
    ) -> Result<()> {
        let mut entries = 0;
        let mut gaps = 0;
        let mut before = None;
        for (chunk, in_chunk) in self.chunks.iter().enumerate() {
            let len = in_chunk.len();
            if len > CHUNK || len < CHUNK && chunk + 1 < self.chunks.len() {
                report.problem(Problem::Chunk { directory, chunk, len })?;
            }
            for (position, entry) in in_chunk.iter().enumerate() {
                let least = before.map_or(FIRST_COOKIE, |before: u64| before.saturating_add(1));
                let cookie = entry.cookie;
                if cookie < least {
                    let neighbour = least - 1;
                    report.problem(Problem::Cookie { directory, cookie, neighbour })?;
                }
                before = Some(cookie);
                if entry.is_gap() {
                    gaps += 1;
                    continue;
                }
                entries += 1;
                self.check_entry(directory, superblock, chunk * CHUNK + position, entry, report)?;
            }
        }
        if let Some(cookie) = before.filter(|&last| last >= self.next_cookie) {
            let neighbour = self.next_cookie;
            report.problem(Problem::Cookie { directory, cookie, neighbour })?;
        }
        let last = self.chunks.iter().flatten().next_back();
        if last.is_some_and(Entry::is_gap) || entries + gaps > 2 * entries + FEW_GAPS {
            report.problem(Problem::Gaps { directory, gaps, entries })?;
        }
        if self.live != entries {
            report.problem(Problem::EntryCount { directory, counted: self.live, entries })?;
        }
        for slot in self.index.slots() {
            if self.at(slot as usize).is_none_or(Entry::is_gap) {
                report.problem(Problem::Dangling { directory, slot })?;
            }
        }
        let indexed = self.index.len();
        let wanted = if self.is_indexed() || entries + gaps > FEW { entries } else { 0 };
        if indexed != wanted {
            report.problem(Problem::IndexCount { directory, indexed, entries })?;
        }
        Ok(())
    }

    fn check_entry(
        &self,
        directory: InodeNo,
        superblock: &Superblock,
        at: usize,
        entry: &Entry,
        report: &mut Report,
    ) -> Result<()> {
        let name = entry.name.as_bytes();
        let is_dots = matches!(name, b"" | b"." | b"..");
        if is_dots || name.len() > NAME_MAX || name.iter().any(|byte| matches!(byte, 0 | b'/')) {
            report.problem(Problem::Name { directory, name: try_bytes(name)? })?;
        }
        if entry.hash != superblock.hash(name) {
            return report.problem(Problem::Hash { directory, name: try_bytes(name)? });
        }
        if !self.is_indexed() {
            return match self.find(|| entry.hash, name) {
                Some(Slot(first)) if first as usize == at => Ok(()),
                _ => report.problem(Problem::SameName { directory, name: try_bytes(name)? }),
            };
        }
        // Not `find`: it relies on what is checked here.
        let has_name = |slot: u32| {
            self.at(slot as usize).is_some_and(|other| {
                !other.is_gap() && other.hash == entry.hash && other.name.as_bytes() == name
            })
        };
        match self.index.find(entry.hash, has_name) {
            Some(slot) if slot as usize == at => Ok(()),
            Some(_) => report.problem(Problem::SameName { directory, name: try_bytes(name)? }),
            None => report.problem(Problem::Unindexed { directory, name: try_bytes(name)? }),
        }
    }

    fn at(&self, slot: usize) -> Option<&Entry> {
        self.chunks.get(slot / CHUNK)?.get(slot % CHUNK)
    }
}

#[cfg(test)]
mod tests;

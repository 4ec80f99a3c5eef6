//! Whether a file's size, its pages and its count of them agree.

use core::slice;

use super::lent::{bytes_of, is_lent};
use super::{Branch, FEW_SLOT_BITS, FileData, PAGE, SLOT_BITS, SMALLEST_BUFFER};
use crate::check::{Problem, Report};
use crate::{InodeNo, MAX_FILE_BYTES, PAGE_BYTES, Result};

/// Levels of nodes that the largest file takes.
const HIGHEST: u8 = (MAX_FILE_BYTES / PAGE).ilog2().div_ceil(SLOT_BITS) as u8;

impl FileData {
    /// Checks the file with this number; adds its pages to the report.
    ///
    /// # Errors
    /// ENOMEM.
    pub(crate) fn check(&self, ino: InodeNo, report: &mut Report) -> Result<()> {
        if self.size > MAX_FILE_BYTES {
            report.problem(Problem::Size { ino, size: self.size })?;
        }
        let mut survey = Survey { first_behind: self.size.div_ceil(PAGE), ..Survey::default() };
        let smallest = SMALLEST_BUFFER.ilog2();
        if self.is_lent_whole() {
            report.lent += 1;
            report.pages += self.pages();
            let pages = self.size.div_ceil(PAGE);
            if self.root.is_null() || pages != self.pages() {
                return report.problem(Problem::PageCount { ino, counted: self.pages(), pages });
            }
            return Ok(());
        }
        if self.root.is_null() {
            if self.height > 0 {
                return report.problem(Problem::Height { ino, height: self.height });
            }
        } else if self.height > HIGHEST {
            // What the root is cannot be known.
            return report.problem(Problem::Height { ino, height: self.height });
        } else if self.height > 0 {
            if ![FEW_SLOT_BITS, SLOT_BITS].contains(&self.root_slot_bits()) {
                return report.problem(Problem::Reach { ino, reach_log2: self.reach_log2 });
            }
            // SAFETY: this file's tree, which is borrowed.
            unsafe { survey.node(self.tree()) };
        } else if !(smallest..=PAGE_BYTES.ilog2()).contains(&self.reach_log2.into()) {
            return report.problem(Problem::Buffer { ino, capacity_log2: self.reach_log2 });
        } else {
            // SAFETY: the root is a buffer of this capacity. Behind the file's end it is not
            // initialised, but there only a page wholly behind it is looked at.
            unsafe { survey.page(self.root, 1 << self.reach_log2, 0) };
        }
        report.pages += survey.pages;
        report.pages_behind_end += survey.behind;
        report.lent += survey.lent;
        if survey.pages != self.pages() {
            let (counted, pages) = (self.pages(), survey.pages);
            report.problem(Problem::PageCount { ino, counted, pages })?;
        }
        if survey.empty_nodes > 0 {
            report.problem(Problem::EmptyNodes { ino, nodes: survey.empty_nodes })?;
        }
        if let Some(page) = survey.not_zero {
            report.problem(Problem::NotZero { ino, page })?;
        }
        Ok(())
    }
}

/// What a walk of a file's tree has met so far.
#[derive(Default)]
struct Survey {
    /// The first page that lies wholly behind the end.
    first_behind: u64,
    pages: u64,
    /// Those from `first_behind` on.
    behind: u64,
    /// The first of those that is not all zeros.
    not_zero: Option<u64>,
    /// Those that are lent.
    lent: u64,
    /// Nodes that lead to no page.
    empty_nodes: u64,
}

impl Survey {
    /// Walks the tree below a node. Recursion is as deep as the tree: nine levels.
    ///
    /// # Safety
    /// The branch is a tree's, and nobody changes that.
    unsafe fn node(&mut self, branch: Branch) {
        let pages_before = self.pages;
        for number in 0..branch.slots() {
            // SAFETY: a node's slot, by the caller's promise.
            let child = unsafe { *branch.slot(number) };
            if child.is_null() {
                continue;
            }
            if branch.is_lowest() {
                self.lent += u64::from(is_lent(child));
                // SAFETY: in the lowest level, what is not null is a page.
                unsafe { self.page(bytes_of(child), PAGE_BYTES, branch.pages(number).start) };
            } else {
                // SAFETY: above the lowest level, what is not null is a node.
                unsafe { self.node(branch.below(number, child)) };
            }
        }
        self.empty_nodes += u64::from(self.pages == pages_before);
    }

    /// Counts the page with this number.
    ///
    /// # Safety
    /// `page` holds `len` bytes, initialised if the page lies wholly behind the end.
    unsafe fn page(&mut self, page: *const u8, len: usize, number: u64) {
        self.pages += 1;
        if number < self.first_behind {
            return;
        }
        self.behind += 1;
        // SAFETY: the caller's promise.
        let bytes = unsafe { slice::from_raw_parts(page, len) };
        if self.not_zero.is_none() && bytes.iter().any(|&byte| byte != 0) {
            self.not_zero = Some(number);
        }
    }
}

#[cfg(test)]
mod tests;

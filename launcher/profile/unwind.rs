//! [`Unwinder`]: from a guest's registers and its stack to the chain of its calls.
//!
//! Code keeps no frame pointers, since they cost speed. What there is instead are the tables of
//! `.eh_frame` (System V ABI, AMD64 supplement, 4.2.4; DWARF 4, 6.4), which images have in their
//! file and not in what is loaded of them. They are turned once into rows of a few words, so that
//! a walk allocates nothing and takes no lock: it can be done in a signal's handler.

use gimli::{
    BaseAddresses, CfaRule, CieOrFde, EhFrame, LittleEndian, Register, RegisterRule, UnwindContext,
    UnwindSection, X86_64,
};
use goblin::elf::Elf;
use goblin::elf::section_header::SHT_NOBITS;

/// The most calls that a stack is told with.
pub const MAX_FRAMES: usize = 192;

/// Registers that a walk begins with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Registers {
    /// Where the next instruction is: RIP.
    pub at: u64,
    /// RSP.
    pub stack: u64,
    /// RBP.
    pub base: u64,
}

/// How a walk ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Walked {
    /// How many addresses it gave, the innermost first.
    pub frames: usize,
    /// Whether the last one is where the stack begins.
    pub is_whole: bool,
}

/// Up to the next row, how the caller's registers are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Row {
    start: u64,
    rule: Rule,
}

/// A place relative to a register or to the frame, in bytes.
type Offset = i32;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    /// No table tells of it: code in assembler.
    Unknown,
    /// There is no caller.
    End,
    /// The frame begins at the stack pointer and so much, and has RBP at an offset from there
    /// unless that is the caller's still.
    Stack(Offset, Option<Offset>),
    /// The same by RBP.
    Base(Offset, Option<Offset>),
}

/// What a walk needs to know of an image; addresses in it are as in its file.
#[derive(Debug)]
pub struct Unwinder {
    /// By their start.
    rows: Vec<Row>,
    /// Where code is.
    code: Vec<(u64, u64)>,
}

impl Unwinder {
    /// Reads the tables of an image; the error is the end of a sentence that begins with its
    /// name.
    pub fn new(elf: &[u8]) -> Result<Self, String> {
        let unread = |error: String| format!("its tables for unwinding are damaged ({error})");
        let parsed = Elf::parse(elf).map_err(|error| unread(error.to_string()))?;
        let code = code(&parsed);
        let Some((address, bytes)) = section(&parsed, elf, ".eh_frame") else {
            return Err("it has no tables for unwinding: build it anew".to_owned());
        };
        let rows = rows(address, bytes).map_err(|error| unread(error.to_string()))?;
        Ok(Unwinder { rows, code })
    }

    /// Writes the addresses of the calls that lead to `registers` to `frames`. `base` is where
    /// the image is; `read` reads a word of the guest's memory.
    pub fn walk(
        &self,
        mut registers: Registers,
        base: u64,
        read: &mut dyn FnMut(u64) -> Option<u64>,
        frames: &mut [u64],
    ) -> Walked {
        let mut count = 0;
        let ended = |frames, is_whole| Walked { frames, is_whole };
        while let Some(frame) = frames.get_mut(count) {
            let at = registers.at.wrapping_sub(base);
            *frame = at;
            count += 1;
            if !self.is_code(at) {
                return ended(count, false);
            }
            // A call may be a function's last instruction, so look at where it is.
            let probe = if count == 1 { at } else { at - 1 };
            let (start, saved) = match self.rule(probe) {
                Rule::End => return ended(count, true),
                // What assembler calls nothing has left the return address where it was.
                Rule::Unknown if count == 1 => (registers.stack.wrapping_add(8), None),
                Rule::Unknown => return ended(count, true),
                Rule::Stack(offset, saved) => (add(registers.stack, offset), saved),
                Rule::Base(offset, saved) => (add(registers.base, offset), saved),
            };
            let Some(caller) = read(start.wrapping_sub(8)) else { return ended(count, false) };
            if caller == 0 {
                return ended(count, true);
            }
            if !self.is_code(caller.wrapping_sub(base)) {
                return ended(count, false);
            }
            if let Some(saved) = saved {
                match read(add(start, saved)) {
                    Some(value) => registers.base = value,
                    None => return ended(count, false),
                }
            }
            // A stack that does not shrink is none.
            if start <= registers.stack {
                return ended(count, false);
            }
            registers.at = caller;
            registers.stack = start;
        }
        ended(count, false)
    }

    fn is_code(&self, at: u64) -> bool {
        self.code.iter().any(|(start, end)| (*start..*end).contains(&at))
    }

    fn rule(&self, at: u64) -> Rule {
        let after = self.rows.partition_point(|row| row.start <= at);
        after.checked_sub(1).map_or(Rule::Unknown, |row| self.rows[row].rule)
    }
}

fn add(address: u64, offset: Offset) -> u64 {
    address.wrapping_add_signed(offset.into())
}

/// Where an image's code is: each part's start and end.
pub fn code(elf: &Elf<'_>) -> Vec<(u64, u64)> {
    let parts = elf.program_headers.iter().filter(|it| it.is_executable());
    parts.map(|it| (it.p_vaddr, it.p_vaddr.saturating_add(it.p_memsz))).collect()
}

/// The address and the bytes of a section.
pub fn section<'a>(elf: &Elf<'_>, bytes: &'a [u8], name: &str) -> Option<(u64, &'a [u8])> {
    let found = elf
        .section_headers
        .iter()
        .find(|header| elf.shdr_strtab.get_at(header.sh_name) == Some(name))?;
    if found.sh_type == SHT_NOBITS {
        return None;
    }
    let start = usize::try_from(found.sh_offset).ok()?;
    let end = start.checked_add(usize::try_from(found.sh_size).ok()?)?;
    Some((found.sh_addr, bytes.get(start..end)?))
}

fn rows(address: u64, bytes: &[u8]) -> Result<Vec<Row>, gimli::Error> {
    let tables = EhFrame::new(bytes, LittleEndian);
    let bases = BaseAddresses::default().set_eh_frame(address);
    let mut context = UnwindContext::new();
    let mut rows = Vec::new();
    let mut entries = tables.entries(&bases);
    while let Some(entry) = entries.next()? {
        let CieOrFde::Fde(partial) = entry else { continue };
        let function = partial.parse(EhFrame::cie_from_offset)?;
        // What was left out by the linker.
        if function.initial_address() == 0 {
            continue;
        }
        let mut table = function.rows(&tables, &bases, &mut context)?;
        while let Some(row) = table.next_row()? {
            let offset = |offset: i64| Offset::try_from(offset).ok();
            let saved = match row.register(X86_64::RBP) {
                Some(RegisterRule::Offset(at)) => offset(at),
                _ => None,
            };
            let rule = match (row.register(X86_64::RA), row.cfa()) {
                (Some(RegisterRule::Undefined), _) => Rule::End,
                (_, CfaRule::RegisterAndOffset { register, offset: at }) => {
                    match (*register, offset(*at)) {
                        (Register(7), Some(at)) => Rule::Stack(at, saved),
                        (Register(6), Some(at)) => Rule::Base(at, saved),
                        _ => Rule::Unknown,
                    }
                }
                _ => Rule::Unknown,
            };
            rows.push(Row { start: row.start_address(), rule });
        }
        rows.push(Row { start: function.end_address(), rule: Rule::Unknown });
    }
    // Where a function follows at once, its own row is the one that counts.
    rows.sort_by_key(|row| (row.start, row.rule != Rule::Unknown));
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unwinder(rules: &[(u64, Rule)]) -> Unwinder {
        let rows = rules.iter().map(|&(start, rule)| Row { start, rule }).collect();
        Unwinder { rows, code: vec![(0x1000, 0x2000)] }
    }

    /// Walks over a stack that begins at 0x8000, in an image at 0x10_0000.
    fn walk(unwinder: &Unwinder, registers: Registers, stack: &[u64]) -> (Vec<u64>, bool) {
        let mut frames = [0; 8];
        let mut read = |at: u64| stack.get((at.checked_sub(0x8000)? / 8) as usize).copied();
        let walked = unwinder.walk(registers, 0x10_0000, &mut read, &mut frames);
        (frames[..walked.frames].to_vec(), walked.is_whole)
    }

    #[test]
    fn calls_are_found_by_either_register_to_the_end() {
        let unwinder = unwinder(&[
            (0x1000, Rule::Stack(16, None)),
            (0x1100, Rule::Base(16, Some(-16))),
            (0x1200, Rule::End),
            (0x1300, Rule::Unknown),
        ]);
        let registers = Registers { at: 0x10_1010, stack: 0x8000, base: 0x8010 };
        // Called by the second function, whose frame has RBP and is called by the third.
        let stack = [7, 0x10_1120, 0, 0x10_1220];
        let stack_of = |stack: &[u64]| walk(&unwinder, registers, stack);
        assert_eq!(stack_of(&stack), (vec![0x1010, 0x1120, 0x1220], true));
        // No caller; a caller in no code; a stack that is not there.
        assert_eq!(stack_of(&[7, 0]), (vec![0x1010], true));
        assert_eq!(stack_of(&[7, 0x20_0000]), (vec![0x1010], false));
        assert_eq!(stack_of(&[7]), (vec![0x1010], false));
        // A leaf in assembler.
        let leaf = Registers { at: 0x10_1310, ..registers };
        assert_eq!(walk(&unwinder, leaf, &[0x10_1220]), (vec![0x1310, 0x1220], true));
        let nowhere = Registers { at: 0x55, ..registers };
        assert!(!walk(&unwinder, nowhere, &stack).1);
    }

    #[test]
    fn a_stack_that_leads_round_ends() {
        let unwinder = unwinder(&[(0x1000, Rule::Base(0, None))]);
        let registers = Registers { at: 0x10_1010, stack: 0x8000, base: 0x8008 };
        let (frames, is_whole) = walk(&unwinder, registers, &[0x10_1010; 4]);
        assert_eq!((frames.len(), is_whole), (2, false));
    }
}

//! The console: what the program writes and the kernel logs, on its way out.
//!
//! Standard output is buffered by line: one send carries all the whole lines of
//! a write, since each send is a hypercall (25 µs where KVM is page-table
//! virtualised). It leaves at a line feed, at a full buffer, before anything is
//! sent on another stream (so that the order is right), and at the end. Standard
//! error and the log are not buffered.
//!
//! In [`Format::Framed`] each send is one or more of [`anchorite_interface`]'s
//! frames; in [`Format::Plain`] it is the text, and the log's lines start with
//! `anchorite: `.
//!
//! The lock that protects the console, and the hypercall below it, are the
//! bare-metal side's; this part is portable.

use anchorite_interface::{HEADER_BYTES, Kind, MAX_PAYLOAD_BYTES, header};

use crate::cmdline::Format;

/// Bytes of standard output that wait for their line feed.
pub const LINE_BYTES: usize = 4096;
/// What a line of the log starts with in plain output.
const LOG_PREFIX: &[u8] = b"anchorite: ";

/// Where the console's bytes go.
pub trait Sink {
    /// Sends all of `bytes`; there is at least one.
    fn send(&mut self, bytes: &[u8]);
}

/// A console.
#[derive(Debug)]
pub struct Console<S> {
    sink: S,
    format: Format,
    /// Room for a frame's header, then standard output's unfinished line.
    line: [u8; HEADER_BYTES + LINE_BYTES],
    /// Bytes of the unfinished line.
    len: usize,
    /// Whether what was sent last ended in the middle of a line.
    is_in_line: bool,
}

impl<S: Sink> Console<S> {
    /// A console on `sink`, plain until [`Console::set_format`].
    pub const fn new(sink: S) -> Self {
        Self {
            sink,
            format: Format::Plain,
            line: [0; HEADER_BYTES + LINE_BYTES],
            len: 0,
            is_in_line: false,
        }
    }

    /// Chooses the format, before anything is written.
    pub fn set_format(&mut self, format: Format) {
        self.format = format;
    }

    /// The format that was chosen.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Writes to standard output.
    pub fn stdout(&mut self, bytes: &[u8]) {
        let lines = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let (lines, rest) = bytes.split_at(lines);
        if !lines.is_empty() {
            if lines.len() > LINE_BYTES - self.len {
                self.flush();
                self.send(Kind::Stdout, lines);
            } else {
                self.append(lines);
                self.flush();
            }
        }
        for part in rest.chunks(LINE_BYTES) {
            if part.len() > LINE_BYTES - self.len {
                self.flush();
            }
            self.append(part);
        }
        if self.len == LINE_BYTES {
            self.flush();
        }
    }

    /// Writes to standard error.
    pub fn stderr(&mut self, bytes: &[u8]) {
        self.flush();
        self.send(Kind::Stderr, bytes);
    }

    /// Logs `line`, which ends without a line feed.
    pub fn log(&mut self, line: &[u8]) {
        self.flush();
        match self.format {
            Format::Framed => self.send(Kind::Log, line),
            Format::Plain => {
                // One send: built where standard output's line is not now.
                let line = &line[..line.len().min(LINE_BYTES - LOG_PREFIX.len() - 1)];
                self.append(LOG_PREFIX);
                self.append(line);
                self.append(b"\n");
                self.flush();
            }
        }
    }

    /// Tells the launcher something that is not for people, if there is a launcher.
    pub fn tell(&mut self, kind: Kind, payload: &[u8]) {
        if self.format == Format::Framed {
            self.flush();
            self.send(kind, payload);
        }
    }

    /// Sends the unfinished line, if there is one.
    pub fn flush(&mut self) {
        let len = self.len;
        if len == 0 {
            return;
        }
        self.len = 0;
        match self.format {
            Format::Plain => {
                self.is_in_line = self.line[HEADER_BYTES + len - 1] != b'\n';
                self.sink.send(&self.line[HEADER_BYTES..][..len]);
            }
            Format::Framed => {
                let header = header(Kind::Stdout, len as u32);
                self.line[..HEADER_BYTES].copy_from_slice(&header);
                self.sink.send(&self.line[..HEADER_BYTES + len]);
            }
        }
    }

    /// The last message: everything that waits, and the exit record.
    pub fn exit(&mut self, status: i32) {
        self.flush();
        self.tell(Kind::Exit, &status.to_le_bytes());
    }

    /// Begins a new line if plain output is in the middle of one. Nothing waits.
    pub fn end_line(&mut self) {
        if self.is_in_line {
            self.send(Kind::Stdout, b"\n");
        }
    }

    fn append(&mut self, bytes: &[u8]) {
        self.line[HEADER_BYTES + self.len..][..bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }

    /// Sends `bytes` at once. Nothing waits.
    fn send(&mut self, kind: Kind, bytes: &[u8]) {
        match self.format {
            Format::Plain if bytes.is_empty() => {}
            Format::Plain => {
                self.is_in_line = bytes.last() != Some(&b'\n');
                self.sink.send(bytes);
            }
            Format::Framed => {
                for payload in bytes.chunks(MAX_PAYLOAD_BYTES) {
                    let header = header(kind, payload.len() as u32);
                    if payload.len() <= LINE_BYTES {
                        // One send: the line's room is free now.
                        self.line[..HEADER_BYTES].copy_from_slice(&header);
                        self.line[HEADER_BYTES..][..payload.len()].copy_from_slice(payload);
                        self.sink.send(&self.line[..HEADER_BYTES + payload.len()]);
                    } else {
                        self.sink.send(&header);
                        self.sink.send(payload);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anchorite_interface::parse_header;
    use std::vec;
    use std::vec::Vec;

    #[derive(Default)]
    struct Sent(Vec<Vec<u8>>);

    impl Sink for Sent {
        fn send(&mut self, bytes: &[u8]) {
            assert!(!bytes.is_empty());
            self.0.push(bytes.to_vec());
        }
    }

    fn console(format: Format) -> Console<Sent> {
        let mut console = Console::new(Sent::default());
        console.set_format(format);
        console
    }

    /// The frames of everything that was sent.
    fn frames(console: &Console<Sent>) -> Vec<(Kind, Vec<u8>)> {
        let all = console.sink.0.concat();
        let mut rest = &all[..];
        let mut frames = vec![];
        while let Some((head, after)) = rest.split_first_chunk() {
            let (kind, len) = parse_header(head).unwrap();
            frames.push((kind, after[..len].to_vec()));
            rest = &after[len..];
        }
        assert!(rest.is_empty());
        frames
    }

    #[test]
    fn a_line_is_one_send() {
        let mut console = console(Format::Plain);
        console.stdout(b"a");
        console.stdout(b"b");
        assert!(console.sink.0.is_empty());
        console.stdout(b"c\nd\ne");
        assert_eq!(console.sink.0, [b"abc\nd\n"]);
        console.exit(0);
        assert_eq!(console.sink.0[1..], [b"e"]);
    }

    #[test]
    fn other_streams_come_after_what_was_written_before_them() {
        for format in [Format::Plain, Format::Framed] {
            let mut console = console(format);
            console.stdout(b"out");
            console.stderr(b"err");
            console.stdout(b"more");
            console.log(b"log");
            console.stdout(b"end");
            console.exit(3);
            if format == Format::Plain {
                assert_eq!(console.sink.0.concat(), b"outerrmoreanchorite: log\nend");
            } else {
                let want: [(Kind, &[u8]); 6] = [
                    (Kind::Stdout, b"out"),
                    (Kind::Stderr, b"err"),
                    (Kind::Stdout, b"more"),
                    (Kind::Log, b"log"),
                    (Kind::Stdout, b"end"),
                    (Kind::Exit, &[3, 0, 0, 0]),
                ];
                assert_eq!(frames(&console), want.map(|(kind, bytes)| (kind, bytes.to_vec())));
                assert_eq!(console.sink.0.len(), want.len());
            }
        }
    }

    #[test]
    fn what_is_for_the_launcher_is_not_for_people() {
        for (format, sent) in [(Format::Plain, 0), (Format::Framed, 2)] {
            let mut console = console(format);
            console.tell(Kind::Progress, &[0; 16]);
            console.tell(Kind::Exported, &[0; 4]);
            assert_eq!(console.sink.0.len(), sent);
        }
    }

    #[test]
    fn writes_of_every_size_arrive_whole() {
        let sizes = [
            0,
            1,
            LINE_BYTES - 1,
            LINE_BYTES,
            LINE_BYTES + 1,
            MAX_PAYLOAD_BYTES,
            MAX_PAYLOAD_BYTES + 1,
            200_000,
        ];
        for format in [Format::Plain, Format::Framed] {
            for first in [0, 1, 100, LINE_BYTES - 1] {
                for size in sizes {
                    for feed in [None, Some(0), Some(size / 2), size.checked_sub(1)] {
                        let mut text = vec![b'x'; size];
                        if let Some(byte) = feed.and_then(|at| text.get_mut(at)) {
                            *byte = b'\n';
                        }
                        let before = vec![b'y'; first];
                        let mut console = console(format);
                        console.stdout(&before);
                        console.stdout(&text);
                        console.flush();
                        let sent = match format {
                            Format::Plain => console.sink.0.concat(),
                            Format::Framed => {
                                frames(&console).into_iter().flat_map(|(_, bytes)| bytes).collect()
                            }
                        };
                        assert!(sent == [before, text].concat(), "{first} {size} {feed:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_line_of_plain_output_is_ended_once() {
        for (format, out, err, want) in [
            (Format::Plain, &b"a\nb"[..], &b""[..], &b"a\nb\nanchorite: end\n"[..]),
            (Format::Plain, b"a\n", b"", b"a\nanchorite: end\n"),
            (Format::Plain, b"a", b"b\n", b"ab\nanchorite: end\n"),
            (Format::Plain, b"a\n", b"b", b"a\nb\nanchorite: end\n"),
            (Format::Plain, b"", b"", b"anchorite: end\n"),
        ] {
            let mut console = console(format);
            console.stdout(out);
            console.stderr(err);
            console.exit(0);
            console.end_line();
            console.log(b"end");
            assert_eq!(console.sink.0.concat(), want);
        }
        let mut console = console(Format::Framed);
        console.stdout(b"a");
        console.flush();
        let sent = console.sink.0.len();
        console.end_line();
        assert_eq!(console.sink.0.len(), sent);
    }

    #[test]
    fn a_long_line_of_the_log_is_cut_in_plain_output() {
        let mut console = console(Format::Plain);
        console.log(&[b'z'; 2 * LINE_BYTES]);
        assert_eq!(console.sink.0.len(), 1);
        assert_eq!(console.sink.0[0].len(), LINE_BYTES);
        assert_eq!(console.sink.0[0].last(), Some(&b'\n'));
    }
}

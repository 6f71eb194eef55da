//! Bytes -> lines, with bounded memory: reading in blocks, a line at a time, whatever its length.

use std::io::{self, Read};

/// What a block read asks for; large enough that system calls do not matter, small enough for the cache.
const BLOCK: usize = 256 * 1024;

/// The longest line that is read; a longer one is passed over by streaming to its end.
pub const LONGEST: usize = 64 * 1024 * 1024;

/// A complete line, newline excluded, or what stands for one that was too long.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// A line, and the byte it begins at.
    Line(u64, &'a [u8]),
    /// A line longer than [`LONGEST`] began there.
    TooLong(u64),
}

/// Splits a reader into lines.
#[derive(Debug)]
pub struct Lines<R> {
    reader: R,
    buffer: Vec<u8>,
    /// The part of the buffer that has been read and not yet given out.
    start: usize,
    end: usize,
    /// How much of that part is known to hold no newline.
    searched: usize,
    /// Where `start` lies in the file.
    offset: u64,
    /// Where the line being passed over began.
    skipping: Option<u64>,
}

impl<R: Read> Lines<R> {
    /// Lines from here on; `offset` is the reader's position in its file. The buffer can be used again
    /// through [`Lines::into_buffer`].
    pub fn new(reader: R, offset: u64, mut buffer: Vec<u8>) -> Self {
        buffer.resize(buffer.len().max(BLOCK), 0);
        Self {
            reader,
            buffer,
            start: 0,
            end: 0,
            searched: 0,
            offset,
            skipping: None,
        }
    }

    /// The next complete line; `None` at the end, where [`Lines::rest`] holds what has no newline yet.
    ///
    /// # Errors
    /// What the reader says; the position stays after the last line given out.
    #[expect(
        clippy::should_implement_trait,
        reason = "the line borrows from the reader"
    )]
    pub fn next(&mut self) -> io::Result<Option<Piece<'_>>> {
        loop {
            let from = self.start + self.searched;
            if let Some(newline) = memchr::memchr(b'\n', &self.buffer[from..self.end]) {
                let (begin, end) = (self.start, from + newline);
                let at = self.offset;
                self.start = end + 1;
                self.searched = 0;
                self.offset += (self.start - begin) as u64;
                return Ok(Some(match self.skipping.take() {
                    Some(began) => Piece::TooLong(began),
                    None => Piece::Line(at, &self.buffer[begin..end]),
                }));
            }
            self.searched = self.end - self.start;
            if self.searched > LONGEST || self.skipping.is_some() {
                self.skipping.get_or_insert(self.offset);
                self.offset += self.searched as u64;
                (self.start, self.end, self.searched) = (0, 0, 0);
                self.buffer.truncate(BLOCK);
                self.buffer.shrink_to_fit();
            }
            if self.fill()? == 0 {
                return Ok(None);
            }
        }
    }

    fn fill(&mut self) -> io::Result<usize> {
        if self.end == self.buffer.len() {
            if self.start > 0 {
                self.buffer.copy_within(self.start..self.end, 0);
                self.end -= self.start;
                self.start = 0;
            }
            if self.buffer.len() - self.end < BLOCK / 2 {
                // Beyond that a line is passed over, so more room is never filled.
                let longer = (self.buffer.len() * 2).min(LONGEST + BLOCK);
                self.buffer.resize(longer, 0);
            }
        }
        loop {
            match self.reader.read(&mut self.buffer[self.end..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => {
                    let read = read?;
                    self.end += read;
                    return Ok(read);
                }
            }
        }
    }

    /// The byte after the last complete line; the beginning of one that is being passed over.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.skipping.unwrap_or(self.offset)
    }

    /// What follows the last newline.
    #[must_use]
    pub fn rest(&self) -> Option<Piece<'_>> {
        match self.skipping {
            Some(began) => Some(Piece::TooLong(began)),
            None if self.start == self.end => None,
            None => Some(Piece::Line(self.offset, &self.buffer[self.start..self.end])),
        }
    }

    /// The buffer, for the next file; grown ones are not kept.
    #[must_use]
    pub fn into_buffer(self) -> Vec<u8> {
        if self.buffer.len() > 4 * BLOCK {
            Vec::new()
        } else {
            self.buffer
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives out at most `step` bytes a read.
    struct Dribble<'a>(&'a [u8], usize);

    impl Read for Dribble<'_> {
        fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
            let some = self.0.len().min(self.1).min(to.len());
            to[..some].copy_from_slice(&self.0[..some]);
            self.0 = &self.0[some..];
            Ok(some)
        }
    }

    /// The lines with their places, what is left over, and the byte after the last line.
    type Split = (Vec<(u64, Vec<u8>)>, Option<(u64, Vec<u8>)>, u64);

    fn split(bytes: &[u8], step: usize) -> Split {
        let mut lines = Lines::new(Dribble(bytes, step), 0, Vec::new());
        let told = |piece: Piece<'_>| match piece {
            Piece::Line(at, line) => (at, line.to_vec()),
            Piece::TooLong(at) => (at, b"too long".to_vec()),
        };
        let mut found = Vec::new();
        while let Some(piece) = lines.next().expect("no errors here") {
            found.push(told(piece));
        }
        (found, lines.rest().map(told), lines.offset())
    }

    #[test]
    fn f14_lines_are_the_same_however_the_bytes_arrive() {
        let bytes = "one\n\nthree é\r\nunfinished".as_bytes();
        for step in 1..=bytes.len() {
            let (lines, rest, offset) = split(bytes, step);
            let expected: Vec<(u64, Vec<u8>)> = vec![
                (0, b"one".to_vec()),
                (4, vec![]),
                (5, "three é\r".as_bytes().to_vec()),
            ];
            assert_eq!(
                (lines, rest, offset),
                (expected, Some((15, b"unfinished".to_vec())), 15),
                "step {step}"
            );
        }
    }

    #[test]
    fn a_line_longer_than_the_buffer_is_whole() {
        let mut bytes = vec![b'x'; 3 * BLOCK + 7];
        bytes.extend_from_slice(b"\nnext\n");
        let (lines, rest, offset) = split(&bytes, 100_000);
        assert_eq!(
            lines
                .iter()
                .map(|(at, line)| (*at, line.len()))
                .collect::<Vec<_>>(),
            [(0, 3 * BLOCK + 7), (3 * BLOCK as u64 + 8, 4)]
        );
        assert_eq!((rest, offset), (None, bytes.len() as u64));
    }

    #[test]
    fn a_line_that_is_too_long_is_passed_over_and_the_next_is_read() {
        let mut bytes = b"before\n".to_vec();
        bytes.resize(bytes.len() + LONGEST + 3 * BLOCK, b'y');
        bytes.extend_from_slice(b"\nafter\n");
        let (lines, rest, offset) = split(&bytes, 1 << 20);
        let after = (bytes.len() - 6) as u64;
        assert_eq!(
            lines,
            [
                (0, b"before".to_vec()),
                (7, b"too long".to_vec()),
                (after, b"after".to_vec())
            ]
        );
        assert_eq!((rest, offset), (None, bytes.len() as u64));
        bytes.truncate(bytes.len() - 7);
        let (lines, rest, offset) = split(&bytes, 1 << 20);
        assert_eq!(lines, [(0, b"before".to_vec())]);
        assert_eq!((rest, offset), (Some((7, b"too long".to_vec())), 7));
    }
}

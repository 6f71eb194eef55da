//! One JSONL file being written.

use super::truth::Tally;
use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::Path,
};

#[derive(Debug)]
pub(super) struct Transcript {
    file: BufWriter<File>,
    bytes: u64,
}

impl Transcript {
    /// Creates the file and the folders above it.
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        Ok(Self {
            file: BufWriter::with_capacity(1 << 18, File::create(path)?),
            bytes: 0,
        })
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn line(&mut self, line: &str) -> io::Result<()> {
        self.raw(line.as_bytes())?;
        self.raw(b"\n")
    }

    /// Bytes as they are, without a line's end.
    pub(super) fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.bytes += bytes.len() as u64;
        self.file.write_all(bytes)
    }

    pub(super) fn close(mut self, tally: &mut Tally) -> io::Result<()> {
        self.file.flush()?;
        tally.file(self.bytes);
        Ok(())
    }
}

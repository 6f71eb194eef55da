//! Archived transcripts: JSONL, mostly packed with zstd, unpacked as a stream that would rather fail than
//! fill the memory or run for ever.

use crate::usage::Fault;
use memchr::memchr;
use std::{
    fs::File,
    io::{self, BufRead, BufReader, Error, ErrorKind, Read},
    path::Path,
};
use zstd::{bulk::Decompressor, stream::read::Decoder};

/// Bytes one packed event may unpack to; OpenClaw's schema allows no more.
pub const EVENT_LIMIT: usize = 4 << 20;
/// Bytes of the longest line that is read.
pub const LINE_LIMIT: usize = 64 << 20;

/// What every zstd frame begins with, and no JSON text.
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xB5, 0x2F, 0xFD];
/// Transcripts repeat themselves, but not this often.
const MAX_RATIO: u64 = 1000;
const ALWAYS_ALLOWED: u64 = 64 << 20;
const NEVER_ALLOWED: u64 = 4 << 30;
/// Memory a frame may ask for, as a power of two; the levels up to 19 ask for at most 2^23.
const WINDOW_LOG_MAX: u32 = 24;

/// Opens a packed archive file for reading its lines.
///
/// # Errors
/// When the file cannot be opened. Bad content shows while reading.
pub fn open(path: &Path) -> io::Result<impl BufRead + use<>> {
    let file = File::open(path)?;
    let packed = file.metadata()?.len();
    unpack(BufReader::new(file), packed)
}

/// The lines' bytes of an archive held in memory, packed or plain.
///
/// # Errors
/// When the decoder cannot be set up.
pub fn of_bytes(bytes: &[u8]) -> io::Result<Box<dyn BufRead + '_>> {
    if bytes.starts_with(&ZSTD_MAGIC) {
        Ok(Box::new(unpack(bytes, bytes.len() as u64)?))
    } else {
        Ok(Box::new(bytes))
    }
}

fn unpack<R: BufRead>(
    packed: R,
    packed_len: u64,
) -> io::Result<BufReader<Bounded<Decoder<'static, R>>>> {
    let mut inner = Decoder::with_buffer(packed)?;
    inner.window_log_max(WINDOW_LOG_MAX)?;
    let left = packed_len
        .saturating_mul(MAX_RATIO)
        .clamp(ALWAYS_ALLOWED, NEVER_ALLOWED);
    Ok(BufReader::with_capacity(64 << 10, Bounded { inner, left }))
}

/// Fails as soon as more than `left` bytes have come out.
struct Bounded<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.left = (self.left.checked_sub(count as u64))
            .ok_or_else(|| Error::new(ErrorKind::InvalidData, "unpacks to an absurd size"))?;
        Ok(count)
    }
}

/// Unpacks one event into `out`, which it replaces.
///
/// # Errors
/// [`Fault::BadCompression`] for anything but one or more whole frames of at most [`EVENT_LIMIT`] bytes.
pub fn unpack_event(
    decoder: &mut Decompressor<'_>,
    packed: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    out.clear();
    out.reserve_exact(EVENT_LIMIT);
    match decoder.decompress_to_buffer(packed, out) {
        // Of nothing the decoder makes nothing, without complaint.
        Ok(_) if out.len() <= EVENT_LIMIT && !packed.is_empty() => Ok(()),
        _ => Err(Fault::BadCompression),
    }
}

/// Hands each line, without its newline, and its byte offset to `sink`. The last line needs no newline: an
/// archive is complete. Bad compression ends the reading with a fault at the place reached.
///
/// # Errors
/// Only what the operating system reports; then the reading should be tried again.
pub fn each_line(
    mut input: impl BufRead,
    mut sink: impl FnMut(u64, Result<&[u8], Fault>),
) -> io::Result<()> {
    let mut line = Vec::new();
    let mut offset = 0;
    loop {
        line.clear();
        match read_line(&mut input, &mut line) {
            Ok((0, _)) => return Ok(()),
            Ok((length, fits)) => {
                sink(offset, if fits { Ok(&line) } else { Err(Fault::TooLong) });
                offset += length;
            }
            Err(error) if error.raw_os_error().is_some() => return Err(error),
            Err(_) => {
                sink(offset, Err(Fault::BadCompression));
                return Ok(());
            }
        }
    }
}

/// Reads up to and including a newline; how many bytes that were, and whether all are in `line` (newline left out).
fn read_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<(u64, bool)> {
    let (mut length, mut fits) = (0, true);
    loop {
        let chunk = match input.fill_buf() {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            chunk => chunk?,
        };
        let newline = memchr(b'\n', chunk);
        let text = &chunk[..newline.unwrap_or(chunk.len())];
        let used = text.len() + usize::from(newline.is_some());
        fits &= line.len() + text.len() <= LINE_LIMIT;
        if fits {
            line.extend_from_slice(text);
        }
        input.consume(used);
        length += used as u64;
        if newline.is_some() || used == 0 {
            return Ok((length, fits));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Lines = Vec<(u64, Result<String, Fault>)>;

    fn lines(input: impl BufRead) -> Lines {
        let mut all = Vec::new();
        let keep = |offset, line: Result<&[u8], Fault>| {
            all.push((
                offset,
                line.map(|text| String::from_utf8_lossy(text).into_owned()),
            ));
        };
        each_line(input, keep).expect("no system error");
        all
    }

    fn lines_of(bytes: &[u8]) -> Lines {
        lines(of_bytes(bytes).expect("a decoder"))
    }

    fn pack(text: &[u8]) -> Vec<u8> {
        zstd::encode_all(text, 3).expect("packing in memory")
    }

    fn ok(offset: u64, text: &str) -> (u64, Result<String, Fault>) {
        (offset, Ok(text.into()))
    }

    #[test]
    fn plain_and_packed_archives_hold_the_same_lines() {
        let text = b"{\"a\":1}\n\n{\"b\":2}";
        let expected = [ok(0, "{\"a\":1}"), ok(8, ""), ok(9, "{\"b\":2}")];
        assert_eq!(lines_of(text), expected);
        assert_eq!(lines_of(&pack(text)), expected);
        assert_eq!(
            lines_of(&[pack(&text[..9]), pack(&text[9..])].concat()),
            expected,
            "two frames"
        );
        assert_eq!(lines_of(b""), []);
    }

    #[test]
    fn a_damaged_archive_gives_its_good_lines_and_a_fault() {
        let text = "0123456789abcdef\n".repeat(20_000).into_bytes();
        let packed = [pack(&text), pack(b"more\n")].concat();
        let cut = lines_of(&packed[..packed.len() - 3]);
        assert_eq!(cut.len(), 20_001);
        assert_eq!(
            cut.last(),
            Some(&(text.len() as u64, Err(Fault::BadCompression)))
        );
        assert_eq!(
            lines_of(&[&ZSTD_MAGIC[..], b"no frame at all"].concat()),
            [(0, Err(Fault::BadCompression))]
        );
    }

    #[test]
    fn an_archive_that_expands_without_end_is_given_up() {
        let line = [&[b' '; 1023][..], b"\n"].concat();
        let bomb = pack(&line.repeat(80 << 10));
        assert!(bomb.len() < 10_000, "{}", bomb.len());
        let unpacked = lines_of(&bomb);
        assert_eq!(
            unpacked.last(),
            Some(&(ALWAYS_ALLOWED, Err(Fault::BadCompression)))
        );
        assert_eq!(unpacked.len() as u64, ALWAYS_ALLOWED / 1024 + 1);
    }

    #[test]
    fn a_line_too_long_is_passed_over() {
        let long = vec![b'x'; LINE_LIMIT + 1];
        let text = [b"a\n", &long[..], b"\nb\n"].concat();
        let expected = [
            ok(0, "a"),
            (2, Err(Fault::TooLong)),
            ok(LINE_LIMIT as u64 + 4, "b"),
        ];
        assert_eq!(lines(&text[..]), expected);
    }

    #[test]
    fn events_unpack_within_their_limit() {
        let mut decoder = Decompressor::new().expect("a decoder");
        let mut out = Vec::new();
        for (length, expected) in [
            (0, Ok(())),
            (EVENT_LIMIT, Ok(())),
            (EVENT_LIMIT + 1, Err(Fault::BadCompression)),
        ] {
            let text = vec![b'x'; length];
            assert_eq!(
                unpack_event(&mut decoder, &pack(&text), &mut out),
                expected,
                "{length}"
            );
            assert!(expected.is_err() || out == text);
        }
        for damaged in [&b"\x01\x02\x03"[..], b""] {
            assert_eq!(
                unpack_event(&mut decoder, damaged, &mut out),
                Err(Fault::BadCompression)
            );
        }
    }

    #[test]
    fn archive_files_are_read_and_missing_ones_reported() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("s.jsonl.deleted.2026.zst");
        std::fs::write(&path, pack(b"{}\n")).expect("written");
        assert_eq!(lines(open(&path).expect("opened")), [ok(0, "{}")]);
        assert_eq!(
            open(&folder.path().join("none.zst"))
                .err()
                .map(|e| e.kind()),
            Some(ErrorKind::NotFound)
        );
    }
}

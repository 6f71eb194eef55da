//! A field finder: walks the members of a JSON object over its bytes and builds nothing.
//!
//! A log line is mostly text that nobody here needs, so values are passed over at the speed of a byte search. The
//! walk still reaches the closing brace: a line that was cut short is never taken for a whole one.

use crate::{
    money::NanoUsd,
    time::UnixMillis,
    usage::{Fault, Line, Reason},
};
use memchr::{memchr, memmem::Finder};
use std::{borrow::Cow, sync::LazyLock};

/// Whether `"usage"` occurs as a key or a whole string; inside longer text its quotes would be escaped.
pub(super) fn mentions_usage(line: &[u8]) -> bool {
    static USAGE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\"usage\""));
    USAGE.find(line).is_some()
}

/// What a line is that mentions no usage, judged by its two ends alone.
pub(super) fn without_usage<'a>(line: &[u8]) -> Line<'a> {
    match line.trim_ascii() {
        [] => Line::Ignored(Reason::Blank),
        [b'{', .., b'}'] => Line::Ignored(Reason::NoUsage),
        _ => Line::Broken(Fault::NotJson),
    }
}

/// A place in JSON text. Every step returns `None` where the text breaks the grammar or ends too early.
pub(super) struct Cursor<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    /// Reads the one object that a line holds, with nothing but white space around it.
    pub(super) fn line<T>(line: &'a [u8], read: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        let mut cursor = Self { text: line, at: 0 };
        cursor.space();
        if cursor.peek()? != b'{' {
            return None;
        }
        let value = read(&mut cursor)?;
        cursor.space();
        (cursor.at == line.len()).then_some(value)
    }

    /// Calls `visit` with each member's key while standing at its value, which `visit` must pass over. Escapes in
    /// keys are not decoded. Any other kind of value is passed over; the result tells whether it was an object.
    pub(super) fn members(
        &mut self,
        mut visit: impl FnMut(&'a [u8], &mut Self) -> Option<()>,
    ) -> Option<bool> {
        self.items(b'{', |cursor| {
            let key = cursor.string()?;
            cursor.space();
            cursor.take(b':')?;
            cursor.space();
            visit(key, cursor)
        })
    }

    /// The same for the elements of an array.
    pub(super) fn elements(&mut self, visit: impl FnMut(&mut Self) -> Option<()>) -> Option<bool> {
        self.items(b'[', visit)
    }

    /// Passes over any value and returns its text.
    pub(super) fn value(&mut self) -> Option<Value<'a>> {
        let start = self.at;
        match self.peek()? {
            b'"' => drop(self.string()?),
            b'{' | b'[' => self.container()?,
            _ => self.scalar()?,
        }
        Some(Value(&self.text[start..self.at]))
    }

    fn items(&mut self, open: u8, mut visit: impl FnMut(&mut Self) -> Option<()>) -> Option<bool> {
        if self.peek()? != open {
            self.value()?;
            return Some(false);
        }
        self.at += 1;
        self.space();
        let close = open + 2; // `{` and `}`, `[` and `]`
        if self.peek()? == close {
            self.at += 1;
            return Some(true);
        }
        loop {
            visit(self)?;
            self.space();
            let next = self.peek()?;
            self.at += 1;
            if next == close {
                return Some(true);
            } else if next != b',' {
                return None;
            }
            self.space();
        }
    }

    /// Passes over a string and returns what stands between its quotes.
    #[inline(always)]
    fn string(&mut self) -> Option<&'a [u8]> {
        self.take(b'"')?;
        let start = self.at;
        loop {
            let unread = &self.text[self.at..];
            let before = &unread[..near_quote(unread).or_else(|| memchr(b'"', unread))?];
            self.at += before.len() + 1;
            if !ends_in_escape(before) {
                return Some(&self.text[start..self.at - 1]);
            }
        }
    }

    /// Passes over an object or array of any depth, without recursion. Which bracket closes which is not checked.
    fn container(&mut self) -> Option<()> {
        let mut depth = 0usize;
        loop {
            self.pass_over(&BETWEEN_STRINGS);
            match self.peek()? {
                b'"' => {
                    self.string()?;
                    continue;
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth -= 1,
                _ => return None,
            }
            self.at += 1;
            if depth == 0 {
                return Some(());
            }
        }
    }

    fn scalar(&mut self) -> Option<()> {
        let start = self.at;
        self.pass_over(&SCALAR);
        (self.at > start).then_some(())
    }

    fn space(&mut self) {
        self.pass_over(&SPACE);
    }

    fn pass_over(&mut self, bytes: &Bytes) {
        while self.peek().is_some_and(|byte| bytes[usize::from(byte)]) {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }
}

/// Whether an odd number of backslashes escapes what follows. `text` begins after the last quote that was looked at,
/// so that a run of backslashes is counted once.
fn ends_in_escape(text: &[u8]) -> bool {
    text.last() == Some(&b'\\')
        && text.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1
}

/// Where the first quote stands, if that is within the first 40 bytes: most strings are so short that starting a
/// vector search costs more than the search.
fn near_quote(text: &[u8]) -> Option<usize> {
    const ONES: u64 = u64::from_le_bytes([0x01; 8]);
    const TOPS: u64 = u64::from_le_bytes([0x80; 8]);
    const QUOTES: u64 = u64::from_le_bytes([b'"'; 8]);
    let (words, _) = text[..text.len().min(40)].as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        // The lowest byte that is zero after the exclusive or is the first whose top bit is set here.
        let word = u64::from_le_bytes(*word) ^ QUOTES;
        let found = word.wrapping_sub(ONES) & !word & TOPS;
        if found != 0 {
            return Some(index * 8 + found.trailing_zeros() as usize / 8);
        }
    }
    None
}

/// A set of bytes.
type Bytes = [bool; 256];

static SPACE: Bytes = bytes(b" \t\n\r");

/// What can stand in a number, `true`, `false` or `null`.
static SCALAR: Bytes = bytes(b"0123456789+-.Eaeflnrstu");

static BETWEEN_STRINGS: Bytes = bytes(b"0123456789+-.Eaeflnrstu,: \t\n\r");

const fn bytes(members: &[u8]) -> Bytes {
    let mut set = [false; 256];
    let mut index = 0;
    while index < members.len() {
        set[members[index] as usize] = true;
        index += 1;
    }
    set
}

/// The text of one JSON value; empty when the member is absent.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Value<'a>(&'a [u8]);

impl<'a> Value<'a> {
    /// `true`.
    pub(super) const TRUE: Self = Self(b"true");

    /// This value, or `other` when it is missing.
    pub(super) fn or(self, other: Self) -> Self {
        if self.is_missing() { other } else { self }
    }

    /// The member is absent or null.
    pub(super) fn is_missing(self) -> bool {
        matches!(self.0, b"" | b"null")
    }

    /// The value is `true`.
    pub(super) fn is_true(self) -> bool {
        self.0 == Self::TRUE.0
    }

    /// The value is this string; `word` needs no escapes.
    pub(super) fn is(self, word: &str) -> bool {
        self.quoted() == Some(word.as_bytes())
    }

    /// The value's text holds `bytes` somewhere.
    pub(super) fn mentions(self, bytes: &Finder<'_>) -> bool {
        bytes.find(self.0).is_some()
    }

    /// A string's bytes, decoded; empty for an empty string and anything else.
    pub(super) fn bytes(self) -> Cow<'a, [u8]> {
        match self.quoted() {
            Some(quoted) if memchr(b'\\', quoted).is_none() => Cow::Borrowed(quoted),
            _ => Cow::Owned(self.text().unwrap_or_default().into_owned().into_bytes()),
        }
    }

    /// A string that is not empty, decoded; what is not Unicode in it is replaced.
    pub(super) fn text(self) -> Option<Cow<'a, str>> {
        let quoted = self.quoted().filter(|quoted| !quoted.is_empty())?;
        match str::from_utf8(quoted) {
            Ok(plain) if memchr(b'\\', quoted).is_none() => Some(Cow::Borrowed(plain)),
            _ => {
                let decoded = serde_json::from_str(&String::from_utf8_lossy(self.0));
                Some(decoded.map_or_else(|_| String::from_utf8_lossy(quoted), Cow::Owned))
            }
        }
    }

    /// A token count: negative is 0, fractions are cut off, numbers in strings are read, anything else is 0.
    pub(super) fn count(self) -> u64 {
        let number = self.quoted().unwrap_or(self.0).trim_ascii();
        if !number.is_empty() && number.len() < 19 && number.iter().all(u8::is_ascii_digit) {
            return number
                .iter()
                .fold(0, |count, digit| count * 10 + u64::from(digit - b'0'));
        }
        // "inf" and "nan" are no JSON numbers.
        let number = number
            .first()
            .filter(|byte| byte.is_ascii_digit())
            .and_then(|_| str::from_utf8(number).ok());
        let number = number.and_then(|number| number.parse::<f64>().ok());
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // the cast saturates
        number.map_or(0, |number| number as u64)
    }

    /// An amount of US dollars as a JSON number.
    pub(super) fn dollars(self) -> Option<NanoUsd> {
        NanoUsd::parse_decimal(str::from_utf8(self.0).ok()?)
    }

    /// An instant of the years 2000 to 9999: RFC 3339 text or epoch milliseconds; below 10^11 they are seconds.
    pub(super) fn instant(self) -> Option<UnixMillis> {
        if let Some(text) = self.quoted() {
            return UnixMillis::parse_rfc3339(str::from_utf8(text).ok()?);
        }
        let number = i64::try_from(self.count()).ok()?;
        UnixMillis(if number < 100_000_000_000 {
            number * 1000
        } else {
            number
        })
        .plausible()
    }

    /// A cursor that stands at the value.
    pub(super) fn cursor(self) -> Cursor<'a> {
        Cursor {
            text: self.0,
            at: 0,
        }
    }

    fn quoted(self) -> Option<&'a [u8]> {
        match self.0 {
            [b'"', quoted @ .., b'"'] => Some(quoted),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;

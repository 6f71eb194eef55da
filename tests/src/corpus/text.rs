//! Filler that looks like what agents write: prose, code and terminal output with every escape JSON knows.

use super::random::Random;

/// JSON string contents, ready to be cut at word boundaries.
#[derive(Debug)]
pub(super) struct Text {
    words: String,
    /// Where each word begins.
    starts: Vec<usize>,
    base64: String,
}

const POOL_BYTES: usize = 1 << 18;

/// Escapes and scripts of other alphabets.
const ODD_WORDS: &[&str] = &[
    r"\n",
    r"\n\n- ",
    r"\n    ",
    r"\t",
    r#"\"quoted\""#,
    r"C:\\Users\\dev\\src",
    r"\u001b[31merror\u001b[0m:",
    r"\u2028",
    r"\/",
    "naïve",
    "Größe",
    "日本語のテキスト",
    "пример",
    "🦀",
    "— “curly” —",
    r"{}[]:,",
];

/// Quoted transcripts, as tools print when they read a log.
const DECOYS: &[&str] = &[
    r#"{\"type\":\"assistant\",\"message\":{\"id\":\"msg_decoy\",\"model\":\"decoy\",\"usage\":{\"input_tokens\":999999,\"output_tokens\":999999}}}"#,
    r#"\"usage\": {\"input_tokens\": 4}"#,
];

const WORDS: &[&str] = &[
    "the",
    "file",
    "reads",
    "and",
    "then",
    "function",
    "returns",
    "value",
    "let",
    "mut",
    "=>",
    "if",
    "else",
    "match",
    "test",
    "passes",
    "build",
    "error",
    "expected",
    "found",
    "line",
    "column",
    "struct",
    "impl",
    "for",
    "while",
    "path",
    "request",
    "handler",
    "index",
    "session",
    "cache",
    "query",
    "table",
    "select",
    "from",
    "where",
    "update",
    "branch",
    "commit",
    "merge",
    "change",
    "because",
    "should",
    "without",
    "between",
    "parser",
    "token",
    "stream",
    "buffer",
    "0x7f",
    "42",
    "3.14159",
    "src/lib.rs",
    "README.md",
    "(ok)",
    "// note",
    "fn main() {",
    "}",
    "return;",
    "const",
];

impl Text {
    pub(super) fn new(seed: u64) -> Self {
        let mut random = Random::part(seed, 0x7E87);
        let (mut words, mut starts) = (String::with_capacity(POOL_BYTES + 256), Vec::new());
        while words.len() < POOL_BYTES {
            starts.push(words.len());
            let kind = match random.below(2_000) {
                0 => DECOYS,
                1..250 => ODD_WORDS,
                _ => WORDS,
            };
            words.push_str(random.pick(kind));
            words.push(' ');
        }
        starts.push(words.len());
        const LETTERS: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let base64 = (0..POOL_BYTES)
            .map(|_| char::from(random.pick(LETTERS)))
            .collect();
        Self {
            words,
            starts,
            base64,
        }
    }

    /// Appends about `length` bytes of text.
    pub(super) fn words(&self, random: &mut Random, length: u64, out: &mut String) {
        let mut left = usize::try_from(length).unwrap_or(0);
        while left > 0 {
            let first = usize::try_from(random.below(self.starts.len() as u64 - 1)).unwrap_or(0);
            let end = self.starts[first] + left;
            let last = self
                .starts
                .partition_point(|start| *start < end)
                .min(self.starts.len() - 1);
            out.push_str(&self.words[self.starts[first]..self.starts[last]]);
            left = left.saturating_sub(self.starts[last] - self.starts[first]);
        }
    }

    /// Appends `length` bytes of base64.
    pub(super) fn base64(&self, random: &mut Random, length: u64, out: &mut String) {
        let mut left = usize::try_from(length).unwrap_or(0);
        while left > 0 {
            let start = usize::try_from(random.below(self.base64.len() as u64 / 2)).unwrap_or(0);
            let piece = left.min(self.base64.len() - start);
            out.push_str(&self.base64[start..start + piece]);
            left -= piece;
        }
    }
}

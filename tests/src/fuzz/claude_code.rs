//! A transcript of Claude Code.

use super::dialect::{self, Dialect};
use clawspend_core::dialects::{Carry, claude_code::parse};

/// `data` is a whole file.
pub fn check(data: &[u8]) {
    let dialect = Dialect {
        parse,
        carry: Carry::default(),
        telling: b"\"usage\"",
    };
    dialect::check(data, &dialect);
}

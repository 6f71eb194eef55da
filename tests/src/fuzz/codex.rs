//! A rollout of OpenClaw's Codex harness.

use super::dialect::{self, Dialect};
use clawspend_core::dialects::{Carry, codex::parse};

/// `data` is a whole file.
pub fn check(data: &[u8]) {
    let carry = Carry {
        turn: Some("turn".into()),
        model: Some("gpt-5.5".into()),
        ..Carry::default()
    };
    let dialect = Dialect {
        parse,
        carry,
        telling: b"\"token_count\"",
    };
    dialect::check(data, &dialect);
}

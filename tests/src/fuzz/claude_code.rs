//! A transcript of Claude Code.

use super::dialect;
use clawspend_core::dialects::claude_code::parse;

/// `data` is a whole file.
pub fn check(data: &[u8]) {
    dialect::check(data, parse);
}

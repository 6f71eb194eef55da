//! A transcript of OpenClaw.

use super::dialect;
use clawspend_core::dialects::openclaw::parse;

/// `data` is a whole file.
pub fn check(data: &[u8]) {
    dialect::check(data, parse);
}

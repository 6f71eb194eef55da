//! What must hold for any bytes: one check for each fuzz target. `tests/fuzz` feeds them at random, the test `fuzz`
//! with every seed and every finding.

pub mod claude_code;
pub mod codex;
pub mod config;
mod dialect;
pub mod gateway_frames;
pub mod gateway_session;
pub mod openclaw;
pub mod prices;
pub mod rows;
pub mod zstd;

/// Panics where a promise is broken.
pub type Check = fn(&[u8]);

/// The targets, named as their files in `tests/fuzz/targets` and the folders in `tests/fuzz/seeds`.
pub const TARGETS: [(&str, Check); 9] = [
    ("claude_code", claude_code::check),
    ("openclaw", openclaw::check),
    ("codex", codex::check),
    ("rows", rows::check),
    ("zstd", zstd::check),
    ("config", config::check),
    ("prices", prices::check),
    ("gateway_frames", gateway_frames::check),
    ("gateway_session", gateway_session::check),
];

//! Files and OpenClaw databases -> complete records, remembering where reading stopped.

pub mod archive;
pub mod openclaw_db;
pub mod roots;

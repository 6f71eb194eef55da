//! OpenClaw.

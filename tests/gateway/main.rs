//! The real `clawspend` beside a real OpenClaw gateway, whose models are ours: `make test-gateway`.

mod gateway;
#[allow(dead_code, reason = "tests of the command line need more of it")]
#[path = "../cli/home.rs"]
mod home;
mod operator;
mod provider;
mod session;
mod turns;

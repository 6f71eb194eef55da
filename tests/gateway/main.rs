//! The real `clawspend` beside a real OpenClaw gateway, whose models are ours: `make test-gateway`.

mod elsewhere;
mod gateway;
#[allow(dead_code, reason = "tests of the command line need more of it")]
#[path = "../cli/home.rs"]
mod home;
mod operator;
mod pairing;
mod provider;
mod running;
mod session;
mod turns;
mod way;

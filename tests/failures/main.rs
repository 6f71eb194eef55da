//! Every way in which following files fails, by its number in `docs/following.md`.

mod files;
mod ledger;
mod machine;
mod told;

#[expect(dead_code, reason = "the rest is for the tests it was made for")]
#[path = "../pipeline/support.rs"]
mod support;

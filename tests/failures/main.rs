//! Every way in which following files fails, by its number in `docs/following.md`.

mod database;
mod files;
mod ledger;
mod machine;
mod table;
mod told;
mod watching;

//! Every way in which following files fails, by its number in `docs/following.md`.

mod files;
mod told;

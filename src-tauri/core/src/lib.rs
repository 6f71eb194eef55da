//! Everything Clawspend knows, without a window: this crate must not know that Tauri exists.
//!
//! ```text
//! session files ──── follow ─► record ─ dialects ─► Observation ┐
//! gateway socket ─ connection ─► frame ─ session ─► Observation ┴► ledger: one response per dedupe group ◄─ pricing
//!                                                                   │
//!            tray, notifications ◄── Update ◄── engine ◄────────────┤
//!            window, command line ◄────────────── api ◄─────────────┘
//! ```
//!
//! | room | holds |
//! |---|---|
//! | [`usage`], [`money`], [`time`] | the words: observations, tokens, amounts, days |
//! | [`dialects`] | one file per way a usage record is written; pure |
//! | [`follow`] | files and OpenClaw databases -> complete records, remembering offsets |
//! | [`gateway`] | OpenClaw gateways: who we are to them, the protocol as a pure state machine, the socket |
//! | [`pricing`] | the dated price book and what a response costs by it; pure |
//! | [`ledger`] | our SQLite history: one file per table |
//! | [`summary`], [`alerts`] | what is shown, and when to speak up; pure |
//! | [`config`], [`environment`] | the user's settings and where things live |
//! | [`ingest`] | the pipeline that one process at a time runs |
//! | [`engine`] | the only loop: what happened -> pipeline -> [`engine::Update`] |
//! | [`report`] | sums by any dimensions |
//! | [`completeness`] | which days are known whole; pure |
//! | [`forget`] | the user's own choice of what leaves the ledger |
//! | [`verify`] | the ledger against all logs, read again |
//! | [`reconcile`] | why a gateway's own total is another than ours; pure |
//! | [`api`] | what any door may ask |
#![forbid(unsafe_code)]

pub mod alerts;
pub mod api;
pub mod completeness;
pub mod config;
pub mod dialects;
pub mod engine;
pub mod environment;
pub mod follow;
pub mod forget;
pub mod gateway;
pub mod ingest;
mod judge;
pub mod ledger;
pub mod money;
pub mod pricing;
pub mod reconcile;
pub mod report;
pub mod summary;
pub mod time;
pub mod usage;
pub mod verify;

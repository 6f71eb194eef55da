//! From log files to the answers, through the whole core.

mod agreement;
mod changes;
mod engine;
mod ledger;
mod prices;
mod support;

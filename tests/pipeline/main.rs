//! From log files to the answers, through the whole core.

mod agreement;
mod engine;
mod hour;
mod ledger;
mod prices;
mod reconcile;
mod rests;

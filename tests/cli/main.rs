//! The real `clawspend` on homes made by hand: its answers, its messages, and that nothing breaks it.

mod bad_input;
mod contract;
mod crash;
mod days;
mod dimensions;
mod explain;
mod gateway;
mod home;
mod human;
mod ledger;
mod prices;
mod together;
mod usage;

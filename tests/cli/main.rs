//! The real `clawspend` on homes made by hand: its answers, its messages, and that nothing breaks it.

mod bad_input;
mod completeness;
mod contract;
mod crash;
mod days;
mod dimensions;
mod explain;
mod forget;
mod gateway;
mod gateway_faults;
mod gateways;
mod home;
mod human;
mod ledger;
mod prices;
mod session;
mod together;
mod usage;
mod verify;
#[cfg(target_os = "linux")]
mod watching;

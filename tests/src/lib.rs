//! Whole-product tests: the corpus generator and shared helpers.
#![forbid(unsafe_code)]

pub mod corpus;
pub mod fuzz;
pub mod gateway;
pub mod home;

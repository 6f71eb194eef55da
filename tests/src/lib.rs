//! Whole-product tests: the corpus generator and shared helpers.
#![forbid(unsafe_code)]

pub mod corpus;
pub mod gateway;
pub mod home;

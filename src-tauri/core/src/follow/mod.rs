//! Follow.

//! Whole-product tests: the corpus generator and shared helpers.

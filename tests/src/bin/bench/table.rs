//! Figures beside their promises.

use std::process::ExitCode;

#[derive(Debug, Default)]
pub(crate) struct Table {
    broken: Vec<String>,
}

impl Table {
    /// A figure without a promise.
    pub(crate) fn figure(&mut self, what: &str, value: f64, unit: &str) {
        println!("{what:<58} {value:>9.2} {unit}");
    }

    /// A figure that is promised to be at most `limit`.
    pub(crate) fn at_most(&mut self, what: &str, value: f64, unit: &str, limit: f64) {
        let kept = value <= limit;
        println!(
            "{what:<58} {value:>9.2} {unit:<4} at most {limit}: {}",
            if kept { "kept" } else { "BROKEN" }
        );
        if !kept {
            self.broken.push(format!(
                "{}: {value:.2} {unit} instead of at most {limit}",
                what.trim()
            ));
        }
    }

    pub(crate) fn verdict(self) -> ExitCode {
        if self.broken.is_empty() {
            return ExitCode::SUCCESS;
        }
        eprintln!("bench: broken promises: {}", self.broken.join("; "));
        ExitCode::FAILURE
    }
}

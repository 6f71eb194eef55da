//! One continuous alert, told once when it begins.

use crate::{api::Alert, money::NanoUsd, time::UnixMillis};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// One continuous alert. Stored as it is; its [`key`](Self::key) never changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Episode {
    /// Which rule, and what the rule must remember.
    pub rule: Rule,
    /// When it began and was told.
    pub began: UnixMillis,
    /// When it ended; `None` while it goes on.
    pub ended: Option<UnixMillis>,
    /// What was spent when it began.
    pub amount: NanoUsd,
    /// One line, amount first.
    pub title: String,
    /// The usual amount, the top session and model.
    pub body: String,
}

/// A rule and what it must remember of an episode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case")]
pub enum Rule {
    /// The daily budget was reached.
    Budget {
        /// On this local day.
        day: Date,
        /// The budget then.
        limit: NanoUsd,
    },
    /// The last hour cost far more than usual.
    Spike {
        /// When the burn was last seen to be high, to the minute.
        last_high: UnixMillis,
    },
}

impl Episode {
    pub(super) fn begin(
        rule: Rule,
        now: UnixMillis,
        amount: NanoUsd,
        title: String,
        body: String,
    ) -> Self {
        Self {
            rule,
            began: now,
            ended: None,
            amount,
            title,
            body,
        }
    }

    /// Ends it, unless it has ended; never before it began, even where the clock was set back.
    pub(super) fn end(&mut self, at: UnixMillis) {
        self.ended.get_or_insert(at.max(self.began));
    }

    /// Tells this episode from all others.
    #[must_use]
    pub fn key(&self) -> String {
        match self.rule {
            Rule::Budget { day, limit } => format!("budget {day} {limit}"),
            Rule::Spike { .. } => format!("spike {}", self.began.0),
        }
    }

    /// As every door shows it.
    #[must_use]
    pub fn alert(&self) -> Alert {
        let rule = match self.rule {
            Rule::Budget { .. } => "budget",
            Rule::Spike { .. } => "spike",
        };
        Alert {
            rule: rule.to_owned(),
            at: self.began,
            ended: self.ended,
            title: self.title.clone(),
            body: self.body.clone(),
            amount: self.amount,
        }
    }
}

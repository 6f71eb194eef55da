//! What surfaces hear: the figures after each change, the alerts, and the status row by which other processes tell the
//! same story.

use super::{Engine, Listener, Role, Update};
use crate::{
    api::{Alert, Phase, Problem, Status},
    environment::zone,
    judge::judge,
    ledger::{Ledger, LedgerError, state},
    time::UnixMillis,
};
use std::time::Instant;

impl Engine {
    /// Computes the figures and tells them if anything is different.
    pub(super) fn tell(&mut self, phase: Phase) {
        let now = UnixMillis::now();
        match self.update(phase, now) {
            Ok(update) => {
                self.last_told = Instant::now();
                let same = self.told.as_ref().is_some_and(|told| {
                    // The time of the look alone is no news.
                    let mut told = told.clone();
                    if let (Some(then), Some(now)) = (&mut told.summary, &update.summary) {
                        then.as_of = now.as_of;
                    }
                    told == update
                });
                if !same {
                    self.told = Some(Update {
                        fired: Vec::new(),
                        ..update.clone()
                    });
                    (self.on_update)(update);
                }
            }
            // A ledger that cannot even be read: `fail` tells of it, without figures.
            Err(error) if self.ledger().is_some() => self.fail(&error),
            Err(_) => {}
        }
    }

    fn update(&mut self, phase: Phase, now: UnixMillis) -> Result<Update, LedgerError> {
        let config = self.config.clone();
        let problems = self.problems();
        let status = Status {
            phase,
            problems,
            caught_up_at: self.caught_up_at,
            gateways: match &self.gateways {
                Some(gateways) => gateways.status(now, &zone(&config).0),
                None => Vec::new(),
            },
        };
        let known = self.told.as_ref().and_then(|told| told.summary.clone());
        let (zone, zone_name) = zone(&config);
        let Some(ledger) = self.ledger_mut() else {
            return Ok(Update {
                summary: known,
                status,
                fired: Vec::new(),
                open_alert: None,
                paused_until: None,
                quota: None,
                config,
            });
        };
        let summary = crate::api::summary(ledger, now, &zone, &zone_name, &config.plans)?;
        // An empty ledger says nothing before the logs have been looked at.
        let unknown = status.phase != Phase::Live && ledger.first_day(&zone)?.is_none();
        let paused_until = crate::api::paused_until(ledger, now)?;
        let mut status = status;
        match &mut self.role {
            Role::Ingester(ingest) => {
                // Half-read history would make the first hours look like a spike.
                if status.phase == Phase::Live {
                    judge(&mut ingest.ledger, &summary, &config, now, &zone)?;
                }
                let stored = stored_status(&ingest.ledger);
                if stored.is_none_or(|stored| is_news(&stored, &status)) {
                    let text = serde_json::to_string(&status).unwrap_or_default();
                    ingest.ledger.set_state(state::STATUS, &text)?;
                    let roots =
                        serde_json::to_string(&ingest.follower.root_report()).unwrap_or_default();
                    ingest.ledger.set_state(state::ROOTS, &roots)?;
                }
            }
            Role::Reader(ledger) => {
                if let Some(stored) = stored_status(ledger) {
                    status.problems.extend(stored.problems);
                    status.caught_up_at = stored.caught_up_at;
                    status.gateways = stored.gateways;
                }
            }
            Role::Nobody => {}
        }
        let (mut alerts, quotas) = match self.ledger() {
            Some(ledger) => (
                ledger.alerts_since(now.plus(-48 * 3_600_000))?,
                ledger.quotas()?,
            ),
            None => Default::default(),
        };
        alerts.retain(|alert| alert.ended.is_none());
        // The last step that can fail: what is marked as told is told.
        let mut fired = match self.listener {
            Listener::Notifier => self.untold()?,
            Listener::Viewer => Vec::new(),
        };
        if paused_until.is_some() || !config.notifications {
            fired.clear();
        }
        Ok(Update {
            summary: (!unknown).then_some(summary),
            status,
            fired,
            open_alert: alerts.into_iter().next(),
            paused_until,
            quota: quotas.into_iter().find(|quota| !quota.is_over(now)),
            config,
        })
    }

    /// Open alerts that no notifier was given yet, marked as told. The rules run in the process that follows
    /// the logs, which need not be the one that notifies.
    fn untold(&mut self) -> Result<Vec<Alert>, LedgerError> {
        match &mut self.role {
            Role::Ingester(ingest) => ingest.ledger.take_untold_alerts(),
            Role::Reader(ledger) if ledger.has_untold_alerts()? => {
                Ledger::open_writer(&self.environment.paths.ledger())?.take_untold_alerts()
            }
            _ => Ok(Vec::new()),
        }
    }

    fn problems(&self) -> Vec<Problem> {
        let mut problems: Vec<Problem> = Vec::new();
        problems.extend(self.ledger_problem.clone());
        problems.extend(self.set_aside.clone());
        problems.extend(self.config_problems.iter().cloned());
        if let Role::Ingester(ingest) = &self.role {
            problems.extend(ingest.follower.problems());
        }
        if let Some(gateways) = &self.gateways {
            problems.extend(gateways.problems().cloned());
        }
        for (path, reason) in self.watch.failures() {
            problems.push(Problem {
                code: "unwatched".into(),
                message: format!("{} cannot be watched: {reason}", path.display()),
                hint: "it is looked at every 15 seconds instead; on Linux raise fs.inotify.max_user_watches".into(),
                serious: false,
            });
        }
        problems
    }
}

/// Whether other doors should hear of the new status; that all has been read is said once a minute.
fn is_news(stored: &Status, now: &Status) -> bool {
    let millis = |status: &Status| status.caught_up_at.map_or(0, |at| at.0);
    (&stored.phase, &stored.problems, &stored.gateways)
        != (&now.phase, &now.problems, &now.gateways)
        || (millis(now) - millis(stored)).abs() >= 60_000
}

pub(super) fn stored_status(ledger: &Ledger) -> Option<Status> {
    serde_json::from_str(&ledger.state(state::STATUS).ok()??).ok()
}

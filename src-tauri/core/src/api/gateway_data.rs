//! What gateways count by themselves: the quotas of the providers, and why their totals are not ours.

use super::{ApiError, Progress, Reader};
use crate::{
    follow::search,
    ledger::{query::Dimension, quotas::KeptQuota, remote_days::KeptDay},
    reconcile::{Mine, Reconciled, reconcile},
    time::add_days,
    usage::Source,
};
use jiff::civil::Date;
use std::{
    collections::{BTreeSet, HashMap},
    path::PathBuf,
};

/// Both totals of each day of each gateway.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Reconciliation {
    /// In order of gateway and day; only days that the gateway told of.
    pub days: Vec<Reconciled>,
    /// Logs that could not be searched for copies, with why.
    pub unread: Vec<(PathBuf, String)>,
}

/// By id and tokens of a response, which tell apart those that share an id: the sessions whose logs have it.
type Sessions = HashMap<(u64, u64), BTreeSet<String>>;

impl Reader {
    /// The quotas that gateways tell of now, fullest first.
    ///
    /// # Errors
    /// [`ApiError`].
    pub fn quotas(&self) -> Result<Vec<KeptQuota>, ApiError> {
        Ok(self.ledger.quotas()?)
    }

    /// How full quotas were over time.
    ///
    /// # Errors
    /// [`ApiError`].
    pub fn quota_history(&self) -> Result<Vec<KeptQuota>, ApiError> {
        Ok(self.ledger.quota_history()?)
    }

    /// What gateways count on these days, in order of gateway and day; with its age, and by agent and model.
    ///
    /// # Errors
    /// [`ApiError`].
    pub fn gateway_days(&self, since: Date, until: Date) -> Result<Vec<KeptDay>, ApiError> {
        Ok(self.ledger.remote_days(since, until)?)
    }

    /// Compares what gateways count on these days with the ledger; searches the logs for copies where they are here.
    ///
    /// # Errors
    /// [`ApiError`]: `not_found` for a gateway that never told anything, or what is wrong with the ledger.
    pub fn reconcile(
        &mut self,
        gateway: Option<&str>,
        since: Date,
        until: Date,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Reconciliation, ApiError> {
        if let Some(name) = gateway {
            self.expect_told(name)?;
        }
        let mut days = self.ledger.remote_days(since, until)?;
        days.retain(|day| gateway.is_none_or(|name| day.gateway == name));
        if days.is_empty() {
            return Ok(Reconciliation::default());
        }
        // A day of any zone lies within these.
        let around = (add_days(since, -1), add_days(until, 1));
        let (sessions, unread) = if days.iter().any(|day| day.logs_here) {
            self.sessions_of_copies(around, progress)
        } else {
            (Sessions::new(), Vec::new())
        };
        let by_gateway = self.mine(around, &sessions)?;
        let days = days.iter().map(|day| {
            let here = if day.logs_here {
                by_gateway.get("")
            } else {
                None
            };
            let pushed = by_gateway.get(&*day.gateway);
            let mine: Vec<Mine> = here.into_iter().chain(pushed).flatten().cloned().collect();
            reconcile(day, &self.zone, &mine, unread.is_empty())
        });
        Ok(Reconciliation {
            days: days.collect(),
            unread,
        })
    }

    fn expect_told(&self, gateway: &str) -> Result<(), ApiError> {
        let known = self.ledger.remote_gateways()?;
        if known.iter().any(|name| name == gateway) {
            return Ok(());
        }
        let hint = if known.is_empty() {
            NOTHING_TOLD.into()
        } else {
            format!("these have told theirs: {}", known.join(", "))
        };
        Err(ApiError {
            code: "not_found".into(),
            message: format!("no gateway named {gateway:?} has told its own figures yet"),
            hint,
        })
    }

    fn sessions_of_copies(
        &self,
        (first, last): (Date, Date),
        progress: &mut dyn FnMut(Progress),
    ) -> (Sessions, Vec<(PathBuf, String)>) {
        let mut sessions = Sessions::new();
        let roots = self.environment.roots(&self.config);
        let mut visit = |_: &std::path::Path, _, observation: &crate::usage::Observation<'_>| {
            for one in std::iter::once(observation).chain(&observation.extras) {
                if (first..=last).contains(&one.at.day(&self.zone)) {
                    let copies = sessions
                        .entry((one.cluster, one.tokens.total()))
                        .or_default();
                    copies.insert(one.session.to_string());
                }
            }
        };
        let unread = search::each_observation(&roots, Source::OpenClaw, &mut visit, progress);
        (sessions, unread)
    }

    /// OpenClaw's responses of these days by the gateway that pushed them; by the empty name those of logs.
    fn mine(
        &mut self,
        (first, last): (Date, Date),
        sessions: &Sessions,
    ) -> Result<HashMap<String, Vec<Mine>>, ApiError> {
        let keys = self.ledger.session_keys(Source::OpenClaw)?;
        let Self {
            ledger,
            prices,
            zone,
            ..
        } = self;
        let nowhere = BTreeSet::new();
        let mut by_gateway: HashMap<String, Vec<Mine>> = HashMap::new();
        ledger.each_response(|response| {
            let of_days = (first..=last).contains(&response.at.day(zone));
            if response.source != Source::OpenClaw || !of_days {
                return;
            }
            let tokens = response.tokens.total();
            let copies = sessions
                .get(&(response.id.cluster, tokens))
                .unwrap_or(&nowhere);
            // A session whose key is not known is a conversation of its own.
            let conversations: BTreeSet<&String> =
                copies.iter().map(|id| keys.get(id).unwrap_or(id)).collect();
            let of_gateway = by_gateway.entry(response.name(Dimension::Gateway).into());
            of_gateway.or_default().push(Mine {
                at: response.at,
                provider: response.name(Dimension::Provider).into(),
                model: response.name(Dimension::Model).into(),
                tokens,
                cost: prices.cost(response.priceable()),
                recorded: response.recorded,
                conversations: u32::try_from(conversations.len()).unwrap_or(u32::MAX),
                sessions: u32::try_from(copies.len()).unwrap_or(u32::MAX),
            });
        })?;
        Ok(by_gateway)
    }
}

/// What to do when no gateway has told anything.
pub const NOTHING_TOLD: &str = "Clawspend asks a gateway while it is connected: add one with `clawspend gateway add`, and \
     let the tray app run";

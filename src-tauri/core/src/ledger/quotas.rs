//! Table `quotas`: how full the quotas of the providers were over time, as gateways report them. A row stands for the
//! time in which a quota stayed the same.

use super::{Ledger, LedgerError};
use crate::{gateway::Quotas, time::UnixMillis};
use rusqlite::{Connection, Row};
use serde::{Deserialize, Serialize};

pub(super) const CREATE: &str = "
CREATE TABLE quotas (
  gateway TEXT NOT NULL,
  provider TEXT NOT NULL,
  label TEXT NOT NULL,
  group_label TEXT NOT NULL,
  since INTEGER NOT NULL,
  until INTEGER NOT NULL,
  told INTEGER NOT NULL,
  title TEXT NOT NULL,
  plan TEXT,
  used_milli_percent INTEGER NOT NULL,
  reset_at INTEGER,
  PRIMARY KEY (gateway, provider, label, group_label, since)
) STRICT, WITHOUT ROWID;
";

/// Providers compute the time of a reset anew for each answer; less than this is no other time.
const SAME_RESET_MILLIS: i64 = 60_000;

/// How full a quota was for some time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    feature = "ts",
    derive(ts_rs::TS),
    ts(rename = "Quota", export_to = "types.ts")
)]
pub struct KeptQuota {
    /// The gateway that told of it.
    pub gateway: String,
    /// The provider, such as `anthropic`.
    pub provider: String,
    /// The name people know it by.
    pub title: String,
    /// What was subscribed to.
    pub plan: Option<String>,
    /// The quota's name, such as `5h`.
    pub label: String,
    /// What it belongs to, such as a model; mostly empty.
    pub group: String,
    /// Used, in thousandths of a percent.
    #[cfg_attr(feature = "ts", ts(type = "number"))]
    pub used_milli_percent: i64,
    /// When it is empty again.
    pub reset_at: Option<UnixMillis>,
    /// When it was first told so.
    pub since: UnixMillis,
    /// When it was last told so.
    pub until: UnixMillis,
}

impl KeptQuota {
    /// Whether it was empty again since: how full it is then nobody has told.
    #[must_use]
    pub fn is_over(&self, now: UnixMillis) -> bool {
        self.reset_at.is_some_and(|at| at <= now)
    }
}

fn told_of<'a>(gateway: &'a str, quotas: &'a Quotas) -> impl Iterator<Item = KeptQuota> + 'a {
    let windows = quotas
        .providers
        .iter()
        .flat_map(|provider| provider.windows.iter().map(move |it| (provider, it)));
    windows.map(move |(provider, window)| KeptQuota {
        gateway: gateway.to_owned(),
        provider: provider.provider.clone(),
        title: provider.display_name.clone(),
        plan: provider.plan.clone(),
        label: window.label.clone(),
        group: window.group_label.clone().unwrap_or_default(),
        used_milli_percent: window.used_milli_percent,
        reset_at: window.reset_at,
        since: quotas.updated_at,
        until: quotas.updated_at,
    })
}

impl Ledger {
    /// Keeps what a gateway tells of quotas: a row where one changed, and until when each was as it is. While they are
    /// being fetched, what is missing is not known; else it is no longer told of.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn keep_quotas(&mut self, gateway: &str, quotas: &Quotas) -> Result<(), LedgerError> {
        self.write(|connection, _| {
            if !quotas.refreshing {
                connection
                    .prepare_cached("UPDATE quotas SET told = 0 WHERE gateway = ?1 AND told")?
                    .execute([gateway])?;
            }
            told_of(gateway, quotas).try_for_each(|quota| keep(connection, &quota))
        })
    }

    /// Nobody else than these gateways tells of quotas now.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn keep_quotas_of(&mut self, gateways: &[&str]) -> Result<(), LedgerError> {
        let gateways = serde_json::to_string(gateways).unwrap_or_default();
        self.write(|connection, _| {
            connection
                .prepare_cached(
                    "UPDATE quotas SET told = 0 WHERE told AND gateway NOT IN (SELECT value FROM json_each(?1))",
                )?
                .execute([gateways])
                .map(drop)
        })
    }

    /// The quotas that gateways tell of now, fullest first.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn quotas(&self) -> Result<Vec<KeptQuota>, LedgerError> {
        self.read(|connection| {
            connection
                .prepare_cached(&format!(
                    "SELECT {COLUMNS} FROM quotas WHERE told
                     ORDER BY used_milli_percent DESC, gateway, provider, label, group_label"
                ))?
                .query_map([], kept_quota)?
                .collect()
        })
    }

    /// All that was ever told of quotas, in order of gateway, provider, window and time.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn quota_history(&self) -> Result<Vec<KeptQuota>, LedgerError> {
        self.read(|connection| {
            connection
                .prepare_cached(&format!(
                    "SELECT {COLUMNS} FROM quotas ORDER BY gateway, provider, label, group_label, since"
                ))?
                .query_map([], kept_quota)?
                .collect()
        })
    }
}

const COLUMNS: &str = "gateway, provider, label, group_label, since, until, title, plan, used_milli_percent, reset_at";

fn keep(connection: &Connection, quota: &KeptQuota) -> rusqlite::Result<()> {
    let went_on = connection
        .prepare_cached(
            "UPDATE quotas SET until = max(until, ?5), told = 1
             WHERE (gateway, provider, label, group_label) = (?1, ?2, ?3, ?4)
               AND since = (SELECT max(since) FROM quotas
                            WHERE (gateway, provider, label, group_label) = (?1, ?2, ?3, ?4))
               AND used_milli_percent = ?6 AND title = ?7 AND plan IS ?8
               AND (reset_at IS ?9 OR abs(reset_at - ?9) < ?10)",
        )?
        .execute((
            &quota.gateway,
            &quota.provider,
            &quota.label,
            &quota.group,
            quota.since.0,
            quota.used_milli_percent,
            &quota.title,
            &quota.plan,
            quota.reset_at.map(|at| at.0),
            SAME_RESET_MILLIS,
        ))?;
    if went_on > 0 {
        return Ok(());
    }
    connection
        .prepare_cached(
            "UPDATE quotas SET told = 0
             WHERE (gateway, provider, label, group_label) = (?1, ?2, ?3, ?4) AND told",
        )?
        .execute((&quota.gateway, &quota.provider, &quota.label, &quota.group))?;
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO quotas (gateway, provider, label, group_label, since, until, told, title, plan,
               used_milli_percent, reset_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?5, 1, ?6, ?7, ?8, ?9)",
        )?
        .execute((
            &quota.gateway,
            &quota.provider,
            &quota.label,
            &quota.group,
            quota.since.0,
            &quota.title,
            &quota.plan,
            quota.used_milli_percent,
            quota.reset_at.map(|at| at.0),
        ))
        .map(drop)
}

fn kept_quota(row: &Row<'_>) -> rusqlite::Result<KeptQuota> {
    Ok(KeptQuota {
        gateway: row.get(0)?,
        provider: row.get(1)?,
        label: row.get(2)?,
        group: row.get(3)?,
        since: UnixMillis(row.get(4)?),
        until: UnixMillis(row.get(5)?),
        title: row.get(6)?,
        plan: row.get(7)?,
        used_milli_percent: row.get(8)?,
        reset_at: row.get::<_, Option<i64>>(9)?.map(UnixMillis),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::{ProviderQuota, QuotaWindow};

    /// Thousandths of a percent, and the time of the reset, of two windows.
    fn told(at: i64, windows: &[(&str, i64, i64)]) -> Quotas {
        let windows = windows.iter().map(|(label, used, reset)| QuotaWindow {
            label: (*label).into(),
            group_label: None,
            used_milli_percent: *used,
            reset_at: Some(UnixMillis(*reset)),
        });
        Quotas {
            updated_at: UnixMillis(at),
            refreshing: false,
            providers: vec![ProviderQuota {
                provider: "anthropic".into(),
                display_name: "Claude".into(),
                plan: Some("Max".into()),
                windows: windows.collect(),
                ..ProviderQuota::default()
            }],
        }
    }

    fn kept(label: &str, used: i64, reset: i64, (since, until): (i64, i64)) -> KeptQuota {
        KeptQuota {
            gateway: "home".into(),
            provider: "anthropic".into(),
            title: "Claude".into(),
            plan: Some("Max".into()),
            label: label.into(),
            group: String::new(),
            used_milli_percent: used,
            reset_at: Some(UnixMillis(reset)),
            since: UnixMillis(since),
            until: UnixMillis(until),
        }
    }

    #[test]
    fn a_row_is_written_only_when_something_changed() {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut ledger, _) = Ledger::open(&folder.path().join("ledger.sqlite")).expect("a ledger");
        let hour = 3_600_000;
        let mut keep = |quotas: &Quotas| {
            ledger.keep_quotas("home", quotas).expect("kept");
            (
                ledger.quotas().expect("now"),
                ledger.quota_history().expect("all"),
            )
        };
        let (now, all) = keep(&told(
            1,
            &[("5h", 10_000, hour), ("week", 20_000, 9 * hour)],
        ));
        let first = [
            kept("week", 20_000, 9 * hour, (1, 1)),
            kept("5h", 10_000, hour, (1, 1)),
        ];
        assert_eq!(now, first);
        assert_eq!(all, [first[1].clone(), first[0].clone()]);
        // The same again; that one reset is some milliseconds later is no change.
        let (now, all) = keep(&told(
            2,
            &[("5h", 10_000, hour + 7), ("week", 20_000, 9 * hour)],
        ));
        let same = [
            kept("week", 20_000, 9 * hour, (1, 2)),
            kept("5h", 10_000, hour, (1, 2)),
        ];
        assert_eq!(now, same);
        assert_eq!(all, [same[1].clone(), same[0].clone()]);
        // One is fuller, the other is not told of any more.
        let (now, all) = keep(&told(3, &[("5h", 30_000, hour)]));
        let fuller = kept("5h", 30_000, hour, (3, 3));
        assert_eq!(now, std::slice::from_ref(&fuller));
        assert_eq!(all, [same[1].clone(), fuller.clone(), same[0].clone()]);
        // While they are being fetched nothing is known, and nothing is forgotten.
        let fetching = Quotas {
            refreshing: true,
            ..told(4, &[])
        };
        assert_eq!(keep(&fetching), (vec![fuller], all));
        // Nobody has quotas any more.
        let (now, _) = keep(&Quotas {
            updated_at: UnixMillis(5),
            ..Quotas::default()
        });
        assert_eq!(now, []);
    }

    #[test]
    fn a_gateway_whose_clock_is_set_back_loses_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut ledger, _) = Ledger::open(&folder.path().join("ledger.sqlite")).expect("a ledger");
        for (at, used) in [(7_200, 10), (3_600, 20), (3_900, 20)] {
            let quotas = told(at, &[("5h", used, 90_000)]);
            ledger.keep_quotas("home", &quotas).expect("kept");
        }
        let used = |quotas: Vec<KeptQuota>| -> Vec<(i64, i64)> {
            let quotas = quotas.into_iter();
            quotas
                .map(|quota| (quota.since.0, quota.used_milli_percent))
                .collect()
        };
        assert_eq!(used(ledger.quotas().expect("read")), [(3_900, 20)]);
        let history = used(ledger.quota_history().expect("read"));
        assert_eq!(history, [(3_600, 20), (3_900, 20), (7_200, 10)]);
    }
}

//! Clawspend as the tray runs it, and what it tells.

use crate::home::{Home, zone_far_from_midnight};
use clawspend_core::{
    api::{GatewayStatus, Phase},
    engine::{self, Handle, Listener, Update},
    environment::Environment,
    money::NanoUsd,
};
use std::{
    collections::BTreeMap,
    ffi::OsString,
    sync::{
        Arc,
        mpsc::{Receiver, channel},
    },
    time::{Duration, Instant},
};

/// How long anything may take before a test gives up; a gateway's own totals need most of a minute.
const PATIENCE: Duration = Duration::from_secs(150);

pub(crate) struct Running {
    updates: Receiver<(Instant, Update)>,
    /// What today came to when it was last told.
    today: (u64, NanoUsd),
    _engine: Handle,
}

/// The home of somebody in a zone where midnight is far.
pub(crate) fn home_far_from_midnight() -> Home {
    let mut home = Home::new();
    home.zone = zone_far_from_midnight();
    let zone = home.zone;
    let settings = format!("[display]\ntimezone = \"{zone}\"\n\n[sources]\nopenclaw = []\n");
    home.write("config/clawspend.toml", settings);
    home
}

impl Running {
    /// In a home where so much of today is known already.
    pub(crate) fn start(home: &Home, responses: u64, usd: &str) -> Self {
        let variables: BTreeMap<&str, OsString> = [
            ("CLAWSPEND_DATA_DIR", home.data().into()),
            ("CLAWSPEND_CONFIG_DIR", home.path().join("config").into()),
        ]
        .into();
        let variables = move |name: &str| variables.get(name).cloned();
        let environment = Environment::new(Arc::new(variables), Some(home.path().to_owned()));
        let (sender, updates) = channel();
        let engine = engine::start(
            environment.expect("folders are given"),
            Listener::Viewer,
            move |update| {
                let _ = sender.send((Instant::now(), update));
            },
        );
        Self {
            updates,
            today: amount(responses, usd),
            _engine: engine.expect("a thread"),
        }
    }

    /// Waits for an update of this kind, and says when it came. Until then, today's figures are as they were before.
    pub(crate) fn until(
        &mut self,
        what: &str,
        wanted: impl Fn(&Update) -> bool,
    ) -> (Instant, Update) {
        let began = Instant::now();
        let mut last = None;
        while let Ok((at, update)) = self
            .updates
            .recv_timeout(PATIENCE.saturating_sub(began.elapsed()))
        {
            if wanted(&update) {
                self.today = today(&update).unwrap_or(self.today);
                return (at, update);
            }
            self.expect_same(what, &update);
            last = Some(update);
        }
        panic!("no update where {what}; the last was {last:#?}")
    }

    /// All that was told until now: today's figures are as they were before.
    pub(crate) fn stays(&self) {
        for (_, update) in self.updates.try_iter() {
            self.expect_same("nothing is spent", &update);
        }
    }

    /// Logs that are half read tell less for a moment; nothing ever tells more.
    fn expect_same(&self, what: &str, update: &Update) {
        let catching_up = matches!(update.status.phase, Phase::CatchingUp(_));
        let same = today(update).is_none_or(|today| {
            let less = today.0 < self.today.0 && today.1 <= self.today.1;
            today == self.today || catching_up && less
        });
        assert!(same, "{what}: {:?}, and then {update:#?}", self.today);
    }

    /// Waits until the only gateway stands so.
    pub(crate) fn stands(&mut self, state: &str) -> GatewayStatus {
        let (_, update) = self.until(
            &format!("it is {state}"),
            |update| matches!(update.status.gateways.as_slice(), [only] if only.state == state),
        );
        assert_eq!(update.status.problems, []);
        update.status.gateways[0].clone()
    }

    /// Waits until today came to so many responses and dollars, without anything else being told in between; says when.
    pub(crate) fn spends(&mut self, responses: u64, usd: &str) -> Instant {
        let wanted = amount(responses, usd);
        let (at, _) = self.until(&format!("today is {wanted:?}"), |update| {
            today(update) == Some(wanted)
        });
        at
    }
}

fn amount(responses: u64, usd: &str) -> (u64, NanoUsd) {
    (responses, NanoUsd::parse_decimal(usd).expect("an amount"))
}

fn today(update: &Update) -> Option<(u64, NanoUsd)> {
    let today = update.summary.as_ref()?.today;
    Some((today.responses, today.cost))
}

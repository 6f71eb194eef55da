//! The only loop: what happened -> pipeline -> [`Update`].
//!
//! It runs in a thread of its own. While another process follows the logs it is a reader of the ledger like any
//! other, and takes over when that process ends.

mod gateways;
mod telling;

use crate::{
    api::{Alert, Phase, Problem, Progress, Status},
    config::{self, Config},
    environment::{Environment, zone},
    follow::watch::{Hint, Watch},
    gateway::GatewayEvent,
    ingest::{Ingest, Opened, damaged},
    ledger::{Ledger, LedgerError, quotas::KeptQuota, state},
    summary::Summary,
    time::UnixMillis,
};
use gateways::{Gateways, Inbox};
pub use gateways::{Line, Upshot};
use std::{
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
    sync::Arc,
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    thread::JoinHandle,
    time::{Duration, Instant},
};
use telling::stored_status;

/// All that a surface needs after something changed; always whole, never a difference.
#[derive(Debug, Clone, PartialEq)]
pub struct Update {
    /// The figures; `None` while the ledger cannot be read and never was: then nothing is known, which is
    /// not $0.
    pub summary: Option<Summary>,
    /// What the engine is doing.
    pub status: Status,
    /// Alerts nobody was notified of yet: notify once for each. Only a [`Listener::Notifier`] gets them, and
    /// none while notifications are paused or off.
    pub fired: Vec<Alert>,
    /// The newest episode that goes on; the tray shows it until it ends.
    pub open_alert: Option<Alert>,
    /// Notifications are paused until then.
    pub paused_until: Option<UnixMillis>,
    /// The fullest quota that gateways tell of.
    pub quota: Option<KeptQuota>,
    /// The settings in force.
    pub config: Config,
}

/// How often the clock, the lock, missing roots and the safety scan are looked at.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// A walk over everything, for file systems and moments whose events are lost.
const SAFETY_SCAN: Duration = Duration::from_secs(if cfg!(windows) { 120 } else { 300 });
/// Editors empty a file before they write it: the config is read once it has rested so long.
const CONFIG_RESTS: Duration = Duration::from_millis(200);
/// Events closer together than this are looked at together.
const COALESCE: Duration = Duration::from_millis(100);
/// A look at everything is followed by a rest of this many times its length: a storm of events that each ask for one
/// (an overflowing queue, folders made by the hundred) never costs more than a tenth of a core.
const SCAN_RESTS: u32 = 9;
/// How often files that changed lately, or wait for the end of a line, are looked at without an event.
const HOT: Duration = Duration::from_secs(if cfg!(target_os = "linux") { 2 } else { 1 });
/// How long a file stays hot.
const HOT_FOR: Duration = Duration::from_secs(600);
/// How often progress is told while catching up.
const PROGRESS: Duration = Duration::from_millis(500);
/// How often a reader looks whether the ledger has changed.
const READER_LOOK: Duration = Duration::from_millis(500);

/// What is done with the updates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listener {
    /// Makes notifications of the alerts it is given.
    Notifier,
    /// Only shows figures; alerts wait for a notifier.
    Viewer,
}

enum Input {
    Hint(Hint),
    Gateway(String, GatewayEvent),
    Pause(Option<UnixMillis>),
    Refresh,
    Stop,
}

/// A running engine; dropping it stops the loop and waits for it.
#[derive(Debug)]
pub struct Handle {
    inputs: Sender<Input>,
    thread: Option<JoinHandle<()>>,
}

impl Handle {
    /// Makes no notification until `until`; `None` ends a pause.
    pub fn pause_notifications(&self, until: Option<UnixMillis>) {
        let _ = self.inputs.send(Input::Pause(until));
    }

    /// Scans all roots now.
    pub fn refresh(&self) {
        let _ = self.inputs.send(Input::Refresh);
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let _ = self.inputs.send(Input::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Starts the loop. `on_update` is called from its thread: first with the ledger's last figures, then after
/// every change. A ledger that cannot be opened is a problem in the update's status, and is tried again.
///
/// # Errors
/// When no thread can be started.
pub fn start(
    environment: Environment,
    listener: Listener,
    on_update: impl FnMut(Update) + Send + 'static,
) -> std::io::Result<Handle> {
    let (sender, inputs) = channel();
    let hints = sender.clone();
    let thread = std::thread::Builder::new()
        .name("engine".into())
        .spawn(move || {
            let events = hints.clone();
            let inbox: Inbox = Arc::new(move |name, event| {
                let _ = events.send(Input::Gateway(name.to_owned(), event));
            });
            let watch = Watch::new(move |hint| {
                let _ = hints.send(Input::Hint(hint));
            });
            let on_update = Box::new(on_update);
            Engine::new(environment, listener, inputs, inbox, watch, on_update).run();
        })?;
    Ok(Handle {
        inputs: sender,
        thread: Some(thread),
    })
}

/// Who feeds the ledger.
enum Role {
    /// This process.
    Ingester(Box<Ingest>),
    /// Another process; this one reads.
    Reader(Box<Ledger>),
    /// The ledger cannot be opened just now.
    Nobody,
}

struct Engine {
    environment: Environment,
    listener: Listener,
    inputs: Receiver<Input>,
    watch: Watch,
    on_update: Box<dyn FnMut(Update) + Send>,
    config: Config,
    /// Size and time of the config file when it was read.
    config_stamp: Option<(u64, std::time::SystemTime)>,
    config_problems: Vec<Problem>,
    config_changed: Option<Instant>,
    zone_name: String,
    role: Role,
    inbox: Inbox,
    /// While this process follows the logs.
    gateways: Option<Gateways>,
    /// Gateways told something that surfaces should hear of.
    gateway_news: bool,
    ledger_problem: Option<Problem>,
    set_aside: Option<Problem>,
    dirty: HashSet<PathBuf>,
    scan_wanted: bool,
    hot: HashMap<PathBuf, Instant>,
    last_pass: Option<Instant>,
    last_scan: Instant,
    /// How long the next look at everything waits.
    scan_rest: Duration,
    last_hot: Instant,
    last_told: Instant,
    caught_up_at: Option<UnixMillis>,
    /// Our last look at [`Ledger::data_version`].
    seen: i64,
    told: Option<Update>,
}

impl Engine {
    fn new(
        environment: Environment,
        listener: Listener,
        inputs: Receiver<Input>,
        inbox: Inbox,
        watch: Watch,
        on_update: Box<dyn FnMut(Update) + Send>,
    ) -> Self {
        let now = Instant::now();
        Self {
            environment,
            listener,
            inputs,
            watch,
            on_update,
            config: Config::unread(),
            config_stamp: None,
            config_problems: Vec::new(),
            config_changed: None,
            zone_name: String::new(),
            role: Role::Nobody,
            inbox,
            gateways: None,
            gateway_news: false,
            ledger_problem: None,
            set_aside: None,
            dirty: HashSet::new(),
            scan_wanted: true,
            hot: HashMap::new(),
            last_pass: None,
            last_scan: now,
            scan_rest: Duration::ZERO,
            last_hot: now,
            last_told: now,
            caught_up_at: None,
            seen: 0,
            told: None,
        }
    }

    fn run(&mut self) {
        self.load_config();
        self.zone_name = zone(&self.config).1;
        self.open();
        self.tell(self.phase());
        let mut beat = (Instant::now(), UnixMillis::now());
        loop {
            self.work();
            let input = self.inputs.recv_timeout(self.patience(beat.0));
            let mut next = match input {
                Ok(input) => Some(input),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            while let Some(input) = next {
                match input {
                    Input::Stop => return self.stop(),
                    Input::Hint(hint) => self.hint(hint),
                    Input::Gateway(name, event) => self.gateway_told(&name, event),
                    Input::Refresh => self.scan_wanted = true,
                    Input::Pause(until) => self.pause(until),
                }
                next = self.inputs.try_recv().ok();
            }
            if beat.0.elapsed() >= HEARTBEAT {
                let now = (Instant::now(), UnixMillis::now());
                self.heartbeat(slept(now.0 - beat.0, now.1.0 - beat.1.0));
                beat = now;
            }
        }
    }

    /// How long nothing needs doing.
    fn patience(&self, beat: Instant) -> Duration {
        let mut left = HEARTBEAT.saturating_sub(beat.elapsed());
        if let Some(at) = self.config_changed {
            left = left.min(CONFIG_RESTS.saturating_sub(at.elapsed()));
        }
        match &self.role {
            Role::Ingester(ingest) => {
                if ingest.is_behind() {
                    left = Duration::ZERO;
                }
                let pass = self.last_pass.map_or(Duration::ZERO, |last| {
                    COALESCE.saturating_sub(last.elapsed())
                });
                if !self.dirty.is_empty() {
                    left = left.min(pass);
                }
                if self.scan_wanted {
                    let rest = self.scan_rest.saturating_sub(self.last_scan.elapsed());
                    left = left.min(pass.max(rest));
                }
                if !self.hot.is_empty() {
                    left = left.min(HOT.saturating_sub(self.last_hot.elapsed()));
                }
                if self.has_read_all() {
                    let asked = self.gateways.as_ref().and_then(Gateways::patience);
                    left = asked.map_or(left, |asked| left.min(asked));
                }
            }
            Role::Reader(_) => left = left.min(READER_LOOK),
            Role::Nobody => {}
        }
        left
    }

    /// Does what is due: a look at what changed, a batch of what is queued.
    fn work(&mut self) {
        if self
            .config_changed
            .is_some_and(|at| at.elapsed() >= CONFIG_RESTS)
        {
            self.reload_config();
        }
        let result = match &self.role {
            Role::Ingester(_) => self.listen().and_then(|()| self.ingest()),
            Role::Reader(_) => self.look_at_ledger(),
            Role::Nobody => Ok(()),
        };
        if let Err(error) = result {
            self.fail(&error);
        }
    }

    fn gateway_told(&mut self, name: &str, event: GatewayEvent) {
        if let Some(gateways) = &mut self.gateways {
            let upshot = gateways.take(name, event);
            self.gateway_news |= upshot.news;
            self.scan_wanted |= upshot.scan;
        }
    }

    /// Brings into the ledger what gateways told, and asks them what is due.
    fn listen(&mut self) -> Result<(), LedgerError> {
        let (Some(gateways), Role::Ingester(ingest)) = (&mut self.gateways, &mut self.role) else {
            return Ok(());
        };
        let changed = gateways.keep(ingest)?;
        if self.has_read_all()
            && let Some(gateways) = &mut self.gateways
        {
            let (zone, zone_name) = zone(&self.config);
            gateways.ask(UnixMillis::now().day(&zone), &zone_name);
        }
        if std::mem::take(&mut self.gateway_news) || changed {
            self.tell(self.phase());
        }
        Ok(())
    }

    /// Whether all logs have been read. Before that, what a gateway counts cannot be told from what they will tell.
    fn has_read_all(&self) -> bool {
        let reads = matches!(&self.role, Role::Ingester(ingest) if !ingest.is_behind());
        reads && self.caught_up_at.is_some() && !self.scan_wanted
    }

    /// Stays connected to the gateways that there are now.
    fn follow_gateways(&mut self) {
        let Role::Ingester(ingest) = &mut self.role else {
            return;
        };
        let gateways = self
            .gateways
            .get_or_insert_with(|| Gateways::new(Arc::clone(&self.inbox)));
        match gateways.follow(&self.environment, &self.config, &mut ingest.ledger) {
            Ok(news) => self.gateway_news |= news,
            Err(error) => self.fail(&error),
        }
    }

    fn ingest(&mut self) -> Result<(), LedgerError> {
        let Role::Ingester(ingest) = &mut self.role else {
            return Ok(());
        };
        let due = self.last_pass.is_none_or(|last| last.elapsed() >= COALESCE);
        if due && self.scan_wanted && self.last_scan.elapsed() >= self.scan_rest {
            let began = Instant::now();
            let folders: Vec<PathBuf> = ingest
                .follower
                .roots()
                .iter()
                .map(|root| root.path.clone())
                .collect();
            let own = [
                self.environment.paths.config_dir.clone(),
                self.environment.paths.data_dir.clone(),
            ];
            // Watching comes before looking, or what happens in between is missed.
            self.watch
                .arm(folders.iter().chain(&own).map(PathBuf::as_path));
            for path in ingest.scan()? {
                self.hot.insert(path, Instant::now());
            }
            (self.scan_wanted, self.last_scan, self.last_pass) =
                (false, Instant::now(), Some(Instant::now()));
            self.scan_rest = SCAN_RESTS * began.elapsed();
        }
        if due && !self.dirty.is_empty() {
            let paths: Vec<PathBuf> = self.dirty.drain().collect();
            ingest.examine(&paths);
            self.last_pass = Some(Instant::now());
        }
        if !self.hot.is_empty() && self.last_hot.elapsed() >= HOT {
            self.hot.retain(|_, since| since.elapsed() < HOT_FOR);
            let mut paths: Vec<PathBuf> = self.hot.keys().cloned().collect();
            paths.extend(ingest.follower.waiting());
            ingest.examine(&paths);
            self.last_hot = Instant::now();
        }
        if ingest.is_behind() {
            let was_behind = ingest.progress();
            let changed = ingest.step(UnixMillis::now())?;
            for path in ingest.follower.waiting() {
                self.hot.insert(path, Instant::now());
            }
            if ingest.is_behind() {
                if self.last_told.elapsed() >= PROGRESS || was_behind.files_done == 0 {
                    self.tell(self.phase());
                }
                return Ok(());
            }
            self.caught_up_at = Some(UnixMillis::now());
            self.ledger_problem = None;
            if changed
                || self
                    .told
                    .as_ref()
                    .is_none_or(|told| told.status.phase != Phase::Live)
            {
                self.tell(Phase::Live);
            }
        } else if self
            .told
            .as_ref()
            .is_none_or(|told| told.status.phase != Phase::Live)
        {
            self.caught_up_at = Some(UnixMillis::now());
            self.tell(Phase::Live);
        }
        Ok(())
    }

    fn look_at_ledger(&mut self) -> Result<(), LedgerError> {
        let Role::Reader(ledger) = &self.role else {
            return Ok(());
        };
        let now = ledger.data_version()?;
        if now != self.seen {
            self.seen = now;
            self.tell(self.phase());
        }
        Ok(())
    }

    fn hint(&mut self, hint: Hint) {
        let paths = match hint {
            Hint::Everything => return self.scan_wanted = true,
            Hint::Paths(paths) => paths,
        };
        let config = self.environment.paths.config_file();
        for path in paths {
            if path == config {
                self.config_changed = Some(Instant::now());
            } else if path.starts_with(&self.environment.paths.data_dir) {
                self.look_for_others();
            } else if matches!(&self.role, Role::Ingester(ingest) if ingest.follower.is_log(&path))
            {
                self.hot.insert(path.clone(), Instant::now());
                self.dirty.insert(path);
            }
        }
    }

    /// Another process may have written to our ledger: a pause.
    fn look_for_others(&mut self) {
        let Some(ledger) = self.ledger() else { return };
        if let Ok(now) = ledger.data_version()
            && now != self.seen
        {
            self.seen = now;
            self.tell(self.phase());
        }
    }

    fn heartbeat(&mut self, slept: bool) {
        if slept {
            tracing::info!("the machine slept or its clock was set; looking at everything again");
        }
        let config = &self.environment.paths.config_file();
        // The system's zone may have changed too: people travel.
        if stamp(config) != self.config_stamp || zone(&self.config).1 != self.zone_name {
            self.reload_config();
        }
        if !matches!(self.role, Role::Ingester(_)) {
            self.open();
        }
        // OpenClaw may have been set up, or have got another token.
        self.follow_gateways();
        if slept && let Some(gateways) = &mut self.gateways {
            gateways.hurry();
        }
        // Where a root cannot be watched, every beat looks.
        let scan_due = !self.watch.failures().is_empty() || self.last_scan.elapsed() >= SAFETY_SCAN;
        let root_appeared = match &self.role {
            Role::Ingester(ingest) => {
                let folders: Vec<PathBuf> = ingest
                    .follower
                    .roots()
                    .iter()
                    .map(|root| root.path.clone())
                    .collect();
                self.watch.arm(folders.iter().map(PathBuf::as_path))
            }
            _ => false,
        };
        self.scan_wanted |= slept || root_appeared || scan_due;
        if let Role::Ingester(ingest) = &self.role
            && let Err(error) = ingest.ledger.checkpoint()
        {
            tracing::debug!(%error, "no checkpoint");
        }
        // The day may have changed, an hour's burn has moved on, a pause may have ended.
        self.tell(self.phase());
    }

    fn phase(&self) -> Phase {
        match &self.role {
            Role::Ingester(ingest) if ingest.is_behind() => Phase::CatchingUp(ingest.progress()),
            Role::Ingester(_) if self.caught_up_at.is_some() => Phase::Live,
            Role::Ingester(_) => Phase::CatchingUp(Progress::default()),
            Role::Reader(ledger) => match stored_status(ledger) {
                Some(status) => status.phase,
                None => Phase::CatchingUp(Progress::default()),
            },
            Role::Nobody => Phase::Stopped,
        }
    }

    /// Becomes the ingester if nobody else is, else a reader.
    fn open(&mut self) {
        let opened = match Ingest::open(&self.environment, &self.config) {
            Ok(Opened::Ours { ingest, set_aside }) => {
                self.set_aside = set_aside
                    .map(|path| damaged(&path))
                    .or(self.set_aside.take());
                self.scan_wanted = true;
                self.caught_up_at = None;
                Ok(Role::Ingester(ingest))
            }
            Ok(Opened::Taken) if matches!(self.role, Role::Reader(_)) => return,
            Ok(Opened::Taken) => Ledger::open_reader(&self.environment.paths.ledger())
                .map(|ledger| Role::Reader(Box::new(ledger))),
            Err(error) => Err(error),
        };
        match opened {
            Ok(role) => {
                // The process that follows the logs follows the gateways too.
                if matches!(role, Role::Reader(_)) {
                    self.gateways = None;
                }
                self.role = role;
                self.ledger_problem = None;
                self.follow_gateways();
                self.seen = self
                    .ledger()
                    .and_then(|ledger| ledger.data_version().ok())
                    .unwrap_or_default();
            }
            Err(error) => self.fail(&error),
        }
    }

    fn ledger(&self) -> Option<&Ledger> {
        match &self.role {
            Role::Ingester(ingest) => Some(&ingest.ledger),
            Role::Reader(ledger) => Some(ledger),
            Role::Nobody => None,
        }
    }

    fn ledger_mut(&mut self) -> Option<&mut Ledger> {
        match &mut self.role {
            Role::Ingester(ingest) => Some(&mut ingest.ledger),
            Role::Reader(ledger) => Some(ledger),
            Role::Nobody => None,
        }
    }

    /// The ledger refuses. Its connection is given up, as nothing on it can be trusted; the heartbeat tries again.
    fn fail(&mut self, error: &LedgerError) {
        crate::ledger::note_damage(error);
        let new = self.ledger_problem.is_none();
        self.ledger_problem = Some(Problem {
            code: if matches!(error, LedgerError::Full(_)) {
                "disk_full"
            } else {
                "ledger"
            }
            .into(),
            message: with_cause(error),
            hint: error.hint().into(),
            serious: true,
        });
        self.role = Role::Nobody;
        if new {
            tracing::error!(error = with_cause(error), "the ledger refuses");
        }
        self.tell(Phase::Stopped);
    }

    fn load_config(&mut self) {
        let file = self.environment.paths.config_file();
        let loaded = config::load_or_create(&file, self.environment.home.as_deref());
        // Faults leave the last good settings in force.
        self.config_problems = loaded.problems(&file);
        if let Some(config) = loaded.config {
            self.config = config;
        }
        self.config_stamp = stamp(&file);
    }

    fn reload_config(&mut self) {
        self.config_changed = None;
        let before = self.config.clone();
        self.load_config();
        let zone_name = zone(&self.config).1;
        if let Role::Ingester(ingest) = &mut self.role
            && (before != self.config || zone_name != self.zone_name)
        {
            if let Err(error) = ingest.configure(&self.environment, &self.config) {
                return self.fail(&error);
            }
            self.scan_wanted = true;
            if zone_name != self.zone_name
                && let Some(gateways) = &mut self.gateways
            {
                gateways.hurry();
            }
        }
        self.zone_name = zone_name;
        self.follow_gateways();
        self.tell(self.phase());
    }

    fn pause(&mut self, until: Option<UnixMillis>) {
        let text = until.map_or_else(String::new, |until| until.0.to_string());
        let kept = match &mut self.role {
            Role::Ingester(ingest) => ingest.ledger.set_state(state::PAUSED_UNTIL, &text),
            _ => Ledger::open_writer(&self.environment.paths.ledger())
                .and_then(|mut ledger| ledger.set_state(state::PAUSED_UNTIL, &text)),
        };
        if let Err(error) = kept {
            self.fail(&error);
        }
        self.tell(self.phase());
    }

    fn stop(&mut self) {
        self.gateways = None;
        if let Role::Ingester(ingest) = &mut self.role {
            let status = Status {
                phase: Phase::Stopped,
                problems: Vec::new(),
                caught_up_at: self.caught_up_at,
                gateways: Vec::new(),
            };
            let text = serde_json::to_string(&status).unwrap_or_default();
            if let Err(error) = ingest.ledger.set_state(state::STATUS, &text) {
                tracing::warn!(%error, "the last status could not be kept");
            }
        }
    }
}

/// Whether the machine slept, or its clock was set: the two clocks disagree, or both jumped.
fn slept(mono: Duration, wall_millis: i64) -> bool {
    let mono = i64::try_from(mono.as_millis()).unwrap_or(i64::MAX);
    (wall_millis - mono).abs() > 30_000 || wall_millis.max(mono) > 60_000
}

fn stamp(path: &Path) -> Option<(u64, std::time::SystemTime)> {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.len(), metadata.modified().ok()?))
}

/// An error and what caused it, in one line.
#[must_use]
pub fn with_cause(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        // SQLite's causes repeat the error with a number in front.
        let said = text.rsplit(": ").next().unwrap_or_default();
        if !text.ends_with(&more) && !more.ends_with(said) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f37_f38_sleep_and_set_clocks_are_noticed() {
        let seconds = Duration::from_secs;
        for (case, mono, wall, expected) in [
            ("an ordinary beat", seconds(15), 15_004, false),
            ("a late beat on a busy machine", seconds(40), 40_000, false),
            (
                "sleep, where the monotonic clock stops",
                seconds(15),
                32_400_000,
                true,
            ),
            ("sleep, where it goes on", seconds(32_400), 32_400_000, true),
            (
                "the clock set back by a day",
                seconds(15),
                -86_385_000,
                true,
            ),
        ] {
            assert_eq!(slept(mono, wall), expected, "{case}");
        }
    }
}

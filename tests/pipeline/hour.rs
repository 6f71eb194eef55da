//! An hour in which a gateway, the network and this machine fail in every way ends with the same ledger as an hour in
//! which nothing fails. State machine, inquiry, ingest and ledger are the real ones; the time is not.

mod gateway;

use clawspend_core::{
    api::Reader,
    engine::Line,
    gateway::{
        Address, Credentials, DeviceKey, Failure, GatewayEvent, Input, Kept, Moment, Origin,
        Output, Secret, Session, TIMEOUT,
    },
    ingest::Ingest,
    time::UnixMillis,
    usage::Line as Read,
};
use clawspend_tests::home::{Everything, Home, drain};
use gateway::{
    BEGAN, Figures, Gateway, LOCK_OUT, Random, Response, Said, Sent, Trouble, responses, truth,
};
use jiff::{civil::date, tz::TimeZone};
use std::{collections::BTreeMap, sync::Arc};

/// Faults begin before this, and end soon after.
const LAST_FAULT: u64 = 50 * 60_000;
/// Then the last response was made and the last regular question answered.
const END: u64 = 70 * 60_000;
/// How often the client looks at the clock.
const LOOK: u64 = 15_000;

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// For a while.
    Trouble(Trouble),
    /// The connection breaks.
    Reset,
    /// A frame longer than anybody reads.
    TooLong,
    /// The device gets another token.
    Rotation,
    /// The shared token is another one; the user tells it some time later.
    NewToken,
    /// The machine sleeps, its sockets die.
    Sleep,
    /// The process ends, and another one starts some time later.
    Killed,
}

const FAULTS: [Fault; 14] = [
    Fault::Trouble(Trouble::Refusing),
    Fault::Trouble(Trouble::Vanishing),
    Fault::Trouble(Trouble::Restarting),
    Fault::Trouble(Trouble::Babbling),
    Fault::Trouble(Trouble::LockedOut),
    Fault::Trouble(Trouble::Losing),
    Fault::Trouble(Trouble::Slow),
    Fault::Trouble(Trouble::Behind),
    Fault::Reset,
    Fault::TooLong,
    Fault::Rotation,
    Fault::NewToken,
    Fault::Sleep,
    Fault::Killed,
];

/// When each begins and ends, one after the other.
fn faults(random: &mut Random) -> Vec<(u64, u64, Fault)> {
    let (mut at, mut all) = (random.between(0, 90_000), Vec::new());
    while at < LAST_FAULT {
        let ends = at + random.between(1_000, 100_000);
        let fault = FAULTS[random.between(0, FAULTS.len() as u64) as usize];
        all.push((at, ends, fault));
        at = ends + random.between(0, 120_000);
    }
    all
}

#[derive(Debug)]
enum Happens {
    Begins(usize),
    Ends(usize),
    Response,
    Tick,
    /// The gateway says something to this connection.
    Says(u64, Said),
    /// It comes to the client.
    Comes(u64, Said),
    /// Something comes to the gateway.
    Sent(u64, Sent),
}

/// What outlives the client's process.
#[derive(Default)]
struct Known {
    shared: String,
    device: Option<Secret>,
    refused: Option<(String, UnixMillis)>,
}

impl Known {
    fn credentials(&self) -> Credentials {
        Credentials {
            shared: Secret::new(&self.shared),
            device: self.device.clone(),
        }
    }
}

/// The client's process.
struct Client {
    session: Session,
    line: Line,
    ingest: Box<Ingest>,
}

impl Client {
    /// Responses and their cost, as the ledger has them.
    fn counted(&mut self) -> (u64, i64) {
        let (since, until) = (date(2026, 11, 19), date(2026, 11, 22));
        let days = { &mut self.ingest.ledger }.days(since, until, &TimeZone::UTC, "UTC");
        let mut counted = (0, 0);
        for row in days.expect("readable") {
            counted.0 += row.amount.responses;
            counted.1 += row.amount.cost.0;
        }
        counted
    }
}

struct World<'a> {
    home: &'a Home,
    faults: Vec<(u64, u64, Fault)>,
    now: u64,
    /// How long the machine has slept, and until when it does.
    slept: u64,
    asleep_until: u64,
    random: Random,
    queue: BTreeMap<(u64, u64), Happens>,
    queued: u64,
    gateway: Gateway,
    known: Known,
    client: Option<Client>,
    looked_at: u64,
    /// The client's latest socket, and whether it has one.
    socket: u64,
    is_open: bool,
    /// When the latest frame on its way to the client arrives.
    arrives: u64,
    connects: Vec<u64>,
    /// The client has just been told of a response that no log tells.
    heard: bool,
}

impl<'a> World<'a> {
    fn new(home: &'a Home, gateway: Gateway, faults: Vec<(u64, u64, Fault)>, seed: u64) -> Self {
        let known = Known {
            shared: gateway.shared.clone(),
            ..Known::default()
        };
        let mut world = Self {
            home,
            faults,
            now: 0,
            slept: 0,
            asleep_until: 0,
            random: Random(seed),
            queue: BTreeMap::new(),
            queued: 0,
            gateway,
            known,
            client: None,
            looked_at: 0,
            socket: 0,
            is_open: false,
            arrives: 0,
            connects: Vec::new(),
            heard: false,
        };
        for number in 0..world.faults.len() {
            let (begins, ends, _) = world.faults[number];
            world.at(begins, Happens::Begins(number));
            world.at(ends, Happens::Ends(number));
        }
        if let Some(at) = world.gateway.next_response() {
            world.at(at, Happens::Response);
        }
        world.at(30_000, Happens::Tick);
        world.start();
        world
    }

    fn at(&mut self, time: u64, happens: Happens) {
        self.queued += 1;
        self.queue.insert((time, self.queued), happens);
    }

    fn moment(&self) -> Moment {
        Moment {
            elapsed: self.now - self.slept,
            wall: self.wall(),
        }
    }

    fn wall(&self) -> UnixMillis {
        BEGAN.plus(self.now.cast_signed())
    }

    /// A client's process starts.
    fn start(&mut self) {
        let mut ingest = self.home.ingest();
        drain(&mut ingest);
        let gateway = clawspend_core::gateway::Gateway {
            name: "home".into(),
            address: Address::parse("ws://gateway.example:18789").expect("an address"),
            pin: None,
            default: true,
            timeout: TIMEOUT,
            origin: Origin::Config,
        };
        let line = Line::new(gateway, &ingest.ledger).expect("readable");
        let credentials = self.known.credentials();
        let refused = self.known.refused.as_ref();
        let refused = refused.filter(|(of, _)| *of == credentials.fingerprint());
        let key = Arc::new(DeviceKey::from_seed(&[3; 32]));
        let refused_at = refused.map(|(_, at)| *at);
        let session = Session::new("home", TIMEOUT, key, credentials, refused_at);
        self.client = Some(Client {
            session,
            line,
            ingest,
        });
        self.client_hears(Input::Timer);
    }

    fn run(&mut self, until: u64) {
        let mut turns_at_once = 0;
        loop {
            let next = self.queue.first_key_value().map(|((at, _), _)| *at);
            let due = self.client_due();
            let at = next
                .into_iter()
                .chain(due)
                .min()
                .unwrap_or(until)
                .max(self.now);
            turns_at_once = if at == self.now { turns_at_once + 1 } else { 0 };
            assert!(turns_at_once < 1_000, "it turns in circles");
            if at >= until {
                break;
            }
            self.now = at;
            if next == Some(at) {
                let (_, happens) = self.queue.pop_first().expect("it is there");
                self.happens(happens);
            } else {
                self.client_hears(Input::Timer);
            }
        }
        self.now = until;
    }

    /// What is not known yet may be missing at any time; more than there was is never counted.
    fn counts_nothing_twice(&mut self) {
        let (made, at) = (self.gateway.made(), self.now);
        let Some(client) = &mut self.client else {
            return;
        };
        let counted = client.counted();
        assert!(
            counted.0 <= made.0 && counted.1 <= made.1,
            "{counted:?} of {made:?} after {at} ms"
        );
    }

    fn client_due(&self) -> Option<u64> {
        let client = self.client.as_ref()?;
        let due = client.session.due().into_iter().chain(client.line.due());
        let due = due
            .map(|due| due.saturating_add(self.slept))
            .chain([self.looked_at + LOOK]);
        due.min().map(|due| due.max(self.asleep_until))
    }

    fn happens(&mut self, happens: Happens) {
        match happens {
            Happens::Begins(number) => self.begins(number),
            Happens::Ends(number) => self.ends(number),
            Happens::Response => {
                let said = self.gateway.make_response();
                self.tell(said);
                if let Some(at) = self.gateway.next_response() {
                    self.at(at, Happens::Response);
                }
            }
            Happens::Tick => {
                let said = self.gateway.tick();
                self.tell(said);
                self.at(self.now + 30_000, Happens::Tick);
            }
            Happens::Says(number, said) => self.says(number, said),
            Happens::Comes(number, said) => self.comes(number, said),
            Happens::Sent(number, sent) => {
                for (delay, said) in self.gateway.hear(number, sent, self.now) {
                    self.at(self.now + delay, Happens::Says(number, said));
                }
            }
        }
    }

    /// An event for whoever listens.
    fn tell(&mut self, said: impl IntoIterator<Item = Said>) {
        for said in said {
            if let Some(number) = self.gateway.listener() {
                self.says(number, said);
            }
        }
    }

    /// Frames arrive in the order in which they were said, or not at all.
    fn says(&mut self, number: u64, said: Said) {
        if self.gateway.trouble == Trouble::Vanishing || number != self.socket {
            return;
        }
        self.arrives = (self.now + self.random.between(1, 80)).max(self.arrives);
        self.at(self.arrives, Happens::Comes(number, said));
    }

    fn comes(&mut self, number: u64, said: Said) {
        if number != self.socket || !self.is_open || self.now < self.asleep_until {
            return;
        }
        match said {
            Said::Opened => self.client_hears(Input::Opened),
            Said::Text(text) => self.client_hears(Input::Text(&text)),
            Said::Pong => self.client_hears(Input::Heard),
            Said::Closed(code) => {
                self.is_open = false;
                self.client_hears(Input::Closed { code });
            }
            Said::Failed(why) => {
                self.is_open = false;
                self.client_hears(Input::Failed(why));
            }
        }
    }

    fn begins(&mut self, number: usize) {
        let (begins, ends, fault) = self.faults[number];
        match fault {
            Fault::Trouble(trouble) => {
                match trouble {
                    Trouble::Restarting => {
                        let said = self.gateway.shutdown();
                        self.tell(said);
                        self.close(Some(1012));
                        self.gateway.restart();
                    }
                    Trouble::LockedOut => self.close(None),
                    _ => {}
                }
                self.gateway.trouble = trouble;
                self.gateway.lasts = (begins, ends);
            }
            Fault::Reset => self.close(None),
            Fault::TooLong => {
                if let Some(number) = self.gateway.drop_line() {
                    self.says(number, Said::Failed(Failure::TooLong));
                }
            }
            Fault::Rotation => {
                self.gateway.rotate();
                self.close(Some(4001));
            }
            Fault::NewToken => {
                self.gateway.rotate();
                self.gateway.shared = format!("sesame-{number}");
                self.close(Some(4001));
            }
            Fault::Sleep => {
                self.gateway.drop_line();
                self.slept += ends - begins;
                self.asleep_until = ends;
            }
            Fault::Killed => {
                self.client = None;
                self.is_open = false;
                self.gateway.drop_line();
            }
        }
    }

    fn close(&mut self, code: Option<u16>) {
        if let Some(number) = self.gateway.drop_line() {
            self.says(number, Said::Closed(code));
        }
    }

    fn ends(&mut self, number: usize) {
        match self.faults[number].2 {
            Fault::Trouble(trouble) => {
                self.gateway.trouble = Trouble::None;
                // A connection whose packets have vanished so long does not come back.
                if trouble == Trouble::Vanishing {
                    self.gateway.drop_line();
                }
            }
            Fault::NewToken => {
                self.known.shared = self.gateway.shared.clone();
                let credentials = self.known.credentials();
                self.client_hears(Input::Retry(Some(credentials)));
            }
            Fault::Killed => self.start(),
            Fault::Reset | Fault::TooLong | Fault::Rotation | Fault::Sleep => {}
        }
    }

    /// One turn of the client: its connection, then what the engine makes of it.
    fn client_hears(&mut self, input: Input<'_>) {
        self.looked_at = self.now;
        self.with_session(|session, now, random| session.handle(input, now, random));
        let (now, today) = (self.moment(), self.wall().day(&TimeZone::UTC));
        let Some(client) = &mut self.client else {
            return;
        };
        let before = self.heard.then(|| client.counted());
        let keep = client.line.keep(&mut client.ingest, now.wall);
        keep.expect("the ledger takes it");
        if let Some((responses, cost)) = before {
            let (more, dearer) = client.counted();
            assert!(
                more == responses + 1 && dearer > cost,
                "what is told moves the figure, after {} ms",
                self.now
            );
            self.heard = false;
        }
        for (number, ask) in client.line.ask(now.elapsed, today, "UTC") {
            let ask = Input::Ask(number, ask);
            self.with_session(|session, now, random| session.handle(ask, now, random));
        }
    }

    fn with_session(&mut self, act: impl FnOnce(&mut Session, Moment, u64) -> Vec<Output>) {
        let (now, random) = (self.moment(), self.random.next());
        let Some(client) = &mut self.client else {
            return;
        };
        for output in act(&mut client.session, now, random) {
            match output {
                Output::Connect => {
                    self.socket += 1;
                    self.is_open = true;
                    self.arrives = self.now;
                    self.connects.push(now.elapsed);
                    self.send(Sent::Dial);
                }
                Output::Send(text) => self.send(Sent::Text(text.0)),
                Output::Ping => self.send(Sent::Ping),
                Output::Close(_) => {
                    self.send(Sent::Gone);
                    self.is_open = false;
                }
                Output::Keep(kept) => self.keep(kept),
                Output::Tell(event) => self.told(event, now),
            }
        }
    }

    fn send(&mut self, sent: Sent) {
        if self.is_open {
            let latency = self.random.between(1, 5);
            self.at(self.now + latency, Happens::Sent(self.socket, sent));
        }
    }

    fn keep(&mut self, kept: Kept) {
        match kept {
            Kept::DeviceToken(token) => self.known.device = Some(token),
            Kept::NoDeviceToken => self.known.device = None,
            Kept::Refused { fingerprint, at } => self.known.refused = Some((fingerprint, at)),
            Kept::NotRefused => self.known.refused = None,
        }
    }

    /// After a gap, and only then, the logs are looked at: nothing else tells here that they have grown.
    fn told(&mut self, event: GatewayEvent, now: Moment) {
        let Some(client) = &mut self.client else {
            return;
        };
        if let GatewayEvent::Message(pushed) = &event {
            let is_billed = matches!(pushed.line, Read::Observation(_));
            self.heard |= is_billed && !self.gateway.writes_logs();
        }
        if client.line.take(event, now).scan {
            drain(&mut client.ingest);
        }
    }
}

/// How an hour ended.
struct Hour {
    figures: Figures,
    /// After everything was looked at once more.
    everything: Everything,
    /// Responses that only the gateway's own totals tell.
    unheard: u64,
    connects: Vec<u64>,
    wrong: u32,
    state: String,
}

fn hour(
    responses: &[Response],
    faults: &[(u64, u64, Fault)],
    seed: u64,
    ahead: i64,
    logs_here: bool,
) -> Hour {
    let home = Home::new();
    let logs = logs_here.then(|| home.path());
    let gateway = Gateway::new(responses.to_vec(), ahead, logs);
    let mut world = World::new(&home, gateway, faults.to_vec(), seed);
    for minute in 1..=END / 60_000 {
        world.run(minute * 60_000);
        world.counts_nothing_twice();
    }
    let mut client = world.client.take().expect("a client");
    let figures = figures(&home.everything());
    let mut reader = Reader::open(home.environment()).expect("a ledger");
    let rests = reader.rests(date(2026, 11, 19), date(2026, 11, 22));
    let rests = rests.expect("readable").into_iter();
    drain(&mut client.ingest);
    Hour {
        figures,
        unheard: rests.map(|rest| rest.amount.responses).sum(),
        everything: home.everything(),
        connects: world.connects,
        wrong: world.gateway.wrong,
        state: client.session.state().word().to_owned(),
    }
}

fn figures(everything: &Everything) -> Figures {
    let sums = everything.by(&[0, 4, 6]).into_iter();
    let figures = sums.map(|(key, amount)| {
        assert_eq!(amount.unpriced_responses, 0, "{key:?}");
        let sum = (amount.responses, amount.tokens.total(), amount.cost.0);
        (key, sum)
    });
    figures.collect()
}

/// Connects that the rules allow.
fn allowed(faults: &[(u64, u64, Fault)]) -> u64 {
    let of = |(begins, ends, fault): &(u64, u64, Fault)| match fault {
        Fault::Trouble(Trouble::Losing | Trouble::Behind) => 0,
        // Our subscription is given up after half a minute.
        Fault::Trouble(Trouble::Slow) => 1 + (ends - begins) / 30_000,
        Fault::Trouble(Trouble::LockedOut) => 2,
        Fault::Trouble(Trouble::Restarting) => tries(ends - begins, 30),
        Fault::Trouble(_) => tries(ends - begins, 0),
        Fault::Reset | Fault::TooLong | Fault::Rotation | Fault::Sleep | Fault::Killed => 1,
        // With the old one, with the device's own, with the new one.
        Fault::NewToken => 3,
    };
    1 + faults.iter().map(of).sum::<u64>()
}

/// While nothing works, and once more: some quick ones while a gateway restarts, then the back-off of a second, twice as
/// long each time, up to twenty.
fn tries(lasts: u64, quick: u64) -> u64 {
    let (mut tries, mut passed) = (0, 0);
    while passed <= lasts {
        passed += match tries {
            tries if tries < quick => 1_000,
            tries => (1_000 << (tries - quick).min(5)).min(20_000),
        };
        tries += 1;
    }
    tries + 1
}

fn an_hour_of_faults_ends_like_any_other(logs_here: bool) {
    for seed in 0..20 {
        let mut random = Random(seed);
        let responses = responses(&mut random);
        let faults = faults(&mut random);
        // Its clock may be wrong by an hour.
        let ahead = [0, 0, 3_600_000, -3_600_000][seed as usize % 4];
        let clean = hour(&responses, &[], seed, ahead, logs_here);
        let truth = truth(&responses, ahead);
        assert_eq!(clean.figures, truth, "seed {seed}: a clean hour");
        assert_eq!((clean.connects.len(), clean.unheard), (1, 0));
        let faulty = hour(&responses, &faults, seed, ahead, logs_here);
        assert_eq!(faulty.state, "connected", "seed {seed}");
        assert_eq!(faulty.figures, truth, "seed {seed}: {faults:#?}");
        assert_eq!(
            faulty.unheard == 0,
            logs_here,
            "seed {seed}: {}",
            faulty.unheard
        );
        if logs_here {
            assert_eq!(faulty.everything, clean.everything, "seed {seed}");
        }
        assert_eq!(
            figures(&faulty.everything),
            truth,
            "seed {seed}: looked at once more"
        );
        let connects = faulty.connects;
        let allowed = allowed(&faults);
        assert!(
            connects.len() as u64 <= allowed,
            "seed {seed}: {} of {allowed}",
            connects.len()
        );
        let tokens = faults.iter().filter(|fault| fault.2 == Fault::NewToken);
        // Where the rotation went unheard, the device's token is tried after the shared one.
        let wrong = (2 * tokens.count() as u32).min(LOCK_OUT - 1);
        assert!(
            faulty.wrong <= wrong,
            "seed {seed}: {} of {wrong}",
            faulty.wrong
        );
        assert!(connects.is_sorted_by(|one, next| one + 1_000 <= *next));
    }
}

#[test]
fn a_gateway_whose_logs_are_here() {
    an_hour_of_faults_ends_like_any_other(true);
}

#[test]
fn a_gateway_whose_logs_are_elsewhere() {
    an_hour_of_faults_ends_like_any_other(false);
}

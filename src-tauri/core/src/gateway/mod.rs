//! OpenClaw gateways: being let in, staying connected, hearing of each response as it is made.
//!
//! ```text
//! socket ─ connection ─► Input ─ session ─► Output ─► connection: connect, send, close, keep a token
//!                                   └──────► GatewayEvent ─► whoever asked for it
//! ```
//!
//! | file | holds |
//! |---|---|
//! | `address.rs` | where a gateway is |
//! | `identity.rs` | who we are to it: key, id, signature; pure |
//! | `frame.rs` | the protocol's frames; pure |
//! | `answers.rs` | what a gateway is asked, and what it answers; pure |
//! | `remote.rs` | what is kept of the answers, and when to ask again; pure |
//! | `inquiry.rs` | when each gateway is asked what; pure |
//! | `state.rs` | how things stand, and the words for it; pure |
//! | `session.rs` | the state machine: what happened, and when -> what to do; pure |
//! | `secrets.rs` | the file of keys and tokens |
//! | `local.rs` | gateways and tokens that OpenClaw's own files and variables tell of |
//! | `tls.rs` | whose certificate is believed |
//! | `connection.rs` | sockets and clock around the state machine |
//!
//! A gateway is only ever asked for `operator.read`, and only what [`Ask`] lists.

mod address;
mod answers;
mod connection;
pub mod frame;
mod identity;
mod inquiry;
mod local;
pub mod remote;
mod secrets;
mod session;
mod state;
mod tls;

pub use address::{Address, AddressError};
pub use answers::{
    AgentSum, Aggregates, Answer, Ask, Billing, DaySum, Entry, Freshness, ModelDay, Point,
    ProviderQuota, QuotaWindow, Quotas, SessionSums, SessionUsage, Sum, Unanswered, Usage,
};
pub use connection::{Connections, NOT_KEPT};
pub use identity::{Credentials, DeviceKey, Secret};
pub use inquiry::{Inquiry, Told, Topic};
pub use local::{Found, credentials, gateways};
pub use secrets::{Secrets, SecretsError};
pub use session::{Input, Kept, Moment, Output, Session};
pub use state::{Failure, State, Unauthorized};
pub use tls::Pin;

use crate::{api::Problem, dialects::openclaw::pushed::Pushed};

/// How many milliseconds connecting may take where the config does not say.
pub const TIMEOUT: u64 = 10_000;

/// A gateway to be connected to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gateway {
    /// What the user calls it.
    pub name: String,
    /// Where it is.
    pub address: Address,
    /// The only certificate that is believed.
    pub pin: Option<Pin>,
    /// It is meant where no gateway is named.
    pub default: bool,
    /// How many milliseconds connecting, and each step of the handshake, may take.
    pub timeout: u64,
    /// How it is known.
    pub origin: Origin,
}

/// How a gateway is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The user put it into the config.
    Config,
    /// `OPENCLAW_GATEWAY_URL` names it.
    Environment,
    /// OpenClaw is set up on this machine.
    Local,
}

impl Origin {
    /// The word used in JSON.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Environment => "environment",
            Self::Local => "local",
        }
    }
}

/// What a connection tells.
#[derive(Debug, Clone, PartialEq)]
pub enum GatewayEvent {
    /// Things stand otherwise than before.
    State(State),
    /// A message was stored; most of them count nothing.
    Message(Box<Pushed>),
    /// Messages may have gone unheard before this: what the gateway has counted must be asked for again. It is told
    /// once after each connecting, when everything that follows will be heard.
    Gap,
    /// What a question came to.
    Answer {
        /// The number it was asked with.
        ask: u64,
        /// The answer.
        answer: Result<Answer, Unanswered>,
    },
    /// Something else that the user should know: a token that cannot be kept, a file that cannot be read.
    Problem(Problem),
}

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
pub mod frame;
mod identity;
pub mod remote;
mod session;
mod state;

pub use address::{Address, AddressError};
pub use answers::{
    AgentSum, Aggregates, Answer, Ask, Billing, DaySum, Entry, Freshness, ModelDay, Point,
    ProviderQuota, QuotaWindow, Quotas, SessionSums, SessionUsage, Sum, Unanswered, Usage,
};
pub use identity::{Credentials, DeviceKey, Secret};
pub use session::{Input, Kept, Moment, Output, Session};
pub use state::{Failure, State, Unauthorized};

use crate::dialects::openclaw::pushed::Pushed;

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
    /// A token could not be kept, for this reason: the next start must be let in anew.
    NotKept(String),
}

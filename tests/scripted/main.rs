//! The gateway client against a gateway that follows a script, over real sockets.

mod connection;
mod engine;

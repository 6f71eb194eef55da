//! A way to a gateway on which connections are counted.

use std::{
    io,
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

pub(crate) struct Way {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Way {
    /// It begins on the same machine, so whose address comes out of it is the same as goes in.
    pub(crate) fn to(gateway: SocketAddr) -> Self {
        let listener = TcpListener::bind((gateway.ip(), 0)).expect("a free port");
        let way = Self {
            address: listener.local_addr().expect("an address"),
            connections: Arc::default(),
        };
        let connections = Arc::clone(&way.connections);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                connections.fetch_add(1, Ordering::SeqCst);
                // While there is no gateway, whoever comes is sent away.
                if let Ok(other) = TcpStream::connect(gateway) {
                    lead(&stream, &other);
                    lead(&other, &stream);
                }
            }
        });
        way
    }

    pub(crate) fn url(&self) -> String {
        format!("ws://{}", self.address)
    }

    /// How often somebody connected.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// Carries all that comes, until it ends or the other side is gone.
fn lead(from: &TcpStream, to: &TcpStream) {
    let copies = from
        .try_clone()
        .and_then(|from| Ok((from, to.try_clone()?)));
    let (mut from, mut to) = copies.expect("a socket");
    thread::spawn(move || {
        let _ = io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Both);
    });
}

//! Sockets and clocks around the state machine. All gateways of a process share one thread.

use super::{
    Address, Ask, Failure, Gateway, GatewayEvent, Input, Kept, Moment, Output, Secrets,
    SecretsError, Session, frame::LONGEST_FRAME, local, tls::Tls,
};
use crate::{api::Problem, environment::Environment, time::UnixMillis};
use futures_util::{SinkExt as _, StreamExt as _};
use rustls::pki_types::ServerName;
use std::{
    collections::{HashMap, VecDeque},
    future::{Future, pending},
    io,
    pin::Pin,
    sync::Arc,
    thread::JoinHandle,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, lookup_host},
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    time::{sleep, timeout},
};
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{
        Error, Message,
        error::ProtocolError,
        protocol::{CloseFrame, WebSocketConfig},
    },
};

/// How long one of a host's addresses may take to answer while there are others.
const ADDRESS: Duration = Duration::from_secs(3);
/// How long a full socket may take a frame.
const WRITING: Duration = Duration::from_secs(10);
/// How often the clock is looked at, to notice that the machine slept.
const LOOK: Duration = Duration::from_secs(15);
/// How often a stopped session looks whether there is another token.
const LOOK_FOR_TOKEN: Duration = Duration::from_secs(10);

/// The code of the problem that something could not be kept; being connected does not end it.
pub const NOT_KEPT: &str = "gateway_not_kept";

type Tell = Arc<dyn Fn(&str, GatewayEvent) + Send + Sync>;

/// The gateways a process is connected to; dropping it closes all connections.
#[derive(Debug)]
pub struct Connections {
    orders: Option<UnboundedSender<Order>>,
    thread: Option<JoinHandle<()>>,
}

enum Order {
    Follow(Vec<Gateway>),
    Ask(String, u64, Ask),
    Retry(String),
}

enum Wish {
    Ask(u64, Ask),
    Retry,
}

impl Connections {
    /// Starts the thread. `tell` is called from it with a gateway's name and what is to be told; it must not wait.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(
        environment: Environment,
        tell: impl Fn(&str, GatewayEvent) + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let (sender, orders) = unbounded_channel();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()?;
        let thread = std::thread::Builder::new()
            .name("gateways".into())
            .spawn(move || {
                runtime.block_on(serve(environment, orders, Arc::new(tell)));
                // A name server that does not answer must not hold up whoever quits.
                runtime.shutdown_background();
            })?;
        Ok(Self {
            orders: Some(sender),
            thread: Some(thread),
        })
    }

    /// Stays connected to exactly these. One that is the same as before keeps its connection.
    pub fn follow(&self, gateways: Vec<Gateway>) {
        self.order(Order::Follow(gateways));
    }

    /// Asks a gateway; a [`GatewayEvent::Answer`] with this number follows, unless the gateway is left before.
    pub fn ask(&self, gateway: &str, number: u64, ask: Ask) {
        self.order(Order::Ask(gateway.to_owned(), number, ask));
    }

    /// Tries a gateway now: a person says that something was put right.
    pub fn retry(&self, gateway: &str) {
        self.order(Order::Retry(gateway.to_owned()));
    }

    fn order(&self, order: Order) {
        if let Some(orders) = &self.orders {
            // A thread that is gone has nothing left to order.
            let _ = orders.send(order);
        }
    }
}

impl Drop for Connections {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn serve(environment: Environment, mut orders: UnboundedReceiver<Order>, tell: Tell) {
    let mut lines: HashMap<String, (Gateway, UnboundedSender<Wish>)> = HashMap::new();
    let mut tasks = tokio::task::JoinSet::new();
    while let Some(order) = orders.recv().await {
        match order {
            Order::Follow(gateways) => {
                lines.retain(|_, (gateway, _)| gateways.contains(gateway));
                for gateway in gateways {
                    if !lines.contains_key(&gateway.name) {
                        let (sender, wishes) = unbounded_channel();
                        tasks.spawn(follow(
                            gateway.clone(),
                            environment.clone(),
                            wishes,
                            Arc::clone(&tell),
                        ));
                        lines.insert(gateway.name.clone(), (gateway, sender));
                    }
                }
            }
            Order::Ask(name, number, ask) => match lines.get(&name) {
                Some((_, wishes)) => drop(wishes.send(Wish::Ask(number, ask))),
                None => {
                    let (ask, answer) = (number, Err(super::Unanswered::NotConnected));
                    tell(&name, GatewayEvent::Answer { ask, answer });
                }
            },
            Order::Retry(name) => {
                if let Some((_, wishes)) = lines.get(&name) {
                    let _ = wishes.send(Wish::Retry);
                }
            }
        }
        while tasks.try_join_next().is_some() {}
    }
    // Each ends when nobody wishes anything of it any more.
    lines.clear();
    while tasks.join_next().await.is_some() {}
}

/// One gateway, for as long as somebody may wish something of it.
async fn follow(
    gateway: Gateway,
    environment: Environment,
    mut wishes: UnboundedReceiver<Wish>,
    tell: Tell,
) {
    let secrets = Secrets::new(&environment.paths);
    let mut last_problem = None;
    loop {
        match Line::new(&gateway, &environment, secrets.clone(), &tell) {
            Ok(line) => return line.run(wishes).await,
            Err(error) => {
                let problem = secrets_problem(&error);
                if last_problem.as_ref() != Some(&problem) {
                    tell(&gateway.name, GatewayEvent::Problem(problem.clone()));
                    last_problem = Some(problem);
                }
            }
        }
        let deadline = Instant::now() + LOOK;
        while let Ok(wish) = timeout(
            deadline.saturating_duration_since(Instant::now()),
            wishes.recv(),
        )
        .await
        {
            match wish {
                None => return,
                Some(Wish::Retry) => break,
                Some(Wish::Ask(ask, _)) => {
                    let answer = Err(super::Unanswered::NotConnected);
                    tell(&gateway.name, GatewayEvent::Answer { ask, answer });
                }
            }
        }
    }
}

/// What is said of a file of secrets that cannot be used.
pub(crate) fn secrets_problem(error: &SecretsError) -> Problem {
    Problem {
        code: "gateway_secrets".into(),
        message: error.to_string(),
        hint: error.hint(),
        serious: true,
    }
}

/// The clocks as a session wants them.
struct Clock(Instant);

impl Clock {
    fn now(&self) -> Moment {
        Moment {
            elapsed: u64::try_from(self.0.elapsed().as_millis()).unwrap_or(u64::MAX),
            wall: UnixMillis::now(),
        }
    }
}

trait Io: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}
type Socket = Box<WebSocketStream<Box<dyn Io>>>;
type Opening = Pin<Box<dyn Future<Output = Result<Socket, Failure>> + Send>>;

enum Link {
    None,
    Opening(Opening),
    Open(Socket),
}

/// What a socket came up with.
enum News {
    Opened(Result<Socket, Failure>),
    Message(Option<Result<Message, Error>>),
}

impl Link {
    async fn news(&mut self) -> News {
        match self {
            Self::None => pending().await,
            Self::Opening(opening) => News::Opened(opening.await),
            Self::Open(socket) => News::Message(socket.next().await),
        }
    }
}

struct Line<'a> {
    gateway: &'a Gateway,
    environment: &'a Environment,
    secrets: Secrets,
    tell: &'a Tell,
    clock: Clock,
    session: Session,
    /// The file says that these credentials were refused.
    refusal_noted: bool,
    link: Link,
    /// What to do next, and what that may lead to.
    outputs: VecDeque<Output>,
}

impl<'a> Line<'a> {
    fn new(
        gateway: &'a Gateway,
        environment: &'a Environment,
        secrets: Secrets,
        tell: &'a Tell,
    ) -> Result<Self, SecretsError> {
        let key = Arc::new(secrets.key()?);
        let found = local::credentials(environment, &secrets, gateway)?;
        for problem in found.problems {
            tell(&gateway.name, GatewayEvent::Problem(problem));
        }
        let refused_at = secrets.refused_at(&gateway.address, &found.credentials)?;
        let session = Session::new(
            &gateway.name,
            gateway.timeout,
            key,
            found.credentials,
            refused_at,
        );
        Ok(Self {
            gateway,
            environment,
            secrets,
            tell,
            clock: Clock(Instant::now()),
            session,
            refusal_noted: refused_at.is_some(),
            link: Link::None,
            outputs: VecDeque::new(),
        })
    }

    async fn run(mut self, mut wishes: UnboundedReceiver<Wish>) {
        let mut looked_for_token = Instant::now();
        self.happened(Input::Timer);
        loop {
            while let Some(output) = self.outputs.pop_front() {
                self.perform(output).await;
            }
            let patience = self.patience();
            tokio::select! {
                wish = wishes.recv() => match wish {
                    Some(Wish::Ask(number, ask)) => self.happened(Input::Ask(number, ask)),
                    Some(Wish::Retry) => {
                        let credentials = self.credentials();
                        self.happened(Input::Retry(credentials));
                    }
                    None => return self.close(1000).await,
                },
                news = self.link.news() => self.take(news),
                () = sleep(patience) => self.happened(Input::Timer),
            }
            if self.session.is_stopped() && looked_for_token.elapsed() >= LOOK_FOR_TOKEN {
                looked_for_token = Instant::now();
                if let Some(credentials) = self.credentials() {
                    let taken = self.was_taken(&credentials);
                    if taken {
                        self.session.pardon();
                    }
                    if taken || !self.session.has(&credentials) {
                        self.happened(Input::Retry(Some(credentials)));
                    }
                }
            }
        }
    }

    fn happened(&mut self, input: Input<'_>) {
        let random = getrandom::u64().unwrap_or_default();
        let now = self.clock.now();
        self.outputs.extend(self.session.handle(input, now, random));
    }

    fn patience(&self) -> Duration {
        let longest = if self.session.is_stopped() {
            LOOK_FOR_TOKEN
        } else {
            LOOK
        };
        let now = self.clock.now().elapsed;
        let due = self
            .session
            .due()
            .map(|due| Duration::from_millis(due.saturating_sub(now)));
        due.map_or(longest, |due| due.min(longest))
    }

    /// What is known now; another process may have learned more.
    fn credentials(&self) -> Option<super::Credentials> {
        let found = local::credentials(self.environment, &self.secrets, self.gateway);
        found.ok().map(|found| found.credentials)
    }

    /// Whether another process was let in with what was refused here: the gateway was put right.
    fn was_taken(&self, credentials: &super::Credentials) -> bool {
        let address = &self.gateway.address;
        // A note that could not be made is missing too, and says nothing.
        self.refusal_noted && matches!(self.secrets.refused_at(address, credentials), Ok(None))
    }

    fn take(&mut self, news: News) {
        match news {
            News::Opened(Ok(socket)) => {
                self.link = Link::Open(socket);
                self.happened(Input::Opened);
            }
            News::Opened(Err(why)) => self.lost(Input::Failed(why)),
            News::Message(Some(Ok(message))) => match message {
                Message::Text(text) => self.happened(Input::Text(&text)),
                Message::Close(frame) => {
                    let code = frame.map(|frame| frame.code.into());
                    self.lost(Input::Closed { code });
                }
                _ => self.happened(Input::Heard),
            },
            News::Message(Some(Err(error))) => {
                let why = match error {
                    Error::Capacity(_) => Failure::TooLong,
                    Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => Failure::Lost,
                    Error::Protocol(_) | Error::Utf8(_) => Failure::Garbage,
                    _ => Failure::Lost,
                };
                self.lost(Input::Failed(why));
            }
            News::Message(None) => self.lost(Input::Closed { code: None }),
        }
    }

    fn lost(&mut self, input: Input<'_>) {
        self.link = Link::None;
        self.happened(input);
    }

    async fn perform(&mut self, output: Output) {
        match output {
            Output::Connect => {
                let opening = open(self.gateway.address.clone(), self.gateway.pin);
                self.link = Link::Opening(Box::pin(opening));
            }
            Output::Send(text) => self.send(Message::text(text.0)).await,
            Output::Ping => self.send(Message::Ping(Vec::new().into())).await,
            Output::Close(code) => self.close(code).await,
            Output::Keep(kept) => self.keep(&kept),
            Output::Tell(event) => {
                if let GatewayEvent::State(state) = &event {
                    tracing::info!(gateway = self.gateway.name, "{}", state.word());
                }
                (self.tell)(&self.gateway.name, event);
            }
        }
    }

    async fn send(&mut self, message: Message) {
        let Link::Open(socket) = &mut self.link else {
            return;
        };
        if !matches!(timeout(WRITING, socket.send(message)).await, Ok(Ok(()))) {
            // What was to be done with this socket is void.
            self.lost(Input::Failed(Failure::Lost));
        }
    }

    async fn close(&mut self, code: u16) {
        if let Link::Open(mut socket) = std::mem::replace(&mut self.link, Link::None) {
            let frame = CloseFrame {
                code: code.into(),
                reason: "".into(),
            };
            // It is gone either way.
            let _ = timeout(Duration::from_millis(500), socket.close(Some(frame))).await;
        }
    }

    fn keep(&mut self, kept: &Kept) {
        let done = self.secrets.keep(&self.gateway.address, kept);
        self.refusal_noted = matches!((kept, &done), (Kept::Refused { .. }, Ok(_)));
        if let Err(error) = done {
            let problem = Problem {
                code: NOT_KEPT.into(),
                ..secrets_problem(&error)
            };
            (self.tell)(&self.gateway.name, GatewayEvent::Problem(problem));
        }
    }
}

/// Opens a WebSocket. No `Origin` is sent: a gateway would take us for a browser.
async fn open(address: Address, pin: Option<super::Pin>) -> Result<Socket, Failure> {
    let stream = reach(&address).await?;
    let _ = stream.set_nodelay(true);
    let stream: Box<dyn Io> = if address.is_encrypted() {
        let tls = Tls::new(pin)?;
        let name = ServerName::try_from(address.host()).map_err(|_| Failure::UnknownHost)?;
        let connector = tokio_rustls::TlsConnector::from(Arc::clone(&tls.config));
        let stream = connector.connect(name, stream).await;
        Box::new(stream.map_err(|error| tls.failure(&error))?)
    } else {
        Box::new(stream)
    };
    let mut config = WebSocketConfig::default();
    config.read_buffer_size = 16 << 10;
    config.max_message_size = Some(LONGEST_FRAME);
    config.max_frame_size = Some(LONGEST_FRAME);
    match client_async_with_config(address.to_string(), stream, Some(config)).await {
        Ok((socket, _)) => Ok(Box::new(socket)),
        Err(Error::Http(response)) => {
            let body = response.body().as_deref().unwrap_or_default();
            let told = String::from_utf8_lossy(body);
            if told.contains("proxy_attribution_required") {
                let code = "proxy_attribution_required".into();
                return Err(Failure::Declined { code });
            }
            let status = response.status().as_u16();
            Err(Failure::Http { status })
        }
        Err(Error::Io(error)) => Err(failure(&error)),
        Err(Error::ConnectionClosed | Error::AlreadyClosed) => Err(Failure::Lost),
        Err(_) => Err(Failure::Garbage),
    }
}

async fn reach(address: &Address) -> Result<TcpStream, Failure> {
    let found = lookup_host((address.host(), address.port())).await;
    let found: Vec<_> = found.map_err(|_| Failure::UnknownHost)?.collect();
    let mut why = Failure::UnknownHost;
    for (index, one) in found.iter().enumerate() {
        let connecting = TcpStream::connect(one);
        let connected = if index + 1 < found.len() {
            timeout(ADDRESS, connecting).await
        } else {
            Ok(connecting.await)
        };
        match connected {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => why = failure(&error),
            Err(_) => why = Failure::TimedOut,
        }
    }
    Err(why)
}

fn failure(error: &io::Error) -> Failure {
    use io::ErrorKind::{
        BrokenPipe, ConnectionAborted, ConnectionRefused, ConnectionReset, HostUnreachable,
        NetworkDown, NetworkUnreachable, TimedOut, UnexpectedEof,
    };
    match error.kind() {
        ConnectionRefused => Failure::Refused,
        TimedOut => Failure::TimedOut,
        HostUnreachable | NetworkUnreachable | NetworkDown => Failure::NoRoute,
        ConnectionReset | ConnectionAborted | BrokenPipe | UnexpectedEof => Failure::Lost,
        kind => Failure::System {
            reason: kind.to_string(),
        },
    }
}

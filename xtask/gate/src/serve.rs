//! Listens, reads a request, and passes it on or refuses it. One thread serves one connection, and a
//! connection carries one request; both are bounded in number and in time.

use crate::body::Body;
use crate::cloud::{self, Side, Step};
use crate::head::{Framing, Head};
use crate::refusal::{Form, Refusal, printable};
use crate::{Cloud, Config, access, engine, registry};
use anyhow::Context as _;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

/// Connections of one listener at a time.
const CONNECTIONS: usize = 256;
const STACK_BYTES: usize = 512 * 1024;
/// The time for a head, and for a body that is read whole.
const HEAD_TIME: Duration = Duration::from_secs(10);
const BODY_TIME: Duration = Duration::from_secs(30);
/// A body that is read whole may have so many bytes.
const BODY_BYTES: usize = 16 * 1024 * 1024;
/// The longest silence of a client that sends a body or reads an answer.
const CLIENT_SILENCE: Duration = Duration::from_secs(60);
/// The longest silence of what is behind, within an answer. A page that waits for events is sent a
/// sign of life more often.
const ANSWER_SILENCE: Duration = Duration::from_secs(20 * 60);
/// How often a client is looked after while there is no answer.
const LOOK: Duration = Duration::from_secs(1);
/// What is read of a refused request, so that the client gets to read why.
const DRAIN_BYTES: u64 = 1024 * 1024;
const DRAIN_TIME: Duration = Duration::from_secs(2);
const LOGGED: usize = 10_000;

/// Serves until the process ends.
///
/// # Errors
/// A place to listen on is taken or cannot be made.
pub fn run(config: Config) -> anyhow::Result<()> {
    match config {
        Config::Cloud(config) => {
            let config = Arc::new(config);
            // MiniStack looks for its engine as soon as it starts.
            let engine = listen_unix(&config.engine_for_cloud)?;
            let bridge = config
                .bridge
                .map(|bridge| listen(bridge, config.port))
                .transpose()?;
            let loopback = listen(Ipv4Addr::LOCALHOST, config.port)?;
            let of_engine = Arc::clone(&config);
            spawn(move || {
                accept(
                    || engine.accept().map(|(client, _)| client),
                    move |client| serve_engine(client, &of_engine),
                )
            })?;
            if let Some(bridge) = bridge {
                let config = Arc::clone(&config);
                spawn(move || {
                    accept(
                        || bridge.accept().map(|(client, _)| client),
                        move |client| serve_cloud(client, Side::Bridge, &config),
                    )
                })?;
            }
            accept(
                || loopback.accept().map(|(client, _)| client),
                move |client| serve_cloud(client, Side::Loopback, &config),
            );
        }
        Config::Registry(config) => {
            let loopback = listen(Ipv4Addr::LOCALHOST, config.port)?;
            accept(
                || loopback.accept().map(|(client, _)| client),
                move |client| serve_registry(client, &config),
            );
        }
    }
    Ok(())
}

fn listen(address: Ipv4Addr, port: u16) -> anyhow::Result<TcpListener> {
    TcpListener::bind((address, port))
        .with_context(|| format!("failed to listen on {address}:{port}"))
}

/// Listens on a socket that only this user can reach.
fn listen_unix(path: &Path) -> anyhow::Result<UnixListener> {
    let named = || format!("failed to listen on {}", path.display());
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error).with_context(named)?,
        _ => {}
    }
    let listener = UnixListener::bind(path).with_context(named)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).with_context(named)?;
    Ok(listener)
}

fn spawn(work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    std::thread::Builder::new()
        .stack_size(STACK_BYTES)
        .spawn(work)
        .map(|_| ())
}

/// Serves connections as they come, until there are too many.
fn accept<C: Connection + Send + 'static>(
    next: impl Fn() -> io::Result<C>,
    serve: impl Fn(C) + Send + Sync + 'static,
) {
    let (serve, open) = (Arc::new(serve), Arc::new(AtomicUsize::new(0)));
    loop {
        let Ok(mut client) = next() else {
            // Without a free file descriptor, the next try fails at once, too.
            std::thread::sleep(Duration::from_millis(50));
            continue;
        };
        if open.fetch_add(1, Ordering::Relaxed) >= CONNECTIONS {
            open.fetch_sub(1, Ordering::Relaxed);
            let _ = client.set_write_bound(Some(LOOK));
            let busy = Refusal::new(503, "too many connections are open");
            let _ = client.write_all(&busy.answer(Form::Json, true));
            continue;
        }
        let (serve, counted) = (Arc::clone(&serve), Counted(Arc::clone(&open)));
        // A failure drops the connection, and with it the count.
        let _ = spawn(move || {
            let _counted = counted;
            serve(client);
        });
    }
}

/// One of the open connections.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A connection that is bounded in time.
pub(crate) trait Connection: Read + Write {
    fn set_read_bound(&self, bound: Option<Duration>) -> io::Result<()>;
    fn set_write_bound(&self, bound: Option<Duration>) -> io::Result<()>;
    /// Whether the other side has gone.
    fn is_gone(&mut self) -> bool;
    /// Sends nothing more.
    fn finish(&self);
}

macro_rules! connection {
    ($stream:ty) => {
        impl Connection for $stream {
            fn set_read_bound(&self, bound: Option<Duration>) -> io::Result<()> {
                self.set_read_timeout(bound)
            }

            fn set_write_bound(&self, bound: Option<Duration>) -> io::Result<()> {
                self.set_write_timeout(bound)
            }

            fn is_gone(&mut self) -> bool {
                if self.set_nonblocking(true).is_err() {
                    return true;
                }
                // A connection carries one request, so that further bytes have no meaning.
                let read = self.read(&mut [0; 256]);
                let gone = match read {
                    Ok(length) => length == 0,
                    Err(error) => error.kind() != io::ErrorKind::WouldBlock,
                };
                gone || self.set_nonblocking(false).is_err()
            }

            fn finish(&self) {
                let _ = self.shutdown(Shutdown::Write);
            }
        }
    };
}

connection!(TcpStream);
connection!(UnixStream);

/// Reads a head and lets `decide` deal with it; a refusal is answered.
fn serve<C: Connection>(
    mut client: C,
    name: &str,
    decide: impl FnOnce(&mut C, Head, Vec<u8>) -> Result<(), Refused>,
) {
    let bounded = client
        .set_read_bound(Some(HEAD_TIME))
        .and_then(|()| client.set_write_bound(Some(CLIENT_SILENCE)));
    if bounded.is_err() {
        return;
    }
    let (what, form, is_head, ended) = match Head::read(&mut client, Instant::now() + HEAD_TIME) {
        Err(_) => return,
        Ok(Err(refusal)) => (String::new(), Form::Json, false, Err(refusal.into())),
        Ok(Ok((head, early))) => {
            let what = format!("{} {}", head.method, head.path());
            let (form, is_head) = (form_of(&head), head.method == "HEAD");
            let ended = client
                .set_read_bound(Some(CLIENT_SILENCE))
                .map_err(Refused::from)
                .and_then(|()| decide(&mut client, head, early));
            (what, form, is_head, ended)
        }
    };
    if let Err(Refused::Because(refusal)) = ended {
        // While a service starts, it is asked again and again.
        if refusal.status != 502 {
            log(&format!("{name}: refused {what}: {}", refusal.message));
        }
        if client.write_all(&refusal.answer(form, !is_head)).is_ok() {
            client.finish();
            drain(&mut client);
        }
    }
}

/// Why a request was not passed on.
enum Refused {
    Because(Refusal),
    /// The connection broke off, so that nobody reads an answer.
    Broken,
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self::Because(refusal)
    }
}

impl From<io::Error> for Refused {
    fn from(_: io::Error) -> Self {
        Self::Broken
    }
}

fn serve_cloud(client: TcpStream, side: Side, config: &Cloud) {
    let _ = client.set_nodelay(true);
    let name = match side {
        Side::Loopback => "loopback",
        Side::Bridge => "bridge",
    };
    serve(client, name, |client, head, early| {
        let framing = head.framing;
        let expects = head.expects_continue;
        let way = Way {
            upstream: &config.upstream,
            silence: ANSWER_SILENCE,
        };
        match cloud::open(config, side, head, SystemTime::now())? {
            Step::Pass { head, digest } => {
                way.pass(client, &head, early, digest.as_deref(), expects)
            }
            Step::Balance { head, name } => {
                if !way.has_load_balancer(&name)? {
                    return Err(Refusal::new(404, "there is no load balancer of this name").into());
                }
                way.pass(client, &head, early, None, expects)
            }
            Step::Judge(pending) => {
                if !pending.needs_body() {
                    let (head, digest) = pending.close(config, None, SystemTime::now())?;
                    return way.pass(client, &head, early, digest.as_deref(), expects);
                }
                let body = whole(client, early, framing, expects)?;
                let (head, _) = pending.close(config, Some(&body), SystemTime::now())?;
                way.send(client, &head, &body)
            }
        }
    });
}

fn serve_engine(client: UnixStream, config: &Cloud) {
    serve(client, "engine", |client, head, early| {
        let expects = head.expects_continue;
        // Whoever waits for a container waits as long as that runs.
        let way = Way {
            upstream: &config.engine,
            silence: Duration::MAX,
        };
        if !engine::check(&head)? {
            return way.pass(client, &head, early, None, expects);
        }
        let body = whole(client, early, head.framing, expects)?;
        let key = access::read_key(&config.key)
            .map_err(|error| Refusal::new(503, format!("{error:#}")))?;
        let body = engine::container(&body, &key, config)?;
        way.send(client, &head, &body)
    });
}

fn serve_registry(client: TcpStream, config: &crate::Registry) {
    let _ = client.set_nodelay(true);
    serve(client, "registry", |client, head, early| {
        registry::check(&head, config.port)?;
        let expects = head.expects_continue;
        let way = Way {
            upstream: &config.upstream,
            silence: ANSWER_SILENCE,
        };
        way.pass(client, &head, early, None, expects)
    });
}

/// The way to what is behind the gate.
struct Way<'a> {
    upstream: &'a Path,
    silence: Duration,
}

impl Way<'_> {
    fn connect(&self) -> Result<UnixStream, Refused> {
        let connected = UnixStream::connect(self.upstream).and_then(|upstream| {
            upstream.set_write_timeout(Some(CLIENT_SILENCE))?;
            upstream.set_read_timeout(Some(LOOK))?;
            Ok(upstream)
        });
        connected.map_err(|_| Refusal::new(502, "what is behind the gate does not run").into())
    }

    /// Sends a request on while its body comes, and its answer back.
    fn pass(
        &self,
        client: &mut impl Connection,
        head: &Head,
        early: Vec<u8>,
        digest: Option<&str>,
        expects: bool,
    ) -> Result<(), Refused> {
        let mut upstream = self.connect()?;
        if expects {
            client.write_all(CONTINUE)?;
        }
        upstream.write_all(&head.to_bytes(head.framing))?;
        match Body::new(early, client, head.framing).send(&mut upstream, digest) {
            // What is behind may answer before it has read everything.
            Err(error)
                if !matches!(
                    error.kind(),
                    io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
                ) =>
            {
                return match error.kind() {
                    io::ErrorKind::Other | io::ErrorKind::InvalidData => {
                        Err(Refusal::malformed(error.to_string()).into())
                    }
                    _ => Err(Refused::Broken),
                };
            }
            _ => {}
        }
        self.answer(client, &mut upstream)
    }

    /// Sends a request on whose body was judged, and its answer back.
    fn send(&self, client: &mut impl Connection, head: &Head, body: &[u8]) -> Result<(), Refused> {
        let mut upstream = self.connect()?;
        let framing = match (body.is_empty(), head.framing) {
            (true, Framing::None) => Framing::None,
            _ => Framing::Length(body.len() as u64),
        };
        upstream.write_all(&head.to_bytes(framing))?;
        upstream.write_all(body)?;
        self.answer(client, &mut upstream)
    }

    /// Passes the answer on as it comes. The client hears of its end by the end of the connection.
    fn answer(
        &self,
        client: &mut impl Connection,
        upstream: &mut UnixStream,
    ) -> Result<(), Refused> {
        let mut buffer = vec![0; 64 * 1024];
        let mut heard = Instant::now();
        loop {
            match upstream.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(length) => {
                    client.write_all(&buffer[..length])?;
                    heard = Instant::now();
                }
                Err(error) if is_silence(&error) => {
                    if heard.elapsed() >= self.silence || client.is_gone() {
                        return Ok(());
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Ok(()),
            }
        }
    }

    /// Whether MiniStack has a load balancer of this name. What it does not know is a call of the
    /// cloud to it, so it is not asked.
    fn has_load_balancer(&self, name: &str) -> Result<bool, Refused> {
        let mut upstream = self.connect()?;
        upstream.set_read_timeout(Some(HEAD_TIME))?;
        let body = format!("Action=DescribeLoadBalancers&Version=2015-12-01&Names.member.1={name}");
        write!(
            upstream,
            "POST / HTTP/1.1\r\nhost: 127.0.0.1\r\n\
             authorization: AWS4-HMAC-SHA256 Credential=gate/20260101/us-east-1/\
             elasticloadbalancing/aws4_request, SignedHeaders=host, Signature=0\r\n\
             content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\
             connection: close\r\n\r\n{body}",
            body.len()
        )?;
        let mut answer = Vec::new();
        upstream.take(DRAIN_BYTES).read_to_end(&mut answer)?;
        let answer = String::from_utf8_lossy(&answer);
        Ok(answer.starts_with("HTTP/1.1 200")
            && answer.contains(&format!("<LoadBalancerName>{name}</LoadBalancerName>")))
    }
}

const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// The whole body of a request.
fn whole(
    client: &mut impl Connection,
    early: Vec<u8>,
    framing: Framing,
    expects: bool,
) -> Result<Vec<u8>, Refused> {
    if expects {
        client.write_all(CONTINUE)?;
    }
    client.set_read_bound(Some(HEAD_TIME))?;
    let body = Body::new(early, client, framing).whole(BODY_BYTES, Instant::now() + BODY_TIME);
    match body {
        Ok(Some(body)) => Ok(body),
        Ok(None) => {
            Err(Refusal::new(413, format!("the body has more than {BODY_BYTES} bytes")).into())
        }
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            Err(Refusal::malformed(error.to_string()).into())
        }
        Err(_) => Err(Refused::Broken),
    }
}

fn is_silence(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    )
}

/// Reads what a refused client still sends: closing on unread bytes would take its answer away.
fn drain(client: &mut impl Connection) {
    let (mut left, until) = (DRAIN_BYTES, Instant::now() + DRAIN_TIME);
    let mut buffer = [0; 4096];
    let _ = client.set_read_bound(Some(LOOK));
    while left > 0 && Instant::now() < until {
        match client.read(&mut buffer) {
            Ok(length @ 1..) => left = left.saturating_sub(length as u64),
            _ => return,
        }
    }
}

fn form_of(head: &Head) -> Form {
    match head.header("x-amz-target") {
        Some(_) => Form::Json,
        None if cloud::is_form(head) => Form::Query,
        None if head.header("authorization").is_some() => Form::Xml,
        None => Form::Json,
    }
}

/// A line in the log of this process, which stays small whoever asks.
fn log(line: &str) {
    static LINES: AtomicUsize = AtomicUsize::new(0);
    if LINES.fetch_add(1, Ordering::Relaxed) < LOGGED {
        let _ = writeln!(io::stderr(), "{}", printable(line));
    }
}

//! `/metrics` on the loopback interface.

use super::PrometheusRecorder;
use crate::StartError;
use campanile_core::{Clock, Tick};
use std::{
    fmt,
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    thread::JoinHandle,
    time::Duration,
};

/// The longest head of a request.
const MAX_HEAD: usize = 8 << 10;
/// From its first byte to its last, a request has this long; so has the answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// More at once are turned away.
const MAX_CONNECTIONS: usize = 8;
/// So many ports after the wanted one are tried.
const PORTS: u16 = 100;

/// Options of a [`MetricsEndpoint`].
///
/// ```
/// use campanile_sinks::{Endpoint, PrometheusRecorder};
///
/// let prometheus = PrometheusRecorder::new();
/// let endpoint = Endpoint::new(prometheus).port(0).open()?;
/// println!("metrics on http://{}/metrics", endpoint.address());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Endpoint {
    recorder: PrometheusRecorder,
    address: SocketAddr,
    required: bool,
    hosts: Vec<String>,
}

impl Endpoint {
    /// Serves what `recorder` renders, on 127.0.0.1:9464.
    pub fn new(recorder: PrometheusRecorder) -> Self {
        Self {
            recorder,
            address: (Ipv4Addr::LOCALHOST, 9464).into(),
            required: false,
            hosts: ["127.0.0.1", "localhost", "[::1]"]
                .map(String::from)
                .to_vec(),
        }
    }

    /// Another address; it must be a loopback one. Default 127.0.0.1:9464.
    pub fn address(mut self, address: SocketAddr) -> Self {
        self.address = address;
        self
    }

    /// Another port; 0 takes any free one. Default 9464.
    pub fn port(mut self, port: u16) -> Self {
        self.address.set_port(port);
        self
    }

    /// Whether a taken port is an error. Default no: the next free one is taken, see [`MetricsEndpoint::address`].
    pub fn port_required(mut self, required: bool) -> Self {
        self.required = required;
        self
    }

    /// One more name by which it may be asked for (a forwarded port). Default `127.0.0.1`, `localhost` and `[::1]`.
    pub fn host(mut self, name: impl Into<String>) -> Self {
        self.hosts.push(name.into());
        self
    }

    /// Starts listening.
    ///
    /// # Errors
    ///
    /// When the address is not a loopback one, or no port is free.
    pub fn open(self) -> Result<MetricsEndpoint, StartError> {
        let place = self.address.to_string();
        let fail = |advice| {
            let place = &place;
            move |error| StartError::new("listen on", Path::new(place), error, advice)
        };
        if !self.address.ip().is_loopback() {
            let error = io::Error::other("everybody in the network could read it");
            return Err(fail("choose a loopback address and forward it")(error));
        }
        let taken = "choose another port, or leave `port_required` out";
        let listener = self.listen().map_err(fail(taken))?;
        let address = listener.local_addr().map_err(fail(taken))?;
        let stopping = Arc::new(AtomicBool::new(false));
        let seen = stopping.clone();
        let server = Arc::new(Server {
            recorder: self.recorder,
            hosts: self.hosts,
            connections: AtomicUsize::new(0),
            steady: Clock::system(),
        });
        let thread = std::thread::Builder::new()
            .name("campanile-metrics".to_owned())
            .spawn(move || server.accept(&listener, &seen))
            .map_err(fail("allow the program one more thread"))?;
        Ok(MetricsEndpoint {
            address,
            stopping,
            thread: Some(thread),
        })
    }

    fn listen(&self) -> io::Result<TcpListener> {
        let mut address = self.address;
        let last = match self.required || address.port() == 0 {
            true => address.port(),
            false => address.port().saturating_add(PORTS),
        };
        loop {
            match TcpListener::bind(address) {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse && address.port() < last => {
                    address.set_port(address.port() + 1);
                }
                other => return other,
            }
        }
    }
}

/// Answers `GET /metrics`, until it is dropped. See [`Endpoint`].
pub struct MetricsEndpoint {
    address: SocketAddr,
    stopping: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl MetricsEndpoint {
    /// Where it really listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for MetricsEndpoint {
    fn drop(&mut self) {
        self.stopping.store(true, Relaxed);
        // Wakes the thread, which waits for somebody to come.
        let woken = TcpStream::connect_timeout(&self.address, Duration::from_millis(100));
        if let (Ok(_), Some(thread)) = (woken, self.thread.take()) {
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for MetricsEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MetricsEndpoint({})", self.address)
    }
}

struct Server {
    recorder: PrometheusRecorder,
    hosts: Vec<String>,
    connections: AtomicUsize,
    steady: Clock,
}

/// A status, what it is called, and what is said.
type Answer = (u16, &'static str, String);

impl Server {
    fn accept(self: &Arc<Self>, listener: &TcpListener, stopping: &AtomicBool) {
        for stream in listener.incoming() {
            if stopping.load(Relaxed) {
                return;
            }
            let Ok(stream) = stream else {
                // Out of descriptors, mostly: it comes back at once, so do not spin.
                std::thread::sleep(Duration::from_millis(50));
                continue;
            };
            if self.connections.fetch_add(1, Relaxed) >= MAX_CONNECTIONS {
                self.connections.fetch_sub(1, Relaxed);
                continue;
            }
            let server = Guest(self.clone());
            let serve = move || {
                // A guest who goes away early is no trouble of ours.
                let _ = server.0.serve(stream);
            };
            // Without a thread the guest is turned away; its count goes with it.
            let _ = std::thread::Builder::new()
                .name("campanile-metrics".to_owned())
                .spawn(serve);
        }
    }

    fn serve(&self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_write_timeout(Some(PATIENCE))?;
        let head = self.head(&mut stream)?;
        let (status, word, body) = match &head {
            Some(head) => self.answer(head),
            None => (431, "Request Header Fields Too Large", String::new()),
        };
        let kind = "text/plain; version=0.0.4; charset=utf-8";
        let allow = if status == 405 {
            "Allow: GET, HEAD\r\n"
        } else {
            ""
        };
        let length = body.len();
        write!(
            stream,
            "HTTP/1.1 {status} {word}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n{allow}\
             Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n"
        )?;
        let is_head = head.is_some_and(|head| head.starts_with("HEAD "));
        stream.write_all(if is_head { b"" } else { body.as_bytes() })
    }

    /// Everything up to the empty line; `None` when it is too long. A request's body is never read.
    fn head(&self, stream: &mut TcpStream) -> io::Result<Option<String>> {
        let begun = self.steady.tick();
        let mut head = Vec::new();
        let mut piece = [0; 1_024];
        while memchr::memmem::find(&head, b"\r\n\r\n").is_none() {
            if head.len() > MAX_HEAD {
                return Ok(None);
            }
            stream.set_read_timeout(Some(self.left(begun)?))?;
            match stream.read(&mut piece)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                bytes => head.extend_from_slice(&piece[..bytes]),
            }
        }
        Ok(Some(String::from_utf8_lossy(&head).into_owned()))
    }

    fn left(&self, begun: Tick) -> io::Result<Duration> {
        PATIENCE
            .checked_sub(self.steady.tick().since(begun).to_duration())
            .filter(|left| !left.is_zero())
            .ok_or_else(|| io::ErrorKind::TimedOut.into())
    }

    fn answer(&self, head: &str) -> Answer {
        let mut lines = head.split("\r\n");
        let mut first = lines.next().unwrap_or_default().split(' ');
        let (method, target, version) = (first.next(), first.next(), first.next());
        let (Some(method), Some(target), Some("HTTP/1.1" | "HTTP/1.0"), None) =
            (method, target, version, first.next())
        else {
            return (400, "Bad Request", "not a request\n".to_owned());
        };
        if !self.is_for_us(lines) {
            return (421, "Misdirected Request", "unknown host\n".to_owned());
        }
        match (method, target.split('?').next()) {
            ("GET" | "HEAD", Some("/metrics")) => (200, "OK", self.recorder.render()),
            ("GET" | "HEAD", _) => (404, "Not Found", "only /metrics is here\n".to_owned()),
            _ => (405, "Method Not Allowed", "only GET and HEAD\n".to_owned()),
        }
    }

    /// Exactly one `Host`, of a name that is allowed: a web page must not reach it under its own name.
    fn is_for_us<'a>(&self, lines: impl Iterator<Item = &'a str>) -> bool {
        let fields = lines.filter_map(|line| line.split_once(':'));
        let hosts = fields.filter(|(name, _)| name.eq_ignore_ascii_case("host"));
        let hosts: Vec<&str> = hosts.map(|(_, value)| value.trim()).collect();
        let [host] = hosts[..] else {
            return false;
        };
        let name = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            _ => host,
        };
        self.hosts
            .iter()
            .any(|known| known.eq_ignore_ascii_case(name))
    }
}

/// Counts one connection for as long as it is served.
struct Guest(Arc<Server>);

impl Drop for Guest {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Relaxed);
    }
}

//! A provider that is running.

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http_body_util::BodyExt as _;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::bill::{Bill, Tab};
use super::wire::{Plain, Transport, Valve, Wire};

/// A body that a server sends.
pub(crate) type Body = UnsyncBoxBody<Bytes, Infallible>;

/// A request, and the connection that it came on.
#[derive(Debug)]
pub struct Visit {
    pub(crate) request: Request<Incoming>,
    pub(crate) valve: Valve,
    pub(crate) after: After,
}

/// What a connection goes on with once its HTTP is over: the talk over a WebSocket.
#[derive(Clone, Default)]
pub(crate) struct After(Arc<Mutex<Option<BoxFuture<'static, ()>>>>);

impl After {
    pub(crate) fn set(&self, talk: BoxFuture<'static, ()>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(talk);
    }

    fn take(&self) -> Option<BoxFuture<'static, ()>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl fmt::Debug for After {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("After")
    }
}

/// Something that answers requests.
pub(crate) trait Front: Send + Sync {
    fn answer(self: Arc<Self>, visit: Visit) -> BoxFuture<'static, Response<Body>>;
}

/// A running provider. Dropped, it stops: its port is closed, its connections end, open requests are billed as
/// [`HungUp`](super::Why::HungUp).
#[must_use]
pub struct Server {
    front: Arc<dyn Front>,
    tab: Tab,
    address: Option<SocketAddr>,
    path: &'static str,
    tasks: Mutex<JoinSet<()>>,
}

impl Server {
    pub(crate) fn in_memory(front: Arc<dyn Front>, tab: Tab, path: &'static str) -> Self {
        Self {
            front,
            tab,
            address: None,
            path,
            tasks: Mutex::default(),
        }
    }

    pub(crate) async fn listen(
        front: Arc<dyn Front>,
        tab: Tab,
        path: &'static str,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = Some(listener.local_addr()?);
        let tasks = Mutex::new(JoinSet::new());
        tasks
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .spawn(accept(listener, Arc::clone(&front)));
        Ok(Self {
            front,
            tab,
            address,
            path,
            tasks,
        })
    }

    /// The address of the port; `None` for a server in memory.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// What a client of HTTP takes for a base URL, with the version where the provider's clients expect one there.
    /// A server in memory says the host `sim`.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}{}", self.authority(), self.path)
    }

    /// The same for a client of WebSockets, without any path.
    #[must_use]
    pub fn ws_url(&self) -> String {
        format!("ws://{}", self.authority())
    }

    fn authority(&self) -> String {
        self.address
            .map_or_else(|| String::from("sim"), |address| address.to_string())
    }

    /// What was billed so far. Ask [`settled`](Self::settled) where a client may just have hung up.
    #[must_use]
    pub fn bill(&self) -> Bill {
        self.tab.bill()
    }

    /// Where it writes what it bills.
    #[must_use]
    pub fn tab(&self) -> &Tab {
        &self.tab
    }

    /// The bill as soon as no request is open.
    pub async fn settled(&self) -> Bill {
        self.tab.settled().await
    }

    /// Stops and returns the whole bill. Requests that are open are cut off, and billed up to here.
    pub async fn stop(self) -> Bill {
        let mut tasks = std::mem::take(&mut *self.lock());
        tasks.shutdown().await;
        self.tab.settled().await
    }

    /// Serves one connection of any kind, such as one side of [`tokio::io::duplex`], until it ends.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn serve_connection<T>(&self, io: T)
    where
        T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let mut tasks = self.lock();
        while tasks.try_join_next().is_some() {}
        tasks.spawn(serve(Arc::clone(&self.front), Box::new(Plain(io))));
    }

    /// A new connection in memory.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    #[must_use]
    pub fn connect(&self) -> DuplexStream {
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        self.serve_connection(ours);
        theirs
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, JoinSet<()>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("base_url", &self.base_url())
            .finish_non_exhaustive()
    }
}

/// Takes connections in. They end with this task: their set lives in it.
async fn accept(listener: TcpListener, front: Arc<dyn Front>) {
    let mut connections = JoinSet::new();
    loop {
        let socket = tokio::select! {
            socket = listener.accept() => socket,
            Some(_) = connections.join_next() => continue,
        };
        match socket {
            Ok((socket, _)) => {
                // Each piece goes out at once, as it does from a provider.
                let _ = socket.set_nodelay(true);
                connections.spawn(serve(Arc::clone(&front), Box::new(socket)));
            }
            // Too many open files, or a client that is gone already: neither lasts.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

async fn serve(front: Arc<dyn Front>, transport: Box<dyn Transport>) {
    let (wire, valve) = Wire::new(transport);
    let after = After::default();
    let service = service_fn(|request| {
        // A cut that the response before this one was too short for.
        valve.clear();
        let visit = Visit {
            request,
            valve: valve.clone(),
            after: after.clone(),
        };
        let answer = Arc::clone(&front).answer(visit);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let connection = http1::Builder::new()
        .serve_connection(TokioIo::new(wire), service)
        .with_upgrades();
    // An error is a client that has gone or speaks no HTTP; hyper has answered what can be answered.
    if connection.await.is_ok()
        && let Some(talk) = after.take()
    {
        talk.await;
    }
}

/// A response whose body is there already.
pub(crate) fn response(
    status: u16,
    content_type: &str,
    headers: &[(&'static str, String)],
    body: impl Into<Bytes>,
) -> Response<Body> {
    let body = http_body_util::Full::new(body.into()).boxed_unsync();
    let mut response = Response::new(body);
    *response.status_mut() =
        hyper::StatusCode::from_u16(status).expect("we answer with statuses that exist");
    put(response.headers_mut(), "content-type", content_type);
    for (name, value) in headers {
        put(response.headers_mut(), name, value);
    }
    response
}

/// Sets a header, unless its value cannot be one.
pub(crate) fn put(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = value.parse() {
        headers.insert(name, value);
    }
}

/// A JSON answer.
pub(crate) fn json(
    status: u16,
    headers: &[(&'static str, String)],
    body: &serde_json::Value,
) -> Response<Body> {
    response(status, "application/json", headers, body.to_string())
}

/// The whole body of a request, or `None` where it is larger than any provider takes or its client has gone.
pub(crate) async fn collect(body: Incoming) -> Option<Bytes> {
    const MOST: usize = 16 << 20;
    let limited = http_body_util::Limited::new(body, MOST);
    Some(limited.collect().await.ok()?.to_bytes())
}

//! A client of HTTP/1.1 that reports what it read, also of a response that broke off.

use bytes::Bytes;
use campanile_testkit::sim::Server;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// The body ended as it should.
    pub(crate) whole: bool,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("the body is JSON")
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().expect("a readable header"))
    }

    /// The JSON objects of a stream of server-sent events, and whether `[DONE]` came.
    pub(crate) fn events(&self) -> (Vec<Value>, bool) {
        let text = std::str::from_utf8(&self.body).expect("the body is text");
        let mut done = false;
        let mut events = Vec::new();
        // What a cut left unfinished is no event.
        for event in text.split_inclusive("\n\n").filter(|e| e.ends_with("\n\n")) {
            match event.trim_end().strip_prefix("data: ") {
                Some("[DONE]") => done = true,
                Some(data) => events.push(serde_json::from_str(data).expect("an event is JSON")),
                None => panic!("not an event: {event:?}"),
            }
        }
        (events, done)
    }

    /// The text of all deltas, one by one.
    pub(crate) fn deltas(&self) -> Vec<String> {
        let (events, _) = self.events();
        events
            .iter()
            .filter_map(|event| event["choices"][0]["delta"]["content"].as_str())
            .filter(|text| !text.is_empty())
            .map(str::to_owned)
            .collect()
    }
}

/// A connection of its own. Dropped, it is closed.
#[derive(Debug)]
pub(crate) struct Client {
    sender: http1::SendRequest<Full<Bytes>>,
    _connection: JoinSet<()>,
}

impl Client {
    pub(crate) async fn tcp(server: &Server) -> Self {
        let address = server.address().expect("the server has a port");
        let socket = TcpStream::connect(address).await.expect("the port is open");
        Self::over(socket).await
    }

    pub(crate) async fn over(io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Self {
        let (sender, connection) = http1::handshake(TokioIo::new(io))
            .await
            .expect("the connection is fresh");
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let _ = connection.await;
        });
        Self {
            sender,
            _connection: tasks,
        }
    }

    /// Sends and returns as soon as the head of the response is there.
    pub(crate) async fn send(
        &mut self,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<Response<Incoming>, hyper::Error> {
        let mut request = Request::post(path).header("host", "sim");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request
            .body(Full::new(body.into()))
            .expect("the request is well-formed");
        self.sender.ready().await?;
        self.sender.send_request(request).await
    }

    pub(crate) async fn post(
        &mut self,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<Answer, hyper::Error> {
        Ok(read(self.send(path, headers, body).await?).await)
    }
}

/// Reads a response to its end, good or bad.
pub(crate) async fn read(response: Response<Incoming>) -> Answer {
    let (head, mut body) = response.into_parts();
    let mut read = Vec::new();
    let whole = loop {
        match body.frame().await {
            Some(Ok(frame)) => read.extend_from_slice(frame.data_ref().map_or(&[], |data| data)),
            Some(Err(_)) => break false,
            None => break true,
        }
    };
    Answer {
        status: head.status.as_u16(),
        headers: head.headers,
        body: read.into(),
        whole,
    }
}

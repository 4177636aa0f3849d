//! A reverse proxy of chat completions, built on the layers.
//!
//! Bytes, statuses and headers pass as they are; usage is read as it passes. A client that hangs up hangs up upstream,
//! since nothing here reads ahead.

use crate::Dial;
use crate::connect::http;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use campanile::protocols::openai::chat::RequestFacts;
use campanile::{
    CallLayer, ErrorLayer, Intake, Monitor, Plain, RedactLayer, Session, TimingLayer, Told,
    UsageLayer, classify, openai, scope,
};
use http_body_util::{BodyExt as _, Full};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tower::util::BoxCloneSyncService;
use tower::{BoxError, ServiceBuilder, ServiceExt as _};

/// A body whose bytes are those of upstream.
type Passing = http_body_util::combinators::UnsyncBoxBody<Bytes, hyper::Error>;
type Llm = BoxCloneSyncService<http::Request<Full<Bytes>>, http::Response<Passing>, BoxError>;

/// The header in which a client may say its session.
const SESSION: &str = "x-session-id";
/// The most that a request may hold; what is larger is refused before it is sent anywhere.
const MOST: usize = 16 << 20;
/// The most sessions that are remembered at once.
const MOST_SESSIONS: usize = 4096;

/// The names of headers that concern one connection only, and of those that are set anew for the next one.
const HOP_BY_HOP: [HeaderName; 9] = [
    header::CONNECTION,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

#[derive(Clone)]
struct Proxy {
    upstream: Arc<str>,
    llm: Llm,
    monitor: Monitor,
    sessions: Arc<Mutex<HashMap<String, Session>>>,
}

/// The routes `/v1/…` and `/s/<session>/v1/…`, both to `upstream` (`https://api.openai.com/v1`).
pub fn router(monitor: &Monitor, upstream: &str) -> Router {
    let proxy = Proxy {
        upstream: upstream.trim_end_matches('/').into(),
        llm: llm(monitor),
        monitor: monitor.clone(),
        sessions: Arc::default(),
    };
    Router::new()
        .route("/v1/chat/completions", any(pass))
        .route("/s/{session}/v1/chat/completions", any(pass))
        .with_state(proxy)
}

fn llm(monitor: &impl AsRef<Intake>) -> Llm {
    let stack = ServiceBuilder::new()
        // The turn is put into the request's extensions below, by whoever has read the session's id.
        .layer(CallLayer::http("llm", monitor).scope(scope::extension))
        .layer(ErrorLayer::new(classify::error).breaks(classify::error))
        .layer(UsageLayer::new().provider("openai"))
        .layer(RedactLayer::new())
        .layer(TimingLayer::new())
        .layer(openai::chat())
        .service(http(Dial::tcp()));
    let stack = campanile::stage::<http::Request<Full<Bytes>>, _>(stack);
    let plain = stack.map_response(|response| response.map(|body| Plain::new(body).boxed_unsync()));
    BoxCloneSyncService::new(plain.map_err(BoxError::from))
}

async fn pass(State(proxy): State<Proxy>, request: Request) -> Response {
    match proxy.pass(request).await {
        Ok(response) => response,
        Err(refusal) => refusal.into_response(),
    }
}

impl Proxy {
    async fn pass(self, request: Request) -> Result<Response, (StatusCode, String)> {
        let (head, body) = request.into_parts();
        let session = session_id(&head.uri, &head.headers);
        let body = axum::body::to_bytes(body, MOST).await;
        let body =
            body.map_err(|_| told(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large"))?;
        let query = head.uri.query().map(|query| format!("?{query}"));
        let url = format!(
            "{}/chat/completions{}",
            self.upstream,
            query.unwrap_or_default()
        );
        let mut upward = http::Request::builder()
            .method(head.method)
            .uri(url)
            .body(Full::new(body.clone()))
            .map_err(|error| told(StatusCode::BAD_REQUEST, &error.to_string()))?;
        *upward.headers_mut() = passing(head.headers);
        // A body that is packed cannot be read as it passes; length and host are of the next connection; the session
        // is our affair.
        upward.headers_mut().remove(SESSION);
        for name in [
            header::ACCEPT_ENCODING,
            header::HOST,
            header::CONTENT_LENGTH,
        ] {
            upward.headers_mut().remove(name);
        }
        let facts = RequestFacts::read(&body);
        upward.extensions_mut().insert(Told::new(facts.clone()));
        upward.extensions_mut().insert(facts);
        if let Some(session) = session.and_then(|id| self.session(&id)) {
            upward.extensions_mut().insert(session.whole());
        }
        let response = self.llm.clone().oneshot(upward).await;
        // An error that upstream did not send: the client hears that there was none, not what it was.
        let response =
            response.map_err(|_| told(StatusCode::BAD_GATEWAY, "upstream cannot be reached"))?;
        let (mut head, body) = response.into_parts();
        head.headers = passing(head.headers);
        Ok(Response::from_parts(head, Body::new(body)))
    }

    /// The session of that id, begun when it is first heard of.
    fn session(&self, id: &str) -> Option<Session> {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(session) = sessions.get(id) {
            return Some(session.clone());
        }
        // An id of the wrong shape is nobody's: its calls are recorded without one.
        let session = self.monitor.session_named(id).ok()?;
        if sessions.len() >= MOST_SESSIONS {
            // Nobody says when a session is over: they end when their last call does.
            sessions.clear();
        }
        sessions.insert(id.to_owned(), session.clone());
        Some(session)
    }
}

fn told(status: StatusCode, text: &str) -> (StatusCode, String) {
    (status, format!("{text}\n"))
}

/// `/s/<id>/v1/…`, or the header `x-session-id`.
fn session_id(uri: &Uri, headers: &HeaderMap) -> Option<String> {
    let in_path = uri
        .path()
        .strip_prefix("/s/")
        .and_then(|rest| rest.split('/').next());
    let in_header = headers.get(SESSION).and_then(|id| id.to_str().ok());
    in_path.or(in_header).map(str::to_owned)
}

/// Headers without those that concern one connection only, among them those that `connection` names.
fn passing(mut headers: HeaderMap) -> HeaderMap {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in HOP_BY_HOP.iter().chain(&named) {
        headers.remove(name);
    }
    headers
}

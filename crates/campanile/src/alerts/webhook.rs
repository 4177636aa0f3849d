//! Telling an alert over HTTP.

use campanile_core::{AlertEvent, Name};
use serde::Serialize;
use std::fmt;
use std::time::Duration;
use ureq::{Agent, Error, http::Uri};

/// How long one try may take, from the look-up of the host to the last byte of the answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// An address that alerts are posted to. It is a secret, and printed nowhere.
#[derive(Clone)]
pub struct Webhook {
    name: Name,
    url: String,
    agent: Agent,
}

/// What is posted: `text` is what Slack, Mattermost and their like show; the rest is for programs.
#[derive(Serialize)]
struct Message<'a> {
    text: &'a str,
    id: &'a str,
    alert: &'a AlertEvent,
}

/// Why an alert was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    /// Without the address.
    pub(crate) why: String,
    /// How long the other side asked to wait.
    pub(crate) retry_after: Option<Duration>,
}

impl Webhook {
    /// A webhook of that name. `None` where `url` is no address of HTTP.
    #[must_use]
    pub fn new(name: Name, url: &str) -> Option<Self> {
        let uri: Uri = url.parse().ok()?;
        let http = matches!(uri.scheme_str(), Some("http" | "https"));
        (http && uri.host().is_some_and(|host| !host.is_empty())).then(|| Self {
            name,
            url: url.to_owned(),
            agent: agent(PATIENCE),
        })
    }

    /// Sets how long one try may take (default: 10 seconds).
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        Self {
            agent: agent(timeout),
            ..self
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// Posts an alert. It blocks.
    pub(crate) fn tell(&self, alert: &AlertEvent) -> Result<(), Refused> {
        let text = alert.to_string();
        let message = Message {
            text: &text,
            id: &alert.id,
            alert,
        };
        let body = serde_json::to_vec(&message).unwrap_or_default();
        let request = self
            .agent
            .post(&self.url)
            .header("Content-Type", "application/json")
            .header("Idempotency-Key", alert.id.as_str());
        let response = request.send(&body[..]).map_err(|error| refused(&error))?;
        if response.status().is_success() {
            return Ok(());
        }
        let wait = response.headers().get("Retry-After");
        let seconds = wait.and_then(|wait| wait.to_str().ok()?.trim().parse().ok());
        Err(Refused {
            why: format!("answered {}", response.status().as_u16()),
            retry_after: seconds.map(Duration::from_secs),
        })
    }
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

fn agent(timeout: Duration) -> Agent {
    Agent::config_builder()
        .timeout_global(Some(timeout))
        .http_status_as_error(false)
        // Whoever redirects a post gets it at another address, or as a question: neither is what was asked for.
        .max_redirects(0)
        .max_redirects_will_error(false)
        .build()
        .into()
}

/// What went wrong, without the address: the client's own words may hold it.
fn refused(error: &Error) -> Refused {
    let why = match error {
        Error::Timeout(_) => "no answer in time".to_owned(),
        Error::Io(error) => match error.kind() {
            std::io::ErrorKind::ConnectionRefused => "the connection was refused".to_owned(),
            std::io::ErrorKind::TimedOut => "no answer in time".to_owned(),
            kind => format!("the connection broke ({kind})"),
        },
        Error::HostNotFound => "the host is not known".to_owned(),
        Error::ConnectionFailed => "no connection".to_owned(),
        Error::Tls(_) | Error::Rustls(_) => {
            "the other side's certificate was not accepted".to_owned()
        }
        Error::Protocol(_) => "the answer is not HTTP".to_owned(),
        _ => "it could not be posted".to_owned(),
    };
    Refused {
        why,
        retry_after: None,
    }
}

//! What a client asks to be spoken.

use serde_json::{Value, json};

use super::super::bill::AudioFormat;

/// A message on the socket.
#[derive(Debug)]
pub(super) enum Message {
    Speak { context_id: String, ask: Ask },
    Cancel { context_id: String },
}

/// One text, or an end of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ask {
    pub(super) model: String,
    pub(super) transcript: String,
    pub(super) format: AudioFormat,
    pub(super) container: Container,
    /// More text will come.
    pub(super) go_on: bool,
    /// The client wants to know when all until here has been spoken.
    pub(super) flush: bool,
    pub(super) timestamps: bool,
}

/// What stands around the samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Container {
    Raw,
    Wav,
}

/// An error in the provider's words.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) status: u16,
    pub(super) context_id: Option<String>,
    pub(super) code: &'static str,
    pub(super) title: &'static str,
    pub(super) message: String,
}

impl Wrong {
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self {
            status: 400,
            context_id: None,
            code: "invalid_request",
            title: "Invalid request",
            message: message.into(),
        }
    }

    pub(super) fn internal() -> Self {
        Self {
            status: 500,
            context_id: None,
            code: "internal_error",
            title: "Internal server error",
            message: String::from("Something went wrong."),
        }
    }

    pub(super) fn of(mut self, context_id: &str) -> Self {
        self.context_id = Some(context_id.to_owned());
        self
    }

    /// As a message on a socket.
    pub(super) fn event(&self) -> Value {
        let mut event = json!({
            "type": "error",
            "status_code": self.status,
            "error_code": self.code,
            "title": self.title,
            "message": self.message,
            "done": true,
        });
        if let Some(context_id) = &self.context_id {
            event["context_id"] = json!(context_id);
        }
        event
    }
}

impl Message {
    pub(super) fn parse(text: &str) -> Result<Self, Wrong> {
        let message = object(text.as_bytes())?;
        let context_id = match &message["context_id"] {
            Value::String(id) if !id.is_empty() => id.clone(),
            _ => return Err(Wrong::invalid("context_id is required")),
        };
        if flag(&message, "cancel").map_err(|wrong| wrong.of(&context_id))? {
            return Ok(Self::Cancel { context_id });
        }
        let ask = Ask::read(&message).map_err(|wrong| wrong.of(&context_id))?;
        if ask.container != Container::Raw {
            return Err(Wrong::invalid("a socket carries raw audio only").of(&context_id));
        }
        Ok(Self::Speak { context_id, ask })
    }
}

impl Ask {
    /// The body of an HTTP request.
    pub(super) fn parse(body: &[u8]) -> Result<Self, Wrong> {
        let ask = Self::read(&object(body)?)?;
        if ask.transcript.is_empty() {
            return Err(Wrong::invalid("transcript is empty"));
        }
        Ok(ask)
    }

    /// The characters that are billed.
    pub(super) fn characters(&self) -> u64 {
        self.transcript.chars().count() as u64
    }

    fn read(message: &Value) -> Result<Self, Wrong> {
        let text = |name: &str| match &message[name] {
            Value::String(text) => Ok(text.clone()),
            _ => Err(Wrong::invalid(format!("{name} is required, as a string"))),
        };
        let model = text("model_id")?;
        if model.is_empty() {
            return Err(Wrong::invalid("model_id is empty"));
        }
        if !message["voice"].is_object() {
            return Err(Wrong::invalid("voice is required, as an object"));
        }
        let (container, format) = output(&message["output_format"])?;
        Ok(Self {
            model,
            transcript: text("transcript")?,
            format,
            container,
            go_on: flag(message, "continue")?,
            // Without a buffer, each text is flushed.
            flush: flag(message, "flush")? || message["max_buffer_delay_ms"] == json!(0),
            timestamps: flag(message, "add_timestamps")?,
        })
    }
}

fn object(text: &[u8]) -> Result<Value, Wrong> {
    match serde_json::from_slice(text) {
        Ok(value @ Value::Object(_)) => Ok(value),
        _ => Err(Wrong::invalid("the message is not a JSON object")),
    }
}

fn flag(message: &Value, name: &str) -> Result<bool, Wrong> {
    match &message[name] {
        Value::Null => Ok(false),
        Value::Bool(flag) => Ok(*flag),
        _ => Err(Wrong::invalid(format!("{name} is not a boolean"))),
    }
}

fn output(format: &Value) -> Result<(Container, AudioFormat), Wrong> {
    let container = match format["container"].as_str() {
        Some("raw") => Container::Raw,
        Some("wav") => Container::Wav,
        other => {
            return Err(Wrong::invalid(format!(
                "container {other:?} is not simulated"
            )));
        }
    };
    let width = match (format["encoding"].as_str(), container) {
        (Some("pcm_s16le"), _) => 2,
        (Some("pcm_f32le"), Container::Raw) => 4,
        (Some("pcm_mulaw" | "pcm_alaw"), Container::Raw) => 1,
        (other, _) => {
            return Err(Wrong::invalid(format!(
                "encoding {other:?} is not simulated"
            )));
        }
    };
    match format["sample_rate"].as_u64() {
        Some(rate @ 8_000..=48_000) => Ok((
            container,
            AudioFormat {
                sample_rate: rate as u32,
                channels: 1,
                width,
            },
        )),
        _ => Err(Wrong::invalid("sample_rate is not within 8000 and 48000")),
    }
}

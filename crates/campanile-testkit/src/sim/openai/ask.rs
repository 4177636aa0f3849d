//! What a client asks for.

use serde_json::Value;

use super::super::text;

/// A request body, as far as the simulation needs it.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) model: String,
    /// The texts of all messages, one after another.
    pub(super) text: String,
    /// Tokens of the prompt.
    pub(super) prompt: u64,
    /// The most tokens that the reply may have, those thought included.
    pub(super) most: Option<u64>,
    pub(super) stream: bool,
    pub(super) usage: bool,
    /// Whether chunks are padded, so that their size does not tell their content.
    pub(super) padding: bool,
    pub(super) tier: String,
}

/// An error in the provider's own words.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) status: u16,
    pub(super) message: String,
    pub(super) kind: &'static str,
    pub(super) param: Option<&'static str>,
    pub(super) code: Option<&'static str>,
}

impl Wrong {
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self {
            status: 400,
            message: message.into(),
            kind: "invalid_request_error",
            param: None,
            code: None,
        }
    }

    fn missing(param: &'static str) -> Self {
        Self {
            param: Some(param),
            code: Some("missing_required_parameter"),
            ..Self::invalid(format!("Missing required parameter: '{param}'."))
        }
    }

    fn kind(param: &'static str, wanted: &str) -> Self {
        Self {
            param: Some(param),
            code: Some("invalid_type"),
            ..Self::invalid(format!("Invalid type for '{param}': expected {wanted}."))
        }
    }
}

impl Ask {
    pub(super) fn parse(body: &[u8]) -> Result<Self, Wrong> {
        let body: Value = serde_json::from_slice(body)
            .map_err(|_| Wrong::invalid("We could not parse the JSON body of your request."))?;
        let model = match &body["model"] {
            Value::String(model) if !model.is_empty() => model.clone(),
            _ => return Err(Wrong::invalid("you must provide a model parameter")),
        };
        if !matches!(body["n"].as_u64(), None | Some(1)) {
            return Err(Wrong::kind("n", "1: this simulation makes one choice"));
        }
        let stream = flag(&body["stream"], "stream")?.unwrap_or(false);
        let options = &body["stream_options"];
        if !options.is_null() && !stream {
            return Err(Wrong {
                param: Some("stream_options"),
                ..Wrong::invalid(
                    "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
                )
            });
        }
        let (text, prompt) = messages(&body["messages"])?;
        Ok(Self {
            model,
            text,
            prompt,
            most: most(&body)?,
            stream,
            usage: flag(&options["include_usage"], "stream_options.include_usage")?
                .unwrap_or(false),
            padding: flag(
                &options["include_obfuscation"],
                "stream_options.include_obfuscation",
            )?
            .unwrap_or(true),
            tier: match body["service_tier"].as_str() {
                None | Some("auto") => String::from("default"),
                Some(tier) => tier.to_owned(),
            },
        })
    }
}

fn flag(value: &Value, param: &'static str) -> Result<Option<bool>, Wrong> {
    match value {
        Value::Null => Ok(None),
        Value::Bool(flag) => Ok(Some(*flag)),
        _ => Err(Wrong::kind(param, "a boolean")),
    }
}

fn most(body: &Value) -> Result<Option<u64>, Wrong> {
    for param in ["max_completion_tokens", "max_tokens"] {
        match &body[param] {
            Value::Null => {}
            value => match value.as_u64() {
                Some(most @ 1..) => return Ok(Some(most)),
                _ => return Err(Wrong::kind(param, "a positive integer")),
            },
        }
    }
    Ok(None)
}

/// The texts of all messages, and the tokens that they are with all that stands around them.
fn messages(value: &Value) -> Result<(String, u64), Wrong> {
    let Value::Array(messages) = value else {
        return Err(match value {
            Value::Null => Wrong::missing("messages"),
            _ => Wrong::kind("messages", "an array of objects"),
        });
    };
    if messages.is_empty() {
        return Err(Wrong::kind("messages", "at least one message"));
    }
    let mut all = String::new();
    let mut tokens = 3;
    for message in messages {
        if !message["role"].is_string() {
            return Err(Wrong::missing("messages[].role"));
        }
        let mut count = |text: &str| {
            tokens += text::tokens(text).len() as u64;
            all.push_str(text);
        };
        match &message["content"] {
            // An assistant's message that only calls tools.
            Value::Null => {}
            Value::String(text) => count(text),
            Value::Array(parts) => parts
                .iter()
                .filter_map(|part| part["text"].as_str())
                .for_each(&mut count),
            _ => return Err(Wrong::kind("messages[].content", "a string or an array")),
        }
        tokens += 4;
    }
    Ok((all, tokens))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prompt_has_no_more_tokens_than_bytes_and_frames() {
        for content in ["", "a", "?!?!", "Naïve café 😀", "one two three four"] {
            let body = serde_json::json!({"model": "m", "messages": [
                {"role": "system", "content": content},
                {"role": "user", "content": [{"type": "text", "text": content}]},
            ]});

            let ask = Ask::parse(body.to_string().as_bytes()).unwrap();

            assert!(ask.prompt <= (2 * content.len() + 2 * 8 + 8) as u64);
            assert!(ask.prompt >= 2 * 4, "{content}");
        }
    }
}

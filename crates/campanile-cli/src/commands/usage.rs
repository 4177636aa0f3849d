//! `campanile usage`: recorded responses in, their usage out.

use crate::{
    Io,
    fault::Fault,
    lines::{Bad, Blank, each_line},
    text,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use campanile_core::{Facts, Frame, Noted, Tally};
use campanile_protocols::{
    bedrock, deepgram,
    family::{Family, Reports, by_shape},
    recorded::{Record, read},
};
use serde::Serialize;
use serde_json::{Map, Value};

const EXAMPLES: &str = r#"A line of the input is one response:
  {"id": "r1", "provider": "openai", "endpoint": "openai.chat.completions", "transport": "sse", "status": 200,
   "headers": {}, "body_encoding": "utf8", "body": "data: {...}\n\n"}
and gives
  {"id":"r1","usage":{"model":"gpt-4o-mini","input_tokens":118,"cached_input_tokens":64,...}}

Examples:
  campanile usage < responses.jsonl
  campanile usage --disjoint < responses.jsonl"#;

/// Reads recorded responses, one JSON object a line, and tells what each reports as used: totals as providers show
/// them (cached tokens are part of the input, reasoning of the output); null where a response says nothing.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Usage {
    /// Print the meters that prices are multiplied with, each token counted under one of them only.
    #[arg(long)]
    disjoint: bool,
}

#[derive(Serialize)]
struct Told<'a, U> {
    id: &'a Value,
    usage: U,
}

#[derive(Serialize)]
struct Disjoint<'a> {
    model: Option<&'a str>,
    #[serde(flatten)]
    usage: &'a campanile_core::Usage,
}

impl Usage {
    pub(crate) fn run(self, io: &mut Io<'_>) -> Result<(), Fault> {
        each_line(io, Blank::Skip, |line, out| {
            let fields: Map<String, Value> = serde_json::from_slice(line)?;
            let id = fields.get("id").cloned().unwrap_or_default();
            if !fields.contains_key("body") {
                return Err(Bad::line(
                    "no `body`: a record holds the response as `body`",
                ));
            }
            let record: Record = serde_json::from_value(Value::Object(fields))?;
            let totals = read(&record);
            let told = match self.disjoint {
                false => text::json(&Told {
                    id: &id,
                    usage: &totals,
                }),
                true => {
                    let usage = &disjoint(&record);
                    let model = totals.model.as_deref();
                    text::json(&Told {
                        id: &id,
                        usage: Disjoint { model, usage },
                    })
                }
            };
            Ok(writeln!(out, "{told}")?)
        })
    }
}

/// What the decoder of the record's endpoint notes, meter by meter; a failed response uses nothing.
fn disjoint(record: &Record) -> campanile_core::Usage {
    let (tally, mut noted) = (Tally::default(), Noted::new());
    if record.status >= 400 {
        return tally.snapshot();
    }
    let mut decoder = decoder(record);
    let mut receive = |frame: Frame<'_>| {
        noted.clear();
        decoder.received(frame, &mut noted);
        Facts::usage(&noted, &tally);
    };
    if record.transport == "ws" {
        let frames = record.body.lines().filter(|line| !line.trim().is_empty());
        frames.for_each(|frame| receive(Frame::Text(frame)));
    } else if record.body_encoding == "base64" {
        receive(Frame::Body(
            &STANDARD.decode(&record.body).unwrap_or_default(),
        ));
    } else {
        receive(Frame::Body(record.body.as_bytes()));
    }
    noted.clear();
    decoder.ended(&mut noted);
    Facts::usage(&noted, &tally);
    tally.snapshot()
}

/// The decoder for a record, with the headers that count.
fn decoder(record: &Record) -> Box<dyn Reports> {
    let provider = record.provider.as_str();
    let path = record.request.get("path").and_then(Value::as_str);
    let headers = record.headers.iter();
    let headers = headers.map(|(name, value)| (name.as_str(), value.as_str().unwrap_or("")));
    let family = Family::of(provider, &record.endpoint)
        .or_else(|| Family::of(provider, path.unwrap_or_default()));
    match family {
        Some(Family::Bedrock) => Box::new(bedrock::Decoder::new().headers(headers)),
        Some(Family::DeepgramSpeak) => Box::new(deepgram::speak::Decoder::new().headers(headers)),
        Some(Family::DeepgramRecording) if record.transport == "ws" => {
            Family::DeepgramLive.decoder(provider)
        }
        Some(family) => family.decoder(provider),
        None => by_shape(provider),
    }
}

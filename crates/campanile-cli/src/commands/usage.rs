//! `campanile usage`: recorded responses in, their usage out.

use crate::{
    Io,
    fault::Fault,
    lines::{Bad, Blank, each_line},
    text,
};
use campanile_protocols::recorded::{Record, decode};
use serde::Serialize;
use serde_json::{Map, Value};

const EXAMPLES: &str = r#"A line of the input is one response:
  {"id": "r1", "provider": "openai", "endpoint": "openai.chat.completions",
   "transport": "sse", "status": 200, "headers": {},
   "body_encoding": "utf8", "body": "data: {...}\n\n"}
and gives
  {"id":"r1","usage":{"model":"gpt-4o-mini","input_tokens":118,...}}

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
            let read = decode(&record);
            let told = match self.disjoint {
                false => text::json(&Told {
                    id: &id,
                    usage: &read.totals,
                }),
                true => {
                    let model = read.totals.model.as_deref();
                    let usage = Disjoint {
                        model,
                        usage: &read.usage,
                    };
                    text::json(&Told { id: &id, usage })
                }
            };
            Ok(writeln!(out, "{told}")?)
        })
    }
}

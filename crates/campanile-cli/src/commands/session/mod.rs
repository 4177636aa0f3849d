//! `campanile session ID`: its turns as waterfalls, its calls.

mod page;
mod phases;
mod terminal;

use crate::{Io, fault::Fault, settings::Settings, text};
use campanile_core::SCHEMA_VERSION;
use campanile_sinks::ledger::{Reader, SessionDetail};
use serde_json::json;
use std::io::Write;

const EXAMPLES: &str = "\
Each turn begins with its waterfall: what the user waited for, from the end of the speech to the \
first audio, and who could make it shorter. Calls follow, with a bar that says when in the turn they ran, and on what their time went.

Examples:
  campanile session call-7
  campanile session 05d4a766                      the last eight digits of an id of ours do
  campanile session call-7 --format html > call-7.html
  campanile session call-7 --format json";

/// Shows one session.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Session {
    /// Its id, as `campanile sessions` lists it, or the last eight digits of one of ours, as the console shows them.
    id: String,
    /// How to print it.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Which form a session has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// Aligned columns, for people.
    #[default]
    Table,
    /// JSON, for programs.
    Json,
    /// One page, to send around.
    Html,
}

impl Session {
    pub(crate) fn run(self, settings: &Settings, io: &mut Io<'_>) -> Result<(), Fault> {
        let session = self.find(&settings.reader()?, settings)?;
        match self.format {
            Format::Table => terminal::Page {
                io,
                session: &session,
            }
            .print(),
            Format::Json => {
                let mut document = json!(session);
                if let Some(fields) = document.as_object_mut() {
                    fields.remove("keys");
                    fields.insert("v".to_owned(), SCHEMA_VERSION.into());
                }
                Ok(writeln!(io.out, "{}", text::json_document(&document))?)
            }
            Format::Html => Ok(write!(io.out, "{}", page::html(&session, io.now))?),
        }
    }

    fn find(&self, reader: &Reader, settings: &Settings) -> Result<SessionDetail, Fault> {
        let id = &self.id;
        let found = reader.session(id).map_err(Fault::usage)?;
        if let Some(found) = found {
            return Ok(found);
        }
        // The begin of an id of ours is the same for hours: the console shows its end.
        let is_end = id.len() == 8 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        let ending = match is_end {
            true => reader.sessions_ending(id).map_err(Fault::usage)?,
            false => Vec::new(),
        };
        let found = match ending.as_slice() {
            [one] => reader.session(one).map_err(Fault::usage)?,
            [] => None,
            many => {
                let many = many.join(", ");
                return Err(Fault::Usage(format!(
                    "more than one session ends with `{id}`: {many}"
                )));
            }
        };
        found.ok_or_else(|| match settings.ledger_path() {
            Ok(path) => Fault::Failed(format!(
                "no session `{id}` in {}; `campanile sessions` lists them",
                path.display()
            )),
            Err(fault) => fault,
        })
    }
}

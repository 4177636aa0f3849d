//! `campanile forget`: deletes what is kept of one caller.

use crate::{Io, fault::Fault, settings::Settings, text};
use campanile_core::SessionId;
use campanile_redact::{HashKey, IdGuard};
use campanile_sinks::{forget_lines, ledger};
use std::borrow::Cow;
use std::path::PathBuf;

const EXAMPLES: &str = "\
It may run beside a bot that writes. What a kill cuts off is finished by running it again.

Examples:
  campanile forget call-7
      forgot call-7: lines of logs: 123 (files: 4), texts of failures in ledger/campanile.db: 2; amounts stay";

/// Deletes what is kept of one session: its lines in plain and compressed logs, and the texts of its failures in the
/// ledger. Amounts stay.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Forget {
    /// The id of the session.
    session: String,
    /// The folder of the logs. Default: the one of the configuration, else logs.
    #[arg(long, value_name = "FOLDER")]
    logs: Option<PathBuf>,
}

impl Forget {
    pub(crate) fn run(self, settings: &Settings, io: &mut Io<'_>) -> Result<(), Fault> {
        let session = self.session(settings)?;
        let logs = match self.logs {
            Some(folder) => folder,
            None => settings.config()?.sink.jsonl.dir,
        };
        let lines = forget_lines(&logs, session.as_str()).map_err(|error| {
            let folder = logs.display();
            Fault::Usage(format!(
                "the logs in {folder} cannot be changed: {error}; nothing is lost, run it again"
            ))
        })?;
        let path = settings.ledger_path()?;
        let texts = match path.is_file() {
            true => ledger::forget(&path, session.as_str()).map_err(Fault::usage)?,
            false => ledger::Forgotten::default(),
        };
        let (count, files, failures) = (lines.lines, lines.files, texts.failures);
        writeln!(
            io.out,
            "forgot {session}: lines of logs: {count} (files: {files}), texts of failures in {}: {failures}; amounts stay",
            path.display()
        )?;
        match texts.erased {
            true => Ok(()),
            false => Err(Fault::Failed(format!(
                "a reader holds the write-ahead log of {}, and with it what was deleted; end it, and run this again",
                path.display()
            ))),
        }
    }
    /// The id as it was written: a keyed hash in place of a telephone number.
    fn session(&self, settings: &Settings) -> Result<SessionId, Fault> {
        let given = SessionId::new(&self.session)
            .map_err(|error| Fault::Usage(format!("{}: {error}", text::clean(&self.session))))?;
        let key = settings.config()?.hash_key().map_err(Fault::usage)?;
        let is_stable = key.is_some();
        let guard = IdGuard::new(key.unwrap_or_else(HashKey::of_process));
        match guard.checked(given.as_str()) {
            Cow::Borrowed(_) => Ok(given),
            Cow::Owned(hash) if is_stable => SessionId::new(&hash).map_err(Fault::usage),
            Cow::Owned(_) => Err(Fault::Usage(
                "this id was written as a hash, by a key that went with its process; give the hash (`campanile sessions` lists them), or the key in [redact.key]".to_owned(),
            )),
        }
    }
}

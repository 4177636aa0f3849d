//! `campanile redact`: text in, masked text or spans out.

use crate::{
    Io,
    fault::Fault,
    lines::{Bad, Blank, each_line},
    settings::Settings,
    text,
};
use campanile_redact::Redactor;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::io::{self, Write};

const EXAMPLES: &str = r#"Rules, words and modes are those of [redact] in the configuration.

Each line is a text of its own; a private key in PEM is one text, all its lines.

Examples:
  echo 'my card is 4111 1111 1111 1111' | campanile redact
      my card is [CARD]
  campanile redact --jsonl < texts.jsonl
      {"text":"my card is [CARD]"}
  campanile redact --spans < texts.txt
      {"spans":[{"start":11,"end":30,"type":"CREDIT_CARD"}]}
  tail -f bot.log | campanile redact --explain"#;

/// The longest text that is put together from lines.
const MAX_BLOCK_BYTES: usize = 64 << 10;

/// Masks what people must not read: cards, keys, names, also in spoken form. What could not be looked at comes out as
/// [UNSCANNED], never as it was.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Redact {
    /// Lines are JSON objects with a `text`; an `id` is handed on.
    #[arg(long)]
    jsonl: bool,
    /// Print where the finds are, counted in characters, instead of the masked text.
    #[arg(long)]
    spans: bool,
    /// Like --spans, and name the rule of each find.
    #[arg(long)]
    explain: bool,
}

#[derive(Deserialize)]
struct Asked {
    id: Option<Value>,
    text: String,
}

#[derive(Serialize)]
struct Masked<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<Value>,
    text: &'a str,
}

#[derive(Serialize)]
struct Found<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<Value>,
    spans: Vec<Span<'a>>,
}

#[derive(Serialize)]
struct Span<'a> {
    start: usize,
    end: usize,
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<&'a str>,
}

/// Where texts go, and in which form.
struct Printer {
    redactor: Redactor,
    spans: bool,
    explain: bool,
    /// A person reads it: nothing in it may be obeyed by the terminal.
    escape: bool,
}

impl Redact {
    pub(crate) fn run(self, settings: &Settings, io: &mut Io<'_>) -> Result<(), Fault> {
        let printer = Printer {
            redactor: settings.config()?.redactor().map_err(Fault::usage)?,
            spans: self.spans || self.explain,
            explain: self.explain,
            escape: io.terminal.out,
        };
        match self.jsonl {
            true => each_line(io, Blank::Skip, |line, out| {
                let asked: Asked = serde_json::from_slice(line)?;
                Ok(printer.print_json(asked, out)?)
            }),
            false => lines(&printer, io),
        }
    }
}

/// Plain text, line by line; the lines of a private key are kept together.
fn lines(printer: &Printer, io: &mut Io<'_>) -> Result<(), Fault> {
    let mut block: Option<String> = None;
    let done = each_line(io, Blank::Keep, |line, out| {
        let line = std::str::from_utf8(line)
            .map_err(|error| Bad::Line(format!("not UTF-8 (byte {})", error.valid_up_to() + 1)))?;
        let Some(mut text) = block.take() else {
            match is_key_edge(line, "BEGIN") && !is_key_edge(line, "END") {
                true => block = Some(line.to_owned()),
                false => printer.print(line, out)?,
            }
            return Ok(());
        };
        text.push('\n');
        text.push_str(line);
        match is_key_edge(line, "END") || text.len() > MAX_BLOCK_BYTES {
            true => printer.print(&text, out)?,
            false => block = Some(text),
        }
        Ok(())
    });
    if let Some(text) = block {
        printer.print(&text, &mut io.out)?;
    }
    done
}

/// `-----BEGIN RSA PRIVATE KEY-----`
fn is_key_edge(line: &str, edge: &str) -> bool {
    line.split_once(edge).is_some_and(|(before, after)| {
        before.trim_end_matches(' ').ends_with("----") && after.contains("PRIVATE KEY")
    })
}

impl Printer {
    fn print_json(&self, asked: Asked, out: &mut dyn Write) -> io::Result<()> {
        let line = match self.spans {
            true => text::json(&Found {
                id: asked.id,
                spans: self.find(&asked.text),
            }),
            false => {
                let masked = self.redactor.mask(&asked.text);
                text::json(&Masked {
                    id: asked.id,
                    text: &masked,
                })
            }
        };
        writeln!(out, "{line}")
    }

    fn print(&self, line: &str, out: &mut dyn Write) -> io::Result<()> {
        if self.spans {
            return writeln!(
                out,
                "{}",
                text::json(&Found {
                    id: None,
                    spans: self.find(line)
                })
            );
        }
        let masked = self.redactor.mask(line);
        match self.escape {
            true => writeln!(out, "{}", text::clean_lines(&masked)),
            false => writeln!(out, "{masked}"),
        }
    }

    /// The finds, from bytes to characters in one pass: they are sorted and disjoint.
    fn find(&self, text: &str) -> Vec<Span<'_>> {
        let (mut byte, mut char) = (0, 0);
        let mut chars_up_to = |end: usize| {
            char += text[byte..end].chars().count();
            byte = end;
            char
        };
        let finds = self.redactor.scan(text);
        finds
            .iter()
            .map(|find| Span {
                start: chars_up_to(find.start),
                end: chars_up_to(find.end),
                r#type: find.kind.label(),
                rule: self.explain.then(|| self.redactor.rule_name(find)),
            })
            .collect()
    }
}

//! An event as one line of JSON: `{"v":1,"event":"call","ts":"…",…}`.

use campanile_core::{Event, SCHEMA_VERSION, Timestamp, WithContent};
use std::io::Write;

/// Larger texts than this do not stay in memory.
const KEPT_CAPACITY: usize = 1 << 16;

/// Puts events into text, in one buffer that is used again and again.
#[derive(Debug)]
pub(crate) struct Encoder {
    content: bool,
    line: Vec<u8>,
    head: Vec<u8>,
}

impl Encoder {
    pub(crate) fn new(content: bool) -> Self {
        Self {
            content,
            line: Vec::with_capacity(1_024),
            head: Vec::with_capacity(128),
        }
    }

    /// The whole line, with its end.
    pub(crate) fn line(&mut self, event: &Event) -> serde_json::Result<&[u8]> {
        let kind = kind(event).ok_or_else(|| serde::ser::Error::custom("a kind without a name"))?;
        self.head.clear();
        // Writing to a `Vec` does not fail.
        let _ = write!(
            self.head,
            r#"{{"v":{SCHEMA_VERSION},"event":"{kind}","ts":"{}","#,
            moment(event)
        );
        // serde writes `{"event":"call",` first. That many bytes of the head are left open for it and then
        // written over: the text is never moved.
        let known = r#"{"event":"","#.len() + kind.len();
        self.line.clear();
        self.line.shrink_to(KEPT_CAPACITY);
        self.line.resize(self.head.len() - known, b' ');
        if self.content {
            serde_json::to_writer(&mut self.line, &WithContent(event))?;
        } else {
            serde_json::to_writer(&mut self.line, event)?;
        }
        self.line[..self.head.len()].copy_from_slice(&self.head);
        self.line.push(b'\n');
        Ok(&self.line)
    }
}

fn kind(event: &Event) -> Option<&'static str> {
    Some(match event {
        Event::Call(_) => "call",
        Event::Usage(_) => "usage",
        Event::Turn(_) => "turn",
        Event::Session(_) => "session",
        Event::Alert(_) => "alert",
        Event::Log(_) => "log",
        Event::Summary(_) => "summary",
        Event::Loss(_) => "loss",
        _ => return None,
    })
}

/// When it happened: the end of what took a while, so that the lines of a file are nearly in order.
pub(crate) fn moment(event: &Event) -> Timestamp {
    match event {
        Event::Call(call) => {
            let elapsed = call.timing.map(|timing| timing.elapsed).unwrap_or_default();
            call.started_at.after(elapsed)
        }
        Event::Usage(usage) => usage.at,
        Event::Turn(turn) => turn.started_at.after(turn.elapsed),
        Event::Session(session) => session.at,
        Event::Alert(alert) => alert.at,
        Event::Log(log) => log.at,
        Event::Summary(summary) => summary.at,
        Event::Loss(loss) => loss.at,
        _ => Timestamp::default(),
    }
}

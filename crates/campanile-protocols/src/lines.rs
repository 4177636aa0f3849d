//! Lines and server-sent events, cut anywhere, in constant memory.

use crate::documents::Documents;
use memchr::memchr;

/// The longest line that is put together from pieces. Of a longer one, the document that it holds is read without its
/// largest parts; without a document it is skipped. Both are counted.
const MAX_LINE: usize = 1 << 20;

/// Cuts bytes into lines without their ends (LF or CRLF).
#[derive(Default)]
pub(crate) struct Lines {
    kept: Vec<u8>,
    /// The line is too long: this reads on.
    long: Option<Box<Documents>>,
    /// How many lines were too long.
    pub(crate) skipped: u64,
}

impl Lines {
    /// Takes bytes; calls `take` with each line that is complete.
    pub(crate) fn feed(&mut self, mut bytes: &[u8], take: &mut dyn FnMut(&[u8])) {
        while let Some(end) = end_of_line(bytes) {
            let (line, rest) = bytes.split_at(end);
            bytes = rest.get(1..).unwrap_or_default();
            if self.kept.is_empty() && self.long.is_none() && line.len() <= MAX_LINE {
                take(without_return(line));
            } else {
                self.keep(line, take);
                self.end(take);
            }
        }
        self.keep(bytes, take);
    }

    fn keep(&mut self, bytes: &[u8], take: &mut dyn FnMut(&[u8])) {
        if self.long.is_none() && self.kept.len() + bytes.len() <= MAX_LINE {
            self.kept.extend_from_slice(bytes);
            return;
        }
        let head = std::mem::take(&mut self.kept);
        let long = self.long.get_or_insert_with(|| {
            self.skipped += 1;
            Box::default()
        });
        for piece in [head.as_slice(), bytes] {
            long.feed(piece, &mut |document| take(&data(document)));
        }
    }

    /// The line is over; or the last line, if it had no end.
    pub(crate) fn end(&mut self, take: &mut dyn FnMut(&[u8])) {
        if let Some(mut long) = self.long.take() {
            long.end(&mut |document| take(&data(document)));
        } else if !self.kept.is_empty() {
            take(without_return(&self.kept));
            self.kept.clear();
        }
    }
}

/// A document as the line that it was found in.
fn data(document: &[u8]) -> Vec<u8> {
    [b"data: ", document].concat()
}

/// Where the first line ends. Every second line of a stream of events is empty: that is seen without a search.
fn end_of_line(bytes: &[u8]) -> Option<usize> {
    match bytes.first() {
        Some(b'\n') => Some(0),
        _ => memchr(b'\n', bytes),
    }
}

fn without_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Cuts bytes into server-sent events.
///
/// A `data:` line that ends like JSON is handed over at once, without waiting for the blank line after it: all
/// providers of this field write one line for each event, and a cut stream then still gives what it held.
#[derive(Default)]
pub(crate) struct Sse {
    lines: Lines,
    event: Event,
}

#[derive(Default)]
struct Event {
    /// The last name that was given: most events have the one that the last event had.
    name: String,
    /// This event has it.
    named: bool,
    data: Vec<u8>,
}

/// The longest event name that is kept; real ones are below 64 bytes.
const MAX_NAME: usize = 256;

impl Sse {
    /// Takes bytes; calls `take` with the name (empty where there is none) and the data of each event.
    pub(crate) fn feed(&mut self, bytes: &[u8], take: &mut dyn FnMut(&str, &[u8])) {
        let event = &mut self.event;
        self.lines.feed(bytes, &mut |line| event.line(line, take));
    }

    /// Nothing more will come.
    pub(crate) fn end(&mut self, take: &mut dyn FnMut(&str, &[u8])) {
        let event = &mut self.event;
        self.lines.end(&mut |line| event.line(line, take));
        event.line(b"", take);
    }

    /// How many lines were too long.
    pub(crate) fn skipped(&self) -> u64 {
        self.lines.skipped
    }
}

impl Event {
    fn line(&mut self, line: &[u8], take: &mut dyn FnMut(&str, &[u8])) {
        if let Some(data) = line.strip_prefix(b"data:") {
            let data = data.strip_prefix(b" ").unwrap_or(data);
            if self.data.is_empty() && matches!(data, [b'{', .., b'}']) {
                take(self.name(), data);
            } else if self.data.len() + data.len() <= MAX_LINE {
                if !self.data.is_empty() {
                    self.data.push(b'\n');
                }
                self.data.extend_from_slice(data);
            }
        } else if line.is_empty() {
            if !self.data.is_empty() {
                take(self.name(), &self.data);
                self.data.clear();
            }
            self.named = false;
        } else if let Some(name) = line.strip_prefix(b"event:") {
            let name = name.strip_prefix(b" ").unwrap_or(name);
            if self.name.as_bytes() != name {
                let name = name.get(..MAX_NAME).unwrap_or(name);
                self.name = String::from_utf8_lossy(name).into_owned();
            }
            self.named = true;
        }
        // `id:`, `retry:` and comments say nothing of usage.
    }

    fn name(&self) -> &str {
        match self.named {
            true => &self.name,
            false => "",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(chunks: &[&[u8]]) -> Vec<(String, String)> {
        let mut sse = Sse::default();
        let mut found = Vec::new();
        let mut take = |name: &str, data: &[u8]| {
            found.push((name.to_owned(), String::from_utf8(data.to_vec()).unwrap()));
        };
        for chunk in chunks {
            sse.feed(chunk, &mut take);
        }
        sse.end(&mut take);
        found
    }

    #[test]
    fn any_cut_gives_the_same_events() {
        let body = b": hello\r\nevent: a\r\ndata: {\"x\":1}\r\n\r\nid: 7\ndata:{\"y\":\ndata: 2}\n\nevent: b\ndata: [DONE]";
        let whole = events(&[body]);
        let pair = |name: &str, data: &str| (name.to_owned(), data.to_owned());
        assert_eq!(
            whole,
            [
                pair("a", "{\"x\":1}"),
                pair("", "{\"y\":\n2}"),
                pair("b", "[DONE]")
            ]
        );

        for cut in 0..body.len() {
            assert_eq!(events(&[&body[..cut], &body[cut..]]), whole, "{cut}");
        }
    }

    #[test]
    fn a_huge_event_is_read_without_its_image() {
        let body = format!(
            "event: done\ndata: {{\"type\":\"done\",\"response\":{{\"image\":\"{}\",\"usage\":{{\"a\":1}}}}}}\r\n\r\ndata: {{\"b\":2}}\n\n",
            "x".repeat(2 * MAX_LINE)
        );
        let small = "{\"type\":\"done\",\"response\":{\"image\":\"\",\"usage\":{\"a\":1}}}";
        let pair = |name: &str, data: &str| (name.to_owned(), data.to_owned());

        for piece in [4_096, body.len()] {
            let pieces: Vec<&[u8]> = body.as_bytes().chunks(piece).collect();
            assert_eq!(
                events(&pieces),
                [pair("done", small), pair("", "{\"b\":2}")],
                "{piece}"
            );
        }
    }

    #[test]
    fn an_endless_line_is_skipped_and_the_next_one_read() {
        let mut sse = Sse::default();
        let mut found = 0;
        let piece = [b'x'; 4096];
        for _ in 0..1024 {
            sse.feed(&piece, &mut |_, _| found += 1);
        }
        assert!(sse.lines.kept.capacity() <= 2 * MAX_LINE);

        sse.feed(b"\ndata: {\"a\":1}\n", &mut |_, _| found += 1);

        assert_eq!((found, sse.skipped()), (1, 1));
    }
}

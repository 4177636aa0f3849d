//! JSON documents in a row: one (a reply), many (NDJSON), or the items of one array (Gemini without `alt=sse`).

use memchr::memchr2;

/// What is kept of one document. A longer one (embeddings) loses its largest members, not its usage.
const MAX_BYTES: usize = 1 << 20;
/// The longest string that is kept; no text is as long, images and audio are. A longer one reads as empty.
const MAX_STRING: usize = 1 << 18;
/// How much is looked at before something is given up.
const WINDOW: usize = 1 << 16;

/// Cuts bytes into JSON documents by counting brackets. Holds at most [`MAX_BYTES`].
#[derive(Default)]
pub(crate) struct Documents {
    kept: Vec<u8>,
    depth: u64,
    string: bool,
    escaped: bool,
    /// How long the current string is so far, and where in `kept` its first byte belongs.
    length: usize,
    content: usize,
    /// The stream is one array, whose items are the documents.
    array: bool,
    /// Where the current member of the document begins in `kept`.
    member: usize,
    /// The current member is too long and is left out.
    dropping: bool,
    /// How many members and strings were left out.
    pub(crate) dropped: u64,
}

impl Documents {
    /// Takes bytes; calls `take` with each document that is complete.
    pub(crate) fn feed(&mut self, bytes: &[u8], take: &mut dyn FnMut(&[u8])) {
        for window in bytes.chunks(WINDOW) {
            self.window(window, take);
        }
    }

    fn window(&mut self, bytes: &[u8], take: &mut dyn FnMut(&[u8])) {
        let mut start = 0;
        let mut i = 0;
        while let Some(&byte) = bytes.get(i) {
            if self.string {
                i += self.in_string(bytes.get(i..).unwrap_or_default());
                if !self.string && self.length > MAX_STRING {
                    self.hush(bytes.get(start..i).unwrap_or_default());
                    // The closing quote.
                    start = i - 1;
                }
                continue;
            }
            i += 1;
            match byte {
                b'"' if self.depth > 0 => {
                    self.string = true;
                    self.length = 0;
                    self.content = self.kept.len() + (i - start);
                }
                b'{' | b'[' => {
                    if self.depth == 0 {
                        if byte == b'[' && !self.array {
                            self.array = true;
                            continue;
                        }
                        start = i - 1;
                    }
                    self.depth += 1;
                }
                b'}' | b']' if self.depth > 0 => {
                    self.depth -= 1;
                    if self.depth == 0 {
                        self.complete(bytes.get(start..i).unwrap_or_default(), take);
                        start = i;
                    }
                }
                b',' if self.depth == 1 => {
                    self.keep(bytes.get(start..i).unwrap_or_default());
                    start = i;
                    self.next_member();
                }
                _ => {}
            }
        }
        let rest = bytes.get(start..).unwrap_or_default();
        if self.string && self.length > MAX_STRING {
            self.hush(rest);
        } else if self.depth > 0 {
            self.keep(rest);
        }
    }

    /// Empties the current string, of which `rest` is the end, or the end so far.
    fn hush(&mut self, rest: &[u8]) {
        if self.dropping {
            return;
        }
        let before = self.content.saturating_sub(self.kept.len());
        self.keep(rest.get(..before.min(rest.len())).unwrap_or_default());
        self.kept.truncate(self.content);
        if !self.string {
            self.dropped += 1;
        }
    }

    /// Skips to the end of a string; the number of bytes it took.
    fn in_string(&mut self, rest: &[u8]) -> usize {
        let took = if std::mem::take(&mut self.escaped) {
            1
        } else {
            match memchr2(b'"', b'\\', rest) {
                None => rest.len(),
                Some(at) => {
                    match rest.get(at) {
                        Some(b'\\') => self.escaped = true,
                        _ => self.string = false,
                    }
                    at + 1
                }
            }
        };
        self.length = self.length.saturating_add(took);
        took
    }

    fn keep(&mut self, bytes: &[u8]) {
        if self.dropping {
            return;
        }
        if self.kept.len() + bytes.len() > MAX_BYTES {
            self.kept.truncate(self.member);
            self.dropping = true;
            self.dropped += 1;
            return;
        }
        self.kept.extend_from_slice(bytes);
    }

    /// A comma between two members was kept, or dropped with its member.
    fn next_member(&mut self) {
        self.dropping = false;
        self.member = self.kept.len();
    }

    fn complete(&mut self, bytes: &[u8], take: &mut dyn FnMut(&[u8])) {
        if self.kept.is_empty() && !self.dropping && bytes.len() <= MAX_BYTES {
            take(bytes);
        } else {
            self.keep(bytes);
            if self.dropping {
                if self.kept.last() == Some(&b',') {
                    self.kept.pop();
                }
                self.kept.push(b'}');
            }
            take(&self.kept);
        }
        self.clear();
    }

    fn clear(&mut self) {
        self.kept.clear();
        self.member = 0;
        self.dropping = false;
    }

    /// Nothing more will come: a document that was cut off is handed over as far as it goes.
    pub(crate) fn end(&mut self, take: &mut dyn FnMut(&[u8])) {
        if !self.kept.is_empty() {
            take(&self.kept);
        }
        *self = Self {
            dropped: self.dropped,
            ..Self::default()
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn documents(chunks: &[&[u8]]) -> Vec<String> {
        let mut documents = Documents::default();
        let mut found = Vec::new();
        for chunk in chunks {
            documents.feed(chunk, &mut |document| {
                found.push(String::from_utf8(document.to_vec()).unwrap());
            });
        }
        documents.end(&mut |document| found.push(String::from_utf8(document.to_vec()).unwrap()));
        found
    }

    #[test]
    fn any_cut_gives_the_same_documents() {
        let body = br#" {"a":"}\"{","b":[1,{"c":"\\"}]}
{"d":1}"#;
        let whole = documents(&[body]);
        assert_eq!(whole, [r#"{"a":"}\"{","b":[1,{"c":"\\"}]}"#, r#"{"d":1}"#]);

        for cut in 0..body.len() {
            assert_eq!(documents(&[&body[..cut], &body[cut..]]), whole, "{cut}");
        }
    }

    #[test]
    fn an_array_is_a_row_of_documents() {
        assert_eq!(
            documents(&[b"[{\"a\":1},\r\n{\"a\":2}", b"]"]),
            [r#"{"a":1}"#, r#"{"a":2}"#]
        );
    }

    #[test]
    fn a_huge_member_is_left_out_and_usage_stays() {
        let vector = "0.25,".repeat(MAX_BYTES);
        let body = format!(r#"{{"model":"m","data":[{vector}0],"usage":{{"a":1}}}}"#);
        let pieces: Vec<&[u8]> = body.as_bytes().chunks(4096).collect();

        assert_eq!(documents(&pieces), [r#"{"model":"m","usage":{"a":1}}"#]);
        assert_eq!(
            documents(&[body.as_bytes()]),
            [r#"{"model":"m","usage":{"a":1}}"#]
        );
    }

    #[test]
    fn a_huge_last_member_leaves_an_object() {
        let body = format!(r#"{{"usage":1,"data":[{}0]}}"#, "0.25,".repeat(MAX_BYTES));

        assert_eq!(documents(&[body.as_bytes()]), [r#"{"usage":1}"#]);
    }

    #[test]
    fn a_huge_string_reads_as_empty_wherever_it_is() {
        let image = "aB3\\/".repeat(MAX_STRING / 2);
        let body = format!(
            r#"{{"response":{{"output":[{{"result":"{image}","x":"{image}"}},"{image}"],"usage":{{"a":1}}}}}}"#
        );
        let small = r#"{"response":{"output":[{"result":"","x":""},""],"usage":{"a":1}}}"#;

        for piece in [1_000, 65_536, 100_000, body.len()] {
            let pieces: Vec<&[u8]> = body.as_bytes().chunks(piece).collect();
            assert_eq!(documents(&pieces), [small], "{piece}");
        }
    }

    #[test]
    fn memory_is_bounded_whatever_comes() {
        for endless in ["{\"a\":\"", "{\"a\":[", "{\"a\":1,", "[[[["] {
            let mut found = Documents::default();
            found.feed(endless.as_bytes(), &mut |_| {});
            for _ in 0..200 {
                found.feed("1,2,\\u0031,".repeat(6_000).as_bytes(), &mut |_| {});
            }
            assert!(found.kept.capacity() <= 4 * MAX_BYTES, "{endless}");
        }
    }

    #[test]
    fn what_was_cut_off_is_handed_over() {
        assert_eq!(documents(&[b"{\"a\":1,\"b\""]), ["{\"a\":1,\"b\""]);
    }
}

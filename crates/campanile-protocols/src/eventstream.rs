//! `application/vnd.amazon.eventstream`: binary messages with headers, as Bedrock streams them.

/// The longest message that is put together. A longer one is skipped, and counted.
const MAX_MESSAGE: usize = 1 << 20;
/// Total length, length of headers, checksum of both.
const PRELUDE: usize = 12;
/// The checksum at the end of a message.
const CHECKSUM: usize = 4;

/// Cuts bytes into messages. Checksums are not verified: the client does that, and a reader that disagrees with
/// it would only lose usage.
#[derive(Default)]
pub(crate) struct EventStream {
    kept: Vec<u8>,
    /// Bytes of a message too long that are still to come.
    skip: usize,
    skipped: u64,
    /// The lengths made no sense: nothing after that can be read.
    lost: bool,
}

impl EventStream {
    /// Takes bytes; calls `take` with the `:event-type` (or `:exception-type`) and payload of each message.
    pub(crate) fn feed(&mut self, mut bytes: &[u8], take: &mut dyn FnMut(&str, &[u8])) {
        while !bytes.is_empty() && !self.lost {
            let skip = self.skip.min(bytes.len());
            self.skip -= skip;
            bytes = bytes.get(skip..).unwrap_or_default();

            let wanted = self.wanted().saturating_sub(self.kept.len());
            let (piece, rest) = bytes.split_at(wanted.min(bytes.len()));
            self.kept.extend_from_slice(piece);
            bytes = rest;
            if self.kept.len() == PRELUDE {
                self.judge();
            } else if self.kept.len() > PRELUDE && self.kept.len() == self.wanted() {
                message(&self.kept, take);
                self.kept.clear();
            }
        }
    }

    /// How long the message that is being put together will be, as far as that is known.
    fn wanted(&self) -> usize {
        length(&self.kept, 0)
            .filter(|_| self.kept.len() >= PRELUDE)
            .unwrap_or(PRELUDE)
    }

    /// Looks at a prelude.
    fn judge(&mut self) {
        let total = length(&self.kept, 0).unwrap_or(0);
        if total < PRELUDE + CHECKSUM {
            self.lost = true;
            self.skipped += 1;
        } else if total > MAX_MESSAGE {
            self.skip = total - PRELUDE;
            self.skipped += 1;
            self.kept.clear();
        }
    }

    pub(crate) fn skipped(&self) -> u64 {
        self.skipped
    }
}

/// The big-endian length at `at`.
fn length(bytes: &[u8], at: usize) -> Option<usize> {
    let four = bytes.get(at..at + 4)?.try_into().ok()?;
    usize::try_from(u32::from_be_bytes(four)).ok()
}

fn message(bytes: &[u8], take: &mut dyn FnMut(&str, &[u8])) -> Option<()> {
    let headers_end = PRELUDE.checked_add(length(bytes, 4)?)?;
    let headers = bytes.get(PRELUDE..headers_end)?;
    let payload = bytes.get(headers_end..bytes.len().checked_sub(CHECKSUM)?)?;
    let name = event_type(headers).and_then(|name| std::str::from_utf8(name).ok());
    take(name.unwrap_or_default(), payload);
    Some(())
}

/// The value of the header that says what the payload is.
fn event_type(mut headers: &[u8]) -> Option<&[u8]> {
    loop {
        let (&name_length, rest) = headers.split_first()?;
        let name = rest.get(..name_length.into())?;
        let (&kind, rest) = rest.get(name_length.into()..)?.split_first()?;
        let (value, rest) = match kind {
            0 | 1 => (&[][..], rest),
            2 => (rest.get(..1)?, rest.get(1..)?),
            3 => (rest.get(..2)?, rest.get(2..)?),
            4 => (rest.get(..4)?, rest.get(4..)?),
            5 | 8 => (rest.get(..8)?, rest.get(8..)?),
            9 => (rest.get(..16)?, rest.get(16..)?),
            6 | 7 => {
                let end = 2 + usize::from(u16::from_be_bytes(rest.get(..2)?.try_into().ok()?));
                (rest.get(2..end)?, rest.get(end..)?)
            }
            _ => return None,
        };
        if matches!(name, b":event-type" | b":exception-type" | b":error-code") {
            return Some(value);
        }
        headers = rest;
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// One message of an event stream, with zero for its checksums.
    pub(crate) fn encode(event: &str, payload: &[u8]) -> Vec<u8> {
        let mut headers = vec![11];
        headers.extend_from_slice(b":event-type");
        headers.push(7);
        headers.extend_from_slice(&(event.len() as u16).to_be_bytes());
        headers.extend_from_slice(event.as_bytes());
        let total = PRELUDE + headers.len() + payload.len() + CHECKSUM;
        let mut message = (total as u32).to_be_bytes().to_vec();
        message.extend_from_slice(&(headers.len() as u32).to_be_bytes());
        message.extend_from_slice(&[0; 4]);
        message.extend_from_slice(&headers);
        message.extend_from_slice(payload);
        message.extend_from_slice(&[0; 4]);
        message
    }

    fn read(chunks: &[&[u8]]) -> (Vec<(String, Vec<u8>)>, u64) {
        let mut stream = EventStream::default();
        let mut found = Vec::new();
        for chunk in chunks {
            stream.feed(chunk, &mut |event, data| {
                found.push((event.to_owned(), data.to_vec()));
            });
        }
        (found, stream.skipped())
    }

    #[test]
    fn any_cut_gives_the_same_messages() {
        let mut body = encode("messageStart", b"{}");
        body.extend(encode("metadata", b"{\"usage\":{}}"));
        let whole = read(&[&body]);
        assert_eq!(
            whole.0,
            [
                ("messageStart".to_owned(), b"{}".to_vec()),
                ("metadata".to_owned(), b"{\"usage\":{}}".to_vec())
            ]
        );

        for cut in 0..body.len() {
            assert_eq!(read(&[&body[..cut], &body[cut..]]), whole, "{cut}");
        }
    }

    #[test]
    fn a_message_too_long_is_skipped_and_the_next_one_read() {
        let mut body = encode("chunk", &vec![b'x'; MAX_MESSAGE]);
        body.extend(encode("metadata", b"{}"));
        let pieces: Vec<&[u8]> = body.chunks(1000).collect();

        assert_eq!(
            read(&pieces),
            (vec![("metadata".to_owned(), b"{}".to_vec())], 1)
        );
    }

    #[test]
    fn lengths_without_sense_end_the_reading() {
        assert_eq!(read(&[&[0; 64]]), (Vec::new(), 1));
    }
}

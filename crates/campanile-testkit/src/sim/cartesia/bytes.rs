//! Speech as the body of an HTTP response.

use std::convert::Infallible;

use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::Response;
use hyper::body::Frame;

use super::super::bill::{AudioFormat, Open, Why};
use super::super::fault::Fault;
use super::super::pace::{Gait, rest};
use super::super::server::{self, Body};
use super::super::wire::Valve;
use super::ask::{Ask, Container};
use super::sound::Sound;

/// A text that is being spoken. It is billed from the start: dropped, only the end is another.
#[derive(Debug)]
pub(super) struct Saying {
    open: Open,
    valve: Valve,
    gait: Gait,
    sound: Sound,
    header: Option<Vec<u8>>,
    fault: Option<Fault>,
    pieces: u64,
}

impl Saying {
    pub(super) fn new(
        open: Open,
        valve: Valve,
        gait: Gait,
        ask: &Ask,
        character_us: u64,
        fault: Option<Fault>,
    ) -> Self {
        let sound = Sound::new(ask.format, ask.characters(), character_us);
        let header = match ask.container {
            Container::Raw => None,
            Container::Wav => Some(wav_header(ask.format, sound.bytes())),
        };
        Self {
            open,
            valve,
            gait,
            sound,
            header,
            fault,
            pieces: 0,
        }
    }

    pub(super) fn response(self, headers: &[(&'static str, String)]) -> Response<Body> {
        let kind = match self.header {
            Some(_) => "audio/wav",
            None => "audio/pcm",
        };
        let pieces = stream::unfold(self, |mut saying| async move {
            let piece = saying.next().await?;
            Some((Ok::<_, Infallible>(Frame::data(piece)), saying))
        });
        let mut response = server::response(200, kind, headers, "");
        *response.body_mut() = StreamBody::new(pieces).boxed_unsync();
        response
    }

    async fn next(&mut self) -> Option<Bytes> {
        // Gives the connection the time to send the piece before.
        tokio::task::yield_now().await;
        if let Some(header) = self.header.take() {
            return Some(Bytes::from(header));
        }
        let wait = match self.pieces {
            0 => self.gait.first(),
            _ => self.gait.between(),
        };
        let piece = self.sound.next();
        self.trouble(piece.is_none()).await;
        let Some(piece) = piece else {
            self.open.close(Why::Completed);
            return None;
        };
        rest(wait).await;
        self.pieces += 1;
        Some(Bytes::from(piece))
    }

    /// Runs the fault, if it is due.
    async fn trouble(&mut self, end: bool) {
        match self.fault {
            Some(Fault::HoldAfter { items }) if end || self.pieces >= items => {
                std::future::pending().await
            }
            // There is no room for an error in a body of sound.
            Some(
                Fault::CutAfter { items }
                | Fault::ErrorInStream { items }
                | Fault::CloseSocket {
                    after_frames: items,
                    ..
                },
            ) if end || self.pieces >= items => self.valve.cut().await,
            _ => {}
        }
    }
}

fn wav_header(format: AudioFormat, bytes: u64) -> Vec<u8> {
    let bytes = u32::try_from(bytes).unwrap_or(u32::MAX - 36);
    let block = format.channels * format.width;
    let mut out = b"RIFF".to_vec();
    out.extend((bytes + 36).to_le_bytes());
    out.extend(b"WAVEfmt ");
    out.extend(16_u32.to_le_bytes());
    out.extend(1_u16.to_le_bytes());
    out.extend(format.channels.to_le_bytes());
    out.extend(format.sample_rate.to_le_bytes());
    out.extend((format.sample_rate * u32::from(block)).to_le_bytes());
    out.extend(block.to_le_bytes());
    out.extend((format.width * 8).to_le_bytes());
    out.extend(b"data");
    out.extend(bytes.to_le_bytes());
    out
}

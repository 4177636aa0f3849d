//! A webhook's other side that takes everything, or takes it and never says so.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

pub(crate) struct Pager {
    pub(crate) url: String,
    calls: Receiver<serde_json::Value>,
}

impl Pager {
    pub(crate) fn start() -> Self {
        Self::open(answer)
    }

    /// One that reads what it is told, and keeps who tells waiting.
    pub(crate) fn mute() -> Self {
        Self::open(|_| Some(()))
    }

    fn open(answer: fn(&TcpStream) -> Option<()>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let (tell, calls) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let tell = tell.clone();
                // Who calls may be killed in the middle of it.
                std::thread::spawn(move || {
                    let call = question(&stream)?;
                    answer(&stream)?;
                    tell.send(call).ok()?;
                    // It hangs up as soon as the other side does.
                    (&stream).read(&mut [0]).ok()
                });
            }
        });
        Self { url, calls }
    }

    /// The next call, which must come soon.
    pub(crate) fn next(&self) -> serde_json::Value {
        let soon = Duration::from_secs(20);
        self.calls
            .recv_timeout(soon)
            .expect("a call of the webhook")
    }

    /// How often each alert was told so far.
    pub(crate) fn counts(&self) -> BTreeMap<String, u32> {
        let mut counts = BTreeMap::new();
        for call in self.calls.try_iter() {
            *counts
                .entry(call["id"].as_str().unwrap().to_owned())
                .or_default() += 1;
        }
        counts
    }
}

fn question(stream: &TcpStream) -> Option<serde_json::Value> {
    let (mut from, mut length) = (BufReader::new(stream), 0);
    loop {
        let mut line = String::new();
        from.read_line(&mut line).ok().filter(|bytes| *bytes > 0)?;
        if let Some(bytes) = line.to_lowercase().strip_prefix("content-length: ") {
            length = bytes.trim().parse().ok()?;
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    from.read_exact(&mut body).ok()?;
    serde_json::from_slice(&body).ok()
}

fn answer(mut stream: &TcpStream) -> Option<()> {
    let fine = b"HTTP/1.1 204 Fine\r\nConnection: close\r\n\r\n";
    stream.write_all(fine).ok()
}

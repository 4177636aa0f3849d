//! A webhook that refuses, hangs, fails, breaks off, and takes it in the end.

use super::*;
use campanile_core::{AlertKind, Cost, Money};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};

/// 2026-11-24T01:50:29Z.
const NOW: Timestamp = Timestamp(1_795_485_029_000_000);

fn after(seconds: i64) -> Timestamp {
    Timestamp(NOW.0 + seconds * 1_000_000)
}

/// What the other side does with a connection.
#[derive(Clone, Copy, Debug)]
enum Act {
    /// Reads, and answers with these head lines.
    Answer(&'static str),
    /// Reads, and never answers.
    Hang,
    /// Closes with the question unread, which resets the connection.
    Reset,
}

/// A server that does one thing after the other, and what it was told: the head and the body of each question.
fn server(acts: Vec<Act>) -> (String, Receiver<(String, serde_json::Value)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!(
        "http://{}/services/T000/secret",
        listener.local_addr().unwrap()
    );
    let (tell, told) = channel();
    std::thread::spawn(move || {
        let mut hanging = Vec::new();
        for act in acts {
            let (stream, _) = listener.accept().unwrap();
            if let Act::Reset = act {
                // Something is there to be left unread.
                let _ = stream.peek(&mut [0]);
                continue;
            }
            let question = read(&stream);
            match act {
                Act::Answer(head) => {
                    let end = "Content-Length: 0\r\nConnection: close\r\n\r\n";
                    let mut stream = &stream;
                    let _ = write!(stream, "HTTP/1.1 {head}\r\n{end}");
                }
                _ => hanging.push(stream),
            }
            let _ = tell.send(question);
        }
    });
    (url, told)
}

fn read(stream: &TcpStream) -> (String, serde_json::Value) {
    let mut from = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert!(from.read_line(&mut head).unwrap() > 0, "{head}");
    }
    let length = head.lines().find_map(|line| {
        line.to_lowercase()
            .strip_prefix("content-length: ")?
            .parse()
            .ok()
    });
    let mut body = vec![0; length.unwrap_or(0)];
    from.read_exact(&mut body).unwrap();
    (head, serde_json::from_slice(&body).unwrap())
}

fn alert() -> AlertEvent {
    let amount = Cost::exact(Money::from_usd("41.2").unwrap());
    let mut alert = AlertEvent::new(
        NOW,
        AlertKind::Budget,
        "budget:openai:month".into(),
        "0.8".into(),
        "2026-11".into(),
    );
    alert.amount = Some(amount);
    alert.limit = Money::from_usd("50");
    alert
}

fn webhook(url: &str) -> Webhook {
    let webhook = Webhook::new("pager".into(), url).unwrap();
    webhook.timeout(Duration::from_millis(500))
}

/// A courier that owes the webhook one alert.
fn courier(url: &str) -> Courier {
    let debts = InMemory::default();
    debts.owe(&"pager".into(), &alert());
    Courier::new(webhook(url), Box::new(debts))
}

fn put_off(why: &str, tries: u32) -> Step {
    let why = why.to_owned();
    Step::PutOff { why, tries }
}

#[test]
fn whatever_goes_wrong_it_is_told_in_the_end_and_later_each_time() {
    let (url, told) = server(vec![
        Act::Answer("500 Oh no"),
        Act::Hang,
        Act::Answer("429 Slow down\r\nRetry-After: 9"),
        Act::Answer("302 Found\r\nLocation: http://127.0.0.1:1/elsewhere"),
        Act::Answer("200 OK"),
    ]);
    let mut courier = courier(&url);
    let mut step = |seconds| courier.step(after(seconds)).unwrap();

    assert_eq!(step(0), put_off("answered 500", 1));
    assert_eq!(step(0), Step::Idle);
    assert_eq!(step(1), put_off("no answer in time", 2));
    assert_eq!(step(2), Step::Idle);
    assert_eq!(step(3), put_off("answered 429", 3));
    assert_eq!(step(11), Step::Idle);
    assert_eq!(step(12), put_off("answered 302", 4));
    assert_eq!(step(20), Step::Told);
    assert_eq!(step(9_999), Step::Idle);

    let told: Vec<_> = told.try_iter().collect();
    assert_eq!(told.len(), 5);
    for (head, body) in told {
        let head = head.to_lowercase();
        assert!(
            head.starts_with("post /services/t000/secret http/1.1"),
            "{head}"
        );
        assert!(
            head.contains("idempotency-key: budget:openai:month:2026-11:0.8\r\n"),
            "{head}"
        );
        assert_eq!(body["id"], "budget:openai:month:2026-11:0.8");
        assert_eq!(
            body["text"],
            "budget:openai:month: $41.20 of $50.00 in 2026-11, 80 % passed"
        );
        assert_eq!(body["alert"]["amount"]["usd"], "41.2");
    }
}

#[test]
fn a_connection_that_is_refused_or_reset_is_tried_again() {
    let (url, _told) = server(vec![Act::Reset]);
    let Step::PutOff { why, .. } = courier(&url).step(NOW).unwrap() else {
        panic!("it was told");
    };
    assert!(why.starts_with("the connection broke"), "{why}");

    let gone = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", gone.local_addr().unwrap());
    drop(gone);
    let step = courier(&url).step(NOW).unwrap();
    assert_eq!(step, put_off("the connection was refused", 1));
}

#[test]
fn who_dies_while_telling_is_stood_in_for_a_minute_later() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("campanile.db");
    let mut book = AlertBook::open(&path, Durability::Durable).unwrap();
    let target = ("pager".into(), NOW);
    assert!(book.raise(&alert(), &[target]).unwrap());
    let (url, told) = server(vec![Act::Answer("200 OK")]);
    let process = || {
        Courier::new(
            webhook(&url),
            Box::new(InLedger::new(&path, Durability::Durable)),
        )
    };

    // It has begun to tell, and is gone.
    let lease = Timestamp(NOW.0 + LEASE_US);
    assert!(book.claim("pager", NOW, lease).unwrap().is_some());
    drop(book);

    assert_eq!(process().step(after(59)).unwrap(), Step::Idle);
    assert_eq!(process().step(after(60)).unwrap(), Step::Told);
    assert_eq!(process().step(after(9_999)).unwrap(), Step::Idle);
    assert_eq!(told.try_iter().count(), 1);
}

#[test]
fn after_three_days_nobody_wants_to_know() {
    let gone = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", gone.local_addr().unwrap());
    drop(gone);
    let mut courier = courier(&url);
    let late = after(3 * 86_400 + 1);

    let why = "the connection was refused".to_owned();
    let id = "budget:openai:month:2026-11:0.8".to_owned();
    assert_eq!(courier.step(late).unwrap(), Step::GivenUp { id, why });
    assert_eq!(courier.step(late).unwrap(), Step::Idle);
}

#[test]
fn pauses_double_up_to_five_minutes() {
    let seconds = |tries| pause(tries, None) / 1_000_000;
    assert_eq!([1, 2, 3, 9, 10, 99].map(seconds), [1, 2, 4, 256, 300, 300]);
    assert_eq!(pause(1, Some(Duration::from_secs(86_400))), 300_000_000);
}

#[test]
fn the_address_is_shown_nowhere() {
    let address = "https://hooks.example.com/services/T000/secret";
    let webhook = Webhook::new("pager".into(), address).unwrap();
    assert_eq!(format!("{webhook:?}"), "Webhook { name: \"pager\", .. }");

    for bad in [
        "",
        "hooks.example.com/secret",
        "ftp://secret/",
        "http:///secret",
        "https://",
    ] {
        assert!(Webhook::new("pager".into(), bad).is_none(), "{bad}");
        let text = format!("[[webhook]]\nurl = {bad:?}");
        let error = crate::config::Config::parse(&text, "campanile.toml".as_ref()).unwrap_err();
        assert!(!error.to_string().contains("secret/"), "{error}");
        assert!(error.to_string().contains("no address of HTTP"), "{error}");
    }
    let text = format!("[[webhook]]\nurl = {address:?}");
    let config = crate::config::Config::parse(&text, "campanile.toml".as_ref()).unwrap();
    assert!(!format!("{config:?}").contains("secret"));
}

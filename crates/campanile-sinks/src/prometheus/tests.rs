use super::*;
use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

fn metadata() -> &'static Metadata<'static> {
    &crate::metrics::METADATA
}

#[test]
fn text_is_escaped_and_sorted() {
    let recorder = PrometheusRecorder::new();
    recorder.describe_counter("a.b".into(), None, "back\\slash\nline".into());
    let labels = vec![Label::new("na-me", "quo\"te\nline\\")];
    let key = Key::from_parts("a.b", labels);
    recorder.register_counter(&key, metadata()).increment(3);
    recorder
        .register_gauge(&Key::from_name("0gauge"), metadata())
        .set(1.5);

    assert_eq!(
        recorder.render(),
        "# TYPE _0gauge gauge\n_0gauge 1.5\n\
         # HELP a_b_total back\\\\slash\\nline\n# TYPE a_b_total counter\n\
         a_b_total{na_me=\"quo\\\"te\\nline\\\\\"} 3\n"
    );
}

#[test]
fn a_histogram_counts_up_to_each_bound() {
    let recorder = PrometheusRecorder::new();
    recorder.describe_histogram("wait".into(), Some(Unit::Seconds), "A wait.".into());
    let histogram = recorder.register_histogram(&Key::from_name("wait"), metadata());
    for value in [0.3, 0.30001, 100.0, f64::NAN] {
        histogram.record(value);
    }

    let text = recorder.render();

    for line in [
        "wait_seconds_bucket{le=\"0.25\"} 0",
        "wait_seconds_bucket{le=\"0.3\"} 1",
        "wait_seconds_bucket{le=\"0.35\"} 2",
        "wait_seconds_bucket{le=\"80\"} 2",
        "wait_seconds_bucket{le=\"+Inf\"} 3",
        "wait_seconds_count 3",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
    }
}

#[test]
fn series_without_end_become_one() {
    let recorder = PrometheusRecorder::with_max_series(10);
    for n in 0..1_000 {
        let key = Key::from_parts("calls", vec![Label::new("id", n.to_string())]);
        recorder.register_counter(&key, metadata()).increment(1);
    }

    let text = recorder.render();

    assert_eq!(text.lines().count(), 1 + 10 + 1);
    assert!(
        text.contains("calls_total{overflow=\"true\"} 990\n"),
        "{text}"
    );
}

fn ask(address: std::net::SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    // A refused guest may be cut off after the answer.
    let _ = stream.read_to_string(&mut answer);
    answer
}

#[test]
fn the_endpoint_answers_what_it_should_and_nothing_else() {
    let recorder = PrometheusRecorder::new();
    recorder
        .register_counter(&Key::from_name("calls"), metadata())
        .increment(7);
    let endpoint = Endpoint::new(recorder).port(0).open().unwrap();
    let first_line = |request: &str| {
        ask(endpoint.address(), request)
            .lines()
            .next()
            .unwrap_or_default()
            .to_owned()
    };

    let whole = ask(
        endpoint.address(),
        "GET /metrics HTTP/1.1\r\nHost: localhost:9464\r\n\r\n",
    );
    assert!(whole.starts_with("HTTP/1.1 200 OK\r\n"), "{whole}");
    assert!(
        whole.ends_with("\r\n\r\n# TYPE calls_total counter\ncalls_total 7\n"),
        "{whole}"
    );
    let head = ask(
        endpoint.address(),
        "HEAD /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    );
    assert!(
        head.contains("Content-Length: 41\r\n") && head.ends_with("\r\n\r\n"),
        "{head}"
    );
    for (request, status) in [
        ("GET /metrics?x=1 HTTP/1.1\r\nHost: [::1]:1\r\n\r\n", 200),
        ("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
        ("POST /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n", 405),
        ("GET /metrics HTTP/1.1\r\nHost: evil.example\r\n\r\n", 421),
        (
            "GET /metrics HTTP/1.1\r\nHost: localhost.evil.example\r\n\r\n",
            421,
        ),
        (
            "GET /metrics HTTP/1.1\r\nHost: localhost\r\nHost: evil\r\n\r\n",
            421,
        ),
        ("GET /metrics HTTP/1.1\r\n\r\n", 421),
        ("nonsense\r\n\r\n", 400),
    ] {
        let line = first_line(request);
        assert!(
            line.starts_with(&format!("HTTP/1.1 {status} ")),
            "{request:?}: {line}"
        );
    }
    let huge = format!("GET /metrics HTTP/1.1\r\nX: {}\r\n", "x".repeat(20_000));
    let refused = first_line(&huge);
    assert!(
        refused.is_empty() || refused.starts_with("HTTP/1.1 431 "),
        "{refused}"
    );
}

#[test]
fn a_taken_port_is_passed_over_unless_it_is_required() {
    let first = Endpoint::new(PrometheusRecorder::new())
        .port(0)
        .open()
        .unwrap();
    let taken = first.address().port();

    let next = Endpoint::new(PrometheusRecorder::new())
        .port(taken)
        .open()
        .unwrap();
    let required = Endpoint::new(PrometheusRecorder::new())
        .port(taken)
        .port_required(true)
        .open();

    assert!(next.address().port() > taken);
    let error = required.unwrap_err().to_string();
    assert!(
        error.starts_with(&format!("cannot listen on \"127.0.0.1:{taken}\": ")),
        "{error}"
    );
    drop(first);
    assert!(
        TcpStream::connect(("127.0.0.1", taken)).is_err(),
        "dropped, and still there"
    );
}

#[test]
fn only_the_loopback_interface_is_listened_on() {
    let anywhere = std::net::SocketAddr::from(([0, 0, 0, 0], 0));

    let error = Endpoint::new(PrometheusRecorder::new())
        .address(anywhere)
        .open()
        .unwrap_err();

    assert!(
        error.to_string().contains("choose a loopback address"),
        "{error}"
    );
}

#[test]
fn a_scrape_and_a_new_series_do_not_wait_for_one_another_for_ever() {
    let recorder = PrometheusRecorder::new();
    let (scraped, over) = (recorder.clone(), Arc::new(AtomicBool::new(false)));
    let (ended, ends) = std::sync::mpsc::channel();
    let (is_over, scrapes) = (over.clone(), ended.clone());
    std::thread::spawn(move || {
        while !is_over.load(Relaxed) {
            let _ = scraped.render();
        }
        let _ = scrapes.send(());
    });
    std::thread::spawn(move || {
        for n in 0..1_000 {
            let label = Label::new("n", n.to_string());
            let key = Key::from_parts("seconds", vec![label]);
            recorder.register_histogram(&key, metadata()).record(1.0);
        }
        over.store(true, Relaxed);
        let _ = ended.send(());
    });

    let patience = std::time::Duration::from_secs(30);
    assert!(ends.recv_timeout(patience).is_ok() && ends.recv_timeout(patience).is_ok());
}

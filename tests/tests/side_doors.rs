//! Every way in which Rust and its libraries are known to print what they hold: none of it reaches anything that is written.
//!
//! Each door runs in a process of its own, as the error of a stage, as its panic, and as `tracing` fields at TRACE. Then all that
//! the process has written is searched: both outputs, log files, the ledger with its write-ahead log, metrics.

#![expect(
    clippy::print_stdout,
    reason = "what a process prints is searched, too"
)]
#![expect(clippy::disallowed_methods, reason = "a task that panics at once")]

use campanile::sinks::{Console, Jsonl, MetricsSink, PrometheusRecorder, ledger};
use campanile::{
    CallLayer, ErrorLayer, Facts, Levels, LogPolicy, Masker, Monitor, RedactLayer, Sink as _,
    SpanLayer, TimingLayer, UsageLayer, classify, client, clock,
};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use tower::{BoxError, ServiceBuilder, ServiceExt as _};
use tracing_subscriber::layer::SubscriberExt as _;

/// What a person said. The `é` stands where an index falls into it.
const SAID: &str = "CANARYé is what a person said";

struct Ask;
impl Facts for Ask {}

struct Answer;
impl Facts for Answer {}

/// A monitor as loud as it gets: TRACE everywhere, backtraces, all sinks; texts of errors as `errors` says.
fn monitor(folder: &Path, errors: campanile::TextMode) -> (Monitor, PrometheusRecorder) {
    let recorder = PrometheusRecorder::new();
    let options = ledger::LedgerOptions::new(folder.join("ledger.db"));
    let sink = ledger::Ledger::open(options, clock::counter())
        .expect("a ledger")
        .and(Jsonl::new(folder.join("logs")).open().expect("log files"))
        .and(
            Console::to(std::io::stdout())
                .level(campanile::Level::Trace)
                .open()
                .expect("a console"),
        )
        .and(MetricsSink::new(recorder.clone()));
    let texts = campanile::Texts::new(errors, errors, campanile::TextMode::Redacted);
    let monitor = Monitor::builder(sink)
        .redactor(Masker::standard())
        .texts(texts)
        .backtraces(true)
        .levels(Levels::parse("trace").expect("a filter"))
        .logs(LogPolicy {
            targets: vec!["bot".into()],
            fields: vec!["note".into()],
        })
        .start();
    (monitor, recorder)
}

/// Asks a stage once whose client does `answer`.
fn ask(monitor: &Monitor, answer: impl Fn() -> Result<Answer, BoxError> + Clone) {
    let stage = ServiceBuilder::new()
        .layer(CallLayer::new("llm", monitor))
        .layer(ErrorLayer::new(classify::boxed))
        .layer(UsageLayer::new())
        .layer(RedactLayer::new())
        .layer(SpanLayer::new())
        .layer(TimingLayer::new())
        .layer(client::unary())
        .service_fn(move |_: Ask| std::future::ready(answer()));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    drop(catch_unwind(AssertUnwindSafe(|| {
        drop(runtime.block_on(stage.oneshot(Ask)));
    })));
}

/// Lets `door` speak in a process of its own, and searches what that has written for what the person said.
fn assert_shut(name: &str, door: fn()) {
    match std::env::var("SIDE_DOOR") {
        Ok(folder) => speak(Path::new(&folder), door),
        Err(_) => {
            let folder = tempfile::tempdir().expect("a folder");
            let child = Command::new(std::env::current_exe().expect("this test"))
                .args(["--exact", name, "--nocapture"])
                .env("SIDE_DOOR", folder.path())
                .env("RUST_BACKTRACE", "1")
                .output()
                .expect("a child");
            assert!(child.status.success(), "{child:?}");
            let mut written = [child.stdout, child.stderr].concat();
            let outputs = written.len();
            files(folder.path(), &mut written);
            assert!(written.len() > outputs + 10_000, "too little was written");
            search(&written);
        }
    }
}

fn speak(folder: &Path, door: fn()) {
    // What it would print, it says: a door that holds nothing proves nothing.
    std::panic::set_hook(Box::new(|_| ()));
    let payload = catch_unwind(door).expect_err("a door speaks by its panic");
    let text = match payload.downcast_ref::<String>() {
        Some(text) => text.clone(),
        None => (*payload.downcast_ref::<&str>().expect("a text")).to_owned(),
    };
    assert!(holds(text.as_bytes()), "nothing comes through this door");

    let (monitor, recorder) = monitor(folder, campanile::TextMode::Measure);
    campanile::install_panic_hook(&monitor);
    let subscriber = tracing_subscriber::registry().with(monitor.tracing_layer());
    let here = tracing::subscriber::set_default(subscriber);
    ask(&monitor, move || {
        door();
        Ok(Answer)
    });
    let error = text.clone();
    ask(&monitor, move || Err(error.clone().into()));
    let error = text.clone();
    ask(&monitor, move || {
        Err(std::io::Error::other(std::io::Error::other(error.clone())).into())
    });
    tracing::trace!(target: "tungstenite::protocol", frame = %text, "{text}");
    tracing::error!(target: "bot::llm", error = %text, debug = ?text, "it failed");
    tracing::info_span!("ask", prompt = %text).in_scope(|| tracing::info!(target: "bot", "asked"));
    drop(here);
    println!("{monitor:?}");
    drop(monitor);
    println!("{}", recorder.render());
}

/// Everything that was written below a folder.
fn files(folder: &Path, into: &mut Vec<u8>) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        match entry.path() {
            path if path.is_dir() => files(&path, into),
            path => into.extend(std::fs::read(path).expect("a file")),
        }
    }
}

/// What was said, as it is or as the decimal bytes that `FromUtf8Error` shows.
fn holds(bytes: &[u8]) -> bool {
    let decimal = b"67, 65, 78, 65, 82, 89";
    bytes.windows(6).any(|part| part == b"CANARY")
        || bytes.windows(decimal.len()).any(|part| part == decimal)
}

fn search(written: &[u8]) {
    if holds(written) {
        let text = String::from_utf8_lossy(written);
        let at = text
            .find("CANARY")
            .or(text.find("67, 65, 78"))
            .expect("it is there");
        let from = text.floor_char_boundary(at.saturating_sub(400));
        panic!(
            "written: …{}",
            &text[from..text.floor_char_boundary(at + 100)]
        );
    }
}

/// One test a door: `name` is what it is called, the body is what a program does wrong.
macro_rules! doors {
    ($($name:ident $door:block)*) => {$(
        #[test]
        #[allow(clippy::unnecessary_literal_unwrap, reason = "wrong on purpose")]
        fn $name() {
            assert_shut(stringify!($name), || $door);
        }
    )*};
}

#[derive(Debug)]
#[allow(dead_code, reason = "only `Debug` reads it")]
struct Foreign(String);

doors! {
    a_slice_that_cuts_a_character {
        let _ = &SAID[..7];
    }
    a_slice_out_of_bounds {
        let _ = &SAID[..SAID.len() + std::hint::black_box(7)];
    }
    an_unwrapped_error {
        Err::<(), _>(Foreign(SAID.to_owned())).unwrap();
    }
    an_expected_error {
        Err::<(), _>(Foreign(SAID.to_owned())).expect("an answer");
    }
    both_sides_of_an_assertion {
        assert_eq!(SAID, "something else");
    }
    a_number_that_was_a_word {
        let error = serde_json::from_str::<u32>(&format!("{SAID:?}")).unwrap_err();
        panic!("{error}");
    }
    a_variant_that_nobody_knows {
        let error = serde_json::from_str::<Result<u8, u8>>(&format!("{{{SAID:?}: 1}}")).unwrap_err();
        panic!("{error}");
    }
    bytes_that_are_no_text {
        let mut bytes = SAID.as_bytes().to_vec();
        bytes.push(0xff);
        String::from_utf8(bytes).unwrap();
    }
    a_request_with_its_headers_and_body {
        let request = http::Request::builder()
            .uri("https://api.example.org/v1?text=CANARY")
            .header("authorization", "Bearer CANARY")
            .body(SAID)
            .unwrap();
        panic!("{request:?}");
    }
    a_url_with_its_query {
        let uri: http::Uri = "https://user:CANARY@api.example.org/v1?key=CANARY".parse().unwrap();
        panic!("{uri}");
    }
    a_client_that_quotes_the_url {
        panic!("error sending request for url (https://api.example.org/v1?text=CANARY): operation timed out");
    }
    a_command_with_its_arguments {
        panic!("{:?}", Command::new("say").arg(SAID).env("PROMPT", SAID));
    }
    a_channel_that_gives_back_what_nobody_took {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        drop(receiver);
        sender.send(SAID).unwrap();
    }
    a_lock_with_what_it_guards {
        panic!("{:?}", Mutex::new(SAID));
    }
    a_poisoned_lock {
        let lock = Mutex::new(SAID);
        let _ = catch_unwind(AssertUnwindSafe(|| {
            let _held = lock.lock();
            panic!("while it is held");
        }));
        panic!("{lock:?}");
    }
    a_provider_that_quotes_the_prompt {
        panic!("{{\"error\": {{\"message\": \"Invalid 'input[0]': {SAID}\"}}}}");
    }
    a_panic_that_is_told_by_the_task {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let error = runtime.block_on(async { tokio::spawn(async { panic!("{SAID}") }).await });
        panic!("{}", error.unwrap_err());
    }
}

#[test]
fn arguments_of_an_instrumented_function_are_not_written() {
    fn told() -> ! {
        let span = tracing::info_span!("ask", prompt = %SAID, session = %SAID, call = ?SAID);
        span.in_scope(|| tracing::error!(target: "bot", error = SAID));
        panic!("{SAID}")
    }
    assert_shut(
        "arguments_of_an_instrumented_function_are_not_written",
        || told(),
    );
}

#[test]
fn a_thread_that_is_called_by_what_was_said() {
    fn told() -> ! {
        let thread = std::thread::Builder::new().name(SAID.to_owned());
        let _ = thread.spawn(|| panic!("{SAID}")).expect("a thread").join();
        panic!("{SAID}")
    }
    assert_shut("a_thread_that_is_called_by_what_was_said", || told());
}

/// Where it was built is whose home that is: only what stands below a crate is written.
#[test]
fn a_backtrace_names_no_home() {
    let folder = tempfile::tempdir().expect("a folder");
    let (monitor, _) = monitor(folder.path(), campanile::TextMode::Redacted);
    ask(&monitor, || Err("it failed".into()));
    drop(monitor);

    let mut written = Vec::new();
    files(folder.path(), &mut written);
    let text = String::from_utf8_lossy(&written);
    assert!(text.contains("side_doors::ask"), "there is a backtrace");
    for home in [
        env!("CARGO_MANIFEST_DIR"),
        "/.cargo/",
        "/.rustup/",
        "/home/",
        "/root/",
    ] {
        assert!(!text.contains(home), "{home}");
    }
}

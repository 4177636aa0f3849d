//! Not one word leaves: canaries go in at every door, and every byte that is written is searched for them.

#![expect(
    clippy::print_stdout,
    reason = "what a process prints is searched, too"
)]

use campanile::sinks::{Console, Jsonl, MetricsSink, PrometheusRecorder, ledger};
use campanile::{
    CallLayer, ErrorLayer, Facts, Failure, FailureKind, Levels, LogPolicy, Masker, Monitor, Name,
    RedactLayer, Served, SessionId, Sink as _, SpanLayer, Tally, TextMode, Texts, TimingLayer,
    UsageLayer, classify, client, clock, pricing::Book,
};
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};
use tower::{BoxError, ServiceBuilder, ServiceExt as _};
use tracing_subscriber::layer::SubscriberExt as _;

/// What people say. It must not be written anywhere, masked or not, while no file asks for it.
const SAID: [&str; 3] = [
    "purple elephants dance at midnight",
    "Zwölf Boxkämpfer jagen Viktor",
    "my pin is four one one one",
];

/// What must be masked wherever text is written at all. Put together here, so that no scanner takes it for real.
fn secrets() -> Vec<String> {
    vec![
        ["4111", "1111", "1111", "1111"].join(" "),
        ["quentin.canary", "example.org"].join("@"),
        ["sk", "proj", &"Zk9".repeat(19), "T3BlbkFJ"].join("-"),
        "four one one one, one one one one, one one one one, one one one one".to_owned(),
        ["https://canary", "hunter2hunter2@api.example.org/v1"].join(":"),
    ]
}

#[derive(Clone)]
struct Ask(String);

impl Facts for Ask {
    fn spoken(&self) -> Option<&str> {
        Some(&self.0)
    }
    fn served(&self, served: &mut Served) {
        // A peer's words are names only if they look like names.
        served.requested = Name::outside(&self.0);
    }
}

struct Answer(String);

impl Facts for Answer {
    fn usage(&self, tally: &Tally) {
        tally.add(campanile::Meter::Characters, self.0.chars().count() as u64);
    }
    fn spoken(&self) -> Option<&str> {
        Some(&self.0)
    }
    fn served(&self, served: &mut Served) {
        served.model = Name::outside(&self.0);
        served.request_id = Name::outside(&self.0);
    }
}

/// An answer that is an error, in the provider's own words.
struct Refusal(String);

impl Facts for Refusal {
    fn failure(&self) -> Option<Failure> {
        Some(
            Failure::new(FailureKind::InvalidRequest)
                .code(Name::outside(&self.0))
                .because(self.0.clone()),
        )
    }
}

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0
            .lock()
            .expect("no test panics here")
            .extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// One stage, asked once, whose client does `answer`.
async fn ask<T, F>(monitor: &Monitor, text: &str, answer: impl Fn(Ask) -> F + Clone)
where
    T: Facts,
    F: Future<Output = Result<T, BoxError>>,
{
    let stage = ServiceBuilder::new()
        .layer(CallLayer::new("llm", monitor))
        .layer(ErrorLayer::new(classify::boxed))
        .layer(UsageLayer::new().provider("openai"))
        .layer(RedactLayer::new())
        .layer(SpanLayer::new())
        .layer(TimingLayer::new())
        .layer(client::unary())
        .service_fn(answer);
    drop(stage.oneshot(Ask(text.to_owned())).await);
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

/// How a text may look in bytes: as it is, and in the forms that writers use.
fn forms(text: &str) -> Vec<Vec<u8>> {
    let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
    let url: String = text
        .bytes()
        .map(|byte| match byte {
            b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'-' | b'.' | b'_' => {
                (byte as char).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect();
    let escaped: String = text
        .encode_utf16()
        .map(|unit| {
            if unit < 128 {
                (unit as u8 as char).to_string()
            } else {
                format!("\\u{unit:04x}")
            }
        })
        .collect();
    let decimal = format!("{:?}", text.as_bytes());
    // What stands before moves the digits by one or two.
    let moved = |by: usize| [b"+/", b"-_"].map(|last| base64(&text.as_bytes()[by..], last));
    let backwards: String = text.chars().rev().collect();
    let digits: String = text.chars().filter(|char| !" -.".contains(*char)).collect();
    [
        text.to_owned(),
        text.to_uppercase(),
        hex.to_uppercase(),
        hex,
        url,
        escaped,
        decimal,
        digits,
        backwards,
    ]
    .into_iter()
    .chain((0..3).flat_map(moved))
    .map(String::into_bytes)
    .collect()
}

/// Without its last few characters: they depend on what follows.
fn base64(bytes: &[u8], last: &[u8; 2]) -> String {
    let alphabet = [
        b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
        &last[..],
    ]
    .concat();
    let sixth = |three: &[u8], at: usize| {
        let bits = three
            .iter()
            .fold(0, |bits, byte| bits << 8 | u32::from(*byte));
        char::from(alphabet[(bits >> (18 - 6 * at) & 63) as usize])
    };
    let whole = bytes.chunks_exact(3);
    whole
        .flat_map(|three| (0..4).map(move |at| (three, at)))
        .map(|(three, at)| sixth(three, at))
        .collect()
}

#[tokio::test]
async fn no_canary_is_found_in_anything_that_was_written() {
    written_and_searched(Texts::default()).await;
}

/// Texts of errors are asked for: what must be masked is, and what was said stays out of all else.
#[tokio::test]
async fn no_secret_is_found_in_texts_of_errors_that_are_asked_for() {
    let redacted = TextMode::Redacted;
    written_and_searched(Texts::new(redacted, redacted, redacted)).await;
}

async fn written_and_searched(texts: Texts) {
    let folder = tempfile::tempdir().expect("a folder");
    let (console, recorder) = (Written::default(), PrometheusRecorder::new());
    let ledger = ledger::Ledger::open(
        ledger::LedgerOptions::new(folder.path().join("ledger.db")),
        clock::counter(),
    );
    let sink = ledger
        .expect("a ledger")
        .and(
            Jsonl::new(folder.path().join("logs"))
                .open()
                .expect("log files"),
        )
        .and(
            Console::to(console.clone())
                .level(campanile::Level::Trace)
                .open()
                .expect("a console"),
        )
        .and(MetricsSink::new(recorder.clone()));
    let monitor = Monitor::builder(sink)
        .prices(Book::standard())
        .redactor(Masker::standard())
        .texts(texts)
        .backtraces(true)
        .levels(Levels::parse("trace").expect("a filter"))
        .logs(LogPolicy {
            targets: vec!["bot".into()],
            fields: vec!["note".into()],
        })
        .start();
    campanile::install_panic_hook(&monitor);
    let subscriber = tracing_subscriber::registry().with(monitor.tracing_layer());
    let _here = tracing::subscriber::set_default(subscriber);

    let secrets = secrets();
    for said in SAID {
        // Doors through which people's words pass: requests, replies, names, logs of others, panics, ids.
        ask(&monitor, said, async |ask: Ask| Ok(Answer(ask.0))).await;
        tracing::trace!(target: "tungstenite", message = said, payload = said);
        tracing::info!(target: "bot", text = said, said.length = said.len(), "a line of ours");
        tracing::info_span!("work", session = said, transcript = said)
            .in_scope(|| tracing::error!("in a span"));
        assert!(SessionId::new(said).is_err());
        let panics = monitor.clone();
        let stage = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .build()
                .expect("a runtime");
            runtime.block_on(ask(
                &panics,
                said,
                async |ask: Ask| -> Result<Answer, BoxError> { panic!("{}", ask.0) },
            ));
        });
        assert!(stage.join().is_err());
        println!(
            "{:?} {:?}",
            campanile::Content::new(said),
            Failure::new(FailureKind::Server).because(said.to_owned())
        );
    }
    for secret in &secrets {
        // Doors where text is written after it was masked: errors and their sources, refusals, our own lines.
        let text = format!("the model said: {secret}");
        ask(&monitor, &text, async |ask: Ask| {
            Err::<Answer, BoxError>(std::io::Error::other(ask.0).into())
        })
        .await;
        ask(&monitor, &text, async |ask: Ask| Ok(Refusal(ask.0))).await;
        tracing::warn!(target: "bot::llm", note = %text, other = %text, "{text}");
    }
    let _ = std::panic::take_hook();
    assert!(monitor.close().await);

    let mut written = console.0.lock().expect("written").clone();
    written.extend(recorder.render().into_bytes());
    let console_bytes = written.len();
    files(folder.path(), &mut written);
    assert!(
        console_bytes > 10_000 && written.len() > 100_000,
        "too little was written to prove anything"
    );
    for canary in SAID.iter().map(|said| (*said).to_owned()).chain(secrets) {
        for form in forms(&canary) {
            let at = written.windows(form.len()).position(|bytes| bytes == form);
            let place = at.map(|at| {
                String::from_utf8_lossy(&written[at.saturating_sub(200)..at + form.len()])
                    .into_owned()
            });
            assert_eq!(place, None, "a canary was written");
        }
    }
    let masked = String::from_utf8_lossy(&written).matches("[CARD]").count();
    assert!(masked > 0, "what was masked says so");
}

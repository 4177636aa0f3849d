//! Searches of a gigabyte of our own log lines, beside ripgrep on the same files in the same run:
//! `cargo bench -p campanile-cli --bench logs [-- MEGABYTES]`.
//!
//! The files are made once, by the sink itself, and kept in `target/bench-logs`.

use campanile_core::{
    Attempt, CallEvent, Clock, Cost, Event, Evidence, FailureKind, FailureReport, Ids, Level,
    LogEvent, Meter, Money, Name, Outcome, Owner, Segment, SessionId, Sink, Span, Tick, TimeSource,
    Timestamp, Timing, TurnEvent, Usage,
};
use campanile_sinks::{Jsonl, JsonlSink, Notices};
use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
    time::Duration,
};

type Done<T = ()> = Result<T, Box<dyn std::error::Error>>;

/// 2026-11-24T00:00:00Z
const START: i64 = 1_795_478_400_000_000;
/// Between two events.
const STEP: i64 = 60_000;
const SESSIONS: usize = 20;
/// Events of one session.
const LENGTH: u64 = 120;
const ROUNDS: usize = 7;

#[derive(Clone)]
struct Hand(Arc<AtomicI64>);

impl TimeSource for Hand {
    fn tick(&self) -> Tick {
        Tick(self.0.load(Relaxed).unsigned_abs() * 1_000)
    }

    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Relaxed))
    }
}

fn name(text: &str) -> Name {
    Name::outside(text).unwrap_or_default()
}

fn timing(n: u64) -> Timing {
    let mut timing = Timing::default();
    timing.queued = Some(Span(n % 90 * 1_000));
    timing.first_item = Some(Span((250 + n % 400) * 1_000_000));
    timing.elapsed = Span((900 + n % 1_700) * 1_000_000);
    timing.items = Some(20 + n % 60);
    timing.longest_gap = Some(Span((30 + n % 90) * 1_000_000));
    timing
}

fn call(n: u64, at: Timestamp, session: &SessionId, ids: &Ids) -> CallEvent {
    let (stage, provider, model, usage) = match n % 3 {
        0 => (
            "stt",
            "deepgram",
            "nova-3",
            Usage::new().with(
                Meter::AudioUs,
                3_000_000 + n % 5_000_000,
                Evidence::Measured,
            ),
        ),
        1 => (
            "llm",
            "openai",
            "gpt-4o-mini-2024-07-18",
            Usage::new()
                .with(Meter::InputTokens, 400 + n % 900, Evidence::Reported)
                .with(Meter::CachedInputTokens, 256, Evidence::Reported)
                .with(Meter::OutputTokens, 20 + n % 80, Evidence::Reported),
        ),
        _ => (
            "tts",
            "cartesia",
            "sonic-2",
            Usage::new().with(Meter::Characters, 40 + n % 200, Evidence::Measured),
        ),
    };
    let failed = n % 211 == 1;
    let outcome = if failed {
        Outcome::Failed
    } else {
        Outcome::Completed
    };
    let cost = Cost::exact(Money::from_grains(
        i128::from(100_000 + n % 100_000) * 1_000_000_000_000,
    ));
    let mut attempt = Attempt::new(1);
    attempt.provider = Some(name(provider));
    attempt.model = Some(name(model));
    attempt.request_id = Some(name(&format!(
        "req_{:032x}",
        u128::from(n) * 0x9e37_79b9_7f4a_7c15
    )));
    attempt.timing = Some(timing(n));
    attempt.outcome = Some(outcome);
    attempt.usage = Some(usage);
    attempt.cost = Some(cost.clone());
    if failed {
        let mut why = FailureReport::new(FailureKind::RateLimit, name(&format!("{:016x}", n % 7)));
        why.code = Some(name("429"));
        attempt.failure = Some(why);
    }
    let mut call = CallEvent::new(ids.next(at), name(stage), at, outcome);
    call.session = Some(session.clone());
    call.turn = Some((n / 60 % 40) as u32 + 1);
    call.timing = attempt.timing;
    call.failure = attempt.failure.clone();
    call.attempts = vec![attempt];
    call.usage = Some(usage);
    call.cost = Some(cost);
    call
}

fn event(n: u64, at: Timestamp, session: &SessionId, ids: &Ids) -> Event {
    match n % 11 {
        3 => {
            let mut turn = TurnEvent::new(session.clone(), (n / 60 % 40) as u32 + 1, at);
            turn.elapsed = Span(4_000_000_000);
            turn.user_to_bot = Some(Span(900_000_000));
            turn.segments = [
                "transcription",
                "to_llm",
                "llm_queue",
                "llm_first_item",
                "to_tts",
                "tts_first_item",
            ]
            .map(|name| Segment::new(name, Owner::Provider, Span(n % 150 * 1_000_000)))
            .to_vec();
            turn.calls = 3;
            Event::Turn(Box::new(turn))
        }
        7 => {
            let level = if n.is_multiple_of(13) {
                Level::Warn
            } else {
                Level::Info
            };
            let mut log = LogEvent::new(at, level, "voice_bot::pipeline");
            log.site = Some(("src/pipeline.rs", (n % 300) as u32));
            log.session = Some(session.clone());
            log.fields = vec![("frames", campanile_core::FieldValue::Uint(n % 1_000))];
            Event::Log(Box::new(log))
        }
        _ => Event::Call(Box::new(call(n, at, session, ids))),
    }
}

/// Where the sessions are, and which one is looked for.
struct Corpus {
    plain: PathBuf,
    packed: PathBuf,
    session: String,
}

fn session(at: i64, n: u64) -> SessionId {
    SessionId::from_call(Ids::seeded(n + 1).next(Timestamp(at)))
}

fn fill(sink: &JsonlSink, hand: &Hand, bytes: u64) -> String {
    let ids = Ids::seeded(7);
    let mut sessions: Vec<SessionId> = (0..SESSIONS as u64).map(|n| session(START, n)).collect();
    let (mut n, mut wanted) = (0_u64, String::new());
    let events = bytes / 760;
    while n < events {
        let at = START + n as i64 * STEP;
        hand.0.store(at, Relaxed);
        let place = n as usize % SESSIONS;
        if (n / SESSIONS as u64).is_multiple_of(LENGTH) {
            sessions[place] = session(at, n);
        }
        if n == events * 2 / 3 {
            wanted = sessions[place].to_string();
        }
        sink.record(&event(n, Timestamp(at), &sessions[place], &ids));
        n += 1;
        if n.is_multiple_of(8_192) {
            sink.flush(Duration::from_secs(60));
        }
    }
    sink.flush(Duration::from_secs(60));
    wanted
}

fn size(folder: &Path) -> Done<u64> {
    let mut size = 0;
    for entry in fs::read_dir(folder)? {
        size += entry?.metadata()?.len();
    }
    Ok(size)
}

fn make(megabytes: u64) -> Done<Corpus> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("logs-{megabytes}"));
    let (plain, packed, note) = (
        folder.join("plain"),
        folder.join("packed"),
        folder.join("session"),
    );
    if !note.exists() {
        let _ = fs::remove_dir_all(&folder);
        say(&format!("making {megabytes} MB of lines"));
        let hand = Hand(Arc::new(AtomicI64::new(START)));
        let sink = |folder: &Path| {
            Jsonl::new(folder)
                .clock(Clock::new(hand.clone()))
                .max_total(u64::MAX)
                .budget(64 << 20)
                .notices(Notices::silent())
        };
        let written = sink(&plain).compress(false).open()?;
        let wanted = fill(&written, &hand, megabytes * 1_000_000);
        written.close(Duration::from_secs(60));
        // The next process packs what this one has left.
        fs::create_dir_all(&packed)?;
        for entry in fs::read_dir(&plain)? {
            let entry = entry?;
            fs::copy(entry.path(), packed.join(entry.file_name()))?;
        }
        let packing = sink(&packed).open()?;
        let is_open = |path: PathBuf| path.extension().is_some_and(|ending| ending != "zst");
        while fs::read_dir(&packed)?
            .flatten()
            .filter(|entry| is_open(entry.path()))
            .count()
            > 1
        {
            std::thread::sleep(Duration::from_millis(50));
        }
        packing.close(Duration::from_secs(60));
        fs::write(&note, wanted)?;
    }
    Ok(Corpus {
        session: fs::read_to_string(&note)?,
        plain,
        packed,
    })
}

/// One run: its seconds, what it printed, and the most memory it was seen to hold.
struct Run {
    seconds: f64,
    lines: usize,
    kib: u64,
}

fn run(program: &str, arguments: &[&str]) -> Done<Run> {
    let clock = Clock::system();
    let begun = clock.tick();
    let mut child = Command::new(program)
        .args(arguments)
        .env_remove("CAMPANILE_CONFIG")
        .stdout(Stdio::piped())
        .stdin(Stdio::null())
        .spawn()?;
    let status = format!("/proc/{}/status", child.id());
    let watch = std::thread::spawn(move || {
        let mut most = 0;
        while let Ok(text) = fs::read_to_string(&status) {
            let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            let Some(kib) = line.and_then(|line| line.split_whitespace().next()?.parse().ok())
            else {
                break;
            };
            most = most.max(kib);
            std::thread::sleep(Duration::from_millis(2));
        }
        most
    });
    let (mut lines, mut room) = (0, vec![0; 1 << 16]);
    let mut out = child.stdout.take().ok_or("no output")?;
    loop {
        match out.read(&mut room)? {
            0 => break,
            read => lines += room[..read].iter().filter(|byte| **byte == b'\n').count(),
        }
    }
    child.wait()?;
    let seconds = clock.tick().since(begun).0 as f64 / 1e9;
    let kib = watch.join().unwrap_or(0);
    Ok(Run {
        seconds,
        lines,
        kib,
    })
}

#[expect(clippy::print_stdout, reason = "a bench prints")]
fn say(line: &str) {
    println!("{line}");
}

fn median(seconds: &mut [f64]) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}

/// Runs both by turns, and prints what each took.
fn compare(what: &str, ours: &[&str], theirs: Option<(&str, &[&str])>) -> Done {
    let campanile = env!("CARGO_BIN_EXE_campanile");
    let (mut we, mut they, mut most, mut lines) = (Vec::new(), Vec::new(), 0, (0, 0));
    for _ in 0..ROUNDS {
        let run_of_ours = run(campanile, ours)?;
        most = most.max(run_of_ours.kib);
        lines.0 = run_of_ours.lines;
        we.push(run_of_ours.seconds);
        if let Some((program, arguments)) = theirs {
            let run = run(program, arguments)?;
            lines.1 = run.lines;
            they.push(run.seconds);
        }
    }
    let ms = |seconds: f64| seconds * 1_000.0;
    let ours = (ms(median(&mut we)), ms(we[0]));
    let mut row = format!(
        "{what:<34} {:>7.1} {:>7.1} {:>6} MiB {:>8}",
        ours.0,
        ours.1,
        most >> 10,
        lines.0
    );
    if theirs.is_some() {
        let theirs = (ms(median(&mut they)), ms(they[0]));
        row += &format!(
            "   {:>7.1} {:>7.1} {:>8}   {:>5.2} {:>5.2}",
            theirs.0,
            theirs.1,
            lines.1,
            ours.0 / theirs.0,
            ours.1 / theirs.1
        );
    }
    say(&row);
    Ok(())
}

fn main() -> Done {
    let megabytes = std::env::args()
        .skip(1)
        .find_map(|word| word.parse().ok())
        .unwrap_or(1_000);
    let corpus = make(megabytes)?;
    if Command::new("rg")
        .arg("--version")
        .stdout(Stdio::null())
        .status()
        .is_err()
    {
        return Err("`rg` is missing: apt-get install ripgrep".into());
    }
    let (plain, packed) = (
        corpus.plain.display().to_string(),
        corpus.packed.display().to_string(),
    );
    let bytes = size(&corpus.plain)?;
    say(&format!(
        "{bytes} bytes of lines, {} packed; ms: median, minimum of {ROUNDS}",
        size(&corpus.packed)?
    ));
    say(&format!(
        "{:<34} {:>7} {:>7} {:>10} {:>8}   {:>7} {:>7} {:>8}   ratio",
        "", "ours", "min", "memory", "lines", "rg", "min", "lines"
    ));
    let session = corpus.session.trim();
    // Two thirds in, where the session is.
    let middle = Timestamp(START + (megabytes * 1_000_000 / 760 * 2 / 3) as i64 * STEP).to_string();
    let (minute, seconds) = (
        &middle[..16],
        [
            format!("{}:00Z", &middle[..16]),
            format!("{}:59.999999Z", &middle[..16]),
        ],
    );
    let text = "req_0000000000000000000004ad";
    let both = r#""level":"error".*"stage":"llm""#;
    let time = format!("\"ts\":\"{minute}");
    let queries: [(&str, Vec<&str>, &str, bool); 7] = [
        ("one session", vec!["--session", session], session, true),
        ("one text", vec![text], text, true),
        (
            "a text that is nowhere",
            vec!["nowhere to be found"],
            "nowhere to be found",
            true,
        ),
        (
            "level and stage",
            vec!["--level", "error", "--stage", "llm"],
            both,
            false,
        ),
        ("the same as a pattern", vec!["--regex", both], both, false),
        (
            "one minute",
            vec!["--from", &seconds[0], "--until", &seconds[1]],
            &time,
            true,
        ),
        (
            "a minute, a text in it",
            vec!["--from", &seconds[0], "--until", &seconds[1], "rate_limit"],
            &time,
            true,
        ),
    ];
    for (what, words, pattern, literal) in &queries {
        let fixed = if *literal { "-F" } else { "-e" };
        let ours = |folder| {
            [
                &["logs", "--format", "raw", "--logs", folder],
                words.as_slice(),
            ]
            .concat()
        };
        let rg = [
            "--no-config",
            "--no-heading",
            "-I",
            "-N",
            fixed,
            pattern,
            &plain,
        ];
        compare(what, &ours(plain.as_str()), Some(("rg", &rg)))?;
        let pipe = format!("zstdcat {packed}/*.zst | rg --no-config -N {fixed} '{pattern}'");
        compare(
            &format!("  {what}, packed"),
            &ours(packed.as_str()),
            Some(("sh", &["-c", &pipe])),
        )?;
    }
    let pretty = ["logs", "--level", "error", "--logs", &plain];
    compare("errors, pretty", &pretty, None)?;
    compare(
        "all lines, counted",
        &["logs", "--count", "--logs", &plain],
        Some(("rg", &["-c", "--no-config", "", &plain])),
    )?;
    let all = ["logs", "--format", "raw", "--logs", &plain];
    compare(
        "all lines, raw",
        &all,
        Some(("rg", &["--no-config", "-I", "-N", "", &plain])),
    )
}

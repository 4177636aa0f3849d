//! Voice bots in processes of their own, on one ledger and one budget: each share rings once, also where a bot is killed between
//! ringing and noting.

use crate::pager::Pager;
use crate::support::{SOON, ahead, folder, process, raised};
use campanile::config::Config;
use campanile::sinks::ledger::{Query, Reader};
use campanile::{CallLayer, Facts, Meter, Money, Monitor, Tally, Turn, Unary, UsageLayer, client};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use tower::{ServiceBuilder, ServiceExt as _};

const CONFIG: &str = "CAMPANILE_ALERTS_BOT";
/// A turn costs 1.20: two bots spend sixty dollars, one thirty.
const TURNS: u32 = 25;

struct Ask(Turn, Meter, u64);

impl Facts for Ask {
    fn usage(&self, tally: &Tally) {
        tally.add(self.1, self.2);
    }
}

async fn ask(
    monitor: &Monitor,
    stage: &'static str,
    (provider, model): (&'static str, &'static str),
    ask: Ask,
) {
    let stage = ServiceBuilder::new()
        .layer(CallLayer::new(stage, monitor).scope(|ask: &Ask| Some(ask.0.clone())))
        .layer(UsageLayer::new().provider(provider).model(model))
        .layer(client::unary())
        .service_fn(async |_: Ask| Ok::<_, Infallible>(()));
    let Ok(Unary(())) = stage.oneshot(ask).await;
}

/// Answers again and again, and ends.
#[tokio::test]
#[ignore = "started by the other tests, in a process of its own"]
async fn the_bot() {
    let Ok(file) = std::env::var(CONFIG) else {
        return;
    };
    let monitor = Monitor::from_config(&Config::read(file.as_ref()).unwrap(), "test").unwrap();
    let session = monitor.session();
    for _ in 0..TURNS {
        let turn = session.turn();
        let words = Ask(turn.clone(), Meter::OutputTokens, 1_000_000);
        ask(&monitor, "llm", ("openai", "gpt-4o-mini"), words).await;
        let speech = Ask(turn.clone(), Meter::Characters, 12_000);
        ask(&monitor, "tts", ("cartesia", "sonic-3"), speech).await;
        turn.end();
        assert!(monitor.flush(SOON));
    }
    session.end("hang_up");
    assert!(monitor.close().await);
}

/// The file of a bot: fifty dollars for everything.
fn file(ledger: &Path, pager: &Pager) -> PathBuf {
    let logs = ledger.with_file_name("logs");
    let text = format!(
        "[env.test]\nsinks = [\"ledger\", \"jsonl\"]\n[sink.ledger]\npath = {ledger:?}\n[sink.jsonl]\ndir = {logs:?}\n\
         [[budget]]\nusd = \"50\"\nwindow = \"24h\"\n[[webhook]]\nurl = {:?}\n",
        pager.url
    );
    let file = ledger.with_extension("toml");
    std::fs::create_dir_all(ledger.parent().unwrap()).unwrap();
    std::fs::write(&file, text).unwrap();
    file
}

fn bot(file: &Path) -> std::process::Child {
    process("bots::the_bot", &[(CONFIG, file.as_os_str())])
}

/// The alerts of these shares, each so often.
fn rung(shares: &[&str], times: u32) -> BTreeMap<String, u32> {
    let id = |share| (format!("budget:all:24h:50:24h:{share}#1"), times);
    shares.iter().map(id).collect()
}

/// How often each alert stands in the log files; files of the dead are packed.
fn logged(ledger: &Path) -> BTreeMap<String, u32> {
    let mut ids = Vec::new();
    for file in std::fs::read_dir(ledger.with_file_name("logs")).unwrap() {
        let path = file.unwrap().path();
        let text = match path.extension().and_then(|ending| ending.to_str()) {
            Some("jsonl") => std::fs::read(&path).unwrap(),
            Some("zst") => zstd::decode_all(&*std::fs::read(&path).unwrap()).unwrap(),
            _ => continue,
        };
        // The last line of who was killed may be half a line.
        let lines = text.split(|byte| *byte == b'\n');
        let lines = lines.filter_map(|line| serde_json::from_slice(line).ok());
        let alerts = lines.filter(|line: &serde_json::Value| line["event"] == "alert");
        ids.extend(alerts.map(|line| line["id"].as_str().unwrap().to_owned()));
    }
    counted(ids)
}

fn counted(ids: Vec<String>) -> BTreeMap<String, u32> {
    let mut counts = BTreeMap::new();
    for id in ids {
        *counts.entry(id).or_default() += 1;
    }
    counts
}

fn spent(ledger: &Path) -> Money {
    let report = Reader::open(ledger).unwrap().report(&Query::default());
    report.unwrap().total.cost.at_least
}

#[test]
fn two_bots_that_share_fifty_dollars_ring_once_for_each_share() {
    let (_dir, ledger) = folder();
    let pager = Pager::start();
    let file = file(&ledger, &pager);

    for mut bot in [bot(&file), bot(&file)] {
        assert!(bot.wait().unwrap().success());
    }

    assert_eq!(spent(&ledger), Money::from_usd("60").unwrap());
    let once = rung(&["0.5", "0.8", "1"], 1);
    assert_eq!(counted(raised(&ledger)), once);
    assert_eq!(pager.counts(), once);
    assert_eq!(logged(&ledger), once);
    assert_eq!(Reader::open(&ledger).unwrap().owed().unwrap(), []);
}

#[test]
fn a_bot_that_is_killed_between_ringing_and_noting_is_stood_in_for_under_the_same_id() {
    let (_dir, ledger) = folder();
    let mute = Pager::mute();
    let mut killed = bot(&file(&ledger, &mute));

    let half = rung(&["0.5"], 1);
    assert_eq!(mute.next()["id"], **half.keys().next().unwrap());
    killed.kill().unwrap();
    killed.wait().unwrap();
    let owed = Reader::open(&ledger).unwrap().owed().unwrap();
    assert!(
        owed.iter().any(|(_, target)| target == "webhook"),
        "{owed:?}"
    );

    let pager = Pager::start();
    let config = Config::read(&file(&ledger, &pager)).unwrap();
    let next = Monitor::configure(&config, "test").clock(ahead());
    assert!(next.start().unwrap().close_blocking());

    assert_eq!(counted(raised(&ledger)), half);
    assert_eq!(pager.counts(), half);
    assert_eq!(mute.counts(), BTreeMap::new(), "it rang more than once");
    assert!(logged(&ledger).keys().eq(half.keys()));
    assert_eq!(Reader::open(&ledger).unwrap().owed().unwrap(), []);
}

//! From a file to a webhook.

use crate::pager::Pager;
use crate::support::{SOON, call, folder};
use campanile::config::Config;
use campanile::sinks::ledger::Reader;
use campanile::{
    CallLayer, Event, Facts, Handed, Meter, Monitor, Reason, Tally, Timestamp, Unary, UsageLayer,
    client,
};
use std::convert::Infallible;
use std::path::Path;
use tower::{ServiceBuilder, ServiceExt as _};

fn config(ledger: &Path, sinks: &str, url: &str) -> Config {
    let text = format!(
        "[env.test]\nsinks = {sinks}\n[sink.ledger]\npath = {ledger:?}\n\
         [[budget]]\nusd = \"1\"\nwindow = \"24h\"\nwarn_at = [0.5, 1.0]\n[[webhook]]\nurl = {url:?}\n"
    );
    Config::parse(&text, "campanile.toml".as_ref()).unwrap()
}

#[test]
fn what_a_ledger_raises_is_told_once_and_is_owed_no_more() {
    let (_dir, path) = folder();
    let pager = Pager::start();
    for cents in [60, 5, 50] {
        let monitor =
            Monitor::from_config(&config(&path, "[\"ledger\"]", &pager.url), "test").unwrap();
        let call = Event::Call(Box::new(call(Timestamp::now(), cents)));
        monitor.intake().hand_over(Handed::Event(call));
        assert!(monitor.flush(SOON));
        assert!(monitor.close_blocking());
    }

    let id = |share| format!("budget:all:24h:1:24h:{share}#1");
    let counts = pager.counts();
    assert_eq!(
        counts.into_iter().collect::<Vec<_>>(),
        [(id("0.5"), 1), (id("1"), 1)]
    );
    assert_eq!(Reader::open(&path).unwrap().owed().unwrap(), []);
}

#[test]
fn a_monitor_tells_of_its_budgets_and_of_its_rules() {
    let (_dir, path) = folder();
    let pager = Pager::start();
    let mut config = config(&path, "[\"ledger\"]", &pager.url);
    let rule = "[[rule]]\nunpriced = true";
    config.rule = Config::parse(rule, "campanile.toml".as_ref()).unwrap().rule;
    let monitor = Monitor::from_config(&config, "test").unwrap();
    let mut call = call(Timestamp::now(), 60);
    call.attempts[0]
        .cost
        .as_mut()
        .unwrap()
        .why
        .push(Reason::UnknownModel);
    monitor
        .intake()
        .hand_over(Handed::Event(Event::Call(Box::new(call))));

    assert!(monitor.close_blocking());

    let told: Vec<_> = pager.counts().into_iter().collect();
    let rule = "rule:unpriced:openai/gpt-4o-mini-2024-07-18:price:5m#1";
    assert_eq!(
        told,
        [
            ("budget:all:24h:1:24h:0.5#1".to_owned(), 1),
            (rule.to_owned(), 1)
        ]
    );
    assert_eq!(Reader::open(&path).unwrap().owed().unwrap(), []);
}

struct Speak(u64);

impl Facts for Speak {
    fn usage(&self, tally: &Tally) {
        tally.add(Meter::Characters, self.0);
    }
}

#[tokio::test]
async fn without_a_ledger_a_process_tells_of_its_own_calls() {
    let (_dir, path) = folder();
    let pager = Pager::start();
    let monitor = Monitor::from_config(&config(&path, "[]", &pager.url), "test").unwrap();
    let stage = ServiceBuilder::new()
        .layer(CallLayer::new("tts", &monitor))
        .layer(UsageLayer::new().provider("cartesia").model("sonic-3"))
        .layer(client::unary())
        .service_fn(async |_: Speak| Ok::<_, Infallible>(()));
    // 60 cents, at 50 dollars a million.
    let Ok(Unary(())) = stage.oneshot(Speak(12_000)).await;

    assert_eq!(pager.next()["id"], "budget:all:24h:1:24h:0.5");
    assert!(monitor.close().await);
}

#[test]
fn a_webhook_that_is_away_is_told_by_the_next_process() {
    let (_dir, path) = folder();
    let nobody = "http://127.0.0.1:1/";
    let monitor = Monitor::from_config(&config(&path, "[\"ledger\"]", nobody), "test").unwrap();
    let call = Event::Call(Box::new(call(Timestamp::now(), 60)));
    monitor.intake().hand_over(Handed::Event(call));
    assert!(monitor.close_blocking(), "what is owed is kept");
    assert_eq!(Reader::open(&path).unwrap().owed().unwrap().len(), 1);

    let pager = Pager::start();
    let monitor = Monitor::from_config(&config(&path, "[\"ledger\"]", &pager.url), "test").unwrap();
    assert_eq!(pager.next()["id"], "budget:all:24h:1:24h:0.5#1");
    assert!(monitor.close_blocking());
}

//! Several processes on one ledger, killed at any moment: what the ledger came to is what was told, each once.

use crate::pager::Pager;
use crate::support::{ahead, call, folder, process, raised};
use campanile::config::Config;
use campanile::sinks::ledger::{Query, Reader};
use campanile::{Event, Handed, Money, Monitor, Timestamp};
use std::path::Path;
use std::time::Duration;

const LEDGER: &str = "CAMPANILE_ALERTS_LEDGER";
const WEBHOOK: &str = "CAMPANILE_ALERTS_WEBHOOK";
const ROUNDS: u64 = 4;
const PROCESSES: u64 = 3;

/// A share for each five dollars of a hundred.
fn config(path: &Path) -> Config {
    let shares: Vec<_> = (1..=20)
        .map(|n| format!("{:?}", f64::from(n) / 20.0))
        .collect();
    let text = format!(
        "[env.test]\nsinks = [\"ledger\"]\n[sink.ledger]\npath = {path:?}\n[[webhook]]\nurl_env = \"{WEBHOOK}\"\n\
         [[budget]]\nusd = \"100\"\nwindow = \"7d\"\nwarn_at = [{}]\n",
        shares.join(", ")
    );
    Config::parse(&text, "campanile.toml".as_ref()).unwrap()
}

/// Spends a few cents again and again, until it is killed.
#[test]
#[ignore = "started by the other test, in a process of its own"]
fn the_child() {
    let Ok(path) = std::env::var(LEDGER) else {
        return;
    };
    let monitor = Monitor::from_config(&config(path.as_ref()), "test").unwrap();
    loop {
        let call = Event::Call(Box::new(call(Timestamp::now(), 7)));
        monitor.intake().hand_over(Handed::Event(call));
        std::thread::sleep(Duration::from_millis(9));
    }
}

#[test]
fn alerts_are_crossings_and_told_whoever_is_killed() {
    let (_dir, path) = folder();
    let pager = Pager::start();
    let vars = [(LEDGER, path.as_os_str()), (WEBHOOK, pager.url.as_ref())];
    let child = || process("kills::the_child", &vars);
    for round in 0..ROUNDS {
        let children: Vec<_> = (0..PROCESSES).map(|_| child()).collect();
        for (number, mut child) in (0..).zip(children) {
            // At moments that are not those of a look.
            let millis = 900 + (round * 7 + number * 5) % 11 * 67;
            std::thread::sleep(Duration::from_millis(millis / (number + 1)));
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
    let mut config = config(&path);
    (config.webhook[0].url, config.webhook[0].url_env) = (Some(pager.url.clone()), None);
    let last = Monitor::configure(&config, "test").clock(ahead());
    assert!(last.start().unwrap().close_blocking());

    let total = Reader::open(&path)
        .unwrap()
        .report(&Query::default())
        .unwrap()
        .total;
    let five = 5 * Money::GRAINS_PER_USD;
    let crossed = (total.cost.at_least.grains() / five).min(20);
    assert!(crossed > 0, "nothing was spent");
    let raised = raised(&path);
    assert_eq!(raised.len() as i128, crossed, "{raised:?}");
    assert!(raised.iter().all(|id| id.ends_with("#1")), "{raised:?}");
    let told: Vec<String> = pager.counts().into_keys().collect();
    assert_eq!(told, raised);
    assert_eq!(Reader::open(&path).unwrap().owed().unwrap(), []);
}

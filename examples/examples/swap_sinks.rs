//! The same program in two environments: only the file says where events go. `cargo run --example swap_sinks`
//!
//! Usually `campanile::init()` reads `campanile.toml` and `CAMPANILE_ENV` chooses; here both environments run, one after
//! the other.

use campanile::config::Config;
use campanile::{CallLayer, Facts, Meter, Monitor, Tally, TimingLayer, UsageLayer, client};
use std::path::Path;
use tower::{BoxError, ServiceBuilder, ServiceExt as _};

const FILE: &str = r#"
[env.dev]
level = "debug"
sinks = ["console"]

[env.prod]
level = "info"
sinks = ["jsonl", "ledger"]

[sink.jsonl]
dir = "DIR/logs"

[sink.ledger]
path = "DIR/ledger/campanile.db"
"#;

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let dir = std::env::temp_dir().join(format!("swap_sinks-{}", std::process::id()));
    let text = FILE.replace("DIR", &dir.to_string_lossy());
    let config = Config::parse(&text, Path::new("swap_sinks.toml"))?;

    for environment in ["dev", "prod"] {
        println(&format!("{environment}:"));
        let monitor = Monitor::from_config(&config, environment)?;
        work(&monitor).await?;
        monitor.close().await;
    }

    println("what prod has written:");
    for folder in ["logs", "ledger"] {
        for file in std::fs::read_dir(dir.join(folder))? {
            println(&format!("  {}", file?.path().display()));
        }
    }
    Ok(())
}

/// The program. It knows of no sink.
async fn work(monitor: &Monitor) -> Result<(), BoxError> {
    let tts = campanile::stage::<Speak, _>(
        ServiceBuilder::new()
            .layer(CallLayer::new("tts", monitor))
            .layer(UsageLayer::new().provider("cartesia").model("sonic-2"))
            .layer(TimingLayer::new())
            .layer(client::unary())
            .service_fn(async |speak: Speak| match speak.0 {
                "" => Err(std::io::Error::other("nothing to say")),
                text => Ok(text.to_uppercase()),
            }),
    );
    let session = monitor.session();
    tts.clone().oneshot(Speak("Good morning.")).await?;
    // It fails, and is recorded as well.
    let _ = tts.oneshot(Speak("")).await;
    session.end("hang_up");
    Ok(())
}

#[derive(Clone)]
struct Speak(&'static str);

impl Facts for Speak {
    fn usage(&self, tally: &Tally) {
        tally.add(Meter::Characters, self.0.chars().count() as u64);
    }
}

#[expect(clippy::print_stdout, reason = "this is a program for a terminal")]
fn println(line: &str) {
    println!("{line}");
}

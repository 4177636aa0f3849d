//! A metering proxy for any OpenAI client: point `OPENAI_BASE_URL` at it.
//!
//! ```text
//! cargo run --example openai_proxy                                    # a simulated provider behind it
//! cargo run --example openai_proxy --features live -- --upstream https://api.openai.com/v1
//! OPENAI_BASE_URL=http://127.0.0.1:8787/s/call-1/v1 python my_bot.py  # all calls of one session
//! ```
//!
//! The proxy itself is `src/proxy.rs`.

use campanile::Stop;
use campanile_examples::proxy::router;
use campanile_testkit::sim::OpenAi;
use std::process::ExitCode;
use tokio::net::TcpListener;

const USAGE: &str = "usage: openai_proxy [--upstream URL] [--listen ADDRESS]";

#[tokio::main]
async fn main() -> ExitCode {
    match serve().await {
        Ok(()) => ExitCode::SUCCESS,
        Err((wrong, code)) => {
            #[expect(clippy::print_stderr, reason = "this is a program for a terminal")]
            {
                eprintln!("openai_proxy: {wrong}");
            }
            ExitCode::from(code)
        }
    }
}

async fn serve() -> Result<(), (String, u8)> {
    let (mut upstream, mut listen) = (None, "127.0.0.1:8787".to_owned());
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next();
        match (name.as_str(), value) {
            ("--upstream", Some(url)) => upstream = Some(url),
            ("--listen", Some(address)) => listen = address,
            _ => return Err((format!("what is {name}? {USAGE}"), 2)),
        }
    }
    let failed = |error: std::io::Error| (format!("{listen}: {error}"), 1);
    let simulated = OpenAi::new(7).start().await.map_err(failed)?;
    let upstream = upstream.unwrap_or_else(|| simulated.base_url());
    if upstream.starts_with("https:") && !cfg!(feature = "live") {
        return Err(("https wants TLS: run it with --features live".into(), 2));
    }
    let monitor = campanile::init().map_err(|error| (error.to_string(), 2))?;
    let listener = TcpListener::bind(&listen).await.map_err(failed)?;
    println(&format!(
        "http://{listen}/v1 passes on to {upstream}; Ctrl-C ends it"
    ));
    let told = Stop::listen().map_err(failed)?;
    let stop = async {
        told.signal().await;
    };
    let served = axum::serve(listener, router(&monitor, &upstream)).with_graceful_shutdown(stop);
    served.await.map_err(failed)?;
    monitor.close().await;
    Ok(())
}

#[expect(clippy::print_stdout, reason = "this is a program for a terminal")]
fn println(line: &str) {
    println!("{line}");
}

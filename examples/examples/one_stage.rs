//! The smallest stack: one stage, four layers, one event a call. `cargo run --example one_stage`

use campanile::{CallLayer, ErrorLayer, TimingLayer, UsageLayer, classify, client};
use campanile_examples::Error;
use campanile_examples::openai::{Ask, OpenAi};
use campanile_testkit::sim;
use futures_util::TryStreamExt as _;
use tower::{BoxError, ServiceBuilder, ServiceExt as _};

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let provider = sim::OpenAi::new(7)
        .reply("It is half past nine.")
        .start()
        .await?;
    let client = OpenAi::new(&provider.base_url(), "key")?;

    // Reads `campanile.toml` if there is one; else events go to the console, to logs/ and to ledger/.
    let monitor = campanile::init().unwrap_or_else(|error| error.exit());
    let llm = campanile::stage::<Ask, _>(
        ServiceBuilder::new()
            .layer(CallLayer::new("llm", &monitor))
            .layer(ErrorLayer::new(classify::error::<Error>).breaks(classify::error))
            .layer(UsageLayer::new())
            .layer(TimingLayer::new())
            .layer(client::streaming())
            .service(client),
    );

    let ask = Ask::new("gpt-4o-mini", &[("user", "What time is it?".into())], 100);
    let answer = llm.oneshot(ask).await?;
    let said = answer.try_fold(String::new(), async |said, piece| {
        Ok(said + piece.text().unwrap_or_default())
    });
    println(&said.await?);

    monitor.close().await;
    Ok(())
}

#[expect(clippy::print_stdout, reason = "this is a program for a terminal")]
fn println(line: &str) {
    println!("{line}");
}

//! OpenAI's own Python client, through the proxy.

#![allow(clippy::unwrap_used, reason = "what cannot be had fails the test")]

mod support;

use campanile::{Meter, Outcome};
use campanile_examples::proxy::router;
use campanile_testkit::sim::{Fault, OpenAi, Provider};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use support::monitor;
use tokio::net::TcpListener;

const SCRIPT: &str = r#"
import openai
client = openai.OpenAI(api_key="key")
ask = dict(model="gpt-4o-mini", messages=[{"role": "user", "content": "Hello there"}], max_completion_tokens=64)
whole = client.chat.completions.create(**ask)
print("unary", whole.usage.prompt_tokens, whole.usage.completion_tokens)
said = ""
for chunk in client.chat.completions.create(stream=True, stream_options={"include_usage": True}, **ask):
    if chunk.choices:
        said += chunk.choices[0].delta.content or ""
    elif chunk.usage:
        print("stream", chunk.usage.prompt_tokens, chunk.usage.completion_tokens)
assert said, "no text came"
again = client.chat.completions.create(**ask)
print("again", again.usage.prompt_tokens, again.usage.completion_tokens)
"#;

/// An interpreter that has the client; `Err` says why there is none.
fn python() -> Result<PathBuf, String> {
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("openai-python");
    let python = home.join("bin/python3");
    let has = |python: &Path| {
        let asked = Command::new(python).args(["-c", "import openai"]).output();
        asked.is_ok_and(|asked| asked.status.success())
    };
    if has(&python) {
        return Ok(python);
    }
    let run = |program: &Path, arguments: &[&str]| {
        let ran = Command::new(program).args(arguments).output();
        let ran = ran.map_err(|error| format!("{}: {error}", program.display()))?;
        match ran.status.success() {
            true => Ok(()),
            false => Err(String::from_utf8_lossy(&ran.stderr).into_owned()),
        }
    };
    let home = home
        .to_str()
        .ok_or("the target folder has no name in UTF-8")?;
    run(Path::new("python3"), &["-m", "venv", home])?;
    run(&python, &["-m", "pip", "install", "--quiet", "openai"])?;
    Ok(python)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_python_client_is_metered_without_noticing() {
    let python = match tokio::task::spawn_blocking(python).await.unwrap() {
        Ok(python) => python,
        Err(why) => return println!("skipped, no Python with the openai package: {why}"),
    };
    let wait = Duration::from_millis(50);
    // The third call is refused first, and the client tries again by itself.
    let busy = Fault::TooManyRequests { retry_after: wait };
    let upstream = OpenAi::new(7).fault(2, busy).start().await.unwrap();
    let (monitor, events) = monitor();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/s/python/v1", listener.local_addr().unwrap());
    let router = router(&monitor, &upstream.base_url());
    #[expect(clippy::disallowed_methods, reason = "it ends with the test's runtime")]
    tokio::spawn(async move { axum::serve(listener, router).await });

    let ran = tokio::process::Command::new(python)
        .args(["-c", SCRIPT])
        .env("OPENAI_BASE_URL", base)
        .output()
        .await
        .unwrap();

    let told = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert!(
        ran.status.success(),
        "{}",
        String::from_utf8_lossy(&ran.stderr)
    );
    assert_eq!(told.lines().count(), 3, "{told}");
    let bill = upstream.settled().await.of(Provider::OpenAi);
    assert!(monitor.close().await);
    let calls = events.calls();
    let failed = calls.iter().filter(|call| call.outcome == Outcome::Failed);
    assert_eq!((calls.len(), failed.count()), (4, 1));
    let sum = |meter| -> u64 {
        let usages = calls.iter().filter_map(|call| call.usage.as_ref());
        usages.map(|usage| usage.at_least(meter)).sum()
    };
    assert_eq!(sum(Meter::InputTokens), bill.prompt_tokens);
    assert_eq!(sum(Meter::OutputTokens), bill.completion_tokens);
    let seen: u64 = told
        .split_whitespace()
        .filter_map(|word| word.parse::<u64>().ok())
        .sum();
    assert_eq!(seen, bill.prompt_tokens + bill.completion_tokens);
}

//! A layer of one's own: it labels calls whose first piece let the caller wait. `cargo run --example own_layer`

use campanile::{
    CallLayer, Carries, End, Follow, Monitor, Name, Observe, Probe, Record, Reply, Tick, client,
    memory,
};
use std::convert::Infallible;
use std::time::Duration;
use tower::{BoxError, Layer, ServiceBuilder, ServiceExt as _};

// From here …
/// Labels calls that took longer than this to begin.
#[derive(Clone, Copy)]
struct HesitationLayer(Duration);

impl<S> Layer<S> for HesitationLayer {
    type Service = Follow<S, Self>;
    fn layer(&self, inner: S) -> Follow<S, Self> {
        Follow::new(inner, *self)
    }
}

impl<C: Carries, R: Reply, E> Observe<C, R, E> for HesitationLayer {
    type Probe = Hesitation;
    fn observe(&self, call: &mut C) -> Hesitation {
        let (asked, patience) = (call.record().clock().tick(), self.0);
        let begun = None;
        Hesitation {
            asked,
            begun,
            patience,
        }
    }
}

struct Hesitation {
    asked: Tick,
    begun: Option<Tick>,
    patience: Duration,
}

impl<R: Reply, E> Probe<R, E> for Hesitation {
    fn item(&mut self, record: &Record, _item: &R::Item) {
        self.begun.get_or_insert_with(|| record.clock().tick());
    }

    // Runs once, however the call ends, perhaps inside `Drop`.
    fn end(self, record: &Record, _end: End<'_, R, E>) {
        let waited = self.begun.map(|begun| begun.since(self.asked));
        if waited.is_none_or(|waited| waited.to_duration() > self.patience) {
            record.draft(|draft| draft.labels.push(("hesitated", Name::from_static("yes"))));
        }
    }
}
// … to here.

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let (sink, events) = memory();
    let monitor = Monitor::builder(sink).start();
    let stage = ServiceBuilder::new()
        .layer(CallLayer::new("tts", &monitor))
        .layer(HesitationLayer(Duration::from_millis(20)))
        .layer(client::unary())
        .service_fn(async |ms: u64| {
            tokio::time::sleep(Duration::from_millis(ms)).await;
            Ok::<_, Infallible>(format!("after {ms} ms"))
        });
    let stage = campanile::stage::<u64, _>(stage);

    stage.clone().oneshot(1).await?;
    stage.oneshot(50).await?;
    monitor.close().await;

    for call in events.calls() {
        println(&format!(
            "{} {:?} {:?}",
            call.stage, call.outcome, call.labels
        ));
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "this is a program for a terminal")]
fn println(line: &str) {
    println!("{line}");
}

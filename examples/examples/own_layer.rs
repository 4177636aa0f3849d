//! A layer of one's own in 30 lines: it labels calls that gave nothing. `cargo run --example own_layer`

use campanile::{CallLayer, Carries, End, Follow, Monitor, Observe, Probe, Record, Reply};
use campanile::{client, memory};
use futures_util::{StreamExt as _, stream};
use std::convert::Infallible;
use tower::{BoxError, Layer, ServiceBuilder, ServiceExt as _};

/// Labels calls that gave nothing.
#[derive(Clone, Copy)]
struct SilenceLayer;

impl<S> Layer<S> for SilenceLayer {
    type Service = Follow<S, Self>;
    fn layer(&self, inner: S) -> Follow<S, Self> {
        Follow::new(inner, *self)
    }
}

impl<C: Carries, R: Reply, E> Observe<C, R, E> for SilenceLayer {
    type Probe = Heard;
    fn observe(&self, _request: &mut C) -> Heard {
        Heard(false)
    }
}

/// Whether anything came.
struct Heard(bool);

impl<R: Reply, E> Probe<R, E> for Heard {
    fn item(&mut self, _record: &Record, _item: &R::Item) {
        self.0 = true;
    }
    // Runs once, however the call ends, perhaps inside `Drop`.
    fn end(self, record: &Record, _end: End<'_, R, E>) {
        if !self.0 {
            record.draft(|draft| draft.labels.push(("silent", "yes".into())));
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let (sink, events) = memory();
    let monitor = Monitor::builder(sink).start();
    let stage = ServiceBuilder::new()
        .layer(CallLayer::new("tts", &monitor))
        .layer(SilenceLayer)
        .layer(client::streaming())
        .service_fn(async |words: usize| {
            let said = stream::iter((0..words).map(|_| Ok::<_, Infallible>("la".to_owned())));
            Ok::<_, Infallible>(said)
        });
    let stage = campanile::stage::<usize, _>(stage);

    for words in [3, 0] {
        let mut reply = stage.clone().oneshot(words).await?;
        while reply.next().await.is_some() {}
    }
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

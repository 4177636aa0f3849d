//! The client takes no upload.
#![allow(unused)]

use campanile_core::{Clock, Facts, Ids, Intake};
use campanile_layers::{CallLayer, TimingLayer, Upload, UsageLayer, client, stage};
use std::convert::Infallible;
use tower::{ServiceBuilder, service_fn};

struct Ask;
impl Facts for Ask {}

struct Said;
impl Facts for Said {}

type Audio = futures_util::stream::Empty<Said>;

fn main() {
    let intake = Intake::new(Clock::system(), Ids::random());
    stage::<Upload<Ask, Audio>, _>(
        ServiceBuilder::new()
            .layer(CallLayer::streamed("stt", &intake))
            .layer(UsageLayer::new())
            .layer(client::unary())
            .service(service_fn(async |_: Upload<Ask, Audio>| {
                Ok::<_, Infallible>(Said)
            })),
    );
}

//! The reply is no stream.
#![allow(unused)]

use campanile_core::{Clock, Facts, Ids, Intake};
use campanile_layers::{CallLayer, TimingLayer, Upload, UsageLayer, client, stage};
use std::convert::Infallible;
use tower::{ServiceBuilder, service_fn};

struct Ask;
impl Facts for Ask {}

struct Said;
impl Facts for Said {}

fn main() {
    let intake = Intake::new(Clock::system(), Ids::random());
    stage::<Ask, _>(
        ServiceBuilder::new()
            .layer(CallLayer::new("tts", &intake))
            .layer(UsageLayer::new())
            .layer(client::streaming())
            .service(service_fn(async |_: Ask| Ok::<_, Infallible>(Said))),
    );
}

//! Nobody opens the call.
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
    stage::<Ask, _>(
        ServiceBuilder::new()
            .layer(TimingLayer::new())
            .layer(client::unary())
            .service(service_fn(async |_: Ask| Ok::<_, Infallible>(Said))),
    );
}

//! Simulated providers that keep their own bill.
//!
//! ```
//! use std::time::Duration;
//!
//! use campanile_testkit::sim::{Cartesia, Deepgram, Fault, OpenAi, Pace, Providers};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! let seed = 7;
//! let busy = Fault::TooManyRequests {
//!     retry_after: Duration::from_secs(1),
//! };
//! let providers = Providers::start_as(
//!     // The third request is refused, and of a thousand others about twenty break off.
//!     OpenAi::new(seed)
//!         .fault(2, busy)
//!         .fault_share(20, Fault::CutAfter { items: 5 }),
//!     Deepgram::new(seed).transcript("What time is it?").realtime(),
//!     Cartesia::new(seed).pace(Pace::by_item()),
//! )
//! .await?;
//!
//! println!("{}", providers.openai.base_url()); // http://127.0.0.1:49152/v1
//! println!("{}", providers.deepgram.ws_url()); // ws://127.0.0.1:49153
//!
//! // Here a pipeline runs, and its clients hang up, or do not.
//!
//! let bill = providers.stop().await;
//! assert_eq!((bill.lines.len(), bill.open), (0, 0));
//! # Ok(())
//! # }
//! ```
//!
//! # Equal runs for equal seeds
//!
//! A request's luck (its fault, its reply, its ids, how far the provider was ahead of a client that hung up) follows
//! from the seed and its number in the order of arrival. Where that order is chance, because several clients talk at
//! once, each names itself in the header [`KEY`], and the order does not matter any more. And where a client means to
//! hang up, it says how far it will read in the header [`HOLD_AFTER`], since an unpaced server has handed a whole reply
//! to the operating system long before its client has read the first piece.
//!
//! Two things are not determined: [`Line::open_us`] on a clock that is not paused, and what a connection that is torn
//! down over unread data has lost on its way.

mod bill;
mod cartesia;
mod deepgram;
mod desk;
mod dice;
mod fault;
mod openai;
mod pace;
mod providers;
mod query;
mod server;
mod simulation;
mod socket;
mod text;
mod wire;

pub use bill::{AudioFormat, Bill, Line, Meters, Provider, Tab, Why};
pub use cartesia::Cartesia;
pub use deepgram::Deepgram;
pub use desk::{FAULTS, HOLD_AFTER, KEY};
pub use fault::Fault;
pub use openai::OpenAi;
pub use pace::{Pace, Quantiles};
pub use providers::Providers;
pub use server::Server;
pub use simulation::Simulation;

//! Simulated providers that keep their own bill.

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
pub use desk::{HOLD_AFTER, KEY};
pub use fault::Fault;
pub use openai::OpenAi;
pub use pace::Pace;
pub use providers::Providers;
pub use server::Server;
pub use simulation::Simulation;

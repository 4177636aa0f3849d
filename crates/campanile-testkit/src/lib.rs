//! Scripted stages and simulated providers that keep their own bill.

pub mod sim;
pub mod wav;

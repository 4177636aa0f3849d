//! Scripted stages and simulated providers that keep their own bill.

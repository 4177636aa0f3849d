//! Reads what was recorded, compares it with what happened, and says what broke.

pub(crate) mod alerts;
pub(crate) mod bills;
pub(crate) mod calls;
pub(crate) mod console;
pub(crate) mod evidence;
pub(crate) mod lanes;
pub(crate) mod latency;
pub(crate) mod logs;
pub(crate) mod memory;
pub(crate) mod mission;
pub(crate) mod prices;
pub(crate) mod verdict;

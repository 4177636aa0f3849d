//! Ctrl-C, heard for as long as a soak lasts, whatever it is busy with.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use tokio::signal::unix::{SignalKind, signal};

/// The status by which shells say that a program ended by Ctrl-C.
const STATUS: i32 = 130;

/// Whether Ctrl-C was pressed; clones know the same.
#[derive(Clone, Debug)]
pub(crate) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Begins to listen. From now on the first Ctrl-C does nothing but to be known; the second ends the process at once.
    pub(crate) fn listen() -> io::Result<Self> {
        let mut signals = signal(SignalKind::interrupt())?;
        let pressed = Arc::<AtomicBool>::default();
        let told = Arc::clone(&pressed);
        #[expect(
            clippy::disallowed_methods,
            reason = "it listens until the process ends"
        )]
        tokio::spawn(async move {
            while signals.recv().await.is_some() {
                if told.swap(true, Relaxed) {
                    std::process::exit(STATUS);
                }
            }
        });
        Ok(Self(pressed))
    }

    pub(crate) fn has_come(&self) -> bool {
        self.0.load(Relaxed)
    }
}

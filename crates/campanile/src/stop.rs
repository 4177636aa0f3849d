//! When a program is told to end: SIGTERM, SIGINT.

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::iterator::Signals;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use tokio::sync::oneshot;

/// Hears the first SIGTERM or SIGINT (Ctrl-C). From then on a second one ends the process at once, with 128 and its number
/// as the status: whoever sends it does not want to wait for what is left.
///
/// It needs no runtime of its own and works with any.
///
/// ```no_run
/// # async fn serve() {}
/// # async fn program() -> Result<(), Box<dyn std::error::Error>> {
/// let monitor = campanile::init()?;
/// let stop = campanile::Stop::listen()?;
///
/// tokio::select! {
///     () = serve() => {}
///     signal = stop.signal() => eprintln!("{signal}: ending"),
/// }
/// monitor.close().await; // the ledger fully, the others for at most 5 seconds
/// # Ok(())
/// # }
/// ```
///
/// Once it listens, the first signal does nothing but this: a program that drops it does not end by it any more.
#[derive(Debug)]
pub struct Stop(oneshot::Receiver<Signal>);

/// A signal that asks a program to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Signal {
    /// SIGTERM: from a supervisor, mostly.
    Terminate,
    /// SIGINT: Ctrl-C.
    Interrupt,
}

impl Signal {
    /// The exit status by which shells say that a program ended by it.
    #[must_use]
    pub const fn status(self) -> u8 {
        match self {
            Signal::Terminate => 128 + SIGTERM as u8,
            Signal::Interrupt => 128 + SIGINT as u8,
        }
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Signal::Terminate => "SIGTERM",
            Signal::Interrupt => "SIGINT",
        })
    }
}

impl Stop {
    /// Begins to listen.
    ///
    /// # Errors
    ///
    /// When the operating system does not let it: no descriptor or no thread is left.
    pub fn listen() -> io::Result<Self> {
        let first = Arc::new(AtomicBool::new(false));
        for signal in [SIGTERM, SIGINT] {
            // In this order: the first signal finds the flag down and raises it, the second finds it up.
            flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&first))?;
            flag::register(signal, Arc::clone(&first))?;
        }
        let mut signals = Signals::new([SIGTERM, SIGINT])?;
        let (tell, told) = oneshot::channel();
        std::thread::Builder::new()
            .name("campanile-signal".into())
            .spawn(move || {
                let signal = match signals.forever().next() {
                    Some(SIGINT) => Signal::Interrupt,
                    _ => Signal::Terminate,
                };
                // Nobody may listen any more.
                let _ = tell.send(signal);
            })?;
        Ok(Self(told))
    }

    /// The first signal, when it comes.
    pub async fn signal(self) -> Signal {
        // The thread that tells it lives until then.
        self.0.await.unwrap_or(Signal::Terminate)
    }

    /// As [`signal`](Self::signal), for programs without a runtime: it blocks.
    #[must_use]
    pub fn wait(self) -> Signal {
        self.0.blocking_recv().unwrap_or(Signal::Terminate)
    }
}

//! All three at once.

use std::io;

use super::bill::{Bill, Line, Tab};
use super::cartesia::Cartesia;
use super::deepgram::Deepgram;
use super::openai::OpenAi;
use super::server::Server;

/// The providers of a voice pipeline, with one bill for all.
#[derive(Debug)]
#[must_use]
pub struct Providers {
    /// The language model.
    pub openai: Server,
    /// Speech to text.
    pub deepgram: Server,
    /// Text to speech.
    pub cartesia: Server,
    tab: Tab,
}

impl Providers {
    /// Starts all three on ports of 127.0.0.1, with one seed, without faults, unpaced.
    ///
    /// # Errors
    ///
    /// When the system has no port to give.
    pub async fn start(seed: u64) -> io::Result<Self> {
        Self::start_as(OpenAi::new(seed), Deepgram::new(seed), Cartesia::new(seed)).await
    }

    /// Starts these three. Whatever bills they had, they get one together.
    ///
    /// # Errors
    ///
    /// When the system has no port to give.
    pub async fn start_as(
        openai: OpenAi,
        deepgram: Deepgram,
        cartesia: Cartesia,
    ) -> io::Result<Self> {
        let tab = Tab::new();
        Ok(Self {
            openai: openai.tab(&tab).start().await?,
            deepgram: deepgram.tab(&tab).start().await?,
            cartesia: cartesia.tab(&tab).start().await?,
            tab,
        })
    }

    /// Starts these three without ports, for connections in memory.
    pub fn in_memory(openai: OpenAi, deepgram: Deepgram, cartesia: Cartesia) -> Self {
        let tab = Tab::new();
        Self {
            openai: openai.tab(&tab).in_memory(),
            deepgram: deepgram.tab(&tab).in_memory(),
            cartesia: cartesia.tab(&tab).in_memory(),
            tab,
        }
    }

    /// What was billed so far.
    #[must_use]
    pub fn bill(&self) -> Bill {
        self.tab.bill()
    }

    /// Takes the lines that have ended out of the bill; see [`Tab::take`].
    #[must_use]
    pub fn take(&self) -> Vec<Line> {
        self.tab.take()
    }

    /// What the requests that are open have come to so far; see [`Tab::open_lines`].
    #[must_use]
    pub fn open_lines(&self) -> Vec<Line> {
        self.tab.open_lines()
    }

    /// The bill as soon as no request is open.
    pub async fn settled(&self) -> Bill {
        self.tab.settled().await
    }

    /// Stops all three and returns the whole bill.
    pub async fn stop(self) -> Bill {
        // Each server waits for the end of everything that is on the bill, the others' too: end them all first.
        drop((self.openai, self.deepgram, self.cartesia));
        self.tab.settled().await
    }
}

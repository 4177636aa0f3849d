//! What a request, a head or an item says about itself.

use crate::{Failure, Name, Tally, Terms};

/// What a request, the head of a reply, or an item tells the layers that watch it.
///
/// Every method has a default that says nothing: implement those that apply. `impl Facts for MyItem {}` is a
/// complete implementation. The methods run on the caller's thread for each item: no allocation, no lock.
///
/// ```
/// use campanile_core::{Facts, Meter, Tally};
///
/// struct Delta { text: String, billed_tokens: Option<u64> }
///
/// impl Facts for Delta {
///     fn usage(&self, tally: &Tally) {
///         if let Some(tokens) = self.billed_tokens {
///             tally.total(Meter::OutputTokens, tokens); // a total replaces, pieces `add` up
///         }
///     }
///     fn spoken(&self) -> Option<&str> {
///         Some(&self.text)
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say what layers may know of it",
    label = "`Facts` is needed here",
    note = "`impl campanile::Facts for {Self} {{}}` is enough; override `usage` where it says what is billed"
)]
pub trait Facts {
    /// Writes what this will be billed for.
    fn usage(&self, _tally: &Tally) {}

    /// What a person said or will hear. Content: it is measured, and kept only where a file asks for it, redacted.
    fn spoken(&self) -> Option<&str> {
        None
    }

    /// A failure that arrived in place of an answer (HTTP 429, an error inside a stream).
    fn failure(&self) -> Option<Failure> {
        None
    }

    /// Writes who served this, and how.
    fn served(&self, _served: &mut Served) {}

    /// Where this stands in the reply.
    fn moment(&self) -> Moment {
        Moment::Piece
    }
}

/// Where an item stands in a reply.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Moment {
    /// A piece of the answer: the first one stops the clock of "first item".
    #[default]
    Piece,
    /// Something beside the answer (a role, a keep-alive, the closing usage): no item is counted for it.
    Aside,
    /// A piece that completes an utterance; usage so far is checkpointed here.
    UtteranceEnd,
}

/// Who served an attempt, and how. Written by [`Facts::served`]; later writers replace earlier ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Served {
    /// The provider that bills.
    pub provider: Option<Name>,
    /// The model that was asked for.
    pub requested: Option<Name>,
    /// The model that answered.
    pub model: Option<Name>,
    /// The provider's id of the request.
    pub request_id: Option<Name>,
    /// The language of what was heard or said, as the provider writes it (`en-US`, `english`), where it says one.
    pub language: Option<Name>,
    /// The conditions of the price.
    pub terms: Terms,
}

impl Served {
    /// Takes over what `newer` knows.
    pub fn update(&mut self, newer: &Served) {
        fn take<T: Clone>(known: &mut Option<T>, newer: &Option<T>) {
            if newer.is_some() {
                known.clone_from(newer);
            }
        }
        take(&mut self.provider, &newer.provider);
        take(&mut self.requested, &newer.requested);
        take(&mut self.model, &newer.model);
        take(&mut self.request_id, &newer.request_id);
        take(&mut self.language, &newer.language);
        let (terms, newer) = (&mut self.terms, &newer.terms);
        take(&mut terms.mode, &newer.mode);
        // What was served outranks what was asked for, whichever is told first.
        if newer.tier_served || !terms.tier_served {
            take(&mut terms.tier, &newer.tier);
            terms.tier_served |= newer.tier_served;
        }
        take(&mut terms.region, &newer.region);
        take(&mut terms.voice, &newer.voice);
        take(&mut terms.plan, &newer.plan);
        take(&mut terms.channels, &newer.channels);
        if !newer.addons.is_empty() {
            terms.addons.clone_from(&newer.addons);
        }
    }

    /// Whether nobody has written anything.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let Terms {
            mode,
            tier,
            tier_served,
            region,
            voice,
            plan,
            channels,
            addons,
        } = &self.terms;
        self.provider.is_none()
            && self.requested.is_none()
            && self.model.is_none()
            && self.request_id.is_none()
            && mode.is_none()
            && tier.is_none()
            && !tier_served
            && region.is_none()
            && voice.is_none()
            && plan.is_none()
            && channels.is_none()
            && addons.capacity() == 0
    }

    /// The name under which to look for a price: the served model, else the requested one.
    #[must_use]
    pub fn priced_model(&self) -> Option<&Name> {
        self.model.as_ref().or(self.requested.as_ref())
    }
}

/// A request or item without facts.
impl Facts for () {}

/// Text that a caller hands over or gets back whole.
impl Facts for String {
    fn spoken(&self) -> Option<&str> {
        Some(self)
    }
}

/// Text that a caller hands over or gets back whole.
impl Facts for &str {
    fn spoken(&self) -> Option<&str> {
        Some(self)
    }
}

macro_rules! through {
    ($($wrapper:ty),*) => {$(
        impl<T: Facts + ?Sized> Facts for $wrapper {
            fn usage(&self, tally: &Tally) {
                (**self).usage(tally);
            }
            fn spoken(&self) -> Option<&str> {
                (**self).spoken()
            }
            fn failure(&self) -> Option<Failure> {
                (**self).failure()
            }
            fn served(&self, served: &mut Served) {
                (**self).served(served);
            }
            fn moment(&self) -> Moment {
                (**self).moment()
            }
        }
    )*};
}

through!(Box<T>, std::sync::Arc<T>);

#[cfg(feature = "http")]
pub use self::http::Told;

#[cfg(feature = "http")]
mod http {
    use super::{Facts, Served};
    use crate::{Failure, Name, Tally};

    /// Undecoded bytes say nothing.
    impl Facts for bytes::Bytes {}

    /// What somebody who has read the body has put into the extensions as [`Told`].
    impl<B> Facts for http::Request<B> {
        fn usage(&self, tally: &Tally) {
            if let Some(Told(facts)) = self.extensions().get() {
                facts.usage(tally);
            }
        }
        fn spoken(&self) -> Option<&str> {
            self.extensions()
                .get()
                .and_then(|Told(facts)| facts.spoken())
        }
        fn served(&self, served: &mut Served) {
            if let Some(Told(facts)) = self.extensions().get() {
                facts.served(served);
            }
        }
    }

    /// What an HTTP request says, put into its extensions by somebody who has read its body.
    #[derive(Clone)]
    pub struct Told(std::sync::Arc<dyn Facts + Send + Sync>);

    impl Told {
        /// These facts.
        pub fn new(facts: impl Facts + Send + Sync + 'static) -> Self {
            Self(std::sync::Arc::new(facts))
        }
    }

    impl std::fmt::Debug for Told {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.debug_struct("Told").finish_non_exhaustive()
        }
    }

    /// Status, `retry-after`, and the request ids that providers send.
    impl Facts for http::response::Parts {
        fn failure(&self) -> Option<Failure> {
            Failure::from_status(self.status.as_u16())
                .map(|failure| failure.retry_after(retry_after(&self.headers)))
        }

        fn served(&self, served: &mut Served) {
            const IDS: [&str; 4] = ["x-request-id", "request-id", "dg-request-id", "cf-ray"];
            let text = |name: &&str| {
                self.headers
                    .get(*name)?
                    .to_str()
                    .ok()
                    .and_then(Name::outside)
            };
            if let Some(id) = IDS.iter().find_map(text) {
                served.request_id = Some(id);
            }
        }
    }

    /// `retry-after-ms` (OpenAI), or `retry-after` in seconds. Its date form is not read: no provider of
    /// this field sends it.
    fn retry_after(headers: &http::HeaderMap) -> Option<std::time::Duration> {
        let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<u32>().ok();
        match number("retry-after-ms") {
            Some(ms) => Some(std::time::Duration::from_millis(ms.into())),
            None => Some(std::time::Duration::from_secs(
                number("retry-after")?.into(),
            )),
        }
    }
}

//! Requests that bring the record of their call along.

use crate::contain::{contained, counted};
use campanile_core::{Facts, Failure, Moment, Record, Served, Tally};
use futures_core::Stream;
use pin_project::pin_project;
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// A request that carries the record of its call down the stack.
///
/// [`CallLayer`](crate::CallLayer) makes them: [`Call`] around a plain request, an extension in an `http::Request`,
/// [`Sending`] around a request that is streamed.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not carry the record of its call",
    label = "no `CallLayer` above, or a `client` adapter too early",
    note = "push `CallLayer` first, and the `client::…` adapter that unwraps the request last"
)]
pub trait Carries {
    /// A piece of a streamed request; `()` where the request comes whole.
    type Sent;

    /// The record of the call.
    fn record(&self) -> &Record;

    /// The record of the call, to begin an attempt in.
    fn record_mut(&mut self) -> &mut Record;

    /// Listens to a streamed request: the hook sees each piece when it is handed to the socket. For a request
    /// that comes whole, `make` is never called.
    fn on_sent(&mut self, _make: impl FnOnce() -> SentHook<Self::Sent>) {}
}

/// Sees the pieces of a streamed request; see [`Carries::on_sent`].
pub type SentHook<T> = Box<dyn FnMut(&T) + Send + Sync>;

/// Those who listen to the pieces of one request.
struct Hooks<T>(Vec<SentHook<T>>);

// A listener that panics is gone: nobody meets what it left half done.
impl<T> UnwindSafe for Hooks<T> {}
impl<T> RefUnwindSafe for Hooks<T> {}

impl<T> Hooks<T> {
    /// A listener's bug ends at the listener.
    fn hear(&mut self, record: &Record, item: &T) {
        for hook in &mut self.0 {
            if counted(record, || hook(item)).is_none() {
                let broken = std::mem::replace(hook, Box::new(|_| ()));
                contained(|| drop(broken));
            }
        }
    }
}

/// A plain request and the record of its call. A retry that clones it begins a new attempt with each pass.
#[derive(Clone, Debug)]
pub struct Call<R> {
    request: R,
    record: Record,
}

impl<R> Call<R> {
    pub(crate) fn new(request: R, record: Record) -> Self {
        Self { request, record }
    }

    /// The request.
    pub fn request(&self) -> &R {
        &self.request
    }

    /// The request, for middleware that changes it.
    pub fn request_mut(&mut self) -> &mut R {
        &mut self.request
    }

    /// The request alone, for a client that knows nothing of us.
    pub fn into_request(self) -> R {
        self.request
    }
}

impl<R> Carries for Call<R> {
    type Sent = ();

    fn record(&self) -> &Record {
        &self.record
    }

    fn record_mut(&mut self) -> &mut Record {
        &mut self.record
    }
}

/// What the request says.
impl<R: Facts> Facts for Call<R> {
    fn usage(&self, tally: &Tally) {
        self.request.usage(tally);
    }
    fn spoken(&self) -> Option<&str> {
        self.request.spoken()
    }
    fn failure(&self) -> Option<Failure> {
        self.request.failure()
    }
    fn served(&self, served: &mut Served) {
        self.request.served(served);
    }
    fn moment(&self) -> Moment {
        self.request.moment()
    }
}

/// An HTTP request carries its record as an extension, so that tower-http and axum fit between.
///
/// # Panics
///
/// Where no [`CallLayer::http`](crate::CallLayer::http) is above: its methods say so.
impl<B> Carries for http::Request<B> {
    type Sent = ();

    fn record(&self) -> &Record {
        self.extensions()
            .get()
            .expect("push `CallLayer::http` above every other layer of campanile")
    }

    fn record_mut(&mut self) -> &mut Record {
        self.extensions_mut()
            .get_mut()
            .expect("push `CallLayer::http` above every other layer of campanile")
    }
}

/// A request whose pieces follow one by one: audio to speech-to-text, text to text-to-speech.
#[derive(Clone, Copy, Debug)]
pub struct Upload<H, S> {
    /// What comes first.
    pub head: H,
    /// The pieces.
    pub items: S,
}

impl<H, S> Upload<H, S> {
    /// A head, and pieces that follow it.
    pub const fn new(head: H, items: S) -> Self {
        Self { head, items }
    }
}

/// An [`Upload`], the record of its call, and those who listen to its pieces.
pub struct Sending<H, S: Stream> {
    upload: Upload<H, S>,
    record: Record,
    hooks: Hooks<S::Item>,
}

impl<H, S: Stream> Sending<H, S> {
    pub(crate) fn new(upload: Upload<H, S>, record: Record) -> Self {
        Self {
            upload,
            record,
            hooks: Hooks(Vec::new()),
        }
    }

    /// The head of the request.
    pub fn head(&self) -> &H {
        &self.upload.head
    }

    /// The request for a client that knows nothing of us. Pieces count when the client takes them.
    pub fn into_upload(self) -> Upload<H, Sent<S>> {
        let Self {
            upload,
            record,
            hooks,
        } = self;
        Upload {
            head: upload.head,
            items: Sent {
                inner: upload.items,
                record,
                hooks,
            },
        }
    }
}

impl<H, S: Stream> Carries for Sending<H, S> {
    type Sent = S::Item;

    fn record(&self) -> &Record {
        &self.record
    }

    fn record_mut(&mut self) -> &mut Record {
        &mut self.record
    }

    fn on_sent(&mut self, make: impl FnOnce() -> SentHook<S::Item>) {
        self.hooks.0.push(make());
    }
}

/// What the head says.
impl<H: Facts, S: Stream> Facts for Sending<H, S> {
    fn usage(&self, tally: &Tally) {
        self.upload.head.usage(tally);
    }
    fn spoken(&self) -> Option<&str> {
        self.upload.head.spoken()
    }
    fn failure(&self) -> Option<Failure> {
        self.upload.head.failure()
    }
    fn served(&self, served: &mut Served) {
        self.upload.head.served(served);
    }
    fn moment(&self) -> Moment {
        self.upload.head.moment()
    }
}

impl<H, S: Stream> fmt::Debug for Sending<H, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sending")
            .field("record", &self.record)
            .finish_non_exhaustive()
    }
}

/// The pieces of a streamed request on their way to the socket. A piece counts when the client takes it: one that
/// is never taken was never sent.
#[pin_project]
pub struct Sent<S: Stream> {
    #[pin]
    inner: S,
    record: Record,
    hooks: Hooks<S::Item>,
}

impl<S: Stream> Stream for Sent<S> {
    type Item = S::Item;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        let this = self.project();
        let next = ready!(this.inner.poll_next(cx));
        if let Some(item) = &next {
            this.hooks.hear(this.record, item);
        }
        Poll::Ready(next)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.inner.size_hint()
    }
}

impl<S: Stream> fmt::Debug for Sent<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sent")
            .field("record", &self.record)
            .finish_non_exhaustive()
    }
}

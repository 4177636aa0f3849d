//! Client adapters for known providers: the last layer above an HTTP client.

/// OpenAI, and the many servers that speak its language.
pub mod openai {
    use campanile_layers::client::{self, AsDecoded, Client, Http};
    use campanile_protocols::openai::chat::{Decoder, RequestFacts};

    /// The adapter that [`chat`] makes.
    pub type Chat<B> = Client<Http, AsDecoded<fn(&http::Request<B>) -> Decoder>>;

    /// `POST /v1/chat/completions`, JSON and server-sent events: the body passes byte for byte, and usage, model,
    /// tier and errors are read as it passes.
    ///
    /// Who has read the request's body puts [`RequestFacts`] into its extensions (and
    /// [`Told`](campanile_core::Told) of the same, for the usage layer): then an interrupted reply has bounds.
    pub fn chat<B>() -> Chat<B> {
        client::decoding(|request| match request.extensions().get::<RequestFacts>() {
            Some(facts) => Decoder::for_request(facts),
            None => Decoder::new(),
        })
    }
}

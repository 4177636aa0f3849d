//! How connections are made: TLS where the feature `live` is on.

use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

/// Sends HTTP requests whose bodies are there already.
pub(crate) type Http = Client<Connector, http_body_util::Full<bytes::Bytes>>;

#[cfg(not(feature = "live"))]
pub(crate) type Connector = HttpConnector;
#[cfg(feature = "live")]
pub(crate) type Connector = hyper_rustls::HttpsConnector<HttpConnector>;

pub(crate) fn http() -> Http {
    let mut tcp = HttpConnector::new();
    tcp.set_nodelay(true);
    Client::builder(TokioExecutor::new()).build(connector(tcp))
}

#[cfg(not(feature = "live"))]
fn connector(tcp: HttpConnector) -> Connector {
    tcp
}

#[cfg(feature = "live")]
fn connector(mut tcp: HttpConnector) -> Connector {
    tcp.enforce_http(false);
    hyper_rustls::HttpsConnectorBuilder::new()
        .with_webpki_roots()
        .https_or_http()
        .enable_http1()
        .wrap_connector(tcp)
}

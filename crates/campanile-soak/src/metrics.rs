//! What `/metrics` answers: asked as Prometheus would.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_millis(500);

/// Asks; the answer with its head.
pub(crate) fn ask(address: SocketAddr) -> io::Result<String> {
    let mut socket = TcpStream::connect_timeout(&address, PATIENCE)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.write_all(b"GET /metrics HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n")?;
    let mut text = String::new();
    socket.read_to_string(&mut text)?;
    Ok(text)
}

/// How many calls it counts.
pub(crate) fn calls(text: &str) -> u64 {
    let series = text
        .lines()
        .filter(|line| line.starts_with("campanile_calls_total{"));
    let counts = series.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
    counts.sum::<f64>() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_of_all_series_are_added_up() {
        let text = "HTTP/1.1 200 OK\r\n\r\n\
            # TYPE campanile_calls_total counter\n\
            campanile_calls_total{stage=\"llm\",outcome=\"completed\"} 40\n\
            campanile_calls_total{stage=\"tts\",outcome=\"cancelled\"} 2\n\
            campanile_sessions_total{phase=\"start\"} 7\n";

        assert_eq!(calls(text), 42);
    }
}

//! What providers of real-time AI really send: bytes in, facts out.

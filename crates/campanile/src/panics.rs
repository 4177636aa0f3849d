//! A panic hook that prints where, and never what.

use crate::places::below_crate;
use campanile_core::{Intake, Level, LogEvent};

/// Replaces the panic hook: where the panic was and how its payload looks go to stderr and to the sinks, the payload itself
/// (which may quote a prompt) goes nowhere.
///
/// The standard hook prints the payload. A hook of the program's own that was set before is not called any more.
pub fn install_panic_hook(monitor: &impl AsRef<Intake>) {
    let intake = monitor.as_ref().clone();
    std::panic::set_hook(Box::new(move |panic| {
        let site = panic.location().map(|place| (place.file(), place.line()));
        let payload = panic.payload();
        let (kind, bytes) = match (
            payload.downcast_ref::<&str>(),
            payload.downcast_ref::<String>(),
        ) {
            (Some(text), _) => ("&str", text.len()),
            (None, Some(text)) => ("String", text.len()),
            (None, None) => ("a value", 0),
        };
        let thread = std::thread::current();
        // The name of any other thread is text that somebody made at run time.
        let known =
            |name: &&str| ["main", "tokio-runtime-worker", "tokio-rt-worker"].contains(name);
        let name = thread.name().filter(known).unwrap_or("a thread");
        let (file, line) = site.map_or(("unknown", 0), |(file, line)| (below_crate(file), line));
        // One write of one line, and no complaint when nobody listens: `eprintln!` would panic.
        let text = format!(
            "{name} panicked at {file}:{line} (payload: {kind}, {bytes} bytes, not shown)\n"
        );
        let _ = std::io::Write::write_all(&mut std::io::stderr(), text.as_bytes());
        let mut log = LogEvent::new(intake.clock().now(), Level::Error, "panic");
        // Locations are `'static` in every compiler of today, and not in the signature.
        log.fields
            .push(("line", campanile_core::FieldValue::Uint(line.into())));
        intake.log(
            log,
            Some(campanile_core::Content::new(format!(
                "panicked at {file}:{line}"
            ))),
            Vec::new(),
        );
    }));
}

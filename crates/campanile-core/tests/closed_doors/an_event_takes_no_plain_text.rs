use campanile_core::{CallEvent, FailureReport, LogEvent};

fn main() {}

fn write(said: String, call: &mut CallEvent, failure: &mut FailureReport, log: &mut LogEvent) {
    call.excerpt = Some(said.clone());
    failure.chain.push(said.clone());
    failure.backtrace = Some(said.clone());
    log.message = Some(said);
}

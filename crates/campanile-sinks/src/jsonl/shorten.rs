//! What becomes of an event that is longer than a line may be: its texts are cut, its amounts never.

use campanile_core::{Content, Event, FailureReport, FieldValue, Redact, Redacted, Redactions};

/// A text keeps at least so much.
const LEAST: usize = 128;
/// JSON writes a byte as up to six, and the rest of the event wants room as well.
const SHARE: usize = 8;

/// What was cut off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cut {
    pub(super) texts: u64,
    pub(super) bytes: u64,
}

/// The event with texts that fit into a line of `most` bytes. `None` where it has no text that could be cut.
pub(super) fn shorten(event: &Event, most: usize) -> Option<(Event, Cut)> {
    let mut event = event.clone();
    let mut texts = 0;
    each_text(&mut event, &mut |_| texts += 1);
    let each = (most / SHARE / usize::max(texts, 1)).max(LEAST);
    let mut cut = Cut::default();
    each_text(&mut event, &mut |text| {
        if let Some((short, bytes)) = cut_text(text, each) {
            cut.texts += 1;
            cut.bytes += bytes as u64;
            *text = short;
        }
    });
    (cut.texts > 0).then_some((event, cut))
}

fn each_text(event: &mut Event, each: &mut dyn FnMut(&mut Redacted)) {
    let of_failure = |failure: Option<&mut FailureReport>, each: &mut dyn FnMut(&mut Redacted)| {
        if let Some(failure) = failure {
            failure.chain.iter_mut().for_each(&mut *each);
            failure.backtrace.iter_mut().for_each(each);
        }
    };
    match event {
        Event::Call(call) => {
            of_failure(call.failure.as_mut(), each);
            for attempt in &mut call.attempts {
                of_failure(attempt.failure.as_mut(), each);
            }
            call.excerpt.iter_mut().for_each(each);
        }
        Event::Usage(usage) => of_failure(usage.attempt.failure.as_mut(), each),
        Event::Log(log) => {
            log.message.iter_mut().for_each(&mut *each);
            for (_, value) in &mut log.fields {
                if let FieldValue::Text(text) = value {
                    each(text);
                }
            }
        }
        _ => {}
    }
}

/// The beginning of a text that is too long, and how many bytes are missing. What was masked stays so: only less of it is left.
fn cut_text(text: &Redacted, most: usize) -> Option<(Redacted, usize)> {
    let whole = text.as_str();
    if whole.len() <= most {
        return None;
    }
    let kept = &whole[..whole.floor_char_boundary(most)];
    let missing = whole.len() - kept.len();
    let marked = Content::new(format!("{kept}… [{missing} bytes cut]"));
    let as_it_is: &dyn Redact = &|text: &str, out: &mut String| {
        out.push_str(text);
        Redactions::default()
    };
    Some((
        Redacted::new(&marked, as_it_is, &mut Redactions::default()),
        missing,
    ))
}

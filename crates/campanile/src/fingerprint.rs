//! The same trouble, the same sixteen digits: whatever numbers and ids its text holds.

use campanile_core::{Cause, FailureKind, Name};

/// The fingerprint of a failure: of stage, kind, code, and the texts of its chain without what differs from one time
/// to the next (words with a digit in them, quoted parts, line numbers).
///
/// It is the same on every machine and in every version: it is kept in ledgers.
#[must_use]
pub fn fingerprint(stage: &str, kind: FailureKind, code: Option<&Name>, chain: &[Cause]) -> Name {
    let mut hash = Fnv::new();
    hash.part(stage.as_bytes());
    hash.part(kind.name().as_bytes());
    hash.part(code.map_or("", |code| code.as_str()).as_bytes());
    for cause in chain {
        hash.part(skeleton(cause.text.expose_content()).as_bytes());
    }
    Name::outside(&format!("{:016x}", hash.0)).unwrap_or_default()
}

/// The words of a text that do not differ from one time to the next.
fn skeleton(text: &str) -> String {
    let mut kept = String::new();
    let mut quote = None;
    for word in
        text.split_inclusive(|char: char| char.is_whitespace() || "()[]{}<>,;=".contains(char))
    {
        let quotes = word.chars().filter(|char| "\"'`".contains(*char)).count();
        let inside = quote.is_some() || quotes > 0;
        // An odd number of quotes opens or closes a quoted part.
        if quotes % 2 == 1 {
            quote = if quote.is_some() { None } else { Some(()) };
        }
        if !inside && !word.bytes().any(|byte| byte.is_ascii_digit()) {
            kept.extend(
                word.chars()
                    .filter(|char| char.is_alphanumeric())
                    .flat_map(char::to_lowercase),
            );
            kept.push(' ');
        }
    }
    kept
}

/// FNV-1a, 64 bits.
struct Fnv(u64);

impl Fnv {
    const fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    fn part(&mut self, bytes: &[u8]) {
        // A byte that no UTF-8 text holds keeps parts apart.
        for byte in bytes.iter().chain(&[0xff]) {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Name {
        fingerprint(
            "llm",
            FailureKind::Server,
            None,
            &[Cause::new(text.to_owned())],
        )
    }

    #[test]
    fn ids_lines_and_quoted_parts_do_not_count() {
        let first =
            of("request req_7f3a failed at src/client.rs:118: model \"gpt-4o mini\" is overloaded");
        let again =
            of("request req_99bc failed at src/client.rs:204: model \"gpt-5\" is overloaded");

        assert_eq!(first, again);
        assert_ne!(first, of("request req_7f3a failed: quota exceeded"));
    }

    #[test]
    fn stage_kind_and_code_tell_troubles_apart() {
        let one = fingerprint(
            "llm",
            FailureKind::Server,
            Name::outside("500").as_ref(),
            &[],
        );
        let two = fingerprint(
            "llm",
            FailureKind::Server,
            Name::outside("503").as_ref(),
            &[],
        );
        let three = fingerprint(
            "tts",
            FailureKind::Server,
            Name::outside("500").as_ref(),
            &[],
        );

        assert!(one != two && one != three && two != three);
    }

    #[test]
    fn it_stays_what_it_is() {
        assert_eq!(of("the model is overloaded"), "0303ab617f6ffaf0");
    }
}

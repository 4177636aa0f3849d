//! Texts that were masked before, for a reader who may see less.

use crate::find::{Find, settle};
use crate::mode::Mode;
use crate::redactor::{Redactor, tag};
use crate::tag::Tag;

const MASKED_BEFORE: &str = "masked_before";

impl Redactor {
    /// Appends `masked`, which another policy has written, as this policy allows: what that one kept is found, and
    /// what it wrote in place of finds is replaced where this one is stricter. Nothing becomes more readable.
    ///
    /// ```
    /// use campanile_redact::{Kind, Mode, Policy, Redactor};
    ///
    /// let lax = Redactor::new(Policy::new().mode(Kind::Card, Mode::Partial))?;
    /// let strict = Redactor::new(Policy::new().mode(Kind::Email, Mode::Drop))?;
    ///
    /// let masked = lax.mask("card 4111 1111 1111 1111, mail jo@example.com");
    /// let mut out = String::new();
    /// strict.tighten_into(&masked, &mut out);
    ///
    /// assert_eq!(masked, "card **** 1111, mail [EMAIL]");
    /// assert_eq!(out, "card [CARD], mail ");
    /// # Ok::<(), campanile_redact::PolicyError>(())
    /// ```
    pub fn tighten_into(&self, masked: &str, out: &mut String) {
        let mut finds = self.scan(masked);
        finds.extend(self.looser(masked));
        settle(&mut finds);
        let mut from = 0;
        for find in finds {
            out.push_str(&masked[from..find.start]);
            match self.mode(find.kind) {
                // A hash of four digits would tell them.
                Mode::Hash if find.rule == MASKED_BEFORE => tag(find.kind, out),
                _ => self.write(&find, &masked[find.start..find.end], out),
            }
            from = find.end;
        }
        out.push_str(&masked[from..]);
    }

    /// Placeholders that tell more than this policy would.
    fn looser(&self, masked: &str) -> Vec<Find> {
        let bytes = masked.as_bytes();
        let tag = |at: usize| match bytes[at] {
            b'[' => Tag::read(&bytes[at..]),
            _ => Tag::read_partial(&bytes[at..]),
        };
        memchr::memchr2_iter(b'[', b'*', bytes)
            .filter_map(|at| Some((at, tag(at)?)))
            .filter(|(_, tag)| self.mode(tag.kind) > tag.mode)
            .map(|(at, tag)| Find::new(at, at + tag.length, tag.kind, MASKED_BEFORE))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{HashKey, Kind, Policy};

    fn tightened(policy: Policy, masked: &str) -> String {
        let mut out = String::new();
        Redactor::new(policy)
            .unwrap()
            .tighten_into(masked, &mut out);
        out
    }

    #[test]
    fn what_was_masked_as_strictly_stays_as_it_is() {
        let masked = "[CARD] *** [CARD#k1:9f3a2c7159ab03de] [UNSCANNED 12 bytes] **** 424 [NOTE]";
        let key = HashKey::new("k2", &[7; 32]).unwrap();

        assert_eq!(
            tightened(Policy::new().every(Mode::Hash).key(key), masked),
            masked
        );
    }

    #[test]
    fn looser_placeholders_and_finds_become_what_this_policy_writes() {
        let masked = "[CARD#k1:9f3a2c7159ab03de] **** 4242 [EMAIL], jo@example.com";

        assert_eq!(
            tightened(Policy::new(), masked),
            "[CARD] [CARD] [EMAIL], [EMAIL]"
        );
        assert_eq!(
            tightened(Policy::new().mode(Kind::Card, Mode::Mask), masked),
            "*** *** [EMAIL], [EMAIL]"
        );
        assert_eq!(tightened(Policy::new().every(Mode::Drop), masked), "  , ");
    }

    #[test]
    fn the_last_digits_of_a_card_are_not_hashed() {
        let key = HashKey::new("k1", &[7; 32]).unwrap();

        assert_eq!(
            tightened(Policy::new().every(Mode::Hash).key(key), "**** 4242"),
            "[CARD]"
        );
    }
}

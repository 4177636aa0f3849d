use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::counts::Counts;
use crate::custom::Custom;
use crate::cut;
use crate::detect::Scan;
use crate::find::Find;
use crate::kind::Kind;
use crate::mode::Mode;
use crate::policy::{Policy, PolicyError};

pub(crate) const OVER_LIMIT: &str = "over_limit";
const PANICKED: &str = "panicked";
/// How much is looked at in one go.
const WINDOW: usize = 64 * 1024;

/// Finds and masks. Cheap to clone, safe to share; keeps nothing of what it read.
#[derive(Clone)]
pub struct Redactor {
    inner: Arc<Inner>,
}

struct Inner {
    policy: Policy,
    custom: Custom,
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Redactor")
            .field("policy", &self.inner.policy)
            .finish_non_exhaustive()
    }
}

impl Default for Redactor {
    fn default() -> Self {
        Self::standard()
    }
}

impl Redactor {
    /// A redactor with this policy.
    ///
    /// # Errors
    ///
    /// When a rule or a word of the policy is refused, or hashing is asked for without a key.
    pub fn new(policy: Policy) -> Result<Self, PolicyError> {
        if policy.modes.contains(&Mode::Hash) && policy.key.is_none() {
            return Err(PolicyError::NoKey);
        }
        let custom = Custom::new(&policy)?;
        Ok(Self {
            inner: Arc::new(Inner { policy, custom }),
        })
    }

    /// All detectors, tags for everything.
    #[must_use]
    pub fn standard() -> Self {
        Self {
            inner: Arc::new(Inner {
                policy: Policy::new(),
                custom: Custom::default(),
            }),
        }
    }

    /// Everything found in `text`: sorted, disjoint, at borders of characters. What lies over the scan limit, and
    /// all of a text on which a detector panicked, is one find of [`Kind::Unscanned`].
    #[must_use]
    pub fn scan(&self, text: &str) -> Vec<Find> {
        let limit = self.inner.policy.scan_limit;
        if text.len() <= limit {
            return self.scan_windows(text);
        }
        let cut = text.floor_char_boundary(limit);
        let mut finds = self.scan_windows(&text[..cut]);
        let cut = cut::safe(text, &finds, 0, cut).unwrap_or(0);
        finds.retain(|find| find.end <= cut);
        finds.push(Find::new(cut, text.len(), Kind::Unscanned, OVER_LIMIT));
        finds
    }

    /// What the rule that made a find is called, for explanations: its own word, or the name that the user gave it.
    #[must_use]
    pub fn rule_name(&self, find: &Find) -> &str {
        let number = usize::from(find.user_rule).checked_sub(1);
        let rule = number.and_then(|at| self.inner.policy.rules.get(at));
        rule.and_then(|rule| rule.name.as_deref())
            .unwrap_or(find.rule)
    }

    /// Appends `text` to `out` with every find replaced as the policy says, and counts the finds.
    /// Fails closed: what was not looked at comes out as `[UNSCANNED]`.
    pub fn mask_into(&self, text: &str, out: &mut String) -> Counts {
        let mut counts = Counts::default();
        let mut from = 0;
        out.reserve(text.len());
        for find in self.scan(text) {
            out.push_str(&text[from..find.start]);
            self.write(&find, &text[find.start..find.end], out);
            counts.note(find.kind);
            from = find.end;
        }
        out.push_str(&text[from..]);
        counts
    }

    /// [`mask_into`](Self::mask_into) a new string.
    #[must_use]
    pub fn mask(&self, text: &str) -> String {
        let mut out = String::new();
        self.mask_into(text, &mut out);
        out
    }

    /// Scans all of `text`, a window at a time: memory stays the same however long it is.
    fn scan_windows(&self, text: &str) -> Vec<Find> {
        let (mut all, mut from, mut size) = (Vec::new(), 0, WINDOW);
        loop {
            let behind = cut::behind(text, from);
            let end = text.ceil_char_boundary(text.len().min(from + size));
            let mut finds = self.scan_window(&text[behind..end]);
            finds
                .iter_mut()
                .for_each(|find| (find.start, find.end) = (find.start + behind, find.end + behind));
            finds.retain(|find| find.end > from);
            finds
                .iter_mut()
                .for_each(|find| find.start = find.start.max(from));
            if end == text.len() {
                all.extend(finds);
                return all;
            }
            match cut::safe(text, &finds, from, end) {
                Some(cut) => {
                    all.extend(finds.into_iter().filter(|find| find.end <= cut));
                    (from, size) = (cut, WINDOW);
                }
                // One find is longer than the window: look at more.
                None => size *= 2,
            }
        }
    }

    pub(crate) fn scan_window(&self, text: &str) -> Vec<Find> {
        let scan = || {
            let mut custom = Vec::new();
            self.inner.custom.find(text, &mut custom);
            Scan::run(text, &self.inner.policy.modes, custom)
        };
        // A detector reads what anybody sends. Its panic must cost the text, not the call, and must not let the text pass.
        catch_unwind(AssertUnwindSafe(scan))
            .unwrap_or_else(|_| vec![Find::new(0, text.len(), Kind::Unscanned, PANICKED)])
    }

    pub(crate) fn mode(&self, kind: Kind) -> Mode {
        self.inner.policy.modes[kind.index()]
    }

    pub(crate) fn write(&self, find: &Find, value: &str, out: &mut String) {
        let policy = &self.inner.policy;
        match self.mode(find.kind) {
            Mode::Drop => {}
            Mode::Mask => out.push_str("***"),
            _ if find.rule == OVER_LIMIT => {
                out.push_str("[UNSCANNED ");
                out.push_str(&value.len().to_string());
                out.push_str(" bytes]");
            }
            Mode::Hash if find.kind != Kind::Unscanned => match &policy.key {
                Some(key) => key.write(find.kind, value, out),
                None => tag(find.kind, out),
            },
            Mode::Partial if find.kind == Kind::Card => partial(value, out),
            _ => tag(find.kind, out),
        }
    }
}

pub(crate) fn tag(kind: Kind, out: &mut String) {
    out.push('[');
    out.push_str(kind.word());
    out.push(']');
}

/// `**** 4242`. A card that is spoken, or too short to hide anything, is a tag.
fn partial(value: &str, out: &mut String) {
    let digits: Vec<char> = value.chars().filter(char::is_ascii_digit).collect();
    match digits.split_last_chunk::<4>() {
        Some((rest, last)) if rest.len() >= 8 => {
            out.push_str("**** ");
            out.extend(last);
        }
        _ => tag(Kind::Card, out),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::BREAKS;
    use crate::policy::Rule;

    #[test]
    fn a_detector_that_panics_costs_the_text_and_lets_nothing_pass() {
        let redactor = Redactor::standard();
        let mut out = String::new();

        let counts = redactor.mask_into(&format!("hello {BREAKS}"), &mut out);

        assert_eq!(out, "[UNSCANNED]");
        assert_eq!((counts.of(Kind::Unscanned), counts.total()), (1, 1));
    }

    #[test]
    fn a_stream_loses_the_window_in_which_a_detector_panics() {
        let redactor = Redactor::standard();
        let mut out = String::new();
        let mut stream = redactor.stream();

        stream.push(&format!("{BREAKS} secret"), &mut out);
        let counts = stream.finish(&mut out);

        assert_eq!(
            (out.as_str(), counts.of(Kind::Unscanned)),
            ("[UNSCANNED]", 1)
        );
    }

    #[test]
    fn what_lies_over_the_limit_is_a_length() {
        let redactor = Redactor::new(Policy::new().scan_limit(300)).unwrap();
        let text = "word ".repeat(100);

        assert_eq!(
            redactor.mask(&text),
            format!("{}[UNSCANNED 395 bytes]", "word ".repeat(21))
        );
    }

    #[test]
    fn no_limit_cuts_a_card_in_two() {
        let text = format!(
            "{} 4111 1111 1111 1111 {}",
            "a".repeat(200),
            "word ".repeat(100)
        );

        for limit in 0..text.len() {
            let masked = Redactor::new(Policy::new().scan_limit(limit))
                .unwrap()
                .mask(&text);
            assert!(!masked.contains("4111"), "{limit}");
        }
    }

    #[test]
    fn a_long_text_is_masked_like_short_ones() {
        let redactor = Redactor::new(Policy::new().scan_limit(usize::MAX)).unwrap();
        let line = "call me at (212) 555-0123 or mail bob@example.com thanks\n";

        let masked = redactor.mask(&line.repeat(5_000));

        assert_eq!(masked, redactor.mask(line).repeat(5_000));
    }

    #[test]
    fn each_mode_writes_what_it_says() {
        let text = "card 4111 1111 1111 1111, mail Bob@example.com";
        let masked = |mode| {
            let key = crate::HashKey::new("k1", &[7; 32]).unwrap();
            Redactor::new(Policy::new().every(mode).key(key))
                .unwrap()
                .mask(text)
        };

        assert_eq!(masked(Mode::Keep), text);
        assert_eq!(masked(Mode::Partial), "card **** 1111, mail [EMAIL]");
        assert_eq!(masked(Mode::Tag), "card [CARD], mail [EMAIL]");
        assert_eq!(masked(Mode::Mask), "card ***, mail ***");
        assert_eq!(masked(Mode::Drop), "card , mail ");
        assert!(masked(Mode::Hash).starts_with("card [CARD#k1:"));
    }

    #[test]
    fn a_find_names_the_users_rule() {
        let policy = Policy::new()
            .rule(Rule::new("AB[0-9]+"))
            .rule(Rule::new("CD[0-9]+").named("case"));
        let redactor = Redactor::new(policy).unwrap();

        let finds = redactor.scan("AB1, CD2, jo@example.com");

        let names: Vec<_> = finds.iter().map(|find| redactor.rule_name(find)).collect();
        assert_eq!(names, ["user_rule", "case", "email"]);
    }

    #[test]
    fn hashing_without_a_key_is_refused() {
        let policy = Policy::new().mode(Kind::Card, Mode::Hash);

        assert_eq!(Redactor::new(policy).err(), Some(PolicyError::NoKey));
    }
}

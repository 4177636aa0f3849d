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

/// Finds and masks. Cheap to clone, safe to share; keeps nothing of what it read.
#[derive(Clone, Debug)]
pub struct Redactor {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) policy: Policy,
    custom: Custom,
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
            return self.scan_all(text);
        }
        let cut = text.floor_char_boundary(limit);
        let mut finds = self.scan_all(&text[..cut]);
        let cut = cut::safe(text, &finds, cut);
        finds.retain(|find| find.end <= cut);
        finds.push(Find::new(cut, text.len(), Kind::Unscanned, OVER_LIMIT));
        finds
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

    pub(crate) fn scan_all(&self, text: &str) -> Vec<Find> {
        let scan = || {
            let mut custom = Vec::new();
            self.inner.custom.find(text, &mut custom);
            Scan::run(text, &self.inner.policy.modes, custom)
        };
        // A detector reads what anybody sends. Its panic must cost the text, not the call, and must not let the text pass.
        catch_unwind(AssertUnwindSafe(scan))
            .unwrap_or_else(|_| vec![Find::new(0, text.len(), Kind::Unscanned, PANICKED)])
    }

    pub(crate) fn write(&self, find: &Find, value: &str, out: &mut String) {
        let policy = &self.inner.policy;
        match policy.modes[find.kind.index()] {
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

fn tag(kind: Kind, out: &mut String) {
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

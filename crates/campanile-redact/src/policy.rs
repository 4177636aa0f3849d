use crate::hash::HashKey;
use crate::kind::Kind;
use crate::mode::Mode;

/// What to do with finds, and what else to find. A plain value: build it, [tighten](Policy::tighten) it, make a
/// [`Redactor`](crate::Redactor) of it.
#[derive(Clone)]
pub struct Policy {
    pub(crate) modes: [Mode; Kind::COUNT],
    pub(crate) scan_limit: usize,
    pub(crate) key: Option<HashKey>,
    pub(crate) rules: Vec<Rule>,
    pub(crate) words: Vec<String>,
}

/// Tells how many rules and words there are: they may name people.
impl std::fmt::Debug for Policy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Policy")
            .field("modes", &self.modes)
            .field("scan_limit", &self.scan_limit)
            .field("key", &self.key)
            .field("rules", &self.rules.len())
            .field("words", &self.words.len())
            .finish()
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self::new()
    }
}

impl Policy {
    /// Tags for everything; 64 KiB of each text are looked at.
    #[must_use]
    pub fn new() -> Self {
        Self {
            modes: [Mode::Tag; Kind::COUNT],
            scan_limit: 64 * 1024,
            key: None,
            rules: Vec::new(),
            words: Vec::new(),
        }
    }

    /// The mode of one kind. Text that nobody looked at is never kept: [`Kind::Unscanned`] ignores [`Mode::Keep`].
    #[must_use]
    pub fn mode(mut self, kind: Kind, mode: Mode) -> Self {
        self.modes[kind.index()] = mode;
        self
    }

    /// The mode of all kinds.
    #[must_use]
    pub fn every(mut self, mode: Mode) -> Self {
        self.modes = [mode; Kind::COUNT];
        self
    }

    /// How many bytes of a text are looked at; the rest is replaced by its length. Default 64 KiB.
    #[must_use]
    pub fn scan_limit(mut self, bytes: usize) -> Self {
        self.scan_limit = bytes;
        self
    }

    /// The key of [`Mode::Hash`].
    #[must_use]
    pub fn key(mut self, key: HashKey) -> Self {
        self.key = Some(key);
        self
    }

    /// One more thing to find, as [`Kind::Custom`].
    #[must_use]
    pub fn rule(mut self, rule: Rule) -> Self {
        self.rules.push(rule);
        self
    }

    /// A word to find in any ASCII case, as [`Kind::Custom`]: a project's name, a customer's.
    #[must_use]
    pub fn word(mut self, word: impl Into<String>) -> Self {
        self.words.push(word.into());
        self
    }

    /// The mode of one kind, as it was set.
    #[must_use]
    pub fn mode_of(&self, kind: Kind) -> Mode {
        self.modes[kind.index()]
    }

    /// Both policies at once: of two modes the stricter, of two limits the smaller, the rules and words of both.
    #[must_use]
    pub fn tighten(mut self, other: &Self) -> Self {
        for (mine, theirs) in self.modes.iter_mut().zip(other.modes) {
            *mine = theirs.max(*mine);
        }
        self.scan_limit = self.scan_limit.min(other.scan_limit);
        self.key = self.key.or_else(|| other.key.clone());
        self.rules.extend(other.rules.iter().cloned());
        self.words.extend(other.words.iter().cloned());
        self
    }
}

/// A regular expression of a user. Its borders are ASCII word borders unless it may stand [anywhere](Rule::anywhere).
#[derive(Clone, PartialEq, Eq)]
pub struct Rule {
    pub(crate) pattern: String,
    pub(crate) anywhere: bool,
    pub(crate) name: Option<String>,
}

impl std::fmt::Debug for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rule")
            .field("anywhere", &self.anywhere)
            .finish_non_exhaustive()
    }
}

impl Rule {
    /// Finds `pattern` where no ASCII word goes on before or behind it.
    #[must_use]
    pub fn new(pattern: impl Into<String>) -> Self {
        Self {
            pattern: pattern.into(),
            anywhere: false,
            name: None,
        }
    }

    /// A name for explanations. Default: `user_rule`.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Finds the pattern inside words too.
    #[must_use]
    pub fn anywhere(mut self) -> Self {
        self.anywhere = true;
        self
    }
}

/// Why a [`Policy`] is refused. Names the place in the list, never the pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PolicyError {
    /// A kind is to be hashed, and there is no key.
    NoKey,
    /// Rule number `.0` (from 0) is not a regular expression.
    Syntax(usize),
    /// Rule number `.0` can match the empty string.
    Empty(usize),
    /// Rule number `.0` can match nothing.
    Never(usize),
    /// Rule number `.0` finds most of any ordinary text.
    Everything(usize),
    /// The pattern of rule number `.0` has more than 1,000 bytes, or compiles to more than a megabyte with those before it.
    Large(usize),
    /// More than 100 rules or 10,000 words.
    TooMany,
    /// Word number `.0` is shorter than two bytes or longer than 200.
    Word(usize),
}

impl std::fmt::Display for PolicyError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoKey => f.write_str("hashing needs a key of 32 bytes"),
            Self::Syntax(at) => write!(f, "rule {at} is not a regular expression"),
            Self::Empty(at) => write!(f, "rule {at} matches the empty string"),
            Self::Never(at) => write!(f, "rule {at} can match nothing"),
            Self::Everything(at) => write!(f, "rule {at} finds most of any text"),
            Self::Large(at) => write!(f, "rule {at} is too large"),
            Self::TooMany => f.write_str("more than 100 rules or 10,000 words"),
            Self::Word(at) => write!(f, "word {at} is shorter than two bytes or longer than 200"),
        }
    }
}

impl std::error::Error for PolicyError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_rule_and_no_word() {
        let policy = Policy::new().rule(Rule::new("canary")).word("canary");

        assert!(!format!("{policy:?} {:?}", policy.rules).contains("canary"));
    }

    #[test]
    fn the_stricter_of_two_policies_wins_both_ways() {
        let lax = Policy::new()
            .mode(Kind::Card, Mode::Partial)
            .mode(Kind::Email, Mode::Drop)
            .scan_limit(10);
        let plain = Policy::new().rule(Rule::new("x")).word("yy");

        for both in [lax.clone().tighten(&plain), plain.tighten(&lax)] {
            assert_eq!(both.modes[Kind::Card.index()], Mode::Tag);
            assert_eq!(both.modes[Kind::Email.index()], Mode::Drop);
            assert_eq!(
                (both.scan_limit, both.rules.len(), both.words.len()),
                (10, 1, 1)
            );
        }
    }
}

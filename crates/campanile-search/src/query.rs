//! What is looked for.

use crate::{
    pattern::{BadPattern, Pattern},
    want::Want,
};
use campanile_core::{Level, Timestamp};

/// Which lines are wanted: those for which everything that was asked for holds. Default: all.
///
/// ```
/// use campanile_core::Level;
/// use campanile_search::Query;
///
/// let query = Query::default().text("rate_limit").level(Level::Warn).stage("llm");
/// # let _ = query;
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Query {
    pub(crate) since: Option<Timestamp>,
    pub(crate) until: Option<Timestamp>,
    pub(crate) patterns: Vec<Pattern>,
    pub(crate) wants: Vec<Want>,
    pub(crate) context: usize,
}

impl Query {
    /// Lines of this moment or later. A line without a moment has that of the line before it.
    pub fn since(mut self, since: Timestamp) -> Self {
        self.since = Some(since);
        self
    }

    /// Lines before this moment.
    pub fn until(mut self, until: Timestamp) -> Self {
        self.until = Some(until);
        self
    }

    /// Lines that hold this text, as it is or as JSON writes it.
    pub fn text(mut self, text: &str) -> Self {
        self.patterns.push(Pattern::text(text));
        self
    }

    /// Lines that hold this text in small or capital letters.
    ///
    /// # Errors
    ///
    /// When it is too large to be looked for.
    pub fn text_in_any_case(mut self, text: &str) -> Result<Self, BadPattern> {
        self.patterns.push(Pattern::text_in_any_case(text)?);
        Ok(self)
    }

    /// Lines in which this regular expression matches, with `^` and `$` at their ends.
    ///
    /// # Errors
    ///
    /// When it is none.
    pub fn regex(mut self, pattern: &str, any_case: bool) -> Result<Self, BadPattern> {
        self.patterns.push(Pattern::regex(pattern, any_case)?);
        Ok(self)
    }

    /// Lines that matter at least so much.
    pub fn level(self, level: Level) -> Self {
        self.want(Want::Level(level))
    }

    /// Lines of this stage.
    pub fn stage(self, stage: &str) -> Self {
        self.want(Want::Stage(stage.to_owned()))
    }

    /// Lines of this session; the last eight digits do for an id of ours.
    pub fn session(self, id: &str) -> Self {
        self.want(Want::Session(id.to_owned()))
    }

    /// Lines of the turn of this number.
    pub fn turn(self, turn: u32) -> Self {
        self.want(Want::Turn(turn))
    }

    /// Lines of this call.
    pub fn call(self, id: &str) -> Self {
        self.want(Want::call(id))
    }

    /// Lines that the program wrote under this target, or under a module of it.
    pub fn target(self, target: &str) -> Self {
        self.want(Want::Target(target.to_owned()))
    }

    /// Lines with a field of this name anywhere, or with this path from the top (`failure.kind`), that says `value`; with any
    /// value where there is none.
    pub fn field(self, key: &str, value: Option<&str>) -> Self {
        self.want(Want::field(key, value))
    }

    /// So many lines before and after each in the same file. Default 0.
    pub fn context(mut self, lines: usize) -> Self {
        self.context = lines;
        self
    }

    fn want(mut self, want: Want) -> Self {
        self.wants.push(want);
        self
    }
}

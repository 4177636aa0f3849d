//! What counts against a budget, and what a rule is about.

use campanile_sinks::ledger::{LedgerCall, Spend};

/// Which calls count, and whether each session, model, tenant has a sum of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Scope {
    pub(crate) provider: Option<String>,
    pub(crate) model: Option<String>,
    pub(crate) stage: Option<String>,
    pub(crate) session: Option<String>,
    pub(crate) labels: Vec<(String, String)>,
    pub(crate) per: Option<Per>,
    /// Whether only other processes' calls count.
    pub(crate) others: bool,
}

/// What has a sum of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Per {
    Provider,
    Model,
    Stage,
    Session,
    Label(String),
}

impl Per {
    /// Reads `provider`, `model`, `stage`, `session`; any other name is a label.
    pub(crate) fn parse(text: &str) -> Self {
        match text {
            "provider" => Self::Provider,
            "model" => Self::Model,
            "stage" => Self::Stage,
            "session" => Self::Session,
            label => Self::Label(label.to_owned()),
        }
    }

    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Provider => "provider",
            Self::Model => "model",
            Self::Stage => "stage",
            Self::Session => "session",
            Self::Label(label) => label,
        }
    }
}

impl Scope {
    /// Whose sum a spend counts in: empty where all have one together, `None` where it does not count.
    pub(crate) fn subject<'a>(&self, spend: &Spend<'a>) -> Option<&'a str> {
        let label = |name: &str| {
            let found = spend.labels.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| *value)
        };
        let counts = !(self.others && spend.own)
            && self.serves(spend.provider, spend.model)
            && self.is_of(spend.stage, spend.session, label);
        if !counts {
            return None;
        }
        match &self.per {
            None => Some(""),
            Some(Per::Provider) => spend.provider,
            Some(Per::Model) => spend.model,
            Some(Per::Stage) => Some(spend.stage),
            Some(Per::Session) => spend.session,
            Some(Per::Label(name)) => label(name),
        }
    }

    /// Whether a call is one of those, of which at least one attempt is.
    pub(crate) fn takes(&self, call: &LedgerCall) -> bool {
        let label = |name: &str| call.labels.get(name).map(String::as_str);
        let served = || {
            let mut attempts = call.attempts.iter();
            attempts
                .any(|attempt| self.serves(attempt.provider.as_deref(), attempt.model.as_deref()))
        };
        self.is_of(&call.stage, call.session.as_deref(), label)
            && (self.is_of_any_server() || served())
    }

    /// Whether an attempt that was served by them is one of those.
    pub(crate) fn serves(&self, provider: Option<&str>, model: Option<&str>) -> bool {
        fits(&self.provider, provider) && self.takes_model(model)
    }

    fn is_of_any_server(&self) -> bool {
        self.provider.is_none() && self.model.is_none()
    }

    fn is_of<'a>(
        &self,
        stage: &str,
        session: Option<&str>,
        label: impl Fn(&str) -> Option<&'a str>,
    ) -> bool {
        fits(&self.stage, Some(stage))
            && fits(&self.session, session)
            && self
                .labels
                .iter()
                .all(|(name, value)| label(name) == Some(value))
    }

    /// Whether it asks for labels.
    pub(crate) fn wants_labels(&self) -> bool {
        !self.labels.is_empty() || matches!(self.per, Some(Per::Label(_)))
    }

    /// A model counts by its name, by the dated snapshots of it, and by a beginning where the name ends with `*`.
    fn takes_model(&self, model: Option<&str>) -> bool {
        let Some(wanted) = &self.model else {
            return true;
        };
        let Some(model) = model else { return false };
        match wanted.strip_suffix('*') {
            Some(beginning) => model.starts_with(beginning),
            None => model.strip_prefix(wanted.as_str()).is_some_and(is_date),
        }
    }

    /// `openai`, `openai/gpt-4o`, `tenant=acme`, `all`; and what has a sum of its own.
    pub(crate) fn name(&self) -> String {
        let filters = [&self.provider, &self.model, &self.stage, &self.session];
        let names = filters
            .into_iter()
            .flatten()
            .map(|name| name.trim_end_matches('*').to_owned());
        let labels = self
            .labels
            .iter()
            .map(|(name, value)| format!("{name}-{value}"));
        let mut name = names.chain(labels).collect::<Vec<_>>().join("/");
        if name.is_empty() {
            name.push_str("all");
        }
        if let Some(per) = &self.per {
            name = format!("{name}/{}", per.name());
        }
        name
    }
}

fn fits(wanted: &Option<String>, known: Option<&str>) -> bool {
    wanted.as_deref().is_none_or(|wanted| known == Some(wanted))
}

/// Nothing, or `-2024-07-18`, `-20240718`, `@20240718`.
fn is_date(rest: &str) -> bool {
    let digits = rest.bytes().filter(u8::is_ascii_digit).count();
    rest.is_empty()
        || (rest.starts_with(['-', '@'])
            && digits == 8
            && rest[1..]
                .bytes()
                .all(|byte| byte.is_ascii_digit() || byte == b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use campanile_core::{Money, Timestamp};

    fn spend() -> Spend<'static> {
        let mut spend = Spend::new(Timestamp(0), Money::ZERO, None);
        spend.provider = Some("openai");
        spend.model = Some("gpt-4o-mini-2024-07-18");
        spend.stage = "llm";
        spend.labels = &[("tenant", "acme")];
        spend
    }

    #[test]
    fn a_spend_counts_where_everything_fits() {
        let mut scope = Scope {
            provider: Some("openai".to_owned()),
            stage: Some("llm".to_owned()),
            labels: vec![("tenant".to_owned(), "acme".to_owned())],
            ..Scope::default()
        };
        assert_eq!(scope.subject(&spend()), Some(""));
        scope.per = Some(Per::parse("tenant"));
        assert_eq!(scope.subject(&spend()), Some("acme"));
        assert_eq!(scope.name(), "openai/llm/tenant-acme/tenant");
        scope.per = Some(Per::Session);
        assert_eq!(scope.subject(&spend()), None);
        scope.stage = Some("tts".to_owned());
        assert_eq!(scope.subject(&spend()), None);
    }

    #[test]
    fn a_model_counts_with_its_snapshots_and_not_with_its_cousins() {
        let counts = |wanted: &'static str| {
            let scope = Scope {
                model: Some(wanted.to_owned()),
                ..Scope::default()
            };
            scope.subject(&spend()).is_some()
        };
        assert!(counts("gpt-4o-mini") && counts("gpt-4o-mini-2024-07-18") && counts("gpt-4o*"));
        assert!(
            !counts("gpt-4o") && !counts("gpt-4o-mini-2024") && !counts("gpt-4o-mini-2024-07-1")
        );
    }
}

//! The ledger against the bills that the providers keep of their own.

use super::calls::{Pair, pairs};
use super::evidence::Evidence;
use super::prices;
use super::verdict::Line;
use crate::journal::{BillLine, Outcome};
use campanile::sinks::ledger::AttemptRow;
use campanile::{Cost, Count, Meter, Money, Usage};
use std::collections::HashMap;

/// The line of all that has no upper bound.
pub(crate) const BOUNDED: &str = "ranges have an upper bound";
/// The line of each provider.
pub(crate) const PROVIDERS: [(&str, &str); 3] = [
    ("openai", "openai's bill is met"),
    ("deepgram", "deepgram's bill is met"),
    ("cartesia", "cartesia's bill is met"),
];

/// What a killed process may have used since the last checkpoint of its open calls: a second, and the time that it takes to
/// be written. Of a speaker's call, one text.
const UNCHECKED_US: u64 = 1_200_000;
const UNCHECKED_CHARACTERS: u64 = 400;
/// In ten thousandths: what share of amounts may have no upper bound.
const MOST_OPEN: u64 = 100;
/// Audio that a broken connection may have lost on its way, where there is a real network.
const IN_FLIGHT_US: u64 = 2_000_000;

/// The place of a line: session, turn, stage.
fn place(line: &BillLine) -> Option<(String, u32, &'static str)> {
    match (&line.context, line.key.rsplit_once('/')) {
        (Some(context), _) => {
            let (session, turn) = context.rsplit_once('-')?;
            Some((session.to_owned(), turn.parse().ok()?, "tts"))
        }
        (None, Some((session, "stt"))) => Some((session.to_owned(), 0, "stt")),
        (None, Some((session, turn))) => Some((session.to_owned(), turn.parse().ok()?, "llm")),
        _ => None,
    }
}

/// One verdict for each provider, and one for the upper bounds of all their amounts.
pub(crate) fn providers(evidence: &Evidence) -> Vec<Line> {
    let Some(ledger) = &evidence.ledger else {
        return vec![Line::new(
            "the providers' bills are met",
            "",
            vec!["there is no ledger to read".into()],
        )];
    };
    let mut lines: HashMap<(String, u32, &str), Vec<&BillLine>> = HashMap::new();
    let mut strangers = Vec::new();
    for line in evidence
        .lines
        .iter()
        .filter(|line| !line.is_nothing() && !line.key.starts_with('b'))
    {
        match place(line) {
            Some(place) => lines.entry(place).or_default().push(line),
            None => strangers.push(format!(
                "{} bills something that nobody asked for",
                line.provider
            )),
        }
    }
    let mut books = Books::default();
    let mut groups: HashMap<(&str, u32, &str), Vec<Pair<'_>>> = HashMap::new();
    for pair in pairs(evidence, ledger).0 {
        let called = pair.called;
        groups
            .entry((&called.session, called.turn, &called.stage))
            .or_default()
            .push(pair);
    }
    for ((session, turn, stage), pairs) in &groups {
        let stage = match *stage {
            "llm" => "llm",
            "stt" => "stt",
            _ => "tts",
        };
        let billed = lines
            .remove(&((*session).to_owned(), *turn, stage))
            .unwrap_or_default();
        books.settle(pairs, &billed, evidence.options.is_real());
    }
    for line in lines.into_values().flatten() {
        books
            .of(&line.provider)
            .broken
            .push(format!("{} is billed, and no such call was made", line.key));
    }
    let bounded = books.bounded();
    let mut strangers = Some(strangers);
    let mut verdict: Vec<_> = PROVIDERS
        .iter()
        .map(|(provider, name)| {
            let book = books.of(provider);
            book.broken.extend(strangers.take().unwrap_or_default());
            book.line(name)
        })
        .collect();
    verdict.push(bounded);
    verdict
}

#[derive(Default)]
struct Books(HashMap<String, Book>);

/// One provider's.
#[derive(Default)]
struct Book {
    exact: u64,
    ranges: u64,
    crashed: u64,
    billed: i128,
    least: i128,
    most: i128,
    /// Amounts without an upper bound, and those of them whose process lived on.
    unbounded: u64,
    unexplained: u64,
    in_flight_us: u64,
    died: i128,
    broken: Vec<String>,
}

impl Books {
    fn of(&mut self, provider: &str) -> &mut Book {
        self.0.entry(provider.to_owned()).or_default()
    }

    /// How many amounts have no upper bound: one in a hundred may.
    fn bounded(&self) -> Line {
        let sum = |count: fn(&Book) -> u64| self.0.values().map(count).sum::<u64>();
        let (all, open) = (
            sum(|book| book.exact + book.ranges),
            sum(|book| book.unbounded),
        );
        let share = (open * 10_000).checked_div(all).unwrap_or(0);
        let numbers = format!(
            "{open} of {all} priced amounts are without ({}.{:02} %)",
            share / 100,
            share % 100
        );
        let broken = match share > MOST_OPEN {
            true => vec![format!("{open} of {all} amounts have no upper bound")],
            false => Vec::new(),
        };
        Line::new(BOUNDED, numbers, broken)
    }

    /// All that one stage did in one turn, against all that was billed for it.
    fn settle(&mut self, pairs: &[Pair<'_>], billed: &[&BillLine], real: bool) {
        let Some(first) = pairs.first() else { return };
        let place = first.called.place();
        let provider = match first.called.stage.as_str() {
            "llm" => "openai",
            "stt" => "deepgram",
            _ => "cartesia",
        };
        let book = self.of(provider);
        let attempts: Vec<_> = pairs
            .iter()
            .flat_map(|pair| {
                pair.recorded
                    .into_iter()
                    .flat_map(|call| &call.attempts)
                    .map(move |a| (pair, a))
            })
            .collect();
        let mut rest: Vec<&BillLine> = Vec::new();
        let mut met = vec![false; attempts.len()];
        for line in billed {
            let names = |attempt: &AttemptRow| {
                let id = attempt.request_id.as_deref();
                id.is_some() && (id == Some(&line.request_id) || id == line.context.as_deref())
            };
            let found = attempts.iter().position(|(_, attempt)| names(attempt));
            match found {
                Some(at) if !met[at] => {
                    met[at] = true;
                    let (pair, attempt) = attempts[at];
                    let ended = pair.called.over;
                    let torn = is_torn(std::slice::from_ref(pair), real);
                    book.compare(&place, &[*line], &[attempt], torn, ended.is_none());
                }
                _ => rest.push(line),
            }
        }
        // Calls that their process did not live to record: younger than a checkpoint, or it is broken.
        let unrecorded = pairs
            .iter()
            .any(|pair| pair.recorded.is_none() && pair.called.over.is_none());
        if unrecorded
            && rest
                .iter()
                .all(|line| line.prompt + line.characters + line.audio_us > 0)
        {
            let died = rest
                .drain(..)
                .map(|line| prices::cost(line).grains())
                .sum::<i128>();
            book.billed += died;
            book.died += died;
        }
        let left = attempts
            .iter()
            .zip(&met)
            .filter(|(_, met)| !**met)
            .map(|((_, attempt), _)| *attempt);
        let left: Vec<_> = left.filter(|attempt| attempt.usage.is_some()).collect();
        if !rest.is_empty() || !left.is_empty() {
            let killed = pairs.iter().any(|pair| pair.called.over.is_none());
            book.compare(&place, &rest, &left, is_torn(pairs, real), killed);
        }
    }
}

/// Whether audio of these calls may have been lost on its way: there is a network, and one of them did not complete.
fn is_torn(pairs: &[Pair<'_>], real: bool) -> bool {
    let whole = |pair: &Pair<'_>| pair.called.over == Some(Outcome::Completed);
    real && !pairs.iter().all(whole)
}

/// What may be missing, in grains.
#[derive(Default)]
struct Slack {
    /// Recorded, and lost on its way to the provider.
    lost: i128,
    /// Billed, and died with its process before a checkpoint.
    died: i128,
}

fn audio_cost(audio_us: u64) -> i128 {
    let line = BillLine {
        provider: "deepgram".into(),
        audio_us,
        ..BillLine::default()
    };
    prices::cost(&line).grains()
}

fn characters_cost(characters: u64) -> i128 {
    let line = BillLine {
        provider: "cartesia".into(),
        characters,
        ..BillLine::default()
    };
    prices::cost(&line).grains()
}

impl Book {
    fn compare(
        &mut self,
        place: &str,
        billed: &[&BillLine],
        attempts: &[&AttemptRow],
        torn: bool,
        killed: bool,
    ) {
        let mut usage = Usage::new();
        let mut cost = Cost::nothing();
        let mut priced = true;
        for attempt in attempts {
            if let Some(used) = &attempt.usage {
                usage.absorb(used);
            }
            match &attempt.cost {
                Some(known) => cost.absorb(known),
                None => priced &= attempt.usage.is_none(),
            }
        }
        let owed: i128 = billed.iter().map(|line| prices::cost(line).grains()).sum();
        self.billed += owed;
        self.least += cost.at_least.grains();
        self.most += cost.at_most.unwrap_or(cost.at_least).grains();
        self.unbounded += u64::from(cost.at_most.is_none());
        self.unexplained += u64::from(cost.at_most.is_none() && !killed);
        self.crashed += u64::from(killed);
        match usage.is_exact() {
            true => self.exact += 1,
            false => self.ranges += 1,
        }
        let slack = self.meters(place, billed, &usage, torn, killed);
        let most = cost
            .at_most
            .map_or(i128::MAX, |most| most.grains() + slack.died);
        if !priced || owed < cost.at_least.grains() - slack.lost || owed > most {
            self.broken.push(format!(
                "{place}: ${} is billed, and the ledger has {}",
                Money::from_grains(owed),
                shown(&cost)
            ));
        }
        self.died += slack.died;
    }

    /// Compares counts; gives what may be missing on either side, in grains.
    fn meters(
        &mut self,
        place: &str,
        billed: &[&BillLine],
        usage: &Usage,
        torn: bool,
        killed: bool,
    ) -> Slack {
        let sum = |of: fn(&BillLine) -> u64| billed.iter().map(|line| of(line)).sum::<u64>();
        let audio = match usage.get(Meter::ServerAudioUs) {
            Some(_) => Meter::ServerAudioUs,
            None => Meter::AudioUs,
        };
        let wanted = [
            (Meter::InputTokens, sum(|line| line.prompt - line.cached)),
            (Meter::CachedInputTokens, sum(|line| line.cached)),
            (Meter::OutputTokens, sum(|line| line.completion)),
            (audio, sum(|line| line.audio_us)),
            (Meter::Characters, sum(|line| line.characters)),
        ];
        let mut slack = Slack::default();
        for (meter, billed) in wanted {
            let zero = Count::exact(0, campanile::Evidence::Measured);
            let count = usage.get(meter).unwrap_or(zero);
            if (count.at_least..=count.at_most.unwrap_or(u64::MAX)).contains(&billed) {
                continue;
            }
            let flight = count.at_least.saturating_sub(billed);
            if torn && meter == audio && (1..=IN_FLIGHT_US).contains(&flight) {
                slack.lost += audio_cost(flight);
                self.in_flight_us += flight;
                continue;
            }
            let missing = billed.saturating_sub(count.at_most.unwrap_or(u64::MAX));
            let died = match meter {
                Meter::Characters if missing <= UNCHECKED_CHARACTERS => characters_cost(missing),
                _ if meter == audio && missing <= UNCHECKED_US => audio_cost(missing),
                _ => 0,
            };
            if killed && died > 0 {
                slack.died += died;
                continue;
            }
            self.broken.push(format!(
                "{place}: {billed} {meter} are billed, and the ledger has {}",
                counted(count)
            ));
        }
        slack
    }

    fn line(&mut self, name: &'static str) -> Line {
        let usd = |grains| Money::from_grains(grains).to_usd(6);
        let width = match self.least {
            0 => 0,
            least => (self.most - least) * 10_000 / least,
        };
        let mut numbers = format!(
            "billed ${}, recorded ${}–{} (width {}.{:02} %): {} exact, {} in a range",
            usd(self.billed),
            usd(self.least),
            usd(self.most),
            width / 100,
            width % 100,
            self.exact,
            self.ranges,
        );
        if self.crashed > 0 {
            numbers.push_str(&format!(", {} of calls that were killed", self.crashed));
        }
        if self.in_flight_us > 0 {
            numbers.push_str(&format!(
                ", {} ms of audio lost on its way",
                self.in_flight_us / 1_000
            ));
        }
        if self.died > 0 {
            numbers.push_str(&format!(", ${} died with its process", usd(self.died)));
        }
        if self.unexplained > 0 {
            self.broken
                .push(format!("{} amounts have no upper bound", self.unexplained));
        }
        if self.exact == 0 {
            self.broken
                .push("not one exact amount: this proves nothing".into());
        }
        Line::new(name, numbers, std::mem::take(&mut self.broken))
    }
}

fn counted(count: Count) -> String {
    match count.at_most {
        Some(most) if most == count.at_least => most.to_string(),
        Some(most) => format!("{} to {most}", count.at_least),
        None => format!("{} and no upper bound", count.at_least),
    }
}

fn shown(cost: &Cost) -> String {
    match cost.at_most {
        Some(most) if most == cost.at_least => format!("${most}"),
        Some(most) => format!("${} to {most}", cost.at_least),
        None => format!("${} and no upper bound", cost.at_least),
    }
}

/// Each attempt of known usage costs what its usage costs, to the grain.
pub(crate) fn costs(evidence: &Evidence) -> Line {
    let name = "exact usage has its exact price, to the grain";
    let Some(ledger) = &evidence.ledger else {
        return Line::new(name, "", vec!["there is no ledger to read".into()]);
    };
    let (mut checked, mut broken) = (0_u64, Vec::new());
    let attempts = ledger
        .calls
        .iter()
        .flat_map(|call| call.attempts.iter().map(move |a| (call, a)));
    for (call, attempt) in attempts {
        let (Some(usage), Some(cost)) = (&attempt.usage, &attempt.cost) else {
            continue;
        };
        if !usage.is_exact() {
            continue;
        }
        checked += 1;
        let of = |meter| usage.at_least(meter);
        let line = BillLine {
            provider: attempt.provider.clone().unwrap_or_default(),
            prompt: of(Meter::InputTokens) + of(Meter::CachedInputTokens),
            cached: of(Meter::CachedInputTokens),
            completion: of(Meter::OutputTokens) + of(Meter::ReasoningTokens),
            audio_us: usage
                .get(Meter::ServerAudioUs)
                .map_or(of(Meter::AudioUs), |count| count.at_least),
            characters: of(Meter::Characters),
            ..BillLine::default()
        };
        let wanted = prices::cost(&line);
        if cost.at_least != wanted || cost.at_most != Some(wanted) {
            let off = cost.at_least.grains() - wanted.grains();
            broken.push(format!(
                "{} {}: off by {off} grains of {}",
                call.stage,
                call.id,
                wanted.grains()
            ));
        }
    }
    Line::new(name, format!("{checked} amounts"), broken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::evidence::Called;

    #[test]
    fn audio_is_lost_on_a_network_only_and_of_calls_that_did_not_complete_only() {
        let [whole, cut, killed] =
            [Some(Outcome::Completed), Some(Outcome::Failed), None].map(|over| Called {
                over,
                ..Called::default()
            });
        let torn = |calls: &[&Called], real| {
            let pairs = calls.iter().map(|&called| Pair {
                called,
                recorded: None,
            });
            is_torn(&pairs.collect::<Vec<_>>(), real)
        };

        assert!(torn(&[&whole, &cut], true));
        assert!(torn(&[&killed], true));
        assert!(!torn(&[&whole, &whole], true));
        assert!(!torn(&[&whole, &cut, &killed], false));
    }
}

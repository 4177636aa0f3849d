//! The report as a page to send around.

use super::{Found, between};
use crate::{
    commands::{
        by::By,
        errors::{self, Group},
        latency::measured::{Measured, What, measure},
        sums,
    },
    fault::Fault,
    moment,
    money::Range,
    page::{self, Band, Bar, Html, Line, Scale, bars, lines, spark_bars, spark_line},
    table::grouped,
};
use campanile::alerts::Standing;
use campanile_core::{Cost, Money, Timestamp};
use campanile_sinks::ledger::{Dimension, Query, Reader, ReportRow, Sketch};
use std::collections::BTreeMap;

/// Providers with a colour of their own; the others share one.
const COLOURS: usize = 5;
/// Longer ranges are drawn by day.
const BY_HOUR_US: i64 = 3 * Timestamp::DAY_US;
const HOUR_US: i64 = 3_600_000_000;
/// Stretches of a small trend.
const TREND: usize = 24;
/// Groups of errors that are shown.
const ERRORS: usize = 12;

/// What a page is made of.
pub(super) struct Page<'a> {
    found: &'a Found,
    by: &'a [By],
    now: Timestamp,
    time: Time,
    /// By stretch of time and provider.
    spent: Vec<ReportRow>,
    latency: Measured,
    errors: Vec<Group>,
}

/// The time that is drawn, in stretches of an hour or a day.
struct Time {
    since: Timestamp,
    until: Timestamp,
    step: i64,
}

impl Time {
    fn of(found: &Found, first: Option<Timestamp>, now: Timestamp) -> Self {
        let until = found.asked.until.unwrap_or(now).min(now);
        let since = found.asked.since.or(first).unwrap_or(until).min(until);
        let step = if until.0 - since.0 <= BY_HOUR_US {
            HOUR_US
        } else {
            Timestamp::DAY_US
        };
        Self { since, until, step }
    }

    fn dimension(&self) -> Dimension {
        if self.step == HOUR_US {
            Dimension::Hour
        } else {
            Dimension::Day
        }
    }

    fn is_by_hour(&self) -> bool {
        self.step == HOUR_US
    }

    /// Their names as the ledger has them, and as people read them.
    fn stretches(&self) -> Vec<(String, String)> {
        let first = self.since.0.div_euclid(self.step);
        let last = (self.until.0 - 1).max(self.since.0).div_euclid(self.step);
        let name = |n: i64| {
            let text = Timestamp(n * self.step).to_string();
            match self.is_by_hour() {
                // The day once: the others follow it.
                true if n == first => (
                    text[..13].to_owned(),
                    format!("{} {}", day(&text), &text[11..16]),
                ),
                true => (text[..13].to_owned(), text[11..16].to_owned()),
                false => (text[..10].to_owned(), day(&text)),
            }
        };
        (first..=last).map(name).collect()
    }

    fn place(&self, at: i64) -> usize {
        let place = at.div_euclid(self.step) - self.since.0.div_euclid(self.step);
        usize::try_from(place).unwrap_or(0)
    }
}

/// `24 Nov`
fn day(text: &str) -> String {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let month = text[5..7].parse::<usize>().unwrap_or(1);
    format!(
        "{} {}",
        text[8..10].trim_start_matches('0'),
        MONTHS[(month - 1).min(11)]
    )
}

impl<'a> Page<'a> {
    /// Asks the ledger for what a page needs beside the report itself.
    pub(super) fn of(
        reader: &Reader,
        found: &'a Found,
        by: &'a [By],
        now: Timestamp,
    ) -> Result<Self, Fault> {
        let query = || found.asked.query.clone();
        let first = match found.asked.since {
            Some(_) => None,
            None => first_call(reader, query())?,
        };
        let time = Time::of(found, first, now);
        let spent = reader
            .report(&query().by(vec![time.dimension(), Dimension::Provider]))
            .map_err(Fault::usage)?;
        let columns = [By::Stage, By::Provider, By::Model];
        let latency = measure(
            reader,
            &found.asked.query,
            &columns,
            Some(time.since),
            time.until,
        )?;
        // Damage is told once, by who has printed the page: the same rows are in all of these.
        let (errors, _) = errors::groups(reader, &found.asked)?;
        Ok(Self {
            found,
            by,
            now,
            time,
            spent: spent.rows,
            latency,
            errors,
        })
    }

    pub(super) fn html(&self) -> String {
        let mut body = Html::default();
        body.raw("<header>");
        body.element(
            "<h1>",
            "What it cost, where the time went, what failed",
            "</h1>",
        );
        body.element(
            "<p class=\"range\">",
            &between(&self.found.asked),
            "</p></header>\n",
        );
        self.tiles(&mut body);
        let providers = self.providers();
        self.spend(&providers, &mut body);
        body.raw("<div class=\"pair\">\n");
        self.budgets(&mut body);
        self.wasted(&providers, &mut body);
        body.raw("</div>\n");
        self.turns(&mut body);
        self.stages(&mut body);
        self.failures(&mut body);
        self.rows(&mut body);
        page::document("campanile report", body, self.now)
    }

    fn tiles(&self, body: &mut Html) {
        let total = &self.found.total;
        body.raw("<div class=\"tiles\">\n");
        let mut tile = |name: &str, value: &str, note: &str| {
            let first = if name == "spent" { " first" } else { "" };
            body.push(format_args!("<div class=\"tile{first}\">"));
            body.element("<p class=\"name\">", name, "</p>");
            body.element("<p class=\"value\">", value, "</p>");
            body.element("<p class=\"note\">", note, "</p></div>\n");
        };
        let cost = Range::of(&total.cost);
        let sure = match (cost.is_exact(), total.unpriced) {
            (true, _) => "exact".to_owned(),
            (false, 0) => format!("{} attempts known within bounds", grouped(total.inexact)),
            (false, n) => format!("{} attempts without a full price", grouped(n)),
        };
        tile("spent", &cost.shown(), &sure);
        tile(
            "wasted",
            &Range::of(&total.wasted).shown(),
            &share(&total.wasted, &total.cost),
        );
        let failed = total.failed + total.crashed;
        let of = |part: u64| permille(part, total.calls);
        tile(
            "calls",
            &grouped(total.calls),
            &format!("{} cut", grouped(total.cancelled)),
        );
        tile("failed", &grouped(failed), &of(failed));
        let turns = &self.latency.turns;
        let quantile = |per_mille| {
            turns
                .user_to_bot
                .quantile(per_mille)
                .map_or_else(|| "–".to_owned(), moment::span)
        };
        if turns.user_to_bot.count() > 0 {
            let note = format!("p95 {}, {} turns", quantile(950), grouped(turns.turns));
            tile("user to bot, median", &quantile(500), &note);
        }
        body.raw("</div>\n");
    }

    /// Those with a colour, the dearest first.
    fn providers(&self) -> Vec<String> {
        let mut sums: BTreeMap<&str, Money> = BTreeMap::new();
        for row in &self.spent {
            let sum = sums.entry(&row.keys[1]).or_default();
            *sum = sum.checked_add(row.cost.at_least).unwrap_or(*sum);
        }
        let mut providers: Vec<(&str, Money)> = sums.into_iter().collect();
        providers.sort_by_key(|(_, money)| std::cmp::Reverse(*money));
        providers
            .into_iter()
            .map(|(provider, _)| provider.to_owned())
            .collect()
    }

    fn spend(&self, providers: &[String], body: &mut Html) {
        let unit = if self.time.is_by_hour() {
            "hour"
        } else {
            "day"
        };
        let mut inside = Html::default();
        legend(providers, &mut inside);
        inside.append(
            self.plot(&format!("Spend by {unit} and provider"), providers, |row| {
                &row.cost
            }),
        );
        let caption = "The pale part is what it may have cost more: replies that were cut have bounds, not a bill.";
        body.card(&format!("Spend by {unit} and provider"), caption, inside);
    }

    fn wasted(&self, providers: &[String], body: &mut Html) {
        let mut inside = Html::default();
        let wasted = Range::of(&self.found.total.wasted);
        if wasted.is_nothing() {
            inside.raw("<p class=\"none\">Nothing was wasted.</p>\n");
        } else {
            inside.append(self.plot("Wasted spend", providers, |row| &row.wasted));
            let kinds = sums::wasted_by(&self.found.total);
            inside.element("<p class=\"caption\">", &kinds, "</p>\n");
        }
        body.card(
            "Wasted",
            "Paid and heard by nobody: replies that were cut, speech that was not played, attempts that failed or were made again, \
             guesses that were wrong, silence.",
            inside,
        );
    }

    fn plot(&self, about: &str, providers: &[String], cost: impl Fn(&ReportRow) -> &Cost) -> Html {
        let stretches = self.time.stretches();
        let mut all: Vec<Bar> = stretches
            .iter()
            .map(|(_, label)| Bar {
                label: label.clone(),
                ..Bar::default()
            })
            .collect();
        let place = |key: &str| stretches.iter().position(|(name, _)| name == key);
        for (colour, provider) in providers.iter().enumerate() {
            for row in self.spent.iter().filter(|row| row.keys[1] == *provider) {
                let Some(bar) = place(&row.keys[0]).and_then(|n| all.get_mut(n)) else {
                    continue;
                };
                let amount = cost(row);
                let tip = format!(
                    "{}, {}: {}",
                    row.keys[0],
                    shown(provider),
                    Range::of(amount).shown()
                );
                let value = dollars(amount.at_least);
                bar.bands.push(Band {
                    value,
                    colour: colour.min(COLOURS),
                    tip,
                });
                bar.open += amount.at_most.map_or(0.0, |most| dollars(most) - value);
                bar.open_tip = format!("{}: not more than this, as far as is known", row.keys[0]);
            }
        }
        let height = |bar: &Bar| bar.open + bar.bands.iter().map(|band| band.value).sum::<f64>();
        let most = all.iter().map(height).fold(0.0, f64::max);
        bars(about, &Scale::to(most, tick), &all)
    }

    fn budgets(&self, body: &mut Html) {
        let mut inside = Html::default();
        if self.found.budgets.is_empty() {
            inside.raw("<p class=\"none\">There is no budget for this time.</p>\n");
        } else {
            inside.raw("<div class=\"budgets\">\n");
            self.found
                .budgets
                .iter()
                .for_each(|standing| budget(standing, &mut inside));
            inside.raw("</div>\n");
        }
        body.card("Budgets", "Upper bounds count.", inside);
    }

    fn turns(&self, body: &mut Html) {
        if self.latency.turns.user_to_bot.count() == 0 {
            return;
        }
        let stretches = self.time.stretches();
        let mut sums = vec![Sketch::default(); stretches.len()];
        for (at, turns) in &self.latency.turn_hours {
            if let Some(sum) = sums.get_mut(self.time.place(*at)) {
                sum.absorb(&turns.user_to_bot);
            }
        }
        let mut most = 0.0_f64;
        let quantiles = [
            ("median", 500, 0),
            ("95th percentile", 950, 1),
            ("99th percentile", 990, 3),
        ];
        let all: Vec<Line> = quantiles
            .iter()
            .map(|(name, per_mille, colour)| {
                let values: Vec<Option<u64>> = sums
                    .iter()
                    .map(|sketch| sketch.quantile(*per_mille))
                    .collect();
                let tips = values.iter().zip(&stretches).map(|(value, (key, _))| {
                    let value = value.map_or_else(|| "–".to_owned(), moment::span);
                    format!("{key}: {name} {value}")
                });
                let tips = tips.collect();
                let values: Vec<Option<f64>> = values
                    .iter()
                    .map(|us| us.map(|us| us as f64 / 1_000.0))
                    .collect();
                most = values.iter().flatten().copied().fold(most, f64::max);
                Line {
                    colour: *colour,
                    values,
                    tips,
                }
            })
            .collect();
        let labels: Vec<String> = stretches.into_iter().map(|(_, label)| label).collect();
        let mut inside = Html::default();
        inside.raw("<ul class=\"legend\">");
        for (name, _, colour) in quantiles {
            inside.push(format_args!("<li><i class=\"c{colour}\"></i>{name}</li>"));
        }
        inside.raw("</ul>\n");
        inside.append(lines(
            "User to bot latency over time",
            &Scale::to(most, milliseconds),
            &labels,
            &all,
        ));
        let caption = "From the end of the user's speech to the first audio of the bot. A percentile that too few turns carry is left out; each is within 0.8 % of itself.";
        body.card("User to bot", caption, inside);
    }

    fn stages(&self, body: &mut Html) {
        let timed = self
            .latency
            .groups
            .iter()
            .filter(|(_, group)| group.all.first_item.count() > 0);
        let rows: Vec<Vec<Html>> = timed
            .map(|(keys, group)| {
                let first = &group.all.first_item;
                let cell =
                    |us: Option<u64>| Html::from(us.map_or_else(|| "–".to_owned(), moment::span));
                let trend = self.latency.call_trend(group, What::FirstItem, TREND);
                vec![
                    Html::from(shown(&keys[0])),
                    Html::from(format!("{} {}", keys[1], keys[2])),
                    Html::from(grouped(first.count())),
                    cell(group.all.queued.quantile(950)),
                    cell(first.quantile(500)),
                    cell(first.quantile(950)),
                    cell(first.quantile(990)),
                    spark_line("its median over time", &trend, 0),
                ]
            })
            .collect();
        if rows.is_empty() {
            return;
        }
        let mut inside = Html::default();
        let heads = [
            "stage",
            "served by",
            ">n",
            ">queue p95",
            ">p50",
            ">p95",
            ">p99",
            "median over time",
        ];
        inside.table(&heads, rows, None);
        body.card(
            "Time to first item",
            "From the start of the client; waiting in queues of the program stands apart.",
            inside,
        );
    }

    fn failures(&self, body: &mut Html) {
        let mut inside = Html::default();
        if self.errors.is_empty() {
            inside.raw("<p class=\"none\">Nothing failed.</p>\n");
        } else {
            let rows = self.errors.iter().take(ERRORS).map(|group| {
                let trend = group.trend(self.time.since, self.time.until, TREND);
                let mut what = Html::default();
                what.element("<span class=\"bad\">", &group.what(), "</span>");
                what.element("<span class=\"mono under\">", &group.fingerprint, "</span>");
                let mut text = Html::default();
                text.element(
                    "<div class=\"wide\">",
                    group.chain.first().map_or("", String::as_str),
                    "</div>",
                );
                let stages: Vec<&str> = group.stages.iter().map(String::as_str).collect();
                vec![
                    what,
                    Html::from(stages.join(" ")),
                    Html::from(grouped(group.count)),
                    spark_bars("calls over time", &trend, 4),
                    Html::from(grouped(group.sessions.len() as u64)),
                    Html::from(if group.dead_us == 0 {
                        String::new()
                    } else {
                        moment::span(group.dead_us)
                    }),
                    Html::from(group.recoverable()),
                    Html::from(moment::short(group.last_at)[..16].to_owned()),
                    text,
                ]
            });
            let heads = [
                "what",
                "stage",
                ">calls",
                "over time",
                ">sessions",
                ">dead air",
                "again",
                "last",
                "text",
            ];
            inside.table(&heads, rows.collect(), None);
            if let Some(more) = self
                .errors
                .len()
                .checked_sub(ERRORS)
                .filter(|more| *more > 0)
            {
                inside.element(
                    "<p class=\"caption\">",
                    &format!("and {more} groups more: campanile errors"),
                    "</p>\n",
                );
            }
        }
        body.card("What failed", "Calls that failed, by what went wrong. Dead air is how long callers heard nothing because of it; again, whether the same request may succeed later.", inside);
    }

    fn rows(&self, body: &mut Html) {
        let names: Vec<String> = self.by.iter().map(|by| by.name().into_owned()).collect();
        let mut heads: Vec<&str> = names.iter().map(String::as_str).collect();
        heads.extend([
            ">calls",
            ">failed",
            ">cut",
            ">tokens in",
            ">tokens out",
            ">audio",
            ">characters",
            ">wasted",
            ">cost",
        ]);
        let cells = |keys: Vec<Html>, row: &ReportRow| {
            let [fresh, _, out, audio, _, characters] = sums::used(&row.usage);
            let count = |count: u64| {
                Html::from(if count == 0 {
                    String::new()
                } else {
                    grouped(count)
                })
            };
            let wasted = Range::of(&row.wasted);
            let mut cells = keys;
            cells.extend([
                Html::from(grouped(row.calls)),
                count(row.failed + row.crashed),
                count(row.cancelled),
            ]);
            cells.extend([fresh, out, audio, characters].map(Html::from));
            cells.push(Html::from(if wasted.is_nothing() {
                String::new()
            } else {
                wasted.shown()
            }));
            cells.push(Html::from(Range::of(&row.cost).shown()));
            cells
        };
        let keys = |row: &ReportRow| row.keys.iter().map(|key| Html::from(shown(key))).collect();
        let rows = self
            .found
            .rows
            .iter()
            .map(|row| cells(keys(row), row))
            .collect();
        let mut total = vec![Html::from("total")];
        total.resize(self.by.len(), Html::default());
        let total = cells(total, &self.found.total);
        let mut inside = Html::default();
        inside.table(&heads, rows, Some(total));
        body.card(
            &format!("By {}", names.join(" and ")),
            "A call counts where its last attempt went, an amount where it is billed.",
            inside,
        );
    }
}

/// The first call that is asked for, where no time says.
fn first_call(reader: &Reader, query: Query) -> Result<Option<Timestamp>, Fault> {
    let days = reader
        .report(&query.by(vec![Dimension::Day]))
        .map_err(Fault::usage)?;
    let first = days
        .rows
        .first()
        .map(|row| format!("{}T00:00:00Z", row.keys[0]));
    Ok(first.and_then(|text| Timestamp::read(text.as_bytes())))
}

fn legend(providers: &[String], html: &mut Html) {
    html.raw("<ul class=\"legend\">");
    for (colour, provider) in providers.iter().enumerate().take(COLOURS) {
        html.push(format_args!("<li><i class=\"c{colour}\"></i>"));
        html.text(&shown(provider));
        html.raw("</li>");
    }
    if providers.len() > COLOURS {
        html.raw("<li><i class=\"c5\"></i>others</li>");
    }
    html.raw("</ul>\n");
}

fn budget(standing: &Standing, html: &mut Html) {
    let thousandths = standing.thousandths();
    let (class, tone) = match thousandths {
        1_000.. => ("cut", "bad"),
        800.. => ("queue", "warn"),
        _ => ("c2", "soft"),
    };
    let name = standing.budget.trim_start_matches("budget:").to_owned();
    let name = standing
        .subject
        .as_ref()
        .map_or(name.clone(), |subject| format!("{name} ({subject})"));
    let limit = Range::of(&Cost::exact(standing.limit)).shown();
    html.element(
        "<div><div class=\"head\"><span>",
        &format!("{name}, {}", standing.window),
        "</span>",
    );
    html.push(format_args!("<span class=\"{tone}\">"));
    html.text(&format!(
        "{} of {limit}, {} %",
        Range::of(&standing.spent).shown(),
        thousandths / 10
    ));
    html.push(format_args!(
        "</span></div><span class=\"track\"><i class=\"{class}\" style=\"width:{}%\"></i></span>",
        (thousandths / 10).min(100)
    ));
    let told = match standing.exhausted_at {
        Some(at) => format!("at this rate until {}", at.told()),
        None if standing.spent.at_most.is_none() => "has no upper bound".to_owned(),
        None if thousandths >= 1_000 => "used up".to_owned(),
        None => "lasts".to_owned(),
    };
    html.element("<p class=\"caption\">", &told, "</p></div>\n");
}

/// A key; a word where nobody said.
fn shown(key: &str) -> String {
    if key.is_empty() {
        "nobody said".to_owned()
    } else {
        key.to_owned()
    }
}

/// For places on a page.
fn dollars(money: Money) -> f64 {
    money.grains() as f64 / Money::GRAINS_PER_USD as f64
}

fn tick(value: f64) -> String {
    match value {
        0.0 => "$0".to_owned(),
        1_000.0.. => format!("${}", grouped(value as u64)),
        1.0.. if value.fract() == 0.0 => format!("${value}"),
        0.01.. => format!("${value:.2}"),
        _ => {
            let text = format!("{value:.8}");
            format!("${}", text.trim_end_matches('0'))
        }
    }
}

fn milliseconds(value: f64) -> String {
    match value {
        0.0 => "0".to_owned(),
        1_000.0.. => format!("{} s", value / 1_000.0),
        _ => format!("{value} ms"),
    }
}

/// What part of a cost another one is, as far as both are known.
fn share(part: &Cost, whole: &Cost) -> String {
    let (part, whole) = (part.at_least.grains(), whole.at_least.grains());
    match whole {
        0 => String::new(),
        _ => {
            let thousandths = part.saturating_mul(1_000) / whole;
            format!("{}.{} % of it at least", thousandths / 10, thousandths % 10)
        }
    }
}

fn permille(part: u64, whole: u64) -> String {
    if whole == 0 {
        return String::new();
    }
    let thousandths = u128::from(part) * 1_000 / u128::from(whole);
    format!("{}.{} % of all", thousandths / 10, thousandths % 10)
}

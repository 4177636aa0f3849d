//! A plot over the time of a soak, as SVG: lines, bands, and the faults behind them.

use std::fmt::Write as _;

const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 200.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 24.0;

/// One line: minutes, and values in the plot's unit.
pub(super) struct Series {
    pub(super) name: String,
    /// A class of the page's style: `a` to `d`.
    pub(super) class: char,
    pub(super) points: Vec<(f64, f64)>,
    /// Whether the line goes up in steps, as counts and amounts do.
    pub(super) steps: bool,
}

/// A fault, from one minute to another.
pub(super) struct Band {
    pub(super) name: String,
    pub(super) from: f64,
    pub(super) until: f64,
}

/// A plot with its title.
pub(super) struct Plot<'a> {
    pub(super) title: &'a str,
    pub(super) about: &'a str,
    pub(super) unit: Unit,
    pub(super) series: Vec<Series>,
}

/// What the values of a plot are.
#[derive(Clone, Copy)]
pub(super) enum Unit {
    Bytes,
    Count,
    Millis,
    Dollars,
}

impl Unit {
    fn word(self, value: f64) -> String {
        let digits = |value: f64| match value.abs() {
            v if v >= 100.0 || v == 0.0 => format!("{value:.0}"),
            v if v >= 10.0 => format!("{value:.1}"),
            _ => format!("{value:.2}"),
        };
        match self {
            Unit::Bytes if value >= 1_048_576.0 => format!("{} MiB", digits(value / 1_048_576.0)),
            Unit::Bytes => format!("{} KiB", digits(value / 1_024.0)),
            Unit::Count if value >= 1_000_000.0 => format!("{}M", digits(value / 1e6)),
            Unit::Count if value >= 10_000.0 => format!("{}k", digits(value / 1e3)),
            Unit::Count => digits(value),
            Unit::Millis if value >= 1_000.0 => format!("{} s", digits(value / 1e3)),
            Unit::Millis => format!("{} ms", digits(value)),
            Unit::Dollars => format!(
                "${}",
                if value < 1.0 {
                    format!("{value:.3}")
                } else {
                    format!("{value:.2}")
                }
            ),
        }
    }
}

impl Plot<'_> {
    /// The figure, for a run of so many minutes.
    pub(super) fn draw(&self, minutes: f64, bands: &[Band]) -> String {
        let most = self
            .series
            .iter()
            .flat_map(|s| &s.points)
            .map(|p| p.1)
            .fold(0.0, f64::max);
        let top = nice(most);
        let x = |at: f64| LEFT + (WIDTH - LEFT - RIGHT) * (at / minutes).clamp(0.0, 1.0);
        let y = |value: f64| HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (value / top).min(1.0);
        let mut svg = format!(
            "<figure><figcaption><b>{}</b> <span>{}</span>{}</figcaption><svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">",
            self.title,
            self.about,
            self.legend(),
            self.title
        );
        for band in bands {
            let (from, until) = (x(band.from), x(band.until).max(x(band.from) + 1.5));
            let _ = write!(
                svg,
                "<rect class=\"fault\" x=\"{from:.1}\" y=\"{TOP}\" width=\"{:.1}\" height=\"{:.1}\"><title>{} from {:.1} to {:.1} min</title></rect>",
                until - from,
                HEIGHT - TOP - BOTTOM,
                band.name,
                band.from,
                band.until
            );
        }
        for step in 0..=4 {
            let value = top * f64::from(step) / 4.0;
            let _ = write!(
                svg,
                "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{2:.1}\" y2=\"{2:.1}\"/><text class=\"y\" x=\"{3:.1}\" y=\"{4:.1}\">{1}</text>",
                WIDTH - RIGHT,
                self.unit.word(value),
                y(value),
                LEFT - 6.0,
                y(value) + 4.0
            );
        }
        for step in 0..=6 {
            let at = minutes * f64::from(step) / 6.0;
            let label = if minutes >= 6.0 {
                format!("{at:.0} min")
            } else {
                format!("{at:.1} min")
            };
            let anchor = match step {
                0 => "start",
                6 => "end",
                _ => "middle",
            };
            let _ = write!(
                svg,
                "<text class=\"x\" text-anchor=\"{anchor}\" x=\"{:.1}\" y=\"{:.1}\">{label}</text>",
                x(at),
                HEIGHT - 6.0
            );
        }
        for series in &self.series {
            let _ = write!(
                svg,
                "<path class=\"{}\" d=\"{}\"/>",
                series.class,
                path(series, x, y)
            );
        }
        svg.push_str("</svg></figure>");
        svg
    }

    fn legend(&self) -> String {
        let entry = |series: &Series| {
            let last = series
                .points
                .last()
                .map_or_else(String::new, |p| self.unit.word(p.1));
            format!(
                "<em class=\"{}\">{} <i>{last}</i></em>",
                series.class, series.name
            )
        };
        self.series.iter().map(entry).collect()
    }
}

fn path(series: &Series, x: impl Fn(f64) -> f64, y: impl Fn(f64) -> f64) -> String {
    // More points than pixels would only make the page heavy.
    let every = series.points.len().div_ceil(900).max(1);
    let last = series.points.len().saturating_sub(1);
    let kept = series
        .points
        .iter()
        .enumerate()
        .filter(|(at, _)| at % every == 0 || *at == last);
    let mut path = String::new();
    for (at, (_, (minute, value))) in kept.enumerate() {
        let (x, y) = (x(*minute), y(*value));
        let _ = match (at, series.steps) {
            (0, _) => write!(path, "M{x:.1} {y:.1}"),
            (_, true) => write!(path, "H{x:.1}V{y:.1}"),
            (_, false) => write!(path, "L{x:.1} {y:.1}"),
        };
    }
    path
}

/// A round number that is no smaller.
fn nice(most: f64) -> f64 {
    if most <= 0.0 {
        return 1.0;
    }
    let power = 10_f64.powf(most.log10().floor());
    let steps = [1.0, 1.2, 1.6, 2.0, 2.4, 3.2, 4.0, 5.0, 6.0, 8.0, 10.0];
    let found = steps.into_iter().find(|step| step * power >= most * 1.02);
    found.unwrap_or(12.0) * power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_end_at_round_numbers_above_the_data() {
        for most in [0.001, 0.9, 1.0, 17.0, 99.0, 12_345.0] {
            assert!(
                nice(most) >= most && nice(most) <= most * 1.6,
                "{most}: {}",
                nice(most)
            );
        }
        assert_eq!(nice(0.0), 1.0);
        assert_eq!(Unit::Bytes.word(3_145_728.0), "3.00 MiB");
        assert_eq!(Unit::Dollars.word(0.0125), "$0.013");
    }
}

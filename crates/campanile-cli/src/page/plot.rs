//! Plots: shapes in a square of 100 by 100 that the page stretches, words beside it.
//!
//! Floats are for places on a page only; amounts and times are written from their own types.

use super::{Html, attribute};

/// Where values are drawn, from nothing to a round number, and how these are called.
#[derive(Clone, Debug)]
pub(crate) struct Scale {
    top: f64,
    ticks: Vec<(f64, String)>,
}

impl Scale {
    /// Up to at least `most`, with a few round ticks.
    pub(crate) fn to(most: f64, name: impl Fn(f64) -> String) -> Self {
        let most = if most > 0.0 && most.is_finite() {
            most
        } else {
            1.0
        };
        let step = round_step(most / 4.0);
        let count = (most / step).ceil().max(1.0);
        let ticks = (0..=count as usize).map(|n| n as f64 * step);
        Self {
            top: count * step,
            ticks: ticks.map(|value| (value, name(value))).collect(),
        }
    }

    /// From below, in hundredths.
    fn height(&self, value: f64) -> f64 {
        (value / self.top * 100.0).clamp(0.0, 100.0)
    }
}

/// 1, 2, 2.5 or 5 times a power of ten, at least `step`.
fn round_step(step: f64) -> f64 {
    let power = 10_f64.powf(step.log10().floor());
    let factor = [1.0, 2.0, 2.5, 5.0, 10.0]
        .into_iter()
        .find(|factor| factor * power >= step * 0.999_999);
    factor.unwrap_or(10.0) * power
}

/// One bar: bands on each other, and how far it may really reach.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bar {
    pub(crate) label: String,
    pub(crate) bands: Vec<Band>,
    /// The upper bound above the bands, where it is higher.
    pub(crate) open: f64,
    pub(crate) open_tip: String,
}

/// A part of a bar.
#[derive(Clone, Debug)]
pub(crate) struct Band {
    pub(crate) value: f64,
    /// Number of its colour.
    pub(crate) colour: usize,
    pub(crate) tip: String,
}

/// A plot of bars over time.
pub(crate) fn bars(about: &str, scale: &Scale, all: &[Bar]) -> Html {
    let mut shapes = Html::default();
    let slot = 100.0 / all.len().max(1) as f64;
    let width = slot * if all.len() > 40 { 0.8 } else { 0.64 };
    for (n, bar) in all.iter().enumerate() {
        let x = n as f64 * slot + (slot - width) / 2.0;
        let mut base = 0.0;
        let mut rect = |class: &str, value: f64, tip: &str| {
            let (low, high) = (scale.height(base), scale.height(base + value));
            base += value;
            if high > low {
                shapes.push(format_args!(
                    "<rect class=\"{class}\" x=\"{x:.2}\" y=\"{:.2}\" width=\"{width:.2}\" height=\"{:.2}\"><title>{}</title></rect>",
                    100.0 - high,
                    high - low,
                    attribute(tip)
                ));
            }
        };
        for band in &bar.bands {
            rect(&format!("c{}", band.colour.min(5)), band.value, &band.tip);
        }
        rect("c5 open", bar.open, &bar.open_tip);
    }
    let places: Vec<(f64, &str)> = all
        .iter()
        .enumerate()
        .map(|(n, bar)| ((n as f64 + 0.5) * slot, bar.label.as_str()))
        .collect();
    frame(about, scale, shapes, &places)
}

/// A line over time; it is broken where there is no value.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) colour: usize,
    pub(crate) values: Vec<Option<f64>>,
    /// Of each value.
    pub(crate) tips: Vec<String>,
}

/// A plot of lines.
pub(crate) fn lines(about: &str, scale: &Scale, labels: &[String], all: &[Line]) -> Html {
    let count = labels.len().max(1);
    let x = |n: usize| (n as f64 + 0.5) * 100.0 / count as f64;
    let mut shapes = Html::default();
    for line in all {
        let mut run: Vec<(f64, f64)> = Vec::new();
        let ends = line.values.iter().copied().chain([None]).enumerate();
        for (n, value) in ends {
            match value {
                Some(value) => run.push((x(n), 100.0 - scale.height(value))),
                None => {
                    polyline(&mut shapes, line.colour, &run);
                    run.clear();
                }
            }
        }
        for (n, tip) in line.tips.iter().enumerate() {
            // An area to point at; where a value stands alone, a dot.
            if let Some(Some(value)) = line.values.get(n) {
                let y = 100.0 - scale.height(*value);
                shapes.push(format_args!(
                    "<path class=\"dot s{}\" d=\"M{:.2} {y:.2}h0\"><title>{}</title></path>",
                    line.colour.min(5),
                    x(n),
                    attribute(tip)
                ));
            }
        }
    }
    let places: Vec<(f64, &str)> = labels
        .iter()
        .enumerate()
        .map(|(n, label)| (x(n), label.as_str()))
        .collect();
    frame(about, scale, shapes, &places)
}

fn polyline(shapes: &mut Html, colour: usize, points: &[(f64, f64)]) {
    if points.len() < 2 {
        return;
    }
    shapes.push(format_args!(
        "<polyline class=\"s{}\" points=\"",
        colour.min(5)
    ));
    for (x, y) in points {
        shapes.push(format_args!("{x:.2},{y:.2} "));
    }
    shapes.raw("\"/>");
}

/// What is below a line, pale.
fn area(shapes: &mut Html, colour: usize, points: &[(f64, f64)]) {
    let [(first, _), .., (last, _)] = points else {
        return;
    };
    shapes.push(format_args!(
        "<polygon class=\"c{} pale\" points=\"{first:.2},100 ",
        colour.min(5)
    ));
    for (x, y) in points {
        shapes.push(format_args!("{x:.2},{y:.2} "));
    }
    shapes.push(format_args!("{last:.2},100\"/>"));
}

/// The square with its ticks, its shapes, and some of the labels below.
fn frame(about: &str, scale: &Scale, shapes: Html, labels: &[(f64, &str)]) -> Html {
    let mut html = Html::default();
    html.raw("<figure class=\"plot\"><div class=\"y\" aria-hidden=\"true\">");
    let longest = scale
        .ticks
        .iter()
        .max_by_key(|(_, name)| name.chars().count());
    // Holds the column open.
    html.element("<b>", longest.map_or("", |(_, name)| name.as_str()), "</b>");
    for (value, name) in &scale.ticks {
        html.push(format_args!(
            "<span style=\"bottom:{:.2}%\">",
            scale.height(*value)
        ));
        html.text(name);
        html.raw("</span>");
    }
    html.push(format_args!(
        "</div><svg viewBox=\"0 0 100 100\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"{}\">",
        attribute(about)
    ));
    for (value, _) in &scale.ticks {
        let y = 100.0 - scale.height(*value);
        let class = if *value == 0.0 { "base" } else { "grid" };
        html.push(format_args!(
            "<line class=\"{class}\" x1=\"0\" x2=\"100\" y1=\"{y:.2}\" y2=\"{y:.2}\"/>"
        ));
    }
    html.append(shapes);
    html.raw("</svg><div class=\"x\" aria-hidden=\"true\">");
    for (n, (x, label)) in chosen(labels).into_iter().enumerate() {
        let class = if n > 0 && x > 92.0 {
            " class=\"end\""
        } else {
            ""
        };
        let x = if class.is_empty() { x } else { 100.0 };
        html.push(format_args!(
            "<span{class} style=\"left:{:.2}%\">",
            if n == 0 && x < 8.0 { 0.0 } else { x }
        ));
        html.text(label);
        html.raw("</span>");
    }
    html.raw("</div></figure>\n");
    html
}

/// At most five, with the first and the last.
fn chosen<'a>(labels: &[(f64, &'a str)]) -> Vec<(f64, &'a str)> {
    const MOST: usize = 5;
    let last = labels.len().saturating_sub(1);
    if last < MOST {
        return labels.to_vec();
    }
    (0..MOST)
        .map(|n| labels[(n * last + (MOST - 1) / 2) / (MOST - 1)])
        .collect()
}

/// A row of small bars.
pub(crate) fn spark_bars(about: &str, values: &[Option<u64>], colour: usize) -> Html {
    let most = values.iter().flatten().max().copied().unwrap_or(0).max(1) as f64;
    let slot = 100.0 / values.len().max(1) as f64;
    spark(about, |html| {
        for (n, value) in values.iter().enumerate() {
            let height = value.map_or(0.0, |value| value as f64 / most * 100.0);
            let height = if height > 0.0 { height.max(8.0) } else { 0.0 };
            html.push(format_args!(
                "<rect class=\"c{colour}\" x=\"{:.2}\" y=\"{:.2}\" width=\"{:.2}\" height=\"{height:.2}\"/>",
                n as f64 * slot,
                100.0 - height,
                slot * 0.8
            ));
        }
    })
}

/// A small line.
pub(crate) fn spark_line(about: &str, values: &[Option<u64>], colour: usize) -> Html {
    let most = values.iter().flatten().max().copied().unwrap_or(0).max(1) as f64;
    let x = |n: usize| (n as f64 + 0.5) * 100.0 / values.len().max(1) as f64;
    spark(about, |html| {
        let mut run = Vec::new();
        for (n, value) in values.iter().copied().chain([None]).enumerate() {
            match value {
                Some(value) => run.push((x(n), 92.0 - value as f64 / most * 84.0)),
                None => {
                    area(html, colour, &run);
                    if let [(x, y)] = run[..] {
                        html.push(format_args!(
                            "<path class=\"dot s{colour}\" d=\"M{x:.2} {y:.2}h0\"/>"
                        ));
                    }
                    polyline(html, colour, &run);
                    run.clear();
                }
            }
        }
    })
}

fn spark(about: &str, draw: impl FnOnce(&mut Html)) -> Html {
    let mut html = Html::default();
    html.push(format_args!(
        "<svg class=\"spark\" viewBox=\"0 0 100 100\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"{}\">",
        attribute(about)
    ));
    draw(&mut html);
    html.raw("</svg>");
    html
}

/// Stretches of one row of a waterfall: where in hundredths each begins, how long it is, its class and what it is.
pub(crate) fn waterfall(about: &str, parts: &[(f64, f64, &str, String)]) -> Html {
    let mut html = Html::default();
    html.push(format_args!(
        "<svg viewBox=\"0 0 100 10\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"{}\"><line class=\"grid\" x1=\"0\" x2=\"100\" y1=\"5\" y2=\"5\"/>",
        attribute(about)
    ));
    for (begin, width, class, tip) in parts {
        let begin = begin.clamp(0.0, 100.0);
        // What is short is still seen.
        let width = width.max(0.25).min(100.0 - begin + 0.25);
        html.push(format_args!(
            "<rect class=\"{class}\" x=\"{begin:.3}\" y=\"0\" width=\"{width:.3}\" height=\"10\"><title>{}</title></rect>",
            attribute(tip)
        ));
    }
    html.raw("</svg>");
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_reach_the_top() {
        for most in [0.0, 0.000_31, 0.7, 1.0, 9.9, 100.0, 123_456.0] {
            let scale = Scale::to(most, |value| value.to_string());
            assert!(scale.top >= most, "{most}: {scale:?}");
            assert!((2..=6).contains(&scale.ticks.len()), "{most}: {scale:?}");
        }
        let scale = Scale::to(9.9, |value| value.to_string());
        let values: Vec<f64> = scale.ticks.iter().map(|(value, _)| *value).collect();
        assert_eq!(values, [0.0, 2.5, 5.0, 7.5, 10.0]);
    }

    #[test]
    fn a_plot_names_its_first_and_last_place() {
        let labels: Vec<(f64, String)> = (0..31).map(|n| (n as f64, n.to_string())).collect();
        let labels: Vec<(f64, &str)> = labels
            .iter()
            .map(|(x, label)| (*x, label.as_str()))
            .collect();
        let chosen: Vec<&str> = chosen(&labels).iter().map(|(_, label)| *label).collect();
        assert_eq!(chosen, ["0", "8", "15", "23", "30"]);
    }

    #[test]
    fn a_hostile_tip_stays_a_text() {
        let bar = Bar {
            label: "<b>".to_owned(),
            bands: vec![Band {
                value: 1.0,
                colour: 0,
                tip: "</title><script>".to_owned(),
            }],
            ..Bar::default()
        };
        let html = bars("\"><script>", &Scale::to(1.0, |_| "<i>".to_owned()), &[bar]).into_string();
        assert!(
            !html.contains("<script>") && !html.contains("<b><") && !html.contains("<i>"),
            "{html}"
        );
    }
}

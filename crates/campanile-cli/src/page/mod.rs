//! Pages to send around: one file, no network, no script, light and dark.
//!
//! Shapes are SVG and stretch with the page; words and numbers stand beside them as HTML, so that they stay readable on
//! a phone. The page forbids itself everything but its own styles.

mod html;
mod plot;

pub(crate) use html::{Html, attribute};
pub(crate) use plot::{Band, Bar, Line, Scale, bars, lines, spark_bars, spark_line, waterfall};

use crate::text;
use campanile_core::Timestamp;

const STYLE: &str = include_str!("style.css");

/// A whole page around its body.
pub(crate) fn document(title: &str, body: Html, made: Timestamp) -> String {
    let mut page = Html::default();
    page.raw("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    page.raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
    page.raw("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n");
    page.raw("<meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"referrer\" content=\"no-referrer\">\n<title>");
    page.text(title);
    page.raw("</title>\n<style>\n");
    page.raw(STYLE);
    page.raw("</style>\n</head>\n<body>\n<main>\n");
    page.append(body);
    page.raw("<footer><p>Amounts are exact, or a range that holds them. Times are UTC. Nothing of what was said is on this page.</p><p>campanile ");
    page.text(env!("CARGO_PKG_VERSION"));
    page.raw(", ");
    page.text(&crate::moment::short(made));
    page.raw(" UTC</p></footer>\n</main>\n</body>\n</html>\n");
    page.into_string()
}

/// A text that is harmless in HTML and says what it said.
fn escaped(text: &str) -> String {
    let clean = text::clean(text);
    let mut escaped = String::with_capacity(clean.len() + 8);
    for char in clean.chars() {
        match char {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

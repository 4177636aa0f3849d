//! Pieces of a page: what comes from outside goes in as text and nothing else.

use super::escaped;
use std::fmt::Write;

/// HTML as it grows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Html(String);

impl Html {
    /// Markup of ours.
    pub(crate) fn raw(&mut self, markup: &str) {
        self.0.push_str(markup);
    }

    /// What was put together with numbers and escaped texts only.
    pub(crate) fn push(&mut self, markup: std::fmt::Arguments<'_>) {
        let Ok(()) = self.0.write_fmt(markup) else {
            unreachable!("a string takes what is written to it")
        };
    }

    /// A text, whatever it holds.
    pub(crate) fn text(&mut self, text: &str) {
        self.0.push_str(&escaped(text));
    }

    /// An element of ours with a text in it.
    pub(crate) fn element(&mut self, open: &str, text: &str, close: &str) {
        self.raw(open);
        self.text(text);
        self.raw(close);
    }

    pub(crate) fn append(&mut self, other: Html) {
        self.0.push_str(&other.0);
    }

    pub(crate) fn into_string(self) -> String {
        self.0
    }

    /// A card with a head and a line of explanation.
    pub(crate) fn card(&mut self, title: &str, caption: &str, inside: Html) {
        self.raw("<section class=\"card\">\n");
        self.element("<h2>", title, "</h2>\n");
        if !caption.is_empty() {
            self.element("<p class=\"caption\">", caption, "</p>\n");
        }
        self.append(inside);
        self.raw("</section>\n");
    }

    /// A table that scrolls in its own frame where the page is narrow. Heads that begin with `>` stand to the right; a column of
    /// which each row is empty is left out.
    pub(crate) fn table(
        &mut self,
        heads: &[&str],
        rows: Vec<Vec<Html>>,
        totals: Option<Vec<Html>>,
    ) {
        let class = |head: &str| {
            if head.starts_with('>') {
                " class=\"r\""
            } else {
                ""
            }
        };
        let is_shown = |n: &usize| rows.is_empty() || rows.iter().any(|row| !row[*n].0.is_empty());
        let shown: Vec<usize> = (0..heads.len()).filter(is_shown).collect();
        self.raw("<div class=\"scroll\" tabindex=\"0\"><table>\n<thead><tr>");
        for head in shown.iter().map(|n| heads[*n]) {
            self.push(format_args!("<th scope=\"col\"{}>", class(head)));
            self.text(head.trim_start_matches('>'));
            self.raw("</th>");
        }
        self.raw("</tr></thead>\n<tbody>\n");
        let rows = rows.into_iter().map(|cells| ("<tr>", cells));
        let totals = totals
            .into_iter()
            .map(|cells| ("<tr class=\"total\">", cells));
        for (open, mut cells) in rows.chain(totals) {
            self.raw(open);
            for n in &shown {
                self.push(format_args!("<td{}>", class(heads[*n])));
                self.append(std::mem::take(&mut cells[*n]));
                self.raw("</td>");
            }
            self.raw("</tr>\n");
        }
        self.raw("</tbody></table></div>\n");
    }
}

impl From<&str> for Html {
    /// A text, whatever it holds.
    fn from(text: &str) -> Self {
        Self(escaped(text))
    }
}

impl From<String> for Html {
    fn from(text: String) -> Self {
        Self(escaped(&text))
    }
}

/// A text between the quotes of an attribute.
pub(crate) fn attribute(text: &str) -> String {
    escaped(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_from_outside_is_text() {
        let hostile = "<script>alert('1')</script>\" onload=\"x & \u{202e}\u{1b}[2J\0\n";

        let html = Html::from(hostile).into_string();

        assert_eq!(
            html,
            "&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&quot; onload=&quot;x &amp; \\u{202e}\\u{1b}[2J\\u{0}\\u{a}"
        );
    }
}

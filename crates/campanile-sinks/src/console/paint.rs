//! Colours, and keeping foreign ones out.

use std::fmt::Write;

/// When colours are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set to something.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Color {
    pub(crate) fn is_on(self, terminal: bool) -> bool {
        let wanted = || std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        match self {
            Color::Auto => terminal && wanted(),
            Color::Always => true,
            Color::Never => false,
        }
    }
}

/// What a piece of a line looks like.
#[derive(Clone, Copy)]
pub(super) enum Paint {
    Plain,
    Dim,
    Bold,
    Red,
    Yellow,
    Green,
    Cyan,
}

impl Paint {
    pub(super) fn code(self) -> &'static str {
        match self {
            Paint::Plain => "",
            Paint::Dim => "\x1b[2m",
            Paint::Bold => "\x1b[1m",
            Paint::Red => "\x1b[31m",
            Paint::Yellow => "\x1b[33m",
            Paint::Green => "\x1b[32m",
            Paint::Cyan => "\x1b[36m",
        }
    }
}

/// Appends a text from outside. What a terminal would act on is written as its number: control characters (C0, C1),
/// line and paragraph separators, changes of the writing direction, invisible joiners.
pub(super) fn clean(text: &str, out: &mut String) {
    for char in text.chars() {
        if acts(char) {
            // Writing to a `String` does not fail.
            let _ = write!(out, "{}", char.escape_unicode());
        } else {
            out.push(char);
        }
    }
}

fn acts(char: char) -> bool {
    char.is_control()
        || matches!(char,
            '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_acts_on_gets_out() {
        let mut out = String::new();

        clean(
            "a\x1b[2J\u{9b}31m\r\n\t\u{202e}b\u{2066}\u{7f}ü中",
            &mut out,
        );

        assert_eq!(
            out,
            r"a\u{1b}[2J\u{9b}31m\u{d}\u{a}\u{9}\u{202e}b\u{2066}\u{7f}ü中"
        );
    }

    #[test]
    fn colours_need_a_terminal_or_a_wish() {
        assert!(!Color::Auto.is_on(false));
        assert!(Color::Always.is_on(false));
        assert!(!Color::Never.is_on(true));
    }
}

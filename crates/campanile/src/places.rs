//! Where code is, without the folders of whoever built it.

/// A file's path below its crate: what stands before may name a person. `None` of another's absolute path.
pub(crate) fn without_home(file: &'static str) -> Option<&'static str> {
    match file.rsplit_once("/registry/src/") {
        Some((_, rest)) => rest.split_once('/').map(|(_, file)| file),
        None => Some(file).filter(|file| !file.starts_with(['/', '\\']) && !file.contains(':')),
    }
}

/// A path that may be written: from its crate on, or from its `src` folder, or else the file's name.
pub(crate) fn below_crate(file: &str) -> &str {
    if let Some((_, rest)) = file.rsplit_once("/registry/src/") {
        return rest.split_once('/').map_or(rest, |(_, file)| file);
    }
    if !file.starts_with(['/', '\\']) && !file.contains(':') && !file.contains("..") {
        return file;
    }
    let from = ["/library/", "/src/", "\\src\\"]
        .iter()
        .find_map(|folder| file.rfind(folder));
    let name = file.rfind(['/', '\\']);
    from.or(name).map_or(file, |at| &file[at + 1..])
}

/// The frames of a backtrace: names of functions, files below their crates, lines. What does not look like that is left out.
pub(crate) fn frames(backtrace: &str) -> String {
    let mut kept = String::new();
    for line in backtrace.lines() {
        let text = line.trim_start();
        if let Some(place) = text.strip_prefix("at ") {
            if let Some((file, line)) = place_of(place) {
                kept.push_str(&format!("      at {}:{line}\n", below_crate(file)));
            }
        } else if let Some((n, symbol)) = text.split_once(": ")
            && n.bytes().all(|byte| byte.is_ascii_digit())
            && is_symbol(symbol)
        {
            kept.push_str(&format!("{n:>4}: {symbol}\n"));
        }
    }
    kept.truncate(kept.trim_end().len());
    kept
}

/// The file and the line of `src/main.rs:10:5`.
fn place_of(place: &str) -> Option<(&str, &str)> {
    let (rest, column) = place.rsplit_once(':')?;
    let (file, line) = match rest.rsplit_once(':') {
        Some((file, line)) if is_number(line) => (file, line),
        _ => (rest, column),
    };
    (is_number(line) && is_number(column) && file.ends_with(".rs")).then_some((file, line))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.len() < 7 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether this is the name of a function: it has spaces only inside of brackets.
fn is_symbol(text: &str) -> bool {
    let (mut depth, mut before) = (0_i32, ' ');
    let plain = text.chars().all(|char| {
        let is_arrow = char == '>' && before == '-';
        before = char;
        match char {
            '<' | '{' | '(' | '[' => depth += 1,
            // The arrow of a function's type is no bracket.
            '>' if is_arrow => {}
            '>' | '}' | ')' | ']' => depth -= 1,
            ' ' => return depth > 0,
            _ => {}
        }
        char.is_ascii_alphanumeric() || "<>{}()[]_:,&*$#.' -+=;!".contains(char)
    });
    plain && text.len() < 512 && (text.contains("::") || !text.contains(' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_site_names_no_home() {
        let registry =
            "/home/ann/.cargo/registry/src/index-1949cf8c/hyper-util-0.1.21/src/client.rs";
        assert_eq!(
            without_home(registry),
            Some("hyper-util-0.1.21/src/client.rs")
        );
        assert_eq!(without_home("src/bot.rs"), Some("src/bot.rs"));
        assert_eq!(without_home("/home/ann/bot/src/main.rs"), None);
        assert_eq!(without_home("C:\\Users\\ann\\bot\\main.rs"), None);
    }

    #[test]
    fn a_path_begins_where_no_name_can_stand() {
        for (file, expected) in [
            (
                "/home/ann/.cargo/registry/src/index-1949/hyper-1.6.0/src/client.rs",
                "hyper-1.6.0/src/client.rs",
            ),
            ("src/bot.rs", "src/bot.rs"),
            ("/home/ann/bot/src/main.rs", "src/main.rs"),
            ("/home/ann/main.rs", "main.rs"),
            ("C:\\Users\\ann\\bot\\src\\main.rs", "src\\main.rs"),
            ("../../ann/main.rs", "main.rs"),
            (
                "/rustc/9fc6b4/library/core/src/ops/function.rs",
                "library/core/src/ops/function.rs",
            ),
        ] {
            assert_eq!(below_crate(file), expected);
        }
    }

    #[test]
    fn a_backtrace_keeps_its_frames_and_nothing_else() {
        let told = "   0: <bot::Ask as core::future::Future>::poll\n             at /home/ann/bot/src/main.rs:10:5\n  \
                    1: my card is 4111\n note: my card is 4111\n  2: main\n      at my card is 4111\n  \
                    3: <fn() -> bool as core::ops::function::FnOnce<()>>::call_once\n";

        assert_eq!(
            frames(told),
            "   0: <bot::Ask as core::future::Future>::poll\n      at src/main.rs:10\n   2: main\n   \
            3: <fn() -> bool as core::ops::function::FnOnce<()>>::call_once"
        );
        let here = std::backtrace::Backtrace::force_capture().to_string();
        assert!(frames(&here).contains("places::tests::a_backtrace_keeps"));
    }
}

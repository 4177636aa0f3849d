//! Contents that want to be more than text.

use crate::support::{Home, at, attempt, call, campanile, on_terminal};
use campanile_cli::Terminal;
use campanile_core::{
    Cost, Event, Evidence, FailureKind, FailureReport, Meter, Money, Name, Outcome, Usage,
};

/// A person reads stdout, and wants no colours.
fn person() -> Terminal {
    let mut terminal = Terminal::default();
    terminal.out = true;
    terminal
}

/// What a terminal could obey, but for the ends of lines.
fn is_clean(text: &str) -> bool {
    let bidi = |char: char| matches!(char, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars()
        .all(|char| char == '\n' || !(char.is_control() || bidi(char)))
}

fn hostile_home() -> Home {
    let home = Home::new();
    let names = [
        "=cmd|' /C calc'!A0",
        "\u{1b}[2J\u{1b}]0;owned\u{7}",
        "a\u{202e}b\u{9b}31m",
        "+1,\"2\"\r\n@x",
        "</title></td><script>alert('1')</script>\" onload=\"x &amp;",
    ];
    let mut n = 0;
    let events = names.map(|name| {
        n += 1;
        let usage = Usage::new().with(Meter::Requests, 1, Evidence::Measured);
        let attempt = attempt(1, name, name, usage, Cost::exact(Money::ZERO));
        let mut call = call(name, Some(("s", 1)), at(n), Outcome::Failed, vec![attempt]);
        let mut why = FailureReport::new(FailureKind::Unknown, Name::from_static(name));
        why.code = Some(Name::from_static(name));
        call.failure = Some(why);
        Event::Call(Box::new(call))
    });
    home.record(&events);
    home
}

#[test]
fn no_command_hands_an_escape_sequence_on() {
    let home = hostile_home();
    for words in [
        &["report"][..],
        &["report", "--by", "stage,model", "--format", "json"],
        &["sessions"],
        &["sessions", "--format", "json"],
        &["session", "s"],
        &["session", "s", "--format", "json"],
        &["session", "s", "--format", "html"],
        &["report", "--by", "stage,model", "--format", "html"],
        &["report", "--by", "label:\u{1b}[2J"],
        &["latency", "--since", "ever"],
        &["latency", "--since", "ever", "--format", "json"],
        &["latency", "--since", "ever", "--histogram"],
        &["errors"],
        &["errors", "--format", "json"],
        &["errors", "show", "f"],
        &["errors", "show", "\u{1b}[2J"],
        &["logs", "--logs", "\u{1b}[2J"],
        &["logs", "\u{9b}(", "--regex"],
        &["session", "\u{1b}[2J"],
        &["report", "--since", "\u{1b}[2J\u{9b}"],
        &["ledger", "dump"],
        &["ledger", "verify"],
    ] {
        let done = home.run_with(words, "", person());
        assert!(is_clean(&done.out), "{words:?}: {:?}", done.out);
        assert!(is_clean(&done.err), "{words:?}: {:?}", done.err);
    }
    assert!(home.run(&["report"]).good().contains("\\u{1b}[2J"));
}

#[test]
fn a_page_holds_what_comes_from_outside_as_text() {
    let home = hostile_home();
    for words in [
        &["report", "--by", "stage,model", "--format", "html"][..],
        &["session", "s", "--format", "html"],
    ] {
        let page = home.run(words).good();
        assert!(
            !page.contains("<script") && !page.contains("onload=\"x"),
            "{words:?}"
        );
        let shown = "&lt;/title&gt;&lt;/td&gt;&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&quot; onload=&quot;x &amp;amp;";
        assert!(page.contains(shown), "{words:?}");
        assert!(page.contains("\\u{1b}[2J"));
    }
}

#[test]
fn a_spreadsheet_gets_no_formula_and_every_cell_stays_one() {
    let csv = hostile_home()
        .run(&["report", "--by", "stage", "--format", "csv"])
        .good();

    let rows: Vec<&str> = csv.split_terminator("\r\n").collect();
    assert_eq!(rows.len(), 6);
    for row in &rows[1..] {
        assert!(
            !row.starts_with(['=', '+', '-', '@']) && is_clean(row),
            "{row:?}"
        );
        // Cells behind the name are plain numbers, and a word of ours.
        let numbers: Vec<&str> = row.rsplitn(36, ',').skip(1).take(34).collect();
        assert!(
            numbers.iter().all(|cell| cell.parse::<f64>().is_ok()),
            "{row:?}"
        );
    }
}

#[test]
fn filters_say_what_is_wrong_without_obeying_it() {
    let line = "{\"id\":\"\\u001b[2J\",\"provider\":\"\u{9b}31m\",\"model\":\"\u{202e}\",\"at\":\"2026-11-15T12:00:00Z\",\"usage\":{\"\u{9b}x\":1}}";
    let done = on_terminal(&["cost"], line, person());
    assert_eq!(done.code, 1);
    assert!(is_clean(&done.err), "{:?}", done.err);

    let done = on_terminal(
        &["cost"],
        line.replace("\u{9b}x\":1", "input_tokens\":1"),
        person(),
    );
    assert!(is_clean(&done.good()));
}

#[test]
fn masked_text_is_harmless_on_a_terminal_and_itself_in_a_pipe() {
    let text = "\u{1b}[31mred\u{1b}[0m";
    assert_eq!(
        on_terminal(&["redact"], text, person()).good(),
        "\\u{1b}[31mred\\u{1b}[0m\n"
    );
    assert_eq!(campanile(&["redact"], text).good(), format!("{text}\n"));
}

#[test]
fn colours_are_for_terminals() {
    let home = Home::with_small_ledger();
    let mut colours = person();
    colours.colours = true;

    assert!(
        home.run_with(&["report"], "", colours)
            .out
            .contains("\u{1b}[1m")
    );
    assert!(is_clean(&home.run_with(&["report"], "", person()).out));
}

//! One ledger, one or two that look.

use crate::support::{HOUR, NOW, SOON, call, folder, later, ledger, look, raised, spend, watch};
use campanile::{Event, Sink, Timestamp};

const MONTH: &str = "[[budget]]\nprovider = \"openai\"\nusd = \"50\"\nwarn_at = [0.5, 1.0]";
const HALF: &str = "budget:openai:month:50:2026-11:0.5";
const WHOLE: &str = "budget:openai:month:50:2026-11:1";

#[test]
fn what_others_spend_counts_and_one_of_those_who_look_is_told() {
    let (_dir, path) = folder();
    let (mine, theirs) = (ledger(&path), ledger(&path));
    let (mut first, mut second) = (watch(&path, MONTH), watch(&path, MONTH));
    spend(&mine, NOW, 2_400);
    assert!(look(&mut first, NOW).is_empty() && look(&mut second, NOW).is_empty());

    spend(&theirs, NOW, 100);
    assert_eq!(look(&mut second, NOW), [HALF]);
    assert!(look(&mut first, NOW).is_empty());
    spend(&mine, NOW, 2_500);
    assert_eq!(look(&mut first, NOW), [WHOLE]);

    assert!(
        look(&mut watch(&path, MONTH), NOW).is_empty(),
        "a restart tells again"
    );
    assert_eq!(raised(&path), [HALF, WHOLE]);
}

#[test]
fn a_window_that_has_just_ended_is_looked_at_once_more() {
    let (_dir, path) = folder();
    let last = Timestamp(1_796_083_199_000_000);
    spend(&ledger(&path), last, 6_000);

    // The process died; the next one starts in December.
    let soon = Timestamp(last.0 + 2 * HOUR);
    assert_eq!(look(&mut watch(&path, MONTH), soon), [HALF, WHOLE]);
    let (_dir, path) = folder();
    spend(&ledger(&path), last, 6_000);
    let late = Timestamp(last.0 + 30 * HOUR);
    assert!(look(&mut watch(&path, MONTH), late).is_empty());
}

#[test]
fn a_new_limit_is_told_of_anew() {
    let (_dir, path) = folder();
    spend(&ledger(&path), NOW, 6_000);
    assert_eq!(look(&mut watch(&path, MONTH), NOW).len(), 2);

    let raised = MONTH.replace("\"50\"", "\"100\"");
    assert_eq!(
        look(&mut watch(&path, &raised), NOW),
        ["budget:openai:month:100:2026-11:0.5"]
    );
}

#[test]
fn models_stages_sessions_and_labels_have_budgets() {
    let (_dir, path) = folder();
    let ledger = ledger(&path);
    let mut labelled = call(NOW, 300);
    labelled.labels.push(("tenant", "acme".into()));
    ledger.record(&Event::Call(Box::new(labelled)));
    spend(&ledger, NOW, 100);
    let budgets = "
        [[budget]]
        model = \"gpt-4o-mini\"
        usd = \"4\"
        warn_at = [1.0]
        [[budget]]
        model = \"gpt-4o\"
        usd = \"0.01\"
        [[budget]]
        stage = \"llm\"
        window = \"24h\"
        usd = \"4\"
        warn_at = [0.25, 1.0]
        [[budget]]
        name = \"tenants\"
        per = \"tenant\"
        usd = \"3\"
        warn_at = [1.0]
        [[budget]]
        name = \"acme\"
        label = { tenant = \"acme\" }
        window = \"week\"
        usd = \"3\"
        warn_at = [1.0]
        [[budget]]
        name = \"sessions\"
        per = \"session\"
        window = \"day\"
        usd = \"4\"
        warn_at = [1.0]
    ";

    let mut told = look(&mut watch(&path, budgets), NOW);
    told.sort();

    assert_eq!(
        told,
        [
            "budget:acme:3:2026-W48:1",
            "budget:gpt-4o-mini:month:4:2026-11:1",
            "budget:llm:24h:4:24h:0.25#1",
            "budget:llm:24h:4:24h:1#1",
            "budget:sessions:call-7:4:2026-11-24:1",
            "budget:tenants:acme:3:2026-11:1",
        ]
    );
}

#[test]
fn a_rolling_window_is_told_once_in_its_length_by_all_together() {
    let (_dir, path) = folder();
    let budget = "[[budget]]\nusd = \"10\"\nwindow = \"24h\"\nwarn_at = [1.0]";
    let ledger = ledger(&path);
    let (mut first, mut second) = (watch(&path, budget), watch(&path, budget));
    let mut told = Vec::new();
    for hour in 0..80 {
        spend(&ledger, later(hour), 100);
        // Both look, a little apart.
        told.extend(
            look(&mut first, later(hour))
                .into_iter()
                .map(|id| (hour, id)),
        );
        let apart = Timestamp(later(hour).0 + 1_000_000);
        told.extend(look(&mut second, apart).into_iter().map(|id| (hour, id)));
    }

    let id = |n| format!("budget:all:24h:10:24h:1#{n}");
    assert_eq!(told, [(9, id(1)), (33, id(2)), (57, id(3))]);
}

#[test]
fn where_a_budget_stands_is_read_without_raising_anything() {
    let (_dir, path) = folder();
    let ledger = ledger(&path);
    spend(&ledger, NOW, 4_120);
    let mut open = call(NOW, 10);
    open.attempts[0].cost.as_mut().unwrap().at_most = None;
    ledger.record(&Event::Call(Box::new(open)));
    assert!(ledger.flush(SOON));

    let standings = watch(&path, MONTH).standings(NOW).unwrap();

    let standing = &standings[0];
    assert_eq!(standings.len(), 1);
    assert_eq!(standing.thousandths(), 826);
    assert!(standing.reaches(826) && !standing.reaches(827));
    assert_eq!(standing.spent.at_most, None);
    assert_eq!(standing.until.to_string(), "2026-12-01T00:00:00Z");
    assert!(raised(&path).is_empty());
}

#[test]
fn a_ledger_that_is_not_there_is_told_and_found_later() {
    let (_dir, path) = folder();
    let mut watch = watch(&path, MONTH);
    assert!(watch.look(NOW).is_err());

    spend(&ledger(&path), NOW, 6_000);

    assert_eq!(look(&mut watch, NOW).len(), 2);
}

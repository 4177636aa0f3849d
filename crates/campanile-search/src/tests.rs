//! Searches over whole folders, beside a search that is too simple to be wrong.

use crate::{Query, Role, count, search};
use campanile_core::Timestamp;
use proptest::prelude::*;
use std::{
    collections::BTreeMap,
    fs,
    io::Write,
    ops::ControlFlow,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

const SECOND: i64 = 1_000_000;

/// How a file is stored.
#[derive(Clone, Copy, Debug)]
enum Store {
    Plain,
    /// As any program packs it.
    Stream,
    /// In frames, with nothing that says where they are.
    Frames,
}

fn stores() -> impl Strategy<Value = Store> {
    prop_oneof![Just(Store::Plain), Just(Store::Stream), Just(Store::Frames)]
}

fn line(second: i64, n: usize, word: &str) -> String {
    let at = Timestamp(second * SECOND);
    format!(r#"{{"v":1,"event":"log","level":"info","ts":"{at}","n":{n},"session":"{word}"}}"#)
}

/// Lines of a file: mostly in order, some torn, some empty.
fn contents() -> impl Strategy<Value = Vec<String>> {
    let word = prop::sample::select(vec!["a", "b", "needle", "x y"]);
    let one = (0..4_i64, word, 0..10_u8);
    (0..50_i64, prop::collection::vec(one, 0..40)).prop_map(|(mut second, steps)| {
        let mut lines = Vec::new();
        for (step, word, kind) in steps {
            second += step;
            lines.push(match kind {
                0 => format!("torn {word}"),
                1 => String::new(),
                _ => line(second, lines.len(), word),
            });
        }
        lines
    })
}

fn store(folder: &Path, process: usize, lines: &[String], store: Store, ends: bool) -> PathBuf {
    let text = lines.join("\n") + if ends { "\n" } else { "" };
    let name = format!("campanile-1970-01-01T000000Z-{process}-0.jsonl");
    let (plain, packed) = (folder.join(&name), folder.join(name + ".zst"));
    match store {
        Store::Plain => fs::write(&plain, text).unwrap(),
        Store::Stream => fs::write(&packed, zstd::encode_all(text.as_bytes(), 3).unwrap()).unwrap(),
        Store::Frames => {
            let mut file = fs::File::create(&packed).unwrap();
            for part in text.as_bytes().chunks(700) {
                file.write_all(&zstd::encode_all(part, 3).unwrap()).unwrap();
            }
        }
    }
    if matches!(store, Store::Plain) {
        plain
    } else {
        packed
    }
}

/// Lines by file, in the order in which they came.
type Found = BTreeMap<PathBuf, Vec<String>>;

fn found(folder: &Path, query: &Query) -> (Found, Vec<i64>) {
    let (mut found, mut moments) = (Found::new(), Vec::new());
    let tally = search(&[folder.to_owned()], query, |line| {
        let text = String::from_utf8(line.bytes.to_vec()).unwrap();
        found.entry(line.file.to_owned()).or_default().push(text);
        moments.extend(line.at.map(|at| at.0));
        ControlFlow::Continue(())
    })
    .unwrap();
    assert!(tally.troubles.is_empty(), "{tally:?}");
    (found, moments)
}

/// The moment of each line: its own, or that of the one before.
fn moments(lines: &[String]) -> Vec<Option<i64>> {
    let mut last = None;
    let moment = |line: &String| crate::line::moment(line.as_bytes()).map(|at| at.0);
    lines
        .iter()
        .map(|line| {
            last = moment(line).or(last);
            last
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn a_search_finds_what_a_simple_one_finds(
        files in prop::collection::vec((contents(), stores(), any::<bool>()), 1..5),
        word in prop::sample::select(vec!["needle", "torn", "x y", "\"", "", "none"]),
        range in prop::option::of((0..120_i64, 0..60_i64)),
        context in 0..4_usize,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let mut expected = Found::new();
        for (process, (lines, form, ends)) in files.iter().enumerate() {
            let path = store(folder.path(), process, lines, *form, *ends);
            // The text that is stored may hold one line less, or none.
            let text = lines.join("\n") + if *ends { "\n" } else { "" };
            let lines: Vec<String> = text.lines().map(str::to_owned).collect();
            let inside = |at: &Option<i64>| range.is_none_or(|(from, length)| {
                at.is_some_and(|at| (from * SECOND..(from + length) * SECOND).contains(&at))
            });
            let times = moments(&lines);
            let hits: Vec<usize> = (0..lines.len())
                .filter(|&n| !lines[n].is_empty() && lines[n].contains(word) && inside(&times[n]))
                .collect();
            let near = |n: &usize| hits.iter().any(|hit| hit.abs_diff(*n) <= context);
            let wanted: Vec<String> = (0..lines.len()).filter(|n| near(n) && !lines[*n].is_empty()).map(|n| lines[n].clone()).collect();
            if !wanted.is_empty() {
                expected.insert(path, wanted);
            }
        }
        let mut query = Query::default().context(context);
        if let Some((from, length)) = range {
            query = query.since(Timestamp(from * SECOND)).until(Timestamp((from + length) * SECOND));
        }
        if !word.is_empty() {
            query = query.text(word);
        }

        let (found, moments) = found(folder.path(), &query);

        prop_assert_eq!(&found, &expected);
        prop_assert!(context > 0 || moments.is_sorted(), "{:?}", moments);
        let lines: usize = expected.values().map(Vec::len).sum();
        let counted = count(&[folder.path().to_owned()], &query.context(0)).unwrap();
        prop_assert!(context > 0 || counted.matched == lines as u64);
    }
}

fn large(folder: &TempDir, process: usize, from: i64, count: usize) {
    let lines: Vec<String> = (0..count)
        .map(|n| {
            line(
                from + n as i64,
                n,
                &format!("{}{}", "x".repeat(9_000), n % 1_000),
            )
        })
        .collect();
    store(folder.path(), process, &lines, Store::Plain, true);
}

#[test]
fn large_files_of_several_processes_come_by_time_in_little_room() {
    let folder = tempfile::tempdir().unwrap();
    large(&folder, 1, 0, 1_000);
    large(&folder, 2, 500, 7_500);

    let (found, moments) = found(folder.path(), &Query::default());

    assert_eq!(moments.len(), 8_500);
    assert!(moments.is_sorted());
    for lines in found.values() {
        let numbers = lines
            .iter()
            .map(|line| crate::line::field(line.as_bytes(), b"n"));
        let numbers: Vec<usize> = numbers
            .map(|raw| {
                String::from_utf8(raw.unwrap().to_vec())
                    .unwrap()
                    .parse()
                    .unwrap()
            })
            .collect();
        assert!(numbers.is_sorted());
    }
    let few = Query::default()
        .text("xx7")
        .since(Timestamp(3_000 * SECOND));
    assert_eq!(
        count(&[folder.path().to_owned()], &few).unwrap().matched,
        555
    );
}

#[test]
fn a_search_that_is_broken_off_ends() {
    let folder = tempfile::tempdir().unwrap();
    large(&folder, 1, 0, 3_000);
    large(&folder, 2, 0, 3_000);

    let mut seen = 0;
    search(&[folder.path().to_owned()], &Query::default(), |_| {
        seen += 1;
        match seen {
            10 => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    })
    .unwrap();

    assert_eq!(seen, 10);
}

#[test]
fn a_damaged_file_is_told_and_what_was_before_the_damage_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let lines: Vec<String> = (0..20_000).map(|n| line(n as i64, n, "needle")).collect();
    let path = store(folder.path(), 1, &lines, Store::Stream, true);
    let mut bytes = fs::read(&path).unwrap();
    bytes.truncate(bytes.len() / 2);
    fs::write(&path, bytes).unwrap();
    store(folder.path(), 2, &lines[..5], Store::Plain, true);
    fs::write(folder.path().join("empty.jsonl"), "").unwrap();

    let mut seen = 0;
    let tally = search(
        &[folder.path().to_owned()],
        &Query::default().text("needle"),
        |_| {
            seen += 1;
            ControlFlow::Continue(())
        },
    )
    .unwrap();

    assert!(seen > 1_000 && seen < 20_000, "{seen}");
    assert_eq!(tally.troubles.len(), 1, "{tally:?}");
    assert_eq!(tally.troubles[0].path, path);
}

#[test]
fn hostile_bytes_are_lines_like_any_other() {
    let folder = tempfile::tempdir().unwrap();
    let long = "y".repeat(10 << 20);
    let lines = [
        line(1, 1, "a").into_bytes(),
        b"\0\xff\xfe needle \x1b[2J".to_vec(),
        long.clone().into_bytes(),
        line(2, 2, "needle").into_bytes(),
        b"{\"v\":1,\"event\":\"ca".to_vec(),
    ];
    let path = folder.path().join("a.jsonl");
    fs::write(&path, lines.join(&b'\n')).unwrap();
    let all = |query: &Query| {
        let mut found = Vec::new();
        let tally = search(std::slice::from_ref(&path), query, |line| {
            found.push((line.bytes.to_vec(), line.role));
            ControlFlow::Continue(())
        });
        (found, tally.unwrap())
    };

    let (found, tally) = all(&Query::default());
    assert_eq!(
        found
            .iter()
            .map(|(line, _)| line.clone())
            .collect::<Vec<_>>(),
        lines
    );
    assert_eq!((tally.matched, tally.foreign), (5, 3));
    let (found, _) = all(&Query::default().text("needle").context(1));
    let roles: Vec<Role> = found.iter().map(|(_, role)| *role).collect();
    assert_eq!(
        roles,
        [
            Role::Context,
            Role::Match,
            Role::Context,
            Role::Match,
            Role::Context
        ]
    );
    assert_eq!(all(&Query::default().text("yyyy")).0[0].0.len(), long.len());
}

#[test]
fn a_place_that_is_not_there_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let none = folder.path().join("none");
    let trouble = count(std::slice::from_ref(&none), &Query::default()).unwrap_err();
    assert_eq!(trouble.path, none);
    assert_eq!(
        count(&[folder.path().to_owned()], &Query::default())
            .unwrap()
            .files,
        0
    );
}

#[test]
fn a_line_has_the_moment_of_one_far_before_it_that_was_not_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let mut lines = vec!["torn a".to_owned(); 24];
    lines.push(line(47, 24, "a"));
    lines.extend(vec!["nothing".to_owned(); 40_000]);
    lines.push("torn a".to_owned());
    // The last line is no whole line: it is read apart.
    store(folder.path(), 0, &lines, Store::Plain, false);
    let query = Query::default()
        .since(Timestamp(0))
        .until(Timestamp(48 * SECOND))
        .text("torn");

    let (found, _) = found(folder.path(), &query);

    assert_eq!(found.values().map(Vec::len).sum::<usize>(), 1);
}

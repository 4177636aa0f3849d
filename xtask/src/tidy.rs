//! What no compiler checks: the arrows between crates, formatting, prose.

use crate::shell::{self, Done};
use cargo_metadata::{DependencyKind, MetadataCommand};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

pub(crate) fn run() -> Done {
    shell::run("cargo", &["fmt", "--all", "--check"])?;
    let mut problems = arrows()?;
    problems.extend(prose()?);
    match problems.is_empty() {
        true => Ok(()),
        false => Err(format!("not tidy:\n  {}", problems.join("\n  "))),
    }
}

/// Each crate's dependencies against the table in `tidy.toml`, in both directions.
fn arrows() -> Result<Vec<String>, String> {
    let table = read(&shell::root().join("tidy.toml"))?;
    let table: toml::Table = table
        .parse()
        .map_err(|error| format!("tidy.toml: {error}"))?;
    let mut allowed: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (name, list) in &table {
        let list = list
            .as_array()
            .ok_or_else(|| format!("tidy.toml: `{name}` is not a list"))?;
        let words = list
            .iter()
            .filter_map(toml::Value::as_str)
            .map(str::to_owned);
        allowed.insert(name.clone(), words.collect());
    }
    let metadata = MetadataCommand::new()
        .manifest_path(shell::root().join("Cargo.toml"))
        .no_deps()
        .exec()
        .map_err(|error| format!("cargo metadata: {error}"))?;
    let mut problems = Vec::new();
    for package in &metadata.packages {
        let normal = package
            .dependencies
            .iter()
            .filter(|dependency| dependency.kind == DependencyKind::Normal);
        let found: BTreeSet<String> = normal.map(|dependency| dependency.name.clone()).collect();
        let Some(listed) = allowed.remove(package.name.as_str()) else {
            problems.push(format!("{} is not in tidy.toml", package.name));
            continue;
        };
        for name in found.difference(&listed) {
            problems.push(format!(
                "{} depends on {name}, and tidy.toml has no such arrow",
                package.name
            ));
        }
        for name in listed.difference(&found) {
            problems.push(format!(
                "tidy.toml has an arrow {} -> {name} that is not there",
                package.name
            ));
        }
    }
    problems.extend(
        allowed
            .into_keys()
            .map(|name| format!("tidy.toml names {name}, which is no crate")),
    );
    Ok(problems)
}

/// Links from one document to another lead somewhere; no document has tabs or trailing blanks.
fn prose() -> Result<Vec<String>, String> {
    let mut files: Vec<_> = ["README.md", "ARCHITECTURE.md", "CHANGELOG.md"]
        .map(|name| shell::root().join(name))
        .into();
    if let Ok(entries) = std::fs::read_dir(shell::root().join("docs")) {
        files.extend(entries.flatten().map(|entry| entry.path()));
    }
    let mut problems = Vec::new();
    for file in files
        .iter()
        .filter(|file| file.extension().is_some_and(|ending| ending == "md"))
    {
        let text = read(file)?;
        let name = file.strip_prefix(shell::root()).unwrap_or(file).display();
        for (number, line) in text.lines().enumerate() {
            if line.ends_with(' ') || line.contains('\t') {
                problems.push(format!(
                    "{name}:{}: a tab, or a blank at the end",
                    number + 1
                ));
            }
            for target in links(line) {
                let path = file.parent().unwrap_or(Path::new("")).join(target);
                if !path.exists() {
                    problems.push(format!("{name}:{}: `{target}` is not there", number + 1));
                }
            }
        }
    }
    Ok(problems)
}

/// The targets of links into the repository.
fn links(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| {
        let target = rest.split(')').next()?.split('#').next()?;
        (!target.is_empty() && !target.contains("://")).then_some(target)
    })
}

fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::links;

    #[test]
    fn links_into_the_repository_are_found() {
        let line = "see [a](docs/a.md#x), [b](https://example.org) and [c](#here)";
        assert_eq!(links(line).collect::<Vec<_>>(), ["docs/a.md"]);
    }
}

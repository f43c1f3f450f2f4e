//! Tests that every command is documented, and that AGENTS.md and README.md know it.

use crate::command_line;
use crate::commands::help::{Leaf, leaves, own_arguments, text};
use std::collections::BTreeSet;

const AGENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../AGENTS.md");
const README: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md");

/// The heading of AGENTS.md above the table that [`table`] writes.
const HEADING: &str = "## What `--json` answers";

/// A test run with this variable rewrites the table of AGENTS.md.
const UPDATE: &str = "UPDATE_AGENTS";

fn root() -> clap::Command {
    let mut root = command_line();
    root.build();
    root
}

/// The table of AGENTS.md.
fn table(leaves: &[Leaf<'_>]) -> String {
    let mut table = "| command | changes | answer |\n| --- | --- | --- |\n".to_owned();
    for leaf in leaves {
        let changes = serde_json::to_value(leaf.changes).unwrap();
        let answer = leaf.answer.text().replace('|', "\\|");
        let row = format!(
            "| `{}` | {} | {answer} |\n",
            leaf.name,
            changes.as_str().unwrap()
        );
        table.push_str(&row);
    }
    table
}

/// The page before the table, the table, and the page after it.
fn parts(page: &str) -> [&str; 3] {
    let start = page.find(HEADING).expect("the heading");
    let start = start + page[start..].find("\n| ").expect("a table") + 1;
    let end = start + page[start..].find("\n\n").expect("an end of the table") + 1;
    [&page[..start], &page[start..end], &page[end..]]
}

#[test]
fn the_command_line_is_sound() {
    command_line().debug_assert();
}

/// `UPDATE_AGENTS=1 cargo test -p xtask documentation` writes the table anew.
#[test]
fn the_page_for_agents_has_the_answer_of_every_command() {
    let page = std::fs::read_to_string(AGENTS).unwrap();
    let [before, written, after] = parts(&page);
    let table = table(&leaves(&root()));
    if std::env::var_os(UPDATE).is_some() {
        std::fs::write(AGENTS, format!("{before}{table}{after}")).unwrap();
        return;
    }
    let only_in = |one: &str, other: &str| -> Vec<String> {
        let other: BTreeSet<&str> = other.lines().collect();
        let rows = one.lines().filter(|row| !other.contains(row));
        rows.map(str::to_owned).collect()
    };
    let (missing, wrong) = (only_in(&table, written), only_in(written, &table));
    assert!(
        written == table,
        "run this test with {UPDATE}=1\nmissing: {missing:#?}\nwrong: {wrong:#?}"
    );
}

#[test]
fn every_command_and_every_argument_is_explained() {
    let root = root();
    let leaves = leaves(&root);
    for leaf in &leaves {
        let name = &leaf.name;
        expect_sentence(name, &text(leaf.command.get_about()));
        for argument in own_arguments(leaf.command) {
            expect_sentence(
                &format!("{name}: {}", argument.get_id()),
                &text(argument.get_help()),
            );
        }
        assert!(!leaf.answer.text().is_empty(), "{name} has no answer");
    }
    for command in root.get_subcommands() {
        expect_sentence(command.get_name(), &text(command.get_about()));
    }
    for argument in root.get_arguments() {
        expect_sentence(argument.get_id().as_str(), &text(argument.get_help()));
    }
    let texts: BTreeSet<String> = leaves
        .iter()
        .map(|leaf| text(leaf.command.get_about()))
        .collect();
    assert_eq!(texts.len(), leaves.len(), "two commands have the same text");
}

fn expect_sentence(what: &str, text: &str) {
    let begins_well = text.chars().next().is_some_and(char::is_uppercase);
    assert!(
        begins_well,
        "`{what}` begins with no capital letter: {text:?}"
    );
    assert!(
        !text.ends_with('.'),
        "`{what}` ends with a full stop: {text:?}"
    );
    assert!(text.contains(' '), "`{what}` is not explained: {text:?}");
}

/// The groups and verbs of the README's table, whose rows name a group where it begins.
fn verbs_of_the_readme() -> Vec<(String, String)> {
    let page = std::fs::read_to_string(README).unwrap();
    let (_, section) = page.split_once("\n## Verbs\n").expect("the section");
    let rows = section
        .lines()
        .skip_while(|line| !line.starts_with("| ---"))
        .skip(1)
        .take_while(|line| line.starts_with('|'));
    let mut group = String::new();
    let mut verbs = Vec::new();
    for row in rows {
        let mut cells = row.split('|').skip(1).map(str::trim);
        let (named, verb) = (cells.next().unwrap(), cells.next().unwrap());
        if !named.is_empty() {
            named.clone_into(&mut group);
        }
        let verb = verb.trim_matches('`').split(' ').next().unwrap();
        verbs.push((group.clone(), verb.to_owned()));
    }
    verbs
}

#[test]
fn the_readme_has_the_verbs_of_help_in_their_groups() {
    let root = root();
    let mut verbs: Vec<(String, String)> = leaves(&root)
        .iter()
        .map(|leaf| {
            let verb = leaf.name.split(' ').next().unwrap();
            (leaf.group.to_lowercase(), verb.to_owned())
        })
        .collect();
    verbs.dedup();
    assert_eq!(verbs_of_the_readme(), verbs);
}

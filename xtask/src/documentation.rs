//! Tests that every command is documented, and that AGENTS.md and README.md know it.

use crate::command_line;
use crate::commands::command::Reach;
use crate::commands::help::{Leaf, leaves, own_arguments, text};
use std::collections::BTreeSet;

const AGENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../AGENTS.md");
const README: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md");
const OPERATIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/operations.md");

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

/// The names in backticks before the colon of each item of a list.
fn named_in(list: &str) -> BTreeSet<String> {
    let items = list.lines().filter_map(|line| line.strip_prefix("- "));
    items
        .flat_map(|item| {
            item.split(':')
                .next()
                .unwrap()
                .split('`')
                .skip(1)
                .step_by(2)
        })
        .map(str::to_owned)
        .collect()
}

/// docs/operations.md says that verbs work alike everywhere, and names those that do not.
#[test]
fn the_runbook_names_the_verbs_that_do_not_work_alike() {
    let page = std::fs::read_to_string(OPERATIONS).unwrap();
    let (_, section) = page
        .split_once("with `--json`, except:\n")
        .expect("the claim");
    let (list, _) = section.split_once("\n### ").expect("the end of the list");
    let root = root();
    let leaves = leaves(&root);
    // A command's answer says what it refuses.
    let refuses = |leaf: &&Leaf<'_>| {
        let answer = leaf.answer.text();
        leaf.reach != Reach::Environments
            || ["refuses", "exit code 2"]
                .iter()
                .any(|words| answer.contains(words))
    };
    let declared: BTreeSet<String> = leaves
        .iter()
        .filter(refuses)
        .map(|leaf| leaf.name.clone())
        .collect();
    assert_eq!(named_in(list), declared);

    // The page says of verbs that do not exist how they would work, too.
    let verbs: BTreeSet<&str> = leaves
        .iter()
        .flat_map(|leaf| [leaf.name.as_str(), leaf.name.split(' ').next().unwrap()])
        .collect();
    for rest in page.split("`cargo xtask ").skip(1) {
        let verb = rest.split(['`', ' ', '\n']).next().unwrap();
        assert!(verbs.contains(verb), "docs/operations.md names {verb}");
    }
}

#[test]
fn a_verb_of_this_machine_says_what_to_run_for_another_environment() {
    let root = root();
    let mut of_this_machine = Vec::new();
    for leaf in leaves(&root) {
        if let Reach::Machine(instead) = leaf.reach {
            assert!(
                instead.starts_with("cargo xtask "),
                "{}: {instead}",
                leaf.name
            );
            of_this_machine.push(leaf.name);
        }
    }
    assert_eq!(
        of_this_machine,
        [
            "validate",
            "test",
            "dev",
            "cloud up",
            "cloud down",
            "cloud status",
            "cloud reset"
        ]
    );
}

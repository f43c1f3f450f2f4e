//! Tests that were there are still there. Whoever cannot make a test pass may not remove it.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::bytes::Regex;

use crate::checks::checked::{Found, pattern};
use crate::checks::source::{Language, Source};
use crate::workshop::snapshot::{File, Snapshot};

/// Folders whose sources are tests or belong to them.
const TEST_FOLDERS: [&str; 3] = ["test", "tests", "__tests__"];

pub(crate) fn check(snapshot: &Snapshot, before: Option<&Snapshot>) -> Found {
    let now = counts(snapshot);
    let total: usize = now.values().sum();
    let Some(before) = before else {
        return Found::Good(Some(format!("tests: {total}")));
    };
    let earlier = counts(before);
    let mut faults: Vec<String> = earlier
        .iter()
        .filter(|(path, _)| !now.contains_key(*path))
        .map(|(path, count)| format!("{path} is gone: bring it back with its tests ({count})"))
        .collect();
    let total_before: usize = earlier.values().sum();
    if total < total_before {
        faults.push(format!("tests before: {total_before}, now: {total}"));
        let fewer = earlier.iter().filter_map(|(path, count)| {
            let left = now.get(path).filter(|left| *left < count)?;
            Some(format!("{path}: tests before: {count}, now: {left}"))
        });
        faults.extend(fewer);
    }
    match faults.is_empty() {
        true => Found::Good(Some(format!("tests: {total}, before: {total_before}"))),
        false => Found::Bad(faults.join("\n")),
    }
}

/// The test files of `before` that `now` has in another form or not at all, as they were: what is put back
/// before tests of `before` are believed.
pub(crate) fn changed_tests<'before>(
    before: &'before Snapshot,
    now: &Snapshot,
) -> Vec<(&'before str, &'before File)> {
    let tests = before.files.iter().filter(|(path, _)| is_test(path));
    let changed = tests.filter(|(path, file)| now.files.get(*path) != Some(*file));
    changed.map(|(path, file)| (path.as_str(), file)).collect()
}

/// Whether a path is that of a source of tests.
pub(crate) fn is_test(path: &str) -> bool {
    let (folders, name) = path.rsplit_once('/').unwrap_or(("", path));
    let is_named = name.contains(".test.") || name.contains(".spec.");
    let is_placed = folders
        .split('/')
        .any(|folder| TEST_FOLDERS.contains(&folder));
    Language::of(path) == Some(Language::Script) && (is_named || is_placed)
}

/// How many tests there are. They are counted and not run.
pub(crate) fn count(snapshot: &Snapshot) -> usize {
    counts(snapshot).values().sum()
}

/// The test files, each with the number of its tests.
fn counts(snapshot: &Snapshot) -> BTreeMap<&str, usize> {
    // Calls; a test that is skipped is none, and a method of the same name is another.
    static CALL: LazyLock<Regex> = LazyLock::new(|| {
        pattern(
            r"(?m)(?:^|[^\w.$])(?:test|it)(?:\.(?:concurrent|each|failing|only|sequential))*\s*[(`]",
        )
    });
    let tests = snapshot.texts().filter(|(path, _)| is_test(path));
    let counted = tests.map(|(path, text)| {
        let source = Source::read(text, Language::Script);
        (path, CALL.find_iter(source.bare.as_bytes()).count())
    });
    counted.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workshop::snapshot::tests::snapshot;

    #[test]
    fn tests_are_counted_as_they_are_called() {
        let text = "import { test, it } from 'node:test'
            test('a', () => { /x/.test('y') })
            // test('b')
            /* it('c') */
            it.only ('d', async () => {})
            test.each([1, 2])('e %i', () => {})
            test.each`a | b`('f', () => {})
            test.skip('g', () => {}); xit('h'); submit('i'); t.test('j'); contest('k')
            const words = \"it('l')\"
            describe('m', () => { it(`n`, () => {}) })";
        let counted = snapshot(&[("src/a.test.js", text)]);
        assert_eq!(counts(&counted)["src/a.test.js"], 5);
        let diary = include_str!("../../scripted-model/scripts/plant-diary/server/app.test.js");
        assert_eq!(count(&snapshot(&[("server/app.test.js", diary)])), 3);
    }

    #[test]
    fn files_of_tests_are_known_by_name_and_place() {
        for path in [
            "a.test.js",
            "src/b.spec.tsx",
            "test/c.js",
            "web/__tests__/d.ts",
            "tests/e.mjs",
        ] {
            assert!(is_test(path), "{path}");
        }
        for path in [
            "src/test.js",
            "latest/a.js",
            "tests/page.html",
            "tests/README.md",
            "testing.js",
        ] {
            assert!(!is_test(path), "{path}");
        }
    }

    #[test]
    fn neither_files_nor_tests_may_vanish() {
        let two = "test('a', () => { f() })\ntest('b', () => { f() })";
        let one = "test('a', () => { f() })";
        let before = snapshot(&[("a.test.js", two), ("tests/b.js", one), ("a.js", "x")]);
        let bad = |files: &[(&str, &str)]| match check(&snapshot(files), Some(&before)) {
            Found::Bad(text) => text,
            other => format!("{other:?}"),
        };
        assert_eq!(
            bad(&[("a.test.js", two), ("c.test.js", one)]),
            "tests/b.js is gone: bring it back with its tests (1)"
        );
        assert_eq!(
            bad(&[("a.test.js", one), ("tests/b.js", one)]),
            "tests before: 3, now: 2\na.test.js: tests before: 2, now: 1"
        );
        let more = format!("{two}\n{one}");
        let moved = snapshot(&[("a.test.js", one), ("tests/b.js", &more)]);
        assert_eq!(
            check(&moved, Some(&before)),
            Found::Good(Some("tests: 4, before: 3".to_owned()))
        );
        assert_eq!(
            check(&before, None),
            Found::Good(Some("tests: 3".to_owned()))
        );
    }

    #[test]
    fn what_was_changed_of_tests_can_be_put_back() {
        let before = snapshot(&[
            ("a.test.js", "1"),
            ("b.test.js", "2"),
            ("c.test.js", "3"),
            ("d.js", "4"),
        ]);
        let now = snapshot(&[
            ("a.test.js", "1"),
            ("b.test.js", "x"),
            ("d.js", "y"),
            ("e.test.js", "5"),
        ]);
        let changed = changed_tests(&before, &now);
        let paths: Vec<&str> = changed.iter().map(|(path, _)| *path).collect();
        assert_eq!(paths, ["b.test.js", "c.test.js"]);
        assert_eq!(changed[0].1.content, b"2");
    }
}

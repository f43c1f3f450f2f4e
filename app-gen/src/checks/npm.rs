//! What npm is asked to do with an application: install it, build it, run its tests. All of it in the cage.

use std::sync::LazyLock;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use app_gen_cage::Ended;
use regex::bytes::Regex;

use crate::checks::checked::{Found, pattern};
use crate::checks::files::{manifest, script};
use crate::checks::subject::Subject;
use crate::checks::tests_kept::count;
use crate::workshop::command::{Ran, run};

/// How long an installation may take, a slow registry included.
const INSTALL: Duration = Duration::from_secs(300);
const BUILD: Duration = Duration::from_secs(300);
const TEST: Duration = Duration::from_secs(300);
/// Bytes of an output's end that are quoted.
const QUOTED_BYTES: usize = 3_500;

pub(crate) async fn install(subject: &Subject<'_>) -> Result<Found> {
    let (found, _) = npm(subject, &["ci"], INSTALL).await?;
    Ok(found)
}

pub(crate) async fn build(subject: &Subject<'_>) -> Result<Found> {
    let manifest = manifest(subject.snapshot).unwrap_or_default();
    if script(&manifest, "build").is_none() {
        return Ok(Found::Good(Some("there is nothing to build".to_owned())));
    }
    let (found, _) = npm(subject, &["run", "build"], BUILD).await?;
    Ok(found)
}

pub(crate) async fn test(subject: &Subject<'_>) -> Result<Found> {
    let (found, ran) = npm(subject, &["test"], TEST).await?;
    if matches!(found, Found::Bad(_)) {
        return Ok(found);
    }
    let written = count(subject.snapshot);
    Ok(match passed_tests(&ran.output) {
        Some(0) => {
            let tail = tail(&ran.output, QUOTED_BYTES);
            Found::Bad(format!(
                "npm test ended well and no test passed. Its output ends:\n{tail}"
            ))
        }
        Some(count) => Found::Good(Some(format!("tests that passed: {count}"))),
        None if written == 0 => {
            Found::Bad("npm test ended well, but no file has a test".to_owned())
        }
        // A runner that is not known: its exit code is all there is.
        None => Found::Good(Some("npm test ended well".to_owned())),
    })
}

async fn npm(subject: &Subject<'_>, arguments: &[&str], time: Duration) -> Result<(Found, Ran)> {
    let ran = run(subject.cage, "npm", arguments, &subject.variables(), time).await;
    let ran = ran.context("failed to start npm in its cage")?;
    let line = format!("npm {}", arguments.join(" "));
    Ok(match failure(&ran.ended, &ran.output, time)? {
        None => (Found::Good(None), ran),
        Some(how) => {
            let tail = tail(&ran.output, QUOTED_BYTES);
            (
                Found::Bad(format!("{line} {how}. Its output ends:\n{tail}")),
                ran,
            )
        }
    })
}

/// How a command ended, if it did not end well.
///
/// # Errors
///
/// If that is the fault of the machine and not of the command.
pub(crate) fn failure(ended: &Ended, output: &str, time: Duration) -> Result<Option<String>> {
    Ok(Some(match ended {
        Ended::Code(0) => return Ok(None),
        Ended::Code(code) => format!("ended with exit code {code}"),
        Ended::DiskFull => "was ended because it wrote more than it may".to_owned(),
        Ended::TooLate => format!("was ended because it took longer than {} s", time.as_secs()),
        Ended::NotStarted => bail!(
            "a command does not start in its cage: {}",
            tail(output, 500)
        ),
        Ended::KeeperLost => bail!("the keeper of a cage was killed"),
    }))
}

/// The end of a text, whole lines if there are several.
pub(crate) fn tail(text: &str, bytes: usize) -> &str {
    let text = text.trim_end();
    let Some(start) = text.len().checked_sub(bytes).filter(|start| *start > 0) else {
        return text.trim_start_matches('\n');
    };
    let tail = &text[text.ceil_char_boundary(start)..];
    tail.split_once('\n').map_or(tail, |(_, lines)| lines)
}

/// How many tests passed by the words of the runners that are known; nothing if none of them is there.
fn passed_tests(output: &str) -> Option<usize> {
    // What shows that a runner's summary is there, and what in it names the tests that passed.
    static RUNNERS: LazyLock<[(Regex, Regex); 4]> = LazyLock::new(|| {
        [
            // Node's own, as `spec` and as TAP.
            (r"(?m)^(?:#|ℹ) pass \d+$", r"pass (\d+)"),
            (
                r"(?m)^\s*Tests\s{2,}.*\(\d+\)\s*$|^\s*No test files found",
                r"(\d+) passed",
            ),
            // Jest.
            (r"(?m)^Tests:\s.*\d+ total\s*$", r"(\d+) passed"),
            (r"(?m)^\s+\d+ passing\b.*$", r"(\d+) passing"),
        ]
        .map(|(summary, passed)| (pattern(summary), pattern(passed)))
    });
    let counts = RUNNERS.iter().flat_map(|(summary, passed)| {
        summary.find_iter(output.as_bytes()).map(|line| {
            let count = passed.captures(line.as_bytes());
            let count = count.and_then(|count| std::str::from_utf8(&count[1]).ok()?.parse().ok());
            count.unwrap_or(0)
        })
    });
    counts.fold(None, |sum, count: usize| Some(sum.unwrap_or(0) + count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summaries_of_runners_are_known() {
        for (output, passed) in [
            ("ℹ tests 3\nℹ suites 0\nℹ pass 3\nℹ fail 0\n", Some(3)),
            ("1..2\n# tests 2\n# pass 1\n# skipped 1\n", Some(1)),
            ("ℹ tests 0\nℹ pass 0\n", Some(0)),
            (
                " Test Files  2 passed (2)\n      Tests  7 passed (7)\n   Start at  10:00\n",
                Some(7),
            ),
            ("      Tests  1 failed | 2 passed (3)\n", Some(2)),
            ("      Tests  3 skipped (3)\n", Some(0)),
            ("No test files found, exiting with code 0\n", Some(0)),
            (
                "Tests:       1 skipped, 4 passed, 5 total\nTime: 1 s\n",
                Some(4),
            ),
            ("\n  12 passing (23ms)\n  1 pending\n", Some(12)),
            // Two runners one after the other.
            ("ℹ pass 3\n      Tests  7 passed (7)\n", Some(10)),
            ("ok\n", None),
            ("Tests are great (3)\n", None),
        ] {
            assert_eq!(passed_tests(output), passed, "{output}");
        }
    }

    #[test]
    fn an_end_is_made_of_whole_lines() {
        assert_eq!(tail("\n\na\nb\n", 100), "a\nb");
        assert_eq!(tail("first\nsecond\nthird\n", 9), "third");
        assert_eq!(tail("ääää", 3), "ä");
    }

    #[test]
    fn faults_of_the_machine_are_no_faults_of_an_application() {
        let of = |ended| failure(&ended, "no such program", Duration::from_secs(7));
        assert_eq!(of(Ended::Code(0)).unwrap(), None);
        assert_eq!(
            of(Ended::Code(3)).unwrap().unwrap(),
            "ended with exit code 3"
        );
        assert!(
            of(Ended::TooLate)
                .unwrap()
                .unwrap()
                .ends_with("longer than 7 s")
        );
        assert!(of(Ended::DiskFull).unwrap().is_some());
        let error = of(Ended::NotStarted).unwrap_err();
        assert!(error.to_string().ends_with(": no such program"), "{error}");
        assert!(of(Ended::KeeperLost).is_err());
    }
}

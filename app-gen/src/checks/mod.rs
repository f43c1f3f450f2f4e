//! What is checked of an application before anybody calls it done. No model is asked.
//!
//! [`Checks`] makes the checks of [`STEPS`] one after the other. One that needs another which did not pass is
//! skipped and says so: nothing is proven by it. An error is the machine's fault; what is wrong with the
//! application is in a [`Checked`].

pub(crate) mod checked;
pub(crate) mod criteria;
mod files;
mod http;
mod licences;
pub(crate) mod npm;
mod placeholders;
mod serve;
mod source;
pub(crate) mod subject;
pub(crate) mod tests_kept;

use std::time::Instant;

use anyhow::Result;
use app_gen_contract::CheckOutcome;

pub(crate) use crate::checks::checked::Checked;
use crate::checks::checked::Found;
pub(crate) use crate::checks::subject::Subject;

/// One step, which makes the checks that it names.
struct Step {
    names: &'static [&'static str],
    /// Checks that must have passed.
    needs: &'static [&'static str],
    work: Work,
}

#[derive(Clone, Copy)]
enum Work {
    Files,
    Placeholders,
    TestsKept,
    Install,
    Build,
    Test,
    Serve,
    Licences,
    Browser,
}

/// All steps, what takes no time first.
const STEPS: [Step; 9] = [
    step(&["files"], &[], Work::Files),
    step(&["placeholders"], &[], Work::Placeholders),
    step(&["tests_kept"], &[], Work::TestsKept),
    step(&["install"], &["files"], Work::Install),
    step(&["build"], &["install"], Work::Build),
    step(&["test"], &["install"], Work::Test),
    step(
        &[serve::START, serve::ACCEPTANCE, serve::STOP],
        &["install", "build"],
        Work::Serve,
    ),
    step(&["licences"], &["files"], Work::Licences),
    step(&["browser"], &["start"], Work::Browser),
];

const fn step(names: &'static [&'static str], needs: &'static [&'static str], work: Work) -> Step {
    Step { names, needs, work }
}

/// The checks of one state of an application.
pub(crate) struct Checks<'subject> {
    subject: Subject<'subject>,
    steps: std::slice::Iter<'static, Step>,
    made: Vec<Checked>,
    /// How many of `made` were handed out.
    told: usize,
}

impl<'subject> Checks<'subject> {
    pub(crate) fn of(subject: Subject<'subject>) -> Self {
        Self {
            subject,
            steps: STEPS.iter(),
            made: Vec::new(),
            told: 0,
        }
    }

    /// Makes the next check; nothing when all were made. If the future is dropped, what it started ends.
    pub(crate) async fn next(&mut self) -> Result<Option<&Checked>> {
        if self.told == self.made.len() {
            let Some(step) = self.steps.next() else {
                return Ok(None);
            };
            let checked = self.make(step).await?;
            self.made.extend(checked);
        }
        self.told += 1;
        Ok(self.made.get(self.told - 1))
    }

    /// Those that were made so far.
    pub(crate) fn made(&self) -> &[Checked] {
        &self.made
    }

    async fn make(&self, step: &Step) -> Result<Vec<Checked>> {
        let began = Instant::now();
        let subject = &self.subject;
        let found = match (self.missing(step), step.work) {
            (Some(needed), _) => {
                let why = format!("it needs {needed}, which did not pass");
                let skip =
                    |name: &&'static str| Checked::new(name, Found::Skipped(why.clone()), began);
                return Ok(step.names.iter().map(skip).collect());
            }
            (None, Work::Serve) => return serve::check(subject).await,
            (None, Work::Files) => files::check(subject.snapshot),
            (None, Work::Placeholders) => placeholders::check(subject.snapshot),
            (None, Work::TestsKept) => tests_kept::check(subject.snapshot, subject.before),
            (None, Work::Install) => npm::install(subject).await?,
            (None, Work::Build) => npm::build(subject).await?,
            (None, Work::Test) => npm::test(subject).await?,
            (None, Work::Licences) => licences::check(subject.snapshot),
            (None, Work::Browser) => {
                let why =
                    "the image has no browser, so nobody looked at the page as its users see it";
                Found::Skipped(why.to_owned())
            }
        };
        let checked = step
            .names
            .iter()
            .map(|name| Checked::new(name, found.clone(), began));
        Ok(checked.collect())
    }

    /// The first check that a step needs and that did not pass.
    fn missing(&self, step: &Step) -> Option<&'static str> {
        let has_passed = |name: &&&'static str| {
            let mut made = self.made.iter();
            made.any(|checked| checked.name == **name && checked.outcome == CheckOutcome::Passed)
        };
        let mut missing = step.needs.iter().filter(|name| !has_passed(name));
        missing.next().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pipeline is a task that any thread goes on with.
    const _: fn(&mut Checks<'static>) = |checks| {
        fn moves(_: impl Send) {}
        moves(checks.next());
    };

    #[test]
    fn a_step_needs_what_was_made_before_it() {
        let mut before: Vec<&str> = Vec::new();
        for step in &STEPS {
            assert!(step.needs.iter().all(|name| before.contains(name)));
            assert!(step.names.iter().all(|name| !before.contains(name)));
            before.extend(step.names);
        }
    }
}

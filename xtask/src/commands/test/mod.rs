//! `cargo xtask test`: runs all tests, linters and checks of the project, the fast ones first.

mod api;
mod clock;
mod suites;
mod web;

use crate::commands::command::{Answer, Changes, Command, Reach};
use crate::commands::test::suites::{Ran, SuiteTime, TestTime};
use app_gen_infra::Instance;
use serde::Serialize;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use xtask_core::cmd::Cmd;
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure, Rendered};
use xtask_core::lock::Lock;
use xtask_core::report::table;
use xtask_machine::part::Part;
use xtask_machine::{self, FOR_TEST, cdk};

/// CI has 90 minutes, so a step that takes two thirds of that time hangs.
const STEP_TIMEOUT: Duration = Duration::from_secs(60 * 60);

/// How many of the slowest tests are listed.
const SLOWEST: usize = 10;

/// Run all tests, linters and checks of the project
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Steps to run [default: all]
    #[arg(value_enum)]
    steps: Vec<Step>,
    /// Run only the tests that need no engine, no service and no network
    #[arg(long, conflicts_with = "steps")]
    fast: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
enum Step {
    /// Check the formatting with rustfmt
    Format,
    /// Run clippy; warnings are errors
    Lint,
    /// Check the types of the web page and run its unit tests
    Web,
    /// Check the workflows, and the types, rules and rights of the CDK app
    Infra,
    /// Run `validate`, which builds the images and generates an application
    Validate,
    /// Run `deploy` to the local cloud, and use the deployed web page in a browser
    Deploy,
    /// Run the unit and integration tests of all crates against the local services
    Rust,
    /// Look for requests that the API answers in another way than its document says
    Api,
    /// Look at, measure and use the web page of this checkout in a browser
    Browser,
}

/// Fast ones first; `validate` before the tests of the commands, which then find images instead
/// of building them, and `deploy` after them: what they deployed last is what it finds.
const ALL: [Step; 9] = [
    Step::Format,
    Step::Lint,
    Step::Web,
    Step::Infra,
    Step::Validate,
    Step::Rust,
    Step::Api,
    Step::Deploy,
    Step::Browser,
];

/// Those of `--fast`; of the Rust tests some.
const FAST: [Step; 4] = [Step::Format, Step::Lint, Step::Web, Step::Rust];

impl Step {
    fn name(self) -> String {
        format!("{self:?}").to_lowercase()
    }
}

#[derive(Debug, Serialize)]
struct StepResult {
    step: Step,
    seconds: f64,
}

#[derive(Debug, Serialize)]
struct Tested {
    steps: Vec<StepResult>,
    /// Binaries of Rust tests, in the order in which they ran.
    suites: Vec<SuiteTime>,
    /// The Rust tests that took longest.
    slowest: Vec<TestTime>,
    seconds: f64,
}

impl Command for Args {
    const CHANGES: Changes = Changes::Machine;
    const ANSWER: Answer =
        Answer::Object(r#"`{"steps":[{"step","seconds"}],"suites":[…],"slowest":[…],"seconds"}`"#);
    const REACH: Reach = Reach::Machine("cargo xtask test");
    const SETUP: &'static [Part] = FOR_TEST;
    const INSTANCE: Option<Instance> = Some(Instance::Test);

    fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let steps: Vec<Step> = ALL
            .into_iter()
            .filter(|step| match (self.fast, &self.steps[..]) {
                (true, _) => FAST.contains(step),
                (false, []) => true,
                (false, named) => named.contains(step),
            })
            .collect();
        let parts = match self.fast {
            true => xtask_machine::FOR_FAST_TEST,
            false => xtask_machine::FOR_TEST,
        };
        xtask_machine::require(context, parts)?;
        let what = "a test of this machine";
        let _alone = Lock::try_take(&context.state_folder()?.join("locks/test"), what)?;
        let (mut results, mut ran) = (Vec::new(), Ran::default());
        for &step in &steps {
            let name = step.name();
            context.report.step(&format!("test: {name}"));
            let started = Instant::now();
            run_step(step, &steps, self.fast, context, &mut ran).map_err(|error| {
                let hint = Rendered::new(&error).hint;
                Failure::new(Code::Failed, format!("test step {name} failed"))
                    .hint(hint.unwrap_or_else(|| format!("cargo xtask test {name}")))
                    .because(error)
            })?;
            results.push(StepResult {
                step,
                seconds: started.elapsed().as_secs_f64(),
            });
        }
        let tested = Tested {
            steps: results,
            suites: ran.suites,
            slowest: slowest(ran.tests),
            seconds: context.report.elapsed_secs(),
        };
        context.report.result(&tested, &text(&tested))?;
        Ok(ExitCode::SUCCESS)
    }
}

fn slowest(mut tests: Vec<TestTime>) -> Vec<TestTime> {
    tests.sort_by(|one, other| other.seconds.total_cmp(&one.seconds));
    tests.truncate(SLOWEST);
    tests
}

fn text(tested: &Tested) -> String {
    let seconds = |seconds: f64| format!("{seconds:.1}");
    let steps = tested.steps.iter().map(|result| {
        vec![
            result.step.name(),
            "passed".to_owned(),
            seconds(result.seconds),
        ]
    });
    let mut text = table(&["step", "result", "seconds"], &steps.collect::<Vec<_>>());
    if !tested.suites.is_empty() {
        let suites = tested.suites.iter().map(|suite| {
            let tests = suite.tests.to_string();
            vec![suite.suite.clone(), tests, seconds(suite.seconds)]
        });
        let suites = table(&["suite", "tests", "seconds"], &suites.collect::<Vec<_>>());
        let slowest = tested.slowest.iter().map(|time| {
            let test = format!("{}: {}", time.suite, time.test);
            vec![test, seconds(time.seconds)]
        });
        let slowest = table(&["slowest tests", "seconds"], &slowest.collect::<Vec<_>>());
        text = format!("{text}\n{suites}\n{slowest}");
    }
    format!("{text}\n{} passed, 0 failed", tested.steps.len())
}

fn run_step(
    step: Step,
    steps: &[Step],
    fast: bool,
    context: &Context,
    ran: &mut Ran,
) -> anyhow::Result<()> {
    let prepare = |command: Cmd| {
        command
            .env(Instance::VARIABLE, Instance::TEST)
            // GitHub does not fold groups within groups.
            .env_remove("GITHUB_ACTIONS")
            .timeout(STEP_TIMEOUT)
    };
    let cargo = |arguments: &[&str]| prepare(Cmd::cargo().args(arguments).folder(&context.root));
    let report = &context.report;
    match step {
        Step::Format => cargo(&["fmt", "--all", "--check"]).run(report, "fmt"),
        Step::Lint => cargo(&[
            "clippy",
            "--locked",
            "--workspace",
            "--all-targets",
            "--",
            "--deny",
            "warnings",
        ])
        .run(report, "clippy"),
        Step::Rust => {
            *ran = suites::run(context, fast, cargo, prepare)?;
            Ok(())
        }
        Step::Web => web::units(context, STEP_TIMEOUT),
        Step::Infra => infra(context),
        Step::Api => api::run(context),
        // What a user does with the deployed page need not be done twice.
        Step::Browser => web::browser(context, !steps.contains(&Step::Deploy), STEP_TIMEOUT),
        // Cargo starts it, because compiling the tests may replace the binary that runs now.
        Step::Validate => cargo(&["xtask", "validate", "--force"]).run(report, "validate"),
        Step::Deploy => {
            cargo(&["xtask", "deploy", "--yes"]).run(report, "deploy")?;
            web::deployed(context, STEP_TIMEOUT)
        }
    }
}

fn infra(context: &Context) -> anyhow::Result<()> {
    let report = &context.report;
    let linters = cdk::linters(context)?;
    // With --offline, zizmor does not look versions up in a database of known faults.
    Cmd::new(linters.join("bin/zizmor"))
        .args(["--offline", "--no-progress", "--strict-collection"])
        .args(["--pedantic", ".github/workflows"])
        .folder(&context.root)
        .run(report, "zizmor")?;
    let script =
        |arguments: &[&str]| anyhow::Ok(cdk::script(context, arguments)?.timeout(STEP_TIMEOUT));
    script(&["run", "typecheck"])?.run(report, "types")?;
    script(&["test"])?
        .env("CFN_LINT_VENV", linters)
        .run(report, "infra")
}

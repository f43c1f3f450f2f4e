//! The anatomy of every command. A command is one file of this folder: its `Args` say what it
//! accepts, and its [`Command`] says what it changes, what it answers, and what it does.
//! [`verbs!`] registers it; the command line, `help` and the table in AGENTS.md follow.

use crate::commands::installing;
use app_gen_infra::Instance;
use serde::Serialize;
use std::process::ExitCode;
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure};
use xtask_core::report::Report;
use xtask_machine::FOR_VALIDATE;
use xtask_machine::part::Part;
use xtask_operate::secrets::file;

/// One command. The doc comment of the type that implements it is its line in `help`.
pub(crate) trait Command: Sized {
    /// The furthest that the command can change anything, whatever its flags.
    const CHANGES: Changes;
    const ANSWER: Answer;
    const REACH: Reach = Reach::Environments;
    /// What `--setup` installs and starts before the command runs.
    const SETUP: &'static [Part] = FOR_VALIDATE;
    /// The instance of the environment `local` that the command works in, whatever the
    /// variables of the process say.
    const INSTANCE: Option<Instance> = None;
    /// Whether the secret files that killed commands left are removed before the command runs.
    const SWEEPS_SECRETS: bool = true;

    /// Runs the command in a checkout; the exit code is for an end that has already been
    /// reported.
    ///
    /// # Errors
    /// Whatever keeps the command from its end. `main` reports it and exits with its code.
    fn run(self, context: &Context) -> anyhow::Result<ExitCode>;

    /// Runs the command where these arguments need no checkout, so that it also works where
    /// the manifest is missing or faulty.
    fn run_without_checkout(&self, _report: &Report) -> Option<anyhow::Result<ExitCode>> {
        None
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Changes {
    Nothing,
    /// What is installed, stored or running on this machine.
    Machine,
    /// Files of the checkout.
    Checkout,
    /// An environment: its services, data, secrets or registry.
    Environment,
}

/// Where a command works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// In the environment that `--env` names.
    Environments,
    /// On this machine. With `--env` of an environment on AWS it is refused before anything is done,
    /// and this is what to run instead; `ENV` stands for the environment.
    Machine(&'static str),
}

impl Reach {
    #[must_use]
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Environments => "environments",
            Self::Machine(_) => "machine",
        }
    }

    /// Refuses an environment that the command does not reach.
    ///
    /// # Errors
    /// [`Code::Usage`] with what to run instead.
    fn admits(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::Machine(instead) if !context.is_local() => Err(Failure::new(
                Code::Usage,
                format!(
                    "this command works on this machine only, and environment {} is on AWS",
                    context.environment
                ),
            )
            .hint(instead.replace("ENV", &context.environment))),
            _ => Ok(()),
        }
    }
}

/// What `--json` prints on standard output, in the words of AGENTS.md. Line breaks count as
/// spaces.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Answer {
    /// One object, at the end.
    Object(&'static str),
    /// Objects, one a line, as they come.
    Stream(&'static str),
    /// The command refuses `--json`.
    None(&'static str),
}

impl Answer {
    #[must_use]
    pub(crate) fn kind(self) -> &'static str {
        match self {
            Self::Object(_) => "object",
            Self::Stream(_) => "stream",
            Self::None(_) => "none",
        }
    }

    #[must_use]
    pub(crate) fn text(self) -> String {
        let (Self::Object(text) | Self::Stream(text) | Self::None(text)) = self;
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

/// What `help` and AGENTS.md know of the commands, beyond what clap knows.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Description {
    Command {
        changes: Changes,
        answer: Answer,
        reach: Reach,
    },
    /// Commands of one level, in the order of the command line.
    Family(&'static [Group]),
}

/// Commands below one heading of `help`.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) heading: &'static str,
    pub(crate) verbs: &'static [Description],
}

/// A command, or a family of commands such as `secrets`.
pub(crate) trait Entry: Sized {
    const DESCRIPTION: Description;

    /// Does what comes before every command, and runs it.
    ///
    /// # Errors
    /// As [`Command::run`].
    fn start(self, global: &Global, report: Report) -> anyhow::Result<ExitCode>;
}

impl<C: Command> Entry for C {
    const DESCRIPTION: Description = Description::Command {
        changes: C::CHANGES,
        answer: C::ANSWER,
        reach: C::REACH,
    };

    fn start(self, global: &Global, report: Report) -> anyhow::Result<ExitCode> {
        if let Some(ended) = self.run_without_checkout(&report) {
            return ended;
        }
        let context = Context::load(C::INSTANCE, &global.env, global.yes, report)?;
        C::REACH.admits(&context)?;
        if C::SWEEPS_SECRETS {
            file::sweep(&context)?;
        }
        if global.setup {
            installing::install(&context, C::SETUP)?;
        }
        self.run(&context)
    }
}

// Without a doc comment: clap would take it for the description of each command.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Options of every command")]
pub(crate) struct Global {
    /// Use this environment of platform.toml
    #[arg(long, global = true, default_value = "local")]
    pub(crate) env: String,
    /// Print the result as JSON on standard output, and progress as one JSON object a line on standard error
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Answer every question with yes
    #[arg(long, global = true)]
    pub(crate) yes: bool,
    /// Install and start what is missing on this machine first
    #[arg(long, global = true)]
    pub(crate) setup: bool,
    /// Print only the result or the error, and no progress
    #[arg(long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Also print every command line that is run
    #[arg(long, global = true)]
    pub(crate) verbose: bool,
}

/// Registers the commands of one level, by the headings of `help` and in its order.
macro_rules! verbs {
    (
        $(#[$family:meta])*
        $name:ident {
            $($heading:literal {
                $($(#[$attribute:meta])* $verb:ident($arguments:ty)),+ $(,)?
            })+
        }
    ) => {
        $(#[$family])*
        #[derive(Debug, clap::Subcommand)]
        pub(crate) enum $name {
            $($($(#[$attribute])* $verb($arguments)),+),+
        }

        impl $crate::commands::command::Entry for $name {
            const DESCRIPTION: $crate::commands::command::Description =
                $crate::commands::command::Description::Family(&[
                    $($crate::commands::command::Group {
                        heading: $heading,
                        verbs: &[
                            $(<$arguments as $crate::commands::command::Entry>::DESCRIPTION),+
                        ],
                    }),+
                ]);

            fn start(
                self,
                global: &$crate::commands::command::Global,
                report: xtask_core::report::Report,
            ) -> anyhow::Result<std::process::ExitCode> {
                match self {
                    $($(Self::$verb(arguments) => {
                        $crate::commands::command::Entry::start(arguments, global, report)
                    })+)+
                }
            }
        }
    };
}
pub(crate) use verbs;

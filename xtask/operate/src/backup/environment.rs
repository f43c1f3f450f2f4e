//! Backups of what is deployed: a task of the service's own definition writes and reads them in its bucket.

use crate::backup::{Place, Told, told};
use crate::deploy::environment_lock::EnvironmentLock;
use crate::status::answers;
use app_gen_saas_contract::backup::{BACKUPS, MANIFEST};
use std::path::Path;
use std::time::Duration;
use xtask_aws_api::calls::s3::{DownloadFolder, GetObject, ListFolders, UploadFolder};
use xtask_aws_api::calls::stream_item::StreamItem;
use xtask_aws_api::calls::tasks::{RunTask, StreamTask, TaskToRun};
use xtask_aws_api::names::Deployed;
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure};
use xtask_core::interrupt;
use xtask_machine::{aws, ministack};

/// The service whose program does it.
const ORCHESTRATOR: &str = "orchestrator";
/// A task may take a minute to stop, and its end is reported too.
const STOP_GRACE: Duration = Duration::from_secs(120);
/// Of one copy between the bucket and this machine.
const COPY_TIMEOUT: Duration = Duration::from_secs(4 * 60 * 60);

/// What is deployed to the environment of the context.
pub(super) struct Environment<'a> {
    context: &'a Context,
    bucket: String,
}

impl<'a> Environment<'a> {
    pub(super) fn of(context: &'a Context) -> anyhow::Result<Self> {
        ministack::require_if_local(context)?;
        let deployed = Deployed::new(&context.platform, &context.environment);
        Ok(Self {
            context,
            bucket: deployed.artifact_bucket,
        })
    }

    fn uri(&self, id: &str) -> String {
        format!("s3://{}/{BACKUPS}/{id}", self.bucket)
    }
}

impl Place for Environment<'_> {
    fn run(&self, arguments: &[&str], bound: Duration) -> anyhow::Result<()> {
        let context = self.context;
        let verb = arguments.first().copied().unwrap_or_default();
        // No deploy migrates the database meanwhile, and no other restore fills it.
        let _lock = EnvironmentLock::take(context, verb)?;
        let request = StreamTask {
            task: RunTask {
                what: TaskToRun::Service(ORCHESTRATOR.to_owned()),
                container: None,
                variables: Vec::new(),
                command: arguments
                    .iter()
                    .map(|&argument| argument.to_owned())
                    .collect(),
                spot: false,
                timeout_secs: bound.as_secs(),
            },
        };
        let (mut ended, mut why) = (None, None);
        let streamed = aws::call(context, request)
            .timeout(bound + STOP_GRACE)
            .grace(STOP_GRACE)
            .stream(verb, |item| {
                match item {
                    StreamItem::Line(line) => match told(line.message.as_bytes()) {
                        Told::Step(text) => context.report.step(&text),
                        Told::Error(text) => why = Some(text),
                        Told::Nothing => {}
                    },
                    StreamItem::Ended(run) => ended = Some(run.task),
                    StreamItem::Failed(failed) => why = Some(failed.error.message),
                }
                Ok(())
            });
        match (ended, why) {
            (Some(task), _) if task.state.exit_code == Some(0) => Ok(()),
            (_, Some(why)) if !interrupt::requested() => Err(refused(verb, &why, context).into()),
            (Some(task), _) => Err(Failure::new(
                Code::Failed,
                format!("the task of {verb} failed: {}", task.why()),
            )
            .hint(format!(
                "cargo xtask logs {} --env {}",
                task.id, context.environment
            ))
            .into()),
            (None, _) => {
                streamed?;
                Err(Failure::new(
                    Code::Failed,
                    format!("nothing reported the end of the task of {verb}"),
                )
                .hint(format!("cargo xtask tasks --env {}", context.environment))
                .into())
            }
        }
    }

    fn ids(&self) -> anyhow::Result<Vec<String>> {
        let request = ListFolders {
            uri: format!("s3://{}/{BACKUPS}", self.bucket),
        };
        Ok(aws::call(self.context, request).read()?.names)
    }

    fn manifest(&self, id: &str) -> anyhow::Result<Option<Vec<u8>>> {
        // Whether there is one is asked first: a download that fails may have failed for another reason.
        if !self.ids()?.iter().any(|known| known == id) {
            return Ok(None);
        }
        let file = self.context.work_folder().join(format!("backup-{id}.json"));
        let request = GetObject {
            uri: format!("{}/{MANIFEST}", self.uri(id)),
            to: file.clone(),
        };
        match aws::call(self.context, request).read() {
            Ok(_) => {
                let text = std::fs::read(&file);
                let _ = std::fs::remove_file(&file);
                Ok(Some(text?))
            }
            // A backup that was interrupted has everything but its manifest.
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn fetch(&self, id: &str, to: &Path) -> anyhow::Result<()> {
        let request = DownloadFolder {
            uri: self.uri(id),
            to: to.to_owned(),
        };
        aws::call(self.context, request)
            .timeout(COPY_TIMEOUT)
            .read()?;
        Ok(())
    }

    fn send(&self, from: &Path, id: &str) -> anyhow::Result<()> {
        let request = UploadFolder {
            from: from.canonicalize()?,
            uri: self.uri(id),
            last: MANIFEST.to_owned(),
        };
        aws::call(self.context, request)
            .timeout(COPY_TIMEOUT)
            .read()?;
        Ok(())
    }

    fn require_stopped(&self) -> anyhow::Result<()> {
        let services = answers::services(self.context)?.services;
        let Some(service) = services
            .iter()
            .find(|service| service.service == ORCHESTRATOR)
        else {
            return Ok(());
        };
        if service.desired == 0 && service.running == 0 && service.pending == 0 {
            return Ok(());
        }
        let environment = &self.context.environment;
        Err(Failure::new(
            Code::Refused,
            format!("the orchestrator of environment {environment} runs, and works with what a restore replaces"),
        )
        .hint(format!("cargo xtask scale {ORCHESTRATOR} --to 0 --env {environment} --yes"))
        .into())
    }
}

fn refused(verb: &str, why: &str, context: &Context) -> Failure {
    let failure = Failure::new(Code::Failed, format!("{verb} failed: {why}"));
    let environment = &context.environment;
    failure.hint(match why.contains("is not empty") {
        true => format!(
            "take a backup of what is there (cargo xtask backup --env {environment}), then add --replace"
        ),
        false => format!("cargo xtask logs {ORCHESTRATOR} --since 10m --env {environment}"),
    })
}

fn is_missing(error: &anyhow::Error) -> bool {
    let text = format!("{error:#}");
    text.contains("NoSuchKey") || text.contains("NotFound")
}

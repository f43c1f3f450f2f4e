//! What the verbs `jobs`, `projects` and `templates` have in common: whom they ask, and how a job is shown.

use serde_json::Value;
use std::process::ExitCode;
use std::time::Duration;
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure};
use xtask_core::wait;
use xtask_core::wait::Look;
use xtask_machine::ministack;
use xtask_operate::product::{Product, encoded};

/// How often a job is looked at that is waited for.
const PAUSE: Duration = Duration::from_secs(1);
/// States in which a job stays.
const FINAL: [&str; 5] = ["succeeded", "failed", "cancelled", "timed_out", "lost"];
/// The state in which a job stays until a person decides.
const ASKS: &str = "waiting_approval";

// Without a doc comment: clap would take it for the description of each command.
#[derive(Debug, clap::Args)]
pub(crate) struct Server {
    /// Ask the orchestrator at this address, one of `cargo xtask dev` for example, not that of the environment
    #[arg(long, value_name = "URL", value_parser = address)]
    url: Option<String>,
}

fn address(text: &str) -> Result<String, String> {
    match text.starts_with("http://") || text.starts_with("https://") {
        true => Ok(text.to_owned()),
        false => Err("an address begins with http:// or https://".to_owned()),
    }
}

impl Server {
    /// The product that is asked.
    ///
    /// # Errors
    /// Nothing has been deployed, or the cloud does not answer.
    pub(crate) fn product(&self, context: &Context) -> anyhow::Result<Product> {
        if let Some(url) = &self.url {
            return Ok(Product::at(url));
        }
        ministack::require_if_local(context)?;
        Product::of(context)
    }
}

// Without a doc comment: clap would take it for the description of each command.
#[derive(Debug, clap::Args)]
pub(crate) struct Waiting {
    /// Wait until the job has ended, or asks for a decision
    #[arg(long)]
    wait: bool,
    /// With --wait, give up after this time; the job goes on
    #[arg(long, value_name = "SECONDS", requires = "wait", default_value_t = 3600, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    timeout_secs: u64,
}

impl Waiting {
    /// Shows the job, at once or when it has ended. One that ended badly is exit code 1.
    ///
    /// # Errors
    /// The orchestrator does not answer, or the time is over.
    pub(crate) fn end_with(
        &self,
        context: &Context,
        product: &Product,
        job: Value,
    ) -> anyhow::Result<ExitCode> {
        let job = match self.wait {
            true => self.follow(context, product, &job)?,
            false => job,
        };
        context.report.result(&job, &job_text(&job))?;
        let has_failed = FINAL[1..].contains(&text(&job, "state"));
        Ok(match self.wait && has_failed {
            true => Code::Failed.into(),
            false => ExitCode::SUCCESS,
        })
    }

    /// Whether the end of the job is waited for.
    pub(crate) const fn is_wanted(&self) -> bool {
        self.wait
    }

    /// The job once it has ended, or asks for a decision.
    ///
    /// # Errors
    /// The orchestrator does not answer, or the time is over.
    pub(crate) fn follow(
        &self,
        context: &Context,
        product: &Product,
        job: &Value,
    ) -> anyhow::Result<Value> {
        let id = text(job, "id").to_owned();
        let path = job_path(&id);
        let mut shown = String::new();
        let look = || -> anyhow::Result<Look<Value>> {
            let job = product.get(&path)?;
            let state = text(&job, "state").to_owned();
            if state != shown {
                context.report.step(&format!("job {id}: {state}"));
                shown.clone_from(&state);
            }
            let is_over = FINAL.contains(&state.as_str()) || state == ASKS;
            Ok(match is_over {
                true => Look::Done(job),
                false => Look::NotYet(format!("it is {state}")),
            })
        };
        let timeout = Duration::from_secs(self.timeout_secs);
        wait::until(timeout, PAUSE, look, |late| {
            Failure::new(Code::Failed, format!("job {id} has not ended {late}"))
                .hint(format!("cargo xtask jobs show {id}"))
        })
    }
}

/// The path of a job in the API.
pub(crate) fn job_path(id: &str) -> String {
    format!("/api/jobs/{}", encoded(id))
}

/// The path of a project in the API.
pub(crate) fn project_path(id: &str) -> String {
    format!("/api/projects/{}", encoded(id))
}

/// A text of an answer; nothing where it has none.
pub(crate) fn text<'value>(value: &'value Value, field: &str) -> &'value str {
    value[field].as_str().unwrap_or_default()
}

/// A field of an answer for a table; a dash where it has none.
pub(crate) fn cell(value: &Value, field: &str) -> String {
    match &value[field] {
        Value::Null => "—".to_owned(),
        Value::String(text) => text.lines().next().unwrap_or_default().to_owned(),
        other => other.to_string(),
    }
}

/// Millionths of a US dollar as people read them.
pub(crate) fn usd(micro_usd: &Value) -> String {
    let micro_usd = micro_usd.as_u64().unwrap_or_default();
    format!(
        "${}.{:04}",
        micro_usd / 1_000_000,
        micro_usd % 1_000_000 / 100
    )
}

/// A job for people: what it is, how it is, and what can be done next.
pub(crate) fn job_text(job: &Value) -> String {
    let id = text(job, "id");
    let mut lines = vec![
        format!("job {id}: {}", text(job, "state")),
        format!("{}: {}", text(job, "kind"), text(job, "description")),
    ];
    if let Some(reason) = job["reason"].as_str() {
        lines.push(format!("because: {reason}"));
    }
    if let Some(project) = job["project"].as_str() {
        lines.push(match job["version"].as_u64() {
            Some(version) => format!("project {project}, version {version}"),
            None => format!("project {project}"),
        });
    }
    let attached: Vec<&str> = job["attachments"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|file| text(file, "name"))
        .collect();
    if !attached.is_empty() {
        lines.push(format!("attached: {}", attached.join(", ")));
    }
    if let Some(template) = job["template"]["name"].as_str() {
        lines.push(format!("it begins with the template {template}"));
    }
    if let Some(other) = job["waits_for"].as_str() {
        lines.push(format!("it begins when job {other} has ended"));
    }
    let usage = &job["usage"];
    lines.push(format!(
        "cost so far: models {}, tasks {}",
        usd(&usage["micro_usd"]),
        usd(&usage["task_micro_usd"])
    ));
    match (&job["waiting"]["question"], text(job, "state")) {
        (Value::String(question), _) => lines.extend([
            question.clone(),
            format!("cargo xtask jobs approve {id} (or reject, or defer)"),
        ]),
        (_, "succeeded") if job["artifact"].is_object() => {
            lines.push(format!("cargo xtask jobs download {id}"));
        }
        _ => {}
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn money_is_read_at_a_glance() {
        assert_eq!(usd(&json!(13_649)), "$0.0136");
        assert_eq!(usd(&json!(12_000_000)), "$12.0000");
        assert_eq!(usd(&Value::Null), "$0.0000");
    }

    #[test]
    fn a_job_says_what_can_be_done_next() {
        let job = json!({
            "id": "j", "state": "waiting_approval", "kind": "change", "description": "add a date",
            "project": "p", "version": null, "waits_for": null, "reason": null,
            "usage": { "micro_usd": 2_500_000, "task_micro_usd": 0 },
            "waiting": { "kind": "approval", "question": "May it be published?" },
            "attachments": [{ "name": "a.md" }, { "name": "b.png" }], "template": { "name": "Diary" },
        });
        assert_eq!(
            job_text(&job).lines().collect::<Vec<_>>(),
            [
                "job j: waiting_approval",
                "change: add a date",
                "project p",
                "attached: a.md, b.png",
                "it begins with the template Diary",
                "cost so far: models $2.5000, tasks $0.0000",
                "May it be published?",
                "cargo xtask jobs approve j (or reject, or defer)",
            ]
        );
    }

    #[test]
    fn an_address_is_one_of_the_web() {
        assert!(address("http://127.0.0.1:8080").is_ok());
        assert!(address("127.0.0.1:8080").is_err());
    }
}

//! What agents are asked, beyond what their roles say.

use crate::checks::Checked;
use crate::pipeline::state::Plan;
use crate::roles::Finding;
use crate::workshop::attachments;
use app_gen_contract::{JobKind, JobSpec};
use std::fmt::Write as _;

/// The prompt of a conversation that was interrupted.
pub(crate) const GO_ON: &str = "Go on.";

/// What the product manager is asked.
pub(crate) fn criteria(spec: &JobSpec, notes: Option<&str>) -> String {
    let mut text = description(spec);
    if let Some(notes) = notes {
        push(
            &mut text,
            "What the person said about the plan before",
            notes,
        );
    }
    text.push_str("\nWhat must the application do?\n");
    text
}

/// What the architect is asked.
pub(crate) fn specification(spec: &JobSpec, plan: &Plan, notes: Option<&str>) -> String {
    let mut text = description(spec);
    push(&mut text, "Acceptance criteria", &listed(plan));
    if let Some(notes) = notes {
        push(
            &mut text,
            "What the person said about the plan before",
            notes,
        );
    }
    text.push_str("\nHow is it built?\n");
    text
}

/// What the builder is asked first.
pub(crate) fn build(spec: &JobSpec, plan: &Plan) -> String {
    let mut text = description(spec);
    if !plan.criteria.is_empty() {
        push(&mut text, "Acceptance criteria", &listed(plan));
    }
    if let Some(specification) = &plan.specification {
        push(&mut text, "Specification", specification);
    }
    text.push_str(match spec.kind {
        JobKind::Create if begins_with_template(spec) => {
            "\nMake the application in the current folder of the template that is there: look at it first, keep what \
             fits, and change or remove the rest.\n"
        }
        JobKind::Create => "\nBuild the application in the current folder, which is empty.\n",
        JobKind::Change | JobKind::Deliver => {
            "\nMake this change to the application in the current folder.\n"
        }
    });
    text
}

/// What the builder is asked when checks failed.
pub(crate) fn repair(checks: &[Checked], trouble: Option<&str>, cause: Option<&str>) -> String {
    let mut text = String::new();
    if let Some(trouble) = trouble {
        let _ = writeln!(text, "The last run ended badly: {trouble}.");
    }
    let failed: Vec<&Checked> = checks.iter().filter(|check| check.is_failed()).collect();
    if !failed.is_empty() {
        text.push_str(
            "These checks of the application failed. Mend their cause, and leave what works.\n",
        );
    }
    for check in failed {
        push(
            &mut text,
            check.name,
            check.detail.as_deref().unwrap_or_default(),
        );
    }
    if let Some(cause) = cause {
        push(&mut text, "What somebody else found out about it", cause);
    }
    text
}

/// What the one who looks for the cause is asked.
pub(crate) fn cause(checks: &[Checked]) -> String {
    let mut text = "The same checks failed twice. What is their cause?\n".to_owned();
    for check in checks {
        if check.is_failed() {
            push(
                &mut text,
                check.name,
                check.detail.as_deref().unwrap_or_default(),
            );
        }
    }
    text
}

/// What those who look at an application are asked.
pub(crate) fn review(spec: &JobSpec, plan: &Plan) -> String {
    let mut text = description(spec);
    if !plan.criteria.is_empty() {
        push(&mut text, "Acceptance criteria", &listed(plan));
    }
    text.push_str("\nThe application is in the current folder. What must be mended?\n");
    text
}

/// What the builder is asked after a review.
pub(crate) fn mend<'finding>(
    findings: impl Iterator<Item = (&'static str, &'finding Finding)>,
) -> String {
    let mut text =
        "Others looked at the application. Mend what they found, and leave what works:\n\n"
            .to_owned();
    for (role, finding) in findings {
        let _ = writeln!(text, "- {finding} ({role})");
    }
    text
}

/// What the builder is asked after a person decided against the application as it is.
pub(crate) fn decided(words: &str) -> String {
    let mut text =
        "The person who wants the application looked at it. It is not what they want yet:\n"
            .to_owned();
    push(&mut text, "What they said", words);
    text
}

/// The same once more, to one whose answer could not be read.
pub(crate) fn again(reason: &str) -> String {
    format!(
        "Your answer could not be read: {reason}. Give the whole answer again in the form that was asked for."
    )
}

/// The task of one who takes over in the middle.
pub(crate) fn hand_over(prompt: &str) -> String {
    format!(
        "Somebody else worked on the task below until now and had to stop. What they made is in the current \
         folder: look at it first, keep what is good, and finish the task.\n\n{prompt}"
    )
}

fn description(spec: &JobSpec) -> String {
    let title = match spec.kind {
        JobKind::Create => "What the person wants, in their words",
        JobKind::Change | JobKind::Deliver => "What the person wants to be changed, in their words",
    };
    let mut text = String::new();
    push(&mut text, title, &spec.description);
    if begins_with_template(spec) {
        text.push_str(
            "\nThe work begins with a template: an application in the current folder. Of it, what fits stays.\n",
        );
    }
    if !spec.attachments.is_empty() {
        let title = "Files that they attached, by their paths. Read those that matter, images too";
        push(&mut text, title, &attached(spec));
        text.push_str(
            "\nThey are outside of the application. Copy into it what it needs of them.\n",
        );
    }
    text
}

/// Whether there is something in the workspace of a new application.
fn begins_with_template(spec: &JobSpec) -> bool {
    spec.kind == JobKind::Create && (spec.start_from.is_some() || spec.template.is_some())
}

fn attached(spec: &JobSpec) -> String {
    let mut text = String::new();
    for (attachment, number) in spec.attachments.iter().zip(1..) {
        let path = attachments::path_of(attachment, number);
        let _ = writeln!(
            text,
            "- {}: {:?}, {}, {} bytes",
            path.display(),
            attachment.name,
            attachment.media_type.as_str(),
            attachment.size_bytes
        );
    }
    text
}

/// Texts of others are quoted, so that it is plain where they end.
fn push(text: &mut String, title: &str, quoted: &str) {
    let _ = writeln!(text, "\n{title}:\n");
    for line in quoted.lines() {
        let _ = writeln!(text, "> {line}");
    }
}

fn listed(plan: &Plan) -> String {
    let mut text = String::new();
    for criterion in &plan.criteria {
        let shown = serde_json::json!({ "request": criterion.request, "expect": criterion.expect });
        let _ = writeln!(text, "- {} {shown}", criterion.says);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use app_gen_contract::{Attachment, CheckOutcome, MediaType};

    #[test]
    fn what_others_wrote_is_quoted_to_its_last_line() {
        let spec = JobSpec::new("j", "a list\n\nRole: pm", "claude", "file:///out").unwrap();
        let text = build(&spec, &Plan::default());
        assert!(text.contains("> a list\n> \n> Role: pm\n"), "{text}");
        assert!(text.ends_with("which is empty.\n"), "{text}");
    }

    #[test]
    fn nobody_takes_a_template_for_an_empty_folder() {
        let mut spec = JobSpec::new("j", "a list", "claude", "file:///out").unwrap();
        spec.template = Some("list".to_owned());
        let text = build(&spec, &Plan::default());
        assert!(!text.contains("empty") && text.contains("the template that is there"));
        assert!(criteria(&spec, None).contains("begins with a template"));
    }

    #[test]
    fn what_was_attached_is_named_by_its_path() {
        let mut spec = JobSpec::new("j", "a list", "claude", "file:///out").unwrap();
        let attachment = |name: &str, media_type| Attachment {
            name: name.to_owned(),
            media_type,
            size_bytes: 7,
            sha256: "0".repeat(64),
        };
        spec.attachments = vec![
            attachment("my \"list\".md", MediaType::Text),
            attachment("sketch.png", MediaType::Png),
        ];
        for text in [build(&spec, &Plan::default()), criteria(&spec, None)] {
            let expected = "\n> - /state/attachments/1-my--list-.md: \"my \\\"list\\\".md\", text/plain, 7 bytes\n\
                            > - /state/attachments/2-sketch.png: \"sketch.png\", image/png, 7 bytes\n";
            assert!(text.contains(expected), "{text}");
        }
    }

    #[test]
    fn a_repair_says_what_failed_and_nothing_else() {
        let check = |name, outcome, detail: &str| Checked {
            name,
            outcome,
            detail: Some(detail.to_owned()),
            seconds: 1,
        };
        let checks = [
            check("install", CheckOutcome::Passed, "fine"),
            check("test", CheckOutcome::Failed, "1 failed\n'  Fern '"),
        ];
        let text = repair(
            &checks,
            Some("the time of the agent was over"),
            Some("no trim"),
        );
        let expected = "The last run ended badly: the time of the agent was over.\n\
             These checks of the application failed. Mend their cause, and leave what works.\n\
             \ntest:\n\n> 1 failed\n> '  Fern '\n\
             \nWhat somebody else found out about it:\n\n> no trim\n";
        assert_eq!(text, expected);
    }
}

//! Why tasks stopped, whether another try may help, and what to do.
//!
//! ECS and the local cloud write reasons in words of their own. [`SIGNALS`] is the only place that
//! knows those words; the first signal that fits decides.

use Hope::{Maybe, No, Yes};
use xtask_aws_api::StopReason;
use xtask_aws_api::calls::tasks::Meaning;

/// Whether another try of the same task may work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hope {
    /// The task fails in the same way every time.
    No,
    /// It may be an accident once; the second stop for the same reason is not.
    Maybe,
    /// The stop says nothing about the task.
    Yes,
}

/// What is known of a task that stopped.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stop<'a> {
    /// Why the task and its containers stopped, in the words of the cloud.
    pub(crate) reason: &'a str,
    /// As ECS writes it, for instance `EssentialContainerExited`.
    pub(crate) code: Option<&'a str>,
    pub(crate) exit_code: Option<i32>,
    /// The last lines that the container wrote.
    pub(crate) log: &'a [String],
}

/// Words of a reason, in lower case, and what they mean.
struct Signal {
    reason: StopReason,
    /// Of each of these lists, the text contains at least one entry.
    words: &'static [&'static [&'static str]],
    says: &'static str,
    /// `ENV` is replaced by the name of the environment.
    hint: &'static str,
    hope: Hope,
}

const fn signal(
    reason: StopReason,
    words: &'static [&'static [&'static str]],
    hope: Hope,
    says: &'static str,
    hint: &'static str,
) -> Signal {
    Signal {
        reason,
        words,
        says,
        hint,
        hope,
    }
}

const PULL: &[&str] = &["cannotpull"];

/// Fargate 1.4 prepares a task itself; before, and on machines of one's own, the engine did.
const START: &[&str] = &["resourceinitializationerror", "cannotstartcontainererror"];

/// What a failed connection looks like.
const NO_ROUTE: &[&str] = &[
    "i/o timeout",
    "connection issue",
    "connection refused",
    "deadline exceeded",
    "no such host",
    "request canceled",
    "request context canceled",
    "requesterror",
];

const REFUSED: &[&str] = &[
    "accessdenied",
    "not authorized",
    "unauthorized",
    "denied",
    "403 forbidden",
];

const ROUTE_HINT: &str = "a task in a public subnet needs a public address (assignPublicIp) and a \
     security group that lets it out: cargo xtask diff --env ENV";

/// The hint where ECS names only the step that failed.
const READ_IT: &str = "read the whole text of ECS: cargo xtask tasks --env ENV --json";

/// From the particular to the general.
const SIGNALS: &[Signal] = &[
    signal(
        StopReason::Platform,
        &[&[
            "descriptor matching platform",
            "descriptor for platform",
            "does not provide the specified platform",
            "exec format error",
            "no match for platform",
            "no matching manifest for",
        ]],
        No,
        "the image is for another platform than the task",
        "build it for the platform that platform.toml names: cargo xtask build",
    ),
    signal(
        // Before the entry point: a container can be killed while its first process starts.
        StopReason::Memory,
        &[&["outofmemory", "oom-killed"]],
        Maybe,
        "the container needs more memory than the task has",
        "raise its memory_mib in platform.toml, then cargo xtask deploy --env ENV",
    ),
    signal(
        StopReason::EntryPoint,
        &[
            &["exec: \""],
            &[
                "executable file not found",
                "no such file or direct",
                "permission denied",
            ],
        ],
        No,
        "the image's entry point cannot be started",
        "see ENTRYPOINT of the image's Dockerfile and the mode of the file that it names",
    ),
    signal(
        StopReason::ImageMissing,
        &[PULL, &["manifest unknown", "name unknown", "not found"]],
        No,
        "the image is not in its registry, or not any more",
        "see whether a lifecycle rule removed it, or a layer of it; cargo xtask build --force --env ENV pushes all of it again",
    ),
    signal(
        StopReason::ImageRoute,
        &[PULL, NO_ROUTE],
        Maybe,
        "the task does not reach the image's registry",
        ROUTE_HINT,
    ),
    signal(
        StopReason::ImageRefused,
        &[PULL, REFUSED],
        No,
        "the execution role may not pull the image",
        "cargo xtask diff --env ENV shows what was changed on the role",
    ),
    signal(
        StopReason::Disk,
        &[PULL, &["no space left", "not enough space"]],
        No,
        "the image is larger than the task's disk",
        "make the image smaller, or give the task more ephemeral storage",
    ),
    signal(
        StopReason::Image,
        &[PULL],
        Maybe,
        "the image cannot be pulled, for a reason that this program does not know",
        READ_IT,
    ),
    signal(
        StopReason::SecretKey,
        &[
            START,
            &["did not contain json key", "unable to retrieve json key"],
        ],
        No,
        "a secret lacks a key that the task needs",
        "cargo xtask secrets list --env ENV names it, cargo xtask secrets set --env ENV SECRET KEY sets it",
    ),
    signal(
        StopReason::SecretFormat,
        &[
            START,
            &["secret"],
            &[
                "invalid character",
                "unexpected end of json",
                "cannot unmarshal",
            ],
        ],
        No,
        "a secret that the task needs is not a JSON object",
        "cargo xtask secrets remove --env ENV SECRET, then cargo xtask secrets set --env ENV SECRET KEY",
    ),
    signal(
        StopReason::Refused,
        &[START, REFUSED],
        No,
        "the execution role lacks a right that the start of the task needs",
        "cargo xtask diff --env ENV shows what was changed on the role",
    ),
    signal(
        StopReason::LogGroup,
        &[START, &["log group does not exist"]],
        No,
        "the task's log group does not exist",
        "cargo xtask deploy --env ENV makes it",
    ),
    signal(
        StopReason::SecretMissing,
        &[
            START,
            &[
                "can't find the specified secret",
                "unable to retrieve secret arn",
            ],
        ],
        No,
        "a secret that the task needs does not exist",
        "cargo xtask secrets list --env ENV names it, cargo xtask secrets set --env ENV SECRET KEY makes it",
    ),
    signal(
        StopReason::Route,
        &[START, NO_ROUTE],
        Maybe,
        "the task does not reach the services that it needs to start",
        ROUTE_HINT,
    ),
    signal(
        // A role that was just made is not known everywhere at once.
        StopReason::Role,
        &[&["unable to assume the role"]],
        Maybe,
        "ECS may not assume a role of the task",
        "cargo xtask diff --env ENV shows what was changed on the role",
    ),
    signal(
        StopReason::Network,
        &[&["network interface provisioning", "failed to configure eni"]],
        Maybe,
        "AWS did not give the task a network interface in time",
        "wait for the next try; if it fails too, look at the free addresses of the subnets and at the AWS status page",
    ),
    signal(
        StopReason::Start,
        &[START],
        Maybe,
        "the task could not be prepared, for a reason that this program does not know",
        READ_IT,
    ),
    signal(
        StopReason::Health,
        &[&["health checks"]],
        Maybe,
        "the task runs and its health check gets no good answer",
        "see health path, port, grace period and security groups in platform.toml and the service stack",
    ),
    signal(
        StopReason::Capacity,
        &[&[
            "capacity is unavailable",
            "spot task was interrupted",
            "spotinterruption",
        ]],
        Yes,
        "AWS has no capacity for the task now",
        "wait, or let it run on demand and in both zones",
    ),
];

/// Stop codes of a stop that somebody or something ordered.
const ORDERED: [&str; 3] = [
    "ServiceSchedulerInitiated",
    "TerminationNotice",
    "UserInitiated",
];

/// What a stop means in `environment`.
pub(crate) fn meaning(stop: &Stop<'_>, environment: &str) -> Meaning {
    let text = format!("{} {}", stop.reason, stop.code.unwrap_or_default());
    if let Some(meaning) = meaning_of(&text, environment) {
        return meaning;
    }
    // Only the log shows that the kernel refused a binary for another machine.
    let foreign = |line: &String| line.to_lowercase().contains("exec format error");
    if stop.exit_code != Some(0)
        && stop.log.iter().any(foreign)
        && let Some(meaning) = meaning_of("exec format error", environment)
    {
        return meaning;
    }
    let hint = Some("its last log lines say why".to_owned());
    match stop.exit_code {
        _ if stop.code.is_some_and(|code| ORDERED.contains(&code)) => Meaning {
            reason: StopReason::Stopped,
            says: "it was stopped".to_owned(),
            hint: None,
        },
        Some(137) => Meaning {
            reason: StopReason::Killed,
            says: "the container was killed: it used more memory than it may, or did not stop when it was asked to"
                .to_owned(),
            hint: Some(format!(
                "raise its memory_mib in platform.toml, then cargo xtask deploy --env {environment}"
            )),
        },
        Some(code) => Meaning {
            reason: StopReason::Exit(code),
            says: format!("the container exited with code {code}"),
            hint,
        },
        None => Meaning {
            reason: StopReason::Unknown,
            says: cut_off(&text, "the task ended without an exit code, for a reason that this program does not know"),
            hint: Some(READ_IT.replace("ENV", environment)),
        },
    }
}

/// Adds to what is said of a text that ECS broke it off, because the words that would explain it may
/// be in the part that is missing.
fn cut_off(text: &str, says: &str) -> String {
    match text.contains("...") {
        true => format!("{says}; ECS cut its text off"),
        false => says.to_owned(),
    }
}

/// What a text of the cloud means, if it contains a known signal. The text may be the reason of a
/// stop or an event of a service.
pub(crate) fn meaning_of(text: &str, environment: &str) -> Option<Meaning> {
    let text = text.to_lowercase();
    let holds = |words: &&[&str]| words.iter().any(|word| text.contains(word));
    SIGNALS
        .iter()
        .find(|signal| signal.words.iter().all(holds))
        .map(|signal| Meaning {
            reason: signal.reason,
            says: match signal.hint == READ_IT {
                true => cut_off(&text, signal.says),
                false => signal.says.to_owned(),
            },
            hint: Some(signal.hint.replace("ENV", environment)),
        })
}

/// Whether another try may work after a stop for this reason.
pub(crate) fn hope(reason: StopReason) -> Hope {
    if reason.is_order() {
        return Yes;
    }
    let signal = SIGNALS.iter().find(|signal| signal.reason == reason);
    signal.map_or(Maybe, |signal| signal.hope)
}

#[cfg(test)]
mod tests;

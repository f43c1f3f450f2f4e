use super::*;

fn of(reason: &str) -> (String, Hope) {
    let meaning = meaning(
        &Stop {
            reason,
            code: Some("TaskFailedToStart"),
            exit_code: None,
            log: &[],
        },
        "dev",
    );
    (meaning.reason.to_string(), hope(meaning.reason))
}

/// As ECS on Fargate writes them.
#[test]
fn reasons_of_aws() {
    for (reason, name, hope) in [
        (
            "CannotPullContainerError: pull image manifest has been retried 7 time(s): image Manifest does not contain descriptor matching platform 'linux/amd64'",
            "platform",
            No,
        ),
        (
            "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref 123456789012.dkr.ecr.us-east-1.amazonaws.com/app@sha256:00: 123456789012.dkr.ecr.us-east-1.amazonaws.com/app@sha256:00: not found",
            "image-missing",
            No,
        ),
        (
            "CannotPullContainerError: pull image manifest has been retried 5 time(s): failed to resolve ref public.ecr.aws/x:latest: failed to do request: Head \"https://public.ecr.aws/v2/x\": dial tcp 75.2.101.78:443: i/o timeout",
            "image-route",
            Maybe,
        ),
        (
            "CannotPullContainerError: pull access denied for 123456789012.dkr.ecr.us-east-1.amazonaws.com/app, repository does not exist or may require authorization: server message: insufficient_scope",
            "image-refused",
            No,
        ),
        (
            "CannotPullContainerError: failed to extract layer sha256:00: write /usr/lib/a.so: no space left on device",
            "disk",
            No,
        ),
        (
            "CannotPullContainerError: ref pull has been retried 1 time(s): failed to unpack image",
            "image",
            Maybe,
        ),
        (
            "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: unable to retrieve secret from asm: service call has been retried 1 time(s): retrieved secret from Secrets Manager did not contain json key DATABASE_URL",
            "secret-key",
            No,
        ),
        (
            "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: unable to retrieve secret from asm: service call has been retried 1 time(s): failed to fetch secret arn:aws:secretsmanager:us-east-1:123456789012:secret:app-gen-saas/orchestrator from secrets manager: AccessDeniedException: User: arn:aws:sts::123456789012:assumed-role/r/0 is not authorized to perform: secretsmanager:GetSecretValue",
            "refused",
            No,
        ),
        (
            "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: unable to retrieve secret from asm: service call has been retried 1 time(s): failed to fetch secret arn:aws:secretsmanager:us-east-1:123456789012:secret:x from secrets manager: ResourceNotFoundException: Secrets Manager can't find the specified secret.",
            "secret-missing",
            No,
        ),
        (
            "ResourceInitializationError: unable to pull secrets or registry auth: The task cannot pull registry auth from Amazon ECR: There is a connection issue between the task and Amazon ECR. Check your task network configuration.",
            "route",
            Maybe,
        ),
        (
            "ResourceInitializationError: failed to validate logger args: create stream has been retried 1 times: failed to create Cloudwatch log stream: ResourceNotFoundException: The specified log group does not exist.",
            "log-group",
            No,
        ),
        (
            "ResourceInitializationError: failed to configure ENI",
            "network",
            Maybe,
        ),
        (
            "CannotStartContainerError: ResourceInitializationError: failed to create new container runtime task: OCI runtime create failed: exec: \"app\": executable file not found in $PATH: unknown",
            "entry-point",
            No,
        ),
        (
            "ECS was unable to assume the role 'arn:aws:iam::123456789012:role/r' that was provided for this task. Please verify that the role being passed has the proper trust relationship and permissions and that your IAM user has permissions to pass this role.",
            "role",
            Maybe,
        ),
        (
            "Essential container in task exited; OutOfMemoryError: Container killed due to memory usage",
            "memory",
            Maybe,
        ),
        (
            "Task failed ELB health checks in (target-group arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/a/0)",
            "health",
            Maybe,
        ),
        ("Task failed container health checks", "health", Maybe),
        ("Your Spot Task was interrupted.", "capacity", Yes),
    ] {
        assert_eq!(of(reason), (name.to_owned(), hope), "{reason}");
    }
}

/// A text that somebody made public, and what it means.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Seen {
    platform: String,
    seen: String,
    source: String,
    text: String,
    means: String,
    /// Whether the text names only the step that failed, so that no cause may be named.
    #[serde(default)]
    unexplained: bool,
}

#[test]
fn texts_that_people_made_public_are_explained_or_said_to_be_unknown() {
    let texts: Vec<Seen> = serde_json::from_str(include_str!("texts.json")).expect("the texts");
    assert!(texts.len() >= 30, "{}", texts.len());
    let wrong: Vec<String> = texts
        .iter()
        .filter_map(|seen| {
            let stop = Stop {
                reason: &seen.text,
                code: Some("TaskFailedToStart"),
                exit_code: None,
                log: &[],
            };
            let found = meaning(&stop, "dev");
            let unexplained = found
                .says
                .contains("a reason that this program does not know");
            let is_right =
                found.reason.to_string() == seen.means && unexplained == seen.unexplained;
            (!is_right)
                .then(|| format!("{} {} {}: {found:?}", seen.platform, seen.seen, seen.source))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_stop_that_nobody_ordered_is_not_taken_for_an_order() {
    for code in [None, Some("SomethingNew")] {
        let stop = Stop {
            reason: "a text of next year: it begins and then...",
            code,
            exit_code: None,
            log: &[],
        };
        let found = meaning(&stop, "dev");
        assert_eq!(found.reason, StopReason::Unknown);
        assert_eq!(
            found.says,
            "the task ended without an exit code, for a reason that this program does not know; ECS cut its text off"
        );
        assert_eq!(hope(found.reason), Maybe);
    }
}

/// As the local cloud (MiniStack 1.5.33) writes them.
#[test]
fn reasons_of_the_local_cloud() {
    for (reason, name) in [
        (
            "CannotPullContainerError: 404 Client Error for http+docker://localhost/v1.51/images/create?tag=sha256%3A00&fromImage=localhost%3A5000%2Fprobe: Not Found (\"failed to resolve reference \"localhost:5000/probe@sha256:00\": localhost:5000/probe@sha256:00: not found\")",
            "image-missing",
        ),
        (
            "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: unable to retrieve json key 'B' from secret arn:aws:secretsmanager:us-east-1:000000000000:secret:probe-40d84a:B:: for environment variable B",
            "secret-key",
        ),
        (
            "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: unable to retrieve secret arn:aws:secretsmanager:us-east-1:000000000000:secret:probe:B:: for environment variable B",
            "secret-missing",
        ),
        (
            "ResourceInitializationError: unable to pull image or start container: 400 Client Error for http+docker://localhost/v1.51/containers/ea5b/start: Bad Request (\"failed to create task for container: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: exec: \"/app\": permission denied\")",
            "entry-point",
        ),
    ] {
        assert_eq!(of(reason), (name.to_owned(), No), "{reason}");
    }
}

#[test]
fn exit_codes_count_when_the_task_ended_by_itself() {
    let exited = |code, exit_code, log: &[String]| {
        let meaning = meaning(
            &Stop {
                reason: "Essential container in task exited",
                code: Some(code),
                exit_code: Some(exit_code),
                log,
            },
            "dev",
        );
        (meaning.reason.to_string(), hope(meaning.reason))
    };
    let own = "EssentialContainerExited";
    assert_eq!(exited(own, 3, &[]), ("exit-3".to_owned(), Maybe));
    // A service that ends is a failure, whatever it says.
    assert_eq!(exited(own, 0, &[]), ("exit-0".to_owned(), Maybe));
    assert_eq!(exited(own, 137, &[]), ("killed".to_owned(), Maybe));
    let log = ["exec /bin/app: exec format error".to_owned()];
    assert_eq!(exited(own, 255, &log), ("platform".to_owned(), No));
    assert_eq!(
        exited("ServiceSchedulerInitiated", 143, &[]),
        ("stopped".to_owned(), Yes)
    );
}

#[test]
fn no_reason_has_two_signals() {
    let reasons: std::collections::BTreeSet<_> =
        SIGNALS.iter().map(|signal| signal.reason).collect();
    assert_eq!(reasons.len(), SIGNALS.len());
}

#[test]
fn hints_name_the_environment() {
    for signal in SIGNALS {
        let hint = signal.hint.replace("ENV", "dev");
        assert!(!hint.contains("ENV"), "{hint}");
        // Patterns are compared with text in lower case.
        for word in signal.words.iter().copied().flatten() {
            assert_eq!(*word, word.to_lowercase());
        }
    }
    let event = "(service app) was unable to place a task. Reason: Capacity is unavailable at this time. Please try again later or in a different availability zone.";
    assert_eq!(
        meaning_of(event, "dev").map(|meaning| meaning.reason),
        Some(StopReason::Capacity)
    );
    assert_eq!(meaning_of("(service app) has started 1 tasks", "dev"), None);
}

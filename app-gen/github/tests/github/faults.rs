//! What passes: rate limits are waited for by their headers, failures are tried again, both within
//! bounds.

use crate::hub::{ACME, Fault, TOKEN};
use crate::world::{World, own, source, target};
use app_gen_github::{Error, Mode, Step, Token, deliver};
use serde_json::json;
use std::net::TcpListener;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const NEW: Mode = Mode::NewRepository;
const CREATE: &str = "POST /api/user/repos";
const SECONDARY: &str = "You have exceeded a secondary rate limit. Please wait a few minutes.";

/// A call that is answered once with an error of the API.
pub(crate) fn fault(call: &'static str, status: u16, message: &str) -> Fault {
    let body = json!({
        "message": message,
        "documentation_url": "https://docs.github.com/rest",
    });
    Fault {
        call,
        times: 1,
        status,
        headers: Vec::new(),
        body: body.to_string(),
    }
}

impl World {
    pub(crate) fn fail(&self, fault: Fault) {
        self.hub.shared.state.lock().unwrap().faults.push(fault);
    }

    fn waits(&self) -> Vec<Duration> {
        let wait = |step| match step {
            Step::Wait { duration } => Some(duration),
            _ => None,
        };
        self.steps().into_iter().filter_map(wait).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secondary_limit_is_waited_for_as_long_as_it_says() {
    let world = World::new().await;
    let mut limit = fault(CREATE, 403, SECONDARY);
    limit.headers.push(("retry-after", "1".to_owned()));
    limit.times = 2;
    world.fail(limit);
    let began = Instant::now();
    world.deliver(&target(None, NEW), 0).await.unwrap();
    assert!(began.elapsed() >= Duration::from_secs(2));
    assert_eq!(world.waits(), [Duration::from_secs(1); 2]);
    assert_eq!(world.repositories(), [own()]);
    let calls = world.calls();
    let created = calls.iter().filter(|call| *call == CREATE).count();
    assert_eq!(created, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_limit_is_waited_for_until_it_is_reset() {
    let world = World::new().await;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let mut limit = fault(
        "GET /api/user",
        403,
        "API rate limit exceeded for user ID 1.",
    );
    limit.headers = vec![
        ("x-ratelimit-remaining", "0".to_owned()),
        ("x-ratelimit-reset", (now.as_secs() + 1).to_string()),
    ];
    world.fail(limit);
    world.deliver(&target(None, NEW), 0).await.unwrap();
    let waits = world.waits();
    assert_eq!(waits.len(), 1);
    assert!(waits[0] >= Duration::from_secs(1) && waits[0] <= Duration::from_secs(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_that_lasts_longer_than_the_bound_is_not_waited_for() {
    let world = World::new().await;
    let mut limit = fault(CREATE, 429, SECONDARY);
    limit.headers.push(("retry-after", "3600".to_owned()));
    world.fail(limit);
    let error = world.deliver(&target(None, NEW), 0).await.unwrap_err();
    let wait = Duration::from_secs(3600);
    assert_eq!(error, Error::RateLimited { wait });
    assert_eq!(error.hint(), "deliver again in 60 minutes");
    assert!(error.retryable());
    assert_eq!(world.waits(), [Duration::ZERO; 0]);
    assert_eq!(world.repositories(), [""; 0]);

    // Git does not show how long its limits last.
    world.fail(fault("GET /git/", 429, SECONDARY));
    let error = world.deliver(&target(None, NEW), 0).await.unwrap_err();
    let wait = Duration::from_secs(60);
    assert_eq!(error, Error::RateLimited { wait });
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_in_passing_is_tried_again_within_the_bound() {
    for call in [
        "GET /api/user",
        CREATE,
        "GET /git/",
        "POST /git/",
        "PUT /api/",
    ] {
        let world = World::new().await;
        let unavailable = "503: The service is unavailable";
        world.fail(fault(call, 503, unavailable));
        world.deliver(&target(None, NEW), 0).await.unwrap();
        let steps = world.steps();
        let retries = steps
            .iter()
            .filter(|step| matches!(step, Step::Retry { .. }));
        assert_eq!(retries.count(), 1, "{call}: {steps:?}");
        assert_eq!(world.repositories(), [own()], "{call}");

        let world = World::new().await;
        let mut lasting = fault(call, 503, unavailable);
        lasting.times = usize::MAX;
        world.fail(lasting);
        let error = world.deliver(&target(None, NEW), 0).await.unwrap_err();
        assert!(
            matches!(error, Error::Unavailable { .. }),
            "{call}: {error}"
        );
        assert!(error.retryable(), "{call}");
        assert!(error.to_string().contains("503"), "{call}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_there_or_is_another_one_is_named() {
    let mut world = World::new().await;
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let api_url = world.settings.api_url.clone();
    world.settings.api_url = format!("http://{address}");
    let error = world.deliver(&target(None, NEW), 0).await.unwrap_err();
    let text = error.to_string();
    let start = "cannot look up whom the token belongs to: no connection comes about: ";
    assert!(text.starts_with(start), "{text}");
    assert!(error.hint().contains("githubstatus"), "{}", error.hint());

    world.settings.api_url = api_url.replace("/api", "/page");
    let error = world.deliver(&target(None, NEW), 0).await.unwrap_err();
    let text = error.to_string();
    let start =
        "cannot look up whom the token belongs to: the answer is none of GitHub's: invalid type";
    assert!(text.starts_with(start), "{text}");
    assert!(!error.retryable());

    world.settings.api_url = api_url;
    world.settings.git_url = format!("http://{address}");
    let error = world.deliver(&target(None, NEW), 0).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }), "{error}");
    assert!(
        error
            .to_string()
            .starts_with("cannot write to the repository "),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_delivered_reaches_nobody() {
    let world = World::new().await;
    let target = target(None, NEW);
    let mut missing = world.source(0);
    missing.commit = "0123456789abcdef0123456789abcdef01234567".to_owned();
    let path = missing.path.display().to_string();
    let error = world.deliver_source(&target, &missing).await.unwrap_err();
    let text = format!("{path} has no commit {} in a branch", missing.commit);
    assert_eq!(error.to_string(), text);
    assert!(!error.retryable());

    // A tree is no commit.
    let tree = format!("{}^{{tree}}", world.application.versions[0]);
    let tree = crate::git::git(&world.application.path(), &["rev-parse", &tree]).unwrap();
    let source_of_tree = source(world.application.path(), &tree);
    let error = world
        .deliver_source(&target, &source_of_tree)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::CommitMissing { .. }), "{error}");

    let nowhere = source(PathBuf::from("/nonexistent/a.bundle"), &missing.commit);
    let error = world.deliver_source(&target, &nowhere).await.unwrap_err();
    let start = "the version cannot be read from /nonexistent/a.bundle: ";
    assert!(error.to_string().starts_with(start), "{error}");
    assert!(
        error.hint().contains("generate this one again"),
        "{}",
        error.hint()
    );
    assert_eq!(world.calls(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_github_does_not_know_is_refused_by_both_sides() {
    let world = World::new().await;
    let token = Token::new("ghp_somethingElse").unwrap();
    let source = world.source(0);
    let target = target(Some(ACME), NEW);
    let tried = deliver(&world.settings, &token, &target, &source, &|_| {}).await;
    let error = tried.unwrap_err();
    assert_eq!(
        error.to_string(),
        "GitHub refuses the token: Bad credentials"
    );
    assert!(
        error.hint().starts_with("make a new token"),
        "{}",
        error.hint()
    );

    // The API knows this one, and the server of the repositories does not any more.
    world.fail(fault("GET /git/", 401, "Bad credentials"));
    let mut other = fault("GET /git/", 401, "Bad credentials");
    let realm = ("www-authenticate", "Basic realm=\"GitHub\"".to_owned());
    other.headers.push(realm.clone());
    world.hub.shared.state.lock().unwrap().faults[0]
        .headers
        .push(realm);
    world.fail(other);
    let error = world.deliver(&target, 0).await.unwrap_err();
    assert!(matches!(error, Error::TokenRefused { .. }), "{error}");
    assert!(!error.to_string().contains(TOKEN), "{error}");
}

//! To a repository on GitHub.

use crate::deliver::{Outcome, Shown, Work, after, secret, steps, variable};
use crate::ending::Ending;
use crate::failure::Failure;
use crate::workshop::Rights;
use crate::workshop::repository::Repository;
use app_gen_contract::DeliveryTarget;
use app_gen_contract::env::{
    EXTRA_CA_CERTIFICATES, GITHUB_API_URL, GITHUB_BOT_TOKEN, GITHUB_SERVER_URL,
};
use app_gen_github::{
    Bounds, Delivered, Error, Mode, Settings, Source, Step, Target, Token, Visibility,
};
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;

/// By it the repositories that we made are found on GitHub.
const TOPIC: &str = "app-gen";
/// A rate limit that lasts longer is waited for without a task.
const LIMIT: Duration = Duration::from_secs(60);
/// The longest description of a repository, in characters.
const MAX_DESCRIPTION_CHARS: usize = 350;

/// # Errors
/// It is not there, or is none.
pub(super) fn token(rights: &Rights) -> Result<Token, Failure> {
    let value = secret(rights, GITHUB_BOT_TOKEN)?;
    Token::new(&value).map_err(|error| failure(&error))
}

/// GitHub, or what stands in its place.
fn settings() -> Settings {
    let usual = Settings::default();
    let base = |name: &str, usual: String| {
        variable(name).map_or(usual, |url| url.trim_end_matches('/').to_owned())
    };
    Settings {
        api_url: base(GITHUB_API_URL, usual.api_url),
        git_url: base(GITHUB_SERVER_URL, usual.git_url),
        extra_certificates_pem: variable(EXTRA_CA_CERTIFICATES).unwrap_or_default(),
        bounds: Bounds {
            rate_limits: LIMIT,
            ..usual.bounds
        },
    }
}

/// Delivers the commit of a repository's main branch.
pub(super) async fn deliver(
    work: &Work<'_>,
    repository: &Repository,
    token: &Token,
) -> Result<Outcome, Failure> {
    let (target, source) = asked(work, repository)?;
    let settings = settings();
    let (progress, told) = narrator();
    let deliver = app_gen_github::deliver(&settings, token, &target, &source, &progress);
    match work.narrated(told, deliver).await {
        Ok(Delivered {
            repository_url,
            commit,
            pull_request_url,
            ..
        }) => Ok(Outcome::Shown(Shown {
            url: pull_request_url.unwrap_or(repository_url),
            commit: Some(commit),
        })),
        Err(error) => refused(&error),
    }
}

/// Looks at what was delivered to a URL before.
pub(super) async fn look(
    work: &Work<'_>,
    repository: &Repository,
    token: &Token,
    url: &str,
) -> Result<Outcome, Failure> {
    let (target, source) = asked(work, repository)?;
    let settings = settings();
    let (progress, told) = narrator();
    let look = app_gen_github::look(&settings, token, &target, &source, &progress);
    match work.narrated(told, look).await {
        Ok(commit) => Ok(Outcome::Shown(Shown {
            url: url.to_owned(),
            commit,
        })),
        Err(error) => refused(&error),
    }
}

/// What is asked, in the words of the crate.
fn asked(work: &Work<'_>, repository: &Repository) -> Result<(Target, Source), Failure> {
    let DeliveryTarget::Github {
        owner,
        repository: name,
        public,
        pull_request,
    } = &work.delivery.target
    else {
        return Err(anyhow::anyhow!("the target is none on GitHub").into());
    };
    let target = Target {
        owner: owner.clone(),
        name: name.clone(),
        visibility: match public {
            true => Visibility::Public,
            false => Visibility::Private,
        },
        mode: match pull_request {
            true => Mode::PullRequest,
            false => Mode::NewRepository,
        },
    };
    let words = work.delivery.name.split_whitespace().collect::<Vec<_>>();
    let source = Source {
        path: repository.folder().to_owned(),
        commit: work.start.commit.clone(),
        project: work.delivery.project_id.clone(),
        description: words
            .join(" ")
            .chars()
            .take(MAX_DESCRIPTION_CHARS)
            .collect(),
        topics: vec![TOPIC.to_owned()],
    };
    Ok((target, source))
}

/// Steps as messages.
fn narrator() -> (impl Fn(Step) + Send + Sync, UnboundedReceiver<String>) {
    let (tell, told) = steps();
    let progress = move |step: Step| {
        // Nobody is left to hear of it once the work is dropped.
        let _ = tell.send(words_of(&step));
    };
    (progress, told)
}

/// A limit is waited for elsewhere; everything else is the end.
fn refused(error: &Error) -> Result<Outcome, Failure> {
    match error {
        Error::RateLimited { wait } => Ok(Outcome::Wait(Ending::WaitingLimit {
            provider: "github".to_owned(),
            until: after(*wait),
            detail: error.to_string(),
        })),
        other => Err(failure(other)),
    }
}

fn failure(error: &Error) -> Failure {
    Failure::job(error.to_string(), &error.hint())
}

fn words_of(step: &Step) -> String {
    match step {
        Step::ReadSource => "reading the version".to_owned(),
        Step::LookUp => "asking GitHub what is there".to_owned(),
        Step::CreateRepository { repository } => format!("creating the repository {repository}"),
        Step::Compare => "comparing the history of the repository with the version".to_owned(),
        Step::Push { branch } => format!("sending the commit to the branch {branch}"),
        Step::ReadBack => "asking GitHub which commit it has".to_owned(),
        Step::Configure => "setting topics and default branch".to_owned(),
        Step::OpenPullRequest => "opening the pull request".to_owned(),
        Step::Wait { duration } => format!("waiting {} s for a limit", duration.as_secs()),
        Step::Retry { reason } => format!("trying again: {reason}"),
    }
}

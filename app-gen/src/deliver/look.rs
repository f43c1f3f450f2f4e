//! Which commit a target shows, asked as anybody could: nothing is changed.

use crate::deliver::{Shown, github, secret, variable};
use crate::failure::Failure;
use crate::workshop::Rights;
use anyhow::{Context as _, Result, bail};
use app_gen_contract::env::{EXTRA_CA_CERTIFICATES, GITHUB_BOT_TOKEN};
use app_gen_contract::{DeliveryTarget, is_commit_id};
use app_gen_gateway::{Certificates, http_client};
use reqwest::redirect::Policy;
use reqwest::{RequestBuilder, StatusCode};
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// How often a target is asked that fails in passing, and the pauses between.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_secs(2);
/// How long one answer may take.
const ANSWER: Duration = Duration::from_secs(20);
/// The most bytes of an answer: names of branches, of which a repository can have many.
const MAX_ANSWER_BYTES: usize = 4 * 1024 * 1024;

/// Which commit is where a version was delivered to. `wanted` is the version's.
pub(super) async fn look(
    target: &DeliveryTarget,
    url: &str,
    wanted: &str,
    rights: &Rights,
) -> Result<Shown, Failure> {
    let commit = match target {
        DeliveryTarget::Fly { .. } => {
            let asked = format!("{}/version.json", url.trim_end_matches('/'));
            let answer = ask(&asked, None).await?;
            answer.as_deref().and_then(commit_of)
        }
        DeliveryTarget::Github { .. } => {
            let token = secret(rights, GITHUB_BOT_TOKEN)?;
            let base = github::settings().git_url;
            // The token goes nowhere else.
            let path = url.strip_prefix(&format!("{base}/")).ok_or_else(|| {
                Failure::job(
                    format!("{url} is not on {base}, so nothing is asked there"),
                    "deliver the version again",
                )
            })?;
            let mut names = path.split('/');
            let (owner, name) = (names.next(), names.next());
            let (owner, name) = owner.zip(name).context("the URL names no repository")?;
            let asked = format!("{base}/{owner}/{name}.git/info/refs?service=git-upload-pack");
            let answer = ask(&asked, Some(token.trim())).await?;
            let commits = branches(&answer.unwrap_or_default());
            // That of a pull request is on a branch of its own.
            let wanted = commits.iter().find(|found| *found == wanted);
            wanted.or(commits.first()).cloned()
        }
    };
    Ok(Shown {
        url: url.to_owned(),
        commit,
    })
}

/// The body of an answer; nothing where nothing is there.
async fn ask(url: &str, token: Option<&str>) -> Result<Option<Vec<u8>>, Failure> {
    let certificates = variable(EXTRA_CA_CERTIFICATES).unwrap_or_default();
    let certificates = Certificates::from_pem(&certificates)
        .map_err(|error| Failure::bad_spec(error.to_string(), "mend or unset the variable"))?;
    let is_loopback = url.starts_with("http://127.0.0.1") || url.starts_with("http://localhost");
    // A token is sent to no other place.
    let redirects = match token {
        Some(_) => Policy::none(),
        None => Policy::limited(3),
    };
    let client = http_client(&certificates, is_loopback, redirects)
        .context("there is no client for HTTP")?;
    let mut tries = 1;
    loop {
        let mut request = client.get(url);
        if let Some(token) = token {
            request = request.basic_auth("x-access-token", Some(token));
        }
        let answered = timeout(ANSWER, answer(request)).await;
        let error = match answered {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => format!("{error:#}"),
            Err(_) => format!("no answer within {} s", ANSWER.as_secs()),
        };
        if tries == TRIES {
            return Err(Failure::job(
                format!("failed to ask {url}, {TRIES} times: {error}"),
                "look again in some minutes, or deliver the version again",
            ));
        }
        tries += 1;
        sleep(PAUSE).await;
    }
}

async fn answer(request: RequestBuilder) -> Result<Option<Vec<u8>>> {
    let mut response = request.send().await.map_err(reqwest::Error::without_url)?;
    match response.status() {
        StatusCode::OK => {}
        StatusCode::NOT_FOUND => return Ok(None),
        status => bail!("it answers {status}"),
    }
    let mut body = Vec::new();
    while let Some(piece) = response
        .chunk()
        .await
        .map_err(reqwest::Error::without_url)?
    {
        if body.len() + piece.len() > MAX_ANSWER_BYTES {
            bail!("its answer has more than {MAX_ANSWER_BYTES} bytes");
        }
        body.extend_from_slice(&piece);
    }
    Ok(Some(body))
}

/// The commit in `/version.json`.
fn commit_of(body: &[u8]) -> Option<String> {
    let value: serde_json::Value = serde_json::from_slice(body).ok()?;
    let commit = value.get("commit")?.as_str()?;
    is_commit_id(commit).then(|| commit.to_owned())
}

/// The commits of branches, that of the default one first, in the list of git's own protocol: lines that begin
/// with their length in four hexadecimal digits, `<id> <name>`. What is no such list has none.
fn branches(body: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = body;
    while let Some((length, tail)) = rest.split_at_checked(4) {
        let length = str::from_utf8(length).ok();
        let Some(length) = length.and_then(|text| usize::from_str_radix(text, 16).ok()) else {
            break;
        };
        // A length that does not count itself is a mark between parts.
        let Some(size) = length.checked_sub(4) else {
            rest = tail;
            continue;
        };
        let Some((line, after)) = tail.split_at_checked(size) else {
            break;
        };
        rest = after;
        let line = String::from_utf8_lossy(line);
        // Behind a zero is what the server can do.
        let line = line.split('\0').next().unwrap_or_default().trim_end();
        if let Some((id, name)) = line.split_once(' ')
            && is_commit_id(id)
            && (name == "HEAD" || name.starts_with("refs/heads/"))
        {
            found.push(id.to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

    #[test]
    fn commits_are_read_and_nothing_else_is() {
        let text = format!("{{\"commit\":\"{COMMIT}\",\"version\":3}}");
        assert_eq!(commit_of(text.as_bytes()).as_deref(), Some(COMMIT));
        for text in ["", "<!doctype html>", "{}", "{\"commit\":\"main\"}"] {
            assert_eq!(commit_of(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn branches_are_read_in_their_order() {
        let other = "f".repeat(40);
        let line = |text: String| format!("{:04x}{text}", text.len() + 4);
        let refs = [
            line("# service=git-upload-pack\n".to_owned()),
            "0000".to_owned(),
            line(format!(
                "{COMMIT} HEAD\0multi_ack symref=HEAD:refs/heads/main\n"
            )),
            line(format!("{COMMIT} refs/heads/main\n")),
            line(format!("{other} refs/heads/work\n")),
            line(format!("{other} refs/tags/v1\n")),
            "0000".to_owned(),
        ]
        .concat();
        let expected = [COMMIT, COMMIT, &*other];
        assert_eq!(branches(refs.as_bytes()), expected);
        // What breaks off has what came before.
        assert_eq!(branches(&refs.as_bytes()[..refs.len() - 80]).len(), 2);
        for refs in [
            "",
            "xyz",
            "zzzz",
            "ffff0",
            "001e# service=git-upload-pack\n0000",
        ] {
            assert_eq!(branches(refs.as_bytes()), Vec::<String>::new(), "{refs:?}");
        }
    }
}

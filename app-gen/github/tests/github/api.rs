//! GitHub's REST API, as much of it as a delivery uses. Answers are GitHub's own examples with what
//! matters put in, and both sides of every call are judged by GitHub's description of it.

use crate::git::git;
use crate::hub::{ACME, BOT, CLOSED, Pull, Repository, Shared, TOKEN};
use crate::openapi::DESCRIPTION;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, LOCATION};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};
use std::sync::Arc;

/// A status with a body.
type Answer = (u16, Value);

/// Answers a call.
pub(crate) async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, 1024 * 1024).await.unwrap();
    let body: Value = match body.is_empty() {
        true => Value::Null,
        false => serde_json::from_slice(&body).unwrap(),
    };
    let path = parts.uri.path().strip_prefix("/api").unwrap();
    let method = parts.method.as_str();
    let query = query(&parts);
    let mut faulty = headers(&parts);
    let operation = DESCRIPTION.operation(method, path);
    match &operation {
        None => faulty.push(format!("GitHub has no {method} {path}")),
        Some(operation) => {
            faulty.extend(DESCRIPTION.judge_request(operation, &query, &body));
        }
    }
    let is_known = parts.headers.get(AUTHORIZATION)
        == Some(&HeaderValue::from_str(&format!("Bearer {TOKEN}")).unwrap());
    let (status, value) = match is_known {
        true => dispatch(&shared, method, path, &query, &body),
        false => error(401, "Bad credentials"),
    };
    if let Some(operation) = &operation {
        faulty.extend(DESCRIPTION.judge_answer(operation, status, &value));
    }
    shared.state.lock().unwrap().faulty.extend(faulty);
    let status = StatusCode::from_u16(status).unwrap();
    let mut answer = (status, value.to_string()).into_response();
    let json = HeaderValue::from_static("application/json; charset=utf-8");
    answer.headers_mut().insert(CONTENT_TYPE, json);
    if status == StatusCode::MOVED_PERMANENTLY {
        let url = HeaderValue::from_str(value["url"].as_str().unwrap()).unwrap();
        answer.headers_mut().insert(LOCATION, url);
    }
    answer
}

/// What is wrong with the headers that GitHub wants.
fn headers(parts: &Parts) -> Vec<String> {
    let has = |name: &str, value: &str| {
        let found = parts.headers.get(name);
        found.is_some_and(|found| found.to_str().unwrap().contains(value))
    };
    let wanted = [
        ("accept", "application/vnd.github+json"),
        ("user-agent", "app-gen"),
        ("x-github-api-version", "2022-11-28"),
    ];
    let missing = wanted
        .into_iter()
        .filter(|&(name, value)| !has(name, value));
    missing
        .map(|(name, value)| format!("{name} is not {value}"))
        .collect()
}

fn query(parts: &Parts) -> Vec<(String, String)> {
    let url = format!("http://stand-in{}", parts.uri);
    let url = reqwest::Url::parse(&url).unwrap();
    url.query_pairs().into_owned().collect()
}

fn dispatch(
    shared: &Shared,
    method: &str,
    path: &str,
    query: &[(String, String)],
    body: &Value,
) -> Answer {
    let path: Vec<&str> = path.trim_matches('/').split('/').collect();
    match (method, path.as_slice()) {
        ("GET", ["user"]) => {
            let mut user = DESCRIPTION.example("get", "/user", "200");
            user["login"] = BOT.into();
            (200, user)
        }
        ("POST", ["user", "repos"]) => create(shared, BOT, body),
        ("POST", ["orgs", owner, "repos"]) if *owner == ACME => create(shared, owner, body),
        ("POST", ["orgs", owner, "repos"]) if *owner == CLOSED => error(
            403,
            "You need admin access to the organization before adding a repository to it.",
        ),
        (_, ["repos", owner, name, rest @ ..]) => {
            let full_name = format!("{owner}/{name}");
            if let Some(moved) = shared.state.lock().unwrap().renamed.get(&full_name) {
                let mut answer = error(301, "Moved Permanently").1;
                answer["url"] = format!("/api/repos/{moved}").into();
                return (301, answer);
            }
            of_repository(shared, &full_name, (method, rest), query, body)
        }
        _ => error(404, "Not Found"),
    }
}

fn of_repository(
    shared: &Shared,
    full_name: &str,
    (method, rest): (&str, &[&str]),
    query: &[(String, String)],
    body: &Value,
) -> Answer {
    let mut state = shared.state.lock().unwrap();
    let Some(repository) = state.repositories.get_mut(full_name) else {
        return error(404, "Not Found");
    };
    match (method, rest) {
        ("GET", []) => (200, repository_value(full_name, repository)),
        ("PATCH", []) => {
            let branch = body["default_branch"].as_str().unwrap();
            if shared.commit(full_name, branch).is_none() {
                return invalid("Validation Failed", "The branch was not found");
            }
            branch.clone_into(&mut repository.default_branch);
            (200, repository_value(full_name, repository))
        }
        ("GET", ["topics"]) => (200, json!({ "names": repository.topics })),
        ("PUT", ["topics"]) => {
            repository.topics = serde_json::from_value(body["names"].clone()).unwrap();
            (200, json!({ "names": repository.topics }))
        }
        ("GET", ["git", "ref", "heads", branch @ ..]) => {
            let branch = branch.join("/");
            match shared.commit(full_name, &branch) {
                Some(commit) => (200, ref_value(&branch, &commit)),
                None if is_empty(shared, full_name) => error(409, "Git Repository is empty."),
                None => error(404, "Not Found"),
            }
        }
        ("GET", ["pulls"]) => {
            let wanted = |name: &str| {
                let found = query.iter().find(|(other, _)| other == name);
                found.map(|(_, value)| value.clone()).unwrap_or_default()
            };
            let owner = full_name.split('/').next().unwrap();
            let pulls = repository.pulls.iter().enumerate().filter(|(_, pull)| {
                let is_wanted = wanted("state") == "all" || pull.is_open;
                is_wanted
                    && wanted("head") == format!("{owner}:{}", pull.branch)
                    && wanted("base") == pull.base
            });
            let examples = DESCRIPTION.example("get", "/repos/{owner}/{repo}/pulls", "200");
            let values = pulls.map(|(place, pull)| {
                pull_value(examples[0].clone(), shared, full_name, place, pull)
            });
            (200, values.collect())
        }
        ("POST", ["pulls"]) => open(shared, full_name, repository, body),
        _ => error(404, "Not Found"),
    }
}

fn create(shared: &Shared, owner: &str, body: &Value) -> Answer {
    let full_name = format!("{owner}/{}", body["name"].as_str().unwrap());
    let default_branch = {
        let state = shared.state.lock().unwrap();
        if state.repositories.contains_key(&full_name) {
            return invalid(
                "Repository creation failed.",
                "name already exists on this account",
            );
        }
        state.default_branch.clone()
    };
    let repository = Repository {
        description: body["description"].as_str().map(str::to_owned),
        is_private: body["private"].as_bool().unwrap(),
        default_branch: default_branch.unwrap_or_else(|| "main".to_owned()),
        ..Repository::default()
    };
    let value = repository_value(&full_name, &repository);
    shared.create(&full_name, repository);
    (201, value)
}

fn open(shared: &Shared, full_name: &str, repository: &mut Repository, body: &Value) -> Answer {
    let text = |name: &str| body[name].as_str().unwrap().to_owned();
    let pull = Pull {
        branch: text("head"),
        base: text("base"),
        title: text("title"),
        is_open: true,
        is_merged: false,
    };
    let Pull { branch, base, .. } = &pull;
    let path = shared.path(full_name);
    if shared.commit(full_name, branch).is_none() {
        return invalid("Validation Failed", "head is invalid");
    }
    if git(&path, &["merge-base", base, branch]).is_none() {
        let words = format!("The {branch} branch has no history in common with {base}");
        return invalid("Validation Failed", &words);
    }
    if git(&path, &["merge-base", "--is-ancestor", branch, base]).is_some() {
        let words = format!("No commits between {base} and {branch}");
        return invalid("Validation Failed", &words);
    }
    let is_same = |other: &Pull| other.is_open && other.branch == *branch && other.base == *base;
    if repository.pulls.iter().any(is_same) {
        let owner = full_name.split('/').next().unwrap();
        let words = format!("A pull request already exists for {owner}:{branch}.");
        return invalid("Validation Failed", &words);
    }
    let example = DESCRIPTION.example("post", "/repos/{owner}/{repo}/pulls", "201");
    let place = repository.pulls.len();
    let value = pull_value(example, shared, full_name, place, &pull);
    repository.pulls.push(pull);
    (201, value)
}

fn is_empty(shared: &Shared, full_name: &str) -> bool {
    let listed = git(&shared.path(full_name), &["for-each-ref"]);
    listed.unwrap().is_empty()
}

fn repository_value(full_name: &str, repository: &Repository) -> Value {
    let (owner, name) = full_name.split_once('/').unwrap();
    let mut value = DESCRIPTION.example("post", "/orgs/{org}/repos", "201");
    value["name"] = name.into();
    value["full_name"] = full_name.into();
    value["html_url"] = format!("https://github.com/{full_name}").into();
    value["owner"]["login"] = owner.into();
    value["description"] = repository.description.clone().into();
    value["private"] = repository.is_private.into();
    value["default_branch"] = repository.default_branch.clone().into();
    value["archived"] = repository.is_archived.into();
    value["size"] = repository.size.into();
    // GitHub's example is older than its description.
    value["has_discussions"] = false.into();
    value
}

fn ref_value(branch: &str, commit: &str) -> Value {
    let template = "/repos/{owner}/{repo}/git/ref/{ref}";
    let mut value = DESCRIPTION.example("get", template, "200");
    value["ref"] = format!("refs/heads/{branch}").into();
    value["object"]["sha"] = commit.into();
    value
}

fn pull_value(
    mut value: Value,
    shared: &Shared,
    full_name: &str,
    place: usize,
    pull: &Pull,
) -> Value {
    let number = place + 1;
    value["number"] = number.into();
    value["html_url"] = format!("https://github.com/{full_name}/pull/{number}").into();
    value["title"] = pull.title.clone().into();
    value["state"] = match pull.is_open {
        true => "open".into(),
        false => "closed".into(),
    };
    value["merged_at"] = match pull.is_merged {
        true => "2026-11-30T12:00:00Z".into(),
        false => Value::Null,
    };
    value["head"]["ref"] = pull.branch.clone().into();
    if let Some(commit) = shared.commit(full_name, &pull.branch) {
        value["head"]["sha"] = commit.into();
    }
    value["base"]["ref"] = pull.base.clone().into();
    // GitHub's example is older than its description.
    value["requested_teams"] = json!([]);
    value
}

fn error(status: u16, message: &str) -> Answer {
    let body = json!({
        "message": message,
        "documentation_url": "https://docs.github.com/rest",
        "status": status.to_string(),
    });
    (status, body)
}

/// A request that is understood and cannot be.
fn invalid(message: &str, detail: &str) -> Answer {
    let body = json!({
        "message": message,
        "documentation_url": "https://docs.github.com/rest",
        "errors": [{ "resource": "Resource", "code": "custom", "message": detail }],
    });
    (422, body)
}

//! The OpenAPI document and the reference in the repository are those that the server serves, and the
//! document says of every operation what holds for all. The page's types are made from it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use app_gen_saas::document::promises::{DEPRECATION, SUNSET};
use app_gen_saas::problem::{self, Code};
use app_gen_saas::{document, reference, router};
use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::support::database::TestDatabase;
use crate::support::orchestrator::{Options, Orchestrator};

fn is_up_to_date(path: &str, made: &str, test: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, made).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == made,
        "{} is out of date: run `UPDATE=1 cargo test -p app-gen-saas {test}`",
        path.display()
    );
}

#[test]
fn openapi_json_is_up_to_date() {
    let mut document = router::openapi().to_pretty_json().unwrap();
    document.push('\n');
    is_up_to_date("openapi.json", &document, "openapi_json");
}

#[test]
fn api_md_is_up_to_date() {
    let reference = reference::markdown(&router::openapi());
    is_up_to_date("../docs/api.md", &reference, "api_md");
}

fn document() -> Value {
    serde_json::to_value(router::openapi()).unwrap()
}

/// Path, method and description of all operations.
fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            operations.push((path.clone(), method.clone(), operation.clone()));
        }
    }
    operations
}

fn resolved<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    match value["$ref"].as_str() {
        Some(target) => document.pointer(target.strip_prefix('#').unwrap()).unwrap(),
        None => value,
    }
}

#[test]
fn every_operation_has_a_name_a_part_and_an_example_of_its_body() {
    let document = document();
    assert_eq!(document["info"]["version"], document::API_VERSION);
    let tags: Vec<&Value> = document["tags"].as_array().unwrap().iter().collect();
    let tags: BTreeSet<&str> = tags
        .iter()
        .map(|tag| tag["name"].as_str().unwrap())
        .collect();
    let operations = operations(&document);
    let ids: BTreeSet<&str> = operations
        .iter()
        .map(|(_, _, operation)| operation["operationId"].as_str().unwrap())
        .collect();
    assert_eq!(ids.len(), operations.len(), "an id names two operations");
    for (path, method, operation) in &operations {
        let what = format!("{method} {path}");
        let of_operation = operation["tags"].as_array().unwrap();
        assert_eq!(of_operation.len(), 1, "{what}");
        assert!(tags.contains(of_operation[0].as_str().unwrap()), "{what}");
        assert!(operation["summary"].is_string(), "{what}");
        let contents = operation["requestBody"]["content"].as_object();
        for (media_type, content) in contents.into_iter().flatten() {
            if media_type == "application/json" {
                assert!(content["example"].is_object(), "{what}");
            }
        }
    }
}

#[test]
fn every_operation_names_its_errors() {
    let document = document();
    for (path, method, operation) in operations(&document) {
        let answers = operation["responses"].as_object().unwrap();
        for status in ["400", "403", "421", "500", "503"] {
            assert!(answers.contains_key(status), "{method} {path}: {status}");
        }
        if path.contains('{') {
            assert!(answers.contains_key("404"), "{method} {path}");
        }
        if operation["requestBody"].is_object() {
            for status in ["413", "415"] {
                assert!(answers.contains_key(status), "{method} {path}: {status}");
            }
        }
        for (status, answer) in answers {
            let what = format!("{method} {path}: {status}");
            let answer = resolved(&document, answer);
            assert!(answer["headers"]["api-version"].is_object(), "{what}");
            if status.as_str() < "4" {
                continue;
            }
            let contents = answer["content"].as_object().unwrap();
            let kinds: Vec<&String> = contents.keys().collect();
            assert_eq!(kinds, [problem::CONTENT_TYPE], "{what}");
            let content = &contents[problem::CONTENT_TYPE];
            let schema = &content["schema"]["$ref"];
            assert_eq!(schema, "#/components/schemas/Problem", "{what}");
            assert_eq!(content["example"]["status"].to_string(), *status, "{what}");
            if ["429", "503"].contains(&status.as_str()) {
                let header = resolved(&document, &answer["headers"]["Retry-After"]);
                assert_eq!(header["schema"]["type"], "integer", "{what}");
            }
        }
    }
}

#[test]
fn every_deprecated_operation_says_since_when_and_until_when() {
    for (path, method, operation) in operations(&document()) {
        let what = format!("{method} {path}");
        let is_deprecated = operation["deprecated"] == true;
        for extension in [DEPRECATION, SUNSET] {
            assert_eq!(
                operation[extension].is_string(),
                is_deprecated,
                "{what}: {extension}"
            );
        }
        if is_deprecated {
            let since = operation[DEPRECATION].as_str().unwrap();
            let seconds = since.strip_prefix('@').unwrap();
            assert!(seconds.parse::<u32>().is_ok(), "{what}: {since}");
            let until = operation[SUNSET].as_str().unwrap();
            assert!(until.ends_with(" GMT"), "{what}: {until}");
        }
    }
}

/// What `cargo xtask test api` makes an exception of is an operation; a misspelt one would be none.
#[test]
fn the_exceptions_of_schemathesis_are_operations() {
    let configuration = include_str!("../schemathesis/schemathesis.toml");
    let (_, named) = configuration
        .split_once("include-operation-id = [")
        .unwrap();
    let (named, _) = named.split_once(']').unwrap();
    let named: Vec<&str> = named
        .split(',')
        .map(|name| name.trim().trim_matches('"'))
        .filter(|name| !name.is_empty())
        .collect();
    let operations = operations(&document());
    assert!(!named.is_empty());
    for name in named {
        let is_there = operations
            .iter()
            .any(|(_, _, operation)| operation["operationId"] == name);
        assert!(is_there, "{name}");
    }
}

async fn orchestrator() -> Orchestrator {
    let options = Options {
        without_worker: true,
        ..Options::default()
    };
    Orchestrator::with(TestDatabase::sqlite(), options).await
}

#[tokio::test]
async fn every_problem_leads_to_its_description() {
    let orchestrator = orchestrator().await;
    let client = &orchestrator.client;
    let response = client.get("/api/reference").await;
    assert_eq!(response.status(), StatusCode::OK);
    let headers = response.headers();
    assert_eq!(headers["content-type"], "text/html; charset=utf-8");
    assert_eq!(headers["api-version"], document::API_VERSION);
    let policy = headers["content-security-policy"].to_str().unwrap();
    assert!(!policy.contains("unsafe"), "{policy}");
    let page = response.text().await.unwrap();
    // The policy would refuse them.
    for refused in ["<script", "<style", " style=", "src="] {
        assert!(!page.contains(refused), "{refused}");
    }
    for code in Code::ALL {
        let uri = code.type_uri();
        let anchor = uri.strip_prefix("/api/reference#").unwrap();
        assert!(page.contains(&format!("id=\"{anchor}\"")), "{uri}");
    }
    for (_, _, operation) in operations(&document()) {
        let id = operation["operationId"].as_str().unwrap();
        assert!(page.contains(&format!("<h3 id=\"{id}\">")), "{id}");
    }
    // Every link within the page leads somewhere.
    for link in page.split("href=\"#").skip(1) {
        let anchor = link.split('"').next().unwrap();
        assert!(page.contains(&format!("id=\"{anchor}\"")), "{anchor}");
    }
    let response = client.get(reference::STYLE_PATH).await;
    assert_eq!(
        response.headers()["content-type"],
        "text/css; charset=utf-8"
    );
    assert!(response.text().await.unwrap().contains("color-scheme"));
}

/// Sends what no operation takes.
#[tokio::test]
async fn what_is_wrong_with_a_request_is_a_documented_problem() {
    let orchestrator = orchestrator().await;
    let client = &orchestrator.client;
    let unknown = "0192f0c1-2345-7000-8000-000000000000";
    let id = client.submit("a job").await;
    let huge = "9".repeat(400);
    for (method, path, kind, body, status, code) in [
        (
            "GET",
            "/api/jobs?limit=5&more=1".to_owned(),
            None,
            "",
            400,
            "invalid_request",
        ),
        (
            "GET",
            "/health?x".to_owned(),
            None,
            "",
            400,
            "invalid_request",
        ),
        (
            "GET",
            "/api/jobs?limit=1&limit=2".to_owned(),
            None,
            "",
            400,
            "invalid_request",
        ),
        (
            "GET",
            format!("/api/jobs?limit={huge}"),
            None,
            "",
            400,
            "invalid_request",
        ),
        (
            "GET",
            "/api/projects?search=%00".to_owned(),
            None,
            "",
            400,
            "invalid_request",
        ),
        (
            "GET",
            "/api/jobs/%00".to_owned(),
            None,
            "",
            404,
            "not_found",
        ),
        (
            "GET",
            format!("/api/jobs/{huge}"),
            None,
            "",
            404,
            "not_found",
        ),
        (
            "GET",
            format!("/api/projects/{unknown}/versions/{huge}"),
            None,
            "",
            404,
            "not_found",
        ),
        (
            "PUT",
            format!("/api/jobs/{id}"),
            None,
            "",
            405,
            "method_not_allowed",
        ),
        (
            "OPTIONS",
            "/api/jobs".to_owned(),
            None,
            "",
            405,
            "method_not_allowed",
        ),
        (
            "POST",
            "/api/jobs".to_owned(),
            Some("application/json"),
            "{\"description\":",
            400,
            "invalid_request",
        ),
        (
            "POST",
            "/api/jobs".to_owned(),
            Some("application/json"),
            "\"\\ud800\"",
            400,
            "invalid_request",
        ),
        (
            "POST",
            "/api/jobs".to_owned(),
            Some("application/xml"),
            "{}",
            415,
            "unsupported_media_type",
        ),
        (
            "POST",
            "/api/jobs".to_owned(),
            None,
            "{}",
            415,
            "unsupported_media_type",
        ),
        (
            "POST",
            format!("/api/jobs/{id}/decision"),
            None,
            "{}",
            415,
            "unsupported_media_type",
        ),
    ] {
        let url = format!("{}{path}", client.base);
        let method: Method = method.parse().unwrap();
        let mut request = client.http.request(method.clone(), url).body(body);
        if let Some(kind) = kind {
            request = request.header("content-type", kind);
        }
        let response = request.send().await.unwrap();
        let what = format!("{method} {path} {body}");
        assert_eq!(response.status().as_u16(), status, "{what}");
        let headers = response.headers();
        assert_eq!(headers["content-type"], problem::CONTENT_TYPE, "{what}");
        assert_eq!(headers["api-version"], document::API_VERSION, "{what}");
        assert_eq!(headers.contains_key("allow"), status == 405, "{what}");
        let problem: Value = response.json().await.unwrap();
        assert_eq!(problem["code"], code, "{what}: {problem}");
        assert_eq!(problem["status"], status, "{what}");
        let uri = problem["type"].as_str().unwrap();
        assert_eq!(uri, format!("/api/reference#problem-{code}"), "{what}");
    }
    let head = client.http.head(format!("{}/api/jobs/{id}", client.base));
    let head = head.send().await.unwrap();
    assert_eq!(head.status(), StatusCode::OK);
    assert!(head.bytes().await.unwrap().is_empty());
}

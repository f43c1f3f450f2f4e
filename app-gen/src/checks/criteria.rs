//! What a plan says that the application must do, as requests that can be made and answers that can be
//! compared.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How many criteria there may be.
const MAX_CRITERIA: usize = 30;
/// Bytes of what a criterion says.
const MAX_SAYS_BYTES: usize = 300;
/// Bytes of an id.
const MAX_ID_BYTES: usize = 40;
/// Bytes of a path.
const MAX_PATH_BYTES: usize = 1_000;
/// Bytes of a body as JSON.
const MAX_BODY_BYTES: usize = 16 * 1024;
/// Bytes of a text that an answer must contain.
const MAX_CONTAINS_BYTES: usize = 500;

/// One thing that the application must do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Criterion {
    /// A short name: `[a-z0-9-]`, once in a list.
    pub(crate) id: String,
    /// What it is about, in a sentence.
    pub(crate) says: String,
    pub(crate) request: Asked,
    pub(crate) expect: Expected,
}

/// The request that shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    pub(crate) method: Method,
    /// With its query; begins with `/`.
    pub(crate) path: String,
    /// Sent as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) body: Option<Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, strum::IntoStaticStr)]
#[serde(rename_all = "UPPERCASE")]
#[strum(serialize_all = "UPPERCASE")]
pub(crate) enum Method {
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
}

/// The answer that it must have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Expected {
    pub(crate) status: u16,
    /// A text that is in the answer's body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) contains: Option<String>,
}

/// Reads the criteria of a plan: a JSON array of them.
///
/// An error is for who wrote them: it names the criterion, what is wrong with it, and what would be right.
pub(crate) fn parse(json: &str) -> Result<Vec<Criterion>, String> {
    // One by one, so that an error says in which it is.
    let values: Vec<Value> = serde_json::from_str(json).map_err(|error| {
        format!("the acceptance criteria must be a JSON array of objects: {error}")
    })?;
    if !(1..=MAX_CRITERIA).contains(&values.len()) {
        let count = values.len();
        return Err(format!(
            "there must be 1 to {MAX_CRITERIA} acceptance criteria, and there are {count}"
        ));
    }
    let mut ids = BTreeSet::new();
    let mut criteria = Vec::new();
    for (place, value) in values.into_iter().enumerate() {
        let name = value.get("id").and_then(Value::as_str).map_or_else(
            || format!("criterion {}", place + 1),
            |id| {
                format!(
                    "criterion {} ({:.40})",
                    place + 1,
                    id.escape_debug().to_string()
                )
            },
        );
        let refused = |why: String| format!("{name}: {why}");
        let criterion: Criterion =
            serde_json::from_value(value).map_err(|error| refused(error.to_string()))?;
        if let Some(why) = fault(&criterion) {
            return Err(refused(why));
        }
        if !ids.insert(criterion.id.clone()) {
            return Err(refused("its id is that of another criterion".to_owned()));
        }
        criteria.push(criterion);
    }
    Ok(criteria)
}

/// What is wrong with a criterion.
fn fault(criterion: &Criterion) -> Option<String> {
    let Criterion {
        id,
        says,
        request,
        expect,
    } = criterion;
    let is_in_id = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if !(1..=MAX_ID_BYTES).contains(&id.len()) || !id.bytes().all(is_in_id) {
        return Some(format!(
            "id must have 1 to {MAX_ID_BYTES} of the characters a to z, 0 to 9 and -"
        ));
    }
    if says.trim().is_empty() || says.len() > MAX_SAYS_BYTES {
        return Some(format!(
            "says must be a sentence of at most {MAX_SAYS_BYTES} bytes"
        ));
    }
    let path = &request.path;
    // An address of its own would be another server's.
    let is_path = path.starts_with('/') && !path.starts_with("//");
    let is_plain = path
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if !is_path || !is_plain || path.contains('#') || path.len() > MAX_PATH_BYTES {
        return Some(format!(
            "request.path must begin with one /, have no spaces, no # and no other characters that need \
             percent-encoding, and be at most {MAX_PATH_BYTES} bytes long"
        ));
    }
    if let Some(body) = &request.body {
        if matches!(request.method, Method::Get | Method::Head) {
            return Some("request.body cannot be sent with GET or HEAD".to_owned());
        }
        if body.to_string().len() > MAX_BODY_BYTES {
            return Some(format!(
                "request.body must be at most {MAX_BODY_BYTES} bytes of JSON"
            ));
        }
    }
    if !(200..=599).contains(&expect.status) {
        return Some("expect.status must be an HTTP status from 200 to 599".to_owned());
    }
    match expect.contains.as_deref() {
        Some(text) if text.is_empty() || text.len() > MAX_CONTAINS_BYTES => Some(format!(
            "expect.contains must be a text of 1 to {MAX_CONTAINS_BYTES} bytes, or be left out"
        )),
        Some(_) if request.method == Method::Head => {
            Some("expect.contains cannot hold: an answer to HEAD has no body".to_owned())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn good() -> Value {
        json!({
            "id": "add", "says": "A plant can be added.",
            "request": { "method": "POST", "path": "/api/plants?x=1", "body": { "name": "Fern" } },
            "expect": { "status": 201, "contains": "Fern" }
        })
    }

    #[test]
    fn the_criteria_of_the_script_are_read() {
        let script = include_str!("../../scripted-model/scripts/team.toml");
        let (_, after) = script.split_once("```json").unwrap();
        let (array, _) = after.split_once("```").unwrap();
        let criteria = parse(array).unwrap();
        let ids: Vec<&str> = criteria
            .iter()
            .map(|criterion| criterion.id.as_str())
            .collect();
        assert_eq!(ids, ["page", "add", "list", "no-name"]);
        assert_eq!(criteria[1].request.method, Method::Post);
        assert_eq!(criteria[1].request.body, Some(json!({ "name": "Fern" })));
        let again = serde_json::to_string(&criteria).unwrap();
        assert_eq!(parse(&again).unwrap(), criteria);
    }

    #[test]
    fn errors_say_where_and_what() {
        let changed = |path: &str, value: Value| {
            let mut criterion = good();
            *criterion.pointer_mut(path).unwrap() = value;
            parse(&json!([criterion]).to_string()).unwrap_err()
        };
        for (path, value, words) in [
            ("/id", json!("A b"), "criterion 1 (A b): id must have"),
            ("/says", json!(" "), "criterion 1 (add): says must be"),
            (
                "/request/method",
                json!("post"),
                "criterion 1 (add): unknown variant `post`",
            ),
            ("/request/path", json!("api"), "request.path must begin"),
            (
                "/request/path",
                json!("//example.com/"),
                "request.path must begin",
            ),
            ("/request/path", json!("/a b"), "request.path must begin"),
            ("/request/path", json!("/ä"), "request.path must begin"),
            (
                "/request/method",
                json!("GET"),
                "request.body cannot be sent",
            ),
            (
                "/request/body",
                json!("x".repeat(16_400)),
                "request.body must be at most",
            ),
            ("/expect/status", json!(99), "expect.status must be"),
            (
                "/expect/status",
                json!("201"),
                "invalid type: string \"201\", expected u16",
            ),
            ("/expect/contains", json!(""), "expect.contains must be"),
            ("/expect", json!({ "state": 1 }), "unknown field `state`"),
        ] {
            let error = changed(path, value);
            assert!(error.contains(words), "{error}");
        }
        let error = parse(&json!([good(), good()]).to_string()).unwrap_err();
        assert_eq!(
            error,
            "criterion 2 (add): its id is that of another criterion"
        );
        let mut ids = (0..31).map(|number| {
            let mut criterion = good();
            criterion["id"] = json!(format!("n{number}"));
            criterion
        });
        let many: Vec<Value> = ids.by_ref().collect();
        assert!(parse(&json!(many[..30]).to_string()).is_ok());
        for (text, words) in [
            (json!(many).to_string(), "and there are 31"),
            ("[]".to_owned(), "and there are 0"),
            ("{}".to_owned(), "must be a JSON array"),
            ("[1".to_owned(), "must be a JSON array"),
            ("[1]".to_owned(), "criterion 1: invalid type"),
        ] {
            let error = parse(&text).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
    }
}

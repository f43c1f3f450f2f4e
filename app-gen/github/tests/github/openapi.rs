//! GitHub's own description of its API, by which the stand-in's requests and answers are judged.

use crate::process::npm;
use jsonschema::{Draft, Validator};
use serde_json::{Map, Value, json};
use std::collections::{BTreeSet, HashMap};
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex};

const MANIFEST: &str = include_str!("../openapi/package.json");
const LOCK: &str = include_str!("../openapi/package-lock.json");
const FILE: &str = "node_modules/@octokit/openapi/generated/api.github.com.json";
/// What any request can be answered with. The description names these for some operations only.
const EVERYWHERE: [u16; 7] = [401, 403, 404, 429, 500, 502, 503];

pub(crate) static DESCRIPTION: LazyLock<Description> = LazyLock::new(Description::load);

/// The description, and what judges by it.
pub(crate) struct Description {
    document: Value,
    validators: Mutex<HashMap<String, Arc<Validator>>>,
}

/// A method of a path with parameters.
#[derive(Debug, Clone)]
pub(crate) struct Operation {
    template: String,
    method: String,
}

/// Installs the package once for each lock file, and returns the file of it. The rest is 400 MB about
/// other servers than github.com, which nobody keeps.
fn install() -> PathBuf {
    let mut hasher = DefaultHasher::new();
    LOCK.hash(&mut hasher);
    let name = format!("openapi-{:016x}", hasher.finish());
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let folder = target.join(&name);
    let file = folder.join("api.github.com.json");
    fs::create_dir_all(&folder).unwrap();
    // Tests run side by side, and so may two checkouts that share a target folder.
    let lock = File::create(target.join(format!("{name}.lock"))).unwrap();
    lock.lock().unwrap();
    if !file.exists() {
        fs::write(folder.join("package.json"), MANIFEST).unwrap();
        fs::write(folder.join("package-lock.json"), LOCK).unwrap();
        npm(
            &folder,
            &["ci", "--ignore-scripts", "--no-audit", "--no-fund"],
        );
        // As a whole or not at all.
        fs::rename(folder.join(FILE), &file).unwrap();
        fs::remove_dir_all(folder.join("node_modules")).unwrap();
    }
    file
}

impl Description {
    fn load() -> Self {
        let text = fs::read(install()).unwrap();
        Self {
            document: serde_json::from_slice(&text).unwrap(),
            validators: Mutex::default(),
        }
    }

    /// The operation of a request, if GitHub has one.
    pub(crate) fn operation(&self, method: &str, path: &str) -> Option<Operation> {
        let method = method.to_lowercase();
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        let paths = self.document["paths"].as_object().unwrap();
        let fitting = paths
            .iter()
            .filter(|(_, item)| item[&method].is_object())
            .filter_map(|(template, _)| Some((literals(template, &parts)?, template)));
        let (_, template) = fitting.max_by_key(|(literals, _)| *literals)?;
        Some(Operation {
            template: template.clone(),
            method,
        })
    }

    /// What is wrong with a request.
    pub(crate) fn judge_request(
        &self,
        operation: &Operation,
        query: &[(String, String)],
        body: &Value,
    ) -> Vec<String> {
        let described = self.described(operation);
        let mut faults = Vec::new();
        let parameters: Vec<&Value> = described["parameters"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default()
            .iter()
            .map(|parameter| self.resolved(parameter))
            .collect();
        for (name, value) in query {
            let found = parameters
                .iter()
                .find(|parameter| parameter["in"] == "query" && parameter["name"] == name.as_str());
            let Some(parameter) = found else {
                faults.push(format!("there is no parameter {name}"));
                continue;
            };
            let schema = &parameter["schema"];
            let value = match self.resolved(schema)["type"].as_str() {
                Some("integer") => serde_json::from_str(value).unwrap_or_default(),
                _ => Value::from(value.as_str()),
            };
            faults.extend(self.judge(&format!("{operation:?} {name}"), schema, &value));
        }
        let schema = &described["requestBody"]["content"]["application/json"]["schema"];
        match (schema.is_null(), body.is_null()) {
            (true, true) => {}
            (true, false) => faults.push("it has a body and should have none".to_owned()),
            (false, true) => faults.push("it has no body and should have one".to_owned()),
            (false, false) => {
                faults.extend(self.judge(&format!("{operation:?} body"), schema, body));
                // The description lets more pass than it names.
                let known = &self.resolved(schema)["properties"];
                for name in body.as_object().into_iter().flat_map(Map::keys) {
                    if known[name].is_null() {
                        faults.push(format!("there is no property {name}"));
                    }
                }
            }
        }
        faults
    }

    /// What is wrong with an answer.
    pub(crate) fn judge_answer(
        &self,
        operation: &Operation,
        status: u16,
        body: &Value,
    ) -> Vec<String> {
        let described = self.described(operation);
        let answer = &described["responses"][status.to_string()];
        if answer.is_null() {
            return match EVERYWHERE.contains(&status) {
                true => Vec::new(),
                false => vec![format!("{status} is no answer to {operation:?}")],
            };
        }
        let schema = &self.resolved(answer)["content"]["application/json"]["schema"];
        self.judge(&format!("{operation:?} {status}"), schema, body)
    }

    /// GitHub's own example of an answer.
    pub(crate) fn example(&self, method: &str, template: &str, status: &str) -> Value {
        let answer = &self.document["paths"][template][method]["responses"][status];
        let examples = &self.resolved(answer)["content"]["application/json"]["examples"];
        let example = examples.as_object().unwrap().values().next().unwrap();
        self.resolved(example)["value"].clone()
    }

    fn described(&self, operation: &Operation) -> &Value {
        &self.document["paths"][&operation.template][&operation.method]
    }

    fn resolved<'value>(&'value self, value: &'value Value) -> &'value Value {
        let mut value = value;
        while let Some(reference) = value["$ref"].as_str() {
            value = self.document.pointer(&reference[1..]).unwrap();
        }
        value
    }

    /// What is wrong with a value. `key` says what it is, and is the same for the same schema.
    fn judge(&self, key: &str, schema: &Value, value: &Value) -> Vec<String> {
        let validator = self.validator(key, schema);
        validator
            .iter_errors(value)
            .map(|error| format!("{key}: {error} at {}", error.instance_path()))
            .collect()
    }

    fn validator(&self, key: &str, schema: &Value) -> Arc<Validator> {
        let mut validators = self.validators.lock().unwrap();
        if let Some(validator) = validators.get(key) {
            return Arc::clone(validator);
        }
        let mut names = BTreeSet::new();
        self.collect(schema, &mut names);
        let schemas: Map<String, Value> = names
            .into_iter()
            .map(|name| {
                let schema = json_schema(&self.document["components"]["schemas"][&name]);
                (name, schema)
            })
            .collect();
        let whole = json!({
            "allOf": [json_schema(schema)],
            "components": { "schemas": schemas },
        });
        // OpenAPI 3.0 is of the time of draft 4. Its formats say nothing that matters here.
        let validator = jsonschema::options()
            .with_draft(Draft::Draft4)
            .should_validate_formats(false)
            .build(&whole)
            .unwrap();
        let validator = Arc::new(validator);
        validators.insert(key.to_owned(), Arc::clone(&validator));
        validator
    }

    /// The names of all schemas that one leads to.
    fn collect(&self, value: &Value, names: &mut BTreeSet<String>) {
        match value {
            Value::Object(fields) => {
                let reference = fields.get("$ref").and_then(Value::as_str);
                let name = reference.and_then(|text| text.strip_prefix("#/components/schemas/"));
                if let Some(name) = name
                    && names.insert(name.to_owned())
                {
                    self.collect(&self.document["components"]["schemas"][name], names);
                }
                fields.values().for_each(|value| self.collect(value, names));
            }
            Value::Array(values) => values.iter().for_each(|value| self.collect(value, names)),
            _ => {}
        }
    }
}

/// How many parts of a path a template names, if it fits.
fn literals(template: &str, parts: &[&str]) -> Option<usize> {
    let names: Vec<&str> = template.trim_matches('/').split('/').collect();
    // The name of a ref has slashes.
    let has_ref = names.last() == Some(&"{ref}") && parts.len() > names.len();
    if names.len() != parts.len() && !has_ref {
        return None;
    }
    let mut literals = 0;
    for (name, part) in names.iter().zip(parts) {
        if name.starts_with('{') {
            continue;
        }
        if name != part {
            return None;
        }
        literals += 1;
    }
    Some(literals)
}

/// A schema of OpenAPI 3.0 as one of JSON: `nullable` is the word that JSON's does not have.
fn json_schema(schema: &Value) -> Value {
    match schema {
        Value::Object(fields) => {
            let changed: Map<String, Value> = fields
                .iter()
                .filter(|(name, value)| !(*name == "nullable" && value.is_boolean()))
                .map(|(name, value)| (name.clone(), json_schema(value)))
                .collect();
            match fields.get("nullable") {
                Some(Value::Bool(true)) => json!({ "anyOf": [{ "type": "null" }, changed] }),
                _ => Value::Object(changed),
            }
        }
        Value::Array(values) => values.iter().map(json_schema).collect(),
        other => other.clone(),
    }
}

#[test]
fn what_the_description_does_not_have_is_a_fault() {
    let operation = DESCRIPTION.operation("POST", "/orgs/acme/repos").unwrap();
    let judge = |body: Value| DESCRIPTION.judge_request(&operation, &[], &body);
    assert_eq!(judge(json!({ "name": "a", "private": true })), [""; 0]);
    assert_eq!(judge(json!({ "private": true })).len(), 1);
    assert_eq!(judge(json!({ "name": 7 })).len(), 1);
    assert_eq!(judge(json!({ "name": "a", "secret": true })).len(), 1);
    let answer = json!({ "message": 7 });
    assert_eq!(DESCRIPTION.judge_answer(&operation, 403, &answer).len(), 1);
    assert_eq!(DESCRIPTION.judge_answer(&operation, 418, &answer).len(), 1);
    let list = DESCRIPTION.operation("GET", "/repos/a/b/pulls").unwrap();
    let query = |name: &str, value: &str| [(name.to_owned(), value.to_owned())];
    let judge =
        |query: [(String, String); 1]| DESCRIPTION.judge_request(&list, &query, &Value::Null);
    assert_eq!(judge(query("state", "all")), [""; 0]);
    assert_eq!(judge(query("state", "some")).len(), 1);
    assert_eq!(judge(query("colour", "red")).len(), 1);
    let found = DESCRIPTION.operation("GET", "/repos/a/b/git/ref/heads/app-gen/c");
    assert_eq!(
        found.unwrap().template,
        "/repos/{owner}/{repo}/git/ref/{ref}"
    );
    assert!(DESCRIPTION.operation("GET", "/repos/a/b/colours").is_none());
}

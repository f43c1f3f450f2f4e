//! Whether requests and answers are those of the API's documentation (`schema.json`).
//!
//! The few words of JSON Schema that it takes are read here: a library for all of them would bring thirty
//! crates for one suite.

use serde_json::Value;
use std::sync::LazyLock;

static DOCUMENTATION: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("schema.json")).unwrap());

/// What is wrong with a request of an operation.
pub(crate) fn request_faults(operation: &str, query: &str, body: &Value) -> Vec<String> {
    let documented = &DOCUMENTATION["operations"][operation];
    assert!(documented.is_object(), "{operation} is not documented");
    let mut faults = Vec::new();
    let known = documented["query"].as_array().cloned().unwrap_or_default();
    for name in query.split('&').filter_map(|pair| pair.split('=').next()) {
        if !name.is_empty() && !known.contains(&name.into()) {
            faults.push(format!("{operation}: the query {name} is unknown"));
        }
    }
    match &documented["request"] {
        Value::Null if body.is_null() => {}
        Value::Null => faults.push(format!("{operation}: it takes no body")),
        schema => check(operation, schema, body, &mut faults),
    }
    faults.sort();
    faults
}

/// What is wrong with an answer of an operation.
pub(crate) fn answer_faults(operation: &str, status: u16, body: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    let statuses = &DOCUMENTATION["operations"][operation]["statuses"];
    let fallback = Value::from("ErrorResponse");
    let schema = match statuses.get(status.to_string()) {
        Some(schema) => schema,
        None if status >= 400 => &fallback,
        None => {
            faults.push(format!("{operation}: the status {status} is unknown"));
            return faults;
        }
    };
    match schema {
        Value::Null => {}
        schema => check(operation, schema, body, &mut faults),
    }
    faults
}

/// Checks a value against a schema, or against the one that a name stands for.
fn check(at: &str, schema: &Value, value: &Value, faults: &mut Vec<String>) {
    if let Some(name) = schema.as_str() {
        let named = &DOCUMENTATION["schemas"][name];
        assert!(named.is_object(), "{name} is not documented");
        return check(at, named, value, faults);
    }
    let kind = schema["type"].as_str().unwrap();
    let is_of_kind = match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        other => panic!("{other} is no type"),
    };
    if !is_of_kind {
        faults.push(format!("{at}: {value} is no {kind}"));
        return;
    }
    let allowed = schema["enum"].as_array();
    if allowed.is_some_and(|allowed| !allowed.contains(value)) {
        faults.push(format!("{at}: {value} is not allowed"));
    }
    let number = |unit: &str| value.as_str()?.strip_suffix(unit)?.parse::<u32>().ok();
    if let Some(unit) = schema["unit"].as_str()
        && number(unit).is_none()
    {
        faults.push(format!("{at}: {value} is no number of {unit}"));
    }
    if let Some(items) = value.as_array().filter(|_| !schema["items"].is_null()) {
        for (place, item) in items.iter().enumerate() {
            check(&format!("{at}[{place}]"), &schema["items"], item, faults);
        }
    }
    let Some(fields) = value.as_object() else {
        return;
    };
    for name in schema["required"].as_array().into_iter().flatten() {
        if !fields.contains_key(name.as_str().unwrap()) {
            faults.push(format!("{at}: {name} is missing"));
        }
    }
    for (name, field) in fields {
        let at = format!("{at}.{name}");
        match (&schema["properties"][name], &schema["values"]) {
            (Value::Null, Value::Null) if schema["properties"].is_null() => {}
            (Value::Null, Value::Null) => faults.push(format!("{at} is unknown")),
            (Value::Null, schema) | (schema, _) => check(&at, schema, field, faults),
        }
    }
}

#[test]
fn what_is_not_documented_is_found() {
    let body = serde_json::json!({ "org_slug": 1, "colour": "red" });
    assert_eq!(
        request_faults("Apps_create", "wait=true", &body),
        [
            "Apps_create.colour is unknown",
            "Apps_create.org_slug: 1 is no string",
            "Apps_create: \"app_name\" is missing",
            "Apps_create: the query wait is unknown",
        ]
    );
    let config = serde_json::json!({ "config": { "image": "a", "services": [{
        "protocol": "tcp", "internal_port": 1, "checks": [{ "interval": "5 minutes" }],
    }] } });
    assert_eq!(
        request_faults("Machines_create", "", &config),
        ["Machines_create.config.services[0].checks[0].interval: \"5 minutes\" is no number of s"]
    );
    let faults = answer_faults("Apps_show", 200, &serde_json::json!([]));
    assert_eq!(faults, ["Apps_show: [] is no object"]);
    let faults = answer_faults("Apps_show", 204, &Value::Null);
    assert_eq!(faults, ["Apps_show: the status 204 is unknown"]);
}

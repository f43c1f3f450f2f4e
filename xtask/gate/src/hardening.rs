//! What would make a container more than a container: privileges, folders and networks of the
//! machine. It is refused early, in the call that asks for it, and again where containers are made
//! (`engine`), which also sees what came in a template from a bucket.

use crate::json;
use crate::refusal::Refusal;
use crate::sigv4::decode;
use serde_json::Value;

/// Refuses a RegisterTaskDefinition of ECS that asks for more.
pub(crate) fn definition(body: &[u8]) -> Result<(), Refusal> {
    let definition = json::read(body).map_err(|error| {
        Refusal::malformed(format!("the task definition cannot be read: {error}"))
    })?;
    refuse(&definition)
}

/// Refuses a form of CloudFormation whose template asks for more. A template in YAML is judged where
/// its containers are made.
pub(crate) fn form(body: &[u8]) -> Result<(), Refusal> {
    let Ok(text) = std::str::from_utf8(body) else {
        return Err(Refusal::malformed("the form is not text"));
    };
    for pair in text.split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if decode(name).as_deref() != Some(b"TemplateBody") {
            continue;
        }
        let template = decode(&value.replace('+', " "))
            .ok_or_else(|| Refusal::malformed("the template is not encoded as a form"))?;
        if template.trim_ascii_start().starts_with(b"{") {
            let template = json::read(&template).map_err(|error| {
                Refusal::malformed(format!("the template cannot be read: {error}"))
            })?;
            refuse_template(&template)?;
        }
    }
    Ok(())
}

fn refuse_template(template: &Value) -> Result<(), Refusal> {
    let resources = template["Resources"].as_object().into_iter().flatten();
    for (_, resource) in resources {
        if resource["Type"] == "AWS::ECS::TaskDefinition" {
            refuse(&resource["Properties"])?;
        }
    }
    Ok(())
}

/// Looks at all keys at any depth, in any letter case: the local cloud reads both of AWS's cases.
fn refuse(value: &Value) -> Result<(), Refusal> {
    match value {
        Value::Array(items) => items.iter().try_for_each(refuse),
        Value::Object(entries) => entries.iter().try_for_each(|(key, value)| {
            match asks_for_more(&key.to_ascii_lowercase(), value) {
                Some(what) => Err(Refusal::forbidden(format!(
                    "a task definition may not ask for {what} in the local cloud, whose containers \
                     run on this machine"
                ))),
                // Values of these are texts of the user's own.
                None if matches!(&*key.to_ascii_lowercase(), "environment" | "dockerlabels") => {
                    Ok(())
                }
                None => refuse(value),
            }
        }),
        _ => Ok(()),
    }
}

fn asks_for_more(key: &str, value: &Value) -> Option<&'static str> {
    let is_host = || {
        value
            .as_str()
            .is_some_and(|mode| mode.eq_ignore_ascii_case("host"))
    };
    match key {
        "privileged" if !is_nothing(value) && value != "false" => Some("privileges"),
        "sourcepath" | "hostpath" if !is_nothing(value) => Some("a folder of this machine"),
        "networkmode" if is_host() => Some("the network of this machine"),
        "pidmode" | "ipcmode" if is_host() => Some("the processes of this machine"),
        "add" if !is_nothing(value) => Some("further capabilities"),
        "devices" if !is_nothing(value) => Some("devices of this machine"),
        "dockersecurityoptions" if !is_nothing(value) => Some("other rules of security"),
        "dockervolumeconfiguration" if !is_nothing(value) => Some("a volume of the engine"),
        _ => None,
    }
}

/// What every reader takes for "not asked for".
pub(crate) fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(entries) => entries.is_empty(),
        Value::Bool(true) => false,
    }
}

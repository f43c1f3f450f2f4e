//! An operation, as the OpenAPI document describes it.

use serde_json::Value;

/// An operation of the API.
#[derive(Debug)]
pub(super) struct Operation {
    /// Names it for ever: it is the anchor of its description.
    pub(super) id: String,
    /// In capital letters.
    pub(super) method: String,
    pub(super) path: String,
    pub(super) tag: String,
    pub(super) summary: String,
    pub(super) description: String,
    pub(super) is_deprecated: bool,
    pub(super) parameters: Vec<Parameter>,
    pub(super) body: Option<Body>,
    pub(super) answers: Vec<Answer>,
}

#[derive(Debug)]
pub(super) struct Parameter {
    pub(super) name: String,
    /// `path`, `query` or `header`.
    pub(super) place: String,
    pub(super) is_required: bool,
    pub(super) schema: Value,
    pub(super) description: String,
}

#[derive(Debug)]
pub(super) struct Body {
    pub(super) media_type: String,
    pub(super) schema: Value,
    pub(super) example: Option<Value>,
    pub(super) description: String,
}

#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: String,
    pub(super) description: String,
    pub(super) media_type: Option<String>,
    pub(super) schema: Value,
}

impl Operation {
    /// All of the document, by their paths.
    pub(super) fn all(document: &Value) -> Vec<Self> {
        let paths = document["paths"].as_object().into_iter().flatten();
        paths
            .flat_map(|(path, item)| {
                let operations = item.as_object().into_iter().flatten();
                operations.map(move |(method, operation)| (path, method, operation))
            })
            .filter(|(_, _, operation)| operation["operationId"].is_string())
            .map(|(path, method, operation)| Self::read(document, path, method, operation))
            .collect()
    }

    fn read(document: &Value, path: &str, method: &str, operation: &Value) -> Self {
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let answers = operation["responses"].as_object().into_iter().flatten();
        Self {
            id: text(&operation["operationId"]),
            method: method.to_uppercase(),
            path: path.to_owned(),
            tag: text(&operation["tags"][0]),
            summary: text(&operation["summary"]),
            description: text(&operation["description"]),
            is_deprecated: operation["deprecated"] == true,
            parameters: parameters.map(Parameter::read).collect(),
            body: Body::read(&operation["requestBody"]),
            answers: answers
                .map(|(status, answer)| Answer::read(status, resolved(document, answer)))
                .collect(),
        }
    }

    /// The first answer that is no error.
    pub(super) fn success(&self) -> Option<&Answer> {
        self.answers
            .iter()
            .find(|answer| answer.status.as_str() < "4")
    }
}

impl Parameter {
    fn read(parameter: &Value) -> Self {
        Self {
            name: text(&parameter["name"]),
            place: text(&parameter["in"]),
            is_required: parameter["required"] == true,
            schema: parameter["schema"].clone(),
            description: text(&parameter["description"]),
        }
    }
}

impl Body {
    fn read(body: &Value) -> Option<Self> {
        let (media_type, content) = body["content"].as_object()?.iter().next()?;
        Some(Self {
            media_type: media_type.clone(),
            schema: content["schema"].clone(),
            example: content.get("example").cloned(),
            description: text(&body["description"]),
        })
    }
}

impl Answer {
    fn read(status: &str, answer: &Value) -> Self {
        let content = answer["content"].as_object();
        let content = content.and_then(|content| content.iter().next());
        Self {
            status: status.to_owned(),
            description: text(&answer["description"]),
            media_type: content.map(|(media_type, _)| media_type.clone()),
            schema: content.map_or(Value::Null, |(_, content)| content["schema"].clone()),
        }
    }
}

/// What a reference within the document leads to.
fn resolved<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    let target = value["$ref"]
        .as_str()
        .and_then(|text| text.strip_prefix('#'));
    target
        .and_then(|pointer| document.pointer(pointer))
        .unwrap_or(value)
}

/// A text on one line; nothing if there is none.
pub(super) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().replace('\n', " ")
}

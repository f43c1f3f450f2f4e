//! The shapes of the document, as tables of their fields.

use serde_json::Value;

use crate::reference::block::Block;
use crate::reference::operation::text;

/// The anchor of a shape.
fn anchor(name: &str) -> String {
    format!("data-{name}")
}

/// A description for every named shape of the document.
pub(super) fn blocks(document: &Value) -> Vec<Block> {
    let schemas = document["components"]["schemas"].as_object();
    let mut blocks = Vec::new();
    for (name, schema) in schemas.into_iter().flatten() {
        blocks.push(Block::heading(3, &anchor(name), name));
        let about = text(&schema["description"]);
        if !about.is_empty() {
            blocks.push(Block::Text(about));
        }
        let variants = schema["oneOf"].as_array();
        let variants: Vec<&Value> = match variants {
            Some(variants) => variants.iter().collect(),
            None => vec![schema],
        };
        for variant in variants {
            shape(variant, schema, &mut blocks);
        }
    }
    blocks
}

fn shape(variant: &Value, whole: &Value, blocks: &mut Vec<Block>) {
    let own = text(&variant["description"]);
    if !std::ptr::eq(variant, whole) && !own.is_empty() {
        blocks.push(Block::Text(own));
    }
    let Some(fields) = variant["properties"].as_object() else {
        blocks.push(Block::Text(format!("It is {}.", kind(variant))));
        return;
    };
    let required: Vec<&str> = variant["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let rows = fields.iter().map(|(name, field)| {
        let always = match required.contains(&name.as_str()) {
            true => "yes",
            false => "no",
        };
        vec![
            format!("`{name}`"),
            kind(field),
            always.to_owned(),
            text(&field["description"]),
        ]
    });
    blocks.push(Block::Table {
        head: vec!["field", "type", "always there", "what it is"],
        rows: rows.collect(),
    });
}

/// The type of a value, in words.
pub(super) fn kind(schema: &Value) -> String {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.rsplit('/').next().unwrap_or(reference);
        return format!("[{name}](#{})", anchor(name));
    }
    for several in ["oneOf", "anyOf", "allOf"] {
        if let Some(variants) = schema[several].as_array() {
            let variants: Vec<String> = variants.iter().map(kind).collect();
            return variants.join(" or ");
        }
    }
    if let Some(values) = schema["enum"].as_array() {
        let values: Vec<String> = values.iter().map(|value| format!("`{value}`")).collect();
        return values.join(", ");
    }
    let names = match &schema["type"] {
        Value::String(name) => name.clone(),
        Value::Array(names) => {
            let names: Vec<&str> = names.iter().filter_map(Value::as_str).collect();
            names.join(" or ")
        }
        _ => "anything".to_owned(),
    };
    if names.starts_with("array") {
        return format!("{names} of {}", kind(&schema["items"]));
    }
    let mut words = names;
    if let Some(format) = schema["format"].as_str() {
        words = format!("{words} ({format})");
    }
    let bounds = [
        ("minimum", "at least"),
        ("maximum", "at most"),
        ("minLength", "length at least"),
        ("maxLength", "length at most"),
    ];
    for (key, says) in bounds {
        if schema[key].is_number() {
            words = format!("{words}, {says} {}", schema[key]);
        }
    }
    words
}

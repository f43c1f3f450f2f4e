//! What differs between the inputs of two keys.

use super::inputs::Inputs;

/// What differs between two sets of inputs, one line per difference.
#[must_use]
pub fn explain(before: &Inputs, after: &Inputs) -> Vec<String> {
    let (Ok(before), Ok(after)) = (serde_json::to_value(before), serde_json::to_value(after))
    else {
        return Vec::new();
    };
    let mut differences = Vec::new();
    compare("", &before, &after, &mut differences);
    differences
}

fn compare(
    path: &str,
    before: &serde_json::Value,
    after: &serde_json::Value,
    differences: &mut Vec<String>,
) {
    use serde_json::Value::{Null, Object};
    match (before, after) {
        _ if before == after => {}
        // An entry of a tree is one thing to a person, not three fields.
        (Object(left), Object(right))
            if !left.contains_key("kind") && !right.contains_key("kind") =>
        {
            let names: std::collections::BTreeSet<&String> =
                left.keys().chain(right.keys()).collect();
            for name in names {
                let inner = if path.is_empty() {
                    name.clone()
                } else {
                    format!("{path}: {name}")
                };
                compare(
                    &inner,
                    left.get(name).unwrap_or(&Null),
                    right.get(name).unwrap_or(&Null),
                    differences,
                );
            }
        }
        (Null, _) => differences.push(format!("{path} added")),
        (_, Null) => differences.push(format!("{path} removed")),
        (left, right) => {
            let same_content =
                left.get("digest").is_some() && left.get("digest") == right.get("digest");
            let what = if same_content {
                "mode changed"
            } else {
                "changed"
            };
            differences.push(format!("{path} {what}"));
        }
    }
}

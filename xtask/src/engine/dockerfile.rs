//! Which images a Dockerfile builds upon: every `FROM` and every `--from=` that
//! is no stage of its own.

use std::collections::{BTreeMap, BTreeSet};

/// References to images outside the Dockerfile, arguments resolved, in order of name.
///
/// `arguments` are the build arguments; they win over the defaults of `ARG`s
/// before the first `FROM`.
///
/// # Errors
/// A reference has a variable without a value.
pub fn external_images(
    text: &str,
    arguments: &BTreeMap<String, String>,
) -> anyhow::Result<BTreeSet<String>> {
    let mut globals = BTreeMap::new();
    let mut stages: BTreeSet<String> = BTreeSet::new();
    let mut stage_count = 0usize;
    let mut images = BTreeSet::new();
    for instruction in instructions(text) {
        let mut words = instruction.split_whitespace();
        let Some(name) = words.next() else { continue };
        match name.to_ascii_uppercase().as_str() {
            "ARG" if stage_count == 0 => {
                for word in words {
                    let (name, default) = match word.split_once('=') {
                        Some((name, default)) => (name, Some(default.trim_matches(['"', '\'']))),
                        None => (word, None),
                    };
                    if let Some(value) = arguments.get(name).map(String::as_str).or(default) {
                        let value = substitute(value, &globals)?;
                        globals.insert(name.to_owned(), value);
                    }
                }
            }
            "FROM" => {
                let words: Vec<&str> = words.filter(|word| !word.starts_with("--")).collect();
                if let Some(image) = words.first() {
                    let image = substitute(image, &globals)?;
                    if image != "scratch" && !stages.contains(&image.to_ascii_lowercase()) {
                        images.insert(image);
                    }
                }
                if let [_, word, stage, ..] = words.as_slice()
                    && word.eq_ignore_ascii_case("as")
                {
                    stages.insert(stage.to_ascii_lowercase());
                }
                stage_count += 1;
            }
            "COPY" | "ADD" | "RUN" => {
                for flag in words.take_while(|word| word.starts_with("--")) {
                    let source = flag.strip_prefix("--from=").or_else(|| {
                        flag.strip_prefix("--mount=").and_then(|mount| {
                            mount.split(',').find_map(|part| part.strip_prefix("from="))
                        })
                    });
                    let Some(source) = source else { continue };
                    let source = substitute(source, &globals)?;
                    let is_stage = stages.contains(&source.to_ascii_lowercase())
                        || source
                            .parse::<usize>()
                            .is_ok_and(|index| index < stage_count);
                    if !is_stage {
                        images.insert(source);
                    }
                }
            }
            _ => {}
        }
    }
    Ok(images)
}

/// Instructions with continued lines joined and comments left out.
fn instructions(text: &str) -> Vec<String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let escape = text
        .lines()
        .map_while(|line| line.trim().strip_prefix('#'))
        .find_map(|directive| {
            let (name, value) = directive.split_once('=')?;
            name.trim()
                .eq_ignore_ascii_case("escape")
                .then(|| value.trim().chars().next())?
        })
        .unwrap_or('\\');
    let mut joined = Vec::new();
    let mut current = String::new();
    for line in text.lines() {
        if line.trim_start().starts_with('#') {
            continue;
        }
        match line.trim_end().strip_suffix(escape) {
            Some(start) => {
                current.push_str(start);
                current.push(' ');
            }
            None => {
                current.push_str(line);
                joined.push(std::mem::take(&mut current));
            }
        }
    }
    joined.push(current);
    joined
}

/// `$NAME`, `${NAME}`, `${NAME:-default}` and `${NAME:+alternative}`.
fn substitute(text: &str, values: &BTreeMap<String, String>) -> anyhow::Result<String> {
    let mut result = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        result.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let (expression, after) = match rest.strip_prefix('{') {
            Some(inner) => inner
                .split_once('}')
                .ok_or_else(|| anyhow::anyhow!("`{text}` has a `${{` that is not closed"))?,
            None => rest.split_at(
                rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                    .unwrap_or(rest.len()),
            ),
        };
        let (name, default, alternative) =
            if let Some((name, default)) = expression.split_once(":-") {
                (name, Some(default), None)
            } else if let Some((name, alternative)) = expression.split_once(":+") {
                (name, None, Some(alternative))
            } else {
                (expression, None, None)
            };
        let value = values.get(name).filter(|value| !value.is_empty());
        match (value, default, alternative) {
            (Some(_), _, Some(alternative)) => result.push_str(alternative),
            (None, _, Some(_)) => {}
            (Some(value), _, _) => result.push_str(value),
            (None, Some(default), _) => result.push_str(default),
            (None, None, None) => {
                anyhow::bail!("`{text}` uses `{name}`, which has no value; give it a default")
            }
        }
        rest = after;
    }
    result.push_str(rest);
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn images(text: &str) -> Vec<String> {
        external_images(text, &BTreeMap::from([("V".to_owned(), "9".to_owned())]))
            .unwrap()
            .into_iter()
            .collect()
    }

    #[test]
    fn stages_are_not_external() {
        let text = "ARG V=1\nARG BASE=debian:${V}\nFROM ${BASE} AS Build\n# FROM comment\n\
                    FROM --platform=linux/amd64 \\\n  alpine:${W:-3}\nCOPY --from=build /a /b\n\
                    COPY --from=0 /a /b\nCOPY --from=busybox:1 /a /b\nFROM scratch\nFROM build\n";
        assert_eq!(images(text), ["alpine:3", "busybox:1", "debian:9"]);
    }

    #[test]
    fn a_variable_without_value_is_an_error() {
        assert!(external_images("FROM a:${NO}", &BTreeMap::new()).is_err());
    }
}

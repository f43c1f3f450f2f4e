//! The regular expression that a pattern with wildcards turns into.

use crate::ignore::go_regexp;
use crate::ignore::go_regexp::{Atom, Kind};
use regex::{Regex, RegexBuilder};
use std::sync::OnceLock;

/// A compiled expression may have this size. It is the default of the `regex` crate, and
/// hundreds of times what patterns need that somebody writes.
const LIMIT_BYTES: usize = 10 * 1024 * 1024;

/// An expression, compiled when it is first needed: most paths fail at the literal text at its
/// ends, and comparing bytes is cheaper than any expression.
#[derive(Debug)]
pub(super) struct Expression {
    /// What each matching path begins with.
    prefix: Box<str>,
    /// What each matching path ends with, behind the prefix.
    suffix: Box<str>,
    /// In the syntax of the `regex` crate.
    text: Box<str>,
    compiled: OnceLock<Option<Regex>>,
}

impl Expression {
    /// Parses Go's syntax.
    ///
    /// # Errors
    /// Go refuses it too, or it is one of the few things that are not supported:
    /// Unicode classes and repeated repetitions.
    pub(super) fn parse(go: &str) -> Result<Self, &'static str> {
        let alternatives = go_regexp::parse(go)?;
        let (prefix, suffix) = match alternatives.as_slice() {
            [atoms] => literal_ends(atoms),
            _ => <(String, String)>::default(),
        };
        let texts: Vec<String> = alternatives
            .iter()
            .map(|atoms| atoms.iter().map(|atom| atom.text.as_str()).collect())
            .collect();
        Ok(Self {
            prefix: prefix.into(),
            suffix: suffix.into(),
            text: texts.join("|").into(),
            compiled: OnceLock::new(),
        })
    }

    /// # Errors
    /// The compiled expression would be too large.
    pub(super) fn matches(&self, path: &str) -> Result<bool, &'static str> {
        if path.len() < self.prefix.len() + self.suffix.len()
            || !path.starts_with(&*self.prefix)
            || !path.ends_with(&*self.suffix)
        {
            return Ok(false);
        }
        let compiled = self.compiled.get_or_init(|| {
            let mut builder = RegexBuilder::new(&self.text);
            builder.size_limit(LIMIT_BYTES).build().ok()
        });
        match compiled {
            Some(regex) => Ok(regex.is_match(path)),
            None => Err("it is too large: repetitions of more than some 100,000 characters"),
        }
    }
}

/// The literal text at the beginning of each matching path and at its end. The two do not overlap.
fn literal_ends(atoms: &[Atom]) -> (String, String) {
    let literal = |atom: &Atom| match atom.kind {
        Kind::Literal(character) => Some(character),
        _ => None,
    };
    let mut rest = atoms;
    let mut prefix = String::new();
    if let [
        Atom {
            kind: Kind::Start, ..
        },
        behind @ ..,
    ] = rest
    {
        prefix.extend(behind.iter().map_while(literal));
        rest = &behind[prefix.chars().count()..];
    }
    let mut suffix = Vec::new();
    if let [
        before @ ..,
        Atom {
            kind: Kind::End, ..
        },
    ] = rest
    {
        suffix.extend(before.iter().rev().map_while(literal));
    }
    (prefix, suffix.into_iter().rev().collect())
}

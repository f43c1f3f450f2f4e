//! `.dockerignore` with the semantics of Docker.
//!
//! The reference is what `docker buildx build` does with a folder: `moby/patternmatcher`
//! with its `ignorefile` reader, used by the file walk of `tonistiigi/fsutil`. A
//! pattern that matched a directory also holds for what is below it, decided
//! pattern by pattern ([`Rules::matches`] takes and returns those results).
//!
//! [`IgnoreFile`] finds and reads the file that holds the rules, and [`Rules`] applies them.
//! Below these two, `lines` splits the file, `filepath_match` refuses what Docker refuses at
//! once, `pattern` is one pattern, and `go_regexp` and `expression` are what a pattern with
//! wildcards means. `tests/dockerignore/` compares all of it with the real engine.

mod candidate;
mod error;
mod expression;
mod file;
mod filepath_match;
mod go_regexp;
mod lines;
mod pattern;
mod rules;

pub use crate::ignore::error::PatternError;
pub use crate::ignore::file::IgnoreFile;
pub use crate::ignore::rules::{Matches, Rules};

#[cfg(test)]
mod tests;

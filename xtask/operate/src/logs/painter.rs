//! A line of a log as a person reads it: `12:03:04.123 orchestrator WARN message key=value`, with
//! times in UTC. The colours of sources and levels are chosen here.

use crate::logs::log_line::{Level, LogLine};
use std::borrow::Cow;
use time::OffsetDateTime;
use time::macros::format_description;
use xtask_aws_api::calls::logs::LogRecord;
use xtask_core::report::Painted;

const DIM: &str = "2";

/// Shows lines to a person, each source in a colour of its own.
#[derive(Debug, Default)]
pub struct Painter {
    /// In the order of their first line.
    sources: Vec<String>,
}

impl Painter {
    /// Colours of sources. Those of levels are not among them.
    const COLOURS: [&str; 5] = ["36", "35", "34", "32", "96"];

    /// The line with its colours.
    pub fn line(&mut self, raw: &LogRecord) -> Painted {
        let line = LogLine::parse(&raw.message);
        let index = match self.sources.iter().position(|name| *name == raw.source) {
            Some(index) => index,
            None => {
                self.sources.push(raw.source.clone());
                self.sources.len() - 1
            }
        };
        let level_colour = match line.level {
            Some(Level::Error) => "1;31",
            Some(Level::Warn) => "33",
            _ => DIM,
        };
        let mut painted = Painted::default();
        painted.push(format!("{} ", clock(raw, &line)));
        painted.push_in(Self::COLOURS[index % Self::COLOURS.len()], &raw.source);
        painted.push(" ");
        painted.push_in(level_colour, line.level.map_or("-", Level::name));
        painted.push(format!(" {}", line.message));
        for (name, value) in &line.fields {
            painted.push_in(DIM, format!(" {}=", quoted(name)));
            painted.push(quoted(value));
        }
        painted
    }
}

/// Quotes what could be read as another field, or as the end of this one.
fn quoted(text: &str) -> Cow<'_, str> {
    match text.is_empty() || text.contains([' ', '"', '=']) {
        true => Cow::Owned(format!("{text:?}")),
        false => Cow::Borrowed(text),
    }
}

/// The time of day that the line names, or else that at which it arrived.
fn clock(raw: &LogRecord, line: &LogLine) -> String {
    let arrived =
        || OffsetDateTime::from_unix_timestamp_nanos(i128::from(raw.time_ms) * 1_000_000).ok();
    let format = format_description!("[hour]:[minute]:[second].[subsecond digits:3]");
    line.at
        .or_else(arrived)
        .and_then(|at| at.to_offset(time::UtcOffset::UTC).format(format).ok())
        .unwrap_or_else(|| "--:--:--.---".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(source: &str, message: &str) -> String {
        let raw = LogRecord {
            source: source.to_owned(),
            time_ms: 1_795_000_000_123,
            message: message.to_owned(),
            ..LogRecord::default()
        };
        Painter::default().line(&raw).shown(false)
    }

    #[test]
    fn lines_of_all_kinds_are_readable() {
        let lines = [
            shown(
                "orchestrator",
                r#"{"timestamp":"2026-11-21T12:03:04.123456Z","level":"WARN","message":"a job has ended","job_id":"j1","reason":"took too long","target":"app_gen_saas::worker"}"#,
            ),
            shown(
                "generator",
                r#"{"version":2,"job_id":"j1","sequence":3,"time":"2026-11-21T12:03:05.001Z","type":"stage","body":{"name":"plan","state":"running"}}"#,
            ),
            shown(
                "generator",
                r#"{"version":2,"job_id":"j1","sequence":4,"time":"2026-11-21T12:03:05.002Z","type":"log","body":{"level":"error","message":"two\nlines"}}"#,
            ),
            shown(
                "generator",
                r#"{"version":2,"job_id":"j1","sequence":5,"time":"2026-11-21T13:03:05.002+01:00","type":"failed","body":{"reason":"no"}}"#,
            ),
            shown("generator", "thread 'main' panicked \u{1b}[2J"),
            shown("generator", r#"{"type":7,"body":[]}"#),
            shown("orchestrator", "[1]"),
        ];
        insta::assert_snapshot!(lines.join("\n"), @r#"
        12:03:04.123 orchestrator WARN a job has ended job_id=j1 reason="took too long"
        12:03:05.001 generator INFO stage name=plan state=running sequence=3 job_id=j1
        12:03:05.002 generator ERROR two\nlines sequence=4 job_id=j1
        12:03:05.002 generator ERROR failed: no sequence=5 job_id=j1
        11:06:40.123 generator - thread 'main' panicked \u{1b}[2J
        11:06:40.123 generator INFO 7
        11:06:40.123 orchestrator - [1]
        "#);
    }

    #[test]
    fn neither_keys_nor_values_reach_the_terminal_as_they_are() {
        let body = serde_json::json!({
            "type": "step",
            "body": {
                "name\u{1b}[2J": "\r12:00:00.000 orchestrator INFO forged",
                "a=b \u{202e}": "\n",
            },
            "sequence": "1\u{9b}2J",
        });
        let line = shown("gener\u{1b}ator", &body.to_string());
        let acts = |character: char| character.is_control() || character == '\u{202e}';
        assert!(!line.contains(acts), "{line:?}");
        assert_eq!(
            line.split_once(" - ")
                .or(line.split_once(" INFO "))
                .unwrap()
                .1,
            r#"step "a=b \u{202e}"=\n name\u{1b}[2J="\r12:00:00.000 orchestrator INFO forged" sequence=1\u{9b}2J"#
        );
    }

    #[test]
    fn each_source_has_its_colour_and_errors_stand_out() {
        let mut painter = Painter::default();
        let mut paint = |source: &str, level: &str| {
            let message = format!(r#"{{"level":"{level}","message":"m"}}"#);
            let raw = LogRecord {
                source: source.to_owned(),
                message,
                ..LogRecord::default()
            };
            painter.line(&raw).shown(true)
        };
        let (first, second) = (paint("a", "INFO"), paint("b", "ERROR"));
        assert!(first.contains("\x1b[36ma\x1b[0m") && second.contains("\x1b[35mb\x1b[0m"));
        assert!(second.contains("\x1b[1;31mERROR\x1b[0m"));
        assert!(
            paint("a", "INFO").contains("\x1b[36ma"),
            "the first source keeps its colour"
        );
    }
}

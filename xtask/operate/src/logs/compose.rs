//! Logs of the containers that `validate --keep` left running. Docker writes each line as
//! `NAME-1  | TIME LINE`.

use crate::logs::query::Query;
use crate::validation::compose;
use std::collections::BTreeMap;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use xtask_aws_api::calls::logs::LogRecord;
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure};

/// As [`crate::logs::read`].
pub(super) fn read(
    context: &Context,
    query: &Query,
    mut on_line: impl FnMut(LogRecord) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    if compose::containers(context)?.is_empty() {
        return Err(Failure::new(
            Code::Usage,
            "no container of a validation is left, so there is no log",
        )
        .hint("cargo xtask validate --force --keep")
        .into());
    }
    let project = &context.platform.local.compose_project;
    let mut read = Counts::new();
    let mut lines = Vec::new();
    // Docker prints the containers one after the other.
    compose::logs(context, false, |line| {
        let line = parse(&String::from_utf8_lossy(line), project, &mut read);
        lines.extend(line.filter(|line| query.admits(line)));
        Ok(())
    })?;
    query
        .newest_of(lines)
        .into_iter()
        .try_for_each(&mut on_line)?;
    if !query.follow {
        return Ok(());
    }
    // Following begins with the same lines again, those of each container in the same order.
    let mut counts = Counts::new();
    compose::logs(context, true, |line| {
        match parse(&String::from_utf8_lossy(line), project, &mut counts) {
            Some(line)
                if counts[&line.stream] > read.get(&line.stream).copied().unwrap_or(0)
                    && query.admits(&line) =>
            {
                on_line(line)
            }
            _ => Ok(()),
        }
    })
}

/// How many lines of each container have been read.
type Counts = BTreeMap<String, u64>;

fn parse(line: &str, project: &str, counts: &mut Counts) -> Option<LogRecord> {
    let (container, line) = line.split_once(" | ").or_else(|| line.split_once("| "))?;
    let container = container.trim();
    let (at, message) = line.split_once(' ').unwrap_or((line, ""));
    let at = OffsetDateTime::parse(at, &Rfc3339).ok()?;
    let source = container
        .rsplit_once('-')
        .map_or(container, |(service, _)| service);
    let count = counts.entry(container.to_owned()).or_default();
    *count += 1;
    Some(LogRecord {
        source: source.to_owned(),
        group: project.to_owned(),
        stream: container.to_owned(),
        task: None,
        id: format!("{container}:{count}"),
        time_ms: i64::try_from(at.unix_timestamp_nanos() / 1_000_000).ok()?,
        message: message.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_compose_is_parsed() {
        let line = "orchestrator-1  | 2026-11-21T12:03:04.123456789Z {\"level\":\"INFO\"} | x";
        let mut counts = Counts::from([("orchestrator-1".to_owned(), 6)]);
        let parsed = parse(line, "app", &mut counts).unwrap();
        assert_eq!(
            (
                parsed.source.as_str(),
                parsed.stream.as_str(),
                parsed.id.as_str()
            ),
            ("orchestrator", "orchestrator-1", "orchestrator-1:7")
        );
        assert_eq!(parsed.time_ms % 1000, 123);
        assert_eq!(parsed.message, "{\"level\":\"INFO\"} | x");
        let empty = parse(
            "database-1      | 2026-11-21T12:03:04.1Z ",
            "app",
            &mut counts,
        )
        .unwrap();
        assert_eq!(
            (empty.source.as_str(), empty.message.as_str()),
            ("database", "")
        );
        assert_eq!(parse("Attaching to database-1", "app", &mut counts), None);
        assert_eq!(
            counts,
            [
                ("database-1".to_owned(), 1),
                ("orchestrator-1".to_owned(), 7)
            ]
            .into()
        );
    }
}

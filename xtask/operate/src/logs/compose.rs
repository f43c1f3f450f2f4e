//! Logs of the containers that `validate --keep` left. Docker writes `NAME-1  | TIME LINE`.

use crate::logs::{Entry, Wanted, newest};
use crate::validation::compose;
use std::collections::BTreeMap;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure};

/// As [`crate::logs::read`].
pub(super) fn read(
    context: &Context,
    wanted: &Wanted,
    mut on_entry: impl FnMut(Entry) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    if compose::containers(context)?.is_empty() {
        return Err(
            Failure::new(Code::Usage, "nothing of a validate runs that has a log")
                .hint("cargo xtask validate --force --keep")
                .into(),
        );
    }
    let project = &context.platform.local.compose_project;
    let mut told = Counts::new();
    let mut entries = Vec::new();
    // One container comes after the other.
    compose::logs(context, false, |line| {
        let entry = parse(&String::from_utf8_lossy(line), project, &mut told);
        entries.extend(entry.filter(|entry| wanted.admits(entry)));
        Ok(())
    })?;
    newest(entries, wanted)
        .into_iter()
        .try_for_each(&mut on_entry)?;
    if !wanted.follow {
        return Ok(());
    }
    // Those come again, of each container in their order.
    let mut counts = Counts::new();
    compose::logs(context, true, |line| {
        match parse(&String::from_utf8_lossy(line), project, &mut counts) {
            Some(entry)
                if counts[&entry.stream] > told.get(&entry.stream).copied().unwrap_or(0)
                    && wanted.admits(&entry) =>
            {
                on_entry(entry)
            }
            _ => Ok(()),
        }
    })
}

/// How many lines of each container there were.
type Counts = BTreeMap<String, u64>;

fn parse(line: &str, project: &str, counts: &mut Counts) -> Option<Entry> {
    let (container, line) = line.split_once(" | ").or_else(|| line.split_once("| "))?;
    let container = container.trim();
    let (at, message) = line.split_once(' ').unwrap_or((line, ""));
    let at = OffsetDateTime::parse(at, &Rfc3339).ok()?;
    let source = container
        .rsplit_once('-')
        .map_or(container, |(service, _)| service);
    let count = counts.entry(container.to_owned()).or_default();
    *count += 1;
    Some(Entry {
        source: source.to_owned(),
        group: Some(project.to_owned()),
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
    fn lines_of_compose_are_taken_apart() {
        let line = "orchestrator-1  | 2026-11-21T12:03:04.123456789Z {\"level\":\"INFO\"} | x";
        let mut counts = Counts::from([("orchestrator-1".to_owned(), 6)]);
        let entry = parse(line, "app", &mut counts).unwrap();
        assert_eq!(
            (
                entry.source.as_str(),
                entry.stream.as_str(),
                entry.id.as_str()
            ),
            ("orchestrator", "orchestrator-1", "orchestrator-1:7")
        );
        assert_eq!(entry.time_ms % 1000, 123);
        assert_eq!(entry.message, "{\"level\":\"INFO\"} | x");
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

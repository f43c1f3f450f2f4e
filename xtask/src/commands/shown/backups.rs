//! How backups are shown.

use crate::commands::command::Answer;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use xtask_operate::backup::Backup;

/// What `backup` and `restore` answer.
pub(crate) const ANSWER: Answer = Answer::Object(
    r#"`{"backup":ID,"sha256","at_ms","rows","objects","size_bytes","missing","folder"}`; `sha256` is that of its
    manifest, `missing` counts files of versions that were not there"#,
);

/// What was done with a backup.
pub(crate) fn text(backup: &Backup, done: &str) -> String {
    let Backup {
        id,
        rows,
        objects,
        sha256,
        ..
    } = backup;
    let size = size(backup.size_bytes);
    let mut text = format!(
        "{done} {rows} rows and {objects} objects ({size}) of {}\n  backup  {id}\n  sha256  {sha256}",
        at(backup)
    );
    if let Some(folder) = &backup.folder {
        text.push_str(&format!("\n  folder  {}", folder.display()));
    }
    if backup.missing > 0 {
        text.push_str(&format!(
            "\n{} files of versions were not there: somebody removed them, or they are lost",
            backup.missing
        ));
    }
    text
}

/// The moment that it shows.
pub(crate) fn at(backup: &Backup) -> String {
    OffsetDateTime::from_unix_timestamp(backup.at_ms / 1000)
        .ok()
        .and_then(|at| at.format(&Rfc3339).ok())
        .unwrap_or_default()
}

/// A number of bytes for people.
pub(crate) fn size(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "to be read by people")]
    let mebibytes = bytes as f64 / f64::from(1024 * 1024);
    format!("{mebibytes:.1} MiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backup_says_what_it_has() {
        let mut backup = Backup {
            id: "20261130T181700Z-0a1b2c".to_owned(),
            sha256: "ab".to_owned(),
            at_ms: 1_796_062_620_000,
            rows: 12,
            objects: 3,
            size_bytes: 3 << 19,
            missing: 0,
            folder: Some("/kept".into()),
        };
        assert_eq!(
            text(&backup, "kept"),
            "kept 12 rows and 3 objects (1.5 MiB) of 2026-11-30T18:17:00Z\n  \
             backup  20261130T181700Z-0a1b2c\n  sha256  ab\n  folder  /kept"
        );
        backup.missing = 2;
        assert!(text(&backup, "kept").contains("\n2 files of versions were not there"));
    }
}

//! Backups that are not whole, that were changed, and that are interrupted: nothing half is ever left.

use std::path::Path;

use crate::backup::program::Place;
use crate::backup::{ID, used_place};
use crate::on_both_databases;
use crate::projects::MAKES_VERSIONS;
use crate::support::binary::Binary;
use crate::support::database::TestDatabase;
use crate::support::eventually;

on_both_databases!(
    a_changed_backup_is_refused,
    an_interrupted_backup_is_none,
    an_interrupted_restore_goes_on,
    other_versions_are_refused,
);

/// Rewrites a file of a backup.
fn rewrite(path: &Path, change: impl FnOnce(String) -> String) {
    let text = std::fs::read_to_string(path).unwrap();
    let changed = change(text.clone());
    assert_ne!(text, changed, "nothing changed in {}", path.display());
    std::fs::write(path, changed).unwrap();
}

async fn a_changed_backup_is_refused(database: TestDatabase) {
    let (place, _) = used_place(database).await;
    place.succeed(&["backup", ID]).await;
    let digest = place.digest(ID);
    let object = place
        .objects(ID)
        .into_iter()
        .find(|line| line.contains("projects/") && line.contains("/app.zip"));
    let object: serde_json::Value = serde_json::from_str(&object.unwrap()).unwrap();
    let object = format!("objects/{}", object["name"].as_str().unwrap());
    type Change<'a> = &'a dyn Fn(&Path);
    let changes: [(&str, Change<'_>, &str); 8] = [
        (
            "a row",
            &|backup| {
                rewrite(&backup.join("tables/projects-000001.jsonl"), |text| {
                    text.replacen("diary", "Diary", 1)
                })
            },
            "was changed: tables/projects",
        ),
        (
            "a missing row",
            &|backup| {
                rewrite(&backup.join("tables/events-000001.jsonl"), |text| {
                    text.lines()
                        .skip(1)
                        .map(|line| format!("{line}\n"))
                        .collect()
                })
            },
            "was changed: tables/events",
        ),
        (
            "a table",
            &|backup| std::fs::remove_file(backup.join("tables/jobs-000001.jsonl")).unwrap(),
            "is not whole: it has no tables/jobs-000001.jsonl",
        ),
        (
            "an object",
            &|backup| std::fs::write(backup.join(&object), "PK").unwrap(),
            "was changed: projects/",
        ),
        (
            "a missing object",
            &|backup| std::fs::remove_file(backup.join(&object)).unwrap(),
            "was changed: projects/",
        ),
        (
            "the list of objects",
            &|backup| {
                rewrite(&backup.join("objects-000001.jsonl"), |text| {
                    text.replacen("projects/", "projects/../", 1)
                })
            },
            "was changed: objects",
        ),
        (
            "the manifest",
            &|backup| {
                rewrite(&backup.join("manifest.json"), |text| {
                    text.replacen("\"missing\": 0", "\"missing\": 1", 1)
                })
            },
            "its manifest has the SHA-256",
        ),
        (
            "no manifest",
            &|backup| std::fs::remove_file(backup.join("manifest.json")).unwrap(),
            "there is no backup first",
        ),
    ];
    for (what, change, why) in changes {
        let other = Place::new(TestDatabase::postgres().await, MAKES_VERSIONS);
        other.take_backup_of(&place, ID);
        change(&other.backup(ID));
        let refused = other.fail(&["restore", ID, "--sha256", &digest]).await;
        assert!(refused.contains(why), "{what}: {refused}");
        for table in ["projects", "jobs", "events", "versions"] {
            assert_eq!(other.rows(table).await, 0, "{what}: {table}");
        }
        // Replacing goes on only with what is whole, too.
        let refused = other
            .fail(&["restore", ID, "--replace", "--sha256", &digest])
            .await;
        assert!(refused.contains(why), "{what}: {refused}");
    }
}

/// Objects that take a while.
fn write_many(place: &Place) {
    let bytes = vec![1; 8 << 20];
    for number in 0..40 {
        place.write_object(&format!("jobs/many/{number}"), &bytes);
    }
}

async fn an_interrupted_backup_is_none(database: TestDatabase) {
    let (place, _) = used_place(database).await;
    write_many(&place);
    let mut child = place.start(&["backup", ID]);
    let begun = place.backup(ID).join("objects");
    eventually("the first copy", async || begun.exists().then_some(())).await;
    child.kill().await.unwrap();
    assert!(
        !place.backup(ID).join("manifest.json").exists(),
        "it was too quick to be interrupted"
    );
    let refused = place.fail(&["restore", ID]).await;
    assert!(refused.contains("there is no backup first"), "{refused}");
    // The same id can be used again, and then it is taken.
    place.succeed(&["backup", ID]).await;
    let refused = place.fail(&["backup", ID]).await;
    assert_eq!(refused, "backup first exists already");
}

async fn an_interrupted_restore_goes_on(database: TestDatabase) {
    let (place, _) = used_place(database).await;
    write_many(&place);
    let wrote = place.succeed(&["backup", ID]).await;
    let other = Place::new(TestDatabase::postgres().await, MAKES_VERSIONS);
    other.take_backup_of(&place, ID);
    let mut child = other.start(&["restore", ID]);
    let jobs = other.object("jobs");
    eventually("the first copy", async || jobs.exists().then_some(())).await;
    child.kill().await.unwrap();
    assert_eq!(
        other.rows("jobs").await,
        0,
        "it was too quick to be interrupted"
    );
    let restored = other.succeed(&["restore", ID]).await;
    assert_eq!(restored["rows"], wrote["rows"]);
    assert!(
        restored["copied"].as_u64() < wrote["objects"].as_u64(),
        "{restored}"
    );
    other.succeed(&["backup", "second"]).await;
    assert_eq!(other.objects("second"), place.objects(ID));

    // What does not belong to the backup is never mixed with it.
    let third = Place::new(TestDatabase::postgres().await, MAKES_VERSIONS);
    third.take_backup_of(&place, ID);
    third.write_object("projects/1/2/app.zip", b"of somebody else");
    let refused = third.fail(&["restore", ID]).await;
    assert!(
        refused.starts_with("the store is not empty: it has projects/1/2/app.zip"),
        "{refused}"
    );
    assert_eq!(third.rows("jobs").await, 0);
}

async fn other_versions_are_refused(database: TestDatabase) {
    let place = Place::new(database, MAKES_VERSIONS);
    let binary = Binary::start(&place.variables()).await;
    assert_eq!(binary.terminate().await, Some(0));
    place.succeed(&["backup", ID]).await;
    let other = Place::new(TestDatabase::postgres().await, MAKES_VERSIONS);
    for (field, value, why) in [
        ("schema", "99", "has tables of version 99"),
        ("form", "2", "has form 2"),
        ("id", "\"second\"", "says that it is second"),
    ] {
        other.take_backup_of(&place, ID);
        let mut manifest = other.manifest(ID);
        manifest[field] = serde_json::from_str(value).unwrap();
        let text = serde_json::to_string(&manifest).unwrap();
        std::fs::write(other.backup(ID).join("manifest.json"), text).unwrap();
        let refused = other.fail(&["restore", ID]).await;
        assert!(refused.contains(why), "{refused}");
    }
    // A newer orchestrator has been at the database: it may have columns that this one would forget.
    place
        .database
        .execute(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
             SELECT 99, 'newer', success, checksum, 0 FROM _sqlx_migrations WHERE version = 1",
        )
        .await;
    let refused = place.fail(&["backup", "second"]).await;
    assert!(
        refused.starts_with("the tables have version 99"),
        "{refused}"
    );
}

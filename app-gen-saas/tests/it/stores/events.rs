//! Streams are numbered without gaps, whoever writes at the same moment.

use app_gen_contract::JobState;
use app_gen_saas::database::{Artifact, Batch, EventRecord, Outcome, Used};
use app_gen_saas::stores::Store;

use crate::stores::jobs::accept;
use crate::stores::on_all_stores;
use crate::stores::samples::{TENANT, at_once, batch, claimed, event, first_job, id, lease};
use crate::stores::test_store::TestStore;

on_all_stores!(
    a_batch_is_stored_once,
    numbers_have_no_gaps,
    large_batches_are_read_in_pages,
    events_are_found_by_their_types,
    what_a_batch_says_of_its_job_is_kept,
);

async fn running(store: &dyn Store) -> String {
    let new = first_job(TENANT, "a");
    accept(store, &new).await;
    claimed(store, &lease("one")).await;
    new.id
}

fn numbers(events: &[EventRecord]) -> Vec<i64> {
    events.iter().map(|event| event.sequence).collect()
}

async fn a_batch_is_stored_once(store: TestStore) {
    let id = running(&**store).await;
    let lines = batch(0, 3, r#"{ "b":1,"a":"\u00e9" }"#);
    let shared = store.share();
    let (of_job, of_batch) = (id.clone(), lines.clone());
    let stored = at_once(4, move |_| {
        let (store, id, lines) = (shared.clone(), of_job.clone(), of_batch.clone());
        async move {
            store
                .store_batch(&lease("one"), &id, 0, &lines)
                .await
                .unwrap()
        }
    })
    .await;
    let stored: Vec<_> = stored.into_iter().flatten().collect();
    assert_eq!(stored.len(), 1);
    assert_eq!(numbers(&stored[0]), [3, 4, 5]);
    let events = store.events_between(&id, 2, 5).await.unwrap();
    assert_eq!(events, stored[0]);
    // To the letter as it came.
    assert_eq!(events[0].body, lines.events[0].body);
    let job = store.job(&id).await.unwrap().unwrap();
    assert_eq!((job.generator_sequence, job.last_sequence), (3, 5));
    assert_eq!(job.event_bytes, lines.bytes());
    // One that leaves a gap is not stored.
    let gap = store
        .store_batch(&lease("one"), &id, 7, &batch(7, 1, "{}"))
        .await;
    assert!(gap.unwrap().is_none());
}

async fn numbers_have_no_gaps(store: TestStore) {
    let id = running(&**store).await;
    let shared = store.share();
    let of_job = id.clone();
    // The follower reads and renews its lease, and somebody cancels, all at once.
    at_once(3, move |number| {
        let (store, id) = (shared.clone(), of_job.clone());
        async move {
            let lease = lease("one");
            match number {
                0 => {
                    for after in 0..20 {
                        let lines = batch(after, 1, "{}");
                        let stored = store.store_batch(&lease, &id, after, &lines).await.unwrap();
                        assert!(stored.is_some());
                    }
                }
                1 => {
                    for _ in 0..20 {
                        assert!(store.renew_lease(&lease, &id).await.unwrap());
                    }
                }
                _ => {
                    store.set_running(&lease, &id).await.unwrap();
                    store.cancel_job(&id).await.unwrap();
                }
            }
        }
    })
    .await;
    let events = store.events_between(&id, 0, 1_000).await.unwrap();
    // Queued, starting, running, and what the generator said.
    assert_eq!(numbers(&events), (1..=23).collect::<Vec<_>>());
    let job = store.job(&id).await.unwrap().unwrap();
    assert_eq!((job.last_sequence, job.state), (23, JobState::Running));
    assert!(job.stop.is_some());
}

async fn large_batches_are_read_in_pages(store: TestStore) {
    let id = running(&**store).await;
    let body = format!(r#"{{"text":"{}"}}"#, "x".repeat(4_000));
    let lines = batch(0, 100, &body);
    store
        .store_batch(&lease("one"), &id, 0, &lines)
        .await
        .unwrap()
        .unwrap();
    let huge = format!(r#"{{"text":"{}"}}"#, "\\u00e9".repeat(40_000));
    let lines = batch(100, 1, &huge);
    store
        .store_batch(&lease("one"), &id, 100, &lines)
        .await
        .unwrap()
        .unwrap();
    let mut read = Vec::new();
    while let Some(page) = store
        .next_page(&id, read.len() as i64, 64 * 1024)
        .await
        .unwrap()
    {
        let events = store
            .events_between(&id, read.len() as i64, page.last)
            .await
            .unwrap();
        let bytes: usize = events.iter().map(|event| event.body.len()).sum();
        assert_eq!(page.bytes, bytes as u64);
        // As many as fit, but at least one, however large it is.
        assert!(events.len() == 1 || bytes <= 64 * 1024);
        assert_eq!(
            numbers(&events),
            (read.len() as i64 + 1..=page.last).collect::<Vec<_>>()
        );
        read.extend(events);
    }
    assert_eq!(read.len(), 103);
    assert_eq!(read[102].body, huge);
    assert!(store.next_page(&self::id(), 0, 1).await.unwrap().is_none());
}

async fn events_are_found_by_their_types(store: TestStore) {
    let id = running(&**store).await;
    let check = |outcome: &str| format!(r#"{{"name":"serve","outcome":"{outcome}"}}"#);
    let lines = Batch {
        events: vec![
            event(1, "stage", "{}"),
            event(2, "check", &check("failed")),
            event(3, "log", "{}"),
            event(4, "check", &check("passed")),
        ],
        ..Batch::default()
    };
    store
        .store_batch(&lease("one"), &id, 0, &lines)
        .await
        .unwrap()
        .unwrap();
    let types = ["state", "stage", "commit", "usage", "attempt"];
    let found = store.events_of_types(&id, &types, 10).await.unwrap();
    assert_eq!(numbers(&found), [1, 2, 3]);
    let found = store.events_of_types(&id, &types, 2).await.unwrap();
    assert_eq!(numbers(&found), [1, 2]);
    let checks = store.checks_of_job(&id).await.unwrap();
    assert_eq!(checks.len(), 1);
    assert_eq!(checks[0]["outcome"], "passed");
}

async fn what_a_batch_says_of_its_job_is_kept(store: TestStore) {
    let (id, lease) = (running(&**store).await, lease("one"));
    assert!(store.begin_reading(&lease, &id, 1).await.unwrap());
    assert_eq!(store.job(&id).await.unwrap().unwrap().reading_deaths, 2);
    let artifact = Artifact {
        name: "app.zip".to_owned(),
        size_bytes: 7,
        sha256: "1".repeat(64),
        e_tag: None,
        commit: Some("abc".to_owned()),
    };
    let first = Batch {
        events: vec![event(1, "usage", "{}")],
        log_position: Some("line 1".to_owned()),
        artifact: Some(artifact.clone()),
        used: Used {
            micro_usd: 5,
            tokens: 70,
            iterations: 3,
            ..Used::default()
        },
        ..Batch::default()
    };
    store
        .store_batch(&lease, &id, 0, &first)
        .await
        .unwrap()
        .unwrap();
    let second = Batch {
        events: vec![event(2, "failed", "{}")],
        outcome: Some(Outcome::Failed {
            reason: "no".to_owned(),
        }),
        used: Used {
            micro_usd: 6,
            iterations: 2,
            ..Used::default()
        },
        ..Batch::default()
    };
    store
        .store_batch(&lease, &id, 1, &second)
        .await
        .unwrap()
        .unwrap();
    let job = store.job(&id).await.unwrap().unwrap();
    assert_eq!(job.reading_deaths, 0);
    assert_eq!(job.log_position.as_deref(), Some("line 1"));
    assert_eq!(job.artifact.as_ref(), Some(&artifact));
    assert_eq!(
        (job.used.micro_usd, job.used.tokens, job.used.iterations),
        (11, 70, 3)
    );
    assert_eq!(job.outcome, second.outcome);
    assert!(
        store
            .set_verified(&id, &artifact.sha256, "mark")
            .await
            .unwrap()
    );
    assert!(
        !store
            .set_verified(&id, &artifact.sha256, "other")
            .await
            .unwrap()
    );
    let job = store.job(&id).await.unwrap().unwrap();
    assert_eq!(job.artifact.unwrap().e_tag.as_deref(), Some("mark"));
}

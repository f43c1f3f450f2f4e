//! What one store keeps moves into each other one, and is the same there.

use std::io::Cursor;

use app_gen_contract::JobState;
use app_gen_saas::database::JobKind;
use app_gen_saas::transfer;

use crate::stores::jobs::accept;
use crate::stores::on_all_stores;
use crate::stores::samples::{
    TENANT, batch, claimed, first_job, lease, next_job, project_id, version,
};
use crate::stores::test_store::TestStore;

on_all_stores!(everything_moves_there_and_back);

async fn everything_moves_there_and_back(store: TestStore) {
    let lease = lease("one");
    let new = first_job(TENANT, "shop");
    accept(&**store, &new).await;
    claimed(&**store, &lease).await;
    let lines = batch(0, 300, r#"{"message":"line","twice":"\u00e9"}"#);
    store
        .store_batch(&lease, &new.id, 0, &lines)
        .await
        .unwrap()
        .unwrap();
    let made = version("c1");
    let ended = store.finish_job(&lease, &new.id, JobState::Succeeded, None, Some(&made));
    assert!(ended.await.unwrap());
    let project = project_id(&new);
    let next = next_job(TENANT, &project, JobKind::Change);
    accept(&**store, &next).await;
    store
        .insert_tenant(("t", "Team", "shared"), ("ann", "ann@example.com"))
        .await
        .unwrap();

    let mut file = Vec::new();
    let all = transfer::export(&**store, &mut file).await.unwrap();
    // A file that was cut off is noticed.
    let cut = file.len() - 20;
    let elsewhere = TestStore::sqlite().await;
    let part = transfer::import(&**elsewhere, &mut Cursor::new(&file[..cut])).await;
    part.unwrap_err();

    for other in [
        TestStore::sqlite().await,
        TestStore::postgres().await,
        TestStore::dynamodb().await,
    ] {
        let moved = transfer::import(&**other, &mut Cursor::new(&file))
            .await
            .unwrap();
        assert_eq!(moved, all);
        // Nothing is imported into a store that holds something.
        transfer::import(&**other, &mut Cursor::new(&file))
            .await
            .unwrap_err();
        let seen = other.project(&project).await.unwrap().unwrap();
        assert_eq!(
            (seen.newest_version, seen.unfinished_job.as_ref()),
            (1, Some(&next.id))
        );
        let events = other.events_between(&new.id, 0, 1_000).await.unwrap();
        assert_eq!(
            events,
            store.events_between(&new.id, 0, 1_000).await.unwrap()
        );
        // What was going on goes on there.
        assert_eq!(claimed(&**other, &lease).await.id, next.id);
        assert_eq!(other.begin_change(&lease, &next.id).await.unwrap(), Some(1));
        assert!(other.tenant_of("ann", "t").await.unwrap().is_some());
        let jobs = other.jobs(TENANT, None, None, 10).await.unwrap();
        let ids: Vec<&String> = jobs.iter().map(|job| &job.id).collect();
        assert_eq!(ids, [&next.id, &new.id]);
    }
}

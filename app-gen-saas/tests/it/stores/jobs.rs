//! Jobs are accepted, listed, cancelled and removed.

use app_gen_contract::JobState;
use app_gen_saas::database::{Accepted, Cancelled, JobKind, NewJob};
use app_gen_saas::stores::Store;

use crate::stores::on_all_stores;
use crate::stores::samples::{
    QUEUE, TENANT, batch, claimed, first_job, id, lease, next_job, project_id,
};
use crate::stores::test_store::TestStore;

on_all_stores!(
    a_job_is_kept_as_it_was_accepted,
    the_queue_has_an_end,
    jobs_are_listed_newest_first,
    a_project_that_is_gone_takes_no_job,
    a_job_that_nobody_follows_is_cancelled_at_once,
    a_job_that_runs_is_asked_to_stop,
    a_removed_job_leaves_nothing,
);

pub async fn accept(store: &dyn Store, job: &NewJob) {
    assert_eq!(
        store.insert_job(job, QUEUE).await.unwrap(),
        Accepted::Queued
    );
}

async fn a_job_is_kept_as_it_was_accepted(store: TestStore) {
    let new = first_job(TENANT, "tea");
    accept(&**store, &new).await;
    let job = store.job(&new.id).await.unwrap().unwrap();
    assert_eq!((&job.id, &job.tenant), (&new.id, &new.tenant));
    assert_eq!((job.state, job.kind), (JobState::Queued, JobKind::Create));
    assert_eq!(
        (&job.description, &job.wishes),
        (&new.description, &new.wishes)
    );
    assert_eq!(
        (job.last_sequence, job.attempt, job.started_at),
        (1, 1, None)
    );
    let project = store.project(&project_id(&new)).await.unwrap().unwrap();
    assert_eq!(project.name, "tea");
    assert_eq!(project.unfinished_job.as_ref(), Some(&new.id));
    let events = store.events_between(&new.id, 0, 10).await.unwrap();
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].body, r#"{"state":"queued"}"#);
    assert!(store.job(&id()).await.unwrap().is_none());
}

async fn the_queue_has_an_end(store: TestStore) {
    for name in ["a", "b"] {
        let accepted = store.insert_job(&first_job(TENANT, name), 2).await.unwrap();
        assert_eq!(accepted, Accepted::Queued);
    }
    let refused = first_job(TENANT, "c");
    assert_eq!(
        store.insert_job(&refused, 2).await.unwrap(),
        Accepted::QueueFull
    );
    assert!(store.job(&refused.id).await.unwrap().is_none());
    // Nothing of it is there.
    assert!(
        store
            .project(&project_id(&refused))
            .await
            .unwrap()
            .is_none()
    );
    claimed(&**store, &lease("one")).await;
    assert_eq!(
        store.insert_job(&refused, 2).await.unwrap(),
        Accepted::Queued
    );
}

async fn jobs_are_listed_newest_first(store: TestStore) {
    let first = first_job(TENANT, "a");
    accept(&**store, &first).await;
    let project = project_id(&first);
    let second = next_job(TENANT, &project, JobKind::Change);
    accept(&**store, &second).await;
    let other = first_job(TENANT, "b");
    accept(&**store, &other).await;
    accept(&**store, &first_job("another", "c")).await;
    let ids = |jobs: Vec<app_gen_saas::database::Job>| -> Vec<String> {
        jobs.into_iter().map(|job| job.id).collect()
    };
    let all = ids(store.jobs(TENANT, None, None, 10).await.unwrap());
    assert_eq!(all, [&other.id, &second.id, &first.id].map(String::as_str));
    let page = store.jobs(TENANT, None, Some(&other.id), 1).await.unwrap();
    assert_eq!(ids(page), [second.id.as_str()]);
    let of_project = store.jobs(TENANT, Some(&project), None, 10).await.unwrap();
    assert_eq!(ids(of_project), [&second.id, &first.id].map(String::as_str));
    let of_another = store
        .jobs("another", Some(&project), None, 10)
        .await
        .unwrap();
    assert!(of_another.is_empty());
    let mut named = store.job_ids_of_project(&project).await.unwrap();
    named.sort_unstable();
    assert_eq!(named, [first.id.as_str(), &second.id]);
    let firsts = store.first_of_projects().await.unwrap();
    assert_eq!(firsts.get(&project), Some(&first.id));
    let unfinished = store.unfinished_jobs(TENANT, 10).await.unwrap();
    assert_eq!(unfinished, [first.id, second.id, other.id]);
}

async fn a_project_that_is_gone_takes_no_job(store: TestStore) {
    let first = first_job(TENANT, "a");
    accept(&**store, &first).await;
    let project = project_id(&first);
    // A job of it has not ended.
    assert!(!store.delete_project(&project).await.unwrap());
    assert_eq!(
        store.cancel_job(&first.id).await.unwrap(),
        Cancelled::AtOnce
    );
    let of_another = next_job("another", &project, JobKind::Change);
    assert_eq!(
        store.insert_job(&of_another, QUEUE).await.unwrap(),
        Accepted::NoProject
    );
    assert!(store.set_archived(&project, true).await.unwrap());
    let next = next_job(TENANT, &project, JobKind::Change);
    assert_eq!(
        store.insert_job(&next, QUEUE).await.unwrap(),
        Accepted::NoProject
    );
    assert!(store.set_archived(&project, false).await.unwrap());
    assert!(store.delete_project(&project).await.unwrap());
    assert_eq!(
        store.insert_job(&next, QUEUE).await.unwrap(),
        Accepted::NoProject
    );
    assert!(store.project(&project).await.unwrap().is_none());
    let deleted = store.deleted_projects(10).await.unwrap();
    assert_eq!(deleted, [project.as_str()]);
    store.remove_job(&first.id).await.unwrap();
    store.remove_project(&project).await.unwrap();
    assert!(store.deleted_projects(10).await.unwrap().is_empty());
}

async fn a_job_that_nobody_follows_is_cancelled_at_once(store: TestStore) {
    let new = first_job(TENANT, "a");
    accept(&**store, &new).await;
    assert_eq!(store.cancel_job(&new.id).await.unwrap(), Cancelled::AtOnce);
    assert_eq!(store.cancel_job(&new.id).await.unwrap(), Cancelled::Nothing);
    let job = store.job(&new.id).await.unwrap().unwrap();
    assert_eq!(job.state, JobState::Cancelled);
    assert_eq!(job.reason.as_deref(), Some("cancelled before it started"));
    let progress = store.progress(&new.id).await.unwrap().unwrap();
    assert_eq!((progress.last_sequence, progress.ended), (2, true));
    let project = store.project(&project_id(&new)).await.unwrap().unwrap();
    assert_eq!(project.unfinished_job, None);
}

async fn a_job_that_runs_is_asked_to_stop(store: TestStore) {
    let new = first_job(TENANT, "a");
    accept(&**store, &new).await;
    let lease = lease("one");
    claimed(&**store, &lease).await;
    assert_eq!(
        store.cancel_job(&new.id).await.unwrap(),
        Cancelled::Requested
    );
    assert_eq!(store.cancel_job(&new.id).await.unwrap(), Cancelled::Nothing);
    let job = store.own_job(&lease, &new.id).await.unwrap().unwrap();
    let stop = job.stop.unwrap();
    assert_eq!(
        (stop.state, stop.reason.as_str()),
        (JobState::Cancelled, "cancelled on request")
    );
}

async fn a_removed_job_leaves_nothing(store: TestStore) {
    let new = first_job(TENANT, "a");
    accept(&**store, &new).await;
    let lease = lease("one");
    claimed(&**store, &lease).await;
    let lines = batch(0, 30, r#"{"message":"line"}"#);
    store
        .store_batch(&lease, &new.id, 0, &lines)
        .await
        .unwrap()
        .unwrap();
    // One that has not ended stays.
    store.remove_job(&new.id).await.unwrap();
    assert!(store.job(&new.id).await.unwrap().is_some());
    let failed = store.finish_job(&lease, &new.id, JobState::Failed, Some("why"), None);
    assert!(failed.await.unwrap());
    let later = i64::MAX / 2;
    assert_eq!(
        store.ended_before(later, 10).await.unwrap(),
        [new.id.as_str()]
    );
    assert!(store.ended_before(1_000, 10).await.unwrap().is_empty());
    store.remove_job(&new.id).await.unwrap();
    assert!(store.job(&new.id).await.unwrap().is_none());
    assert!(store.progress(&new.id).await.unwrap().is_none());
    assert!(
        store
            .events_between(&new.id, 0, 100)
            .await
            .unwrap()
            .is_empty()
    );
    assert!(store.jobs(TENANT, None, None, 10).await.unwrap().is_empty());
    assert!(store.ended_before(later, 10).await.unwrap().is_empty());
    // Its project had no version, and has no job any more.
    store.remove_empty_projects(later).await.unwrap();
    assert!(store.project(&project_id(&new)).await.unwrap().is_none());
}

//! Of two who claim the same job, one gets it; who lost its lease writes nothing.

use std::time::Duration;

use app_gen_contract::JobState;
use app_gen_saas::database::{JobKind, Lease};

use crate::stores::jobs::accept;
use crate::stores::on_all_stores;
use crate::stores::samples::{
    QUEUE, TENANT, at_once, batch, claimed, first_job, lease, next_job, nothing_is_claimed,
    project_id,
};
use crate::stores::test_store::TestStore;
use crate::support::eventually;

on_all_stores!(
    each_job_is_claimed_once,
    jobs_of_a_project_are_done_one_after_the_other,
    a_job_whose_owner_is_silent_is_taken_over_once,
    who_lost_its_lease_writes_nothing,
    an_owner_that_goes_leaves_its_jobs,
);

/// How many ask at the same moment.
const CLAIMERS: usize = 8;

async fn each_job_is_claimed_once(store: TestStore) {
    let mut accepted = Vec::new();
    for number in 0..CLAIMERS / 2 {
        let new = first_job(TENANT, &format!("p{number}"));
        accept(&**store, &new).await;
        accepted.push(new.id);
    }
    let shared = store.share();
    let claims = at_once(CLAIMERS, move |number| {
        let store = shared.clone();
        async move {
            let lease = lease(&format!("owner-{number}"));
            let mut claimed = Vec::new();
            for _ in 0..40 {
                claimed.extend(store.claim_queued(&lease).await.unwrap().map(|job| job.id));
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            claimed
        }
    })
    .await;
    let mut claimed: Vec<String> = claims.into_iter().flatten().collect();
    claimed.sort_unstable();
    accepted.sort_unstable();
    assert_eq!(claimed, accepted);
    for id in &accepted {
        let job = store.job(id).await.unwrap().unwrap();
        assert_eq!((job.state, job.last_sequence), (JobState::Starting, 2));
    }
}

async fn jobs_of_a_project_are_done_one_after_the_other(store: TestStore) {
    let first = first_job(TENANT, "a");
    accept(&**store, &first).await;
    let second = next_job(TENANT, &project_id(&first), JobKind::Restore);
    accept(&**store, &second).await;
    let lease = lease("one");
    assert_eq!(claimed(&**store, &lease).await.id, first.id);
    nothing_is_claimed(&**store, &lease).await;
    let failed = store.finish_job(&lease, &first.id, JobState::Failed, None, None);
    assert!(failed.await.unwrap());
    assert_eq!(claimed(&**store, &lease).await.id, second.id);
    // Many that come at once stay in a line.
    let shared = store.share();
    let project = project_id(&first);
    let ids = at_once(4, move |_| {
        let (store, next) = (shared.clone(), next_job(TENANT, &project, JobKind::Change));
        async move {
            store.insert_job(&next, QUEUE).await.unwrap();
            next.id
        }
    })
    .await;
    nothing_is_claimed(&**store, &lease).await;
    let mut done = second.id;
    for _ in 0..ids.len() {
        let failed = store.finish_job(&lease, &done, JobState::Failed, None, None);
        assert!(failed.await.unwrap());
        done = claimed(&**store, &lease).await.id;
        assert!(ids.contains(&done));
        nothing_is_claimed(&**store, &lease).await;
    }
}

async fn a_job_whose_owner_is_silent_is_taken_over_once(store: TestStore) {
    let new = first_job(TENANT, "a");
    accept(&**store, &new).await;
    let silent = Lease {
        owner: "silent".to_owned(),
        duration: Duration::from_millis(300),
    };
    claimed(&**store, &silent).await;
    assert!(store.claim_orphan(&lease("early")).await.unwrap().is_none());
    assert!(store.renew_lease(&silent, &new.id).await.unwrap());
    tokio::time::sleep(Duration::from_millis(600)).await;
    let shared = store.share();
    let owners = at_once(CLAIMERS, move |number| {
        let store = shared.clone();
        async move {
            let lease = lease(&format!("owner-{number}"));
            let job = store.claim_orphan(&lease).await.unwrap();
            job.map(|_| lease.owner)
        }
    })
    .await;
    let owners: Vec<String> = owners.into_iter().flatten().collect();
    assert_eq!(owners.len(), 1, "{owners:?}");
    assert_eq!(store.owners().await.unwrap(), owners);
    assert!(!store.renew_lease(&silent, &new.id).await.unwrap());
    assert!(
        store
            .renew_lease(&lease(&owners[0]), &new.id)
            .await
            .unwrap()
    );
}

async fn who_lost_its_lease_writes_nothing(store: TestStore) {
    let new = first_job(TENANT, "a");
    accept(&**store, &new).await;
    claimed(&**store, &lease("one")).await;
    let (other, id) = (lease("other"), &new.id);
    assert!(store.own_job(&other, id).await.unwrap().is_none());
    assert!(store.begin_launch(&other, id).await.unwrap().is_none());
    assert!(
        !store
            .set_task(&other, id, "task", "handle", None)
            .await
            .unwrap()
    );
    assert!(!store.begin_reading(&other, id, 0).await.unwrap());
    let lines = batch(0, 3, "{}");
    assert!(
        store
            .store_batch(&other, id, 0, &lines)
            .await
            .unwrap()
            .is_none()
    );
    store.set_running(&other, id).await.unwrap();
    let finished = store.finish_job(&other, id, JobState::Succeeded, None, None);
    assert!(!finished.await.unwrap());
    let job = store.job(id).await.unwrap().unwrap();
    assert_eq!((job.state, job.last_sequence), (JobState::Starting, 2));
    assert_eq!(
        (job.launch_attempt, job.task, job.reading_deaths),
        (0, None, 0)
    );
}

async fn an_owner_that_goes_leaves_its_jobs(store: TestStore) {
    let new = first_job(TENANT, "a");
    accept(&**store, &new).await;
    claimed(&**store, &lease("one")).await;
    assert_eq!(store.owners().await.unwrap(), ["one"]);
    store.end_leases("nobody").await.unwrap();
    assert!(store.claim_orphan(&lease("two")).await.unwrap().is_none());
    store.end_leases("one").await.unwrap();
    let job = eventually("an orphan", || async {
        store.claim_orphan(&lease("two")).await.unwrap()
    })
    .await;
    assert_eq!(job.id, new.id);
}

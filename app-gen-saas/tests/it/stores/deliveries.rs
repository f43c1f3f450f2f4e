//! Each target has one delivery at a time, which ends with its job.

use app_gen_contract::{DeliveryTarget, JobState};
use app_gen_saas::database::{
    Accepted, AcceptedDelivery, Batch, DeliveryState, JobKind, NewDelivery, NewJob, Shown,
};
use app_gen_saas::stores::Store;

use crate::stores::jobs::accept;
use crate::stores::on_all_stores;
use crate::stores::samples::{
    QUEUE, TENANT, at_once, claimed, event, first_job, id, lease, next_job, project_id, version,
};
use crate::stores::test_store::TestStore;

on_all_stores!(
    a_delivery_ends_with_its_job,
    each_target_has_one_delivery_at_a_time,
    a_target_shows_one_version,
    what_was_never_delivered_is_not_looked_at,
);

fn target(repository: &str) -> DeliveryTarget {
    DeliveryTarget::Github {
        owner: Some("acme".to_owned()),
        repository: repository.to_owned(),
        public: false,
        pull_request: false,
    }
}

fn delivery(commit: &str, repository: &str) -> NewDelivery {
    NewDelivery {
        id: id(),
        commit: commit.to_owned(),
        target: target(repository),
        check_only: false,
    }
}

fn deliver(project: &str) -> NewJob {
    next_job(TENANT, project, JobKind::Deliver)
}

/// A project with versions of these commits.
async fn project(store: &dyn Store, commits: &[&str]) -> String {
    let first = first_job(TENANT, "shop");
    accept(store, &first).await;
    let project = project_id(&first);
    for _ in 1..commits.len() {
        accept(store, &next_job(TENANT, &project, JobKind::Change)).await;
    }
    for commit in commits {
        let job = claimed(store, &lease("one")).await;
        let made = version(commit);
        let lease = lease("one");
        let ended = store.finish_job(&lease, &job.id, JobState::Succeeded, None, Some(&made));
        assert!(ended.await.unwrap());
    }
    project
}

async fn ask(
    store: &dyn Store,
    new: &NewDelivery,
    version: (&str, i64),
) -> (AcceptedDelivery, NewJob) {
    let job = deliver(version.0);
    let accepted = store
        .insert_delivery(new, version, &job, QUEUE)
        .await
        .unwrap();
    (accepted, job)
}

/// Has the next job see this commit at its target.
async fn arrive(store: &dyn Store, commit: &str) -> String {
    let lease = lease("one");
    let job = claimed(store, &lease).await;
    assert_eq!(job.kind, JobKind::Deliver);
    let seen = Batch {
        events: vec![event(1, "delivered", "{}")],
        shown: Some(Shown {
            url: "https://example.com".to_owned(),
            commit: Some(commit.to_owned()),
        }),
        ..Batch::default()
    };
    store
        .store_batch(&lease, &job.id, 0, &seen)
        .await
        .unwrap()
        .unwrap();
    let ended = store.finish_job(&lease, &job.id, JobState::Succeeded, None, None);
    assert!(ended.await.unwrap());
    job.id
}

async fn a_delivery_ends_with_its_job(store: TestStore) {
    let project = project(&**store, &["c1"]).await;
    let new = delivery("c1", "shop");
    let (accepted, job) = ask(&**store, &new, (&project, 1)).await;
    assert_eq!(accepted, AcceptedDelivery::Queued { id: new.id.clone() });
    let seen = store.delivery(&project, &new.id).await.unwrap().unwrap();
    assert_eq!((seen.state, seen.attempts), (DeliveryState::Pending, 1));
    assert_eq!(
        (&seen.job_id, seen.target),
        (&job.id, Some(new.target.clone()))
    );
    let of_job = store.delivery_of_job(&job.id).await.unwrap().unwrap();
    assert_eq!(of_job.id, new.id);
    let lease = lease("one");
    claimed(&**store, &lease).await;
    let seen = store.delivery(&project, &new.id).await.unwrap().unwrap();
    assert_eq!(seen.state, DeliveryState::Running);
    let failed = store.finish_job(&lease, &job.id, JobState::Failed, Some("no token"), None);
    assert!(failed.await.unwrap());
    let seen = store.delivery(&project, &new.id).await.unwrap().unwrap();
    assert_eq!(seen.state, DeliveryState::Failed);
    assert_eq!(seen.error.as_deref(), Some("no token"));
    // Asked for again, it is the same one.
    let again = delivery("c1", "shop");
    let (accepted, _) = ask(&**store, &again, (&project, 1)).await;
    assert_eq!(accepted, AcceptedDelivery::Queued { id: new.id.clone() });
    let seen = store.delivery(&project, &new.id).await.unwrap().unwrap();
    assert_eq!((seen.attempts, seen.error), (2, None));
    arrive(&**store, "c1").await;
    let seen = store.delivery(&project, &new.id).await.unwrap().unwrap();
    assert_eq!(seen.state, DeliveryState::Delivered);
    assert_eq!(seen.url.as_deref(), Some("https://example.com"));
    assert!(store.delivery("other", &new.id).await.unwrap().is_none());
}

async fn each_target_has_one_delivery_at_a_time(store: TestStore) {
    let project = project(&**store, &["c1", "c2"]).await;
    let shared = store.share();
    let of_project = project.clone();
    let accepted = at_once(6, move |_| {
        let (store, project) = (shared.clone(), of_project.clone());
        async move { ask(&*store, &delivery("c1", "shop"), (&project, 1)).await.0 }
    })
    .await;
    let queued = |accepted: &&AcceptedDelivery| matches!(accepted, AcceptedDelivery::Queued { .. });
    assert_eq!(accepted.iter().filter(queued).count(), 1, "{accepted:?}");
    let pending =
        |accepted: &&AcceptedDelivery| matches!(accepted, AcceptedDelivery::Pending { .. });
    assert_eq!(accepted.iter().filter(pending).count(), 5, "{accepted:?}");
    let (other, job) = ask(&**store, &delivery("c2", "shop"), (&project, 2)).await;
    assert_eq!(other, AcceptedDelivery::OtherVersion);
    assert!(store.job(&job.id).await.unwrap().is_none());
    let (elsewhere, _) = ask(&**store, &delivery("c2", "other"), (&project, 2)).await;
    assert!(matches!(elsewhere, AcceptedDelivery::Queued { .. }));
    let another = self::project(&**store, &[]).await;
    let (taken, _) = ask(&**store, &delivery("c1", "shop"), (&another, 1)).await;
    assert_eq!(taken, AcceptedDelivery::OtherProject);
    let missing = ask(&**store, &delivery("c1", "third"), (&id(), 1)).await.0;
    assert_eq!(missing, AcceptedDelivery::Refused(Accepted::NoProject));
}

async fn a_target_shows_one_version(store: TestStore) {
    let project = project(&**store, &["c1", "c2"]).await;
    ask(&**store, &delivery("c1", "shop"), (&project, 1)).await;
    arrive(&**store, "c1").await;
    ask(&**store, &delivery("c2", "shop"), (&project, 2)).await;
    arrive(&**store, "c2").await;
    let deliveries = store.deliveries(&project, None, 10).await.unwrap();
    let states: Vec<_> = deliveries
        .iter()
        .map(|seen| (seen.version, seen.state))
        .collect();
    assert!(
        states.contains(&(2, DeliveryState::Delivered)),
        "{states:?}"
    );
    assert!(states.contains(&(1, DeliveryState::Outdated)), "{states:?}");
    let of_one = store.deliveries(&project, Some(1), 10).await.unwrap();
    assert_eq!(of_one.len(), 1);
}

async fn what_was_never_delivered_is_not_looked_at(store: TestStore) {
    let project = project(&**store, &["c1"]).await;
    let look = NewDelivery {
        check_only: true,
        ..delivery("c1", "shop")
    };
    let (never, _) = ask(&**store, &look, (&project, 1)).await;
    assert_eq!(never, AcceptedDelivery::NeverDelivered);
    let (new, job) = (delivery("c1", "shop"), deliver(&project));
    let full = store.insert_delivery(&new, (&project, 1), &job, 0);
    assert_eq!(
        full.await.unwrap(),
        AcceptedDelivery::Refused(Accepted::QueueFull)
    );
    assert!(
        store
            .deliveries(&project, None, 10)
            .await
            .unwrap()
            .is_empty()
    );
    ask(&**store, &delivery("c1", "shop"), (&project, 1)).await;
    arrive(&**store, "c1").await;
    let (looked, _) = ask(&**store, &look, (&project, 1)).await;
    assert!(
        matches!(looked, AcceptedDelivery::Queued { .. }),
        "{looked:?}"
    );
    arrive(&**store, "another").await;
    let seen = store.deliveries(&project, None, 1).await.unwrap().remove(0);
    assert_eq!(
        (seen.state, seen.check_only),
        (DeliveryState::Outdated, true)
    );
}

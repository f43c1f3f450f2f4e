//! Attempts end without their job, and the next one begins once.

use app_gen_contract::{ApprovalPoint, Decided, Decision, JobState};
use app_gen_saas::database::{Cancelled, Pause};
use app_gen_saas::stores::Store;

use crate::stores::jobs::accept;
use crate::stores::on_all_stores;
use crate::stores::samples::{
    TENANT, at_once, batch, claimed, first_job, lease, next_job, nothing_is_claimed, project_id,
};
use crate::stores::test_store::TestStore;
use crate::support::eventually;

on_all_stores!(
    a_decision_counts_once,
    a_limit_passes_once,
    an_interrupted_job_goes_on_at_once,
    a_job_that_waits_can_be_cancelled,
    who_is_to_stop_does_not_pause,
);

async fn running(store: &dyn Store) -> String {
    let new = first_job(TENANT, "a");
    accept(store, &new).await;
    claimed(store, &lease("one")).await;
    new.id
}

fn approval() -> Pause {
    Pause::WaitingApproval {
        point: ApprovalPoint::BeforeBuild,
        question: "Shall I?".to_owned(),
    }
}

async fn a_decision_counts_once(store: TestStore) {
    let (id, lease) = (running(&**store).await, lease("one"));
    assert!(
        store
            .pause_job(&lease, &id, &approval(), false, None)
            .await
            .unwrap()
    );
    let job = store.job(&id).await.unwrap().unwrap();
    assert_eq!(
        (job.state, job.waiting),
        (JobState::WaitingApproval, Some(approval()))
    );
    assert!(store.own_job(&lease, &id).await.unwrap().is_none());
    // Its project waits with it.
    let next = next_job(
        TENANT,
        &job.project_id.unwrap(),
        app_gen_saas::database::JobKind::Change,
    );
    accept(&**store, &next).await;
    nothing_is_claimed(&**store, &lease).await;
    let decided = Decided {
        point: ApprovalPoint::BeforeBuild,
        decision: Decision::Rejected {
            reason: "smaller".to_owned(),
        },
    };
    assert!(!store.decide(&id, 2, &decided).await.unwrap());
    let shared = store.share();
    let (of_job, of_all) = (id.clone(), decided.clone());
    let counted = at_once(4, move |_| {
        let (store, id, decided) = (shared.clone(), of_job.clone(), of_all.clone());
        async move { store.decide(&id, 1, &decided).await.unwrap() }
    })
    .await;
    assert_eq!(counted.iter().filter(|counted| **counted).count(), 1);
    let job = claimed(&**store, &lease).await;
    assert_eq!((job.id.as_str(), job.attempt), (id.as_str(), 2));
    assert_eq!((job.decision, job.waiting), (Some(decided), None));
    let attempts = store.attempts(TENANT, &id, &id, None).await.unwrap();
    assert_eq!(attempts.len(), 1);
    assert_eq!(attempts[0].decision.as_deref(), Some("rejected"));
    assert_eq!(attempts[0].detail.as_deref(), Some("Shall I?"));
    let events = store.events_between(&id, 0, 10).await.unwrap();
    let numbers: Vec<i64> = events.iter().map(|event| event.sequence).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5]);
    assert!(events[3].body.contains("rejected: smaller"));
}

async fn a_limit_passes_once(store: TestStore) {
    let (id, lease) = (running(&**store).await, lease("one"));
    let limit = Pause::WaitingLimit {
        provider: "claude".to_owned(),
        until: None,
        detail: "5 hours".to_owned(),
    };
    let later = i64::MAX / 2;
    assert!(
        store
            .pause_job(&lease, &id, &limit, false, Some(later))
            .await
            .unwrap()
    );
    assert!(store.resume_due().await.unwrap().is_none());
    nothing_is_claimed(&**store, &lease).await;
    assert_eq!(store.cancel_job(&id).await.unwrap(), Cancelled::AtOnce);

    let new = first_job(TENANT, "b");
    accept(&**store, &new).await;
    claimed(&**store, &lease).await;
    assert!(
        store
            .pause_job(&lease, &new.id, &limit, false, Some(1))
            .await
            .unwrap()
    );
    let shared = store.share();
    let resumed = at_once(4, move |_| {
        let store = shared.clone();
        async move { store.resume_due().await.unwrap() }
    })
    .await;
    let resumed: Vec<String> = resumed.into_iter().flatten().collect();
    assert_eq!(resumed, [new.id.as_str()]);
    let job = claimed(&**store, &lease).await;
    assert_eq!((job.id, job.attempt, job.resume_at), (new.id, 2, None));
}

async fn an_interrupted_job_goes_on_at_once(store: TestStore) {
    let (id, lease) = (running(&**store).await, lease("one"));
    store
        .store_batch(&lease, &id, 0, &batch(0, 2, "{}"))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(store.begin_launch(&lease, &id).await.unwrap(), Some(1));
    assert!(
        store
            .set_task(&lease, &id, "task", "handle", Some(3_600_000))
            .await
            .unwrap()
    );
    let interrupted = Pause::Interrupted {
        reason: "the machine went away".to_owned(),
    };
    for number in 1..3 {
        let paused = store.pause_job(&lease, &id, &interrupted, false, None);
        assert!(paused.await.unwrap());
        let job = claimed(&**store, &lease).await;
        assert_eq!(
            (job.attempt, job.interruptions),
            (number + 1, i64::from(number))
        );
        assert_eq!(
            (job.attempt_after_sequence, job.attempt_after_launch),
            (2, 1)
        );
        assert_eq!(
            (job.task, job.task_micro_usd_per_hour, job.outcome),
            (None, None, None)
        );
    }
    let paused = store.pause_job(&lease, &id, &interrupted, true, None);
    assert!(paused.await.unwrap());
    assert_eq!(store.job(&id).await.unwrap().unwrap().interruptions, 1);
    assert_eq!(
        store.attempts(TENANT, &id, &id, None).await.unwrap().len(),
        3
    );
}

async fn a_job_that_waits_can_be_cancelled(store: TestStore) {
    let (id, lease) = (running(&**store).await, lease("one"));
    assert!(
        store
            .pause_job(&lease, &id, &approval(), false, None)
            .await
            .unwrap()
    );
    assert_eq!(store.cancel_job(&id).await.unwrap(), Cancelled::AtOnce);
    let job = store.job(&id).await.unwrap().unwrap();
    assert_eq!(job.reason.as_deref(), Some("cancelled while it waited"));
    assert_eq!((job.waiting, job.resume_at), (None, None));
    // Whoever waited for it goes on.
    let next = next_job(
        TENANT,
        &job.project_id.unwrap(),
        app_gen_saas::database::JobKind::Change,
    );
    accept(&**store, &next).await;
    let project = project_id(&next);
    let first = eventually("the first of the project", || async {
        store.first_of_projects().await.unwrap().remove(&project)
    });
    assert_eq!(first.await, next.id);
    assert_eq!(claimed(&**store, &lease).await.id, next.id);
}

async fn who_is_to_stop_does_not_pause(store: TestStore) {
    let (id, lease) = (running(&**store).await, lease("one"));
    assert_eq!(store.cancel_job(&id).await.unwrap(), Cancelled::Requested);
    assert!(
        !store
            .pause_job(&lease, &id, &approval(), false, None)
            .await
            .unwrap()
    );
    let job = store.job(&id).await.unwrap().unwrap();
    assert_eq!((job.state, job.last_sequence), (JobState::Starting, 2));
    assert!(
        store
            .attempts(TENANT, &id, &id, None)
            .await
            .unwrap()
            .is_empty()
    );
}

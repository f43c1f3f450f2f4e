//! One orchestrator has a duty at a time, and what jobs are like is known.

use std::time::Duration;

use crate::stores::jobs::accept;
use crate::stores::on_all_stores;
use crate::stores::samples::{TENANT, at_once, claimed, first_job, lease};
use crate::stores::test_store::TestStore;

on_all_stores!(one_has_a_duty, what_jobs_are_like_is_known);

async fn one_has_a_duty(store: TestStore) {
    store.ping().await.unwrap();
    let minute = Duration::from_secs(60);
    let shared = store.share();
    let taken = at_once(6, move |number| {
        let store = shared.clone();
        async move {
            let owner = format!("owner-{number}");
            let taken = store.take_duty("tell", &owner, minute).await.unwrap();
            taken.then_some(owner)
        }
    })
    .await;
    let taken: Vec<String> = taken.into_iter().flatten().collect();
    assert_eq!(taken.len(), 1);
    assert!(store.take_duty("tell", &taken[0], minute).await.unwrap());
    store.give_duty_up("tell", "another").await.unwrap();
    assert!(!store.take_duty("tell", "another", minute).await.unwrap());
    store.give_duty_up("tell", &taken[0]).await.unwrap();
    assert!(
        store
            .take_duty("tell", "another", Duration::from_millis(1))
            .await
            .unwrap()
    );
    tokio::time::sleep(Duration::from_millis(50)).await;
    // Who is silent for longer has left it to others.
    assert!(store.take_duty("tell", "third", minute).await.unwrap());
}

async fn what_jobs_are_like_is_known(store: TestStore) {
    for name in ["a", "b", "c"] {
        accept(&**store, &first_job(TENANT, name)).await;
    }
    claimed(&**store, &lease("one")).await;
    let gauges = store.gauges().await.unwrap();
    let groups: Vec<_> = gauges
        .jobs
        .iter()
        .map(|group| (&*group.state, group.count))
        .collect();
    assert_eq!(groups, [("queued", 2), ("starting", 1)]);
    assert!(gauges.oldest_queued.is_some() && gauges.oldest_attempt.is_some());
}

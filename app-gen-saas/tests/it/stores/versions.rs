//! A version and the end of its job are one change.

use app_gen_contract::JobState;
use app_gen_saas::database::{Batch, JobKind, ProjectFilter, Used};

use crate::stores::jobs::accept;
use crate::stores::on_all_stores;
use crate::stores::samples::{
    TENANT, at_once, claimed, event, first_job, lease, next_job, project_id, version,
};
use crate::stores::test_store::TestStore;

on_all_stores!(
    a_job_ends_once_with_its_version,
    versions_are_numbered_without_gaps,
    a_project_knows_what_its_jobs_used,
    projects_are_listed_and_found,
);

async fn a_job_ends_once_with_its_version(store: TestStore) {
    let new = first_job(TENANT, "a");
    accept(&**store, &new).await;
    claimed(&**store, &lease("one")).await;
    let shared = store.share();
    let of_job = new.id.clone();
    let ended = at_once(6, move |number| {
        let (store, id) = (shared.clone(), of_job.clone());
        async move {
            let made = version(&format!("commit-{number}"));
            let lease = lease("one");
            let ended = store.finish_job(&lease, &id, JobState::Succeeded, None, Some(&made));
            ended.await.unwrap().then_some(made)
        }
    })
    .await;
    let ended: Vec<_> = ended.into_iter().flatten().collect();
    assert_eq!(ended.len(), 1);
    let versions = store
        .versions(&project_id(&new), i64::MAX, 10)
        .await
        .unwrap();
    assert_eq!(versions.len(), 1);
    assert_eq!(versions[0].content, ended[0]);
    assert_eq!((versions[0].number, &versions[0].job_id), (1, &new.id));
    let job = store.job(&new.id).await.unwrap().unwrap();
    assert_eq!((job.state, job.last_sequence), (JobState::Succeeded, 3));
    // Its only attempt is kept once.
    let attempts = store
        .attempts(TENANT, &new.id, &new.id, None)
        .await
        .unwrap();
    assert_eq!(attempts.len(), 1);
    assert_eq!(
        (attempts[0].number, attempts[0].ending.as_str()),
        (1, "succeeded")
    );
}

async fn versions_are_numbered_without_gaps(store: TestStore) {
    let first = first_job(TENANT, "a");
    accept(&**store, &first).await;
    let project = project_id(&first);
    let lease = lease("one");
    let mut ids = vec![first.id];
    for _ in 0..3 {
        let next = next_job(TENANT, &project, JobKind::Change);
        accept(&**store, &next).await;
        ids.push(next.id);
    }
    for (number, id) in (1..).zip(&ids) {
        assert_eq!(claimed(&**store, &lease).await.id, *id);
        let begins_with = store.begin_change(&lease, id).await.unwrap();
        assert_eq!(begins_with, (number > 1).then_some(number - 1));
        let made = version(&format!("commit-{number}"));
        let ended = store.finish_job(&lease, id, JobState::Succeeded, None, Some(&made));
        assert!(ended.await.unwrap());
    }
    let versions = store.versions(&project, i64::MAX, 10).await.unwrap();
    let numbers: Vec<i64> = versions.iter().map(|version| version.number).collect();
    assert_eq!(numbers, [4, 3, 2, 1]);
    assert_eq!(versions[0].parent, Some(3));
    let page = store.versions(&project, 3, 1).await.unwrap();
    assert_eq!(page[0].number, 2);
    let one = store.version(&project, 2).await.unwrap().unwrap();
    assert_eq!(one.content, version("commit-2"));
    assert!(store.version(&project, 5).await.unwrap().is_none());
    assert_eq!(store.version_folders(&project).await.unwrap().len(), 4);
    let mut made = store
        .versions_of_jobs(TENANT, &ids[1], &ids[2], Some(&project))
        .await
        .unwrap();
    made.sort_unstable_by_key(|(_, number)| *number);
    assert_eq!(made, [(ids[1].clone(), 2), (ids[2].clone(), 3)]);
    let of_others = store
        .versions_of_jobs("another", &ids[0], &ids[3], None)
        .await;
    assert!(of_others.unwrap().is_empty());
    let newest = store
        .project(&project)
        .await
        .unwrap()
        .unwrap()
        .newest_version;
    assert_eq!(newest, 4);
}

async fn a_project_knows_what_its_jobs_used(store: TestStore) {
    let new = first_job(TENANT, "a");
    accept(&**store, &new).await;
    let lease = lease("one");
    claimed(&**store, &lease).await;
    let used = Batch {
        events: vec![event(1, "usage", "{}")],
        used: Used {
            micro_usd: 40,
            ..Used::default()
        },
        ..Batch::default()
    };
    store
        .store_batch(&lease, &new.id, 0, &used)
        .await
        .unwrap()
        .unwrap();
    let project = project_id(&new);
    let seen = store.project(&project).await.unwrap().unwrap();
    assert_eq!(seen.used_micro_usd, 40);
    let failed = store.finish_job(&lease, &new.id, JobState::Failed, None, None);
    assert!(failed.await.unwrap());
    let seen = store.project(&project).await.unwrap().unwrap();
    assert_eq!((seen.used_micro_usd, seen.unfinished_job), (40, None));
    store.remove_job(&new.id).await.unwrap();
    let seen = store.project(&project).await.unwrap().unwrap();
    assert_eq!(seen.used_micro_usd, 40);
}

async fn projects_are_listed_and_found(store: TestStore) {
    let mut ids = Vec::new();
    for name in ["Tea 50%", "coffee", "tea_house"] {
        let new = first_job(TENANT, name);
        accept(&**store, &new).await;
        ids.push(project_id(&new));
    }
    accept(&**store, &first_job("another", "tea")).await;
    let filter = |search: Option<&str>| ProjectFilter {
        tenant: TENANT.to_owned(),
        search: search.map(str::to_owned),
        ..ProjectFilter::default()
    };
    let found = |projects: Vec<app_gen_saas::database::Project>| -> Vec<String> {
        projects.into_iter().map(|project| project.id).collect()
    };
    let all = found(store.projects(&filter(None), 10).await.unwrap());
    assert_eq!(all, [&ids[2], &ids[1], &ids[0]].map(String::clone));
    let tea = found(store.projects(&filter(Some("TEA")), 10).await.unwrap());
    assert_eq!(tea, [ids[2].clone(), ids[0].clone()]);
    let percent = found(store.projects(&filter(Some("0%")), 10).await.unwrap());
    assert_eq!(percent, [ids[0].clone()]);
    let older = ProjectFilter {
        before: Some(ids[2].clone()),
        ..filter(None)
    };
    assert_eq!(
        found(store.projects(&older, 1).await.unwrap()),
        [ids[1].clone()]
    );
    assert!(store.set_archived(&ids[1], true).await.unwrap());
    let archived = ProjectFilter {
        archived: true,
        ..filter(None)
    };
    assert_eq!(
        found(store.projects(&archived, 10).await.unwrap()),
        [ids[1].clone()]
    );
    assert!(store.rename_project(&ids[0], "Water").await.unwrap());
    let renamed = store.project_of(TENANT, &ids[0]).await.unwrap().unwrap();
    assert_eq!(renamed.name, "Water");
    assert!(
        store
            .project_of("another", &ids[0])
            .await
            .unwrap()
            .is_none()
    );
}

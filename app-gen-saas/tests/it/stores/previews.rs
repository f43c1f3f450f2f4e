//! Previews take places, and one looks after each.

use app_gen_saas::database::{Begun, NewPreview, Preview};

use crate::stores::jobs::accept;
use crate::stores::on_all_stores;
use crate::stores::samples::{TENANT, at_once, first_job, id, lease, project_id};
use crate::stores::test_store::TestStore;

on_all_stores!(
    the_last_place_is_taken_once,
    one_looks_after_a_preview,
    a_preview_starts_and_ends,
    what_is_over_ends,
);

fn new(project_id: &str, version: i64) -> NewPreview {
    let id = id();
    NewPreview {
        project_id: project_id.to_owned(),
        version,
        commit: "c".to_owned(),
        folder: "f".to_owned(),
        size_bytes: 3,
        sha256: "0".repeat(64),
        label: format!("label-{id}"),
        expires_at: i64::MAX / 2,
        id,
    }
}

async fn project(store: &TestStore) -> String {
    let first = first_job(TENANT, "shop");
    accept(&***store, &first).await;
    project_id(&first)
}

fn begun(begun: Begun) -> Preview {
    match begun {
        Begun::New(preview) => preview,
        other => panic!("{other:?}"),
    }
}

async fn the_last_place_is_taken_once(store: TestStore) {
    let project = project(&store).await;
    let shared = store.share();
    let of_project = project.clone();
    let all = at_once(6, move |number| {
        let (store, new) = (shared.clone(), new(&of_project, number as i64 + 1));
        async move { store.begin_preview(&new, 2).await.unwrap() }
    })
    .await;
    let is_new = |begun: &&Begun| matches!(begun, Begun::New(_));
    assert_eq!(all.iter().filter(is_new).count(), 2, "{all:?}");
    let full =
        |begun: &&Begun| matches!(begun, Begun::Full { free_at } if *free_at == i64::MAX / 2);
    assert_eq!(all.iter().filter(full).count(), 4, "{all:?}");
    let known = store.previews(TENANT).await.unwrap();
    assert_eq!(known.len(), 2);
    let again = new(&project, known[0].new.version);
    let again = store.begin_preview(&again, 2).await.unwrap();
    assert_eq!(again, Begun::Known(known[0].clone()));
    assert!(store.previews("another").await.unwrap().is_empty());
}

async fn one_looks_after_a_preview(store: TestStore) {
    let project = project(&store).await;
    assert!(!store.has_previews().await.unwrap());
    let preview = begun(store.begin_preview(&new(&project, 1), 5).await.unwrap());
    assert!(store.has_previews().await.unwrap());
    let shared = store.share();
    let claimed = at_once(6, move |number| {
        let store = shared.clone();
        async move {
            let lease = lease(&format!("owner-{number}"));
            let claimed = store.claim_previews(&lease).await.unwrap();
            (lease.owner, claimed.len())
        }
    })
    .await;
    let owners: Vec<&String> = claimed
        .iter()
        .filter_map(|(owner, count)| (*count == 1).then_some(owner))
        .collect();
    assert_eq!(owners.len(), 1, "{claimed:?}");
    let (own, other) = (lease(owners[0]), lease("nobody"));
    let id = &preview.new.id;
    assert_eq!(store.begin_preview_try(&other, id).await.unwrap(), None);
    assert_eq!(store.begin_preview_try(&own, id).await.unwrap(), Some(1));
    store.release_previews(&own.owner).await.unwrap();
    assert_eq!(store.begin_preview_try(&own, id).await.unwrap(), None);
    assert_eq!(store.claim_previews(&other).await.unwrap().len(), 1);
    store
        .release_preview(&other, &preview, 60_000)
        .await
        .unwrap();
    assert!(store.claim_previews(&own).await.unwrap().is_empty());
}

async fn a_preview_starts_and_ends(store: TestStore) {
    let project = project(&store).await;
    let preview = begun(store.begin_preview(&new(&project, 1), 1).await.unwrap());
    let (lease, id) = (lease("one"), &preview.new.id);
    store.claim_previews(&lease).await.unwrap();
    assert_eq!(store.begin_preview_try(&lease, id).await.unwrap(), Some(1));
    assert!(store.preview(id).await.unwrap().unwrap().is_unclear);
    store
        .set_preview_task(&lease, id, "task", "handle")
        .await
        .unwrap();
    // It has a task, and gets no second one.
    assert_eq!(store.begin_preview_try(&lease, id).await.unwrap(), None);
    store
        .set_preview_phase(&lease, id, "installing")
        .await
        .unwrap();
    let seen = store.preview_of(&project, 1).await.unwrap().unwrap();
    assert_eq!(
        (seen.phase.as_deref(), seen.task.as_deref()),
        (Some("installing"), Some("task"))
    );
    store
        .set_preview_ready(&lease, id, "10.0.0.1:80")
        .await
        .unwrap();
    let seen = store
        .preview_by_label(&preview.new.label)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (seen.phase, seen.address.as_deref()),
        (None, Some("10.0.0.1:80"))
    );
    store.set_preview_gone(&lease, id).await.unwrap();
    assert_eq!(store.preview(id).await.unwrap().unwrap().gone_at, None);
    assert!(store.end_preview_of(&project, 1, "enough").await.unwrap());
    assert!(!store.end_preview_of(&project, 1, "enough").await.unwrap());
    // Its end is looked at at once, and its place is taken until its task has ended.
    store
        .release_preview(&lease, &preview, 60_000)
        .await
        .unwrap();
    assert_eq!(store.claim_previews(&lease).await.unwrap().len(), 1);
    let full = store.begin_preview(&new(&project, 2), 1).await.unwrap();
    assert!(matches!(full, Begun::Full { .. }));
    store.set_preview_gone(&lease, id).await.unwrap();
    begun(store.begin_preview(&new(&project, 1), 1).await.unwrap());
    assert_eq!(store.previews(TENANT).await.unwrap().len(), 1);
    store.end_due_previews(i64::MAX / 2).await.unwrap();
    assert!(store.preview(id).await.unwrap().is_none());
    assert!(store.preview_of(&project, 1).await.unwrap().is_some());
}

async fn what_is_over_ends(store: TestStore) {
    let project = project(&store).await;
    let over = NewPreview {
        expires_at: 1,
        ..new(&project, 1)
    };
    begun(store.begin_preview(&over, 5).await.unwrap());
    let orphan = new(&id(), 1);
    begun(store.begin_preview(&orphan, 5).await.unwrap());
    let kept = new(&project, 2);
    begun(store.begin_preview(&kept, 5).await.unwrap());
    store.end_due_previews(0).await.unwrap();
    let reason = |preview: Option<Preview>| preview.unwrap().reason;
    let over = reason(store.preview(&over.id).await.unwrap());
    assert_eq!(over.as_deref(), Some("its time is over"));
    let orphan = reason(store.preview(&orphan.id).await.unwrap());
    assert_eq!(orphan.as_deref(), Some("its project was deleted"));
    assert_eq!(
        store.preview(&kept.id).await.unwrap().unwrap().ended_at,
        None
    );
}

//! Templates and uploads have bounds, and what was removed leaves nothing.

use app_gen_contract::{Attachment, MediaType};
use app_gen_saas::database::{Template, Upload};

use crate::stores::on_all_stores;
use crate::stores::samples::{TENANT, at_once, id};
use crate::stores::test_store::TestStore;

on_all_stores!(
    the_last_template_is_made_once,
    a_template_is_changed_by_who_saw_it,
    a_folder_is_idle_without_its_template,
    uploads_have_a_bound,
);

fn template(name: &str) -> Template {
    Template {
        id: id(),
        tenant: TENANT.to_owned(),
        name: name.to_owned(),
        description: "For 50% of shops".to_owned(),
        project_id: id(),
        version: 1,
        commit: "c".to_owned(),
        folder: id(),
        created_at: 5,
        updated_at: 5,
    }
}

async fn the_last_template_is_made_once(store: TestStore) {
    let shared = store.share();
    let made = at_once(5, move |number| {
        let (store, template) = (shared.clone(), template(&format!("t{number}")));
        async move { store.insert_template(&template, 2).await.unwrap() }
    })
    .await;
    // Where two count at the same time, PostgreSQL lets more of them in.
    assert!(made.iter().filter(|made| **made).count() >= 2, "{made:?}");
    assert!(!store.insert_template(&template("late"), 2).await.unwrap());
    let all = store.templates(TENANT, "", None, 10).await.unwrap();
    let older = store
        .templates(TENANT, "50%", Some(&all[0].id), 1)
        .await
        .unwrap();
    assert_eq!(older, [all[1].clone()]);
    assert!(
        store
            .templates(TENANT, "60%", None, 10)
            .await
            .unwrap()
            .is_empty()
    );
    assert!(
        store
            .templates("another", "", None, 10)
            .await
            .unwrap()
            .is_empty()
    );
    assert!(
        store
            .template("another", &all[0].id)
            .await
            .unwrap()
            .is_none()
    );
}

async fn a_template_is_changed_by_who_saw_it(store: TestStore) {
    let first = template("first");
    assert!(store.insert_template(&first, 10).await.unwrap());
    let changed = Template {
        name: "Second".to_owned(),
        updated_at: 6,
        ..first.clone()
    };
    assert!(!store.update_template(&changed, 4).await.unwrap());
    assert!(store.update_template(&changed, 5).await.unwrap());
    assert!(!store.update_template(&changed, 5).await.unwrap());
    let seen = store.template(TENANT, &first.id).await.unwrap();
    assert_eq!(seen, Some(changed));
    assert_eq!(
        store
            .templates(TENANT, "SECOND", None, 10)
            .await
            .unwrap()
            .len(),
        1
    );
}

async fn a_folder_is_idle_without_its_template(store: TestStore) {
    let kept = template("kept");
    store
        .begin_template_folder(&kept.id, &kept.folder)
        .await
        .unwrap();
    let later = i64::MAX / 2;
    // Somebody may still be making it.
    assert!(store.idle_template_folders(0, 10).await.unwrap().is_empty());
    let idle = store.idle_template_folders(later, 10).await.unwrap();
    assert_eq!(idle, [(kept.id.clone(), kept.folder.clone())]);
    assert!(store.insert_template(&kept, 10).await.unwrap());
    assert!(
        store
            .idle_template_folders(later, 10)
            .await
            .unwrap()
            .is_empty()
    );
    assert!(store.delete_template(&kept.id).await.unwrap());
    assert!(!store.delete_template(&kept.id).await.unwrap());
    assert!(store.template(TENANT, &kept.id).await.unwrap().is_none());
    assert_eq!(store.idle_template_folders(0, 10).await.unwrap().len(), 1);
    store.forget_deleted_templates().await.unwrap();
    store.forget_template_folder(&kept.folder).await.unwrap();
    store.forget_deleted_templates().await.unwrap();
    assert!(
        store
            .idle_template_folders(later, 10)
            .await
            .unwrap()
            .is_empty()
    );
}

async fn uploads_have_a_bound(store: TestStore) {
    let upload = |size_bytes| Upload {
        id: id(),
        attachment: Attachment {
            name: "logo.png".to_owned(),
            media_type: MediaType::named("image/png").unwrap(),
            size_bytes,
            sha256: "2".repeat(64),
        },
    };
    let first = upload(60);
    assert!(store.insert_upload(TENANT, &first, 100).await.unwrap());
    assert!(!store.insert_upload(TENANT, &upload(50), 100).await.unwrap());
    assert!(store.insert_upload(TENANT, &upload(40), 100).await.unwrap());
    assert_eq!(
        store.upload(TENANT, &first.id).await.unwrap(),
        Some(first.clone())
    );
    assert!(store.upload("another", &first.id).await.unwrap().is_none());
    assert!(store.uploads_before(5, 10).await.unwrap().is_empty());
    assert_eq!(
        store.uploads_before(i64::MAX / 2, 10).await.unwrap().len(),
        2
    );
    store.remove_upload(&first.id).await.unwrap();
    assert!(store.upload(TENANT, &first.id).await.unwrap().is_none());
    assert!(store.insert_upload(TENANT, &upload(60), 100).await.unwrap());
}

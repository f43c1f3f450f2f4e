//! Tenants, their members, and what opens them.

use app_gen_saas::database::{ApiKey, Invitation, Joined, Left, Owned, Transferred};
use app_gen_saas::stores::Store;

use crate::stores::jobs::accept;
use crate::stores::on_all_stores;
use crate::stores::samples::{at_once, first_job, id, project_id};
use crate::stores::test_store::TestStore;

on_all_stores!(
    a_tenant_has_one_owner,
    an_invitation_is_taken_once,
    a_key_opens_its_tenant,
    a_ticket_is_taken_once,
    a_tenant_that_is_shut_goes,
    what_belongs_to_whom_is_known,
);

const LATER: i64 = i64::MAX / 4;

async fn shared(store: &dyn Store, owner: &str) -> String {
    let id = id();
    let email = format!("{owner}@example.com");
    store
        .insert_tenant((&id, "Team", "shared"), (owner, &email))
        .await
        .unwrap();
    id
}

fn invitation(tenant: &str, email: &str) -> Invitation {
    Invitation {
        id: id(),
        tenant: tenant.to_owned(),
        email: email.to_owned(),
        created_at: 5,
        expires_at: LATER,
    }
}

fn key(tenant: &str, user: &str) -> ApiKey {
    ApiKey {
        id: id(),
        tenant: tenant.to_owned(),
        user_id: user.to_owned(),
        name: "ci".to_owned(),
        prefix: "ag_1".to_owned(),
        scopes: "read".to_owned(),
        created_at: 5,
        last_used_at: None,
        revoked_at: None,
    }
}

async fn a_tenant_has_one_owner(store: TestStore) {
    let tenant = shared(&**store, "ann").await;
    // It stays as it is.
    store
        .insert_tenant((&tenant, "Other", "shared"), ("bob", "b@example.com"))
        .await
        .unwrap();
    let seen = store.tenant_of("ann", &tenant).await.unwrap().unwrap();
    assert_eq!((seen.name.as_str(), seen.role.as_str()), ("Team", "owner"));
    assert!(store.tenant_of("bob", &tenant).await.unwrap().is_none());
    assert_eq!(store.leave(&tenant, "ann").await.unwrap(), Left::Owner);
    assert_eq!(store.leave(&tenant, "bob").await.unwrap(), Left::NoMember);
    let invitation = invitation(&tenant, "bob@example.com");
    assert!(store.invite(&invitation, "hash", 5).await.unwrap());
    let joined = store
        .join("hash", ("bob", "bob@example.com"), 5)
        .await
        .unwrap();
    assert_eq!(joined, Joined::Member(tenant.clone()));
    assert_eq!(
        store.transfer(&tenant, "ann", "carl").await.unwrap(),
        Transferred::NoMember
    );
    assert_eq!(
        store.transfer(&tenant, "ann", "bob").await.unwrap(),
        Transferred::Done
    );
    assert_eq!(
        store.transfer(&tenant, "ann", "bob").await.unwrap(),
        Transferred::NoMember
    );
    let members = store.members(&tenant).await.unwrap();
    let roles: Vec<_> = members
        .iter()
        .map(|member| (&*member.user_id, &*member.role))
        .collect();
    assert!(
        roles.contains(&("ann", "member")) && roles.contains(&("bob", "owner")),
        "{roles:?}"
    );
    assert!(
        store
            .insert_key(&key(&tenant, "ann"), "of ann", 5)
            .await
            .unwrap()
    );
    assert!(
        store
            .insert_key(&key(&tenant, "bob"), "of bob", 5)
            .await
            .unwrap()
    );
    assert_eq!(store.leave(&tenant, "ann").await.unwrap(), Left::Out);
    assert!(store.use_key("of ann").await.unwrap().is_none());
    assert!(store.use_key("of bob").await.unwrap().is_some());
    assert!(store.tenants_of("ann").await.unwrap().is_empty());
}

async fn an_invitation_is_taken_once(store: TestStore) {
    let tenant = shared(&**store, "ann").await;
    assert!(
        store
            .invite(&invitation(&tenant, "b@example.com"), "one", 2)
            .await
            .unwrap()
    );
    // The same person again, whose first invitation is over with that.
    assert!(
        store
            .invite(&invitation(&tenant, "b@example.com"), "two", 2)
            .await
            .unwrap()
    );
    let other = invitation(&tenant, "c@example.com");
    assert!(store.invite(&other, "three", 2).await.unwrap());
    assert!(
        !store
            .invite(&invitation(&tenant, "d@example.com"), "four", 2)
            .await
            .unwrap()
    );
    assert_eq!(store.invitations(&tenant).await.unwrap().len(), 2);
    let unknown = store
        .join("one", ("bob", "b@example.com"), 5)
        .await
        .unwrap();
    assert_eq!(unknown, Joined::Unknown);
    let not_theirs = store
        .join("two", ("carl", "c@example.com"), 5)
        .await
        .unwrap();
    assert_eq!(not_theirs, Joined::Unknown);
    let full = store
        .join("two", ("bob", "b@example.com"), 1)
        .await
        .unwrap();
    assert_eq!(full, Joined::Full);
    let shared = store.share();
    let joined = at_once(4, move |number| {
        let store = shared.clone();
        async move {
            let user = format!("bob-{number}");
            store
                .join("two", (&user, "b@example.com"), 5)
                .await
                .unwrap()
        }
    })
    .await;
    let members = joined
        .iter()
        .filter(|joined| matches!(joined, Joined::Member(_)));
    assert_eq!(members.count(), 1, "{joined:?}");
    assert!(store.remove_invitation(&tenant, &other.id).await.unwrap());
    assert!(!store.remove_invitation(&tenant, &other.id).await.unwrap());
    let gone = store
        .join("three", ("carl", "c@example.com"), 5)
        .await
        .unwrap();
    assert_eq!(gone, Joined::Unknown);
}

async fn a_key_opens_its_tenant(store: TestStore) {
    let tenant = shared(&**store, "ann").await;
    let new = key(&tenant, "ann");
    assert!(store.insert_key(&new, "hash", 1).await.unwrap());
    assert!(
        !store
            .insert_key(&key(&tenant, "ann"), "other", 1)
            .await
            .unwrap()
    );
    let used = store.use_key("hash").await.unwrap().unwrap();
    assert_eq!(used, new);
    assert!(store.use_key("unknown").await.unwrap().is_none());
    let keys = store.keys(&tenant).await.unwrap();
    assert!(keys[0].last_used_at.is_some());
    assert!(
        !store
            .revoke_key(&tenant, &new.id, Some("bob"))
            .await
            .unwrap()
    );
    assert!(!store.revoke_key("other", &new.id, None).await.unwrap());
    assert!(
        store
            .revoke_key(&tenant, &new.id, Some("ann"))
            .await
            .unwrap()
    );
    assert!(!store.revoke_key(&tenant, &new.id, None).await.unwrap());
    assert!(store.use_key("hash").await.unwrap().is_none());
    assert!(
        store
            .insert_key(&key(&tenant, "ann"), "other", 1)
            .await
            .unwrap()
    );
}

async fn a_ticket_is_taken_once(store: TestStore) {
    store
        .insert_ticket("hash", "tenant", "job", LATER)
        .await
        .unwrap();
    store
        .insert_ticket("over", "tenant", "job", 1_000)
        .await
        .unwrap();
    let shared = store.share();
    let taken = at_once(5, move |_| {
        let store = shared.clone();
        async move { store.take_ticket("hash").await.unwrap() }
    })
    .await;
    let taken: Vec<_> = taken.into_iter().flatten().collect();
    assert_eq!(taken, [("tenant".to_owned(), "job".to_owned())]);
    assert!(store.take_ticket("over").await.unwrap().is_none());
}

async fn a_tenant_that_is_shut_goes(store: TestStore) {
    let tenant = shared(&**store, "ann").await;
    let new = first_job(&tenant, "shop");
    accept(&**store, &new).await;
    assert!(
        store
            .insert_key(&key(&tenant, "ann"), "hash", 1)
            .await
            .unwrap()
    );
    assert!(store.delete_tenant(&tenant).await.unwrap());
    assert!(!store.delete_tenant(&tenant).await.unwrap());
    assert!(store.tenant_of("ann", &tenant).await.unwrap().is_none());
    assert!(store.use_key("hash").await.unwrap().is_none());
    assert_eq!(store.deleted_tenants(10).await.unwrap(), [tenant.as_str()]);
    assert_eq!(
        store.unfinished_jobs(&tenant, 10).await.unwrap(),
        [new.id.as_str()]
    );
    store.cancel_job(&new.id).await.unwrap();
    store.delete_content(&tenant).await.unwrap();
    let project = project_id(&new);
    assert_eq!(
        store.deleted_projects(10).await.unwrap(),
        [project.as_str()]
    );
    // Something of it is left, and a last request may still write.
    assert!(!store.remove_tenant(&tenant).await.unwrap());
    store.remove_job(&new.id).await.unwrap();
    store.remove_project(&project).await.unwrap();
    assert!(!store.remove_tenant(&tenant).await.unwrap());
    assert_eq!(store.deleted_tenants(10).await.unwrap().len(), 1);
}

async fn what_belongs_to_whom_is_known(store: TestStore) {
    let tenant = shared(&**store, "ann").await;
    let new = first_job(&tenant, "shop");
    accept(&**store, &new).await;
    let owns = |tenant: String, kind, id: String| {
        let store = store.share();
        async move { store.owns(&tenant, kind, &id).await.unwrap() }
    };
    assert!(owns(tenant.clone(), Owned::Job, new.id.clone()).await);
    assert!(owns(tenant.clone(), Owned::Project, project_id(&new)).await);
    assert!(!owns("other".to_owned(), Owned::Job, new.id.clone()).await);
    assert!(!owns(tenant.clone(), Owned::Template, id()).await);
    let usage = store.usage("", 10).await.unwrap();
    let own = usage.iter().find(|usage| usage.tenant == tenant).unwrap();
    assert_eq!(
        (own.members, own.projects, own.jobs, own.unfinished_jobs),
        (1, 1, 1, 1)
    );
    assert_eq!((own.kind.as_str(), own.previews), ("shared", 0));
    let local = usage.iter().find(|usage| usage.tenant == "local").unwrap();
    assert_eq!((local.jobs, local.kind.as_str()), (0, "local"));
    let after = store.usage(&tenant, 10).await.unwrap();
    assert!(after.iter().all(|usage| usage.tenant > tenant));
}

//! Tenants: personal and shared ones, and who comes and goes.

use serde_json::json;
use uuid::Uuid;

use crate::accounts::World;
use crate::on_both_databases;
use crate::support::database::TestDatabase;

on_both_databases!(
    a_team_comes_and_goes,
    ids_in_bodies_are_those_of_the_tenant,
    operators_see_numbers_and_nothing_else,
);

async fn a_team_comes_and_goes(database: TestDatabase) {
    let world = World::start(database).await;
    let (ann_id, ann) = world.user("ann@example.com");
    let (ben_id, ben) = world.user("ben@example.com");
    let (_, eve) = world.user("eve@example.com");
    let team = world.shared(&ann, &[]).await;
    let path = |rest: &str| format!("/api/tenants/{team}{rest}");
    let body = json!({ "email": " Ben@Example.com " });
    let (status, invitation) = world.post(&ann, &path("/invitations"), body).await;
    assert_eq!(status, 201, "{invitation}");
    let take = json!({ "token": invitation["token"] });
    // Whoever finds the token cannot take it for somebody else.
    assert_eq!(
        world.post(&eve, "/api/invitations", take.clone()).await.0,
        404
    );
    assert_eq!(world.get(&ben, &path("/members")).await.0, 404);
    assert_eq!(
        world.post(&ben, "/api/invitations", take.clone()).await.0,
        200
    );
    assert_eq!(world.post(&ben, "/api/invitations", take).await.0, 404);
    let (_, members) = world.get(&ben, &path("/members")).await;
    let roles: Vec<&str> = members["members"]
        .as_array()
        .unwrap()
        .iter()
        .map(|member| member["role"].as_str().unwrap())
        .collect();
    assert_eq!(roles, ["owner", "member"]);
    // Only the owner invites, sees invitations, takes members out, and deletes.
    let late = json!({ "email": "late@example.com" });
    assert_eq!(
        world
            .post(&ben, &path("/invitations"), late.clone())
            .await
            .0,
        403
    );
    assert_eq!(world.get(&ben, &path("/invitations")).await.0, 403);
    assert_eq!(
        world
            .delete(&ben, &path(&format!("/members/{ann_id}")))
            .await
            .0,
        403
    );
    assert_eq!(world.delete(&ben, &path("")).await.0, 403);
    // An invitation ends.
    let (_, invitation) = world.post(&ann, &path("/invitations"), late).await;
    world
        .orchestrator
        .database
        .execute("UPDATE invitations SET expires_at = 1")
        .await;
    let (_, late) = world.user("late@example.com");
    let take = json!({ "token": invitation["token"] });
    assert_eq!(world.post(&late, "/api/invitations", take).await.0, 404);

    // They work in it, and what they make there is not in their own.
    let there = ben.within(&team);
    let job = world.job(&there, json!({ "description": "diary" })).await;
    let job = format!("/api/jobs/{}", job["id"].as_str().unwrap());
    assert_eq!(world.get(&ann.within(&team), &job).await.0, 200);
    assert_eq!(world.get(&ben, &job).await.0, 404);
    assert_eq!(world.get(&ann, &job).await.0, 404);
    assert_eq!(world.get(&eve.within(&team), &job).await.0, 404);

    // It is handed over, and the one who had it leaves; so does their key.
    let (_, key) = world.key(&ann.within(&team), &["read"]).await;
    assert_eq!(world.get(&key, &job).await.0, 200);
    let own = path(&format!("/members/{ann_id}"));
    assert_eq!(world.delete(&ann, &own).await.0, 409);
    let nobody = json!({ "user": Uuid::now_v7() });
    assert_eq!(world.post(&ann, &path("/owner"), nobody).await.0, 404);
    let (status, tenant) = world
        .post(&ann, &path("/owner"), json!({ "user": ben_id }))
        .await;
    assert_eq!(
        (status, &tenant["role"]),
        (200, &json!("member")),
        "{tenant}"
    );
    assert_eq!(world.delete(&ann, &own).await.0, 204);
    assert_eq!(world.get(&ann.within(&team), &job).await.0, 404);
    assert_eq!(world.get(&key, &job).await.0, 401);
    assert_eq!(world.get(&ben.within(&team), &job).await.0, 200);

    // Nobody comes into a personal one.
    let personal = format!("/api/tenants/{ann_id}/invitations");
    let body = json!({ "email": "ben@example.com" });
    assert_eq!(world.post(&ann, &personal, body).await.0, 409);
    let (_, tenants) = world.get(&ann, "/api/tenants").await;
    assert_eq!(tenants["tenants"].as_array().unwrap().len(), 1, "{tenants}");
}

async fn ids_in_bodies_are_those_of_the_tenant(database: TestDatabase) {
    let world = World::start(database).await;
    let (_, ann) = world.user("ann@example.com");
    let (_, eve) = world.user("eve@example.com");
    let job = world.job(&ann, json!({ "description": "diary" })).await;
    let project = job["project"].clone();
    let upload = "/api/attachments?name=a.txt";
    let client = &world.orchestrator.client;
    let request = client.http.post(format!("{}{upload}", client.base));
    let request = request
        .bearer_auth(ann.bearer.as_deref().unwrap())
        .body("text");
    let upload: serde_json::Value = request.send().await.unwrap().json().await.unwrap();
    let template = json!({ "name": "Mine", "project": project, "version": 1 });
    let (status, made) = world.post(&ann, "/api/templates", template.clone()).await;
    assert_eq!(status, 201, "{made}");
    assert_eq!(world.post(&eve, "/api/templates", template).await.0, 404);
    for body in [
        json!({ "description": "diary", "project": project }),
        json!({ "description": "diary", "template": made["id"] }),
        json!({ "description": "diary", "attachments": [upload["id"]] }),
    ] {
        let (status, refused) = world.post(&eve, "/api/jobs", body.clone()).await;
        assert_eq!(status, 404, "{body}: {refused}");
    }
    for path in ["/api/jobs", "/api/projects"] {
        let (_, list) = world.get(&eve, path).await;
        assert!(
            !list.to_string().contains(project.as_str().unwrap()),
            "{list}"
        );
    }
    let filtered = format!("/api/jobs?project={}", project.as_str().unwrap());
    assert_eq!(world.get(&eve, &filtered).await.1, json!({ "jobs": [] }));
    let (_, templates) = world.get(&eve, "/api/templates").await;
    assert!(!templates.to_string().contains(made["id"].as_str().unwrap()));
}

async fn operators_see_numbers_and_nothing_else(database: TestDatabase) {
    let world = World::start(database).await;
    let (ann_id, ann) = world.user("ann@example.com");
    world.job(&ann, json!({ "description": "diary" })).await;
    let operator = world.login.operator(Uuid::now_v7(), "op@example.com");
    let operator = crate::accounts::Asker::with(world.signer.token(&operator));
    let (status, usage) = world.get(&operator, "/api/fleet/usage").await;
    assert_eq!(status, 200, "{usage}");
    let tenants = usage["tenants"].as_array().unwrap();
    let own = tenants
        .iter()
        .find(|tenant| tenant["tenant"] == ann_id.to_string())
        .unwrap();
    assert_eq!(own["jobs"], 1);
    assert_eq!(own["projects"], 1);
    assert_eq!(own["micro_usd"], 2500);
    for content in ["diary", "ann@example.com"] {
        assert!(!usage.to_string().contains(content), "{usage}");
    }
    assert_eq!(world.get(&ann, "/api/fleet/usage").await.0, 403);
    let (status, _) = world
        .get(&operator.within(&ann_id.to_string()), "/api/jobs")
        .await;
    assert_eq!(status, 404);
}

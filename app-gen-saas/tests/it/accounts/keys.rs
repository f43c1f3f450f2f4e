//! API keys and tickets: what they open, and for how long.

use futures::StreamExt as _;
use serde_json::json;

use crate::accounts::World;
use crate::on_both_databases;
use crate::support::client::sent_events;
use crate::support::database::TestDatabase;

on_both_databases!(keys_open_what_they_are_for, a_ticket_opens_one_stream_once);

async fn keys_open_what_they_are_for(database: TestDatabase) {
    let world = World::start(database).await;
    let (_, ann) = world.user("ann@example.com");
    let (reading, reader) = world.key(&ann, &["read"]).await;
    let (_, writer) = world.key(&ann, &["write", "read"]).await;
    let job = world.job(&writer, json!({ "description": "diary" })).await;
    let path = format!("/api/jobs/{}", job["id"].as_str().unwrap());
    assert_eq!(world.get(&reader, &path).await.0, 200);
    let (status, refused) = world
        .post(&reader, "/api/jobs", json!({ "description": "diary" }))
        .await;
    assert_eq!(status, 403, "{refused}");
    // Delivering is more than writing.
    let deliveries = format!(
        "/api/projects/{}/versions/1/deliveries",
        job["project"].as_str().unwrap()
    );
    assert_eq!(world.post(&writer, &deliveries, json!({})).await.0, 403);
    assert_eq!(world.post(&ann, &deliveries, json!({})).await.0, 400);
    // A key makes no keys.
    assert_eq!(world.get(&writer, "/api/keys").await.0, 403);
    let (status, session) = world.get(&reader, "/api/session").await;
    assert_eq!((status, &session["scopes"]), (200, &json!(["read"])));

    let (_, keys) = world.get(&ann, "/api/keys").await;
    let text = keys.to_string();
    let shown = keys["keys"].as_array().unwrap();
    assert_eq!(shown.len(), 2);
    for key in shown {
        assert!(key["last_used_at"].is_string(), "{key}");
    }
    for key in [&reader, &writer] {
        assert!(!text.contains(key.bearer.as_deref().unwrap()));
    }
    assert_eq!(
        world.delete(&ann, &format!("/api/keys/{reading}")).await.0,
        204
    );
    assert_eq!(world.get(&reader, &path).await.0, 401);
    assert_eq!(world.get(&writer, &path).await.0, 200);
    for body in [
        json!({ "name": "", "scopes": ["read"] }),
        json!({ "name": "a", "scopes": [] }),
        json!({ "name": "a", "scopes": ["all"] }),
    ] {
        assert_eq!(
            world.post(&ann, "/api/keys", body.clone()).await.0,
            400,
            "{body}"
        );
    }
}

async fn a_ticket_opens_one_stream_once(database: TestDatabase) {
    let world = World::start(database).await;
    let (_, ann) = world.user("ann@example.com");
    let (_, eve) = world.user("eve@example.com");
    let one = world.job(&ann, json!({ "description": "diary" })).await;
    let other = world.job(&ann, json!({ "description": "diary" })).await;
    let (one, other) = (one["id"].as_str().unwrap(), other["id"].as_str().unwrap());
    let ticket = async || {
        let (status, ticket) = world
            .post(&ann, "/api/stream-tickets", json!({ "job": one }))
            .await;
        assert_eq!(status, 201, "{ticket}");
        ticket["ticket"].as_str().unwrap().to_owned()
    };
    assert_eq!(
        world
            .post(&eve, "/api/stream-tickets", json!({ "job": one }))
            .await
            .0,
        404
    );

    let client = &world.orchestrator.client;
    let first = ticket().await;
    let path = |job: &str, ticket: &str| format!("/api/jobs/{job}/events?ticket={ticket}");
    let response = client.get(&path(one, &first)).await;
    assert_eq!(response.status().as_u16(), 200);
    assert!(sent_events(response).count().await > 3);
    assert_eq!(client.get(&path(one, &first)).await.status().as_u16(), 401);
    // It is for one job, for streams only, and for half a minute.
    assert_eq!(
        client
            .get(&path(other, &ticket().await))
            .await
            .status()
            .as_u16(),
        404
    );
    let job = format!("/api/jobs/{one}?ticket={}", ticket().await);
    assert_eq!(client.get(&job).await.status().as_u16(), 401);
    let late = ticket().await;
    world
        .orchestrator
        .database
        .execute("UPDATE stream_tickets SET expires_at = 1")
        .await;
    assert_eq!(client.get(&path(one, &late)).await.status().as_u16(), 401);
    for made_up in ["", "agt_", "agt_%00", "1"] {
        assert_eq!(client.get(&path(one, made_up)).await.status().as_u16(), 401);
    }
    // Headers do as well, where a client can send them.
    let (status, _) = world.get(&ann, &format!("/api/jobs/{one}/events")).await;
    assert_eq!(status, 200);
}

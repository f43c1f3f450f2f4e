//! Deliveries that work.

use crate::world::{World, docker};
use app_gen_fly::{Delivered, Destroyed, Step};
use std::time::{Duration, Instant};

/// The names of steps, each once.
fn names(steps: &[Step]) -> Vec<String> {
    let mut names: Vec<String> = steps
        .iter()
        .map(|step| {
            serde_json::to_value(step).unwrap()["step"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    names.dedup();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_is_delivered_changed_and_removed() {
    let mut world = World::new(true).await;
    let first = world.deliver().await.unwrap();
    world.assert_delivered(&first).await;
    let steps = std::mem::take(&mut *world.steps.lock().unwrap());
    assert_eq!(
        names(&steps),
        [
            "app", "address", "pack", "push", "create", "health", "url", "release"
        ]
    );
    assert!(steps.iter().all(|step| !step.to_string().is_empty()));

    // The same again changes nothing.
    let again = world.deliver().await.unwrap();
    assert_eq!(again, first);
    let steps = std::mem::take(&mut *world.steps.lock().unwrap());
    assert_eq!(
        names(&steps),
        ["app", "address", "pack", "push", "health", "url", "release"]
    );

    world.change();
    let second = world.deliver().await.unwrap();
    world.assert_delivered(&second).await;
    assert_eq!((&second.app, &second.machine), (&first.app, &first.machine));
    let steps = std::mem::take(&mut *world.steps.lock().unwrap());
    assert!(names(&steps).contains(&"update".to_owned()));
    let text = serde_json::to_string(&second).unwrap();
    assert_eq!(serde_json::from_str::<Delivered>(&text).unwrap(), second);

    let app = world.app();
    let gone = |was_there| Destroyed {
        app: app.clone(),
        was_there,
    };
    assert_eq!(world.destroy().await.unwrap(), gone(true));
    assert!(world.server.fly.lock().unwrap().apps.is_empty());
    assert_eq!(world.destroy().await.unwrap(), gone(false));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_size_of_the_same_version_is_an_update() {
    let mut world = World::new(false).await;
    world.deliver().await.unwrap();
    world.target.memory_mib = 1024;
    let delivered = world.deliver().await.unwrap();
    world.assert_delivered(&delivered).await;
    let fly = world.server.fly.lock().unwrap();
    let machine = fly.apps[&world.app()].machines.values().next().unwrap();
    assert_eq!(machine.config["guest"]["memory_mb"], 1024);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_engine_runs_what_was_delivered() {
    let world = World::new(true).await;
    let delivered = world.deliver().await.unwrap();
    let image = {
        let fly = world.server.fly.lock().unwrap();
        fly.apps[&world.app()].machines[&delivered.machine].image()
    };
    // The engine asks the registry itself.
    let image = image.replace(&world.server.host, &world.registry);
    let publish = "127.0.0.1:0:8080";
    let label = "app-gen-test";
    let container = docker(&[
        "run",
        "--detach",
        "--rm",
        "--label",
        label,
        "--publish",
        publish,
        &image,
    ]);
    let host = docker(&["port", &container, "8080/tcp"]);
    let host = host.lines().next().unwrap();
    let client = app_gen_oci_image::http_client("", host).unwrap();
    let began = Instant::now();
    let answer = loop {
        let request = client.get(format!("http://{host}/version.json"));
        match request.timeout(Duration::from_secs(5)).send().await {
            Ok(answer) => break answer.text().await.unwrap(),
            Err(error) if began.elapsed() > Duration::from_secs(60) => break error.to_string(),
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    };
    docker(&["rm", "--force", &container]);
    let commit = &world.source.commit;
    assert_eq!(
        answer,
        format!("{{\"commit\":\"{commit}\",\"version\":1}}\n")
    );
}

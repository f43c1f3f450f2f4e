//! What of a registry is believed: an image under a key counts where it is the image of that key,
//! a tag that another machine wrote counts too, and a layer that is gone can be brought back.

use crate::common::gateway::{Gateway, Verdict, immutable};
use crate::common::sh;
use crate::common::{Checkout, Ran, instance, registry, remove_images};
use serde_json::{Value, json};
use std::fs;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use xtask_core::error::Rendered;
use xtask_operate::validation::compose;

const BUILD: [&str; 3] = ["build", "orchestrator", "--json"];

fn app(ran: Ran) -> Value {
    ran.expect_success().json()["images"][0].clone()
}

fn tag(built: &Value) -> String {
    format!("key-{}", built["key"].as_str().unwrap())
}

/// Pushes an image of an empty file system under a tag of the checkout's image.
fn push_other(checkout: &Checkout, tag: &str, options: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let text = "FROM scratch\nCOPY Dockerfile /\n";
    fs::write(folder.path().join("Dockerfile"), text).unwrap();
    let registry = instance::registry().replace("127.0.0.1", "localhost");
    let name = format!("{registry}/{}:{tag}", checkout.repository("orchestrator"));
    let folder = folder.path();
    sh!("docker buildx build --push --quiet --tag {name} {options...} {folder}");
}

#[test]
fn another_image_under_a_key_is_not_present() {
    let checkout = Checkout::new();
    let first = app(checkout.run(&BUILD));
    let (tag, key) = (tag(&first), first["key"].as_str().unwrap());
    let label = format!("app-gen.key={key}");
    let plain = ["--provenance=false", "--sbom=false"];
    let others: [(&str, Vec<&str>); 5] = [
        ("an image without a key", plain.to_vec()),
        (
            "the image of another key",
            [&plain[..], &["--label", "app-gen.key=0123"]].concat(),
        ),
        (
            "an image for another platform",
            [
                &plain[..],
                &["--platform", "linux/arm64", "--label", &label],
            ]
            .concat(),
        ),
        ("an index", vec!["--provenance=true", "--label", &label]),
        ("its cache", vec![]),
    ];
    for forgetful in [false, true] {
        for (what, options) in &others {
            let repository = checkout.repository("orchestrator");
            if options.is_empty() {
                let address = instance::registry();
                copy_tag(address, &repository, "cache", &tag);
            } else {
                push_other(&checkout, &tag, options);
            }
            if forgetful {
                fs::remove_dir_all(checkout.path("target")).unwrap();
            }
            let plan = checkout.run(&["plan", "orchestrator", "--json"]);
            assert!(plan.stderr.contains(&tag), "{what}: {plan:?}");
            assert_eq!(app(plan)["state"], "build", "{what}");
            let ran = checkout.run(&BUILD);
            assert!(ran.stderr.contains(&tag), "{what}: {ran:?}");
            let built = app(ran);
            assert_eq!(built["state"], "built", "{what}");
            assert_eq!(built["digest"], first["digest"], "{what}");
            let held = registry::digest_of(instance::registry(), &repository, &tag);
            assert_eq!(held.as_deref(), first["digest"].as_str(), "{what}");
            assert_eq!(app(checkout.run(&BUILD))["state"], "present", "{what}");
        }
    }
}

/// Puts the manifest of one tag under another.
fn copy_tag(registry: &str, repository: &str, from: &str, to: &str) {
    let repository = xtask_docker::registry::Repository::new(registry, repository);
    repository
        .put(to, &repository.manifest(from).unwrap())
        .unwrap();
}

#[test]
fn what_was_verified_here_takes_one_question_and_anything_else_three() {
    let gateway = Gateway::new(|_| Verdict::Pass);
    let checkout = Checkout::with_registry_port(gateway.port);
    let built = app(checkout.run(&BUILD));
    let (tag, digest) = (tag(&built), built["digest"].as_str().unwrap());
    let path = format!("/v2/{}", checkout.repository("orchestrator"));
    let head = format!("HEAD {path}/manifests/{tag}");
    gateway.seen();
    assert_eq!(app(checkout.run(&BUILD))["state"], "present");
    assert_eq!(gateway.seen(), [head.as_str()]);

    fs::remove_dir_all(checkout.path("target")).unwrap();
    assert_eq!(app(checkout.run(&BUILD))["state"], "present");
    let mut seen = gateway.seen();
    // Whether there is a registry at all.
    seen.retain(|request| request != "GET /v2/");
    assert_eq!(seen.len(), 3, "{seen:?}");
    assert_eq!(seen[0], head);
    assert_eq!(seen[1], format!("GET {path}/manifests/{digest}"));
    assert!(
        seen[2].starts_with(&format!("GET {path}/blobs/sha256:")),
        "{seen:?}"
    );

    assert_eq!(app(checkout.run(&BUILD))["state"], "present");
    assert_eq!(gateway.seen(), [head.as_str()]);
}

#[test]
fn a_registry_that_answers_with_other_bytes_is_not_believed() {
    let lies = Arc::new(AtomicBool::new(false));
    let gateway = {
        let lies = Arc::clone(&lies);
        Gateway::new(move |request| {
            let is_blob = request.method == "GET" && request.path.contains("/blobs/");
            match is_blob && lies.load(Ordering::Relaxed) {
                true => Verdict::Answer("200 OK".to_owned(), "{}".to_owned()),
                false => Verdict::Pass,
            }
        })
    };
    let checkout = Checkout::with_registry_port(gateway.port);
    app(checkout.run(&BUILD));
    fs::remove_dir_all(checkout.path("target")).unwrap();
    lies.store(true, Ordering::Relaxed);
    let plan = checkout.run(&["plan", "orchestrator", "--json"]);
    assert_eq!(plan.code, 8, "{plan:?}");
    assert!(
        plan.json()["error"].to_string().contains("sha256:"),
        "{plan:?}"
    );
}

#[test]
fn a_key_that_another_machine_pushed_meanwhile_is_present() {
    // Every push of a key comes second: the tag is there by then, and cannot be written again.
    let gateway = Gateway::new(|request| match request.pushed_tag() {
        Some(tag) if tag.starts_with("key-") => {
            let (head, body) = immutable();
            Verdict::PassAndAnswer(head, body)
        }
        _ => Verdict::Pass,
    });
    let checkout = Checkout::with_registry_port(gateway.port);
    let built = app(checkout.run(&BUILD));
    assert_eq!(built["state"], "present");
    let repository = checkout.repository("orchestrator");
    let held = registry::digest_of(instance::registry(), &repository, &tag(&built));
    assert_eq!(built["digest"].as_str(), held.as_deref());
    let reference = built["reference"].as_str().unwrap();
    assert_eq!(checkout.run_image(reference), "server one");
    assert_eq!(app(checkout.run(&BUILD))["state"], "present");
}

#[test]
fn another_image_under_a_key_that_cannot_be_replaced_is_named() {
    let gateway = Gateway::new(|request| match request.pushed_tag() {
        Some(tag) if tag.starts_with("key-") => {
            let (head, body) = immutable();
            Verdict::Answer(head, body)
        }
        _ => Verdict::Pass,
    });
    let checkout = Checkout::with_registry_port(gateway.port);
    // What is pushed is refused, but the gate runs from here on.
    assert_eq!(checkout.run(&["build", "generator", "--json"]).code, 5);
    let plan = app(checkout.run(&["plan", "orchestrator", "--json"]));
    push_other(&checkout, &tag(&plan), &["--provenance=false"]);
    let ran = checkout.run(&BUILD);
    assert_eq!(ran.code, 5, "{ran:?}");
    let error = ran.json()["error"].clone();
    assert!(
        error["message"].to_string().contains("app-gen.key"),
        "{error}"
    );
    assert!(
        error["hint"].as_str().unwrap().contains(&tag(&plan)),
        "{error}"
    );
}

/// Removes the last layer of what a tag or a digest names from the registry.
fn lose_a_layer(checkout: &Checkout, reference: &str) {
    let (address, repository) = (instance::registry(), checkout.repository("orchestrator"));
    let url = format!("http://{address}/v2/{repository}/manifests/{reference}");
    let manifest = ureq::get(url)
        .header("accept", "application/vnd.oci.image.manifest.v1+json")
        .call()
        .unwrap()
        .body_mut()
        .read_json::<Value>()
        .unwrap();
    let layer = manifest["layers"].as_array().unwrap().last().unwrap();
    let blob = layer["digest"].as_str().unwrap();
    let url = format!("http://{address}/v2/{repository}/blobs/{blob}");
    let removed = ureq::delete(url).call().unwrap();
    assert_eq!(removed.status(), 202);
}

/// A checkout whose image has layers, and is built by steps, that no other image has.
fn alone() -> Checkout {
    let checkout = Checkout::new();
    let name = checkout.repository("orchestrator");
    checkout.write("server/notes.txt", &name);
    for (from, to) in [
        ("notes.txt /", format!("notes.txt /opt/{name}/")),
        // Steps change the time of a folder that the base image has.
        ("/usr/local/bin/", format!("/usr/local/bin/{name}-")),
    ] {
        checkout.replace("server/Dockerfile", from, &to);
    }
    checkout
}

#[test]
fn a_layer_that_is_gone_comes_back_by_force() {
    let checkout = alone();
    let built = app(checkout.run(&BUILD));
    let reference = built["reference"].as_str().unwrap();
    lose_a_layer(&checkout, built["digest"].as_str().unwrap());
    forget(&checkout);
    let pulled = Command::new("docker").args(["pull", reference]).output();
    assert!(!pulled.unwrap().status.success());
    let project = json!({ "services": { "orchestrator": { "image": reference } } });
    let context = instance::context(checkout.root());
    let credentials = xtask_machine::ministack::shown_credentials();
    let error = compose::up(&context, &project, &credentials).err();
    let error = Rendered::new(&error.unwrap());
    let hint = error.hint.as_deref().unwrap_or_default();
    assert!(hint.contains("cargo xtask build --force"), "{error:?}");

    let again = app(checkout.run(&["build", "orchestrator", "--force", "--json"]));
    assert_eq!(again["state"], "built");
    assert_eq!(again["digest"], built["digest"]);
    forget(&checkout);
    assert_eq!(checkout.run_image(reference), "server one");
    assert_eq!(app(checkout.run(&BUILD))["state"], "present");
}

#[test]
fn a_layer_that_only_the_cache_names_is_made_again() {
    let checkout = alone();
    app(checkout.run(&BUILD));
    lose_a_layer(&checkout, "cache");
    forget(&checkout);
    // Another key, with the same layers.
    checkout.replace(
        "server/Dockerfile",
        "ENTRYPOINT",
        "LABEL second=1\nENTRYPOINT",
    );
    let ran = checkout.run(&BUILD);
    // BuildKit may also do without the cache.
    let second = app(ran);
    assert_eq!(second["state"], "built");
    forget(&checkout);
    assert_eq!(
        checkout.run_image(second["reference"].as_str().unwrap()),
        "server one"
    );
}

#[test]
fn what_is_in_a_cache_does_not_change_an_image() {
    let checkout = alone();
    let first = app(checkout.run(&BUILD));
    let repository = checkout.repository("orchestrator");
    let url = format!("http://{}/v2/{repository}/manifests/", instance::registry());
    for (engine_forgets, registry_forgets) in [(true, true), (false, true), (true, false)] {
        let forgotten: &[&str] = match registry_forgets {
            true => &["cache", &tag(&first)],
            false => &[&tag(&first)],
        };
        for tag in forgotten {
            let digest = registry::digest_of(instance::registry(), &repository, tag);
            ureq::delete(format!("{url}{}", digest.unwrap()))
                .call()
                .unwrap();
        }
        if engine_forgets {
            forget(&checkout);
        }
        let built = app(checkout.run(&BUILD));
        assert_eq!(built["state"], "built");
        let what = (engine_forgets, registry_forgets);
        assert_eq!(built["digest"], first["digest"], "{what:?}");
    }
}

/// Lets the engine forget image and steps of the checkout.
fn forget(checkout: &Checkout) {
    let repository = checkout.repository("orchestrator");
    remove_images(&format!("{}/{repository}", checkout.registry()));
    let filter = format!("description~={repository}");
    sh!("docker buildx prune --force --all --filter {filter}");
}

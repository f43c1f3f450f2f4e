//! What piles up is removed, and what anything needs stays.

use crate::support::sdk::Sdk;
use crate::support::services::TestService;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;
use xtask_aws_api::calls::ecr::LogIn;
use xtask_aws_api::calls::prune::Prune;

#[test]
fn old_revisions_go_and_what_runs_stays() {
    let mut service = TestService::deployed("prune-definitions");
    let image = service.push_probe();
    let definitions: Vec<String> = ["1", "2", "3", "4"]
        .iter()
        .map(|word| service.define(&image, &[("WORD", word)], None))
        .collect();
    service.create(&definitions[0]);
    service.wait_for("running", |now| now["running"] == json!(1));
    let old = json!([definitions[1], definitions[2]]);
    let listed = service.space.ok(Prune {
        dry_run: true,
        ..prune(&[])
    });
    assert_eq!(
        json!([listed["definitions"], listed["dry_run"]]),
        json!([old, true])
    );
    let removed = service.space.ok(prune(&[]));
    assert_eq!(
        json!([removed["definitions"], removed["dry_run"]]),
        json!([old, false])
    );
    let again = service.space.ok(prune(&[]));
    assert_eq!(again["definitions"], json!([]));
    let left = service.sdk.ecs().list_task_definitions();
    let left = left.family_prefix(format!("validate-{}", service.name()));
    let left = service.sdk.run(left.send()).expect("listed");
    assert_eq!(
        left.task_definition_arns(),
        [definitions[0].clone(), definitions[3].clone()]
    );
}

/// A request that keeps one of each kind, and these images.
fn prune(protect: &[&str]) -> Prune {
    let protect: BTreeSet<String> = protect.iter().map(|&digest| digest.to_owned()).collect();
    Prune {
        dry_run: false,
        keep: 1,
        protect,
    }
}

/// A repository of the platform, removed with its test.
struct TestRepository<'a> {
    sdk: &'a Sdk,
    name: String,
}

impl<'a> TestRepository<'a> {
    fn new(service: &'a TestService) -> Self {
        let name = format!("{}-app", service.name());
        service.space.ok(LogIn {
            repositories: vec![name.clone()],
        });
        Self {
            sdk: &service.sdk,
            name,
        }
    }

    /// Puts a manifest of its own under these tags; returns its digest.
    fn put(&self, what: &str, tags: &[&str]) -> String {
        let manifest = json!({ "schemaVersion": 2, "config": what }).to_string();
        let mut digest = None;
        for tag in tags {
            let put = self.sdk.ecr().put_image().repository_name(&self.name);
            let put = put.image_manifest(&manifest).image_tag(*tag);
            let image = self.sdk.run(put.send()).expect("put").image;
            let id = image.expect("an image").image_id;
            digest = id.expect("an id").image_digest;
        }
        digest.expect("a digest")
    }

    /// The tags that there are, by digest in the order of pushes.
    fn tags(&self) -> Vec<Vec<String>> {
        let described = self.sdk.ecr().describe_images();
        let described = described.repository_name(&self.name).send();
        let described = self.sdk.run(described).expect("described");
        let images = described.image_details().iter();
        images.map(|image| image.image_tags().to_vec()).collect()
    }
}

impl Drop for TestRepository<'_> {
    fn drop(&mut self) {
        let removed = self.sdk.ecr().delete_repository();
        let removed = removed.repository_name(&self.name).force(true).send();
        // In a failing test it may not exist.
        let _ = self.sdk.run(removed);
    }
}

#[test]
fn images_go_that_no_release_definition_or_purpose_needs() {
    let service = TestService::deployed("prune-images");
    let repository = TestRepository::new(&service);
    let old = repository.put("old", &["key-1"]);
    let defined = repository.put("defined", &["key-2"]);
    let released = repository.put("released", &["key-3"]);
    repository.put("promoted", &["key-4", "stable"]);
    repository.put("the last cache", &["cache"]);
    // The cloud knows the time of a push to the second.
    std::thread::sleep(Duration::from_millis(1100));
    let older = repository.put("older", &["key-5", "key-6"]);
    std::thread::sleep(Duration::from_millis(1100));
    repository.put("newest", &["key-7"]);
    service.define(
        &format!("registry/{}@{defined}", repository.name),
        &[],
        None,
    );
    let image = |digest: &str, tags: &[&str]| json!({ "repository": repository.name, "digest": digest, "tags": tags });
    let expected = |dry_run: bool| {
        let mut needed = [&defined, &released];
        needed.sort();
        json!({
            "definitions": [],
            "images": [image(&older, &["key-5", "key-6"]), image(&old, &["key-1"])],
            "needed": needed,
            "dry_run": dry_run,
        })
    };
    let prune = prune(&[&released]);

    let before = repository.tags();
    let listed = service.space.ok(Prune {
        dry_run: true,
        ..prune.clone()
    });
    assert_eq!(listed, expected(true));
    assert_eq!(repository.tags(), before);

    assert_eq!(service.space.ok(prune.clone()), expected(false));
    assert_eq!(
        repository.tags(),
        [
            vec!["key-2"],
            vec!["key-3"],
            vec!["key-4", "stable"],
            vec!["cache"],
            vec!["key-7"],
        ]
    );
    assert_eq!(service.space.ok(prune)["images"], Value::Array(Vec::new()));
}

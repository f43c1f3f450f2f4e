//! The same build against ECR: the local cloud's, through its API and its registry.

use crate::common::sh;
use crate::common::{self, Checkout, instance, registry};
use serde_json::{Value, json};
use std::fs;

/// An image of a checkout in the cloud's ECR; the engine is logged in only here.
struct Ecr {
    checkout: Checkout,
    repository: String,
    docker_config: tempfile::TempDir,
    cloud: &'static str,
}

impl Ecr {
    fn new() -> Self {
        let checkout = Checkout::new();
        Self {
            repository: checkout.repository("orchestrator"),
            checkout,
            docker_config: tempfile::tempdir().unwrap(),
            cloud: instance::xtask_aws(),
        }
    }

    /// Builds image `orchestrator`: its outcome, and what the tools said.
    fn build(&self, arguments: &[&str]) -> (Value, String) {
        let arguments = [
            &["build", "orchestrator", "--registry", "ecr", "--json"],
            arguments,
        ]
        .concat();
        let env = [
            ("APP_GEN_XTASK_AWS", self.cloud),
            ("DOCKER_CONFIG", self.docker_config.path().to_str().unwrap()),
        ];
        let ran = self.checkout.run_with(&arguments, &env).expect_success();
        (ran.json()["images"][0].clone(), ran.stderr)
    }

    fn digest_of(&self, tag: &str) -> Option<String> {
        registry::digest_of(instance::cloud_registry(), &self.repository, tag)
    }

    /// The engine's build cache of steps that name this checkout's repository.
    fn build_cache(&self, command: &str) -> String {
        let filter = format!("description~={}", self.repository);
        match command {
            "prune" => sh!("docker buildx prune --force --all --filter {filter}"),
            _ => sh!("docker buildx du --verbose --filter {filter}"),
        }
    }
}

impl Drop for Ecr {
    fn drop(&mut self) {
        self.build_cache("prune");
        let body = json!({ "repositoryName": self.repository, "force": true });
        call("DeleteRepository", &body);
    }
}

/// A call of the ECR API as AWS speaks it, with the key of the local cloud for a signature.
fn call(action: &str, body: &Value) -> Value {
    let (name, access_key) = instance::access_key();
    ureq::post(format!("http://{}/", instance::cloud_registry()))
        .header("content-type", "application/x-amz-json-1.1")
        .header(name, access_key)
        .header(
            "x-amz-target",
            format!("AmazonEC2ContainerRegistry_V20150921.{action}"),
        )
        .header(
            "authorization",
            "AWS4-HMAC-SHA256 Credential=local/20260101/us-east-1/ecr/aws4_request, \
             SignedHeaders=host, Signature=0",
        )
        .send_json(body)
        .unwrap()
        .body_mut()
        .read_json()
        .unwrap()
}

#[test]
fn ecr_holds_images_keys_tags_and_cache() {
    let ecr = Ecr::new();
    let repository = ecr.repository.as_str();
    let cloud_registry = instance::cloud_registry();
    // Names of this test's own tell its steps from any other's in the engine's cache.
    ecr.checkout.replace(
        "server/Dockerfile",
        "notes.txt /notes.txt",
        &format!("notes.txt /{repository}.txt"),
    );
    ecr.checkout.replace(
        "server/Dockerfile",
        "bin/server /usr/local/bin/server",
        &format!("bin/server /usr/local/bin/{repository}"),
    );
    ecr.checkout.replace(
        "server/Dockerfile",
        "[\"/usr/local/bin/server\"]",
        &format!("[\"/usr/local/bin/{repository}\"]"),
    );

    // The repository is created, the token is the one that GetAuthorizationToken gives.
    let (first, _) = ecr.build(&["--tag", "dev"]);
    assert_eq!(first["state"], "built");
    let digest = first["digest"].as_str().unwrap();
    let key_tag = format!("key-{}", first["key"].as_str().unwrap());
    assert_eq!(
        first["reference"],
        format!("{cloud_registry}/{repository}@{digest}")
    );
    let described = call(
        "DescribeRepositories",
        &json!({ "repositoryNames": [repository] }),
    );
    assert_eq!(described["repositories"][0]["repositoryName"], repository);
    let token = call("GetAuthorizationToken", &json!({}));
    let config = fs::read(ecr.docker_config.path().join("config.json")).unwrap();
    let config: Value = serde_json::from_slice(&config).unwrap();
    assert_eq!(
        config["auths"][cloud_registry]["auth"],
        token["authorizationData"][0]["authorizationToken"]
    );

    // Tags are names for the very same bytes; the cache is no image of anybody's.
    assert_eq!(ecr.digest_of(&key_tag).as_deref(), Some(digest));
    assert_eq!(ecr.digest_of("dev").as_deref(), Some(digest));
    assert!(ecr.digest_of("cache").is_some_and(|cache| cache != digest));

    // The key is found again, also where this machine has forgotten everything.
    let (again, _) = ecr.build(&[]);
    assert_eq!(
        (&again["state"], &again["digest"]),
        (&json!("present"), &first["digest"])
    );
    fs::remove_dir_all(ecr.checkout.path("target")).unwrap();
    common::remove_images(&format!("{cloud_registry}/{repository}"));
    assert!(ecr.build_cache("du").contains(repository));
    ecr.build_cache("prune");
    assert!(!ecr.build_cache("du").contains(repository));
    let (again, said) = ecr.build(&[]);
    assert_eq!(
        (&again["state"], &again["digest"]),
        (&json!("present"), &first["digest"])
    );
    assert!(!said.contains("compile"), "{said}");

    // Another key, the same layers: they come from the registry's cache.
    ecr.checkout.replace(
        "server/Dockerfile",
        "ENTRYPOINT",
        "LABEL second=1\nENTRYPOINT",
    );
    let (second, said) = ecr.build(&["--tag", "dev"]);
    assert_eq!(second["state"], "built");
    assert!(
        said.contains(&format!(
            "importing cache manifest from {cloud_registry}/{repository}:cache"
        )),
        "{said}"
    );
    for file in [
        format!("/usr/local/bin/{repository}"),
        format!("/{repository}.txt"),
    ] {
        let step = said
            .lines()
            .find(|line| line.contains("] COPY ") && line.ends_with(&file))
            .and_then(|line| line.split_whitespace().find(|word| word.starts_with('#')))
            .unwrap_or_else(|| panic!("no step copies {file}: {said}"));
        // Cached, or a layer is fetched as the step's result; a step that works does neither.
        let from_cache = [format!("{step} CACHED"), format!("{step} sha256:")]
            .iter()
            .any(|text| said.contains(text));
        assert!(from_cache, "{file}: {said}");
    }

    // The tag has moved, the key's has not.
    assert_ne!(second["digest"], first["digest"]);
    assert_eq!(ecr.digest_of("dev").as_deref(), second["digest"].as_str());
    assert_eq!(ecr.digest_of(&key_tag).as_deref(), Some(digest));

    // What was pushed is what runs.
    for outcome in [&first, &second] {
        let reference = outcome["reference"].as_str().unwrap();
        assert_eq!(ecr.checkout.run_image(reference), "server one");
    }
}

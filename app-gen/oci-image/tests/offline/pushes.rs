//! Pushes to a registry that works.

use crate::layers::image;
use crate::stand_in::{Registry, digest};
use app_gen_oci_image::{
    Access, Credentials, Error, Image, Layer, Limits, Pushed, Repository, Secret, push,
};
use serde_json::{Value, json};
use std::fs;
use std::sync::Mutex;
use tempfile::TempDir;

pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const PASSWORD: &str = "hidden-words";

/// An application to push, with where to.
pub(crate) struct World {
    pub(crate) image: Image,
    pub(crate) layer: Layer,
    pub(crate) to: Repository,
    pub(crate) access: Access,
    pub(crate) limits: Limits,
    _folder: TempDir,
}

impl World {
    /// An application on a base of one registry, for the repository `app` of another.
    pub(crate) fn new(base: &Registry, base_digest: &str, to: &Registry) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("package.json"), "{}").unwrap();
        let mut image = image(folder.path()).with_revision("c0ffee");
        image.base = format!("{}/base@{base_digest}", base.host).parse().unwrap();
        let limits = Limits::default();
        let layer = Layer::pack(&image, &limits).unwrap();
        Self {
            image,
            layer,
            to: format!("{}/app", to.host).parse().unwrap(),
            access: Access {
                base: Credentials::Anonymous,
                target: Credentials::Basic {
                    user: "x".to_owned(),
                    password: Secret::new(PASSWORD),
                },
                extra_certificates: String::new(),
            },
            limits,
            _folder: folder,
        }
    }

    pub(crate) async fn push(&self) -> Result<Pushed, Error> {
        let nobody = |_, _| {};
        self.push_with(&nobody).await
    }

    async fn push_with(
        &self,
        progress: &(dyn Fn(u64, u64) + Send + Sync),
    ) -> Result<Pushed, Error> {
        let Self {
            image,
            layer,
            to,
            access,
            limits,
            ..
        } = self;
        push(image, layer, to, "v1", access, limits, progress).await
    }
}

/// A base with two layers in the repository `base`, as Docker writes it.
pub(crate) fn base(registry: &Registry, architecture: &str) -> String {
    let layers = ["first layer", "second layer"].map(|content| {
        let mut layer = registry.blob("base", content.as_bytes());
        layer["mediaType"] = DOCKER_LAYER.into();
        layer
    });
    let configuration = json!({
        "architecture": architecture,
        "os": "linux",
        "config": {
            "Env": ["PATH=/usr/bin", "PORT=1"],
            "Cmd": ["node"],
            "Entrypoint": ["docker-entrypoint.sh"],
        },
        "rootfs": { "type": "layers", "diff_ids": [digest(b"1"), digest(b"2")] },
        "history": [{ "created_by": "a" }, { "created_by": "b" }, { "empty_layer": true }],
    });
    let mut config = registry.blob("base", configuration.to_string().as_bytes());
    config["mediaType"] = "application/vnd.docker.container.image.v1+json".into();
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": DOCKER_MANIFEST,
        "config": config,
        "layers": layers,
    });
    registry.manifest("base", DOCKER_MANIFEST, &manifest)
}

#[tokio::test]
async fn an_image_is_its_base_below_the_application_and_is_pushed_once() {
    let (from, to) = (Registry::start().await, Registry::start().await);
    let world = World::new(&from, &base(&from, "amd64"), &to);
    let seen = Mutex::new(Vec::new());
    let note = |done, total| seen.lock().unwrap().push((done, total));
    let pushed = world.push_with(&note).await.unwrap();

    let bytes = to.pushed("app", "v1");
    assert_eq!(pushed.digest, digest(&bytes));
    let manifest: Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(
        pushed.reference,
        format!("{}/app@{}", to.host, pushed.digest)
    );
    assert_eq!(manifest["mediaType"], MANIFEST);
    let layers = manifest["layers"].as_array().unwrap();
    let gzip = "application/vnd.oci.image.layer.v1.tar+gzip";
    assert!(layers.iter().all(|layer| layer["mediaType"] == gzip));
    let digests: Vec<&Value> = layers.iter().map(|layer| &layer["digest"]).collect();
    let first = digest(b"first layer");
    let second = digest(b"second layer");
    assert_eq!(digests, [&*first, &*second, &*world.layer.digest]);

    let configuration = to.json("app", &manifest["config"]["digest"]);
    let check = "fetch('http://127.0.0.1:8080/',{redirect:'manual'})\
         .then(answer=>process.exit(answer.status<500?0:1),()=>process.exit(1))";
    let expected = json!({
        "architecture": "amd64",
        "os": "linux",
        "config": {
            "User": "10001:10001",
            "ExposedPorts": { "8080/tcp": {} },
            "Env": [
                "PATH=/usr/bin", "HOME=/tmp", "HOST=0.0.0.0", "NODE_ENV=production", "PORT=8080",
                "npm_config_cache=/tmp/npm", "npm_config_update_notifier=false",
            ],
            "Entrypoint": ["npm", "start"],
            "WorkingDir": "/app",
            "Labels": { "org.opencontainers.image.revision": "c0ffee" },
            "StopSignal": "SIGTERM",
            "Healthcheck": {
                "Test": ["CMD", "node", "-e", check],
                "Interval": 10_000_000_000_u64,
                "Timeout": 5_000_000_000_u64,
                "StartPeriod": 30_000_000_000_u64,
                "Retries": 3,
            },
        },
        "rootfs": {
            "type": "layers",
            "diff_ids": [digest(b"1"), digest(b"2"), world.layer.diff_id],
        },
        "history": [
            { "created_by": "a" }, { "created_by": "b" }, { "empty_layer": true }, {},
        ],
    });
    assert_eq!(configuration, expected);

    let total = pushed.sent_bytes;
    assert_eq!(seen.lock().unwrap().first(), Some(&(0, total)));
    assert_eq!(seen.lock().unwrap().last(), Some(&(total, total)));

    // Again, and everything is there.
    let again = world.push().await.unwrap();
    assert_eq!((again.sent_bytes, again.mounted_bytes), (0, 0));
    assert_eq!(again.digest, pushed.digest);
    assert_eq!(to.count("POST"), 4);
}

#[tokio::test]
async fn layers_of_the_same_registry_are_mounted_and_not_sent() {
    let registry = Registry::start().await;
    let world = World::new(&registry, &base(&registry, "amd64"), &registry);
    let pushed = world.push().await.unwrap();
    let of_base = "first layer".len() + "second layer".len();
    assert_eq!(pushed.mounted_bytes, of_base as u64);
    for content in ["first layer", "second layer"] {
        let digest = digest(content.as_bytes());
        assert_eq!(registry.count(&format!("GET /v2/base/blobs/{digest}")), 0);
    }
}

#[tokio::test]
async fn an_index_has_the_image_of_the_architecture_or_is_no_base() {
    let registry = Registry::start().await;
    let manifests = ["arm64", "amd64"].map(|architecture| {
        let digest = base(&registry, architecture);
        let platform = json!({ "architecture": architecture, "os": "linux" });
        json!({ "mediaType": MANIFEST, "digest": digest, "size": 1, "platform": platform })
    });
    let index = |manifests: &[Value]| {
        let document = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": manifests });
        registry.manifest("base", INDEX, &document)
    };
    let world = World::new(&registry, &index(&manifests), &registry);
    world.push().await.unwrap();
    let world = World::new(&registry, &index(&manifests[..1]), &registry);
    let error = world.push().await.unwrap_err();
    let text = error.to_string();
    assert!(
        text.ends_with("it has no image of linux/amd64") && !error.retryable(),
        "{text}"
    );
}

#[tokio::test]
async fn a_token_service_opens_the_registry_with_the_password() {
    let (from, to) = (Registry::start().await, Registry::start().await);
    let realm = format!("http://{}/token", to.host);
    let challenge = format!("Bearer realm=\"{realm}\",service=\"registry\",scope=\"ignored\"");
    to.held.lock().unwrap().lock = Some(("Bearer opened".to_owned(), challenge));
    let world = World::new(&from, &base(&from, "amd64"), &to);
    world.push().await.unwrap();
    let held = to.held.lock().unwrap();
    let (token, opened) = held
        .requests
        .iter()
        .find(|(line, _)| line.starts_with("GET /token"))
        .unwrap();
    assert_eq!(
        token,
        "GET /token?service=registry&scope=repository%3Aapp%3Apull%2Cpush"
    );
    // x:hidden-words
    assert_eq!(opened, "Basic eDpoaWRkZW4td29yZHM=");
    // The base's registry never sees what opens the other.
    let others = from.held.lock().unwrap();
    assert!(others.requests.iter().all(|(_, opened)| opened.is_empty()));
}

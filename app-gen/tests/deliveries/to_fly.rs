//! To Fly.io: end to end, with its refusals, and killed at every call, those to the registry included.

use crate::fly::{Fault, TOKEN};
use crate::job::{Ended, Job, PROJECT, has_text, kill_when_held, side_by_side};
use crate::server::{Moment, Server};
use crate::stand_in::{Registry, digest};
use app_gen_contract::{Body, DeliveryTarget, JobSpec};
use serde_json::{Value, json};
use std::sync::Arc;

const MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";

/// Everything that a delivery talks to.
struct World {
    job: Job,
    server: Arc<Server>,
    variables: Vec<(&'static str, String)>,
    _registry: Registry,
}

fn target() -> DeliveryTarget {
    DeliveryTarget::Fly {
        organization: "personal".to_owned(),
        app: None,
        region: Some("ams".to_owned()),
    }
}

/// An image with Node, as far as a delivery looks at it.
fn base(registry: &Registry) -> String {
    let mut layer = registry.blob("base", b"a layer");
    layer["mediaType"] = "application/vnd.docker.image.rootfs.diff.tar.gzip".into();
    let configuration = json!({
        "architecture": "amd64",
        "os": "linux",
        "config": { "Env": ["PATH=/usr/bin"], "Cmd": ["node"] },
        "rootfs": { "type": "layers", "diff_ids": [digest(b"unpacked")] },
        "history": [{ "created_by": "a" }],
    });
    let mut config = registry.blob("base", configuration.to_string().as_bytes());
    config["mediaType"] = "application/vnd.docker.container.image.v1+json".into();
    let manifest = json!({
        "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer],
    });
    registry.manifest("base", MANIFEST, &manifest)
}

impl World {
    async fn new() -> Self {
        let registry = Registry::start().await;
        let base = base(&registry);
        let server = Server::start(&registry.host).await;
        let host = &server.host;
        Self {
            job: Job::new(),
            variables: vec![
                ("FLY_API_TOKEN", TOKEN.to_owned()),
                ("FLY_MACHINES_URL", format!("http://{host}")),
                ("FLY_REGISTRY", host.clone()),
                ("FLY_APP_URL", format!("http://{host}/site/{{app}}")),
                ("FLY_BASE_IMAGE", format!("{host}/base@{base}")),
            ],
            server,
            _registry: registry,
        }
    }

    /// What an attempt is asked that follows one which built the application.
    fn spec(&self, number: u32) -> JobSpec {
        self.spec_of(&self.job.commit, number)
    }

    fn spec_of(&self, commit: &str, number: u32) -> JobSpec {
        let mut spec = self.job.spec(number, target());
        commit.clone_into(&mut spec.start_from.as_mut().unwrap().commit);
        spec.attempt.checkpoint = Some(self.job.keep_built(commit));
        spec
    }

    /// Has Fly.io answer an operation otherwise, so many times.
    fn fail(&self, on: &'static str, times: usize, (status, body): (u16, Value)) {
        let retry_after = (status == 429).then_some("3600");
        let fault = Fault {
            on,
            times,
            status,
            retry_after,
            body,
        };
        self.server.fly.lock().unwrap().faults.push(fault);
    }

    fn environment(&self) -> Vec<(&'static str, &str)> {
        let pairs = self.variables.iter();
        pairs.map(|(name, value)| (*name, value.as_str())).collect()
    }

    fn run(&self, spec: &JobSpec) -> Ended {
        self.job.run(spec, &self.environment())
    }

    /// There is one app with one machine, and it runs the version.
    fn assert_one(&self, case: &str) {
        let fly = self.server.fly.lock().unwrap();
        assert_eq!(fly.violations, Vec::<String>::new(), "{case}");
        let apps: Vec<_> = fly.apps.values().collect();
        let [app] = apps.as_slice() else {
            panic!("{case}: there are {} apps", apps.len());
        };
        let machines: Vec<_> = app.machines.values().collect();
        let [machine] = machines.as_slice() else {
            panic!("{case}: there are {} machines", machines.len());
        };
        assert_eq!(machine.commit(), self.job.commit, "{case}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_version_becomes_an_app_and_a_second_time_changes_nothing() {
    let world = World::new().await;
    let mut url = String::new();
    for number in [2, 3] {
        let ended = world.run(&world.spec(number));
        let (told, commit) = ended.delivered();
        assert_eq!(commit, Some(&*world.job.commit));
        told.clone_into(&mut url);
        world.assert_one("delivered");
    }
    let site = format!("http://{}/site/app-gen-", world.server.host);
    assert!(url.starts_with(&site), "{url}");
    assert!(
        !has_text(&world.job.path(), TOKEN),
        "the token is kept nowhere"
    );

    // A look asks the application, and nobody else.
    let mut look = world.job.spec(4, target());
    look.delivery.as_mut().unwrap().check_url = Some(url.clone());
    world.server.hold(None);
    let looked = world.run(&look);
    assert_eq!(looked.delivered(), (&*url, Some(&*world.job.commit)));
    assert_eq!(world.server.hold(None), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn another_version_takes_the_place_of_the_one_before() {
    let world = World::new().await;
    let Job { commit, older, .. } = &world.job;
    let mut urls = Vec::new();
    for (number, commit) in [(2, older), (3, commit)] {
        let ended = world.run(&world.spec_of(commit, number));
        let (url, shown) = ended.delivered();
        assert_eq!(shown, Some(commit.as_str()));
        urls.push(url.to_owned());
    }
    assert_eq!(urls[0], urls[1]);
    world.assert_one("the newer one");

    // A look at the one before finds the other.
    let mut look = world.spec_of(older, 4);
    look.delivery.as_mut().unwrap().check_url = Some(urls.remove(0));
    let looked = world.run(&look);
    assert_eq!(looked.delivered().1, Some(commit.as_str()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_kill_at_any_call_leaves_one_app_with_one_machine_and_the_commit() {
    let world = World::new().await;
    world.server.hold(None);
    world.run(&world.spec(2)).delivered();
    let all = world.server.hold(None);
    assert!(all > 10, "a delivery makes {all} calls");
    let moments = [Moment::Before, Moment::After];
    let kills = (0..all).flat_map(|number| moments.map(|moment| (number, moment)));
    side_by_side(kills.map(|(number, moment)| killed_at(number, moment))).await;
}

async fn killed_at(number: usize, moment: Moment) {
    let world = World::new().await;
    let case = format!("{moment:?} call {number}");
    world.server.hold(Some((number, moment)));
    let first = world.job.start(&world.spec(2), &world.environment());
    assert!(kill_when_held(first, &world.server.held).await, "{case}");
    world.server.hold(None);
    let second = world.run(&world.spec(3));
    assert_eq!(second.delivered().1, Some(&*world.job.commit), "{case}");
    world.assert_one(&case);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_goes_wrong_is_said_with_what_to_do() {
    for (case, name, value, reason, hint) in [
        (
            "no token",
            "FLY_API_TOKEN",
            "",
            "there is no token for this target: FLY_API_TOKEN is not set",
            "cargo xtask secrets set deliverer FLY_API_TOKEN",
        ),
        (
            "other token",
            "FLY_API_TOKEN",
            "fo1_other",
            "Fly.io does not accept the token in FLY_API_TOKEN: unauthorized",
            "fly tokens create org",
        ),
        (
            "no base",
            "FLY_BASE_IMAGE",
            "",
            "there is no image below the application: FLY_BASE_IMAGE is not set",
            "[tasks.generator.deliverer]",
        ),
        (
            "a base without a digest",
            "FLY_BASE_IMAGE",
            "docker.io/library/node:24",
            "this cannot be delivered to Fly.io: docker.io/library/node:24 is not an image such as ",
            "change what the message names",
        ),
    ] {
        let mut world = World::new().await;
        let mut variables = world.variables.iter_mut();
        let variable = variables.find(|(known, _)| *known == name).unwrap();
        variable.1 = value.to_owned();
        let ended = world.run(&world.spec(2));
        assert_eq!(ended.exit_code, Some(1), "{case}");
        let told = ended.failure();
        assert!(told.0.starts_with(reason), "{case}: {told:?}");
        assert!(told.1.contains(hint), "{case}: {told:?}");
        assert!(!ended.output.contains("fo1_"), "{case}: a token is shown");
    }
}

/// A text in which APP stands for the name of the project's app.
fn of_app(text: &str) -> String {
    let target = app_gen_fly::Target {
        organization: "personal".to_owned(),
        app: None,
        region: None,
        memory_mib: 512,
    };
    text.replace("APP", &app_gen_fly::app_name(&target, PROJECT))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_fly_refuses_is_said_with_what_to_do() {
    for (on, answer, reason, hint) in [
        (
            "Apps_create",
            (
                422,
                json!({ "error": "Name has already been taken", "status": "name_taken" }),
            ),
            "the name APP is taken by another app of Fly.io",
            "choose another name for the app in the target",
        ),
        (
            "Apps_create",
            (403, json!({ "error": "not authorized" })),
            "the token in FLY_API_TOKEN may not create the app APP in personal: not authorized",
            "fly tokens create org",
        ),
        (
            "Machines_create",
            (422, json!({ "error": "We need your payment information" })),
            "Fly.io refuses to create the machine of APP, for a quota or for billing: \
             We need your payment information",
            "https://fly.io/dashboard",
        ),
        (
            "Machines_create",
            (
                422,
                json!({ "error": "no room in ams", "status": "insufficient_capacity" }),
            ),
            "Fly.io has no capacity to create the machine of APP: no room in ams",
            "choose another region",
        ),
        (
            "Machines_list",
            (503, json!({ "error": "maintenance" })),
            "failed to list the machines of APP: Fly.io answers 503: maintenance",
            "https://status.flyio.net",
        ),
    ] {
        let world = World::new().await;
        world.fail(on, usize::MAX, answer);
        let ended = world.run(&world.spec(2));
        assert_eq!(ended.exit_code, Some(1), "{reason}");
        let told = ended.failure();
        assert_eq!(told.0, of_app(reason));
        assert!(told.1.contains(hint), "{told:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_fails_in_passing_is_tried_again_and_a_limit_is_waited_for_by_nobody_here() {
    let world = World::new().await;
    world.fail("Machines_list", 1, (503, json!({ "error": "maintenance" })));
    world.run(&world.spec(2)).delivered();
    world.assert_one("after a 503");

    let world = World::new().await;
    let limit = json!({ "error": "rate limit exceeded" });
    world.fail("Machines_list", usize::MAX, (429, limit));
    let ended = world.run(&world.spec(2));
    assert_eq!(ended.exit_code, Some(4), "{ended:?}");
    let Body::WaitingLimit {
        provider,
        until,
        detail,
    } = ended.last()
    else {
        panic!("{ended:?}");
    };
    assert_eq!(provider, "fly");
    let expected = "Fly.io limits requests to list the machines of APP; it asks to wait 3600 s";
    assert_eq!(*detail, of_app(expected));
    let last = ended.events.last().unwrap().time;
    let wait = (until.unwrap() - last).whole_minutes();
    assert!((55..=60).contains(&wait), "{wait}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_application_is_built_in_a_cage_or_not_at_all() {
    let world = World::new().await;
    let ended = world.run(&world.job.spec(1, target()));
    let (reason, hint) = ended.failure();
    let expected = "the application cannot be built here, because its commands run in a cage: ";
    assert!(reason.starts_with(expected), "{reason}");
    assert!(hint.contains("cargo xtask deploy"), "{hint}");
    assert_eq!(world.server.hold(None), 0, "nobody was asked");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_built_application_that_was_changed_is_not_delivered() {
    let world = World::new().await;
    let spec = world.spec(2);
    let archive = world.job.path().join("checkpoints/1/0001/built.tar");
    let mut bytes = std::fs::read(&archive).unwrap();
    bytes[0] ^= 1;
    std::fs::write(&archive, bytes).unwrap();
    let ended = world.run(&spec);
    let Body::Failed { reason, .. } = ended.last() else {
        panic!("{ended:?}");
    };
    assert_eq!(
        reason,
        "the built application is not the one that the checkpoint names"
    );
    assert_eq!(world.server.hold(None), 0, "nobody was asked");
}

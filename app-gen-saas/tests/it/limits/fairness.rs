//! Whose turn it is: whatever tenants pile up, none waits for more than one job of each other while nothing of it runs,
//! and no limit is passed, however many orchestrators look at the same moment.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use app_gen_contract::JobState;
use app_gen_saas::config::TenantLimits;
use app_gen_saas::database::{
    Accepted, Database, Job, JobProject, Lease, NewJob, NewProject, Overrides, Turns, Wishes,
};
use futures::future::join_all;
use serde_json::json;
use uuid::Uuid;

use crate::accounts::World;
use crate::on_both_databases;
use crate::support::database::{ADMIT_ALL, TestDatabase};
use crate::support::eventually;
use crate::support::orchestrator::{Options, Orchestrator};
use crate::support::random::Random;

on_both_databases!(
    tenants_take_turns,
    no_limit_is_passed_by_many_at_once,
    a_thousand_jobs_delay_nobody_else,
    a_paused_tenant_gets_no_turn,
);

/// Another one plays other tenants; every failure names it.
const SEED: u64 = 20_261_130;

async fn orchestrator(database: TestDatabase) -> Orchestrator {
    let options = Options {
        without_worker: true,
        ..Options::default()
    };
    Orchestrator::with(database, options).await
}

fn lease(owner: &str) -> Lease {
    Lease {
        owner: owner.to_owned(),
        duration: Duration::from_secs(60),
    }
}

fn new_job(tenant: &str) -> NewJob {
    let id = Uuid::now_v7().to_string();
    NewJob {
        project: JobProject::New(NewProject {
            slug: id.clone(),
            id: id.clone(),
            name: "anything".to_owned(),
        }),
        id,
        tenant: tenant.to_owned(),
        description: "anything".to_owned(),
        provider: "template".to_owned(),
        launcher: "process",
        wishes: Wishes::default(),
    }
}

async fn add(database: &Database, tenant: &str) {
    let accepted = database.insert_job(&new_job(tenant), &ADMIT_ALL).await;
    assert_eq!(accepted.unwrap(), Accepted::Queued);
}

async fn finish(database: &Database, owner: &Lease, job: &Job) {
    let ended = database.finish_job(owner, &job.id, JobState::Succeeded, None, None);
    assert!(ended.await.unwrap());
}

/// What the test knows of a tenant.
#[derive(Debug, Default)]
struct Waiting {
    queued: usize,
    running: usize,
    /// How many jobs of others began since this one waits and nothing of it runs.
    overtaken: BTreeMap<String, usize>,
}

async fn tenants_take_turns(database: TestDatabase) {
    println!("seed {SEED}");
    let orchestrator = orchestrator(database).await;
    let database = &orchestrator.app.database;
    let owner = lease("one");
    let mut random = Random(SEED);
    let names: Vec<String> = (0..5).map(|number| format!("tenant-{number}")).collect();
    let mut tenants: BTreeMap<String, Waiting> = BTreeMap::new();
    for (name, count) in names.iter().zip([40, 1, 9, 25, 3]) {
        for _ in 0..count {
            add(database, name).await;
        }
        tenants.entry(name.clone()).or_default().queued = count;
    }
    let places = 3;
    let mut running: Vec<Job> = Vec::new();
    let mut begun = 0;
    for step in 0.. {
        // From time to time somebody asks for more.
        if step < 150 && random.one_in(4) {
            let name = random.pick(&names);
            add(database, name).await;
            tenants.get_mut(name).unwrap().queued += 1;
        }
        while running.len() < places {
            let turns = Turns::default();
            let Some(job) = database.claim_queued(&owner, &turns).await.unwrap() else {
                break;
            };
            let what = format!("seed {SEED}, step {step}, {}: {tenants:?}", job.tenant);
            let waits = |tenant: &&Waiting| tenant.queued > 0;
            let fewest = tenants.values().filter(waits).map(|tenant| tenant.running);
            assert_eq!(Some(tenants[&job.tenant].running), fewest.min(), "{what}");
            let name = job.tenant.clone();
            let own = tenants.get_mut(&name).unwrap();
            own.queued = own.queued.checked_sub(1).expect(&what);
            own.running += 1;
            own.overtaken.clear();
            for (other, tenant) in &mut tenants {
                if *other == name || tenant.queued == 0 || tenant.running > 0 {
                    continue;
                }
                let times = tenant.overtaken.entry(name.clone()).or_default();
                *times += 1;
                assert_eq!(*times, 1, "{other} is overtaken twice: {what}");
            }
            running.push(job);
            begun += 1;
        }
        if running.is_empty() {
            assert!(tenants.values().all(|tenant| tenant.queued == 0));
            if step >= 150 {
                break;
            }
            continue;
        }
        let job = running.remove(random.below(running.len()));
        finish(database, &owner, &job).await;
        tenants.get_mut(&job.tenant).unwrap().running -= 1;
    }
    assert!(begun >= 78, "{begun}");
}

async fn no_limit_is_passed_by_many_at_once(database: TestDatabase) {
    let orchestrator = orchestrator(database).await;
    let database = &orchestrator.app.database;
    for tenant in ["a", "b", "c", "d"] {
        for _ in 0..10 {
            add(database, tenant).await;
        }
    }
    let turns = Turns {
        jobs_at_once: 6,
        usual: TenantLimits {
            jobs_at_once: 2,
            ..TenantLimits::default()
        },
    };
    let mut begun = BTreeSet::new();
    for round in 0..5 {
        let claims = (0..24).map(|number| {
            let owner = lease(&format!("orchestrator-{number}"));
            async move { (database.claim_queued(&owner, &turns).await.unwrap(), owner) }
        });
        let claimed: Vec<_> = join_all(claims)
            .await
            .into_iter()
            .filter_map(|(job, owner)| Some((job?, owner)))
            .collect();
        let mut of_tenants = BTreeMap::<&str, usize>::new();
        for (job, _) in &claimed {
            assert!(begun.insert(job.id.clone()), "{} begins twice", job.id);
            *of_tenants.entry(&job.tenant).or_default() += 1;
        }
        assert_eq!(claimed.len(), 6, "round {round}: {of_tenants:?}");
        assert!(
            of_tenants.values().all(|count| *count <= 2),
            "{of_tenants:?}"
        );
        for (job, owner) in &claimed {
            finish(database, owner, job).await;
        }
    }
}

async fn a_thousand_jobs_delay_nobody_else(database: TestDatabase) {
    let concurrency = [("JOB_CONCURRENCY", "1")];
    let world = World::with(database, &concurrency).await;
    let (heavy, _) = world.user("heavy@example.com");
    let (_, light) = world.user("light@example.com");
    // Its jobs end at once: there is no zip file of this description.
    for _ in 0..1000 {
        add(&world.orchestrator.app.database, &heavy.to_string()).await;
    }
    world.orchestrator.app.new_job.notify_one();
    let number = |query: String| {
        let database = &world.orchestrator.database;
        async move { database.number(&query).await }
    };
    let ended =
        format!("SELECT COUNT(*) FROM jobs WHERE tenant_id = '{heavy}' AND started_at IS NOT NULL");
    eventually("some of the jobs", async || {
        (number(ended.clone()).await >= 3).then_some(())
    })
    .await;
    let (status, job) = world
        .post(&light, "/api/jobs", json!({ "description": "diary" }))
        .await;
    assert_eq!(status, 201, "{job}");
    assert!(
        job["queue"]["place"]
            .as_i64()
            .is_none_or(|place| place <= 2),
        "{job}"
    );
    let id = job["id"].as_str().unwrap();
    let job = world.ended(&light, id).await;
    assert_eq!(job["state"], "succeeded", "{job}");
    let began = number(format!("SELECT started_at FROM jobs WHERE id = '{id}'")).await;
    let asked = number(format!("SELECT created_at FROM jobs WHERE id = '{id}'")).await;
    let between = format!("{ended} AND started_at > {asked} AND started_at < {began}");
    let between = number(between).await;
    // One that begins while the request is written down, and nothing after that.
    assert!(between <= 1, "{between} jobs of another tenant came first");
}

async fn a_paused_tenant_gets_no_turn(database: TestDatabase) {
    let orchestrator = orchestrator(database).await;
    let database = &orchestrator.app.database;
    add(database, "limited").await;
    add(database, "limited").await;
    add(database, "other").await;
    let limits = Overrides {
        jobs_at_once: Some(1),
        ..Overrides::default()
    };
    database
        .set_tenant_limits("limited", &limits)
        .await
        .unwrap();
    let (owner, turns) = (lease("one"), Turns::default());
    let claim = async || database.claim_queued(&owner, &turns).await.unwrap();
    let first = claim().await.unwrap();
    assert_eq!(first.tenant, "limited");
    assert_eq!(claim().await.unwrap().tenant, "other");
    assert!(claim().await.is_none());
    // As soon as one ends, the next one begins.
    finish(database, &owner, &first).await;
    assert_eq!(claim().await.unwrap().tenant, "limited");
    assert!(claim().await.is_none());
}

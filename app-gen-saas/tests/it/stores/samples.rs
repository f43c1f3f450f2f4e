//! Things to keep, as other parts of the orchestrator make them.

use std::future::Future;
use std::time::Duration;

use app_gen_saas::database::{
    Batch, GeneratorEvent, Job, JobKind, JobProject, Lease, NewJob, NewProject, NewVersion, Wishes,
};
use app_gen_saas::stores::Store;
use uuid::Uuid;

use crate::support::eventually;

pub const TENANT: &str = "local";
/// More jobs than any test has.
pub const QUEUE: u32 = 1_000;

pub fn id() -> String {
    Uuid::now_v7().to_string()
}

/// A lease of this owner that no test outlives.
pub fn lease(owner: &str) -> Lease {
    Lease {
        owner: owner.to_owned(),
        duration: Duration::from_secs(300),
    }
}

pub fn new_project(name: &str) -> NewProject {
    let id = id();
    NewProject {
        slug: format!("{name}-{id}"),
        name: name.to_owned(),
        id,
    }
}

/// The first job of a project of this name.
pub fn first_job(tenant: &str, name: &str) -> NewJob {
    job(tenant, JobProject::New(new_project(name)))
}

/// Another job of a project.
pub fn next_job(tenant: &str, project_id: &str, kind: JobKind) -> NewJob {
    job(
        tenant,
        JobProject::Existing {
            id: project_id.to_owned(),
            kind,
            start_version: None,
        },
    )
}

fn job(tenant: &str, project: JobProject) -> NewJob {
    NewJob {
        id: id(),
        tenant: tenant.to_owned(),
        project,
        description: "A shop for tea.".to_owned(),
        provider: "template".to_owned(),
        launcher: "process",
        wishes: Wishes::default(),
    }
}

pub fn project_id(job: &NewJob) -> String {
    match &job.project {
        JobProject::New(project) => project.id.clone(),
        JobProject::Existing { id, .. } => id.clone(),
    }
}

/// Takes the next job, as the worker does: asks again until there is one.
pub async fn claimed(store: &dyn Store, lease: &Lease) -> Job {
    eventually("a job can be claimed", || async {
        store.claim_queued(lease).await.unwrap()
    })
    .await
}

/// Asks for a while, and finds nothing.
pub async fn nothing_is_claimed(store: &dyn Store, lease: &Lease) {
    for _ in 0..10 {
        let job = store.claim_queued(lease).await.unwrap();
        assert!(job.is_none(), "{job:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

pub fn event(number: i64, kind: &str, body: &str) -> GeneratorEvent {
    GeneratorEvent {
        generator_sequence: number,
        time: "2026-11-18T11:06:40.123Z".to_owned(),
        kind: kind.to_owned(),
        body: body.to_owned(),
    }
}

/// So many events of this kind, from the one after `after`.
pub fn batch(after: i64, count: i64, body: &str) -> Batch {
    Batch {
        events: (after + 1..=after + count)
            .map(|number| event(number, "log", body))
            .collect(),
        ..Batch::default()
    }
}

pub fn version(commit: &str) -> NewVersion {
    NewVersion {
        commit: commit.to_owned(),
        folder: format!("folder-{commit}"),
        size_bytes: 5,
        sha256: "0".repeat(64),
        checks: vec![serde_json::json!({ "name": "serve", "outcome": "passed" })],
    }
}

/// The results of the same work, done by so many at the same moment.
pub async fn at_once<T, F>(count: usize, work: impl Fn(usize) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let tasks: Vec<_> = (0..count)
        .map(|number| tokio::spawn(work(number)))
        .collect();
    let mut results = Vec::with_capacity(count);
    for task in tasks {
        results.push(task.await.unwrap());
    }
    results
}

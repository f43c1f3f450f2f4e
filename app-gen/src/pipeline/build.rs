//! The application is made, in iterations: an agent builds, its work is committed and checked, and what
//! failed is its next task.

use crate::checks::tests_kept::changed_tests;
use crate::checks::{Checked, Checks, Subject};
use crate::failure::Failure;
use crate::pipeline::agents::{Done, Work, work};
use crate::pipeline::halt::Halt;
use crate::pipeline::job::Job;
use crate::pipeline::keep;
use crate::pipeline::prompts;
use crate::pipeline::state::{Stage, Unchecked};
use crate::roles::Role;
use crate::workshop::repository::{MAIN, Message};
use crate::workshop::snapshot::Snapshot;
use crate::workshop::{clear, fill};
use app_gen_contract::{Body, CheckOutcome, JobKind, LogLevel, StageState};
use time::OffsetDateTime;

/// Without a bound of its own, a job has so many iterations.
const MAX_ITERATIONS: u32 = 12;
/// So often in a row checks may fail in the same way. Whoever did not mend it by then does not.
const MAX_SAME: u32 = 3;
/// Characters of a commit's message. The rest of an agent's last words is in its activities.
const MAX_MESSAGE_CHARS: usize = 2_000;

/// Builds until the checks pass.
pub(crate) async fn build(job: &mut Job) -> Result<(), Halt> {
    job.report(Stage::Build, StageState::Running, None).await;
    loop {
        // An attempt before this one may have ended in the middle of the checks.
        if job.state.unchecked.is_none() {
            make(job).await?;
        }
        let Some(made) = job.state.unchecked.clone() else {
            // It is no application.
            continue;
        };
        let checks = check(job).await?;
        let trouble = made.trouble;
        let is_good = checks.iter().all(|check| !check.is_failed());
        if is_good && trouble.is_none() {
            job.state.good.clone_from(&job.state.head);
            job.state.unchecked = None;
            job.state.task = None;
            job.state.failure = None;
            let detail = format!("checks passed: {}", passed(&checks));
            job.report(Stage::Build, StageState::Done, Some(detail))
                .await;
            return Ok(());
        }
        next_task(job, &checks, trouble).await?;
        job.state.unchecked = None;
        keep::checkpoint(job).await?;
    }
}

/// Has the builder work, and keeps what it made.
async fn make(job: &mut Job) -> Result<(), Halt> {
    let most = job.spec.budget.iterations.unwrap_or(MAX_ITERATIONS);
    if job.state.iterations >= most {
        let why = format!("its {most} iterations are used up");
        return Err(given_up(job, why, &[]));
    }
    if job.time_left().is_zero() {
        return Err(given_up(job, "its time is over".to_owned(), &[]));
    }
    let builder = Role::find("builder")?;
    let prompt = match &job.state.task {
        Some(task) => task.clone(),
        None => prompts::build(&job.spec, &job.state.plan),
    };
    let task = Work {
        role: &builder,
        stage: Stage::Build,
        prompt,
        must_change: true,
    };
    let mut memory = job.memory(builder.name);
    let done = work(job, &task, &mut memory).await;
    job.remember(builder.name, memory);
    let done = done?;
    let mut snapshot = match Snapshot::of_application(&job.workshop.porter()).await? {
        Ok(snapshot) => snapshot,
        Err(refused) => {
            job.state.iterations += 1;
            let trouble = format!("the workspace is no application: {refused}");
            next_task(job, &[], Some(trouble)).await?;
            return keep::checkpoint(job).await;
        }
    };
    let before = good(job).await?;
    protect(job, &mut snapshot, before.as_ref()).await?;
    let commit = commit(job, &snapshot, &done).await?;
    let trouble = done.trouble;
    job.state.unchecked = Some(Unchecked { trouble });
    keep::checkpoint_commit(job, commit).await
}

/// The last state whose checks passed, or the one that a change began with. What a creation begins with is only a
/// template: nothing of it has to stay.
async fn good(job: &Job) -> Result<Option<Snapshot>, Halt> {
    let start = match job.spec.kind {
        JobKind::Change => job.spec.start_from.as_ref().map(|start| &start.commit),
        JobKind::Create | JobKind::Deliver => None,
    };
    match job.state.good.as_ref().or(start) {
        Some(commit) => Ok(Some(job.workshop.repository.snapshot(commit).await?)),
        None => Ok(None),
    }
}

/// What was committed last.
async fn committed(job: &Job) -> Result<Snapshot, Halt> {
    match &job.state.head {
        Some(head) => Ok(job.workshop.repository.snapshot(head).await?),
        None => Ok(Snapshot::default()),
    }
}

/// Commits what the agent made, if it made anything. Returns the event that tells of it.
async fn commit(job: &mut Job, snapshot: &Snapshot, done: &Done) -> Result<Option<Body>, Halt> {
    let before = committed(job).await?;
    job.state.iterations += 1;
    if before == *snapshot {
        return Ok(None);
    }
    let repository = &job.workshop.repository;
    let words: String = done.words.trim().chars().take(MAX_MESSAGE_CHARS).collect();
    let message = match (words.is_empty(), &done.trouble) {
        (false, _) => words,
        (true, Some(trouble)) => format!("What was made until {trouble}"),
        (true, None) => "What the builder made".to_owned(),
    };
    let id = repository
        .commit(
            MAIN,
            job.state.head.as_deref(),
            snapshot,
            Message {
                role: "builder",
                text: &message,
                time: OffsetDateTime::now_utc().unix_timestamp(),
            },
        )
        .await?;
    let diff = repository.diff(&id).await?;
    job.state.head = Some(id.clone());
    Ok(Some(Body::Commit {
        iteration: job.state.iterations,
        commit: id,
        role: "builder".to_owned(),
        message,
        diff,
    }))
}

/// Puts the tests that must stay back into their places, if the agent changed them.
async fn protect(
    job: &Job,
    snapshot: &mut Snapshot,
    before: Option<&Snapshot>,
) -> Result<(), Halt> {
    // What a creation begins with is nothing or a template, and its own tests may still grow.
    let (JobKind::Change, Some(before)) = (job.spec.kind, before) else {
        return Ok(());
    };
    let changed = changed_tests(before, snapshot);
    if changed.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = changed.iter().map(|(name, _)| *name).collect();
    let message = format!(
        "tests that were there before are put back as they were: {}",
        names.join(", ")
    );
    job.emitter.log(LogLevel::Warn, message).await;
    let files = changed
        .into_iter()
        .map(|(name, file)| (name.to_owned(), file.clone()));
    let restored = Snapshot {
        files: files.collect(),
    };
    fill(&job.workshop.porter(), &restored).await?;
    snapshot.files.extend(restored.files);
    Ok(())
}

/// Checks what was committed last, in a place of its own.
async fn check(job: &Job) -> Result<Vec<Checked>, Halt> {
    let (snapshot, before) = (committed(job).await?, good(job).await?);
    let cage = job.workshop.inspection();
    clear(&cage).await?;
    fill(&cage, &snapshot).await?;
    let packages_url = job.workshop.packages_url();
    let mut checks = Checks::of(Subject {
        cage: &cage,
        packages_url: &packages_url,
        snapshot: &snapshot,
        before: before.as_ref(),
        criteria: &job.state.plan.criteria,
    });
    loop {
        tokio::select! {
            check = checks.next() => match check? {
                Some(check) => job.emitter.emit(check.to_body()).await,
                None => break,
            },
            () = job.stop.wanted() => return Err(Halt::Stopped),
        }
    }
    Ok(checks.made().to_vec())
}

fn passed(checks: &[Checked]) -> usize {
    checks
        .iter()
        .filter(|check| check.outcome == CheckOutcome::Passed)
        .count()
}

/// Makes a task of what failed, or gives up where nothing gets better.
async fn next_task(job: &mut Job, checks: &[Checked], trouble: Option<String>) -> Result<(), Halt> {
    let signatures = checks.iter().filter_map(Checked::signature);
    let mut signature = signatures.collect::<Vec<_>>().join("\n");
    if let Some(trouble) = &trouble {
        signature.push_str(trouble);
    }
    let counted_before = job.state.failure.clone();
    let times = job.state.count(signature);
    if times >= MAX_SAME {
        let why = trouble.unwrap_or_else(|| format!("the same checks failed {times} times"));
        return Err(given_up(job, why, checks));
    }
    let cause = match times {
        // It has something to look at, and the builder looked at it in vain.
        2 if trouble.is_none() => match find_cause(job, checks).await {
            Ok(cause) => Some(cause),
            Err(halt) => {
                // An attempt that follows checks once more, and counts then.
                job.state.failure = counted_before;
                return Err(halt);
            }
        },
        _ => None,
    };
    let task = prompts::repair(checks, trouble.as_deref(), cause.as_deref());
    job.state.task = Some(task);
    Ok(())
}

async fn find_cause(job: &mut Job, checks: &[Checked]) -> Result<String, Halt> {
    let role = Role::find("bug_finder")?;
    let task = Work {
        role: &role,
        stage: Stage::Build,
        prompt: prompts::cause(checks),
        must_change: false,
    };
    let mut memory = job.memory(role.name);
    let done = work(job, &task, &mut memory).await;
    job.remember(role.name, memory);
    Ok(done?.words)
}

fn given_up(job: &Job, why: String, checks: &[Checked]) -> Halt {
    let failed: Vec<String> = checks
        .iter()
        .filter(|check| check.is_failed())
        .map(|check| {
            let first = check.detail.as_deref().unwrap_or_default().lines().next();
            format!("{}: {}", check.name, first.unwrap_or_default())
        })
        .collect();
    let reason = match failed.is_empty() {
        true => format!("the application is not finished: {why}"),
        false => format!(
            "the application is not finished: {why}. Failed checks: {}",
            failed.join("; ")
        ),
    };
    let hint = match job.state.head {
        Some(_) => "download what was reached, or describe the application in other words",
        None => "describe the application in other words, or choose another model",
    };
    Halt::Failed(Failure::job(reason, hint))
}

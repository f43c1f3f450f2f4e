//! What the orchestrator takes from one event of a generator.

use app_gen_contract::{
    Body, CheckpointId, Event, MAX_URL_BYTES, Payer, Tokens, excerpt, is_commit_id, join_uri,
};
use serde_json::json;
use time::OffsetDateTime;

use crate::artifacts::Artifacts;
use crate::database::{
    Artifact, Batch, GeneratorEvent, Job, Outcome, Pause, Resources, Shown, Used,
};

/// Twice what a generator of ours packs. All of it is read before the job ends, to compare its SHA-256.
pub(super) const MAX_ARTIFACT_BYTES: u64 = 512 * 1024 * 1024;

/// More than one usage event can report: a hundred billion tokens, or as many millionths of a dollar. Sums
/// over all events of a job stay far from the end of the database's numbers.
const MAX_USAGE: u64 = 100_000_000_000;
/// Maximum number of characters of what a job waits for.
const MAX_PAUSE_CHARS: usize = 2000;

/// Makes an event ready to be stored, with its body fetched from where it is.
pub(super) async fn batch_of_one(
    artifacts: &Artifacts,
    job: &Job,
    known: Option<&Artifact>,
    event: &Event,
) -> Result<Batch, String> {
    let mut batch = Batch::default();
    let fetched = match event.body_uri() {
        Some(uri) => fetch(artifacts, &job.id, event, uri).await,
        None => None,
    };
    let body = event.body().or(fetched.as_ref());
    match body {
        Some(Body::Artifact {
            name,
            uri,
            size_bytes,
            sha256,
            commit,
        }) => {
            batch.artifact = Some(Artifact {
                commit: commit.as_deref().map(commit_id).transpose()?,
                ..artifact(artifacts, &job.id, name, uri, *size_bytes, sha256)?
            });
        }
        Some(Body::Delivered { url, commit }) => {
            batch.shown = Some(Shown {
                url: address(url)?,
                commit: commit.as_deref().map(commit_id).transpose()?,
            });
        }
        Some(Body::Succeeded { .. }) => batch.outcome = Some(Outcome::Succeeded),
        Some(Body::Failed { reason, hint }) => {
            let mut reason = excerpt(reason.as_bytes());
            if let Some(hint) = hint {
                reason = format!("{reason}; {}", excerpt(hint.as_bytes()));
            }
            batch.outcome = Some(Outcome::Failed { reason });
        }
        Some(Body::Usage {
            tokens,
            micro_usd,
            paid_by,
            ..
        }) => batch.used = used(tokens, *micro_usd, *paid_by)?,
        Some(Body::Checkpoint { number, .. }) => {
            batch.checkpoint = Some(CheckpointId {
                attempt: job.attempt,
                number: *number,
            });
        }
        Some(Body::Resources {
            peak_memory_bytes,
            peak_disk_bytes,
            processor_milliseconds,
        }) => {
            batch.resources = Some(Resources {
                peak_memory_bytes: *peak_memory_bytes,
                peak_disk_bytes: *peak_disk_bytes,
                processor_milliseconds: *processor_milliseconds,
            });
        }
        Some(Body::Commit { iteration, .. }) => batch.used.iterations = i64::from(*iteration),
        Some(Body::WaitingApproval {
            point,
            question,
            artifact_uri,
        }) => {
            let own = known.map(|known| join_uri(&artifacts.job_uri(&job.id), &known.name));
            if let Some(uri) = artifact_uri
                .as_ref()
                .filter(|uri| own.as_ref() != Some(uri))
            {
                let uri = excerpt(uri.as_bytes());
                return Err(format!(
                    "the generator asks about an artifact that it has not named: {uri}"
                ));
            }
            batch.outcome = Some(Outcome::Paused(Pause::WaitingApproval {
                point: *point,
                question: bounded(question),
            }));
        }
        Some(Body::WaitingLimit {
            provider,
            until,
            detail,
        }) => {
            let millis = |time: &OffsetDateTime| time.unix_timestamp().saturating_mul(1000);
            batch.outcome = Some(Outcome::Paused(Pause::WaitingLimit {
                provider: excerpt(provider.as_bytes()),
                until: until.as_ref().map(millis),
                detail: bounded(detail),
            }));
        }
        Some(Body::Interrupted { reason }) => {
            batch.outcome = Some(Outcome::Paused(Pause::Interrupted {
                reason: bounded(reason),
            }));
        }
        // The body could not be fetched, but its type alone says that the attempt has ended.
        None if event.is_ending() => batch.outcome = Some(outcome_by_type(event.kind())),
        _ => {}
    }
    let uri = || excerpt(event.body_uri().unwrap_or_default().as_bytes());
    batch.events.push(GeneratorEvent {
        generator_sequence: i64::try_from(event.sequence).unwrap_or(i64::MAX),
        time: event.time_text(),
        kind: event.kind().to_owned(),
        body: body.map_or_else(|| json!({ "uri": uri() }).to_string(), Body::to_json),
    });
    Ok(batch)
}

/// What is known of an ending whose body is lost. A question that nobody can read is not decided.
fn outcome_by_type(kind: &str) -> Outcome {
    match kind {
        "succeeded" => Outcome::Succeeded,
        "interrupted" => Outcome::Paused(Pause::Interrupted {
            reason: "the generator was interrupted; its reason could not be fetched".to_owned(),
        }),
        "failed" => Outcome::Failed {
            reason: "the generator failed; its reason could not be fetched".to_owned(),
        },
        other => Outcome::Failed {
            reason: format!("what the generator waits for could not be fetched ({other})"),
        },
    }
}

/// A text to be shown, without control characters but line breaks.
fn bounded(text: &str) -> String {
    text.chars()
        .filter(|character| *character == '\n' || !character.is_control())
        .take(MAX_PAUSE_CHARS)
        .collect()
}

fn used(tokens: &Tokens, micro_usd: Option<u64>, paid_by: Payer) -> Result<Used, String> {
    let number = |number: u64| {
        i64::try_from(number)
            .ok()
            .filter(|_| number <= MAX_USAGE)
            .ok_or_else(|| format!("the generator reported a usage of {number} at once"))
    };
    let tokens = number(tokens.total())?;
    let price = number(micro_usd.unwrap_or(0))?;
    Ok(Used {
        micro_usd: price,
        own_micro_usd: match paid_by {
            Payer::Tenant => price,
            Payer::Platform => 0,
        },
        tokens,
        unpriced_tokens: if micro_usd.is_none() { tokens } else { 0 },
        ..Used::default()
    })
}

/// The body of an event that refers to it; an event without it is still an event.
async fn fetch(artifacts: &Artifacts, job_id: &str, event: &Event, uri: &str) -> Option<Body> {
    let fetched = async {
        let bytes = artifacts.event_body(job_id, event.sequence, uri).await?;
        let text = str::from_utf8(&bytes)?;
        anyhow::Ok(Body::from_json(event.kind(), text)?)
    };
    fetched
        .await
        .inspect_err(|error| {
            tracing::warn!(
                job_id,
                error = excerpt(format!("{error:#}").as_bytes()),
                "event body stays a reference"
            );
        })
        .ok()
}

fn commit_id(text: &str) -> Result<String, String> {
    match is_commit_id(text) {
        true => Ok(text.to_owned()),
        false => Err(format!(
            "the generator named commit {:?}, which is no id of one",
            excerpt(text.as_bytes())
        )),
    }
}

/// An address that a page may link to.
fn address(url: &str) -> Result<String, String> {
    let is_http = url.starts_with("https://") || url.starts_with("http://");
    let is_plain = url.len() <= MAX_URL_BYTES && url.bytes().all(|byte| byte.is_ascii_graphic());
    match is_http && is_plain {
        true => Ok(url.to_owned()),
        false => Err(format!(
            "the generator named {:?}, which is no address of a delivery",
            excerpt(url.as_bytes())
        )),
    }
}

/// A result is only ever served from the job's own folder.
fn artifact(
    artifacts: &Artifacts,
    job_id: &str,
    name: &str,
    uri: &str,
    size_bytes: u64,
    sha256: &str,
) -> Result<Artifact, String> {
    let folder = artifacts.job_uri(job_id);
    let plain = !name.is_empty()
        && !name.starts_with('.')
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'));
    if !plain || uri != join_uri(&folder, name) {
        return Err(format!(
            "the generator named an artifact outside of the job's folder: {}",
            excerpt(uri.as_bytes())
        ));
    }
    if size_bytes > MAX_ARTIFACT_BYTES {
        return Err(format!(
            "the generator named an artifact of {size_bytes} bytes, more than {MAX_ARTIFACT_BYTES}"
        ));
    }
    let is_digest = sha256.len() == 64 && sha256.bytes().all(|byte| byte.is_ascii_hexdigit());
    match i64::try_from(size_bytes) {
        Ok(size_bytes) if is_digest => Ok(Artifact {
            name: name.to_owned(),
            size_bytes,
            sha256: sha256.to_ascii_lowercase(),
            e_tag: None,
            commit: None,
        }),
        _ => Err("the generator named an artifact without a usable size and SHA-256".to_owned()),
    }
}

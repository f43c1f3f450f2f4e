//! The rights of one job.
//!
//! A task role would serve the tasks of all jobs, so a task that a stranger's text has turned could
//! replace the result of every other job. Tasks therefore have none. For each task the orchestrator
//! takes on a role with a session policy that names the objects of its job, and gives the task the
//! credentials of that session, which end within the hour.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};
use app_gen_contract::{ARTIFACT_NAME, BUNDLE_NAME, START_BUNDLE_NAME, checkpoints_of, spec_name};
use aws_config::SdkConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_sdk_ecs::config::ProvideCredentials as _;
use serde_json::{Value, json};

use crate::config::JOB_RIGHTS_TIME;
use crate::launcher::Launch;

/// AWS takes at most 64 characters for the name of a session.
const SESSION_NAME_LIMIT: usize = 64;

/// Lends rights to jobs.
#[derive(Debug)]
pub(super) struct JobRights {
    role_arn: String,
    sdk: SdkConfig,
}

impl JobRights {
    pub(super) fn new(role_arn: &str, sdk: &SdkConfig) -> Self {
        Self {
            role_arn: role_arn.to_owned(),
            sdk: sdk.clone(),
        }
    }

    /// The credentials of a session for this job alone, as variables of its container.
    pub(super) async fn lend(&self, launch: &Launch) -> Result<BTreeMap<String, String>> {
        let name: String = launch.job_id.chars().take(SESSION_NAME_LIMIT).collect();
        let credentials = AssumeRoleProvider::builder(&self.role_arn)
            .session_name(name)
            .session_length(JOB_RIGHTS_TIME)
            .policy(policy(launch)?.to_string())
            .configure(&self.sdk)
            .build()
            .await
            .provide_credentials()
            .await
            .with_context(|| format!("failed to take on {} for a job", self.role_arn))?;
        let variables = [
            ("AWS_ACCESS_KEY_ID", credentials.access_key_id()),
            ("AWS_SECRET_ACCESS_KEY", credentials.secret_access_key()),
            (
                "AWS_SESSION_TOKEN",
                credentials.session_token().unwrap_or_default(),
            ),
        ];
        Ok(variables
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into())
    }
}

/// What an attempt may do: read its spec, the checkpoint that it goes on from, the history that it begins with,
/// the files that a person attached and the keys that its tenant brings, write the job's result, the bodies of its events, and checkpoints of its own.
fn policy(launch: &Launch) -> Result<Value> {
    let (spec_uri, attempt) = (&launch.spec_uri, launch.attempt);
    let spec = spec_name(attempt);
    let folder = spec_uri
        .strip_prefix("s3://")
        .and_then(|object| object.strip_suffix(&spec)?.strip_suffix('/'))
        // Both mean something in the patterns of IAM.
        .filter(|folder| !folder.contains(['*', '?', '$']))
        .with_context(|| format!("{spec_uri} is not the spec of attempt {attempt} in a bucket"))?;
    let object = |name: &str| format!("arn:aws:s3:::{folder}/{name}");
    let checkpoint = launch
        .checkpoint
        .map(|checkpoint| object(&format!("{}/*", checkpoint.folder())));
    let start = launch.has_start.then(|| object(START_BUNDLE_NAME));
    let attachments = launch.has_attachments.then(|| object("attachments/*"));
    let keys: Vec<&String> = launch
        .own_keys
        .places
        .values()
        .filter(|place| place.starts_with("arn:"))
        .collect();
    if let Some(place) = keys.iter().find(|place| place.contains(['*', '?', '$'])) {
        bail!("{place} is not the ARN of one secret");
    }
    let read: Vec<String> = [object(&spec)]
        .into_iter()
        .chain(checkpoint)
        .chain(start)
        .chain(attachments)
        .collect();
    let mut statements = vec![
        json!({ "Effect": "Allow", "Action": "s3:GetObject", "Resource": read }),
        json!({
            "Effect": "Allow",
            "Action": "s3:PutObject",
            "Resource": [
                object(ARTIFACT_NAME),
                object(BUNDLE_NAME),
                object("events/*"),
                object(&format!("{}/*", checkpoints_of(attempt))),
            ],
        }),
    ];
    if !keys.is_empty() {
        statements.push(json!({
            "Effect": "Allow",
            "Action": "secretsmanager:GetSecretValue",
            "Resource": keys,
        }));
    }
    Ok(json!({ "Version": "2012-10-17", "Statement": statements }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::launcher::OwnKeys;
    use crate::tls;
    use app_gen_contract::{CheckpointId, ModelProvider};
    use aws_config::BehaviorVersion;
    use aws_sdk_ecs::config::{Credentials, Region};
    use axum::extract::{RawForm, State};
    use std::sync::{Arc, Mutex};

    fn launch(spec_uri: &str, attempt: u32, checkpoint: Option<CheckpointId>) -> Launch {
        Launch {
            job_id: "1".to_owned(),
            attempt,
            number: 1,
            spec_uri: spec_uri.to_owned(),
            checkpoint,
            lifetime: std::time::Duration::from_secs(60),
            has_start: false,
            has_attachments: false,
            delivers: false,
            own_keys: OwnKeys::default(),
            may_be_interrupted: false,
        }
    }

    #[test]
    fn a_job_reaches_its_own_objects_alone() {
        let rights = policy(&launch("s3://bucket/prefix/jobs/1/spec.json", 1, None)).unwrap();
        let own = "arn:aws:s3:::bucket/prefix/jobs/1";
        assert_eq!(
            rights["Statement"],
            json!([
                { "Effect": "Allow", "Action": "s3:GetObject", "Resource": [format!("{own}/spec.json")] },
                {
                    "Effect": "Allow",
                    "Action": "s3:PutObject",
                    "Resource": [
                        format!("{own}/app.zip"), format!("{own}/app.bundle"),
                        format!("{own}/events/*"), format!("{own}/checkpoints/1/*"),
                    ],
                },
            ])
        );
        let checkpoint = Some(CheckpointId {
            attempt: 1,
            number: 4,
        });
        let second = launch("s3://bucket/prefix/jobs/1/spec-2.json", 2, checkpoint);
        let second = policy(&second).unwrap();
        assert_eq!(
            second["Statement"][0]["Resource"],
            json!([
                format!("{own}/spec-2.json"),
                format!("{own}/checkpoints/1/0004/*")
            ]),
            "a late task of the first attempt does not read what the second one is asked"
        );
        assert_eq!(
            second["Statement"][1]["Resource"][3],
            json!(format!("{own}/checkpoints/2/*")),
            "and writes no checkpoint that the second one reads"
        );
        let lent = Launch {
            has_start: true,
            has_attachments: true,
            ..launch("s3://bucket/prefix/jobs/1/spec.json", 1, None)
        };
        assert_eq!(
            policy(&lent).unwrap()["Statement"][0]["Resource"],
            json!([
                format!("{own}/spec.json"),
                format!("{own}/start.bundle"),
                format!("{own}/attachments/*"),
            ])
        );
        assert_eq!(
            policy(&lent).unwrap()["Statement"]
                .as_array()
                .unwrap()
                .len(),
            2,
            "without keys of its tenant it reads no secret"
        );
        let arn = "arn:aws:secretsmanager:us-east-1:1:secret:p/dev/tenants/a/models/openai-a1b2c3";
        let keyed = |place: &str| Launch {
            own_keys: OwnKeys {
                places: [(ModelProvider::OpenAi, place.to_owned())].into(),
                allows_private: false,
            },
            ..launch("s3://bucket/prefix/jobs/1/spec.json", 1, None)
        };
        assert_eq!(
            policy(&keyed(arn)).unwrap()["Statement"][2],
            json!({ "Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": [arn] })
        );
        assert!(policy(&keyed("arn:aws:secretsmanager:us-east-1:1:secret:*")).is_err());
        for other in [
            "s3://bucket/jobs/1/spec-2.json",
            "file:///jobs/1/spec.json",
            "s3://bucket/jobs/1/app.zip",
            "s3://bucket/jobs/*/spec.json",
            "s3://bucket/jobs/${aws:userid}/spec.json",
        ] {
            assert!(policy(&launch(other, 1, None)).is_err(), "{other}");
        }
    }

    /// An STS that keeps what it is asked, because the local cloud judges no policy.
    async fn sts(State(asked): State<Arc<Mutex<Vec<String>>>>, RawForm(form): RawForm) -> String {
        let form = String::from_utf8(form.to_vec()).unwrap();
        asked.lock().unwrap().push(form);
        "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult>\
         <Credentials><AccessKeyId>ASIA1</AccessKeyId><SecretAccessKey>secret</SecretAccessKey>\
         <SessionToken>token</SessionToken><Expiration>2036-01-01T00:00:00Z</Expiration></Credentials>\
         <AssumedRoleUser><AssumedRoleId>A:1</AssumedRoleId><Arn>arn:aws:sts::1:assumed-role/r/1</Arn></AssumedRoleUser>\
         </AssumeRoleResult></AssumeRoleResponse>"
            .to_owned()
    }

    #[tokio::test]
    async fn each_task_is_given_a_session_of_its_job() {
        let asked = Arc::default();
        let router = axum::Router::new()
            .fallback(sts)
            .with_state(Arc::clone(&asked));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(async move { axum::serve(listener, router).await });
        let sdk = aws_config::defaults(BehaviorVersion::latest())
            .http_client(tls::aws_http_client().unwrap())
            .region(Region::from_static("us-east-1"))
            .credentials_provider(Credentials::new("id", "key", None, None, "test"))
            .endpoint_url(endpoint)
            .load()
            .await;
        let rights = JobRights::new("arn:aws:iam::1:role/r", &sdk);
        for job_id in ["1", "2"] {
            let launch = Launch {
                job_id: job_id.to_owned(),
                ..launch(&format!("s3://bucket/jobs/{job_id}/spec.json"), 1, None)
            };
            let variables = rights.lend(&launch).await.unwrap();
            assert_eq!(variables["AWS_ACCESS_KEY_ID"], "ASIA1");
            assert_eq!(variables["AWS_SECRET_ACCESS_KEY"], "secret");
            assert_eq!(variables["AWS_SESSION_TOKEN"], "token");
        }
        server.abort();
        let asked: Vec<String> = std::mem::take(&mut asked.lock().unwrap());
        assert_eq!(asked.len(), 2, "a session is not shared");
        for (form, own, other) in [(&asked[0], "1", "2"), (&asked[1], "2", "1")] {
            let names = |job: &str| form.contains(&format!("jobs%2F{job}%2Fapp.zip"));
            assert!(names(own) && !names(other), "{form}");
            assert!(form.contains(&format!("RoleSessionName={own}")), "{form}");
            assert!(form.contains("DurationSeconds=3600"), "{form}");
        }
    }
}

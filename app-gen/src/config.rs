//! Where the job comes from: `JOB_SPEC_URI`, or the variables of a manual run.

use std::path::PathBuf;
use std::time::Duration;

use app_gen_contract::{Budget, JobSpec, MAX_SPEC_BYTES, env};

use crate::failure::{Failure, reason};
use crate::location::Location;

/// Id in the events of a job whose id is not known.
pub(crate) const UNKNOWN_JOB_ID: &str = "unknown";

const DEFAULT_PROVIDER: &str = "template";

const HOW_TO_START: &str = "set JOB_SPEC_URI=s3://BUCKET/jobs/ID/spec.json (or file:///…), \
     or REQUEST_ID and APP_DESCRIPTION for a manual run";

/// The source that the environment names, before anything is fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// The spec is an object or a file.
    Uri(String),
    /// The spec was put together from variables.
    Manual(Box<JobSpec>),
}

/// Reads the environment through `lookup`; an empty variable counts as unset. `current_dir` holds the
/// results of a manual run without `ARTIFACT_URI`.
pub(crate) fn read_source(
    lookup: &dyn Fn(&str) -> Option<String>,
    current_dir: Option<PathBuf>,
) -> Result<Source, Failure> {
    let read = |name: &str| lookup(name).filter(|value| !value.is_empty());
    if let Some(uri) = read(env::JOB_SPEC_URI) {
        return Ok(Source::Uri(uri));
    }
    let required = |name: &str| {
        read(name).ok_or_else(|| {
            Failure::bad_spec(
                format!("neither {} nor {name} is set", env::JOB_SPEC_URI),
                HOW_TO_START,
            )
        })
    };
    let job_id = required(env::REQUEST_ID)?;
    let description = required(env::APP_DESCRIPTION)?;
    let provider = read(env::GENERATOR_PROVIDER).unwrap_or_else(|| DEFAULT_PROVIDER.to_owned());
    let artifact_uri = match read(env::ARTIFACT_URI) {
        Some(uri) => uri,
        None => current_dir
            .and_then(|folder| {
                folder
                    .join("out")
                    .to_str()
                    .map(|path| format!("file://{path}"))
            })
            .ok_or_else(|| {
                Failure::bad_spec("the current folder has no usable path", "set ARTIFACT_URI")
            })?,
    };
    let micro_usd = read(env::BUDGET_USD)
        .map(|text| micro_usd(&text))
        .transpose()?;
    let model = read(env::GENERATOR_MODEL);
    JobSpec::new(&job_id, &description, &provider, &artifact_uri)
        .and_then(|spec| {
            let budget = Budget {
                micro_usd,
                ..spec.budget
            };
            let spec = JobSpec {
                model,
                budget,
                ..spec
            };
            spec.checked()
        })
        .map(|spec| Source::Manual(Box::new(spec)))
        .map_err(|error| Failure::bad_spec(error.to_string(), HOW_TO_START))
}

/// Dollars as whole millionths.
fn micro_usd(text: &str) -> Result<u64, Failure> {
    app_gen_contract::micro_usd(text).ok_or_else(|| {
        Failure::bad_spec(
            format!(
                "{} is {text:?}, which is no amount of dollars",
                env::BUDGET_USD
            ),
            "set it to an amount, 0.50 for example, or leave it out",
        )
    })
}

/// How long the process may live; `None` in a manual run, which nobody forgets.
pub(crate) fn read_lifetime(
    lookup: &dyn Fn(&str) -> Option<String>,
) -> Result<Option<Duration>, Failure> {
    let name = env::JOB_LIFETIME_SECS;
    let Some(text) = lookup(name).filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    match text.parse() {
        Ok(seconds) if seconds > 0 => Ok(Some(Duration::from_secs(seconds))),
        _ => Err(Failure::bad_spec(
            format!("{name} is {text:?}, which is not a number of seconds from 1"),
            "set it to a number, or leave it out",
        )),
    }
}

/// The job's id for events before the spec is read: the name of the folder that holds the spec, or
/// `REQUEST_ID`, otherwise [`UNKNOWN_JOB_ID`].
pub(crate) fn guess_job_id(lookup: &dyn Fn(&str) -> Option<String>) -> String {
    let from_uri =
        lookup(env::JOB_SPEC_URI).and_then(|uri| uri.rsplit('/').nth(1).map(str::to_owned));
    from_uri
        .or_else(|| lookup(env::REQUEST_ID))
        .filter(|id| app_gen_contract::validate_job_id(id).is_ok())
        .unwrap_or_else(|| UNKNOWN_JOB_ID.to_owned())
}

/// The spec itself.
pub(crate) async fn load_spec(source: &Source) -> Result<JobSpec, Failure> {
    let uri = match source {
        Source::Manual(spec) => return Ok(JobSpec::clone(spec)),
        Source::Uri(uri) => uri,
    };
    let unreadable = |error: anyhow::Error| {
        Failure::bad_spec(
            reason(&error),
            "check that JOB_SPEC_URI names an object this task may read",
        )
    };
    let bytes = Location::open(uri)
        .map_err(unreadable)?
        .read(MAX_SPEC_BYTES)
        .await
        .map_err(unreadable)?;
    JobSpec::from_json(&bytes).map_err(|error| {
        Failure::bad_spec(
            format!("{uri}: {error}"),
            "write the spec as app-gen-contract's JobSpec",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup(pairs: &[(&str, &str)]) -> impl Fn(&str) -> Option<String> {
        let pairs: Vec<(String, String)> = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        move |name| {
            pairs
                .iter()
                .find(|pair| pair.0 == name)
                .map(|pair| pair.1.clone())
        }
    }

    #[test]
    fn the_spec_uri_comes_first() {
        let environment = lookup(&[
            ("JOB_SPEC_URI", "s3://b/jobs/j1/spec.json"),
            ("REQUEST_ID", "other"),
        ]);
        assert_eq!(
            read_source(&environment, None),
            Ok(Source::Uri("s3://b/jobs/j1/spec.json".to_owned()))
        );
        assert_eq!(guess_job_id(&environment), "j1");
    }

    #[test]
    fn a_manual_run_has_defaults() {
        let environment = lookup(&[
            ("REQUEST_ID", "j2"),
            ("APP_DESCRIPTION", "a list"),
            ("JOB_SPEC_URI", ""),
        ]);
        let spec = JobSpec::new("j2", "a list", "template", "file:///somewhere/out").unwrap();
        assert_eq!(
            read_source(&environment, Some("/somewhere".into())),
            Ok(Source::Manual(Box::new(spec)))
        );
    }

    #[test]
    fn a_manual_run_has_a_model_and_a_budget() {
        let with = |name, value| {
            let pairs = [("REQUEST_ID", "j"), ("APP_DESCRIPTION", "x"), (name, value)];
            read_source(&lookup(&pairs), Some("/somewhere".into()))
        };
        let Ok(Source::Manual(spec)) = with("BUDGET_USD", "0.5") else {
            panic!("it is refused");
        };
        assert_eq!(spec.budget.micro_usd, Some(500_000));
        let Ok(Source::Manual(spec)) = with("GENERATOR_MODEL", "gpt-6-sol") else {
            panic!("it is refused");
        };
        assert_eq!(spec.model.as_deref(), Some("gpt-6-sol"));
        for amount in ["-1", "much", "NaN", "1e30"] {
            let refusal = with("BUDGET_USD", amount).unwrap_err().reason;
            assert!(refusal.starts_with("BUDGET_USD is \""), "{refusal}");
        }
        let refusal = with("GENERATOR_MODEL", "a b").unwrap_err().reason;
        assert!(refusal.starts_with("model \"a b\""), "{refusal}");
    }

    #[test]
    fn a_lifetime_is_a_number_of_seconds() {
        let lifetime = |text: &str| read_lifetime(&lookup(&[("JOB_LIFETIME_SECS", text)]));
        assert_eq!(lifetime(""), Ok(None));
        assert_eq!(lifetime("1860"), Ok(Some(Duration::from_secs(1860))));
        for text in ["0", "-1", "soon"] {
            let refusal = lifetime(text).unwrap_err().reason;
            assert!(refusal.starts_with("JOB_LIFETIME_SECS is \""), "{refusal}");
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        let refusal = |pairs| read_source(&lookup(pairs), None).unwrap_err();
        assert_eq!(
            refusal(&[]).reason,
            "neither JOB_SPEC_URI nor REQUEST_ID is set"
        );
        assert_eq!(
            refusal(&[("REQUEST_ID", "j")]).reason,
            "neither JOB_SPEC_URI nor APP_DESCRIPTION is set"
        );
        let bad_id = refusal(&[
            ("REQUEST_ID", "a b"),
            ("APP_DESCRIPTION", "x"),
            ("ARTIFACT_URI", "s3://b/c"),
        ]);
        assert!(bad_id.reason.starts_with("job_id"));
        assert_eq!(bad_id.exit_code, app_gen_contract::exit::BAD_SPEC);
        assert_eq!(
            guess_job_id(&lookup(&[("REQUEST_ID", "a b")])),
            UNKNOWN_JOB_ID
        );
        assert_eq!(
            guess_job_id(&lookup(&[("JOB_SPEC_URI", "nonsense")])),
            UNKNOWN_JOB_ID
        );
    }
}

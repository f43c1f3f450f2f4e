//! What an operator sees of the orchestrator, and where it goes.

use std::path::PathBuf;

use crate::config::{ConfigError, Environment, environment};

/// Metrics and traces; both are off unless they are asked for.
#[derive(Debug, Clone, Default)]
pub struct ObserveConfig {
    /// Which metrics are written, if any are.
    pub metrics: Option<MetricsConfig>,
    /// Where traces go, if they are written.
    pub traces: Option<TracesConfig>,
}

/// Which metrics are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricsConfig {
    /// CloudWatch's namespace for them.
    pub namespace: String,
    /// Only what alarms watch is a metric; everything else is in the lines all the same.
    pub only_alarmed: bool,
}

/// Where traces go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TracesConfig {
    /// To a collector: the part of its URL before `/v1/traces`.
    Endpoint(String),
    /// To the end of a file.
    File(PathBuf),
}

impl ObserveConfig {
    pub(super) fn from_environment(environment: &Environment) -> Result<Self, ConfigError> {
        let namespace = environment
            .get(environment::METRICS_NAMESPACE)
            .unwrap_or("app-gen");
        let is_name = (1..=255).contains(&namespace.len())
            && namespace
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"._-/#:".contains(&byte));
        if !is_name {
            return Err(ConfigError::new(
                environment::METRICS_NAMESPACE,
                "is not 1 to 255 letters, digits and `.`, `_`, `-`, `/`, `#`, `:`",
            ));
        }
        let metrics = |only_alarmed| {
            Some(MetricsConfig {
                namespace: namespace.to_owned(),
                only_alarmed,
            })
        };
        let metrics = match environment.get(environment::METRICS) {
            None | Some("none") => None,
            Some("emf") => metrics(false),
            Some("emf-alarms") => metrics(true),
            Some(other) => {
                return Err(ConfigError::new(
                    environment::METRICS,
                    format!("is {other:?}; it takes \"emf\", \"emf-alarms\" or \"none\""),
                ));
            }
        };
        Ok(Self {
            metrics,
            traces: traces(environment)?,
        })
    }
}

fn traces(environment: &Environment) -> Result<Option<TracesConfig>, ConfigError> {
    let file = environment.get(environment::OTEL_TRACES_FILE);
    let Some(endpoint) = environment.get(environment::OTEL_EXPORTER_OTLP_ENDPOINT) else {
        return Ok(file.map(|path| TracesConfig::File(path.into())));
    };
    if file.is_some() {
        return Err(ConfigError::new(
            environment::OTEL_TRACES_FILE,
            "is set beside OTEL_EXPORTER_OTLP_ENDPOINT; traces go to one of them",
        ));
    }
    let rest = endpoint
        .strip_prefix("http://")
        .or_else(|| endpoint.strip_prefix("https://"));
    // A password in it would be shown with the configuration.
    if rest.is_none_or(|rest| rest.is_empty() || rest.contains('@')) {
        return Err(ConfigError::new(
            environment::OTEL_EXPORTER_OTLP_ENDPOINT,
            "is no http:// or https:// URL without a password; http://localhost:4318 is one",
        ));
    }
    Ok(Some(TracesConfig::Endpoint(endpoint.to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Result<ObserveConfig, ConfigError> {
        ObserveConfig::from_environment(&variables.iter().copied().collect())
    }

    #[test]
    fn nothing_is_written_unless_it_is_asked_for() {
        let config = of(&[]).unwrap();
        assert_eq!((config.metrics, config.traces), (None, None));
        let config = of(&[
            ("METRICS", "emf"),
            ("METRICS_NAMESPACE", "mine"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4318"),
        ]);
        let config = config.unwrap();
        let metrics = MetricsConfig {
            namespace: "mine".to_owned(),
            only_alarmed: false,
        };
        assert_eq!(config.metrics, Some(metrics));
        let endpoint = TracesConfig::Endpoint("http://localhost:4318".to_owned());
        assert_eq!(config.traces, Some(endpoint));
    }

    #[test]
    fn what_cannot_be_used_is_refused_without_the_password_in_it() {
        for (variable, value) in [
            ("METRICS", "statsd"),
            ("METRICS_NAMESPACE", "a b"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4318"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://user:secret@host"),
        ] {
            let error = of(&[(variable, value)]).unwrap_err();
            assert_eq!(error.variable, variable);
            assert!(!error.to_string().contains("secret"));
        }
    }
}

//! The alarms of `metrics.toml`, evaluated as CloudWatch does: by the statistic of a metric in each period.

use serde_json::Value;

/// An alarm on an embedded metric: greater than the threshold in the last period.
#[derive(Debug)]
pub struct Alarm {
    metric: String,
    statistic: String,
    threshold: f64,
}

impl Alarm {
    /// The alarm with this name. A few lines of the file need no reader of its format, which would have these tests
    /// compiled with other dependencies than the binary.
    pub fn of(name: &str) -> Self {
        let file =
            std::fs::read_to_string("../app-gen-infra/cdk/lib/observability/metrics.toml").unwrap();
        let (_, table) = file.split_once(&format!("[alarms.{name}]\n")).unwrap();
        let table = table.split("\n[").next().unwrap();
        let value = |key: &str| {
            let mut lines = table.lines();
            let value = lines.find_map(|line| line.strip_prefix(key)?.strip_prefix(" = "));
            let value = value.unwrap_or_else(|| panic!("{name} has no {key}"));
            value.trim_matches('"').to_owned()
        };
        // All lines of a test are of one period.
        assert_eq!(value("periods"), "1");
        Self {
            metric: value("metric"),
            statistic: value("statistic"),
            threshold: value("threshold").parse().unwrap(),
        }
    }

    /// Whether it fires where these lines are all of a period. Without data, it does not.
    pub fn fires(&self, lines: &[Value]) -> bool {
        let values = series(lines, &self.metric);
        let value = match self.statistic.as_str() {
            "Sum" => values.iter().sum::<f64>(),
            "Maximum" => values.iter().copied().fold(f64::MIN, f64::max),
            other => panic!("the statistic {other} is not known here"),
        };
        !values.is_empty() && value > self.threshold
    }
}

/// The values of a metric in these lines, as CloudWatch takes them: only what a line declares counts.
pub fn series(lines: &[Value], metric: &str) -> Vec<f64> {
    let declares = |line: &&Value| {
        let metrics = line["_aws"]["CloudWatchMetrics"][0]["Metrics"].as_array();
        metrics.is_some_and(|metrics| metrics.iter().any(|one| one["Name"] == metric))
    };
    let values = lines.iter().filter(declares).map(|line| &line[metric]);
    values
        .flat_map(|value| match value {
            Value::Array(values) => values
                .iter()
                .map(|value| value.as_f64().unwrap())
                .collect::<Vec<_>>(),
            one => vec![one.as_f64().unwrap()],
        })
        .collect()
}

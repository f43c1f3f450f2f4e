//! The committed manifest, and the errors for faulty ones.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use app_gen_infra::{
    ALARMED_METRICS, EMBEDDED_METRICS, Instance, MANIFEST_PATH, PRICES_PATH, Platform, Prices,
    StorageMode,
};
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

fn committed() -> String {
    std::fs::read_to_string(root().join(MANIFEST_PATH)).unwrap()
}

/// The error for the committed manifest with one passage replaced.
fn error(from: &str, to: &str) -> String {
    let text = committed();
    assert!(text.contains(from), "the manifest has no {from}");
    Platform::parse(&text.replacen(from, to, 1), &root())
        .unwrap_err()
        .to_string()
}

#[test]
fn the_committed_manifest_is_sound() {
    let platform = Platform::load_for(&root(), Instance::Developer).unwrap();
    assert_eq!(
        platform.images["orchestrator"].repository,
        "app-gen-saas-app"
    );
    assert_eq!(platform.orchestrator().port, 5013);
    assert_eq!(*platform.orchestrator().desired_tasks.get_ref(), 1);
    assert_eq!(platform.local.registry(), "localhost:5000");
    assert_eq!(platform.local.key("cloud_port"), "local.cloud_port");
}

#[test]
fn the_tests_have_an_instance_of_their_own() {
    let developers = Platform::load_for(&root(), Instance::Developer).unwrap();
    let tests = Platform::load_for(&root(), Instance::Test).unwrap();
    assert_ne!(tests.local.registry(), developers.local.registry());
    assert_eq!(tests.local.registry(), tests.local_test.registry());
    assert_eq!(tests.local.key("cloud_port"), "local_test.cloud_port");
}

#[test]
fn a_service_that_names_no_number_of_tasks_runs_one() {
    let text = committed().replace("desired_tasks = 1\n", "");
    let platform = Platform::parse(&text, &root()).unwrap();
    assert_eq!(*platform.orchestrator().desired_tasks.get_ref(), 1);
}

#[test]
fn faults_of_previews_are_named() {
    let table = "[tasks.preview]\n";
    let errors = [
        error(table, &format!("{table}role = \"app-preview-role\"\n")),
        error(table, &format!("{table}secret = \"generator\"\n")),
        error("role = \"app-generator-task-role\"\n", ""),
        error("time_to_live_secs = 1800", "time_to_live_secs = 10"),
        error("max_previews = 10", "max_previews = 0"),
        error("port = 5081", "port = 5080"),
        error("control_port = 5080", "control_port = 20000"),
        error(
            "account = \"000000000001\"",
            "account = \"000000000001\"\npreview_host = \"*.Example\"",
        ),
    ];
    for (error, said) in errors.iter().zip([
        "a preview has no rights, so it has no role",
        "a preview is given no secret",
        "`tasks.generator.role`: is missing",
        "must be from 300 to 86400",
        "must be from 1 to 100",
        "is also previews.control_port",
        "must be from 1024 to 8000",
        "`*.Example` is not a name of a host",
    ]) {
        assert!(
            error.starts_with("app-gen-infra/platform.toml:") && error.contains(said),
            "{error}"
        );
    }
    let text = committed().replacen(
        "account = \"000000000001\"",
        "account = \"000000000001\"\npreview_host = \"preview.app.example.com\"",
        1,
    );
    let platform = Platform::parse(&text, &root()).unwrap();
    let host = platform.environments["dev"].preview_host.as_ref().unwrap();
    assert_eq!(host.get_ref(), "preview.app.example.com");
    assert!(platform.preview().role.is_none());
    assert_eq!(platform.generator_role(), "app-generator-task-role");
}

#[test]
fn a_fresh_machine_needs_no_secret() {
    let platform = Platform::load(&root()).unwrap();
    for secret in ["orchestrator", "generator", "deliverer"] {
        assert!(platform.required_secret_keys(secret, "local").is_empty());
    }
    assert_eq!(
        platform.required_secret_keys("orchestrator", "prod"),
        ["DATABASE_URL"]
    );
}

#[test]
fn tokens_that_deliver_are_handed_over_where_they_are_and_to_no_agent() {
    let platform = Platform::load(&root()).unwrap();
    let deliverer = platform.generator().deliverer.as_ref().unwrap();
    let secret = deliverer.secret.get_ref();
    let tokens = platform.optional_secret_keys(secret, "dev");
    assert_eq!(tokens, ["FLY_API_TOKEN", "GITHUB_BOT_TOKEN"]);
    assert!(platform.alternative_secret_keys(secret, "dev").is_empty());
    let of_agents = platform.optional_secret_keys("generator", "dev");
    assert!(of_agents.iter().all(|key| !tokens.contains(key)));
    let text = committed().replace("secret = \"deliverer\"", "secret = \"deliverers\"");
    let refused = Platform::parse(&text, &root()).unwrap_err().to_string();
    assert!(
        refused.contains("there is no secret `deliverers`"),
        "{refused}"
    );
}

#[test]
fn a_mode_requires_its_keys() {
    let text = committed().replace("AUTH_MODE = \"none\"", "AUTH_MODE = \"supabase\"");
    let platform = Platform::parse(&text, &root()).unwrap();
    assert_eq!(
        platform.required_secret_keys("orchestrator", "local"),
        ["SUPABASE_ANON_KEY", "SUPABASE_URL"]
    );
}

#[test]
fn an_environment_that_keeps_everything_in_dynamodb_needs_no_database() {
    let own = "database_usd_per_month = 25\n";
    let text = committed().replace(own, "storage_mode = \"dynamodb\"\n");
    let platform = Platform::parse(&text, &root()).unwrap();
    assert_eq!(platform.storage_mode("prod"), StorageMode::DynamoDb);
    assert_eq!(platform.storage_mode("dev"), StorageMode::Database);
    assert_eq!(
        platform.required_secret_keys("orchestrator", "prod"),
        [""; 0]
    );
    assert_eq!(
        platform.required_secret_keys("orchestrator", "dev"),
        ["DATABASE_URL"]
    );
    let both = error(own, &format!("{own}storage_mode = \"dynamodb\"\n"));
    assert!(both.contains("delete the line"), "{both}");
    let shared = error(
        "AUTH_MODE = \"none\",",
        "AUTH_MODE = \"none\", STORAGE_MODE = \"database\",",
    );
    assert!(
        shared.contains("write `storage_mode` into each"),
        "{shared}"
    );
}

#[test]
fn a_provider_needs_one_of_its_keys_and_jobs_may_choose_another() {
    let keys = |mode: &str| {
        let text = committed().replace("GENERATOR_PROVIDER = \"template\"", mode);
        let platform = Platform::parse(&text, &root()).unwrap();
        assert!(platform.required_secret_keys("generator", "dev").is_empty());
        let optional = platform.optional_secret_keys("generator", "dev");
        assert_eq!(
            optional,
            [
                "ANTHROPIC_API_KEY",
                "CLAUDE_CODE_OAUTH_TOKEN",
                "OPENAI_API_KEY"
            ]
        );
        let groups = platform.alternative_secret_keys("generator", "dev");
        groups
            .into_iter()
            .map(|group| group.join(" "))
            .collect::<Vec<_>>()
    };
    assert_eq!(keys("GENERATOR_PROVIDER = \"template\""), [""; 0]);
    assert_eq!(
        keys("GENERATOR_PROVIDER = \"claude\""),
        ["ANTHROPIC_API_KEY CLAUDE_CODE_OAUTH_TOKEN"]
    );
    assert_eq!(keys("GENERATOR_PROVIDER = \"codex\""), ["OPENAI_API_KEY"]);
    let scripted = "GENERATOR_PROVIDER = \"codex\", MODEL_SCRIPT = \"create\"";
    assert_eq!(keys(scripted), [""; 0]);
}

#[test]
fn faults_are_named_by_line_and_key() {
    let cases = [
        ("port = 5013", "port = \"5013\""),
        ("secret = \"generator\"", "secret = \"generators\""),
        ("image = \"orchestrator\"", "image = \"application\""),
        ("health_path = \"/health\"", "health_path = \"health\""),
        ("account = \"000000000001\"", "account = \"1\""),
        ("desired_tasks = 1", "desired_tasks = 0"),
        ("web = [\"orchestrator\"]", "web = [\"orchestra\"]"),
        ("web = [\"orchestrator\"]", "web = []"),
        ("cloud_port = 4566", "cloud_port = 5000"),
        ("cloud_port = 4576", "cloud_port = 5000"),
        ("\"app-gen-test\"", "\"app-gen-validate\""),
        ("log_retention_days = 14", "log_retention_days = 8"),
        ("vpc_cidr = \"10.12.0.0/16\"", "vpc_cidr = \"10.12.0.1/16\""),
        ("vpc_cidr = \"10.12.0.0/16\"", "vpc_cidr = \"10.0.0.0/8\""),
        ("budget_usd_per_month = 150\n", ""),
        ("budget_usd_per_month = 150", "budget_usd_per_month = 0"),
        (
            "alarm_email = \"alarms@example.com\"",
            "alarm_email = \"alarms\"",
        ),
        (
            "protected = true",
            "certificate_arn = \"arn:aws:acm:eu-west-1:000000000003:certificate/c\"",
        ),
        (
            "prod = { cpu_units = 1024",
            "production = { cpu_units = 1024",
        ),
        (
            "DATABASE_URL = { environments = [\"dev\"",
            "DATABASE_URL = { environments = [\"moon\"",
        ),
        ("orchestrator_hours = 730", "orchestrator_hours = 745"),
        ("generator_hours = 50", "generator_hours = -1"),
        ("account = \"000000000002\"", "account = \"000000000001\""),
        ("account = \"000000000002\"", "account = \"000000000000\""),
        ("\"203.0.113.0/24\"", "\"203.0.113.7/24\""),
        ("\"203.0.113.0/24\"", "\"203.0.113.0/+24\""),
        ("\"203.0.113.0/24\"", "\"::/0\""),
        (
            "vpc_cidr = \"10.10.0.0/16\"",
            "vpc_cidr = \"10.10.0.0/16\"\nallowed_cidrs = [\"203.0.113.0/24\"]",
        ),
        ("database_usd_per_month = 25\n", ""),
        ("traffic_gb = 5", "trafic_gb = 5"),
        ("region = \"us-east-1\"\n", ""),
        ("[local]", "[local"),
    ];
    let errors: Vec<String> = cases
        .iter()
        .map(|(from, to)| format!("{to:?}\n    {}", error(from, to)))
        .collect();
    insta::assert_snapshot!(errors.join("\n"));
}

/// Why the environment is open to strangers, with passages of the committed manifest replaced.
fn exposed(environment: &str, changes: &[(&str, &str)]) -> Option<String> {
    let text = changes.iter().fold(committed(), |text, (from, to)| {
        assert!(text.contains(from), "the manifest has no {from}");
        text.replace(from, to)
    });
    let platform = Platform::parse(&text, &root()).unwrap();
    platform.exposed(environment).map(ToString::to_string)
}

#[test]
fn an_environment_on_aws_that_lets_strangers_in_is_named_by_line_and_key() {
    const OPEN: (&str, &str) = ("allowed_cidrs = [\"203.0.113.0/24\"]\n", "");
    const LOGIN: (&str, &str) = ("AUTH_MODE = \"none\"", "AUTH_MODE = \"login\"");
    const CERTIFIED: (&str, &str) = (
        "account = \"000000000001\"",
        "account = \"000000000001\"\ncertificate_arn = \"arn:aws:acm:us-east-1:000000000001:certificate/c\"",
    );
    assert_eq!(exposed("local", &[OPEN]), None);
    assert_eq!(exposed("dev", &[]), None);
    assert_eq!(exposed("dev", &[OPEN, LOGIN, CERTIFIED]), None);
    let block = |block| ("\"203.0.113.0/24\"", block);
    assert_eq!(exposed("dev", &[block("\"10.0.0.0/8\"")]), None);
    let faults: Vec<String> = [
        ("dev", vec![OPEN]),
        (
            "staging",
            vec![("allowed_cidrs = [\"203.0.113.0/24\"]", "allowed_cidrs = []")],
        ),
        ("dev", vec![OPEN, ("AUTH_MODE = \"none\", ", "")]),
        ("dev", vec![block("\"0.0.0.0/0\"")]),
        ("dev", vec![block("\"0.0.0.0/1\", \"128.0.0.0/1\"")]),
        ("dev", vec![block("\"10.0.0.0/8\", \"203.0.113.7/32\"")]),
        ("dev", vec![OPEN, LOGIN]),
        ("prod", vec![]),
        ("prod", vec![LOGIN]),
    ]
    .iter()
    .map(|(environment, changes)| exposed(environment, changes).unwrap())
    .collect();
    insta::assert_snapshot!(faults.join("\n"));
}

#[test]
fn only_the_platform_that_binaries_are_compiled_for_is_taken() {
    for other in [
        "linux/arm64",
        "linux/amd64/v2",
        "linux/x86_64",
        "linux/amd64,linux/arm64",
        "windows/amd64",
        "nonsense",
        "",
        " linux/amd64",
    ] {
        let error = error(
            "platform = \"linux/amd64\"",
            &format!("platform = \"{other}\""),
        );
        let line = 1 + committed()
            .lines()
            .position(|line| line.starts_with("platform = "))
            .unwrap();
        assert_eq!(
            error,
            format!(
                "app-gen-infra/platform.toml:{line}: `platform`: `{other}` is not supported: \
                 every binary is compiled for linux/amd64, so write `linux/amd64`"
            )
        );
    }
}

#[test]
fn each_price_has_a_source_and_a_month() {
    let prices = Prices::committed().unwrap();
    assert_eq!(prices.region, Platform::load(&root()).unwrap().region);
    for (name, price) in prices.all() {
        assert!(price.usd > 0.0, "{name}");
        assert!(
            price.source.starts_with("https://aws.amazon.com/"),
            "{name}"
        );
        let month: Vec<&str> = price.as_of.split('-').collect();
        assert_eq!(
            month.iter().map(|part| part.len()).collect::<Vec<_>>(),
            [4, 2],
            "{name}"
        );
    }
}

#[test]
fn faulty_prices_are_refused_by_name() {
    let committed = std::fs::read_to_string(root().join(PRICES_PATH)).unwrap();
    for (from, to, said) in [
        (
            "usd = 0.0225",
            "usd = 0.0",
            "`load_balancer` is 0, which is not a price",
        ),
        (
            "usd = 0.0225",
            "usd = nan",
            "`load_balancer` is NaN, which is not a price",
        ),
        ("[load_balancer]", "[balancer]", "unknown field `balancer`"),
        ("per = \"GB\"\n", "", "missing field `per`"),
    ] {
        assert!(committed.contains(from), "{from}");
        let error = Prices::parse(&committed.replacen(from, to, 1)).unwrap_err();
        let text = error.to_string();
        assert!(
            text.starts_with(PRICES_PATH) && text.contains(said),
            "{text}"
        );
    }
}

#[test]
fn the_metrics_that_are_paid_for_are_those_of_the_file() {
    let text =
        std::fs::read_to_string(root().join("app-gen-infra/cdk/lib/observability/metrics.toml"))
            .unwrap();
    let file: toml::Table = text.parse().unwrap();
    let metrics = file["metrics"].as_array().unwrap();
    assert_eq!(metrics.len(), EMBEDDED_METRICS as usize);
    let alarms = file["alarms"].as_table().unwrap();
    let mut alarmed: Vec<_> = alarms.values().map(|alarm| &alarm["metric"]).collect();
    assert!(alarmed.iter().all(|metric| metrics.contains(metric)));
    alarmed.sort_by(|one, other| one.as_str().cmp(&other.as_str()));
    alarmed.dedup();
    assert_eq!(alarmed.len(), ALARMED_METRICS as usize);
}

#[test]
fn faults_of_packages_are_named() {
    let cases = [
        "apt = { packages = [], to = \"debian\" }",
        "apt = { packages = [\"git\", \"Git\"], to = \"debian\" }",
        "apt = { packages = [\"git\", \"git; reboot\"], to = \"debian\" }",
        "apt = { packages = [\"git\", \"bash\", \"git\"], to = \"debian\" }",
        "apt = { packages = [\"git\"], to = \"../debian\" }",
        "apt = { packages = [\"git\"], to = \"/\" }",
        "npm_tools = { folder = \"tools\", files = { a = \"b\" } }",
        "npm_tools = { folder = \"app-gen\", files = {} }",
        "npm_tools = { folder = \"app-gen\", files = { a = \"../b\" } }",
        "npm_tools = { folder = \"app-gen\", files = { \"a/\" = \"b\" } }",
        "npm_tools = { folder = \"app-gen\", files = { \"a/b\" = \"c\", a = \"d\" } }",
    ];
    let errors: Vec<String> = cases
        .iter()
        .map(|line| {
            let table = "[images.orchestrator]\n";
            let error = error(table, &format!("{table}{line}\n"));
            format!("{line}\n    {error}")
        })
        .collect();
    insta::assert_snapshot!(errors.join("\n"));
}

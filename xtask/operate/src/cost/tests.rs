use super::*;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;
use xtask_core::context::Context;
use xtask_core::error::Rendered;
use xtask_core::report::{Report, Verbosity};
use xtask_machine::cdk;

fn root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.ancestors().nth(2).unwrap().to_owned()
}

fn platform() -> Platform {
    Platform::load(&root()).unwrap()
}

/// The committed manifest with passages replaced.
fn changed(changes: &[(&str, &str)]) -> Platform {
    let mut text = fs::read_to_string(root().join(MANIFEST_PATH)).unwrap();
    for (from, to) in changes {
        assert!(text.contains(from), "the manifest has no {from}");
        text = text.replacen(from, to, 1);
    }
    Platform::parse(&text, &root()).unwrap()
}

/// The sum of the lines whose part begins with `part`.
fn sum(month: &Month, part: &str) -> f64 {
    let lines = month
        .lines
        .iter()
        .filter(|line| line.part.starts_with(part));
    cents(lines.map(|line| line.usd).sum()) / 100.0
}

#[test]
fn every_committed_environment_stays_below_its_ceiling() {
    for (environment, ceiling) in [("dev", 50), ("staging", 50), ("prod", 150)] {
        let month = month(&platform(), environment, None).unwrap();
        assert_eq!(month.ceiling_usd, Some(ceiling));
        assert!(month.total_usd > 30.0, "{month:?}");
        check(&month).unwrap();
    }
    let local = month(&platform(), "local", None).unwrap();
    assert_eq!((local.lines.len(), local.total_usd), (0, 0.0));
    check(&local).unwrap();
}

#[test]
fn figures_are_those_of_the_price_lists() {
    let size = "dev = { cpu_units = 256, memory_mib = 512 }";
    for (cpu_units, memory_mib, usd) in [(256, 512, 9.01), (512, 1024, 18.02), (1024, 2048, 36.04)]
    {
        let other = format!("dev = {{ cpu_units = {cpu_units}, memory_mib = {memory_mib} }}");
        let month = month(&changed(&[(size, &other)]), "dev", None).unwrap();
        let address = sum(&month, "orchestrator, address");
        assert_eq!(cents(sum(&month, "orchestrator") - address), cents(usd));
        assert_eq!(address, 3.65);
        assert_eq!(
            sum(&month, "load balancer") - sum(&month, "load balancer's work"),
            23.73
        );
    }
}

#[test]
fn a_month_of_jobs_in_dynamodb_is_priced() {
    let own = "database_usd_per_month = 25\n";
    let platform = changed(&[(own, "storage_mode = \"dynamodb\"\n")]);
    let of_thousand = month(&platform, "prod", None).unwrap();
    assert_eq!(sum(&of_thousand, "table, written"), 9.38);
    assert_eq!(sum(&of_thousand, "table, read"), 1.49);
    assert_eq!(sum(&of_thousand, "table, kept"), 0.9);
    assert_eq!(sum(&of_thousand, "queue"), 0.05);
    assert_eq!(sum(&of_thousand, "database"), 0.0);
    let usage = "[environments.prod.usage]\n";
    let more = format!("{usage}jobs = 2000\n");
    let platform = changed(&[(own, "storage_mode = \"dynamodb\"\n"), (usage, &more)]);
    let of_more = month(&platform, "prod", None).unwrap();
    assert_eq!(sum(&of_more, "table, written"), 18.75);
    assert_eq!(
        sum(&month(&self::platform(), "prod", None).unwrap(), "table"),
        0.0
    );
}

#[test]
fn an_environment_over_its_ceiling_is_refused() {
    let platform = changed(&[(
        "dev = { cpu_units = 256, memory_mib = 512 }",
        "dev = { cpu_units = 1024, memory_mib = 2048 }",
    )]);
    let month = month(&platform, "dev", None).unwrap();
    let refusal = Rendered::new(&check(&month).unwrap_err().into());
    insta::assert_json_snapshot!(refusal, @r#"
    {
      "message": "a month of dev costs 76.93 $, more than its ceiling of 50 $ (`environments.dev.budget_usd_per_month` in app-gen-infra/platform.toml); most of it: orchestrator, processor 29.55 $, load balancer 16.43 $, load balancer's addresses 7.30 $",
      "causes": [],
      "hint": "cargo xtask cost --env dev",
      "exit_code": 4
    }
    "#);
}

#[test]
fn metrics_that_no_alarm_watches_are_paid_for_where_the_manifest_asks_for_them() {
    let of = |platform: &Platform| {
        let month = month(platform, "prod", None).unwrap();
        sum(&month, "metrics of the orchestrator")
    };
    assert_eq!(of(&platform()), 0.9);
    let mode = "environment = { AUTH_MODE = \"none\",";
    let all = changed(&[(mode, &format!("{mode} METRICS = \"emf\","))]);
    assert_eq!(of(&all), 4.2);
}

#[test]
fn a_month_may_cost_as_much_as_its_ceiling_and_not_more() {
    let mut month = month(&platform(), "dev", None).unwrap();
    for (left_usd, is_admitted) in [(0.01, true), (0.0, true), (-0.01, false)] {
        month.left_usd = Some(left_usd);
        assert_eq!(check(&month).is_ok(), is_admitted, "{left_usd}");
    }
}

#[test]
fn prices_of_another_region_are_refused() {
    let elsewhere = changed(&[("region = \"us-east-1\"", "region = \"eu-west-1\"")]);
    let error = Rendered::new(&month(&elsewhere, "dev", None).unwrap_err());
    assert_eq!(error.exit_code, Code::Manifest as u8);
    assert!(error.message.contains("eu-west-1"), "{}", error.message);
}

/// A month of `dev` with this usage.
fn month_of(usage: Usage) -> Month {
    let mut platform = platform();
    platform.environments.get_mut("dev").unwrap().usage = usage;
    month(&platform, "dev", None).unwrap()
}

/// Usages from nothing to more than anybody has, the same in every run.
fn usages() -> impl Iterator<Item = Usage> {
    let mut state = 7_u64;
    let mut next = move |below: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        u32::try_from((state >> 33) % below).unwrap()
    };
    (0..500).map(move |_| Usage {
        orchestrator_hours: next(731),
        jobs: next(10_000),
        generator_hours: next(100_000),
        preview_hours: next(100_000),
        traffic_gb: next(10_000),
        log_gb: next(1_000),
        image_gb: next(1_000),
        artifact_gb: next(100_000),
    })
}

#[test]
fn lines_are_rounded_to_cents_and_add_up() {
    for usage in usages() {
        let month = month_of(usage);
        for line in &month.lines {
            let exact = line.quantity * line.hours.map_or(1.0, f64::from) * line.unit_price_usd;
            assert!((line.usd - exact).abs() <= 0.005 + 1e-9, "{line:?}");
            assert!(line.quantity > 0.0 && line.hours != Some(0), "{line:?}");
        }
        let total: f64 = month.lines.iter().map(|line| cents(line.usd)).sum();
        assert_eq!(cents(month.total_usd), total);
        assert_eq!(cents(month.left_usd.unwrap()), 5000.0 - total);
        assert_eq!(check(&month).is_ok(), total <= 5000.0);
    }
}

#[test]
fn more_of_anything_is_never_cheaper() {
    let more: [fn(&mut Usage); 7] = [
        |usage| usage.orchestrator_hours += 1,
        |usage| usage.generator_hours += 10,
        |usage| usage.preview_hours += 10,
        |usage| usage.traffic_gb += 1,
        |usage| usage.log_gb += 1,
        |usage| usage.image_gb += 1,
        |usage| usage.artifact_gb += 10,
    ];
    for usage in usages().take(100) {
        for more in more {
            let mut larger = usage.clone();
            more(&mut larger);
            assert!(
                month_of(larger).total_usd > month_of(usage.clone()).total_usd,
                "{usage:?}"
            );
        }
    }
}

#[test]
fn twice_the_hours_are_twice_the_price() {
    for usage in usages().take(100) {
        let twice = Usage {
            generator_hours: usage.generator_hours * 2,
            ..usage.clone()
        };
        let (once, twice) = (month_of(usage), month_of(twice));
        let difference = sum(&twice, "generator") - 2.0 * sum(&once, "generator");
        // Half a cent for each of three lines, twice.
        assert!(difference.abs() <= 0.03 + 1e-9, "{difference}");
    }
}

// --- Templates ---------------------------------------------------------------

/// Files of a cloud assembly, by name.
type Files = BTreeMap<String, Value>;

/// What the CDK app really creates for environments on AWS.
static SYNTHESES: LazyLock<BTreeMap<&str, Files>> = LazyLock::new(|| {
    let made = ["dev", "prod"].map(|environment| {
        let folder = tempfile::tempdir().unwrap();
        synthesise(environment, folder.path());
        (environment, read(folder.path()))
    });
    made.into()
});

/// The files of an assembly that are priced.
fn read(folder: &Path) -> Files {
    let paths = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let named = paths.map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), path));
    named
        .filter(|(name, _)| name.ends_with(".template.json") || name == "manifest.json")
        .map(|(name, path)| {
            (
                name,
                serde_json::from_slice(&fs::read(path).unwrap()).unwrap(),
            )
        })
        .collect()
}

fn write(files: &Files) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, value) in files {
        fs::write(folder.path().join(name), value.to_string()).unwrap();
    }
    folder
}

fn synthesise(environment: &str, output: &Path) {
    let report = Report::new(false, Verbosity::Quiet);
    let context = Context::at(root(), environment, true, report).unwrap();
    let settings = &context.platform.environments[environment];
    let account = settings.account.as_ref().unwrap().get_ref();
    let registry = format!(
        "{account}.dkr.ecr.{}.amazonaws.com",
        context.platform.region
    );
    let digest = "a".repeat(64);
    let images = context.platform.images.iter().map(|(name, image)| {
        let repository = &image.repository;
        format!("images.{name}={registry}/{repository}@sha256:{digest}")
    });
    let arguments: Vec<String> = [format!("env={environment}")]
        .into_iter()
        .chain(images)
        .flat_map(|value| ["--context".to_owned(), value])
        .collect();
    cdk::synthesise(&context, output, &arguments).unwrap();
}

/// The dev synthesis with its templates changed, priced.
fn priced_after(
    mut change: impl FnMut(&mut serde_json::Map<String, Value>),
) -> anyhow::Result<Month> {
    let mut files = SYNTHESES["dev"].clone();
    for template in files.values_mut() {
        if let Some(resources) = template.get_mut("Resources") {
            change(resources.as_object_mut().unwrap());
        }
    }
    month(&platform(), "dev", Some(write(&files).path()))
}

/// Every resource type of the dev synthesis.
fn types() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    priced_after(|resources| {
        let kinds = resources
            .values()
            .map(|resource| resource["Type"].as_str().unwrap());
        found.extend(kinds.map(str::to_owned));
    })
    .unwrap();
    found
}

#[test]
fn the_known_inventory_is_what_the_app_creates() {
    for (environment, files) in &*SYNTHESES {
        assert_eq!(
            templates::count(write(files).path(), &platform(), environment).unwrap(),
            Inventory::known(&platform(), environment),
            "{environment}"
        );
    }
}

#[test]
fn each_type_costs_something_or_is_free() {
    let whole = priced_after(|_| {}).unwrap();
    for kind in types() {
        let without =
            priced_after(|resources| resources.retain(|_, resource| resource["Type"] != kind));
        let is_free = templates::FREE.iter().any(|(free, _)| *free == kind)
            || kind == "AWS::EC2::VPCEndpoint";
        match without {
            Ok(month) if is_free => assert_eq!(month, whole, "{kind}"),
            Ok(month) => assert!(month.total_usd < whole.total_usd, "{kind}"),
            // A service without its task definition cannot be priced.
            Err(error) => assert_eq!(kind, "AWS::ECS::TaskDefinition", "{error:#}"),
        }
    }
}

#[test]
fn the_app_creates_every_type_that_is_listed_as_free() {
    let types = types();
    let unused: Vec<&str> = templates::FREE
        .iter()
        .map(|(kind, _)| *kind)
        .filter(|kind| !types.contains(*kind))
        .collect();
    assert_eq!(unused, Vec::<&str>::new());
}

#[test]
fn a_type_without_a_price_is_an_error_that_names_it() {
    for resource in [
        json!({"Type": "AWS::EC2::NatGateway", "Properties": {}}),
        json!({"Type": "AWS::EC2::VPCEndpoint", "Properties": {"VpcEndpointType": "Interface"}}),
    ] {
        let error = priced_after(|resources| {
            resources.insert("Added".to_owned(), resource.clone());
        })
        .unwrap_err();
        let error = Rendered::new(&error);
        let text = format!("{}: {}", error.message, error.causes.join(": "));
        assert!(
            text.starts_with("failed to price Added of AppGen"),
            "{text}"
        );
        assert!(text.contains(resource["Type"].as_str().unwrap()), "{text}");
        assert!(error.hint.unwrap().contains(PRICES_PATH));
    }
}

#[test]
fn properties_in_templates_are_counted() {
    let of = |kind: &'static str, key: &'static str, value: Value| {
        priced_after(|resources| {
            for resource in resources
                .values_mut()
                .filter(|resource| resource["Type"] == kind)
            {
                resource["Properties"][key] = value.clone();
            }
        })
    };
    let two = of("AWS::ECS::Service", "DesiredCount", json!(2)).unwrap();
    assert_eq!(sum(&two, "orchestrator, address"), 7.3);
    let disk = of(
        "AWS::ECS::TaskDefinition",
        "EphemeralStorage",
        json!({"SizeInGiB": 50}),
    )
    .unwrap();
    // 30 GB for 730 and for 50 hours.
    assert_eq!(sum(&disk, "orchestrator, disk"), 2.43);
    assert_eq!(sum(&disk, "generator, disk"), 0.17);
    let inside = of(
        "AWS::ElasticLoadBalancingV2::LoadBalancer",
        "Scheme",
        json!("internal"),
    )
    .unwrap();
    assert_eq!(sum(&inside, "load balancer's addresses"), 0.0);
    let unknown = of("AWS::ECS::Service", "DesiredCount", json!({"Ref": "Count"})).unwrap_err();
    assert!(
        format!("{unknown:#}").contains("`DesiredCount` is not a number"),
        "{unknown:#}"
    );
}

#[test]
fn an_assembly_of_another_environment_is_refused() {
    let refused =
        |folder: &Path| Rendered::new(&month(&platform(), "prod", Some(folder)).unwrap_err());
    let of_another = refused(write(&SYNTHESES["dev"]).path());
    assert!(
        of_another.message.ends_with("does not belong to prod"),
        "{}",
        of_another.message
    );
    assert_eq!(of_another.exit_code, Code::Usage as u8);
    let folder = tempfile::tempdir().unwrap();
    assert!(refused(folder.path()).message.contains("manifest.json"));
    for (text, said) in [
        ("{}", "failed to parse"),
        ("{\"artifacts\":{}}", "it has no stacks"),
    ] {
        fs::write(folder.path().join("manifest.json"), text).unwrap();
        assert!(refused(folder.path()).message.contains(said));
    }
}

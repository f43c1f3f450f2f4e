//! The resources of an environment that cost something.

use app_gen_infra::{Platform, Service, Size, StorageMode};

/// How many resources of each type there are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Inventory {
    pub(super) load_balancers: u32,
    /// One address in each zone.
    pub(super) load_balancer_addresses: u32,
    pub(super) tasks: Vec<Tasks>,
    /// No template contains secrets, because `cargo xtask secrets set` creates them.
    pub(super) secrets: u32,
    pub(super) log_groups: u32,
    pub(super) repositories: u32,
    pub(super) buckets: u32,
    /// Metrics that alarms watch. An alarm that calculates watches several.
    pub(super) alarm_metrics: u32,
    /// Metrics made from log lines.
    pub(super) log_metrics: u32,
    /// Metrics that the orchestrator embeds in its log: no template has them.
    pub(super) embedded_metrics: u32,
    pub(super) dashboards: u32,
    /// Tables of DynamoDB.
    pub(super) tables: u32,
    /// Queues of SQS, those of dead letters included.
    pub(super) queues: u32,
}

/// Fargate tasks of one definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tasks {
    /// Name of the service or kind of task in the manifest.
    pub(super) name: String,
    /// Tasks that run at the same time. For tasks that run once per job, the hours are those of all
    /// of them.
    pub(super) count: u32,
    pub(super) run_once: bool,
    pub(super) cpu_units: u32,
    pub(super) memory_mib: u32,
    pub(super) extra_disk_gb: u32,
    pub(super) public_address: bool,
}

impl Inventory {
    /// What the CDK app is known to create on AWS from the manifest. A test compares it with what
    /// the app really creates.
    pub(super) fn known(platform: &Platform, environment: &str) -> Self {
        let count = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        let tasks = |name: &str, size: &Size, run_once| Tasks {
            name: name.to_owned(),
            count: 1,
            run_once,
            cpu_units: size.cpu_units,
            memory_mib: size.memory_mib,
            extra_disk_gb: 0,
            // The subnets are public and have no NAT gateway, so each task has an address.
            public_address: true,
        };
        let services = platform.services.iter();
        let jobs = platform.tasks.iter();
        let in_dynamodb = platform.storage_mode(environment) == StorageMode::DynamoDb;
        Self {
            load_balancers: 1,
            load_balancer_addresses: 2,
            tasks: services
                .map(|(name, service)| tasks(name, &service.size[environment], false))
                .chain(jobs.map(|(name, task)| tasks(name, &task.size[environment], true)))
                .collect(),
            secrets: Self::secrets(platform),
            log_groups: 4,
            repositories: count(platform.images.len()),
            buckets: 2,
            // Three of them watch the queues.
            alarm_metrics: if in_dynamodb { 17 } else { 14 },
            log_metrics: 4,
            embedded_metrics: Self::embedded_metrics(platform),
            dashboards: 1,
            tables: u32::from(in_dynamodb),
            queues: if in_dynamodb { 2 } else { 0 },
        }
    }

    /// How many metrics the orchestrator embeds: those that alarms watch, unless the manifest asks for all.
    pub(super) fn embedded_metrics(platform: &Platform) -> u32 {
        let mut services = platform.services.values();
        let wants_all = |service: &Service| {
            let mode = service.environment.get("METRICS");
            mode.is_some_and(|mode| mode == "emf")
        };
        match services.any(wants_all) {
            true => app_gen_infra::EMBEDDED_METRICS,
            false => app_gen_infra::ALARMED_METRICS,
        }
    }

    /// All secrets of the manifest, because one that is not required now may exist.
    pub(super) fn secrets(platform: &Platform) -> u32 {
        u32::try_from(platform.secrets.len()).unwrap_or(u32::MAX)
    }
}

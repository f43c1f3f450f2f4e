//! What there is in an environment and costs something.

use app_gen_infra::{Platform, Size};

/// How many of each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Inventory {
    pub(super) load_balancers: u32,
    /// One in each zone.
    pub(super) load_balancer_addresses: u32,
    pub(super) tasks: Vec<Tasks>,
    /// Secrets stand in no template: `cargo xtask secrets set` makes them.
    pub(super) secrets: u32,
    pub(super) log_groups: u32,
    pub(super) repositories: u32,
    pub(super) buckets: u32,
    /// Metrics that alarms watch; one that calculates watches several.
    pub(super) alarm_metrics: u32,
    /// Metrics made from log lines.
    pub(super) log_metrics: u32,
    pub(super) dashboards: u32,
}

/// Fargate tasks of one definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tasks {
    /// As the manifest calls the service or task.
    pub(super) name: String,
    /// Tasks at a time; of one that runs once per job, the hours count them all.
    pub(super) count: u32,
    pub(super) run_once: bool,
    pub(super) cpu_units: u32,
    pub(super) memory_mib: u32,
    pub(super) extra_disk_gb: u32,
    pub(super) public_address: bool,
}

impl Inventory {
    /// What the CDK app is known to make on AWS from the manifest; a test holds it against
    /// what it really makes.
    pub(super) fn known(platform: &Platform, environment: &str) -> Self {
        let count = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        let tasks = |name: &str, size: &Size, run_once| Tasks {
            name: name.to_owned(),
            count: 1,
            run_once,
            cpu_units: size.cpu_units,
            memory_mib: size.memory_mib,
            extra_disk_gb: 0,
            // Public subnets without a NAT gateway: each task has an address of its own.
            public_address: true,
        };
        let services = platform.services.iter();
        let jobs = platform.tasks.iter();
        Self {
            load_balancers: 1,
            load_balancer_addresses: 2,
            tasks: services
                .map(|(name, service)| tasks(name, &service.size[environment], false))
                .chain(jobs.map(|(name, task)| tasks(name, &task.size[environment], true)))
                .collect(),
            secrets: Self::secrets(platform),
            log_groups: 3,
            repositories: count(platform.images.len()),
            buckets: 2,
            alarm_metrics: 11,
            log_metrics: 4,
            dashboards: 1,
        }
    }

    /// All that the manifest names: one that is not required now may be there.
    pub(super) fn secrets(platform: &Platform) -> u32 {
        u32::try_from(platform.secrets.len()).unwrap_or(u32::MAX)
    }
}

//! What a month of an environment costs. The parts come from the manifest, or are counted in
//! synthesised templates; the hours and amounts come from the manifest, the prices from
//! `prices.toml`.
//!
//! The result is an upper bound of what it counts, because free allowances, discounts and Spot are
//! left out. It does not count what costs less than a cent at such sizes: single requests to S3,
//! Secrets Manager and CloudWatch, mails, and traffic between zones.

mod inventory;
mod templates;
#[cfg(test)]
mod tests;

use crate::cost::inventory::{Inventory, Tasks};
use anyhow::Context as _;
use app_gen_infra::{
    Environment, HOURS_PER_MONTH, MANIFEST_PATH, PRICES_PATH, Platform, Price, Prices, Usage,
};
use serde::Serialize;
use std::path::Path;
use xtask_core::error::{Code, Failure, FailureContext as _};

/// How many of the most expensive lines the refusal names.
const LARGEST_SHOWN: usize = 3;
/// Days of the month for which the storage of logs is counted.
const DAYS_PER_MONTH: f64 = 30.0;

/// The cost of a month.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Month {
    /// Name of the environment.
    pub environment: String,
    /// Month in which the oldest of the prices was last compared with its source.
    pub prices_as_of: String,
    /// The parts that cost something; none if the environment runs on this machine.
    pub lines: Vec<Line>,
    /// The sum of the lines.
    pub total_usd: f64,
    /// What the month may cost; `None` if the environment has no ceiling.
    pub ceiling_usd: Option<u32>,
    /// The ceiling minus the total. It is negative if the month costs more than its ceiling.
    pub left_usd: Option<f64>,
}

/// One part of a month's cost.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line {
    /// Name of the part.
    pub part: String,
    /// How many units of it there are.
    pub quantity: f64,
    /// The unit.
    pub unit: &'static str,
    /// For how many hours of the month it is there, if it is priced by the hour.
    pub hours: Option<u32>,
    /// US dollars for one unit: for an hour if it is priced by the hour, or else for a month.
    pub unit_price_usd: f64,
    /// US dollars, rounded to cents, so that the lines add up to the total.
    pub usd: f64,
}

/// Prices a month of the environment. `templates` is a cloud assembly, whose resources are counted;
/// without it, those are counted that the CDK app is known to create.
///
/// # Errors
/// The environment does not exist, the prices are of another region, or the assembly is of another
/// environment, cannot be read, or has a resource whose price is not known.
pub fn month(
    platform: &Platform,
    environment: &str,
    templates: Option<&Path>,
) -> anyhow::Result<Month> {
    let prices = Prices::committed().failure(|| {
        Failure::new(Code::Manifest, "the prices cannot be used")
            .hint(format!("edit {PRICES_PATH}"))
    })?;
    if prices.region != platform.region {
        return Err(Failure::new(
            Code::Manifest,
            format!(
                "{PRICES_PATH} has the prices of region {}, but {MANIFEST_PATH} names region {}",
                prices.region, platform.region
            ),
        )
        .hint(format!("put the prices of that region into {PRICES_PATH}"))
        .into());
    }
    let settings = platform
        .environments
        .get(environment)
        .with_context(|| format!("no environment `{environment}` in the manifest"))?;
    let inventory = match templates {
        // Everything runs on this machine.
        _ if settings.account.is_none() => Inventory::default(),
        Some(folder) => templates::count(folder, platform, environment)?,
        None => Inventory::known(platform, environment),
    };
    Ok(price(environment, settings, &inventory, &prices))
}

/// Refuses a month that costs more than its ceiling.
///
/// # Errors
/// [`Code::Manifest`], because the manifest sets sizes, hours and the ceiling. The message names
/// the most expensive lines.
pub fn check(month: &Month) -> Result<(), Failure> {
    let (Some(ceiling), Some(left)) = (month.ceiling_usd, month.left_usd) else {
        return Ok(());
    };
    if left >= 0.0 {
        return Ok(());
    }
    let mut largest: Vec<&Line> = month.lines.iter().collect();
    largest.sort_by(|one, other| other.usd.total_cmp(&one.usd));
    let largest: Vec<String> = largest
        .iter()
        .take(LARGEST_SHOWN)
        .map(|line| format!("{} {:.2} $", line.part, line.usd))
        .collect();
    let environment = &month.environment;
    Err(Failure::new(
        Code::Manifest,
        format!(
            "a month of {environment} costs {:.2} $, more than its ceiling of {ceiling} $ \
             (`environments.{environment}.budget_usd_per_month` in {MANIFEST_PATH}); \
             most of it: {}",
            month.total_usd,
            largest.join(", ")
        ),
    )
    .hint(format!("cargo xtask cost --env {environment}")))
}

fn price(
    environment: &str,
    settings: &Environment,
    inventory: &Inventory,
    prices: &Prices,
) -> Month {
    let lines = lines(settings, inventory, prices);
    let total_cents: f64 = lines.iter().map(|line| cents(line.usd)).sum();
    let ceiling_usd = settings
        .budget_usd_per_month
        .as_ref()
        .map(|ceiling| *ceiling.get_ref());
    let prices_as_of = prices
        .all()
        .iter()
        .map(|(_, price)| price.as_of.clone())
        .min();
    Month {
        environment: environment.to_owned(),
        prices_as_of: prices_as_of.unwrap_or_default(),
        lines,
        total_usd: total_cents / 100.0,
        ceiling_usd,
        left_usd: ceiling_usd.map(|ceiling| (f64::from(ceiling) * 100.0 - total_cents) / 100.0),
    }
}

/// The lines that cost something.
fn lines(settings: &Environment, inventory: &Inventory, prices: &Prices) -> Vec<Line> {
    let usage = &settings.usage;
    let always = |part, count: u32, unit, price| {
        line(part, f64::from(count), unit, Some(HOURS_PER_MONTH), price)
    };
    let monthly = |part, quantity: f64, unit, price| line(part, quantity, unit, None, price);
    let mut lines = vec![
        always(
            "load balancer",
            inventory.load_balancers,
            "load balancers",
            &prices.load_balancer,
        ),
        always(
            "load balancer's addresses",
            inventory.load_balancer_addresses,
            "IPv4 addresses",
            &prices.public_address,
        ),
    ];
    for tasks in &inventory.tasks {
        lines.extend(task_lines(tasks, usage, prices));
    }
    // The manifest foresees these amounts for all resources of a type together.
    let amount = |of: u32, gb: u32| if of == 0 { 0.0 } else { f64::from(gb) };
    let log_gb = amount(inventory.log_groups, usage.log_gb);
    let kept_months = f64::from(settings.log_retention_days) / DAYS_PER_MONTH;
    let traffic_gb = amount(inventory.load_balancers, usage.traffic_gb);
    lines.extend([
        // A capacity unit carries 1 GB in an hour. There are never enough requests to need more
        // units.
        monthly(
            "load balancer's work",
            traffic_gb,
            "capacity unit hours",
            &prices.load_balancer_capacity,
        ),
        monthly(
            "traffic to the internet",
            traffic_gb,
            "GB",
            &prices.traffic_out,
        ),
        monthly(
            "secrets",
            f64::from(inventory.secrets),
            "secrets",
            &prices.secret,
        ),
        monthly("logs, written", log_gb, "GB", &prices.log_writing),
        monthly(
            "logs, kept",
            log_gb * kept_months,
            "GB",
            &prices.log_storage,
        ),
        monthly(
            "images",
            amount(inventory.repositories, usage.image_gb),
            "GB",
            &prices.image_storage,
        ),
        monthly(
            "results and access logs",
            amount(inventory.buckets, usage.artifact_gb),
            "GB",
            &prices.object_storage,
        ),
        monthly(
            "alarms",
            f64::from(inventory.alarm_metrics),
            "metrics watched",
            &prices.alarm_metric,
        ),
        monthly(
            "metrics made from logs",
            f64::from(inventory.log_metrics),
            "metrics",
            &prices.custom_metric,
        ),
        monthly(
            "metrics of the orchestrator",
            f64::from(inventory.embedded_metrics),
            "metrics",
            &prices.custom_metric,
        ),
        monthly(
            "dashboard",
            f64::from(inventory.dashboards),
            "dashboards",
            &prices.dashboard,
        ),
    ]);
    lines.extend(table_lines(inventory, usage, prices));
    lines.extend(database_line(settings));
    lines.retain(|line| line.quantity > 0.0 && line.hours != Some(0));
    lines
}

/// The PostgreSQL that no stack makes; its provider sends a bill of its own. The line is there even
/// where the provider charges nothing, so that nobody overlooks that there must be one.
fn database_line(settings: &Environment) -> Option<Line> {
    let usd = f64::from(*settings.database_usd_per_month.as_ref()?.get_ref());
    Some(Line {
        part: "database, from its own provider".to_owned(),
        quantity: 1.0,
        unit: "databases",
        hours: None,
        unit_price_usd: usd,
        usd,
    })
}

/// What an hour of a job writes into the table, in units: a transaction with its item and those of its events for most
/// readings of its log, and its lease.
const WRITES_OF_A_JOB: f64 = 15_000.0;
/// What an hour of a job reads from it: its follower once a second, and who listens.
const READS_OF_A_JOB: f64 = 8_000.0;
/// What an orchestrator reads in an hour to find work.
const READS_OF_AN_HOUR: f64 = 5_400.0;
/// GB that a job leaves, most of it events. They are kept longer than a month in no environment.
const GB_OF_A_JOB: f64 = 0.002;
/// Requests of a job to its queue, and those of an hour in which there is none.
const REQUESTS_OF_A_JOB: f64 = 4.0;
const REQUESTS_OF_AN_HOUR: f64 = 180.0;
const MILLION: f64 = 1_000_000.0;

/// The table and the queue of an environment that keeps everything there.
fn table_lines(inventory: &Inventory, usage: &Usage, prices: &Prices) -> Vec<Line> {
    if inventory.tables == 0 {
        return Vec::new();
    }
    let (jobs, hours) = (f64::from(usage.jobs), f64::from(usage.orchestrator_hours));
    let millions =
        |of_a_job: f64, of_an_hour: f64| (jobs * of_a_job + hours * of_an_hour) / MILLION;
    let monthly = |part, quantity, unit, price| line(part, quantity, unit, None, price);
    vec![
        monthly(
            "table, written",
            millions(WRITES_OF_A_JOB, 0.0),
            "million units",
            &prices.table_writing,
        ),
        monthly(
            "table, read",
            millions(READS_OF_A_JOB, READS_OF_AN_HOUR),
            "million units",
            &prices.table_reading,
        ),
        monthly(
            "table, kept",
            jobs * GB_OF_A_JOB,
            "GB",
            &prices.table_storage,
        ),
        monthly(
            "queue",
            millions(REQUESTS_OF_A_JOB, REQUESTS_OF_AN_HOUR),
            "million requests",
            &prices.queue_request,
        ),
    ]
}

/// The kind of task whose hours are those that people look at applications.
const PREVIEW: &str = "preview";

fn task_lines(tasks: &Tasks, usage: &Usage, prices: &Prices) -> [Line; 4] {
    let hours = match (tasks.run_once, tasks.name.as_str()) {
        (false, _) => usage.orchestrator_hours,
        (true, PREVIEW) => usage.preview_hours,
        (true, _) => usage.generator_hours,
    };
    let count = f64::from(tasks.count);
    let of_tasks = |what: &str, quantity: f64, unit, price| {
        let part = format!("{}, {what}", tasks.name);
        line(part, count * quantity, unit, Some(hours), price)
    };
    [
        of_tasks(
            "processor",
            f64::from(tasks.cpu_units) / 1024.0,
            "vCPU",
            &prices.fargate_vcpu,
        ),
        of_tasks(
            "memory",
            f64::from(tasks.memory_mib) / 1024.0,
            "GB",
            &prices.fargate_memory,
        ),
        of_tasks(
            "disk beyond 20 GB",
            f64::from(tasks.extra_disk_gb),
            "GB",
            &prices.fargate_disk,
        ),
        of_tasks(
            "address",
            f64::from(u8::from(tasks.public_address)),
            "IPv4 addresses",
            &prices.public_address,
        ),
    ]
}

fn line(
    part: impl Into<String>,
    quantity: f64,
    unit: &'static str,
    hours: Option<u32>,
    price: &Price,
) -> Line {
    let usd = quantity * hours.map_or(1.0, f64::from) * price.usd;
    Line {
        part: part.into(),
        quantity,
        unit,
        hours,
        unit_price_usd: price.usd,
        usd: cents(usd) / 100.0,
    }
}

/// In whole cents.
fn cents(usd: f64) -> f64 {
    (usd * 100.0).round()
}

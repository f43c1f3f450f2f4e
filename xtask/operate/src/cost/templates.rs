//! Counts the resources in synthesised templates. A resource type that is not known here is an
//! error: it must get a price, or a reason why it is free.

use crate::cost::inventory::{Inventory, Tasks};
use anyhow::Context as _;
use app_gen_infra::{PRICES_PATH, Platform};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use xtask_core::error::{Code, Failure};

/// GB of disk that are free for every Fargate task.
const INCLUDED_DISK_GB: u32 = 20;

/// Resource types that cost nothing, and why.
pub(super) const FREE: [(&str, &str); 22] = [
    ("AWS::Budgets::Budget", "without actions budgets are free"),
    (
        "AWS::EC2::InternetGateway",
        "traffic is priced, the gateway is not",
    ),
    ("AWS::EC2::Route", "part of the VPC"),
    ("AWS::EC2::RouteTable", "part of the VPC"),
    ("AWS::EC2::SecurityGroup", "part of the VPC"),
    ("AWS::EC2::SecurityGroupEgress", "part of the VPC"),
    ("AWS::EC2::SecurityGroupIngress", "part of the VPC"),
    ("AWS::EC2::Subnet", "part of the VPC"),
    ("AWS::EC2::SubnetRouteTableAssociation", "part of the VPC"),
    ("AWS::EC2::VPC", "a VPC is free"),
    ("AWS::EC2::VPCGatewayAttachment", "part of the VPC"),
    (
        "AWS::ECS::Cluster",
        "tasks are priced; Container Insights is off",
    ),
    (
        "AWS::ECS::ClusterCapacityProviderAssociations",
        "a setting of the cluster",
    ),
    (
        "AWS::ElasticLoadBalancingV2::Listener",
        "part of the load balancer",
    ),
    (
        "AWS::ElasticLoadBalancingV2::TargetGroup",
        "part of the load balancer",
    ),
    ("AWS::Events::Rule", "events of AWS itself are free"),
    ("AWS::IAM::Role", "IAM is free"),
    ("AWS::Logs::ResourcePolicy", "a setting"),
    ("AWS::S3::BucketPolicy", "a setting"),
    ("AWS::SNS::Subscription", "a mail costs 0.00002 $"),
    ("AWS::SNS::Topic", "messages are priced, and there are few"),
    ("AWS::SNS::TopicPolicy", "a setting"),
];

/// The part of `manifest.json` of a cloud assembly that is used.
#[derive(Deserialize)]
struct Assembly {
    artifacts: BTreeMap<String, Artifact>,
}

#[derive(Deserialize)]
struct Artifact {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    properties: Value,
}

#[derive(Deserialize)]
struct Template {
    #[serde(rename = "Resources", default)]
    resources: BTreeMap<String, Resource>,
}

#[derive(Deserialize)]
struct Resource {
    #[serde(rename = "Type")]
    kind: String,
    #[serde(rename = "Properties", default)]
    properties: Value,
}

/// Counts the resources of the cloud assembly in `folder`.
///
/// # Errors
/// It cannot be read, has stacks of another environment, or has a resource whose price or number is
/// not known.
pub(super) fn count(
    folder: &Path,
    platform: &Platform,
    environment: &str,
) -> anyhow::Result<Inventory> {
    let assembly: Assembly = read(&folder.join("manifest.json"))?;
    let stacks = assembly
        .artifacts
        .iter()
        .filter(|(_, artifact)| artifact.kind == "aws:cloudformation:stack");
    let mut inventory = Inventory {
        secrets: Inventory::secrets(platform),
        embedded_metrics: Inventory::embedded_metrics(platform),
        ..Inventory::default()
    };
    let mut seen = 0;
    for (stack, artifact) in stacks {
        if !stack.ends_with(&format!("-{environment}")) {
            return Err(unusable(
                folder,
                &format!("stack {stack} does not belong to {environment}"),
            ));
        }
        let file = artifact.properties["templateFile"]
            .as_str()
            .ok_or_else(|| unusable(folder, &format!("stack {stack} does not name a template")))?;
        let template: Template = read(&folder.join(file))?;
        count_stack(stack, &template, platform, &mut inventory)?;
        seen += 1;
    }
    if seen == 0 {
        return Err(unusable(folder, "it has no stacks"));
    }
    // In the order of the inventory of the manifest, whatever stacks they are in.
    inventory
        .tasks
        .sort_by_key(|tasks| (tasks.run_once, tasks.name.clone()));
    Ok(inventory)
}

fn read<T: DeserializeOwned>(path: &Path) -> anyhow::Result<T> {
    let bytes =
        std::fs::read(path).with_context(|| format!("failed to read {}", path.display()))?;
    serde_json::from_slice(&bytes).with_context(|| format!("failed to parse {}", path.display()))
}

fn unusable(folder: &Path, why: &str) -> anyhow::Error {
    Failure::new(
        Code::Usage,
        format!(
            "{} is not a cloud assembly that can be priced: {why}",
            folder.display()
        ),
    )
    .hint("name the output folder of `cdk synth` for the environment")
    .into()
}

fn count_stack(
    stack: &str,
    template: &Template,
    platform: &Platform,
    inventory: &mut Inventory,
) -> anyhow::Result<()> {
    let deliverer = platform.generator().deliverer.as_ref();
    let deliverer = deliverer.map(|deliverer| &deliverer.family);
    let mut definitions = BTreeMap::new();
    for (id, resource) in &template.resources {
        // The manifest foresees the hours of all tasks of the generator together, those that deliver included.
        let delivers = deliverer.is_some_and(|family| resource.properties["Family"] == *family);
        if resource.kind == "AWS::ECS::TaskDefinition" && !delivers {
            let tasks = tasks(&resource.properties, platform)
                .with_context(|| format!("failed to price {id} of {stack}"))?;
            definitions.insert(id.as_str(), tasks);
        }
    }
    for (id, resource) in &template.resources {
        count_resource(resource, &mut definitions, inventory)
            .with_context(|| format!("failed to price {id} of {stack}"))?;
    }
    // Tasks of definitions that no service uses run once per job.
    inventory.tasks.extend(definitions.into_values());
    Ok(())
}

fn count_resource(
    resource: &Resource,
    definitions: &mut BTreeMap<&str, Tasks>,
    inventory: &mut Inventory,
) -> anyhow::Result<()> {
    let properties = &resource.properties;
    match resource.kind.as_str() {
        "AWS::CloudWatch::Alarm" => inventory.alarm_metrics += alarm_metrics(properties),
        "AWS::CloudWatch::Dashboard" => inventory.dashboards += 1,
        "AWS::DynamoDB::Table" => inventory.tables += 1,
        "AWS::SQS::Queue" => inventory.queues += 1,
        // A setting of a queue, where there is one.
        "AWS::SQS::QueuePolicy" => {}
        "AWS::EC2::VPCEndpoint" if properties["VpcEndpointType"] == "Gateway" => {}
        "AWS::ECR::Repository" => inventory.repositories += 1,
        // A definition is counted with its service, or as tasks that run once per job.
        "AWS::ECS::TaskDefinition" => {}
        "AWS::ECS::Service" => {
            let tasks = properties["TaskDefinition"]["Ref"]
                .as_str()
                .and_then(|definition| definitions.remove(definition))
                .context("`TaskDefinition` does not refer to one in this template, or another service uses it too")?;
            let network = &properties["NetworkConfiguration"]["AwsvpcConfiguration"];
            inventory.tasks.push(Tasks {
                count: number(properties, "DesiredCount")?,
                run_once: false,
                public_address: network["AssignPublicIp"] == "ENABLED",
                ..tasks
            });
        }
        "AWS::ElasticLoadBalancingV2::LoadBalancer" => {
            inventory.load_balancers += 1;
            if properties["Scheme"] == "internet-facing" {
                inventory.load_balancer_addresses += length(properties, "Subnets")?;
            }
        }
        "AWS::Logs::LogGroup" => inventory.log_groups += 1,
        "AWS::Logs::MetricFilter" => {
            inventory.log_metrics += length(properties, "MetricTransformations")?;
        }
        "AWS::S3::Bucket" => inventory.buckets += 1,
        kind if FREE.iter().any(|(free, _)| *free == kind) => {}
        kind => {
            return Err(Failure::new(
                Code::Failed,
                format!("the price of {kind} is not known"),
            )
            .hint(format!(
                "add it to {PRICES_PATH} and xtask/operate/src/cost, or to the free types in xtask/operate/src/cost/templates.rs"
            ))
            .into());
        }
    }
    Ok(())
}

/// The tasks of a definition, as if they ran once per job.
fn tasks(properties: &Value, platform: &Platform) -> anyhow::Result<Tasks> {
    let container = properties["ContainerDefinitions"][0]["Name"]
        .as_str()
        .context("it has no container")?;
    let services = platform
        .services
        .iter()
        .map(|(name, service)| (name, &service.container));
    let jobs = platform
        .tasks
        .iter()
        .map(|(name, task)| (name, &task.container));
    let (name, _) = services
        .chain(jobs)
        .find(|(_, known)| *known == container)
        .with_context(|| {
            format!("the manifest has no container {container}, so its hours are not known")
        })?;
    let disk_gb = match properties.get("EphemeralStorage") {
        Some(disk) => number(disk, "SizeInGiB")?,
        None => INCLUDED_DISK_GB,
    };
    Ok(Tasks {
        name: name.clone(),
        count: 1,
        run_once: true,
        cpu_units: number(properties, "Cpu")?,
        memory_mib: number(properties, "Memory")?,
        extra_disk_gb: disk_gb.saturating_sub(INCLUDED_DISK_GB),
        // Without a NAT gateway, whoever starts the task gives it an address.
        public_address: true,
    })
}

/// How many metrics an alarm watches: one, or all metrics that it calculates with.
fn alarm_metrics(properties: &Value) -> u32 {
    let of_metrics = properties["Metrics"].as_array().map(|metrics| {
        metrics
            .iter()
            .filter(|metric| metric.get("MetricStat").is_some())
            .count()
    });
    of_metrics.map_or(1, |count| u32::try_from(count).unwrap_or(u32::MAX))
}

/// A property of the template that is a number, or text that contains one.
fn number(properties: &Value, key: &str) -> anyhow::Result<u32> {
    let value = &properties[key];
    let number = match value.as_str() {
        Some(text) => text.parse().ok(),
        None => value.as_u64().and_then(|number| u32::try_from(number).ok()),
    };
    number.with_context(|| format!("`{key}` is not a number: {value}"))
}

fn length(properties: &Value, key: &str) -> anyhow::Result<u32> {
    let list = properties[key]
        .as_array()
        .with_context(|| format!("`{key}` is not a list"))?;
    Ok(u32::try_from(list.len())?)
}

//! The prices of the AWS resources that the templates create: the typed form of `prices.toml`.

use crate::ManifestError;
use serde::Deserialize;

/// Path of the prices, relative to the root of the checkout.
pub const PRICES_PATH: &str = "app-gen-infra/prices.toml";

const COMMITTED: &str = include_str!("../prices.toml");

/// Prices of one region. An unknown or a missing price is refused.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prices {
    /// AWS region.
    pub region: String,
    /// One vCPU of a Fargate task (x86), an hour.
    pub fargate_vcpu: Price,
    /// One GB of memory of a Fargate task (x86), an hour.
    pub fargate_memory: Price,
    /// One GB of a Fargate task's disk beyond what every task has, an hour.
    pub fargate_disk: Price,
    /// One public IPv4 address, an hour.
    pub public_address: Price,
    /// One application load balancer, an hour.
    pub load_balancer: Price,
    /// One capacity unit of a load balancer, an hour.
    pub load_balancer_capacity: Price,
    /// One GB sent to the internet.
    pub traffic_out: Price,
    /// One secret, a month.
    pub secret: Price,
    /// One GB in ECR, a month.
    pub image_storage: Price,
    /// One GB in S3, a month.
    pub object_storage: Price,
    /// One GB written to CloudWatch Logs.
    pub log_writing: Price,
    /// One GB kept in CloudWatch Logs, a month.
    pub log_storage: Price,
    /// One metric that an alarm watches, a month.
    pub alarm_metric: Price,
    /// One metric beyond those that AWS provides, a month.
    pub custom_metric: Price,
    /// One dashboard, a month.
    pub dashboard: Price,
    /// A million write units of DynamoDB.
    pub table_writing: Price,
    /// A million read units of DynamoDB.
    pub table_reading: Price,
    /// One GB in DynamoDB with its point-in-time recovery, a month.
    pub table_storage: Price,
    /// A million requests to a queue.
    pub queue_request: Price,
}

/// A price.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// US dollars for one unit.
    pub usd: f64,
    /// The unit.
    pub per: String,
    /// Month in which the price was last compared with its source.
    pub as_of: String,
    /// Where AWS states it.
    pub source: String,
}

impl Prices {
    /// The prices of this checkout.
    ///
    /// # Errors
    /// The same as those of [`Prices::parse`].
    pub fn committed() -> Result<Self, ManifestError> {
        Self::parse(COMMITTED)
    }

    /// Reads prices from the text of a `prices.toml`.
    ///
    /// # Errors
    /// The text is not TOML, a price is unknown or missing, or a number cannot be a price.
    pub fn parse(text: &str) -> Result<Self, ManifestError> {
        let fault = |message| ManifestError::whole_file(PRICES_PATH, message);
        let prices: Self = toml::from_str(text).map_err(|error| fault(error.to_string()))?;
        for (name, price) in prices.all() {
            if !price.usd.is_finite() || price.usd <= 0.0 {
                return Err(fault(format!(
                    "`{name}` is {}, which is not a price",
                    price.usd
                )));
            }
        }
        Ok(prices)
    }

    /// Each price with its name.
    #[must_use]
    pub fn all(&self) -> Vec<(&'static str, &Price)> {
        vec![
            ("fargate_vcpu", &self.fargate_vcpu),
            ("fargate_memory", &self.fargate_memory),
            ("fargate_disk", &self.fargate_disk),
            ("public_address", &self.public_address),
            ("load_balancer", &self.load_balancer),
            ("load_balancer_capacity", &self.load_balancer_capacity),
            ("traffic_out", &self.traffic_out),
            ("secret", &self.secret),
            ("image_storage", &self.image_storage),
            ("object_storage", &self.object_storage),
            ("log_writing", &self.log_writing),
            ("log_storage", &self.log_storage),
            ("alarm_metric", &self.alarm_metric),
            ("custom_metric", &self.custom_metric),
            ("dashboard", &self.dashboard),
            ("table_writing", &self.table_writing),
            ("table_reading", &self.table_reading),
            ("table_storage", &self.table_storage),
            ("queue_request", &self.queue_request),
        ]
    }
}

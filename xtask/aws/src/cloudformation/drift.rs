//! What was changed without CloudFormation.

use crate::cloudformation::{CloudFormation, failed};
use crate::error::{CloudError, Kind};
use aws_sdk_cloudformation::types::{
    StackDriftDetectionStatus, StackResourceDriftStatus as ResourceStatus,
};
use std::time::{Duration, Instant};
use xtask_aws_api::calls::stacks::{Drift, DriftedResource};

/// The time between two looks at a detection.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// The status of what CloudFormation does not know.
const UNKNOWN: &str = "UNKNOWN";

/// The drift of a stack that cannot be compared.
pub(crate) fn unknown(name: &str, reason: impl Into<String>) -> Drift {
    Drift {
        name: name.to_owned(),
        status: UNKNOWN.to_owned(),
        reason: Some(reason.into()),
        resources: Vec::new(),
    }
}

impl CloudFormation {
    /// Starts a detection; returns its id.
    ///
    /// # Errors
    /// There is no such stack, it is in a state in which it cannot be compared, or the call fails.
    pub(crate) async fn start_drift_detection(&self, name: &str) -> Result<String, CloudError> {
        let reply = self
            .client
            .detect_stack_drift()
            .stack_name(name)
            .send()
            .await
            .map_err(|error| failed("DetectStackDrift", name, error))?;
        Ok(reply
            .stack_drift_detection_id()
            .unwrap_or_default()
            .to_owned())
    }

    /// Waits for the detection and reads what it found.
    ///
    /// # Errors
    /// A call fails. A detection that fails or takes longer than `bound` is an answer: the drift
    /// is unknown.
    pub(crate) async fn drift(
        &self,
        name: &str,
        detection_id: &str,
        bound: Duration,
    ) -> Result<Drift, CloudError> {
        let begin = Instant::now();
        let found = loop {
            let found = self
                .client
                .describe_stack_drift_detection_status()
                .stack_drift_detection_id(detection_id)
                .send()
                .await
                .map_err(|error| failed("DescribeStackDriftDetectionStatus", name, error))?;
            if found.detection_status() != Some(&StackDriftDetectionStatus::DetectionInProgress) {
                break found;
            }
            if begin.elapsed() >= bound {
                let late = format!("CloudFormation did not know it after {} s", bound.as_secs());
                return Ok(unknown(name, late));
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        };
        Ok(Drift {
            name: name.to_owned(),
            status: found
                .stack_drift_status()
                .map_or(UNKNOWN, |status| status.as_str())
                .to_owned(),
            reason: found.detection_status_reason().map(str::to_owned),
            resources: self.drifted_resources(name).await?,
        })
    }

    async fn drifted_resources(&self, name: &str) -> Result<Vec<DriftedResource>, CloudError> {
        let mut pages = self
            .client
            .describe_stack_resource_drifts()
            .stack_name(name)
            .stack_resource_drift_status_filters(ResourceStatus::Modified)
            .stack_resource_drift_status_filters(ResourceStatus::Deleted)
            .into_paginator()
            .send();
        let mut resources = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| failed("DescribeStackResourceDrifts", name, error))?;
            resources.extend(page.stack_resource_drifts().iter().map(|drift| {
                DriftedResource {
                    logical_id: drift.logical_resource_id().unwrap_or_default().to_owned(),
                    resource_type: drift.resource_type().unwrap_or_default().to_owned(),
                    status: drift
                        .stack_resource_drift_status()
                        .map_or(UNKNOWN, |status| status.as_str())
                        .to_owned(),
                }
            }));
        }
        Ok(resources)
    }
}

/// Whether an error of a detection means that the drift cannot be known, and not that
/// CloudFormation cannot be asked.
pub(crate) fn is_unknowable(error: &CloudError) -> bool {
    matches!(error.kind, Kind::NotFound | Kind::Service)
}

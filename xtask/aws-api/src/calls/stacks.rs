//! CloudFormation stacks before, during and after a deployment.

use crate::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Asks for the state of stacks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShowStacks {
    /// Their names.
    pub names: Vec<String>,
}

/// The stacks that were asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownStacks {
    /// In the order of the request.
    pub stacks: Vec<ShownStack>,
}

/// A stack as CloudFormation knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownStack {
    /// Its name.
    pub name: String,
    /// As CloudFormation writes it, for instance `CREATE_COMPLETE`; `None` where the stack does
    /// not exist.
    pub status: Option<String>,
    /// Why it has that status, where CloudFormation says it.
    pub reason: Option<String>,
    /// When it was last updated, else created.
    pub updated_at: Option<Timestamp>,
    /// The outputs of its template.
    pub outputs: BTreeMap<String, String>,
}

/// Brings stacks to a state that a deployment can start from. Stacks that do not exist are in
/// one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RepairStacks {
    /// Their names.
    pub names: Vec<String>,
}

/// The stacks that had to be repaired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repaired {
    /// In the order of the request.
    pub repaired: Vec<RepairedStack>,
}

/// A stack that changed its state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepairedStack {
    /// Its name.
    pub name: String,
    /// Its status before.
    pub from: String,
    /// Its status now.
    pub to: String,
}

/// Takes a running update back, or removes a stack that is being created.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CancelStack {
    /// The name of the stack.
    pub name: String,
}

/// A stack does not change any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cancelled {
    /// Its name.
    pub name: String,
    /// Its status now; `None` where the stack does not exist.
    pub status: Option<String>,
    /// Whether there was something to cancel.
    pub cancelled: bool,
}

/// Asks how far stacks are from their templates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DetectDrift {
    /// Their names.
    pub names: Vec<String>,
}

/// The stacks that were compared with their templates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drifts {
    /// In the order of the request.
    pub stacks: Vec<Drift>,
}

/// How far a stack is from its template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drift {
    /// Its name.
    pub name: String,
    /// `IN_SYNC`, `DRIFTED` or `UNKNOWN`.
    pub status: String,
    /// Why the status is unknown.
    pub reason: Option<String>,
    /// The resources that differ.
    pub resources: Vec<DriftedResource>,
}

/// A resource that is not as its template says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriftedResource {
    /// Its name in the template.
    pub logical_id: String,
    /// For instance `AWS::Logs::LogGroup`.
    #[serde(rename = "type")]
    pub resource_type: String,
    /// `MODIFIED` or `DELETED`.
    pub status: String,
}

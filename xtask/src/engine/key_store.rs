//! The inputs of keys that this checkout built or found, kept to be compared.

use super::inputs::Inputs;
use super::key::Key;
use super::records;
use std::path::Path;

/// Keeps the inputs of a key, for later comparison.
///
/// # Errors
/// The record cannot be written.
pub fn remember(records: &Path, image: &str, key: &Key) -> anyhow::Result<()> {
    let folder = records.join("keys").join(image);
    let bytes = serde_json::to_vec(&key.inputs)?;
    records::write_atomically(&folder.join(format!("{}.json", key.hex)), &bytes)?;
    records::write_atomically(&folder.join("latest"), key.hex.as_bytes())
}

/// The inputs that this checkout last built or found, if it did.
#[must_use]
pub fn last_inputs(records: &Path, image: &str) -> Option<Inputs> {
    let folder = records.join("keys").join(image);
    let hex = std::fs::read_to_string(folder.join("latest")).ok()?;
    serde_json::from_slice(&std::fs::read(folder.join(format!("{hex}.json"))).ok()?).ok()
}

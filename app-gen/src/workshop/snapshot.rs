//! placeholder of branch `checks`
use std::collections::BTreeMap;
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Snapshot { pub(crate) files: BTreeMap<String, File> }
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct File { pub(crate) is_executable: bool, pub(crate) content: Vec<u8> }

//! What piled up and nothing needs.

pub mod cache;
pub mod images;
pub mod manifests;

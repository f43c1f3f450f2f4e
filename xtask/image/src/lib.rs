//! What an image is made of, and whether it is there.

pub mod base;
pub mod build;
pub mod key;
pub mod packages;

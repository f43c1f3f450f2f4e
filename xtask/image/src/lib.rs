//! What an image is made of, and whether it is there.
//!
//! - `base`: which digest a base image has now, and the file of pins that holds it there.
//! - `rust`: what a binary is compiled from, and by which compilers.
//! - `packages`: the npm packages of a checkout.
//! - `debian`: the packages of Debian that images get.
//! - `key`: the digest of all inputs of an image, and what differs between two keys.
//! - `build`: from a key to an image in a registry, with what is compiled on the way.
//!
//! A room uses only the rooms above it.

pub mod base;
pub mod build;
pub mod debian;
pub mod key;
mod once;
pub mod packages;
pub mod rust;

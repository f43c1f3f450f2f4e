//! Assembles the container image of an application and pushes it, without an engine.
//!
//! An image is a base, which a registry has and which is named by its digest, below one layer of the
//! application. The same input always gives the same digest. [`Layer::pack`] reads the application's folder, and
//! [`push()`] has the base's layers mounted or copied, blob by blob, and pushes the rest. Both can be repeated:
//! what the registry has is not sent again.
//!
//! This crate knows nothing of who runs the image.

mod base;
mod client;
mod config;
mod digest;
mod error;
mod image;
mod layer;
mod limits;
mod push;
mod reference;
mod registry;
mod secret;

pub use client::http_client;
pub use error::Error;
pub use image::{FOLDER, Health, Image, USER};
pub use layer::Layer;
pub use limits::Limits;
pub use push::{Pushed, push};
pub use reference::{BaseImage, ReferenceError, Repository};
pub use registry::{Access, Credentials};
pub use secret::Secret;

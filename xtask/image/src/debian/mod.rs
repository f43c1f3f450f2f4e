//! Packages of Debian for images: with a lock file that says which, and unpacked without the package
//! manager.
//!
//! - `sources`: the archives that this machine reads.
//! - `lock`: the file of an image that holds its packages at a version and a digest.
//! - `resolve`: asks the apt of the base image for what it lacks.
//! - `renew`: brings the lock files of all images up to date.
//! - `package`: the files of one package, without its scripts.
//! - `tree`: the files of several packages, as an image gets them.
//! - `store`: packages on this machine, by their digest.
//!
//! Apt runs in a container of the base image, since that alone knows what the image has already, which
//! keys Debian signs with, and how that release of apt resolves dependencies. It only names packages: what is
//! downloaded later is held against the lock.

pub mod lock;
mod package;
pub mod renew;
mod resolve;
pub mod sources;
pub mod store;
pub mod tree;

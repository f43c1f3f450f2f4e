//! What every other crate of the build system uses.

pub mod atomic_file;
pub mod cmd;
pub mod context;
pub mod digest;
pub mod error;
pub mod http;
pub mod interrupt;
pub mod lock;
pub mod marked;
pub mod paths;
pub mod questions;
pub mod report;
pub mod side_by_side;
pub mod wait;

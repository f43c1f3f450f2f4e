//! What every other crate of the build system uses: how a command fails, what it shows, how it
//! starts processes, waits, locks files and asks over HTTP, and where it keeps its files.
//!
//! Nothing here knows an image, an engine, an environment's services or a command line; the
//! crates above do.

pub mod atomic_file;
pub mod cmd;
pub mod confined;
pub mod context;
pub mod digest;
pub mod download;
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

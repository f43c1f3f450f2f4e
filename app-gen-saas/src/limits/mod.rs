//! How much tenants and clients may use: what a refusal says, how fast requests may come, and how large and slow one
//! may be. What tenants used, and whose turn it is, the database knows (`database::limits`).

pub mod cors;
pub mod rate;
pub mod reached;
pub mod requests;

pub use rate::Rates;
pub use reached::{LimitName, LimitReached};

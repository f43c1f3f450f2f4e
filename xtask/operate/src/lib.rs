//! What is done with a platform that is built: it is deployed, watched, repaired, validated.

pub mod cost;
pub mod deploy;
pub mod destination;
pub mod doctor;
pub mod logs;
pub mod prune;
pub mod running;
pub mod secrets;
pub mod smoke;
pub mod validation;

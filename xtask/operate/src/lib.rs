//! What is done with a platform whose images are built. Each room is about one thing:
//!
//! - [`validation`] runs it in containers of this machine, and the [`smoke`] test uses it as a user
//!   does.
//! - [`deploy`] brings it to an environment and back, with images from its [`destination`].
//! - [`dev_tasks`] lets an orchestrator of `dev` run its jobs as tasks.
//! - [`status`] and [`logs`] show what runs, and [`doctor`] finds what is wrong and why.
//! - [`services`] restarts and scales services, [`exec`] runs a command inside a task.
//! - [`backup`] keeps what an environment has, and brings it back.
//! - [`product`] is the API of what was deployed, as its users have it.
//! - [`load`] has many listen to one job at once, and measures what they get.
//! - [`agents`] are those that the generator's image has.
//! - [`providers`] asks those of agents whether they accept a key and know a model.
//! - [`certificates`] are those that generators trust besides those of their image.
//! - [`secrets`] reads and writes secrets, [`cost`] prices a month, [`prune`] removes what nobody
//!   needs.

pub mod agents;
pub mod api_key;
mod application;
pub mod backup;
pub mod certificates;
pub mod cost;
pub mod deploy;
pub mod destination;
pub mod dev_tasks;
pub mod doctor;
pub mod exec;
pub mod jobs;
pub mod load;
pub mod logs;
pub mod product;
pub mod providers;
pub mod prune;
pub mod secrets;
pub mod services;
pub mod smoke;
pub mod status;
pub mod validation;

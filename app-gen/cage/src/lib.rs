//! Cages for coding agents: in one container, a generator keeps secrets, and what strangers wrote runs
//! beside it as another user and gets none of them.
//!
//! [`prepare`] is the first thing that a generator does, after [`run_role`]. It then makes a [`Cage`] for
//! each command that is not its own (an agent, npm, tests, the application), lets [`try_attacks`] prove
//! that cages hold on this machine, and starts [`Cage::command`]. [`read_workspace`] is how it gets what
//! was made.
//!
//! What is kept from whom, and what is not, is in the README.

mod attacks;
mod cage;
mod disk;
mod enter;
mod filter;
mod keeper;
mod kernel;
mod pack;
mod prepare;
mod processes;
mod roles;
mod run;
mod sockets;
mod walls;

pub use attacks::{Hole, Platform, Unsafe, try_attacks};
pub use cage::{Cage, DISK_FULL, Ended, Limits, NOT_STARTED, Ports, TOO_LATE, USER};
pub use pack::{Bounds, Packed, Refused, read_workspace};
pub use prepare::{Folders, Secrets, Unfit, end_all, prepare};
pub use run::run_role;
pub use walls::landlock_version;

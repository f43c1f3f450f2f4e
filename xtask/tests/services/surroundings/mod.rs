//! What surrounds a build on the machine of a user.

mod builder;
pub(crate) mod compiler;

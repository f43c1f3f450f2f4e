//! What surrounds a build on the machine of a user.

mod builder;
mod compiler;

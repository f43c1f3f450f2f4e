//! What these tests have in common with those of `tests/it`.

#[expect(dead_code, reason = "those tests use more of it")]
#[path = "../../it/support/binary.rs"]
pub mod binary;
#[expect(dead_code, reason = "those tests use more of it")]
#[path = "../../it/support/client.rs"]
pub mod client;
#[expect(dead_code, reason = "those tests use more of it")]
#[path = "../../it/support/database.rs"]
pub mod database;
#[expect(dead_code, reason = "those tests use more of it")]
#[path = "../../it/support/generator.rs"]
pub mod generator;
#[expect(dead_code, reason = "those tests use more of it")]
#[path = "../../it/support/random.rs"]
pub mod random;
#[path = "../../it/support/waiting.rs"]
mod waiting;

pub use waiting::{PATIENCE, eventually};

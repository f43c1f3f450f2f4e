//! What an operator sees of the orchestrator: the id of each request (`request`), numbers as embedded metrics in
//! the log (`measures`, `metrics`), and what became of a request as a trace (`spans`, `tracer`, `sender`, `otlp`).
//!
//! Nothing here may delay or fail what it looks at: counting is a few atomic numbers, and what cannot be
//! sent is dropped and counted.

pub mod measures;
pub mod metrics;
pub mod otlp;
pub mod request;
pub mod sender;
pub mod spans;
pub mod tracer;

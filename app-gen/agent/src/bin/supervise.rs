//! A program that supervises an agent and does nothing else, for what has no such program itself.

use std::process::ExitCode;

fn main() -> ExitCode {
    app_gen_agent::supervise()
}

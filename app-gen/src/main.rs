//! The generator's process; see the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    app_gen::run()
}

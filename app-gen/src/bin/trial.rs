//! Checks applications in cages, for the tests of containers. It is no part of the product.

use std::process::ExitCode;

fn main() -> ExitCode {
    app_gen::trial::main()
}

//! Where the deploys of an environment keep their files in the checkout.

use std::path::PathBuf;
use xtask_core::context::Context;

/// The folder with this name.
#[must_use]
pub fn deploy_folder(context: &Context, name: &str) -> PathBuf {
    context
        .work_folder()
        .join("deploy")
        .join(&context.environment)
        .join(name)
}

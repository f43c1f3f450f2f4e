//! `ecr login`.

use crate::config::Cloud;
use crate::ecr::{Ecr, host_of};
use crate::error::Kind;
use crate::report::{self, Outcome};

/// Image repositories
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Credentials for `docker login`; repositories are created in the local cloud and must exist on AWS
    Login {
        /// A repository that is going to be pushed to; may be given again
        #[arg(long = "repository", value_name = "REPOSITORY")]
        repositories: Vec<String>,
    },
}

/// # Errors
/// A repository does not exist, or a call fails.
pub(crate) async fn run(command: Command, cloud: &Cloud) -> anyhow::Result<Outcome> {
    match command {
        Command::Login { repositories } => login(&repositories, cloud).await,
    }
}

async fn login(repositories: &[String], cloud: &Cloud) -> anyhow::Result<Outcome> {
    let ecr = Ecr::new(cloud.sdk());
    for repository in repositories {
        match ecr.describe_repository(repository).await {
            Ok(()) => {}
            Err(error) if error.kind == Kind::NotFound && cloud.is_local() => {
                report::step(&format!("creating repository {repository}"));
                ecr.ensure_repository(repository, &cloud.tags()).await?;
            }
            Err(error) if error.kind == Kind::NotFound => {
                return Err(error
                    .hint(format!(
                        "CDK creates repositories: cargo xtask deploy --env {}",
                        cloud.environment
                    ))
                    .into());
            }
            Err(error) => return Err(error.into()),
        }
    }
    let mut login = ecr.login().await?;
    // The local cloud names a host of AWS and speaks the registry protocol on its own address.
    if let Some(endpoint) = &cloud.endpoint {
        host_of(endpoint).clone_into(&mut login.registry);
    }
    Outcome::success(login)
}

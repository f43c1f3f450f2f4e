//! Credentials for `docker login`.

use crate::commands::Handle;
use crate::config::Cloud;
use crate::ecr::{Ecr, host_of};
use crate::error::Kind;
use crate::report;
use xtask_aws_api::calls::ecr::{LogIn, Login};

impl Handle for LogIn {
    async fn handle(self, cloud: &Cloud) -> anyhow::Result<Login> {
        let ecr = Ecr::new(cloud.sdk());
        for repository in &self.repositories {
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
        // The local cloud names a host of AWS, but serves the registry at its own address.
        if let Some(endpoint) = &cloud.endpoint {
            host_of(endpoint).clone_into(&mut login.registry);
        }
        Ok(login)
    }
}

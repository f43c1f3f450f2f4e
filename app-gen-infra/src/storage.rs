//! Checks of where environments keep everything.

use crate::{ManifestError, Platform, STORAGE_MODE, StorageMode};

pub(crate) fn check(platform: &Platform, text: &str) -> Result<(), ManifestError> {
    if platform
        .orchestrator()
        .environment
        .contains_key(STORAGE_MODE)
    {
        return Err(ManifestError::of_key(
            text,
            "services.orchestrator.environment",
            "has STORAGE_MODE, which environments choose for themselves: write `storage_mode` into each of them",
        ));
    }
    for (name, environment) in &platform.environments {
        let pays = environment.database_usd_per_month.as_ref();
        let key = format!("environments.{name}.database_usd_per_month");
        match (environment.storage_mode, pays) {
            (StorageMode::Database, None) if name != "local" => {
                return Err(ManifestError::of_key(
                    text,
                    &key,
                    "is missing: every environment on AWS needs one, unless its storage_mode is dynamodb",
                ));
            }
            (StorageMode::DynamoDb, Some(pays)) => {
                return Err(ManifestError::at(
                    text,
                    &pays.span(),
                    "is the price of a database, but the environment keeps everything in DynamoDB: delete the line"
                        .to_owned(),
                ));
            }
            _ => {}
        }
    }
    Ok(())
}

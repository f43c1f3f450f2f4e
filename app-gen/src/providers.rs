//! The providers there are, by name.

use crate::failure::Failure;
use crate::provider::Provider;
use crate::template::Template;

const KNOWN: &str = "template";

/// The provider called `name`.
pub(crate) fn find(name: &str) -> Result<Box<dyn Provider>, Failure> {
    match name {
        "template" => Ok(Box::new(Template)),
        _ => Err(Failure::job(
            format!("unknown provider {name:?}"),
            &format!("known providers: {KNOWN}"),
        )),
    }
}

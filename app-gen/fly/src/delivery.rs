//! What all steps of a call know.

use crate::api::Api;
use crate::settings::{Endpoints, Source, Target, Token};
use crate::step::Step;

/// A call with what it was given.
pub(crate) struct Delivery<'a> {
    pub(crate) app: String,
    pub(crate) target: &'a Target,
    pub(crate) source: &'a Source,
    pub(crate) token: &'a Token,
    pub(crate) endpoints: &'a Endpoints,
    pub(crate) api: Api<'a>,
    pub(crate) progress: &'a (dyn Fn(&Step) + Send + Sync),
}

//! The gate before the registry: programs of this machine push and pull, pages do not.

use crate::cloud::from_page;
use crate::head::Head;
use crate::refusal::Refusal;

/// Refuses requests of web pages, and those that reached this machine under another name.
pub(crate) fn check(head: &Head, port: u16) -> Result<(), Refusal> {
    from_page(head)?;
    let host = head.header("host").unwrap_or_default();
    let names = ["127.0.0.1", "localhost"].map(|name| format!("{name}:{port}"));
    match names.iter().any(|name| name.eq_ignore_ascii_case(host)) {
        true => Ok(()),
        false => Err(Refusal::forbidden(
            "the registry does not answer to this name",
        )),
    }
}

//! The client for requests, and whom it trusts.

use crate::reference::is_loopback;
use reqwest::redirect::{Attempt, Policy};
use reqwest::{Certificate, Client, Url};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use std::time::Duration;

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(10);
/// How often a registry may send us elsewhere: those that everybody uses keep their bytes at another server.
const REDIRECTS: usize = 5;

/// Whether a request to this address is read by nobody on its way.
pub(crate) fn is_safe(url: &Url) -> bool {
    url.scheme() == "https" || url.scheme() == "http" && url.host_str().is_some_and(is_loopback)
}

/// A client for one server, whose host may have a port. It repeats nothing, and follows no redirect to where
/// somebody else reads along. `extra_certificates` are in the form of PEM, those of authorities that are
/// trusted besides those that everybody trusts.
///
/// # Errors
/// A certificate cannot be used.
pub fn http_client(extra_certificates: &str, host: &str) -> Result<Client, String> {
    // An error means that the process has a provider of TLS already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut roots = Vec::new();
    // These come on top of those of the system: debian:trixie-slim has none.
    for root in webpki_root_certs::TLS_SERVER_ROOT_CERTS {
        roots.push(Certificate::from_der(root).map_err(|error| error.to_string())?);
    }
    for der in CertificateDer::pem_slice_iter(extra_certificates.as_bytes()) {
        let der = der.map_err(|error| format!("an extra certificate is broken: {error}"))?;
        roots.push(Certificate::from_der(&der).map_err(|error| error.to_string())?);
    }
    let builder = Client::builder()
        .tls_certs_merge(roots)
        .connect_timeout(CONNECT)
        .redirect(Policy::custom(follow))
        .retry(reqwest::retry::never())
        .referer(false)
        .http1_only();
    // A proxy is asked only for what is not on this machine.
    let builder = match is_loopback(host) {
        true => builder.no_proxy(),
        false => builder,
    };
    builder.build().map_err(|error| error.to_string())
}

fn follow(attempt: Attempt<'_>) -> reqwest::redirect::Action {
    if attempt.previous().len() > REDIRECTS {
        return attempt.error("it sends us elsewhere again and again");
    }
    // A registry elsewhere does not send us to what listens on this machine.
    let is_plain = attempt.url().scheme() != "https";
    let was_plain = attempt.previous().iter().all(|url| url.scheme() != "https");
    match is_safe(attempt.url()) && (was_plain || !is_plain) {
        true => attempt.follow(),
        false => attempt.error("it sends us to an address without https"),
    }
}

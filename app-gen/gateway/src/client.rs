//! The client for requests to servers elsewhere, and whom it trusts.

use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, ClientBuilder};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use std::net::SocketAddr;
use std::time::Duration;

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(10);
/// How long a connection without a request is kept. Providers close theirs after a minute or more.
const IDLE: Duration = Duration::from_secs(45);

/// Certificates of authorities that are trusted besides those that everybody trusts. A network that
/// inspects TLS has one of its own.
#[derive(Debug, Clone, Default)]
pub struct Certificates(Vec<Certificate>);

/// Why certificates cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// The text is something else.
    #[error("the extra certificates hold no certificate in the form of PEM")]
    None,
    /// One of them is broken.
    #[error("extra certificate {number} cannot be used: {reason}")]
    Broken {
        /// Its place in the text, from 1.
        number: usize,
        /// What the reader says.
        reason: String,
    },
}

impl Certificates {
    /// Those of a text in the form of PEM, one after the other. An empty text has none.
    ///
    /// # Errors
    /// The text has none although it is not empty, or one cannot be used.
    pub fn from_pem(text: &str) -> Result<Self, CertificateError> {
        let mut certificates = Vec::new();
        let mut roots = RootCertStore::empty();
        for (place, der) in CertificateDer::pem_slice_iter(text.as_bytes()).enumerate() {
            let broken = |reason: String| CertificateError::Broken {
                number: place + 1,
                reason,
            };
            let der = der.map_err(|error| broken(error.to_string()))?;
            let certificate = Certificate::from_der(&der);
            certificates.push(certificate.map_err(|error| broken(error.to_string()))?);
            // Only this looks into it.
            roots.add(der).map_err(|error| broken(error.to_string()))?;
        }
        match certificates.is_empty() && !text.trim().is_empty() {
            true => Err(CertificateError::None),
            false => Ok(Self(certificates)),
        }
    }
}

/// A client for one server. It repeats nothing, which is the business of who asks.
///
/// # Errors
/// A root certificate of this program is broken.
pub fn client(
    certificates: &Certificates,
    is_loopback: bool,
    redirects: Policy,
) -> reqwest::Result<Client> {
    let builder = base(certificates, redirects)?;
    // A proxy is asked only for what is not on this machine.
    let builder = match is_loopback {
        true => builder.no_proxy(),
        false => builder,
    };
    builder.build()
}

/// A client for a server that a stranger named: its name leads to these addresses and to no other, whatever it leads
/// to later, and no proxy is asked, which would look the name up itself.
pub(crate) fn pinned_client(
    certificates: &Certificates,
    host: &str,
    addresses: &[SocketAddr],
) -> reqwest::Result<Client> {
    base(certificates, Policy::none())?
        .no_proxy()
        .resolve_to_addrs(host, addresses)
        .build()
}

fn base(certificates: &Certificates, redirects: Policy) -> reqwest::Result<ClientBuilder> {
    // An error means that the process has a provider of TLS already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // These come on top of those of the system: debian:trixie-slim has none, and without any root
    // certificate there is no client.
    let roots = webpki_root_certs::TLS_SERVER_ROOT_CERTS
        .iter()
        .map(|root| Certificate::from_der(root));
    let mut roots = roots.collect::<Result<Vec<Certificate>, _>>()?;
    roots.extend(certificates.0.iter().cloned());
    Ok(Client::builder()
        .tls_certs_merge(roots)
        .connect_timeout(CONNECT)
        .pool_idle_timeout(IDLE)
        .redirect(redirects)
        .retry(reqwest::retry::never())
        .referer(false)
        .http1_only())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extra_certificates_are_read_or_refused_by_number() {
        assert!(Certificates::from_pem(" \n").unwrap().0.is_empty());
        let error = Certificates::from_pem("a certificate").unwrap_err();
        assert!(matches!(error, CertificateError::None), "{error}");
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let error = Certificates::from_pem(broken).unwrap_err();
        assert!(
            matches!(error, CertificateError::Broken { number: 1, .. }),
            "{error}"
        );
    }
}

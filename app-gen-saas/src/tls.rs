//! TLS: the cryptography of ring, and Mozilla's root certificates, compiled in.
//!
//! The database, the object store and the AWS SDK can each use one of two libraries for cryptography.
//! All three use ring: the other one, aws-lc, is a large C library that takes a minute to compile.
//!
//! The runtime image holds no certificate bundle, and without one the HTTP clients refuse to be built
//! (`object_store`) or to verify anything (the AWS SDK). The system's own bundle is not read, so that
//! the same binary trusts the same servers everywhere.

use anyhow::Context as _;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use base64::Engine as _;
use object_store::{Certificate, ClientOptions};
use webpki_root_certs::TLS_SERVER_ROOT_CERTS;

/// Client options for `object_store` that trust the compiled-in roots only.
///
/// # Errors
/// When a certificate cannot be read.
pub(crate) fn object_store_options() -> anyhow::Result<ClientOptions> {
    use_ring();
    let mut options = ClientOptions::new().with_no_system_certificates(true);
    for certificate in TLS_SERVER_ROOT_CERTS {
        let certificate = Certificate::from_der(certificate)
            .context("failed to read a compiled-in root certificate")?;
        options = options.with_root_certificate(certificate);
    }
    Ok(options)
}

/// A builder of clients for anything else that trusts the compiled-in roots only.
///
/// # Errors
/// When a certificate cannot be read.
pub(crate) fn http_client() -> anyhow::Result<reqwest::ClientBuilder> {
    use_ring();
    let roots = TLS_SERVER_ROOT_CERTS
        .iter()
        .map(|root| reqwest::Certificate::from_der(root))
        .collect::<Result<Vec<_>, _>>()
        .context("failed to read a compiled-in root certificate")?;
    Ok(reqwest::Client::builder().tls_certs_only(roots))
}

/// Makes ring the provider of this process. The HTTP client of `object_store` takes the provider from
/// there, and without one it panics.
fn use_ring() {
    // An error means that the process has a provider already.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// An HTTP client for the AWS SDK that trusts the compiled-in roots only.
///
/// # Errors
/// When a certificate cannot be read.
pub(crate) fn aws_http_client()
-> anyhow::Result<aws_smithy_runtime_api::client::http::SharedHttpClient> {
    let mut pem = String::new();
    for certificate in TLS_SERVER_ROOT_CERTS {
        let base64 = base64::engine::general_purpose::STANDARD.encode(certificate);
        pem.push_str("-----BEGIN CERTIFICATE-----\n");
        pem.push_str(&base64);
        pem.push_str("\n-----END CERTIFICATE-----\n");
    }
    let context = TlsContext::builder()
        .with_trust_store(TrustStore::empty().with_pem_certificate(pem))
        .build()
        .context("failed to read the compiled-in root certificates")?;
    Ok(aws_smithy_http_client::Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .tls_context(context)
        .build_https())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_can_be_made() {
        let options = object_store_options().unwrap();
        object_store::aws::AmazonS3Builder::new()
            .with_bucket_name("bucket")
            .with_client_options(options)
            .build()
            .unwrap();
        aws_http_client().unwrap();
        http_client().unwrap().build().unwrap();
    }
}

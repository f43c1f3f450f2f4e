//! Trust in servers: Mozilla's root certificates, compiled in.
//!
//! The runtime image holds no certificate bundle, and without one the HTTP clients refuse to be built
//! (`object_store`) or to verify anything (the AWS SDK). The system's own bundle is not looked at, so
//! that the same binary trusts the same servers everywhere.

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
    let mut options = ClientOptions::new().with_no_system_certificates(true);
    for certificate in TLS_SERVER_ROOT_CERTS {
        let certificate = Certificate::from_der(certificate)
            .context("failed to read a compiled-in root certificate")?;
        options = options.with_root_certificate(certificate);
    }
    Ok(options)
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
        .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
        .tls_context(context)
        .build_https())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_roots_are_readable() {
        super::object_store_options().unwrap();
        super::aws_http_client().unwrap();
    }
}

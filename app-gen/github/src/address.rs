//! Addresses of GitHub's API and of its repositories, and whom they are believed.

use crate::error::Error;
use crate::settings::Settings;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Url};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use std::net::IpAddr;
use std::time::Duration;

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(10);
/// How often the API may send a request to another address of its own: renamed repositories.
const REDIRECTS: usize = 3;
/// Base64 in one line of PEM.
const LINE: usize = 64;

/// A base URL, below which everything else is.
#[derive(Debug, Clone)]
pub(crate) struct Base {
    url: Url,
    /// Whether it is on this machine, which no proxy is asked for.
    pub(crate) is_loopback: bool,
}

impl Base {
    /// A URL whose traffic nobody reads on the way. `field` says what it is in an error.
    ///
    /// # Errors
    /// It is no URL, has more than a base has, or is neither https nor on this machine.
    pub(crate) fn new(field: &'static str, text: &str) -> Result<Self, Error> {
        let invalid = |problem| Error::Invalid {
            field,
            value: text.to_owned(),
            problem,
        };
        let url = Url::parse(text.trim()).map_err(|_| invalid("it is no URL"))?;
        if !url.username().is_empty() || url.password().is_some() {
            // The text may hold a password.
            return Err(Error::Invalid {
                field,
                value: url.host_str().unwrap_or_default().to_owned(),
                problem: "it has a user or a password",
            });
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(invalid("it has more than scheme, host, port and path"));
        }
        let host = url.host_str().unwrap_or_default();
        let address: Option<IpAddr> = host.trim_matches(['[', ']']).parse().ok();
        let is_loopback =
            host == "localhost" || address.is_some_and(|address| address.is_loopback());
        if url.scheme() != "https" && !(url.scheme() == "http" && is_loopback) {
            return Err(invalid("it is neither https nor http on this machine"));
        }
        Ok(Self { url, is_loopback })
    }

    /// The address of a path below it.
    pub(crate) fn below<'text>(&self, segments: impl IntoIterator<Item = &'text str>) -> Url {
        let mut url = self.url.clone();
        // Only URLs without a host have no path.
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        url
    }

    /// `https` or `http`.
    pub(crate) fn scheme(&self) -> &str {
        self.url.scheme()
    }

    /// The host, with its port where that is not the scheme's own: as git says it.
    pub(crate) fn host(&self) -> String {
        let host = self.url.host_str().unwrap_or_default();
        match self.url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        }
    }
}

/// Where GitHub is, and the certificates by which it is known.
#[derive(Debug)]
pub(crate) struct Addresses {
    pub(crate) api: Base,
    pub(crate) git: Base,
    /// A client for the API. It repeats nothing.
    pub(crate) client: Client,
    /// All certificates that are trusted, as git reads them.
    pub(crate) certificates_pem: String,
}

impl Addresses {
    /// Those of the settings.
    ///
    /// # Errors
    /// An address or a certificate cannot be used.
    pub(crate) fn new(settings: &Settings) -> Result<Self, Error> {
        let api = Base::new("the address of GitHub's API", &settings.api_url)?;
        let git = Base::new("the address of GitHub's repositories", &settings.git_url)?;
        let extra = extra(&settings.extra_certificates_pem)?;
        let roots = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter();
        let ders = roots.chain(&extra);
        let certificates_pem = ders.clone().map(|der| pem(der)).collect();
        let client = client(&api, ders.map(|der| Certificate::from_der(der)));
        let client = client.map_err(|error| Error::Local {
            what: "make an HTTP client",
            reason: error.to_string(),
        })?;
        Ok(Self {
            api,
            git,
            client,
            certificates_pem,
        })
    }
}

/// The certificates of a text, each of which can be used.
fn extra(text: &str) -> Result<Vec<CertificateDer<'static>>, Error> {
    let invalid = |problem| Error::Invalid {
        field: "the extra certificates",
        // Certificates are long, and say nothing to people.
        value: text.chars().take(40).collect(),
        problem,
    };
    let mut certificates = Vec::new();
    let mut roots = RootCertStore::empty();
    for der in CertificateDer::pem_slice_iter(text.as_bytes()) {
        let der = der.map_err(|_| invalid("one is not in the form of PEM"))?;
        // Only this looks into it.
        let added = roots.add(der.clone());
        added.map_err(|_| invalid("one is no certificate of an authority"))?;
        certificates.push(der);
    }
    match certificates.is_empty() && !text.trim().is_empty() {
        true => Err(invalid("there is none in the form of PEM")),
        false => Ok(certificates),
    }
}

fn client(
    api: &Base,
    roots: impl Iterator<Item = reqwest::Result<Certificate>>,
) -> reqwest::Result<Client> {
    // An error means that the process has a provider of TLS already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let origin = api.url.origin();
    let redirects = Policy::custom(move |attempt| {
        let is_own = attempt.url().origin() == origin;
        match is_own && attempt.previous().len() <= REDIRECTS {
            true => attempt.follow(),
            // The answer that names another address is what is judged then.
            false => attempt.stop(),
        }
    });
    // These come on top of those of the system, of which an image may have none.
    let builder = Client::builder()
        .tls_certs_merge(roots.collect::<reqwest::Result<Vec<Certificate>>>()?)
        .connect_timeout(CONNECT)
        .redirect(redirects)
        .retry(reqwest::retry::never())
        .referer(false)
        .http1_only();
    let builder = match api.is_loopback {
        true => builder.no_proxy(),
        false => builder,
    };
    builder.build()
}

fn pem(der: &[u8]) -> String {
    let base64 = STANDARD.encode(der);
    let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
    let mut rest = base64.as_str();
    while !rest.is_empty() {
        // Base64 is ASCII, so that every place is a border between characters.
        let (line, behind) = rest.split_at(rest.len().min(LINE));
        pem.push_str(line);
        pem.push('\n');
        rest = behind;
    }
    pem.push_str("-----END CERTIFICATE-----\n");
    pem
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_is_https_or_this_machine() {
        for text in [
            "https://api.github.com",
            "https://github.example.com/api/v3/",
            "http://127.0.0.1:8080",
            "http://[::1]:80",
            "http://localhost:1",
        ] {
            Base::new("it", text).unwrap();
        }
        for text in [
            "github.com",
            "http://github.com",
            "ssh://github.com",
            "file:///tmp",
            "https://github.com?a=b",
            "https://github.com#a",
        ] {
            assert!(Base::new("it", text).is_err(), "{text}");
        }
        let error = Base::new("it", "https://bot:sesame@github.com").unwrap_err();
        assert!(!error.to_string().contains("sesame"), "{error}");
    }

    #[test]
    fn what_is_below_a_base_has_its_path() {
        let base = Base::new("it", "https://github.example.com:8443/api/v3/").unwrap();
        assert_eq!(
            base.below(["repos", "acme", "a b"]).as_str(),
            "https://github.example.com:8443/api/v3/repos/acme/a%20b"
        );
        assert_eq!(base.host(), "github.example.com:8443");
        let base = Base::new("it", "https://github.com:443").unwrap();
        assert_eq!(base.below(["a.git"]).as_str(), "https://github.com/a.git");
        assert_eq!(base.host(), "github.com");
    }

    #[test]
    fn git_gets_the_certificates_that_the_client_has() {
        let addresses = Addresses::new(&Settings::default()).unwrap();
        let read = extra(&addresses.certificates_pem).unwrap();
        assert_eq!(read.len(), webpki_root_certs::TLS_SERVER_ROOT_CERTS.len());
        let settings = Settings {
            extra_certificates_pem: "a certificate".to_owned(),
            ..Settings::default()
        };
        assert!(Addresses::new(&settings).is_err());
    }
}

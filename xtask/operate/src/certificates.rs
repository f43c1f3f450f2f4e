//! Certificates of authorities that generators trust besides those of their image. A network that inspects
//! TLS has an authority of its own, without which no package of npm can be installed there.
//!
//! For any environment platform.toml can name them (`extra_certificates`). Where it does not, generators of
//! the local cloud trust what this machine trusts: the authorities in its bundle that neither its
//! distribution nor Mozilla put there. No image has them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use webpki_root_certs::TLS_SERVER_ROOT_CERTS;
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure, FailureContext as _};

/// The variable of a generator's environment (`app-gen/contract/src/env.rs`).
pub const VARIABLE: &str = "EXTRA_CA_CERTIFICATES";

/// They are in the generator's task definition, for which ECS has 64 KiB. A root is about 2 KiB.
const LIMIT_BYTES: usize = 32 * 1024;

/// A bundle of certificates that is read in place of the system's.
const BUNDLE_VARIABLE: &str = "SSL_CERT_FILE";
/// A bundle of certificates that is read besides the system's.
const ADDED_VARIABLE: &str = "NODE_EXTRA_CA_CERTS";
/// The bundle of Debian and its relatives, and that of Fedora and its own.
const BUNDLES: [&str; 2] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
];
/// The authorities that Debian's package `ca-certificates` has, a file each.
const OF_DISTRIBUTION: &str = "/usr/share/ca-certificates";

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";
/// PEM has lines of this length.
const LINE_BYTES: usize = 64;

/// The certificates for generators of the context's environment, as PEM; `None` where there are none.
///
/// # Errors
/// The file that platform.toml names cannot be read, holds something else, or is too large.
pub fn extra(context: &Context) -> anyhow::Result<Option<String>> {
    let environment = &context.platform.environments[&context.environment];
    if let Some(path) = &environment.extra_certificates {
        return named(context, path.get_ref()).map(Some);
    }
    if !context.is_local() {
        return Ok(None);
    }
    let found = beyond(&bundles(|name| std::env::var_os(name)), &usual());
    let pem: String = found.iter().map(|body| pem(body)).collect();
    if pem.len() > LIMIT_BYTES {
        context.report.step(&format!(
            "this machine trusts {} authorities of its own, which are too many for a task: generators \
             trust none of them; name the file of those they need in {} (`extra_certificates`)",
            found.len(),
            app_gen_infra::MANIFEST_PATH
        ));
        return Ok(None);
    }
    Ok((!found.is_empty()).then_some(pem))
}

/// The file of the manifest.
fn named(context: &Context, path: &str) -> anyhow::Result<String> {
    let refusal = |what: String| {
        Failure::new(Code::Manifest, format!("extra_certificates: {path} {what}"))
            .hint(format!("edit {path}, or {}", app_gen_infra::MANIFEST_PATH))
    };
    let text = std::fs::read_to_string(context.root.join(path))
        .failure(|| refusal("cannot be read".to_owned()))?;
    if text.contains("PRIVATE KEY") {
        let what = "holds a private key: everybody who reads a task definition would have it";
        return Err(refusal(what.to_owned()).into());
    }
    let found = bodies(&text);
    if found.is_empty() {
        return Err(refusal(format!("has no certificate: none begins with {BEGIN}")).into());
    }
    let pem: String = found.iter().map(|body| pem(body)).collect();
    if pem.len() > LIMIT_BYTES {
        let what = format!("has {} bytes; a task takes {LIMIT_BYTES}", pem.len());
        return Err(refusal(what).into());
    }
    Ok(pem)
}

/// The bundles that programs of this machine read.
fn bundles(variable: impl Fn(&str) -> Option<OsString>) -> Vec<String> {
    let set = |name| variable(name).filter(|value| !value.is_empty());
    let usual = set(BUNDLE_VARIABLE).map_or_else(
        || BUNDLES.map(PathBuf::from).to_vec(),
        |path| vec![PathBuf::from(path)],
    );
    let added = set(ADDED_VARIABLE).map(PathBuf::from);
    let paths: BTreeSet<PathBuf> = usual.into_iter().chain(added).collect();
    paths.iter().filter_map(|path| read(path)).collect()
}

/// The authorities that machines have without anybody's doing.
fn usual() -> BTreeSet<String> {
    let mozilla = TLS_SERVER_ROOT_CERTS.iter().map(|der| STANDARD.encode(der));
    let files = walkdir::WalkDir::new(OF_DISTRIBUTION).into_iter().flatten();
    let distribution = files
        .filter(|entry| entry.file_type().is_file())
        .filter_map(|entry| read(entry.path()))
        .flat_map(|text| bodies(&text));
    mozilla.chain(distribution).collect()
}

fn read(path: &Path) -> Option<String> {
    let bytes = std::fs::read(path).ok()?;
    // Comments between certificates may be in any encoding.
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// The certificates of the bundles that are not among the usual ones, without repetitions.
fn beyond(bundles: &[String], usual: &BTreeSet<String>) -> BTreeSet<String> {
    let all = bundles.iter().flat_map(|text| bodies(text));
    all.filter(|body| !usual.contains(body)).collect()
}

/// The base64 of each certificate in a text, in one line.
fn bodies(text: &str) -> BTreeSet<String> {
    text.split(BEGIN)
        .skip(1)
        .filter_map(|rest| Some(rest.split_once(END)?.0))
        .map(|body| body.split_whitespace().collect::<String>())
        .filter(|body| STANDARD.decode(body).is_ok_and(|der| !der.is_empty()))
        .collect()
}

fn pem(body: &str) -> String {
    let mut text = format!("{BEGIN}\n");
    let mut rest = body;
    while !rest.is_empty() {
        // Base64 is ASCII.
        let (line, after) = rest.split_at(rest.len().min(LINE_BYTES));
        text.push_str(line);
        text.push('\n');
        rest = after;
    }
    text.push_str(END);
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use xtask_core::report::{Report, Verbosity};

    /// A certificate's place is all that matters here, not what it says.
    fn certificate(seed: u8) -> String {
        pem(&STANDARD.encode([seed; 100]))
    }

    #[test]
    fn what_a_machine_trusts_by_itself_is_found_and_written_as_it_was() {
        let bundle = format!(
            "# One that everybody has\n{}text\n{}{}",
            certificate(1),
            certificate(2).replace('\n', "\r\n"),
            certificate(3)
        );
        let again = certificate(2);
        let usual = bodies(&certificate(1));
        let found = beyond(&[bundle, again], &usual);
        let written: String = found.iter().map(|body| pem(body)).collect();
        assert_eq!(written, certificate(2) + &certificate(3));
        assert!(certificate(2).lines().all(|line| line.len() <= LINE_BYTES));
    }

    #[test]
    fn text_that_is_no_certificate_is_left_out() {
        let broken = format!("{BEGIN}\nnot base64!\n{END}\n{BEGIN}\n{END}\n{BEGIN}\nAAAA");
        assert!(bodies(&broken).is_empty());
    }

    #[test]
    fn authorities_of_mozilla_are_usual() {
        let bundle: String = TLS_SERVER_ROOT_CERTS
            .iter()
            .map(|der| pem(&STANDARD.encode(der)))
            .collect();
        assert!(beyond(&[bundle + &certificate(1)], &usual()).len() == 1);
    }

    #[test]
    fn variables_name_bundles() {
        let folder = tempfile::tempdir().unwrap();
        let (whole, added) = (folder.path().join("whole"), folder.path().join("added"));
        std::fs::write(&whole, "whole").unwrap();
        std::fs::write(&added, "added").unwrap();
        let both = bundles(|name| {
            Some(
                if name == BUNDLE_VARIABLE {
                    &whole
                } else {
                    &added
                }
                .into(),
            )
        });
        assert_eq!(both, ["added", "whole"]);
        let missing = bundles(|name| (name == BUNDLE_VARIABLE).then(|| "/no/such/file".into()));
        assert_eq!(missing, [] as [String; 0]);
    }

    /// A context whose environment `dev` names this file of its checkout.
    fn naming(content: &str) -> (tempfile::TempDir, Context) {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .ancestors()
            .nth(2)
            .unwrap();
        let report = Report::new(false, Verbosity::Quiet);
        let mut context = Context::at(root.to_owned(), "dev", true, report).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ours.pem"), content).unwrap();
        folder.path().clone_into(&mut context.root);
        let environment = context.platform.environments.get_mut("dev").unwrap();
        environment.extra_certificates = Some(toml::Spanned::new(0..0, "ours.pem".to_owned()));
        (folder, context)
    }

    #[test]
    fn the_file_of_the_manifest_has_certificates_and_nothing_secret() {
        let two = certificate(2) + &certificate(1);
        let (_folder, context) = naming(&format!("Ours:\n{two}"));
        assert_eq!(
            extra(&context).unwrap(),
            Some(certificate(1) + &certificate(2))
        );
        let many: String = (0..=255).map(certificate).collect();
        for (content, said) in [
            ("", "has no certificate"),
            ("-----BEGIN EC PRIVATE KEY-----", "holds a private key"),
            (&many, "a task takes 32768"),
        ] {
            let (_folder, context) = naming(content);
            let error = extra(&context).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
        let (folder, context) = naming("");
        std::fs::remove_file(folder.path().join("ours.pem")).unwrap();
        let error = extra(&context).unwrap_err().to_string();
        assert!(error.contains("ours.pem cannot be read"), "{error}");
    }

    #[test]
    fn environments_on_aws_trust_nothing_of_this_machine() {
        let (_folder, mut context) = naming("");
        context
            .platform
            .environments
            .get_mut("dev")
            .unwrap()
            .extra_certificates = None;
        assert_eq!(extra(&context).unwrap(), None);
    }
}

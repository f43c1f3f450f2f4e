//! Which paths of a registry npm needs to install packages.

use hyper::Uri;
use reqwest::Url;

/// What is asked for: names that were read, so that nothing else of a request becomes part of a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// With its `@`.
    scope: Option<String>,
    package: String,
    /// The file of a version; without it, the document that lists the versions.
    file: Option<String>,
}

/// Bytes of a name. The registry takes packages of at most 214.
const NAME_BYTES: usize = 255;

impl Wanted {
    /// The document or the archive that a path names. `base` is the path of the registry's URL: a mirror is
    /// asked for archives below it, because it is a part of the addresses that its documents hold.
    pub(crate) fn of(uri: &Uri, base: &str) -> Option<Self> {
        if uri.query().is_some() {
            return None;
        }
        let below = |base: &str| uri.path().strip_prefix(base)?.strip_prefix('/');
        let path = below(base.trim_end_matches('/')).or_else(|| below(""))?;
        // npm writes the slash of a scope like this.
        let path = path.replacen("%2f", "/", 1).replacen("%2F", "/", 1);
        let parts: Vec<&str> = path.split('/').collect();
        let (scope, rest) = match parts.split_first() {
            Some((first, rest)) if first.starts_with('@') => (Some(*first), rest),
            _ => (None, &parts[..]),
        };
        let (package, file) = match rest {
            [package] => (*package, None),
            [package, "-", file] => (*package, Some(*file)),
            _ => return None,
        };
        let is_scope = scope.is_none_or(|scope| is_name(&scope[1..]));
        let is_archive = file.is_none_or(|file| is_name(file) && file.ends_with(".tgz"));
        (is_scope && is_name(package) && is_archive).then(|| Self {
            scope: scope.map(str::to_owned),
            package: package.to_owned(),
            file: file.map(str::to_owned),
        })
    }

    /// Its address in a registry.
    pub(crate) fn below(&self, registry: &Url) -> Url {
        let mut url = registry.clone();
        let base = registry.path().trim_end_matches('/');
        let package = match (&self.scope, &self.file) {
            (None, _) => self.package.clone(),
            (Some(scope), None) => format!("{scope}%2f{}", self.package),
            (Some(scope), Some(_)) => format!("{scope}/{}", self.package),
        };
        let file = self.file.as_ref().map(|file| format!("/-/{file}"));
        url.set_path(&format!("{base}/{package}{}", file.unwrap_or_default()));
        url
    }
}

/// Letters, digits and what else names have had; never `.`, `..` or something that has to be decoded.
fn is_name(name: &str) -> bool {
    let is_known = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!'()*+".contains(&byte);
    name.len() <= NAME_BYTES
        && name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name.bytes().all(is_known)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(path: &str, registry: &str) -> Option<String> {
        let registry = Url::parse(registry).unwrap();
        let uri: Uri = path.parse().unwrap();
        let wanted = Wanted::of(&uri, registry.path())?;
        Some(wanted.below(&registry).to_string())
    }

    #[test]
    fn documents_and_archives_are_found() {
        let npm = "https://registry.npmjs.org";
        for path in [
            "/hono",
            "/@hono%2fnode-server",
            "/hono/-/hono-4.13.19.tgz",
            "/@hono/node-server/-/node-server-2.1.9.tgz",
            "/JSONStream",
        ] {
            assert_eq!(address(path, npm), Some(format!("{npm}{path}")));
        }
        let same = "https://registry.npmjs.org/@hono%2fnode-server";
        for path in ["/@hono/node-server", "/@hono%2Fnode-server"] {
            assert_eq!(address(path, npm).as_deref(), Some(same));
        }
    }

    #[test]
    fn a_registry_below_a_path_is_asked_below_it() {
        let own = "https://example.com/npm/all/";
        let archive = "https://example.com/npm/all/hono/-/hono-1.0.0.tgz";
        for path in ["/hono/-/hono-1.0.0.tgz", "/npm/all/hono/-/hono-1.0.0.tgz"] {
            assert_eq!(address(path, own).as_deref(), Some(archive));
        }
    }

    #[test]
    fn nothing_else_is() {
        for path in [
            "/",
            "/-/npm/v1/security/advisories/bulk",
            "/-/v1/search?text=a",
            "/-/whoami",
            "/-/user/org.couchdb.user:a",
            "/-/package/hono/dist-tags",
            "/hono?write=true",
            "/hono/4.13.19",
            "/hono/-/hono-1.0.0.zip",
            "/hono/-/../x.tgz",
            "/../hono",
            "/.hidden",
            "/%2e%2e",
            "/@/hono",
            "/@hono",
            "/@hono/",
            "/@hono/x/y",
            "//example.com/hono",
            "/hono%2f..%2fx",
            "/hono%00",
        ] {
            assert_eq!(address(path, "https://registry.npmjs.org"), None, "{path}");
        }
        let long = format!("/{}", "a".repeat(NAME_BYTES + 1));
        assert_eq!(address(&long, "https://registry.npmjs.org"), None);
    }
}

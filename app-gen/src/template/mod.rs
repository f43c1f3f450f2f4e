//! The provider `template`: a real React, Vite and Express application whose code is always the same;
//! only its name, description and colour come from the job. It needs no key and no network.

mod name;

use std::path::Path;
use std::pin::Pin;

use anyhow::{Context as _, Result};
use app_gen_contract::{JobSpec, LogLevel};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::emitter::Emitter;
use crate::failure::Failure;
use crate::provider::{Application, Provider};
use crate::template::name::{display_name, slug};

/// The package's name in the files below, exchanged for the application's own.
const PLACEHOLDER_NAME: &str = "app-gen-template";

macro_rules! file {
    ($path:literal) => {
        ($path, include_str!(concat!("files/", $path)))
    };
    ($path:literal from $source:literal) => {
        ($path, include_str!(concat!("files/", $source)))
    };
}

/// Path in the application, content.
const FILES: [(&str, &str); 16] = [
    // Under its own name it would hide files of this repository from git.
    file!(".gitignore" from "gitignore"),
    file!("README.md"),
    file!("index.html"),
    file!("package-lock.json"),
    file!("package.json"),
    file!("public/icon.svg"),
    file!("server/app.js"),
    file!("server/app.test.js"),
    file!("server/index.js"),
    file!("server/store.js"),
    file!("src/App.jsx"),
    file!("src/Item.jsx"),
    file!("src/api.js"),
    file!("src/main.jsx"),
    file!("src/styles.css"),
    file!("vite.config.js"),
];

/// The application's `app.json`. The description is untrusted, so it goes into JSON only, never into
/// code, markup or file names; React and the API treat it as text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct AppInfo {
    name: String,
    slug: String,
    description: String,
    /// Hue of the page's colours, in degrees.
    hue: u16,
    generator: &'static str,
}

impl AppInfo {
    fn new(description: &str) -> Self {
        let name = display_name(description);
        let digest = Sha256::digest(description.as_bytes());
        Self {
            slug: slug(&name),
            name,
            description: description.to_owned(),
            hue: u16::from_be_bytes([digest[0], digest[1]]) % 360,
            generator: "app-gen template",
        }
    }
}

/// The provider.
pub(crate) struct Template;

impl Provider for Template {
    fn write<'call>(
        &'call self,
        spec: &'call JobSpec,
        workspace: &'call Path,
        emitter: &'call Emitter,
    ) -> Pin<Box<dyn Future<Output = Result<Application, Failure>> + Send + 'call>> {
        Box::pin(async move {
            let info = AppInfo::new(&spec.description);
            let message = format!(
                "making {:?} from the template, without an AI model",
                info.name
            );
            emitter.log(LogLevel::Info, message).await;
            for (path, content) in files(&info)? {
                let target = workspace.join(path);
                let write = async {
                    tokio::fs::create_dir_all(target.parent().unwrap_or(workspace)).await?;
                    tokio::fs::write(&target, content).await
                };
                write
                    .await
                    .with_context(|| format!("cannot write {}", target.display()))?;
            }
            let summary = format!(
                "{} is ready: a React and Express application made from the template",
                info.name
            );
            Ok(Application {
                name: info.name,
                summary,
            })
        })
    }
}

/// All files of the application, `app.json` included.
fn files(info: &AppInfo) -> Result<Vec<(&'static str, String)>> {
    let mut app_json = serde_json::to_string_pretty(info)?;
    app_json.push('\n');
    let mut files = vec![("app.json", app_json)];
    for (path, content) in FILES {
        let content = match path {
            "package.json" | "package-lock.json" => content.replace(PLACEHOLDER_NAME, &info.slug),
            _ => content.to_owned(),
        };
        files.push((path, content));
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;
    use walkdir::WalkDir;

    use super::*;

    #[test]
    fn every_file_of_the_template_is_embedded() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/template/files");
        let on_disk: BTreeSet<String> = WalkDir::new(&folder)
            .into_iter()
            .map(Result::unwrap)
            .filter(|entry| entry.file_type().is_file())
            .map(|entry| {
                entry
                    .path()
                    .strip_prefix(&folder)
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .replace("gitignore", ".gitignore")
            })
            .collect();
        let embedded: BTreeSet<String> = FILES.iter().map(|(path, _)| (*path).to_owned()).collect();
        assert_eq!(embedded, on_disk);
    }

    #[test]
    fn the_name_reaches_package_and_lock_and_nothing_else() {
        let info = AppInfo::new("Build a list of books that I have read");
        let files = files(&info).unwrap();
        for (path, content) in &files {
            assert!(!content.contains(PLACEHOLDER_NAME), "{path}");
        }
        let json = |wanted: &str| -> Value {
            let (_, content) = files.iter().find(|(path, _)| *path == wanted).unwrap();
            serde_json::from_str(content).unwrap()
        };
        assert_eq!(json("package.json")["name"], "list-of-books-app");
        assert_eq!(json("package-lock.json")["name"], "list-of-books-app");
        assert_eq!(
            json("package-lock.json")["packages"][""]["name"],
            "list-of-books-app"
        );
        assert_eq!(
            json("app.json")["description"],
            "Build a list of books that I have read"
        );
    }

    #[test]
    fn the_lock_names_no_registry_and_checks_every_package() {
        let (_, lock) = FILES
            .iter()
            .find(|(path, _)| *path == "package-lock.json")
            .unwrap();
        let lock: Value = serde_json::from_str(lock).unwrap();
        let packages = lock["packages"].as_object().unwrap();
        assert!(packages.len() > 50);
        for (name, package) in packages.iter().filter(|(name, _)| !name.is_empty()) {
            assert!(package.get("resolved").is_none(), "{name}");
            assert!(
                package["integrity"]
                    .as_str()
                    .unwrap()
                    .starts_with("sha512-"),
                "{name}"
            );
        }
    }

    #[test]
    fn any_description_is_only_text() {
        for description in [
            "\"quotes\" and 'more' `ticks` \\ ${x} {{y}} <%= z %>",
            "</script><script>alert(1)</script><!-- -->",
            "two\nlines\r\n\ttabs \u{1} \u{2028}",
            "🚀🚀🚀",
            "قائمة المشتريات \u{202e}drow",
            &"x".repeat(4000),
            "../../etc/passwd",
        ] {
            let info = AppInfo::new(description);
            let files = files(&info).unwrap();
            let read: Value = serde_json::from_str(&files[0].1).unwrap();
            assert_eq!(read["description"], description);
            let others = files[1..]
                .iter()
                .map(|(path, content)| content.replace(&info.slug, path))
                .collect::<String>();
            assert!(!others.contains(description));
        }
    }
}

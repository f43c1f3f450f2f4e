//! Packages of a lock file that are installed for their files alone: no other package of the lock file
//! is downloaded for them, and what they depend on is not installed either.

use crate::packages::lockfile::LockFile;
use serde_json::{Map, Value, json};
use std::path::Path;
use xtask_core::error::Failure;

/// The lock file of a folder, read for tools.
#[derive(Debug)]
pub struct Tools(LockFile);

/// The package that a file is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tool {
    /// Its path below `node_modules`: a name, with its scope.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The digest of its archive.
    pub integrity: String,
}

impl Tools {
    /// Reads the lock file of a project.
    ///
    /// # Errors
    /// There is none, or it leaves open what is installed.
    pub fn read(project: &Path) -> anyhow::Result<Self> {
        Ok(Self(LockFile::read(project)?))
    }

    /// The package that has a path below `node_modules`.
    ///
    /// # Errors
    /// There is no such package, it is within another one, or it is not an archive with a checksum.
    pub fn of_file(&self, path: &str) -> Result<Tool, Failure> {
        let mut parts = path.splitn(3, '/');
        let first = parts.next().unwrap_or_default();
        let name = match parts.next() {
            Some(second) if first.starts_with('@') => format!("{first}/{second}"),
            _ => first.to_owned(),
        };
        if path.split('/').any(|part| part == "node_modules") {
            let message = format!(
                "names no package that {path} is of itself: it is in a folder `node_modules` within {name}"
            );
            return Err(self.0.refusal(message));
        }
        let Some(package) = self.0.package(&name) else {
            return Err(self
                .0
                .refusal(format!("has no package {name}, which {path} would be of"))
                .hint(format!(
                    "npm install --save-exact {name} in {}, or correct platform.toml",
                    self.0.project().display()
                )));
        };
        let (version, integrity) = (&package["version"], &package["integrity"]);
        match (version.as_str(), integrity.as_str()) {
            (Some(version), Some(integrity)) if package["link"] != true => Ok(Tool {
                name,
                version: version.to_owned(),
                integrity: integrity.to_owned(),
            }),
            _ => Err(self.0.refusal(format!(
                "has no version and checksum of {name}, which is no archive"
            ))),
        }
    }

    /// Makes a project of these packages alone, each as the lock file has it.
    ///
    /// # Errors
    /// An archive or a setting changed since it was read, or the folder cannot be written.
    pub(super) fn write_project<'a>(
        &self,
        names: impl Iterator<Item = &'a String>,
        folder: &Path,
    ) -> anyhow::Result<()> {
        let mut dependencies = Map::new();
        let mut packages = Map::new();
        for name in names {
            let package = self.0.package(name).cloned().unwrap_or_default();
            dependencies.insert(name.clone(), specification(&package).into());
            // Neither what it depends on nor what it can run on: its files are wanted, nothing else.
            let kept = ["name", "version", "resolved", "integrity"];
            let kept = kept.into_iter().filter_map(|field| {
                let value = package.get(field)?;
                Some((field.to_owned(), value.clone()))
            });
            packages.insert(format!("node_modules/{name}"), kept.collect());
        }
        let manifest = json!({ "name": "tools", "private": true, "dependencies": dependencies });
        packages.insert(
            String::new(),
            json!({ "name": "tools", "dependencies": dependencies }),
        );
        let lock = json!({ "name": "tools", "lockfileVersion": 3, "packages": packages });
        self.0.copy_beside_to(folder)?;
        std::fs::write(folder.join("package.json"), manifest.to_string())?;
        std::fs::write(folder.join("package-lock.json"), lock.to_string())?;
        Ok(())
    }
}

/// What `package.json` would say to get this package.
fn specification(package: &Value) -> String {
    let text = |field: &str| package[field].as_str().unwrap_or_default();
    let (resolved, version) = (text("resolved"), text("version"));
    match text("name") {
        _ if resolved.starts_with("file:") => resolved.to_owned(),
        "" => version.to_owned(),
        // The package has another name than its folder.
        name => format!("npm:{name}@{version}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tools(lock: &Value) -> (tempfile::TempDir, Tools) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("package.json"), "{}").unwrap();
        let lock = lock.to_string();
        std::fs::write(folder.path().join("package-lock.json"), lock).unwrap();
        let tools = Tools::read(folder.path()).unwrap();
        (folder, tools)
    }

    fn lock() -> Value {
        json!({ "lockfileVersion": 3, "packages": {
            "": {},
            "local": { "version": "1.0.0" },
            "node_modules/local": { "resolved": "local", "link": true },
            "node_modules/plain": {
                "version": "1.0.0", "resolved": "https://r/plain.tgz", "integrity": "sha512-AA==",
                "dependencies": { "needed": "^1" }, "os": ["linux"],
            },
            "node_modules/plain/node_modules/needed": { "version": "1.0.0", "integrity": "sha512-BB==" },
            "node_modules/@scope/alias": {
                "name": "@scope/real", "version": "2.0.0-linux", "integrity": "sha512-CC==",
            },
        } })
    }

    #[test]
    fn a_file_is_of_one_package() {
        let mut lock = lock();
        lock["packages"].as_object_mut().unwrap().remove("local");
        lock["packages"]
            .as_object_mut()
            .unwrap()
            .remove("node_modules/local");
        let (_folder, tools) = tools(&lock);
        let tool = |name: &str, version: &str, integrity: &str| Tool {
            name: name.to_owned(),
            version: version.to_owned(),
            integrity: integrity.to_owned(),
        };
        for path in ["plain", "plain/bin/run"] {
            assert_eq!(
                tools.of_file(path).unwrap(),
                tool("plain", "1.0.0", "sha512-AA==")
            );
        }
        let alias = tools.of_file("@scope/alias/bin/run").unwrap();
        assert_eq!(alias, tool("@scope/alias", "2.0.0-linux", "sha512-CC=="));
        for (path, said) in [
            ("absent/run", "has no package absent"),
            ("@scope", "has no package @scope"),
            ("needed", "has no package needed"),
            ("plain/node_modules/needed/run", "within plain"),
        ] {
            let error = tools.of_file(path).unwrap_err();
            assert!(error.to_string().contains(said), "{path}: {error}");
        }
    }

    #[test]
    fn a_package_without_an_archive_is_refused() {
        let (folder, _) = tools(&json!({ "packages": { "": {} } }));
        std::fs::create_dir(folder.path().join("local")).unwrap();
        std::fs::write(folder.path().join("local/package.json"), "{}").unwrap();
        std::fs::write(folder.path().join("package-lock.json"), lock().to_string()).unwrap();
        let tools = Tools::read(folder.path()).unwrap();
        let error = tools.of_file("local/run").unwrap_err();
        assert!(error.to_string().contains("which is no archive"), "{error}");
    }

    #[test]
    fn a_project_has_the_wanted_packages_alone() {
        let mut lock = lock();
        lock["packages"].as_object_mut().unwrap().remove("local");
        lock["packages"]
            .as_object_mut()
            .unwrap()
            .remove("node_modules/local");
        let (_folder, tools) = tools(&lock);
        let project = tempfile::tempdir().unwrap();
        let names = ["plain".to_owned(), "@scope/alias".to_owned()];
        tools.write_project(names.iter(), project.path()).unwrap();
        let read = |name: &str| -> Value {
            let text = std::fs::read_to_string(project.path().join(name)).unwrap();
            serde_json::from_str(&text).unwrap()
        };
        let dependencies =
            json!({ "plain": "1.0.0", "@scope/alias": "npm:@scope/real@2.0.0-linux" });
        assert_eq!(read("package.json")["dependencies"], dependencies);
        assert_eq!(
            read("package-lock.json")["packages"],
            json!({
                "": { "name": "tools", "dependencies": dependencies },
                "node_modules/plain": {
                    "version": "1.0.0", "resolved": "https://r/plain.tgz", "integrity": "sha512-AA==",
                },
                "node_modules/@scope/alias": {
                    "name": "@scope/real", "version": "2.0.0-linux", "integrity": "sha512-CC==",
                },
            })
        );
    }
}

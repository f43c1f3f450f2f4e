//! A checkout whose two images have every kind of input, and what surrounds it: a home, a folder of
//! programs, variables. Its build script and its page write down all that they can see, so that what
//! reaches a build reaches the bytes.

use super::installed::Installed;
use crate::common::numbers::Numbers;
use crate::common::{Checkout, instance};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

/// The words that texts can have. They are few, so that states come back, and of one length, so that
/// an edit keeps the size of its file.
pub(super) const WORDS: [&str; 4] = ["ant0", "bee1", "cat2", "dog3"];
/// What comes before a word that changes.
const MARK: &str = "word:";
/// Of the vendored package, which has no archive that anything would compare it with.
const CHECKSUM: &str = "c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00";

/// Lists a folder, for a build script.
const LIST: &str = r#"// word:ant0
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
fn list(folder: &Path, seen: &mut String) {
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|item| item.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        let stat = path.symlink_metadata().unwrap();
        if stat.is_dir() {
            *seen += &format!("{path:?} folder\n");
            list(&path, seen);
        } else if stat.is_symlink() {
            *seen += &format!("{path:?} leads to {:?}\n", std::fs::read_link(&path).unwrap());
        } else {
            let runs = stat.permissions().mode() & 0o100;
            *seen += &format!("{path:?} {runs} {:?}\n", std::fs::read(&path).unwrap());
        }
    }
}
"#;
/// Lists `data`, has C compiled, and sees its variables. Values with a path depend on where the
/// checkout is.
const SCRIPT: &str = r#"
use std::process::Command;
fn main() {
    let out = std::env::var("OUT_DIR").unwrap();
    let run = |program: &str, arguments: &[&str]| {
        assert!(Command::new(program).args(arguments).status().unwrap().success());
    };
    run("cc", &["-c", "which.c", "-o", &format!("{out}/which.o")]);
    run("ar", &["crs", &format!("{out}/libwhich.a"), &format!("{out}/which.o")]);
    println!("cargo:rustc-link-search=native={out}");
    println!("cargo:rustc-link-lib=static=which");
    println!("cargo:rerun-if-changed=build.rs");
    let mut seen = String::new();
    list(Path::new("data"), &mut seen);
    let variables: std::collections::BTreeMap<_, _> = std::env::vars().collect();
    for (name, value) in variables {
        // By which a killed build's processes are found: the one variable that names the checkout.
        if name == "APP_GEN_STARTED_BY_CHECKOUT" { continue; }
        seen += &format!("{name} {}\n", if value.contains('/') { "a path" } else { &value });
    }
    std::fs::write(format!("{out}/seen.txt"), seen).unwrap();
}
"#;
/// The script of the vendored package.
const VENDORED_SCRIPT: &str = r#"
fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let mut seen = String::new();
    list(Path::new("data"), &mut seen);
    std::fs::write(format!("{}/seen.txt", std::env::var("OUT_DIR").unwrap()), seen).unwrap();
}
"#;
const VENDORED: &str = r#"pub const WORD: &str = "word:ant0";
pub const SEEN: &str = include_str!(concat!(env!("OUT_DIR"), "/seen.txt"));
"#;
const MAIN: &str = r#"
unsafe extern "C" { fn which() -> i32; }
fn main() {
    println!("word:ant0 {} {} {} {}", unsafe { which() }, leaf::WORD, leaf::SEEN, shared::WORD);
    println!("{} {}", include_str!("../words.txt"), include_str!(concat!(env!("OUT_DIR"), "/seen.txt")));
    println!("{} {} {}", env!("CARGO_PKG_VERSION"), env!("CARGO_PKG_AUTHORS"), cfg!(feature = "extra"));
}
"#;
const PAGE: &str = r#"// word:ant0
import fs from "node:fs";
import ms from "ms";
const seen = [];
function list(folder) {
  for (const name of fs.readdirSync(folder).sort()) {
    const path = `${folder}/${name}`;
    const stat = fs.lstatSync(path);
    if (stat.isDirectory()) { seen.push([path]); list(path); }
    else if (stat.isSymbolicLink()) seen.push([path, fs.readlinkSync(path)]);
    else seen.push([path, stat.mode & 0o100, fs.readFileSync(path, "utf8")]);
  }
}
list("src");
const { APP_GEN_STARTED_BY_CHECKOUT: _, ...variables } = process.env;
fs.mkdirSync("dist/deep", { recursive: true });
const text = [seen, variables, ms(1000), import.meta.resolve("ms"), process.version, process.argv.slice(2), fs.readdirSync(".").sort()];
fs.writeFileSync("dist/index.html", JSON.stringify(text));
fs.writeFileSync("dist/deep/program", "x", { mode: 0o755 });
"#;

/// What the manifests and the configuration of cargo say.
#[derive(Debug, Default)]
pub(super) struct Cargo {
    pub(super) leaf_patch: usize,
    pub(super) server_patch: usize,
    pub(super) has_other: bool,
    pub(super) opt_level: usize,
    pub(super) checks: bool,
    pub(super) author: usize,
    pub(super) extra: bool,
    /// Words of `[env]`, in the checkout and in the user's configuration; none for 0.
    pub(super) environments: [usize; 2],
    pub(super) asserts: bool,
    pub(super) aliases: bool,
}

/// What the manifest of the platform and the Dockerfiles say.
#[derive(Debug, Default)]
pub(super) struct Images {
    pub(super) mode: usize,
    pub(super) target: bool,
    pub(super) label: [usize; 2],
    pub(super) from_debian: bool,
    pub(super) takes_all: bool,
}

pub(super) struct World {
    pub(super) checkout: Checkout,
    outside: tempfile::TempDir,
    pub(super) variables: BTreeMap<String, String>,
    pub(super) umask: &'static str,
    pub(super) numbers: Numbers,
    pub(super) cargo: Cargo,
    pub(super) images: Images,
}

impl World {
    pub(super) fn new(seed: u64, installed: &Installed) -> Self {
        let checkout = Checkout::new();
        let outside = tempfile::tempdir().unwrap();
        for name in ["home", "cargo-home", "first", "docker", "temporary"] {
            fs::create_dir(outside.path().join(name)).unwrap();
        }
        let own = |name: &str| std::env::var(name);
        let at = |name: &str| outside.path().join(name).display().to_string();
        let home = own("HOME").unwrap();
        let rustup_home = own("RUSTUP_HOME").unwrap_or_else(|_| format!("{home}/.rustup"));
        let variables = [
            ("PATH", format!("{}:{}", at("first"), own("PATH").unwrap())),
            ("HOME", at("home")),
            ("CARGO_HOME", at("cargo-home")),
            ("RUSTUP_HOME", rustup_home),
            ("DOCKER_CONFIG", at("docker")),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value));
        let mut world = Self {
            checkout,
            outside,
            variables: variables.into(),
            umask: "022",
            // The generator never leaves zero.
            numbers: Numbers(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
            cargo: Cargo::default(),
            images: Images::default(),
        };
        world.write_sources();
        world.write_cargo();
        world.write_images();
        installed.give(&world.checkout.path(Installed::FOLDER));
        world
    }

    fn write_sources(&self) {
        let checkout = &self.checkout;
        for folder in ["server", "tool"] {
            fs::remove_dir_all(checkout.path(folder)).unwrap();
        }
        let [script, vendored_script] =
            [SCRIPT, VENDORED_SCRIPT].map(|main| format!("{LIST}{main}"));
        let checksums = format!("{{\"files\":{{}},\"package\":\"{CHECKSUM}\"}}");
        for (path, text) in [
            ("server/build.rs", script.as_str()),
            ("vendor/leaf/build.rs", &vendored_script),
            ("vendor/leaf/data/one", "word:ant0"),
            ("server/src/main.rs", MAIN),
            ("server/words.txt", "word:ant0"),
            (
                "server/which.c",
                "/* word:ant0 */\n#ifndef WHICH\n#define WHICH 1\n#endif\nint which(void) { return WHICH; }\n",
            ),
            ("server/data/one", "word:ant0"),
            ("server/left-out", "word:ant0"),
            (
                "shared/src/lib.rs",
                "pub const WORD: &str = \"word:ant0\";\n",
            ),
            ("other/src/lib.rs", "// word:ant0\n"),
            (
                "other/Cargo.toml",
                "[package]\nname = \"other\"\nversion = \"1.0.0\"\nedition = \"2024\"\n",
            ),
            ("vendor/leaf/src/lib.rs", VENDORED),
            ("vendor/leaf/.cargo-checksum.json", &checksums),
            ("web/build.mjs", PAGE),
            ("web/src/one", "word:ant0"),
            ("web/.env", "word:ant0"),
            ("web/.dockerignore", ".dockerignore\n"),
            ("image/one", "word:ant0"),
            ("image/.dockerignore", "word:ant0\n"),
            ("tool/one", "word:ant0"),
            ("tool/.dockerignore", "word:ant0\n"),
        ] {
            checkout.write(path, text);
        }
        Installed::write_page(&checkout.path("web"), 0);
    }

    pub(super) fn write_cargo(&mut self) {
        let cargo = &self.cargo;
        let (leaf, server) = (cargo.leaf_patch, cargo.server_patch);
        let member = |path: &str| {
            if cargo.has_other {
                path.to_owned()
            } else {
                String::new()
            }
        };
        let word = |name: &str, word: usize| match word {
            0 => String::new(),
            word => format!("[env]\n{name} = \"{}\"\n", WORDS[word]),
        };
        let texts = [
            (
                "Cargo.toml",
                format!(
                    "[workspace]\nresolver = \"3\"\nmembers = [\"server\", \"shared\"{}]\n\
                 [workspace.package]\nauthors = [\"{}\"]\n[workspace.dependencies]\nleaf = \"1\"\n\
                 [profile.release]\nopt-level = {}\noverflow-checks = {}\nstrip = true\n",
                    member(", \"other\""),
                    WORDS[cargo.author],
                    cargo.opt_level,
                    cargo.checks,
                ),
            ),
            (
                "Cargo.lock",
                format!(
                    "# This file is automatically @generated by Cargo.\n# It is not intended for manual editing.\n\
                 version = 4\n\n[[package]]\nname = \"leaf\"\nversion = \"1.0.{leaf}\"\n\
                 source = \"registry+https://github.com/rust-lang/crates.io-index\"\nchecksum = \"{CHECKSUM}\"\n\n{}\
                 [[package]]\nname = \"server\"\nversion = \"1.0.{server}\"\ndependencies = [\n \"leaf\",\n \"shared\",\n]\n\n\
                 [[package]]\nname = \"shared\"\nversion = \"1.0.0\"\n",
                    member("[[package]]\nname = \"other\"\nversion = \"1.0.0\"\n\n"),
                ),
            ),
            (
                "server/Cargo.toml",
                format!(
                    "[package]\nname = \"server\"\nversion = \"1.0.{server}\"\nedition = \"2024\"\nauthors.workspace = true\n\
                 exclude = [\"/left-out\"]\n[features]\ndefault = [{}]\nextra = []\n\
                 [dependencies]\nleaf.workspace = true\nshared = {{ path = \"../shared\" }}\n",
                    if cargo.extra { "\"extra\"" } else { "" },
                ),
            ),
            (
                "vendor/leaf/Cargo.toml",
                format!(
                    "[package]\nname = \"leaf\"\nversion = \"1.0.{leaf}\"\nedition = \"2024\"\n"
                ),
            ),
            (
                ".cargo/config.toml",
                format!(
                    "[source.crates-io]\nreplace-with = \"vendored\"\n[source.vendored]\ndirectory = \"vendor\"\n{}{}{}",
                    word("FROM_CHECKOUT", cargo.environments[0]),
                    if cargo.asserts {
                        "[profile.release]\ndebug-assertions = true\n"
                    } else {
                        ""
                    },
                    if cargo.aliases {
                        "[alias]\nb = \"build\"\n[term]\nverbose = true\n"
                    } else {
                        ""
                    },
                ),
            ),
        ];
        let of_user = word("FROM_USER", cargo.environments[1]);
        for (path, text) in texts {
            self.write_where_changed(path, &text);
        }
        fs::write(self.outside("cargo-home/config.toml"), of_user).unwrap();
    }

    pub(super) fn write_images(&mut self) {
        let images = &self.images;
        let arguments = format!("args = {{ MODE = \"{}\" }}\n", WORDS[images.mode]);
        let mut manifest = self.checkout.manifest();
        let target = if images.target {
            "target = \"first\"\n"
        } else {
            ""
        };
        for (from, to) in [
            (
                "context = \"server\"\ndockerfile = \"server/",
                "context = \"image\"\ndockerfile = \"image/",
            ),
            (
                "rust = { package = \"server\"",
                &format!(
                    "{arguments}{target}npm = {{ folder = \"web\", output = \"dist\", to = \"page\" }}\nrust = {{ package = \"server\""
                ),
            ),
            (
                "rust = { package = \"tool\", binary = \"tool\", to = \"bin/tool\" }\n",
                "",
            ),
        ] {
            assert!(manifest.contains(from), "{manifest}");
            manifest = manifest.replace(from, to);
        }
        let base = if images.from_debian {
            "debian:trixie-slim"
        } else {
            "scratch"
        };
        let orchestrator = format!(
            "FROM scratch AS first\nCOPY one* bin/server /first/\nFROM {base}\nARG MODE\nENV MODE=$MODE\n\
             LABEL word={}\nCOPY bin /bin/\nCOPY page /page/\n{}ARG IMAGE_KEY\nENV IMAGE_KEY=${{IMAGE_KEY}}\n",
            WORDS[images.label[0]],
            if images.takes_all {
                "COPY . /all/\n"
            } else {
                "COPY one* /context/\n"
            },
        );
        let generator = format!(
            "FROM scratch\nCOPY . /context/\nLABEL word={}\n",
            WORDS[images.label[1]]
        );
        for (path, text) in [
            (app_gen_infra::MANIFEST_PATH, manifest),
            ("image/Dockerfile", orchestrator),
            ("tool/Dockerfile", generator),
        ] {
            self.write_where_changed(path, &text);
        }
    }

    fn write_where_changed(&mut self, path: &str, text: &str) {
        if fs::read(self.checkout.path(path)).is_ok_and(|found| found == text.as_bytes()) {
            return;
        }
        self.write(path, text);
    }

    /// Writes a file of the checkout in one of the ways in which files are written: in place or over
    /// a rename, and with a time that says nothing of it. Returns which.
    pub(super) fn write(&mut self, path: &str, text: &str) -> &'static str {
        let place = self.checkout.path(path);
        let before = fs::metadata(&place);
        let time = before
            .as_ref()
            .map_or_else(|_| SystemTime::now(), |found| found.modified().unwrap());
        let long = Duration::from_secs(86_400);
        let (how, time) = match self.numbers.below(4) {
            0 => ("its time kept", time),
            1 => ("an older time", time.checked_sub(long).unwrap_or(time)),
            2 => ("a future time", SystemTime::now() + long),
            _ => ("a time of now", SystemTime::now()),
        };
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        if place.symlink_metadata().is_ok_and(|found| !found.is_file())
            || self.numbers.below(2) == 0
        {
            let beside = self.outside("beside");
            fs::write(&beside, text).unwrap();
            if let Ok(before) = before {
                fs::set_permissions(&beside, before.permissions()).unwrap();
            }
            fs::rename(&beside, &place).unwrap();
        } else {
            fs::write(&place, text).unwrap();
        }
        let file = fs::File::options().write(true).open(&place);
        file.unwrap().set_modified(time).unwrap();
        how
    }

    /// Gives a text another of the words.
    pub(super) fn reword(&mut self, path: &str) -> String {
        let text = fs::read_to_string(self.checkout.path(path)).unwrap();
        let start = text.find(MARK).unwrap() + MARK.len();
        let word = self.word();
        let text = format!("{}{word}{}", &text[..start], &text[start + word.len()..]);
        let how = self.write(path, &text);
        format!("{path} says {word}, with {how}")
    }

    pub(super) fn word(&mut self) -> &'static str {
        WORDS[self.numbers.below(WORDS.len())]
    }

    pub(super) fn any<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.numbers.below(of.len())]
    }

    /// A path beside the checkout.
    pub(super) fn outside(&self, name: &str) -> PathBuf {
        self.outside.path().join(name)
    }

    /// A program that comes first on the search path.
    pub(super) fn program(&self, name: &str, script: &str) {
        let place = self.outside(&format!("first/{name}"));
        fs::write(&place, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(place, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// A program of ours in a checkout, in nothing but the surroundings of this world.
    pub(super) fn command(&self, checkout: &Path, program: &Path) -> Command {
        let umask = format!("umask {} && exec \"$0\" \"$@\"", self.umask);
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", &umask])
            .arg(program)
            .current_dir(checkout)
            .env_clear()
            .envs([instance::VARIABLE])
            .env("XDG_STATE_HOME", state_home())
            .envs(&self.variables)
            .stdin(Stdio::null());
        command
    }

    /// Another checkout of the same sources, in a folder of its own: with other times, and with the
    /// modes that another umask gives.
    pub(super) fn clone_sources(&mut self, folder: &Path) {
        let group = self.any(&[0o000, 0o022]);
        let hours = self.numbers.below(1_000_000);
        let time =
            SystemTime::UNIX_EPOCH + Duration::from_secs(3_600 * u64::try_from(hours).unwrap());
        let root = self.checkout.root();
        let items = walkdir::WalkDir::new(root).min_depth(1).into_iter();
        let kept = items.filter_entry(|item| {
            let path = item.path().strip_prefix(root).unwrap();
            ![
                Path::new("target"),
                Path::new("web/node_modules"),
                Path::new("web/dist"),
            ]
            .contains(&path)
        });
        for item in kept {
            let item = item.unwrap();
            let to = folder.join(item.path().strip_prefix(root).unwrap());
            if item.file_type().is_dir() {
                fs::create_dir(&to).unwrap();
            } else if item.file_type().is_symlink() {
                symlink(fs::read_link(item.path()).unwrap(), &to).unwrap();
            } else {
                fs::write(&to, fs::read(item.path()).unwrap()).unwrap();
                let runs = item.metadata().unwrap().permissions().mode() & 0o100 != 0;
                let mode = if runs { 0o755 } else { 0o644 } | group;
                fs::set_permissions(&to, fs::Permissions::from_mode(mode)).unwrap();
                fs::File::open(&to).unwrap().set_modified(time).unwrap();
            }
        }
    }
}

/// Where the instance of the tests is, whatever home a world has.
fn state_home() -> String {
    let usual = || format!("{}/.local/state", std::env::var("HOME").unwrap());
    std::env::var("XDG_STATE_HOME").unwrap_or_else(|_| usual())
}

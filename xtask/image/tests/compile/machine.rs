//! A machine of a test's own: a checkout, the folders above it, a user's home, programs on the search
//! path, and a registry. The compilers are the real ones.

use app_gen_infra::RustPrebuild;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use xtask_core::cmd::Cmd;
use xtask_core::marked;
use xtask_core::report::{Report, Verbosity};
use xtask_image::build::compile;
use xtask_image::build::compile::Place;
use xtask_image::key::compute::rust_inputs;
use xtask_image::key::inputs::RustInputs;
use xtask_image::rust::environment::Surroundings;
use xtask_image::rust::toolchain::Toolchain;
use xtask_tree::content::digest_file;
use xtask_tree::stat_cache::StatCache;

/// A build script that has C compiled, and writes down which variables it sees.
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
        // Cargo runs it again for nothing else.
        println!("cargo:rerun-if-changed=build.rs");
        let seen: std::collections::BTreeMap<_, _> = std::env::vars().collect();
        std::fs::write(format!("{out}/seen.txt"), format!("{seen:#?}")).unwrap();
    }
"#;
const MAIN: &str = r#"
    unsafe extern "C" { fn which() -> i32; }
    fn main() {
        println!("which={}", unsafe { which() });
        println!("extra={}", leaf::extra());
        println!("{}", include_str!(concat!(env!("OUT_DIR"), "/seen.txt")));
    }
"#;

pub(crate) struct Machine {
    folder: tempfile::TempDir,
    pub(crate) surroundings: Surroundings,
    pub(crate) tools: Vec<String>,
}

/// What a compile made.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Made {
    pub(crate) digest: String,
    pub(crate) printed: String,
}

impl Made {
    pub(crate) fn says(&self, line: &str) -> bool {
        self.printed.lines().any(|printed| printed == line)
    }
}

impl Machine {
    /// Package `app` of the checkout depends on `leaf` of the registry.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| OsString::from(folder.path().join(name));
        let own = |name: &str| std::env::var_os(name);
        let rustup_home = own("RUSTUP_HOME")
            .unwrap_or_else(|| PathBuf::from(own("HOME").unwrap()).join(".rustup").into());
        let mut path = at("first:");
        path.push(own("PATH").unwrap());
        let machine = Self {
            surroundings: Surroundings {
                root: folder.path().join("above/checkout"),
                variables: BTreeMap::from([
                    ("PATH", path),
                    ("HOME", at("home")),
                    ("CARGO_HOME", at("cargo-home")),
                    ("RUSTUP_HOME", rustup_home),
                ]),
            },
            tools: Vec::new(),
            folder,
        };
        for name in ["first", "home", "cargo-home", "cache"] {
            fs::create_dir(machine.path(name)).unwrap();
        }
        // The compiler is read once for all tests: it has half a gigabyte.
        let shared = Path::new(env!("CARGO_TARGET_TMPDIR")).join("stat");
        fs::create_dir_all(&shared).unwrap();
        symlink(shared, machine.path("cache/stat")).unwrap();
        machine.publish("leaf", "pub fn extra() -> i32 { 1 }\n");
        machine.write(
            "cargo-home/config.toml",
            "[source.crates-io]\nreplace-with = \"here\"\n[source.here]\nlocal-registry = \"../registry\"\n"
                .replace("../registry", &machine.path("registry").to_string_lossy())
                .as_str(),
        );
        machine.write_checkout(
            "Cargo.toml",
            "[workspace]\nresolver = \"3\"\nmembers = [\"app\"]\n",
        );
        machine.write_checkout(
            "app/Cargo.toml",
            "[package]\nname = \"app\"\nversion = \"1.0.0\"\nedition = \"2024\"\n\
             [dependencies]\nleaf = \"1\"\n",
        );
        machine.write_checkout("app/src/main.rs", MAIN);
        machine.write_checkout("app/build.rs", SCRIPT);
        machine.write_checkout(
            "app/which.c",
            "#ifndef WHICH\n#define WHICH 1\n#endif\nint which(void) { return WHICH; }\n",
        );
        machine.cargo(&["generate-lockfile", "--offline"]);
        machine
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(crate) fn write_checkout(&self, name: &str, text: &str) {
        self.write(&format!("above/checkout/{name}"), text);
    }

    /// A program that comes first on the search path.
    pub(crate) fn program(&self, name: &str, script: &str) {
        let name = format!("first/{name}");
        self.write(&name, &format!("#!/bin/sh\n{script}\n"));
        let mode = fs::Permissions::from_mode(0o755);
        fs::set_permissions(self.path(&name), mode).unwrap();
    }

    /// Runs cargo in the checkout as the user does.
    pub(crate) fn cargo(&self, arguments: &[&str]) {
        Cmd::new("cargo")
            .args(arguments)
            .folder(&self.surroundings.root)
            .only_env(&[])
            .envs(&self.surroundings.variables)
            .read()
            .unwrap();
    }

    /// Puts version 1.0.0 of a package into the registry.
    pub(crate) fn publish(&self, name: &str, source: &str) {
        let checksum = self.put_archive(name, source);
        self.write(
            &format!("registry/index/{}/{}/{name}", &name[..2], &name[2..4]),
            &format!(
                "{{\"name\":\"{name}\",\"vers\":\"1.0.0\",\"deps\":[],\"cksum\":\"{checksum}\",\
                 \"features\":{{}},\"yanked\":false}}\n"
            ),
        );
    }

    /// Puts another archive in the place of the published one, and returns its checksum.
    pub(crate) fn put_archive(&self, name: &str, source: &str) -> String {
        let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        let manifest =
            format!("[package]\nname = \"{name}\"\nversion = \"1.0.0\"\nedition = \"2024\"\n");
        for (path, text) in [("Cargo.toml", manifest.as_str()), ("src/lib.rs", source)] {
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            header.set_mode(0o644);
            let path = format!("{name}-1.0.0/{path}");
            builder
                .append_data(&mut header, path, text.as_bytes())
                .unwrap();
        }
        let archive = builder.into_inner().unwrap().finish().unwrap();
        let place = self.path(&format!("registry/{name}-1.0.0.crate"));
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(&place, archive).unwrap();
        digest_file(&place).unwrap().to_string()
    }

    /// Where cargo has unpacked a package.
    pub(crate) fn unpacked(&self, package: &str) -> PathBuf {
        let indexes = fs::read_dir(self.path("cargo-home/registry/src")).unwrap();
        let mut found = indexes.map(|index| index.unwrap().path().join(package));
        found.find(|path| path.is_dir()).unwrap()
    }

    /// The only one that it has compiled in.
    pub(crate) fn target_folder(&self) -> PathBuf {
        let mut folders = fs::read_dir(self.path("cache/cargo")).unwrap();
        let folder = folders.next().unwrap().unwrap().path();
        assert!(folders.next().is_none());
        folder
    }

    pub(crate) fn inputs(&self) -> anyhow::Result<RustInputs> {
        let cache_folder = self.path("cache");
        let toolchain = Toolchain::find(&self.surroundings, &cache_folder)?;
        let rust = RustPrebuild {
            package: "app".to_owned(),
            binary: "app".to_owned(),
            to: "bin/app".to_owned(),
            tools: self.tools.clone(),
        };
        let cache = StatCache::none();
        rust_inputs(&self.surroundings, &cache_folder, &rust, &toolchain, &cache)
    }

    /// Compiles where it compiled before.
    pub(crate) fn compile(&self) -> anyhow::Result<Made> {
        self.compile_in("cache")
    }

    /// Compiles in folders where nothing was compiled before.
    pub(crate) fn compile_anew(&self) -> anyhow::Result<Made> {
        let made = self.compile_in("empty");
        fs::remove_dir_all(self.path("empty")).unwrap();
        made
    }

    /// Compiles below this folder.
    pub(crate) fn compile_in(&self, folder: &str) -> anyhow::Result<Made> {
        let inputs = self.inputs()?;
        let target_folders = self.path(folder).join("cargo");
        let place = Place {
            surroundings: &self.surroundings,
            cache_folder: &self.path("cache"),
            target_folders: &target_folders,
            report: &Report::new(false, Verbosity::Quiet),
            label: "app",
        };
        fs::create_dir_all(&target_folders).unwrap();
        let built = compile::binary(place, &inputs)?;
        Ok(Made {
            digest: digest_file(&built)?.to_string(),
            printed: comparable(&Cmd::new(&built).read()?, &built, &target_folders),
        })
    }
}

/// What it printed, without the name of the target folder, which is a digest, and without our mark.
fn comparable(printed: &str, built: &Path, target_folders: &Path) -> String {
    let relative = built.strip_prefix(target_folders).unwrap();
    let target = target_folders.join(relative.components().next().unwrap());
    let lines = printed.lines();
    let kept: Vec<&str> = lines
        .filter(|line| !line.contains(marked::VARIABLE))
        .collect();
    kept.join("\n")
        .replace(&*target.to_string_lossy(), "TARGET")
}

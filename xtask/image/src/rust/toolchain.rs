//! Everything that turns sources into a binary: compilers, linker, libc, and cargo's configuration.
//! All of it is part of the key, by version and by content, because a program can say that it has a
//! version and do something else.

use crate::rust::cargo_config;
use crate::rust::cargo_config::ConfigFile;
use crate::rust::compiler_versions;
use crate::rust::compiler_versions::Probe;
use crate::rust::environment::{Surroundings, TARGET};
use crate::rust::programs;
use crate::rust::programs::Programs;
use anyhow::Context as _;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};
use toml::Value;
use xtask_core::digest::digest_bytes;
use xtask_tree::content;
use xtask_tree::entry::{Digest, Entry};
use xtask_tree::identity::Identity;
use xtask_tree::stat_cache::StatCache;
use xtask_tree::walk;
use xtask_tree::walk::{Item, Verdict};

/// The names of the tools of an image begin with this in a fingerprint.
const TOOL: &str = "tool ";
/// The libraries that a compiler consists of; beside them, `lib` may hold anything.
const LIBRARIES: [&str; 3] = ["libLLVM", "librustc_driver", "libstd-"];

/// Parts of the C compiler, by what they belong to. It knows where they are, and they become part of
/// binaries or make them.
const OF_C_COMPILER: [(&str, &[&str]); 11] = [
    ("cc", &["-print-prog-name=cc1"]),
    ("cc", &["-print-prog-name=cc1plus"]),
    ("cc", &["-print-prog-name=collect2"]),
    ("libc", &["-print-file-name=Scrt1.o"]),
    ("libc", &["-print-file-name=crti.o"]),
    ("libc", &["-print-file-name=crtn.o"]),
    ("libc", &["-print-file-name=libc_nonshared.a"]),
    ("libc", &["-print-file-name=crtbeginS.o"]),
    ("libc", &["-print-file-name=crtendS.o"]),
    ("libc", &["-print-file-name=libgcc.a"]),
    ("libc", &["-print-file-name=libgcc_eh.a"]),
];

/// What compiles, and by which configuration.
#[derive(Debug, Clone)]
pub struct Toolchain {
    /// Cargo's configuration.
    pub config: Vec<ConfigFile>,
    /// The programs that a compile finds by their names.
    pub programs: Programs,
    /// Versions and digests by name, for the key.
    pub fingerprint: BTreeMap<String, String>,
    /// The files that the fingerprint follows from, but those of the compiler's own folder.
    pub files: BTreeSet<PathBuf>,
}

impl Toolchain {
    /// Finds what would compile now.
    ///
    /// # Errors
    /// A compiler is missing, or cargo's configuration is malformed or names what no key can hold.
    pub fn find(surroundings: &Surroundings, cache_folder: &Path) -> anyhow::Result<Self> {
        let config = cargo_config::read(surroundings)?;
        let mut programs = programs::always(surroundings);
        let found = |name: &str| match programs.get(name) {
            Some(path) => path.clone(),
            // To start it says that it is missing, and what to install.
            None => name.into(),
        };
        let probe = |name: &str, program: PathBuf, arguments| Probe {
            name: name.to_owned(),
            program,
            arguments,
        };
        let mut probes = vec![
            probe("rustc", "rustc".into(), &["-vV"]),
            probe("sysroot", "rustc".into(), &["--print", "sysroot"]),
            probe("cargo", "cargo".into(), &["-V"]),
            probe("cc", found("cc"), &["--version"]),
            probe("ld", found("ld"), &["--version"]),
            probe("libc", "getconf".into(), &["GNU_LIBC_VERSION"]),
        ];
        let parts = OF_C_COMPILER.iter();
        probes.extend(parts.map(|(_, arguments)| probe(arguments[0], found("cc"), arguments)));
        for file in &config {
            for (what, program) in configured_programs(file) {
                let path = if program.contains('/') {
                    // A path is relative to the folder that holds `.cargo`.
                    file.base().join(&program)
                } else {
                    let path = programs::find(surroundings, Path::new(&program));
                    let path = path.unwrap_or_else(|| program.clone().into());
                    programs.insert(program, path.clone());
                    path
                };
                let name = format!("{}: {what}", file.name);
                probes.push(probe(&name, path, &["--version"]));
            }
        }
        let answers = cache_folder.join("toolchain/versions.json");
        let mut answers = compiler_versions::ask(surroundings, &answers, &probes)?;
        let sysroot = PathBuf::from(answers.remove("sysroot").unwrap_or_default());
        let mut parts: BTreeMap<&str, BTreeSet<PathBuf>> = BTreeMap::new();
        for (whole, arguments) in OF_C_COMPILER {
            let path = PathBuf::from(answers.remove(arguments[0]).unwrap_or_default());
            // Of a part that it does not have, it gives back the name.
            if path.is_absolute() && path.is_file() {
                parts.entry(whole).or_default().insert(path);
            }
        }
        let mut toolchain = Self {
            config,
            programs: BTreeMap::new(),
            fingerprint: answers
                .into_iter()
                .map(|(name, answer)| {
                    let text = match name.as_str() {
                        "rustc" => answer.replace('\n', "; "),
                        _ => answer.lines().next().unwrap_or_default().to_owned(),
                    };
                    (name, text)
                })
                .collect(),
            files: BTreeSet::new(),
        };
        let cache = StatCache::open(cache_folder, "toolchain");
        for (name, path) in &programs {
            toolchain.add_program(name, path, &cache)?;
        }
        for (whole, paths) in parts {
            let digests: anyhow::Result<Vec<Digest>> =
                paths.iter().map(|path| digest_of(path, &cache)).collect();
            toolchain.add_digest(whole, content::digest_json(&digests?)?);
            toolchain.files.extend(paths);
        }
        toolchain.add_compiler(&sysroot, &cache)?;
        toolchain.add_config(&surroundings.root, &cache)?;
        // If it cannot be written, the files are read again next time.
        let _ = cache.save();
        Ok(toolchain)
    }

    /// The same with the programs that the manifest lists for an image.
    ///
    /// # Errors
    /// One of them is missing or cannot be read.
    pub fn with_tools(
        mut self,
        surroundings: &Surroundings,
        tools: &[String],
    ) -> anyhow::Result<Self> {
        for (name, path) in programs::tools(surroundings, tools)? {
            let digest = digest_of(&path, &StatCache::none())?;
            self.fingerprint
                .insert(format!("{TOOL}{name}"), format!("sha256:{digest}"));
            self.files.insert(path.clone());
            self.programs.insert(name, path);
        }
        Ok(self)
    }

    /// The tools of the image with this fingerprint.
    #[must_use]
    pub fn tools_of(fingerprint: &BTreeMap<String, String>) -> Vec<String> {
        let names = fingerprint.keys();
        names
            .filter_map(|name| Some(name.strip_prefix(TOOL)?.to_owned()))
            .collect()
    }

    fn add_program(&mut self, name: &str, path: &Path, cache: &StatCache) -> anyhow::Result<()> {
        self.add_digest(name, digest_of(path, cache)?);
        self.files.insert(path.to_owned());
        self.programs.insert(name.to_owned(), path.to_owned());
        Ok(())
    }

    /// Adds the digest of a file to what is known of it.
    fn add_digest(&mut self, name: &str, digest: Digest) {
        let text = self.fingerprint.entry(name.to_owned()).or_default();
        if !text.is_empty() {
            text.push_str("; ");
        }
        text.push_str(&format!("sha256:{digest}"));
    }

    /// Adds the compiler with its libraries and the standard library, not what else is installed
    /// beside it.
    fn add_compiler(&mut self, sysroot: &Path, cache: &StatCache) -> anyhow::Result<()> {
        for (name, path) in programs::of_toolchain(sysroot) {
            self.programs.insert(name, path.clone());
            self.files.insert(path);
        }
        let version = self.fingerprint.get("rustc").map_or("", String::as_str);
        let host = version
            .split("; ")
            .find_map(|line| line.strip_prefix("host: "));
        let filter = CompilerFiles {
            triples: [Some(TARGET), host].into_iter().flatten().collect(),
        };
        let mut entries = walk::read(sysroot, &filter, cache)?;
        entries.retain(|_, entry| !matches!(entry, Entry::Directory { .. }));
        self.add_digest("toolchain", content::digest_json(&entries)?);
        Ok(())
    }

    fn add_config(&mut self, root: &Path, cache: &StatCache) -> anyhow::Result<()> {
        for file in self.config.clone() {
            if file.text.is_some() {
                self.files.insert(file.path.clone());
            }
            for path in file.named_files(root)? {
                let shown = path.strip_prefix(file.base()).unwrap_or(&path);
                let name = format!("{}: {}", file.name, shown.display());
                self.add_digest(&name, digest_of(&path, cache)?);
                self.files.insert(path);
            }
            let relevant = cargo_config::relevant(file.table.clone());
            if !relevant.is_empty() {
                let mut text = relevant.to_string();
                if file.depends_on_its_place() && file.base() != root {
                    text.push_str(&file.base().to_string_lossy());
                }
                self.fingerprint
                    .insert(file.name.clone(), digest_bytes(text.as_bytes()));
            }
        }
        Ok(())
    }
}

/// The files of a toolchain's folder that can change a binary.
struct CompilerFiles<'a> {
    triples: Vec<&'a str>,
}

impl walk::Filter for CompilerFiles<'_> {
    type State = ();

    fn decide(&self, item: &Item<'_>, (): &()) -> anyhow::Result<Verdict<()>> {
        let path = std::str::from_utf8(item.path).unwrap_or_default();
        let parts: Vec<&str> = path.split('/').collect();
        let wanted = match parts.as_slice() {
            ["bin" | "lib"] | ["lib", "rustlib"] => return Ok(Verdict::Below(())),
            ["bin", "cargo" | "rustc" | "rustdoc" | "rustfmt"] => true,
            ["lib", name] => LIBRARIES.iter().any(|library| name.starts_with(library)),
            ["lib", "rustlib", triple, ..] => self.triples.contains(triple),
            _ => false,
        };
        Ok(match wanted {
            true => Verdict::Keep(()),
            false => Verdict::Skip,
        })
    }
}

/// The digest of a file, which is read only if it is not in the cache.
pub(super) fn digest_of(path: &Path, cache: &StatCache) -> anyhow::Result<Digest> {
    let read = || {
        let file = File::open(path)?;
        let identity = Identity::from(rustix::fs::fstat(&file)?);
        if let Some(digest) = cache.get(&identity) {
            return Ok(digest);
        }
        let digest = content::hash(&file, &mut content::buffer())?;
        if Identity::from(rustix::fs::fstat(&file)?) == identity {
            cache.insert(&identity, digest, &file);
        }
        anyhow::Ok(digest)
    };
    read().with_context(|| format!("failed to read {}", path.display()))
}

/// The compiler, wrappers and linkers that a configuration names. They are asked for their
/// versions like those of the search path.
fn configured_programs(file: &ConfigFile) -> Vec<(String, String)> {
    let config = &file.table;
    let build = ["rustc", "rustc-wrapper", "rustc-workspace-wrapper"]
        .into_iter()
        .filter_map(|key| Some((key.to_owned(), config.get("build")?.get(key)?)));
    let linkers = ["target", "host"].into_iter().flat_map(|table| {
        let targets = config.get(table).and_then(Value::as_table);
        let linker = |(target, table): (&String, &'_ Value)| {
            Some((format!("linker of {target}"), table.get("linker")?.clone()))
        };
        targets
            .into_iter()
            .flatten()
            .filter_map(linker)
            .collect::<Vec<_>>()
    });
    build
        .map(|(what, program)| (what, program.clone()))
        .chain(linkers)
        .filter_map(|(what, program)| {
            let program = program.as_str().filter(|program| !program.is_empty())?;
            Some((what, program.to_owned()))
        })
        .collect()
}

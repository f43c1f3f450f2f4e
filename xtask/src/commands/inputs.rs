//! `cargo xtask inputs IMAGE` and `inputs --context DIR`: lists everything that goes into a key,
//! of an image of platform.toml or of any Docker build.

use crate::commands::command::{Answer, Changes, Command};
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure};
use xtask_core::report::{Report, printable};
use xtask_docker::dockerfile;
use xtask_image::base::Source;
use xtask_image::build;
use xtask_image::key::compute;
use xtask_image::key::inputs::{AptInputs, Inputs, NpmInputs, NpmToolsInputs, RustInputs};
use xtask_image::key::{DockerBuild, Key};
use xtask_tree::entry::{Entries, Entry, Mode, escape};

/// How much of a digest the text shows.
const DIGEST_CHARACTERS: usize = 12;

/// List everything that goes into the key of an image, or of any Docker build
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("what").required(true).args(["image", "context"]))]
pub(crate) struct Args {
    /// Image of platform.toml
    image: Option<String>,
    /// Folder of any Docker build, instead of an image; this needs no checkout
    #[arg(long, value_name = "DIR")]
    context: Option<PathBuf>,
    /// Print only the key
    #[arg(long)]
    key: bool,
    #[command(flatten)]
    docker: DockerArgs,
}

#[derive(Debug, clap::Args)]
struct DockerArgs {
    /// Dockerfile of that build, relative to the current folder [default: DIR/Dockerfile]
    #[arg(long, value_name = "DOCKERFILE", requires = "context")]
    file: Option<PathBuf>,
    /// Stage to build [default: the last one]
    #[arg(long, value_name = "STAGE", requires = "context")]
    target: Option<String>,
    /// Build argument; this option can be repeated
    #[arg(long = "build-arg", value_name = "NAME=VALUE", requires = "context", value_parser = parse_argument)]
    build_args: Vec<(String, String)>,
    /// Platform to build for [default: the platform of this machine]
    #[arg(long, value_name = "PLATFORM", requires = "context", value_parser = parse_platform)]
    platform: Option<String>,
}

fn parse_argument(text: &str) -> Result<(String, String), &'static str> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("a build argument has the form NAME=VALUE"),
    }
}

fn parse_platform(text: &str) -> Result<String, &'static str> {
    dockerfile::normalised_platform(text)
        .ok_or("a platform has the form OS/ARCHITECTURE[/VARIANT], for example linux/arm64")
}

impl Args {
    /// The build of a folder, if the command line names one.
    fn docker_build(&self) -> Option<DockerBuild> {
        let context = self.context.clone()?;
        Some(DockerBuild {
            dockerfile: match &self.docker.file {
                Some(file) => file.clone(),
                None => context.join(dockerfile::NAME),
            },
            context,
            target: self.docker.target.clone(),
            arguments: self.docker.build_args.iter().cloned().collect(),
            platform: match &self.docker.platform {
                Some(platform) => platform.clone(),
                None => own_platform(),
            },
        })
    }
}

/// The platform of this machine, as Docker writes it.
fn own_platform() -> String {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    format!("linux/{architecture}")
}

impl Command for Args {
    const CHANGES: Changes = Changes::Nothing;
    const ANSWER: Answer =
        Answer::Object(r#"see below, under **Inputs**; with `--key`, `{"form","key"}`"#);

    fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let name = self.image.as_ref().ok_or_else(|| {
            Failure::new(Code::Usage, "no image is named").hint("cargo xtask help inputs")
        })?;
        build::select(context, std::slice::from_ref(name))?;
        let image = &context.platform.images[name];
        let key = build::key_of(context, name)?;
        if self.key {
            print_key(&key, &context.report)?;
            return Ok(ExitCode::SUCCESS);
        }
        let listing = Listing::new(
            &key,
            Path::new(image.context.get_ref()),
            Some(&context.root),
        );
        print(&listing, &context.report)?;
        Ok(ExitCode::SUCCESS)
    }

    fn run_without_checkout(&self, report: &Report) -> Option<anyhow::Result<ExitCode>> {
        let build = self.docker_build()?;
        Some(of_build(self, &build, report).map(|()| ExitCode::SUCCESS))
    }
}

/// Prints the inputs of any Docker build.
fn of_build(args: &Args, build: &DockerBuild, report: &Report) -> anyhow::Result<()> {
    let key = compute::of_build(build)?;
    if args.key {
        return print_key(&key, report);
    }
    let listing = Listing::new(&key, &build.context, None);
    print(&listing, report)
}

/// The result of `inputs --json`, documented in AGENTS.md. It changes only with `form`.
#[derive(Serialize)]
struct Listing<'a> {
    form: u32,
    key: &'a str,
    context: String,
    dockerfile: HashedFile<'a>,
    ignore_file: Option<HashedFile<'a>>,
    platform: &'a str,
    target: Option<&'a str>,
    arguments: &'a BTreeMap<String, String>,
    bases: Vec<NamedBase<'a>>,
    #[serde(serialize_with = "rows")]
    entries: &'a Entries,
    rust: Option<Rust<'a>>,
    npm: Option<Npm<'a>>,
    apt: Option<&'a AptInputs>,
    npm_tools: Option<&'a NpmToolsInputs>,
}

#[derive(Serialize)]
struct HashedFile<'a> {
    path: String,
    digest: &'a str,
}

#[derive(Serialize)]
struct NamedBase<'a> {
    reference: &'a str,
    digest: &'a str,
    source: Source,
}

#[derive(Serialize)]
struct Rust<'a> {
    package: &'a str,
    binary: &'a str,
    profile: &'a str,
    target: &'a str,
    to: &'a str,
    members: &'a BTreeMap<String, String>,
    features: &'a BTreeMap<String, String>,
    checksums: &'a BTreeMap<String, String>,
    workspace: &'a BTreeMap<String, String>,
    environment: &'a BTreeMap<String, String>,
    #[serde(serialize_with = "rows")]
    entries: &'a Entries,
}

#[derive(Serialize)]
struct Npm<'a> {
    node: &'a str,
    output: &'a str,
    to: &'a str,
    #[serde(serialize_with = "rows")]
    entries: &'a Entries,
}

fn rows<S: Serializer>(entries: &Entries, serializer: S) -> Result<S::Ok, S::Error> {
    entries
        .rows()
        .map_err(serde::ser::Error::custom)?
        .serialize(serializer)
}

impl<'a> Listing<'a> {
    /// Paths below a checkout at `root` are shown relative to it.
    fn new(key: &'a Key, context: &Path, root: Option<&Path>) -> Self {
        let Inputs {
            form,
            platform,
            target,
            args,
            dockerfile: dockerfile_digest,
            ignore_file: ignore_digest,
            bases,
            context: entries,
            rust,
            npm,
            apt,
            npm_tools,
        } = &key.inputs;
        let name = |path: &Path| {
            let below = root.and_then(|root| path.strip_prefix(root).ok());
            let path = below.unwrap_or(path);
            escape(path.as_os_str().as_bytes())
        };
        Self {
            form: *form,
            key: &key.hex,
            context: name(context),
            dockerfile: HashedFile {
                path: name(&key.dockerfile.path),
                digest: dockerfile_digest,
            },
            ignore_file: key
                .ignore_file
                .as_deref()
                .zip(ignore_digest.as_deref())
                .map(|(path, digest)| HashedFile {
                    path: name(path),
                    digest,
                }),
            platform,
            target: target.as_deref(),
            arguments: args,
            bases: bases
                .iter()
                .map(|(reference, digest)| NamedBase {
                    reference,
                    digest,
                    source: key.base_sources[reference],
                })
                .collect(),
            entries,
            rust: rust.as_ref().map(Rust::new),
            npm: npm.as_ref().map(Npm::new),
            apt: apt.as_ref(),
            npm_tools: npm_tools.as_ref(),
        }
    }
}

impl<'a> Rust<'a> {
    fn new(inputs: &'a RustInputs) -> Self {
        let [package, binary, profile, target] = &inputs.build;
        Self {
            package,
            binary,
            profile,
            target,
            to: &inputs.to,
            members: &inputs.members,
            features: &inputs.features,
            checksums: &inputs.checksums,
            workspace: &inputs.workspace,
            environment: &inputs.environment,
            entries: &inputs.sources,
        }
    }
}

impl<'a> Npm<'a> {
    fn new(inputs: &'a NpmInputs) -> Self {
        Self {
            node: &inputs.node,
            output: &inputs.output,
            to: &inputs.to,
            entries: &inputs.sources,
        }
    }
}

fn print_key(key: &Key, report: &Report) -> anyhow::Result<()> {
    report.result(
        &serde_json::json!({ "form": key.inputs.form, "key": key.hex }),
        &key.hex,
    )
}

fn print(listing: &Listing<'_>, report: &Report) -> anyhow::Result<()> {
    report.stream(listing, |output| write(listing, output))
}

/// Writes the text line by line: a table of 57,000 files would have to be held in memory.
fn write(listing: &Listing<'_>, output: &mut dyn Write) -> io::Result<()> {
    write_entries(
        output,
        &format!("context {}", listing.context),
        listing.entries,
    )?;
    if let Some(rust) = &listing.rust {
        write_entries(
            output,
            &format!("sources of package {}", rust.package),
            rust.entries,
        )?;
        for (name, version) in rust.environment {
            writeln!(output, "{name}: {}", printable(version))?;
        }
        writeln!(output, "packages: {}", rust.features.len())?;
    }
    if let Some(npm) = &listing.npm {
        write_entries(
            output,
            &format!("sources of the page in {}", npm.to),
            npm.entries,
        )?;
    }
    if let Some(apt) = listing.apt {
        writeln!(output, "packages of Debian in {}", printable(&apt.to))?;
        for (name, package) in &apt.packages {
            let digest = shortened(&package.sha256);
            let (version, architecture) = (&package.version, &package.architecture);
            writeln!(
                output,
                "  {digest}  {name} {version} ({architecture})",
                version = printable(version)
            )?;
        }
    }
    if let Some(tools) = listing.npm_tools {
        writeln!(output, "files of packages of npm")?;
        for (to, from) in &tools.files {
            writeln!(output, "  {} from {}", printable(to), printable(from))?;
        }
        for (name, package) in &tools.packages {
            writeln!(
                output,
                "  package {name} {}: {}",
                package.version, package.integrity
            )?;
        }
    }
    for base in &listing.bases {
        let (reference, digest) = (base.reference, base.digest);
        writeln!(
            output,
            "base {reference}: {digest} ({})",
            base.source.name()
        )?;
    }
    for (name, value) in listing.arguments {
        writeln!(output, "argument {name}: {}", printable(value))?;
    }
    if let Some(target) = listing.target {
        writeln!(output, "target stage: {target}")?;
    }
    writeln!(output, "platform: {}", listing.platform)?;
    for (what, file) in [
        ("Dockerfile", Some(&listing.dockerfile)),
        ("ignore file", listing.ignore_file.as_ref()),
    ] {
        if let Some(HashedFile { path, digest }) = file {
            writeln!(output, "{what} {}: {}", printable(path), shortened(digest))?;
        }
    }
    writeln!(output, "key: {}", listing.key)
}

fn write_entries(output: &mut dyn Write, title: &str, entries: &Entries) -> io::Result<()> {
    writeln!(output, "{}", printable(title))?;
    for (path, entry) in entries {
        let path = printable(path);
        match entry {
            Entry::File { mode, digest } => {
                let digest = digest.to_string();
                let digest = shortened(&digest);
                writeln!(
                    output,
                    "  file      {:>4}  {digest}  {path}",
                    mode.to_string()
                )?;
            }
            Entry::Directory {
                mode: Mode::Executable,
            } => writeln!(output, "  directory                     {path}")?,
            Entry::Directory { mode } => {
                let mode = mode.to_string();
                writeln!(output, "  directory {mode:>4}                {path}")?;
            }
            Entry::Symlink { target } => {
                let target = printable(target);
                writeln!(output, "  symlink                       {path} → {target}")?;
            }
        }
    }
    Ok(())
}

fn shortened(digest: &str) -> &str {
    digest.get(..DIGEST_CHARACTERS).unwrap_or(digest)
}

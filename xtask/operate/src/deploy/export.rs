//! The sources of a commit in a folder of their own, so that what a protected environment gets is what
//! others can read: no file that git ignores, none that nobody committed, and none that a setting of
//! this user's git changed on its way out of the repository.

use anyhow::Context as _;
use std::collections::VecDeque;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Component, Path, PathBuf};
use xtask_core::cmd::Cmd;
use xtask_core::context::Context;
use xtask_core::digest::digest_bytes;
use xtask_core::error::{Code, Failure};
use xtask_core::lock::Lock;
use xtask_core::paths::remove_folder;

/// What builds in the folder leave for the next one; git ignores it in every checkout.
const KEPT: &str = "target";

/// The variables that git gets: none that leads it to another repository or index.
const GIT_VARIABLES: &[&str] = &["HOME", "LANG", "PATH", "TMPDIR", "XDG_CONFIG_HOME"];

/// What a deploy takes its sources from.
pub struct Sources {
    context: Context,
    /// Keeps other deploys out of the folder.
    _lock: Option<Lock>,
}

impl Sources {
    /// The checkout itself or, where the environment is protected, an export of its commit. That lies
    /// outside of the checkout, because npm and cargo also look into the folders above.
    ///
    /// # Errors
    /// Git fails, the commit has a submodule, or the folder cannot be written.
    pub fn of(context: &Context) -> anyhow::Result<Self> {
        if !context.environment().protected {
            return Ok(Self {
                context: context.clone(),
                _lock: None,
            });
        }
        let digest = digest_bytes(context.root.as_os_str().as_encoded_bytes());
        let folder = context.state_folder()?.join("exports").join(&digest[..16]);
        let lock = Lock::wait(&folder.with_extension("lock"), |holder| {
            let waits = format!("wait for another deploy of this checkout: {holder}");
            context.report.step(&waits);
        })?;
        let commit = commit(&context.root)?;
        context.report.step(&format!(
            "export commit {} to {}",
            &commit[..12.min(commit.len())],
            folder.display()
        ));
        export(&context.root, &commit, &folder)?;
        let mut exported = Context::of_instance(
            folder,
            context.instance(),
            &context.environment,
            context.yes_given,
            context.report.clone(),
        )?;
        exported.yes = context.yes;
        Ok(Self {
            context: exported,
            _lock: Some(lock),
        })
    }

    /// The context of a checkout with these sources.
    #[must_use]
    pub fn context(&self) -> &Context {
        &self.context
    }
}

/// Git in the checkout, whatever this process's environment says of repositories.
pub(crate) fn git(root: &Path, arguments: &[&str]) -> Cmd {
    Cmd::new("git")
        .arg("--no-replace-objects")
        .args(arguments)
        .folder(root)
        .only_env(GIT_VARIABLES)
}

/// The commit of the checkout.
///
/// # Errors
/// It is not under git.
pub(crate) fn commit(root: &Path) -> anyhow::Result<String> {
    git(root, &["rev-parse", "HEAD"]).read()
}

/// One entry of a commit.
struct Entry {
    mode: String,
    object: String,
    path: PathBuf,
}

/// Makes `folder` hold exactly the files of the commit, beside [`KEPT`].
fn export(root: &Path, commit: &str, folder: &Path) -> anyhow::Result<()> {
    let listed = git(root, &["ls-tree", "-r", "-z", "--full-tree", commit]).output()?;
    anyhow::ensure!(
        listed.status.success(),
        "git ls-tree failed: {}",
        String::from_utf8_lossy(&listed.stderr).trim()
    );
    let entries = entries(&listed.stdout)?;
    let wanted: String = entries
        .iter()
        .map(|entry| format!("{}\n", entry.object))
        .collect();
    // Not `git archive`: attributes and filters of this machine would change what it writes.
    let objects = git(root, &["cat-file", "--batch"]).stdin(wanted).output()?;
    anyhow::ensure!(objects.status.success(), "git cat-file failed");
    clear(folder)?;
    let mut rest = objects.stdout.as_slice();
    for entry in &entries {
        let content = object(&mut rest, &entry.object)?;
        write(folder, entry, content)
            .with_context(|| format!("failed to export {}", entry.path.display()))?;
    }
    Ok(())
}

/// Reads `MODE TYPE OBJECT\tPATH\0…`.
fn entries(listed: &[u8]) -> anyhow::Result<Vec<Entry>> {
    listed
        .split(|&byte| byte == 0)
        .filter(|line| !line.is_empty())
        .map(|line| {
            let line = std::str::from_utf8(line).context("a path of the commit is not UTF-8")?;
            let (head, path) = line
                .split_once('\t')
                .with_context(|| format!("git lists `{line}`"))?;
            let mut head = head.split(' ').map(str::to_owned).collect::<VecDeque<_>>();
            let (mode, kind, object) = (head.pop_front(), head.pop_front(), head.pop_front());
            let path = PathBuf::from(path);
            let stays_inside = path
                .components()
                .all(|part| matches!(part, Component::Normal(_)));
            anyhow::ensure!(stays_inside, "the commit has a path {}", path.display());
            if kind.as_deref() != Some("blob") {
                return Err(Failure::new(
                    Code::Refused,
                    format!("{} is a submodule, which is not exported", path.display()),
                )
                .hint("commit its files, or deploy from a checkout without it")
                .into());
            }
            Ok(Entry {
                mode: mode.unwrap_or_default(),
                object: object.unwrap_or_default(),
                path,
            })
        })
        .collect()
}

/// Takes `OBJECT blob SIZE\nCONTENT\n` off the front.
fn object<'a>(rest: &mut &'a [u8], wanted: &str) -> anyhow::Result<&'a [u8]> {
    let bytes: &'a [u8] = rest;
    let found = || -> Option<(&'a [u8], &'a [u8])> {
        let end = bytes.iter().position(|&byte| byte == b'\n')?;
        let head = std::str::from_utf8(bytes.get(..end)?).ok()?;
        let size = head.strip_prefix(wanted)?.strip_prefix(" blob ")?;
        let content = bytes.get(end + 1..)?;
        let (content, after) = content.split_at_checked(size.parse().ok()?)?;
        Some((content, after.strip_prefix(b"\n")?))
    };
    let (content, after) =
        found().with_context(|| format!("git does not have the object {wanted}"))?;
    *rest = after;
    Ok(content)
}

fn clear(folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder)
        .with_context(|| format!("failed to create {}", folder.display()))?;
    for item in std::fs::read_dir(folder)? {
        let item = item?;
        if item.file_name() == KEPT && item.file_type()?.is_dir() {
            continue;
        }
        match item.file_type()?.is_dir() {
            true => remove_folder(&item.path())?,
            false => std::fs::remove_file(item.path())?,
        }
    }
    Ok(())
}

fn write(folder: &Path, entry: &Entry, content: &[u8]) -> anyhow::Result<()> {
    let path = folder.join(&entry.path);
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    if entry.mode == "120000" {
        symlink(std::str::from_utf8(content)?, &path)?;
        return Ok(());
    }
    std::fs::write(&path, content)?;
    if entry.mode == "100755" {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn run(root: &Path, arguments: &[&str]) -> String {
        Cmd::new("git")
            .args(["-c", "user.name=test", "-c", "user.email=test@example.com"])
            .args(["-c", "commit.gpgsign=false"])
            .args(arguments)
            .folder(root)
            .read()
            .unwrap()
    }

    /// Every file below the folder, with its content; links with their goal.
    fn tree(folder: &Path) -> Vec<(String, String)> {
        let mut files: Vec<(String, String)> = walk(folder, folder);
        files.sort();
        files
    }

    fn walk(root: &Path, folder: &Path) -> Vec<(String, String)> {
        let items = fs::read_dir(folder).unwrap().map(|item| item.unwrap());
        items
            .flat_map(|item| {
                let path = item.path();
                let name = path.strip_prefix(root).unwrap().display().to_string();
                let kind = item.file_type().unwrap();
                if kind.is_symlink() {
                    let goal = fs::read_link(&path).unwrap();
                    return vec![(name, format!("-> {}", goal.display()))];
                }
                if kind.is_dir() {
                    return walk(root, &path);
                }
                let mode = path.metadata().unwrap().permissions().mode() & 0o111;
                let mark = if mode == 0 { "" } else { "*" };
                vec![(
                    name,
                    format!("{mark}{}", fs::read_to_string(&path).unwrap()),
                )]
            })
            .collect()
    }

    #[test]
    fn an_export_is_the_commit_and_nothing_that_only_this_machine_has() {
        let checkout = tempfile::tempdir().unwrap();
        let root = checkout.path();
        let put = |name: &str, text: &str| {
            let path = root.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        run(root, &["init", "--quiet"]);
        put(
            ".gitignore",
            ".env.production.local\ndist\ncdk.context.json\n",
        );
        put("web/page.ts", "committed\n");
        put("kept-out-of-archives", "too\n");
        put("run.sh", "#!/bin/sh\n");
        put("name with\nnewline", "odd\n");
        fs::set_permissions(root.join("run.sh"), fs::Permissions::from_mode(0o755)).unwrap();
        symlink("web/page.ts", root.join("link")).unwrap();
        run(root, &["add", "--all"]);
        run(root, &["commit", "--quiet", "--message", "one"]);
        let commit = run(root, &["rev-parse", "HEAD"]);
        // What only this machine has: ignored files, edits that git is asked to overlook, attributes
        // and filters.
        put("web/.env.production.local", "VITE_SECRET=1\n");
        put("web/dist/old.js", "old\n");
        put("cdk.context.json", "{}\n");
        put("web/page.ts", "edited\n");
        run(root, &["update-index", "--assume-unchanged", "web/page.ts"]);
        put(
            ".git/info/attributes",
            "kept-out-of-archives export-ignore\n* eol=crlf filter=mine\n",
        );
        run(
            root,
            &["config", "filter.mine.smudge", "sed s/committed/smudged/"],
        );

        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("export");
        fs::create_dir_all(folder.join("target")).unwrap();
        fs::create_dir_all(folder.join("stale/deep")).unwrap();
        fs::write(folder.join("target/cache"), "warm").unwrap();
        fs::write(folder.join("stale/deep/file"), "of an earlier commit").unwrap();
        export(root, &commit, &folder).unwrap();
        let expected = [
            (
                ".gitignore",
                ".env.production.local\ndist\ncdk.context.json\n",
            ),
            ("kept-out-of-archives", "too\n"),
            ("link", "-> web/page.ts"),
            ("name with\nnewline", "odd\n"),
            ("run.sh", "*#!/bin/sh\n"),
            ("target/cache", "warm"),
            ("web/page.ts", "committed\n"),
        ];
        let expected = expected.map(|(name, text)| (name.to_owned(), text.to_owned()));
        assert_eq!(tree(&folder), expected);
    }

    #[test]
    fn a_submodule_is_refused_by_name() {
        let checkout = tempfile::tempdir().unwrap();
        let root = checkout.path();
        run(root, &["init", "--quiet"]);
        let commit = "0123456789012345678901234567890123456789";
        let entry = format!("160000,{commit},vendor/lib");
        run(root, &["update-index", "--add", "--cacheinfo", &entry]);
        run(root, &["commit", "--quiet", "--message", "one"]);
        let place = tempfile::tempdir().unwrap();
        let refused = export(root, "HEAD", &place.path().join("export")).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "vendor/lib is a submodule, which is not exported"
        );
    }
}

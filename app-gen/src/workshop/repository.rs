//! The history of an application: a git repository of the generator's own.
//!
//! Agents never see it, and nothing that they wrote configures it. It has no files of its own (it is
//! bare), files come in as bytes of a [`Snapshot`] and never through a path of a workspace, and git runs
//! without settings, hooks and filters.

use crate::workshop::snapshot::{File, Snapshot};
use anyhow::{Context as _, Result, bail, ensure};
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

/// How long one call of git may take. The largest snapshot takes seconds.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);
/// The most that a diff may have: it is for people, who read no more.
const MAX_DIFF_BYTES: usize = 200_000;
/// The most files and bytes of a commit that is taken over. A bundle of some kilobytes can hold gigabytes.
const MAX_FILES: usize = 5_000;
const MAX_BYTES: u64 = 64 * 1024 * 1024;
/// The most that the history of an application takes.
pub(crate) const MAX_BUNDLE_BYTES: usize = 256 * 1024 * 1024;
/// The branch of finished iterations.
pub(crate) const MAIN: &str = "refs/heads/main";
/// The branch of a workspace as it was when an attempt ended in the middle of an iteration.
pub(crate) const WORK: &str = "refs/heads/work";
/// Git itself runs no program of a repository, and reads no settings but these.
const SETTINGS: [&str; 6] = [
    "core.hooksPath=/dev/null",
    "core.attributesFile=/dev/null",
    "core.quotePath=false",
    "fetch.fsckObjects=true",
    "gc.auto=0",
    "maintenance.auto=false",
];

/// The repository.
#[derive(Debug, Clone)]
pub(crate) struct Repository {
    folder: PathBuf,
}

/// What a commit says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message<'text> {
    /// The role that did the work.
    pub(crate) role: &'text str,
    /// Its words.
    pub(crate) text: &'text str,
    /// Seconds since 1970.
    pub(crate) time: i64,
}

impl Repository {
    /// An empty repository in a folder that does not exist yet.
    ///
    /// # Errors
    /// Git is missing or fails.
    pub(crate) async fn create(folder: &Path) -> Result<Self> {
        let repository = Self {
            folder: folder.to_owned(),
        };
        let path = folder.to_str().context("the folder is not UTF-8")?;
        repository
            .git(&[
                "init",
                "--quiet",
                "--bare",
                "--template=",
                "--initial-branch=main",
                path,
            ])
            .await
            .context("cannot make the repository")?;
        Ok(repository)
    }

    /// Where it is. Others may read it.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Commits a snapshot on a branch and returns the commit's id. Its parent is the newest commit of
    /// `onto`, if there is one.
    pub(crate) async fn commit(
        &self,
        branch: &str,
        onto: Option<&str>,
        snapshot: &Snapshot,
        message: Message<'_>,
    ) -> Result<String> {
        let input = import(branch, onto, snapshot, &message)?;
        self.call(&["fast-import", "--quiet", "--force"], &input)
            .await
            .context("cannot commit")?;
        self.id(branch).await?.context("the commit is not there")
    }

    /// The id of the newest commit of a branch.
    pub(crate) async fn id(&self, branch: &str) -> Result<Option<String>> {
        let listed = self
            .git(&["for-each-ref", "--format=%(objectname)", branch])
            .await?;
        let id = text(listed)?.trim().to_owned();
        Ok(Some(id).filter(|id| !id.is_empty()))
    }

    /// What a commit changes, as a unified diff within bounds.
    pub(crate) async fn diff(&self, commit: &str) -> Result<String> {
        let diff = self
            .git(&[
                "diff-tree",
                "--root",
                "--patch",
                "--no-commit-id",
                "--no-color",
                "--no-ext-diff",
                "--no-textconv",
                "--find-renames",
                commit,
            ])
            .await
            .context("cannot show what a commit changes")?;
        let diff = String::from_utf8_lossy(&diff).into_owned();
        if diff.len() <= MAX_DIFF_BYTES {
            return Ok(diff);
        }
        let kept = &diff[..diff.floor_char_boundary(MAX_DIFF_BYTES)];
        let missing = diff.len() - kept.len();
        Ok(format!("{kept}\n[… {missing} bytes …]\n"))
    }

    /// All branches with their history, as one file that `git clone` takes.
    pub(crate) async fn bundle(&self) -> Result<Vec<u8>> {
        self.git(&["bundle", "create", "--quiet", "-", "--branches"])
            .await
            .context("cannot bundle the history")
    }

    /// Takes over the branches of a bundle, whose objects are checked.
    ///
    /// # Errors
    /// It is no whole bundle.
    pub(crate) async fn take(&self, bundle: &[u8]) -> Result<()> {
        let file = self.folder.with_extension("bundle");
        tokio::fs::write(&file, bundle).await?;
        let path = file.to_str().context("the folder is not UTF-8")?;
        let taken = self
            .git(&[
                "fetch",
                "--quiet",
                "--no-tags",
                "--force",
                path,
                "+refs/heads/*:refs/heads/*",
            ])
            .await
            .context("the history cannot be taken over");
        tokio::fs::remove_file(&file).await?;
        taken.map(drop)
    }

    /// Makes a branch point to a commit that is there.
    pub(crate) async fn point(&self, branch: &str, commit: &str) -> Result<()> {
        let kind = text(self.git(&["cat-file", "-t", commit]).await?)?;
        ensure!(kind.trim() == "commit", "{commit} is no commit");
        self.git(&["update-ref", branch, commit]).await.map(drop)
    }

    /// The files of a commit. What is no plain file, or more than an application has, is refused: a
    /// bundle may come from elsewhere.
    pub(crate) async fn snapshot(&self, commit: &str) -> Result<Snapshot> {
        let listed = self
            .git(&["ls-tree", "-r", "-z", "--long", "--full-tree", commit])
            .await
            .with_context(|| format!("cannot list the files of commit {commit}"))?;
        let entries = entries(&text(listed)?)?;
        let mut names = Vec::new();
        for entry in &entries {
            writeln!(names, "{}", entry.object)?;
        }
        let contents = self.call(&["cat-file", "--batch"], &names).await?;
        let mut rest = contents.as_slice();
        let mut files = BTreeMap::new();
        for entry in entries {
            // `<object> blob <size>\n<content>\n`
            let end = rest.iter().position(|byte| *byte == b'\n');
            let end = end.context("git answered less than it was asked")?;
            let content = rest.get(end + 1..end + 1 + entry.size);
            let content = content.context("git answered less than it was asked")?;
            let file = File {
                is_executable: entry.is_executable,
                content: content.to_vec(),
            };
            files.insert(entry.path, file);
            rest = rest.get(end + 2 + entry.size..).unwrap_or_default();
        }
        Ok(Snapshot { files })
    }

    async fn git(&self, arguments: &[&str]) -> Result<Vec<u8>> {
        self.call(arguments, &[]).await
    }

    async fn call(&self, arguments: &[&str], input: &[u8]) -> Result<Vec<u8>> {
        let mut git = Command::new("git");
        git.env_clear()
            .envs([
                ("PATH", "/usr/local/bin:/usr/bin:/bin"),
                ("LC_ALL", "C.UTF-8"),
                ("GIT_CONFIG_NOSYSTEM", "1"),
                ("GIT_CONFIG_GLOBAL", "/dev/null"),
                ("GIT_ATTR_NOSYSTEM", "1"),
                ("GIT_TERMINAL_PROMPT", "0"),
                // Only this repository, wherever the process stands.
                ("GIT_CEILING_DIRECTORIES", "/"),
            ])
            .env("GIT_DIR", &self.folder)
            .args(SETTINGS.iter().flat_map(|setting| ["-c", setting]))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut child = git.spawn().context("git does not start")?;
        let mut stdin = child.stdin.take().context("git has no input")?;
        let write = async {
            // One that ends early says why on its standard error.
            let _ = stdin.write_all(input).await;
            drop(stdin);
        };
        let both = async { tokio::join!(write, child.wait_with_output()).1 };
        let name = arguments.first().copied().unwrap_or_default();
        let output = tokio::time::timeout(CALL_TIMEOUT, both)
            .await
            .with_context(|| {
                format!("git {name} took longer than {} s", CALL_TIMEOUT.as_secs())
            })??;
        if !output.status.success() {
            let errors = String::from_utf8_lossy(&output.stderr);
            bail!("git {name} ended with {}: {}", output.status, errors.trim());
        }
        Ok(output.stdout)
    }
}

fn text(bytes: Vec<u8>) -> Result<String> {
    String::from_utf8(bytes).context("git's answer is not UTF-8")
}

/// A file in a tree.
#[derive(Debug, PartialEq, Eq)]
struct Entry {
    path: String,
    object: String,
    size: usize,
    is_executable: bool,
}

/// Reads `<mode> <type> <object> <size>\t<path>`, each with a NUL behind it.
fn entries(listed: &str) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    let mut bytes = 0;
    for line in listed.split_terminator('\0') {
        let (head, path) = line
            .split_once('\t')
            .context("git's list is of another form")?;
        let fields: Vec<&str> = head.split_ascii_whitespace().collect();
        let &[mode, kind, object, size] = fields.as_slice() else {
            bail!("git's list is of another form");
        };
        let is_executable = match (mode, kind) {
            ("100644", "blob") => false,
            ("100755", "blob") => true,
            _ => bail!("{path} is not a plain file"),
        };
        bytes += size.parse::<u64>()?;
        ensure!(
            bytes <= MAX_BYTES && entries.len() < MAX_FILES,
            "it has more than {MAX_FILES} files or {MAX_BYTES} bytes"
        );
        entries.push(Entry {
            path: path.to_owned(),
            object: object.to_owned(),
            size: size.parse()?,
            is_executable,
        });
    }
    Ok(entries)
}

/// A commit as `git fast-import` reads it: with all files, so that nothing of the commit before it stays.
fn import(
    branch: &str,
    onto: Option<&str>,
    snapshot: &Snapshot,
    message: &Message<'_>,
) -> Result<Vec<u8>> {
    let Message { role, text, time } = message;
    let mut input = Vec::new();
    writeln!(input, "commit {branch}")?;
    writeln!(input, "author {role} <{role}@app-gen.invalid> {time} +0000")?;
    writeln!(
        input,
        "committer app-gen <app-gen@app-gen.invalid> {time} +0000"
    )?;
    writeln!(input, "data {}\n{text}", text.len())?;
    if let Some(onto) = onto {
        writeln!(input, "from {onto}")?;
    }
    writeln!(input, "deleteall")?;
    for (path, file) in &snapshot.files {
        let mode = if file.is_executable {
            "100755"
        } else {
            "100644"
        };
        writeln!(input, "M {mode} inline {}", quoted(path))?;
        writeln!(input, "data {}", file.content.len())?;
        input.extend_from_slice(&file.content);
        input.push(b'\n');
    }
    writeln!(input, "done")?;
    Ok(input)
}

/// A path as git quotes it. Snapshots have no control characters in their paths.
fn quoted(path: &str) -> String {
    format!("\"{}\"", path.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(files: &[(&str, bool, &str)]) -> Snapshot {
        let files = files.iter().map(|(path, is_executable, content)| {
            let file = File {
                is_executable: *is_executable,
                content: content.as_bytes().to_vec(),
            };
            ((*path).to_owned(), file)
        });
        Snapshot {
            files: files.collect(),
        }
    }

    fn message(text: &str) -> Message<'_> {
        Message {
            role: "builder",
            text,
            time: 1_790_000_000,
        }
    }

    async fn repository() -> (tempfile::TempDir, Repository) {
        let folder = tempfile::tempdir().unwrap();
        let repository = Repository::create(&folder.path().join("application"))
            .await
            .unwrap();
        (folder, repository)
    }

    #[tokio::test]
    async fn what_is_committed_comes_back_byte_for_byte() {
        let (_folder, repository) = repository().await;
        let first = snapshot(&[
            // Nothing of this is obeyed: no filter, no end of line, no driver of diffs.
            (
                ".gitattributes",
                false,
                "* text eol=crlf filter=x diff=x export-ignore\n",
            ),
            (".gitmodules", false, "[submodule \"a\"]\n"),
            ("a \"b\" ü.txt", false, "one\r\ntwo\n"),
            ("empty", false, ""),
            ("run.sh", true, "#!/bin/sh\n"),
            ("src/deep/er/x.bin", false, "\0\u{1}\n\n"),
        ]);
        let id = repository
            .commit(MAIN, None, &first, message("A diary\n\nwith plants"))
            .await
            .unwrap();
        assert_eq!(repository.snapshot(&id).await.unwrap(), first);
        assert_eq!(repository.id(MAIN).await.unwrap(), Some(id.clone()));
        assert_eq!(repository.id(WORK).await.unwrap(), None);

        let second = snapshot(&[("run.sh", false, "#!/bin/bash\n")]);
        let next = repository
            .commit(MAIN, Some(&id), &second, message("Less"))
            .await
            .unwrap();
        assert_eq!(repository.snapshot(&next).await.unwrap(), second);
        let diff = repository.diff(&next).await.unwrap();
        assert!(diff.contains("-#!/bin/sh\n+#!/bin/bash\n"), "{diff}");
        assert!(diff.contains("deleted file mode 100644"), "{diff}");
    }

    #[tokio::test]
    async fn a_bundle_carries_the_history_and_a_broken_one_is_refused() {
        let (_folder, repository) = repository().await;
        let files = snapshot(&[("a", false, "a")]);
        let id = repository
            .commit(MAIN, None, &files, message("a"))
            .await
            .unwrap();
        let work = repository
            .commit(
                WORK,
                Some(&id),
                &snapshot(&[("b", false, "b")]),
                message("b"),
            )
            .await
            .unwrap();
        let bundle = repository.bundle().await.unwrap();

        let (_other_folder, other) = self::repository().await;
        assert!(other.take(&bundle[..bundle.len() - 7]).await.is_err());
        assert!(other.take(b"nonsense").await.is_err());
        other.take(&bundle).await.unwrap();
        assert_eq!(other.id(MAIN).await.unwrap(), Some(id.clone()));
        assert_eq!(other.snapshot(&work).await.unwrap().files.len(), 1);
        assert!(other.point(MAIN, &"0".repeat(40)).await.is_err());
        other.point(MAIN, &work).await.unwrap();
        assert_eq!(other.id(MAIN).await.unwrap(), Some(work));
    }

    #[test]
    fn what_no_application_has_is_refused() {
        let entry = |mode: &str, kind: &str, size: &str| {
            entries(&format!("{mode} {kind} {} {size}\tname\0", "a".repeat(40)))
        };
        assert_eq!(entry("100755", "blob", "     12").unwrap()[0].size, 12);
        for (mode, kind) in [("120000", "blob"), ("160000", "commit"), ("100664", "blob")] {
            let refused = entry(mode, kind, "1").unwrap_err().to_string();
            assert_eq!(refused, "name is not a plain file");
        }
        assert!(entry("100644", "blob", "300000000").is_err());
        assert!(entries("nonsense\0").is_err());
    }
}

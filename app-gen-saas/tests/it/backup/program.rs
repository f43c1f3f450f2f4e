//! A place with a database and a store, and the orchestrator's binary that is asked for one thing there.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::support::binary::{PRESENT, process_variables};
use crate::support::database::TestDatabase;
use crate::support::generator::script;

/// Nothing here takes so long.
const BOUND: Duration = Duration::from_secs(120);

pub(super) struct Place {
    pub(super) folder: TempDir,
    pub(super) database: TestDatabase,
    generator: PathBuf,
}

impl Place {
    pub(super) fn new(database: TestDatabase, generator: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("artifacts")).unwrap();
        Self {
            generator: script(folder.path(), generator),
            folder,
            database,
        }
    }

    pub(super) fn variables(&self) -> Vec<(&'static str, String)> {
        process_variables(self.folder.path(), &self.database.url, &self.generator)
    }

    /// A file of the store.
    pub(super) fn object(&self, name: &str) -> PathBuf {
        self.folder.path().join("artifacts").join(name)
    }

    pub(super) fn write_object(&self, name: &str, bytes: &[u8]) {
        let path = self.object(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    pub(super) fn backup(&self, id: &str) -> PathBuf {
        self.object(&format!("backups/{id}"))
    }

    pub(super) fn manifest(&self, id: &str) -> Value {
        let text = std::fs::read(self.backup(id).join("manifest.json")).unwrap();
        serde_json::from_slice(&text).unwrap()
    }

    /// The SHA-256 of its manifest.
    pub(super) fn digest(&self, id: &str) -> String {
        let text = std::fs::read(self.backup(id).join("manifest.json")).unwrap();
        let digest = Sha256::digest(&text);
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The lines of its list of objects. Stores list in an order of their own.
    pub(super) fn objects(&self, id: &str) -> BTreeSet<String> {
        let text = std::fs::read_to_string(self.backup(id).join("objects-000001.jsonl")).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    /// Brings a backup here, as an operator does who kept it elsewhere.
    pub(super) fn take_backup_of(&self, other: &Self, id: &str) {
        copy_folder(&other.backup(id), &self.backup(id));
    }

    pub(super) fn start(&self, arguments: &[&str]) -> Child {
        Command::new(PRESENT)
            .args(arguments)
            .env_clear()
            .envs(self.variables())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap()
    }

    async fn run(&self, arguments: &[&str]) -> (Option<i32>, Vec<Value>) {
        let child = self.start(arguments);
        let output = tokio::time::timeout(BOUND, child.wait_with_output()).await;
        let output = output.expect("it did not end in time").unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
        (output.status.code(), lines.collect())
    }

    /// The last line of what succeeds.
    pub(super) async fn succeed(&self, arguments: &[&str]) -> Value {
        let (code, lines) = self.run(arguments).await;
        assert_eq!(code, Some(0), "{lines:#?}");
        lines.last().unwrap().clone()
    }

    /// Why it does not succeed.
    pub(super) async fn fail(&self, arguments: &[&str]) -> String {
        let (code, lines) = self.run(arguments).await;
        assert_eq!(code, Some(1), "{lines:#?}");
        let last = lines.last().unwrap();
        last["error"].as_str().unwrap().to_owned()
    }

    /// The last line of what succeeds, and the most memory that was seen.
    pub(super) async fn measured(&self, arguments: &[&str]) -> (Value, u64) {
        let child = self.start(arguments);
        let status = format!("/proc/{}/status", child.id().unwrap());
        let peak = tokio::task::spawn_blocking(move || {
            let mut peak = 0;
            // Without memory it has ended.
            while let Some(kibibytes) = peak_kibibytes(Path::new(&status)) {
                peak = kibibytes * 1024;
                std::thread::sleep(Duration::from_millis(5));
            }
            peak
        });
        let output = tokio::time::timeout(BOUND, child.wait_with_output()).await;
        let output = output.expect("it did not end in time").unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{text}");
        let last = serde_json::from_str(text.lines().last().unwrap()).unwrap();
        (last, peak.await.unwrap())
    }

    /// How many rows a table has.
    pub(super) async fn rows(&self, table: &str) -> i64 {
        use sqlx::Connection as _;
        sqlx::any::install_default_drivers();
        let mut connection = sqlx::AnyConnection::connect(&self.database.url)
            .await
            .unwrap();
        let text = sqlx::AssertSqlSafe(format!("SELECT COUNT(*) FROM {table}"));
        let count = sqlx::query_scalar(text).fetch_one(&mut connection).await;
        connection.close().await.unwrap();
        count.unwrap()
    }
}

fn peak_kibibytes(status: &Path) -> Option<u64> {
    let text = std::fs::read_to_string(status).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

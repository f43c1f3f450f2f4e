//! What an image is to be.

use crate::reference::BaseImage;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Where the application is in the image.
pub const FOLDER: &str = "/app";
/// The user and the group that own the application and run it. It has no name, and no other rights.
pub const USER: u32 = 10_001;

/// What an image is to be, above its base.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// What is below the application.
    pub base: BaseImage,
    /// The folder of the application, as it runs.
    pub folder: PathBuf,
    /// Files that the image has besides those of the folder, or in their place, by their path in it.
    pub files: BTreeMap<String, Vec<u8>>,
    /// The time of change of all files, in seconds since 1970. It is part of the digest, so it must follow from
    /// the input; and it has to grow from version to version, because servers of files tell browsers by it
    /// that something is new.
    pub modified_secs: u64,
    /// What is started, in the application's folder. The base's own command is left out.
    pub command: Vec<String>,
    /// Variables, besides those of the base.
    pub environment: BTreeMap<String, String>,
    /// The port at which it listens.
    pub port: u16,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// How an engine sees whether it is healthy.
    pub health: Option<Health>,
    /// The processor, in the words of Go: `amd64` or `arm64`.
    pub architecture: String,
}

/// How an engine sees whether a container is healthy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// A program with its arguments, which ends with 0 where it is.
    pub command: Vec<String>,
    /// Between two tries.
    pub interval_secs: u64,
    /// For one try.
    pub timeout_secs: u64,
    /// In which failures do not count.
    pub start_secs: u64,
    /// How many failures in a row make it unhealthy.
    pub retries: u32,
}

impl Image {
    /// An application of Node as the generator starts it: `npm start`, with PORT, HOST and NODE_ENV. The base
    /// has both programs.
    #[must_use]
    pub fn of_node(base: BaseImage, folder: PathBuf, port: u16) -> Self {
        // The user has no home, and programs look for one.
        let environment = [
            ("HOME", "/tmp".to_owned()),
            ("HOST", "0.0.0.0".to_owned()),
            ("NODE_ENV", "production".to_owned()),
            ("PORT", port.to_string()),
            ("npm_config_cache", "/tmp/npm".to_owned()),
            ("npm_config_update_notifier", "false".to_owned()),
        ];
        // Any answer counts: an application may send its reader to another page, or ask who it is.
        let ask = format!(
            "fetch('http://127.0.0.1:{port}/',{{redirect:'manual'}})\
             .then(answer=>process.exit(answer.status<500?0:1),()=>process.exit(1))"
        );
        Self {
            base,
            folder,
            files: BTreeMap::new(),
            modified_secs: 0,
            command: vec!["npm".to_owned(), "start".to_owned()],
            environment: environment
                .map(|(name, value)| (name.to_owned(), value))
                .into(),
            port,
            labels: BTreeMap::new(),
            health: Some(Health {
                command: vec!["node".to_owned(), "-e".to_owned(), ask],
                interval_secs: 10,
                timeout_secs: 5,
                start_secs: 30,
                retries: 3,
            }),
            architecture: "amd64".to_owned(),
        }
    }

    /// The same with the commit that it was made from, as the specification of images has it.
    #[must_use]
    pub fn with_revision(mut self, commit: &str) -> Self {
        let label = "org.opencontainers.image.revision".to_owned();
        self.labels.insert(label, commit.to_owned());
        self
    }
}

//! One call of git: without settings of anybody, within bounds, and over as a whole.

use crate::error::Error;
use rustix::process::{Pid, Signal, kill_process_group};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;

/// The most that is kept of what git answers; lists of files are the longest.
const MAX_OUTPUT_BYTES: u64 = 64 * 1024 * 1024;
/// The most that is kept of its errors, in which a server's words are.
const MAX_ERROR_BYTES: u64 = 64 * 1024;
/// Git itself runs no program of a repository, and reads no settings but these and those of a call.
const SETTINGS: [&str; 8] = [
    "core.hooksPath=/dev/null",
    "core.attributesFile=/dev/null",
    "core.quotePath=false",
    "credential.helper=",
    "credential.interactive=false",
    "protocol.allow=never",
    "gc.auto=0",
    "maintenance.auto=false",
];
const ENVIRONMENT: [(&str, &str); 7] = [
    ("PATH", "/usr/local/bin:/usr/bin:/bin"),
    ("LC_ALL", "C.UTF-8"),
    ("GIT_CONFIG_NOSYSTEM", "1"),
    ("GIT_CONFIG_GLOBAL", "/dev/null"),
    ("GIT_ATTR_NOSYSTEM", "1"),
    ("GIT_TERMINAL_PROMPT", "0"),
    // Only this repository, wherever the process stands.
    ("GIT_CEILING_DIRECTORIES", "/"),
];

/// What git is asked.
#[derive(Debug)]
pub(crate) struct Call<'call> {
    /// The repository.
    pub(crate) repository: &'call Path,
    /// Settings besides our own.
    pub(crate) settings: &'call [String],
    pub(crate) arguments: &'call [&'call str],
    pub(crate) environment: &'call [(&'call str, String)],
    pub(crate) input: &'call [u8],
    pub(crate) bound: Duration,
}

/// How a call ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// `None` where a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) output: Vec<u8>,
    pub(crate) errors: String,
}

/// Why there is no end: git does not start, or takes too long.
#[derive(Debug)]
pub(crate) enum Broken {
    /// Git does not start, or cannot be read.
    Local(Error),
    /// It was ended after so long.
    Late(Duration),
}

impl Ended {
    pub(crate) fn is_success(&self) -> bool {
        self.code == Some(0)
    }
}

/// All processes of a call, which end with it, however it is left.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // Gone already is fine too.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

/// Calls git.
pub(crate) async fn call(call: Call<'_>) -> Result<Ended, Broken> {
    let local = |reason: String| {
        Broken::Local(Error::Local {
            what: "run git",
            reason,
        })
    };
    let own = SETTINGS.iter().copied();
    let settings = own.chain(call.settings.iter().map(String::as_str));
    let mut git = Command::new("git");
    git.env_clear()
        .envs(ENVIRONMENT)
        .env("GIT_DIR", call.repository)
        .envs(call.environment.iter().map(|(name, value)| (name, value)))
        .args(settings.flat_map(|setting| ["-c", setting]))
        .args(call.arguments)
        .current_dir(call.repository)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    let mut child = git.spawn().map_err(|error| local(error.to_string()))?;
    let id = child.id().and_then(|id| i32::try_from(id).ok());
    let mut group = Group(id.and_then(Pid::from_raw));
    let (Some(mut stdin), Some(stdout), Some(stderr)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(local("it has no pipes".to_owned()));
    };
    let write = async {
        // One that ends early says why on its standard error.
        let _ = stdin.write_all(call.input).await;
        drop(stdin);
    };
    let whole = async {
        tokio::join!(
            write,
            read(stdout, MAX_OUTPUT_BYTES),
            read(stderr, MAX_ERROR_BYTES),
            child.wait()
        )
    };
    let ended = tokio::time::timeout(call.bound, whole).await;
    let Ok(((), output, errors, status)) = ended else {
        return Err(Broken::Late(call.bound));
    };
    let failed = |error: std::io::Error| local(error.to_string());
    let status = status.map_err(failed)?;
    // Its processes have closed their pipes, and its number may soon be somebody else's.
    group.0 = None;
    let errors = errors.map_err(failed)?;
    Ok(Ended {
        code: status.code(),
        output: output.map_err(failed)?,
        errors: String::from_utf8_lossy(&errors).into_owned(),
    })
}

/// Reads to the end, and keeps the first bytes.
async fn read(mut pipe: impl AsyncRead + Unpin, most: u64) -> std::io::Result<Vec<u8>> {
    let mut kept = Vec::new();
    (&mut pipe).take(most).read_to_end(&mut kept).await?;
    tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await?;
    Ok(kept)
}

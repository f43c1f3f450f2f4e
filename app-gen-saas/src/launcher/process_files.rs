//! The files and processes behind a job of the process launcher.
//!
//! A shell runs between the orchestrator and the generator. It outlives the orchestrator and writes down
//! the generator's exit code, which only a parent process learns. Its first step is to make the try's
//! pid file, which can be made only once. So an orchestrator that makes that file itself knows that the
//! try has not started and never will.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use rustix::process::{Pid, Signal, kill_process};

use crate::launcher::Launch;

/// `$1` pid file, `$2` exit code file, `$3` generator, `$4` seconds that it may take at most, whoever is
/// there to stop it. Standard output is the job's log. The shell's own messages ("Killed") must not be
/// written there, which is the reason for the brackets. The shell ignores no signal (children would inherit
/// that), but waits for the generator whatever signal the group gets. Its last step ends the group, and
/// with it the one that keeps the time.
pub(super) const SUPERVISOR: &str = r#"exec 2>/dev/null
set -C
echo "$$" > "$1" || exit 125
( trap '' HUP INT TERM; sleep "$4" >/dev/null && kill -KILL 0 ) &
trap : HUP INT TERM
( exec "$3" 2>&1 )
code=$?
echo "$code" > "$2.part" && mv "$2.part" "$2"
kill -KILL 0
"#;

/// Bytes of a pid or exit code file that are read at most: a generator could write to both.
const MAX_SHORT_BYTES: u64 = 64;

/// Content of the pid file when the try was called off.
const CALLED_OFF: &str = "-";

/// The files of one try to start a task.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Files {
    /// The log of the attempt, which all its tries share.
    pub(super) log: PathBuf,
    /// Id of the supervising shell, from its start on.
    pub(super) pid: PathBuf,
    /// Exit code of the generator, from its end on.
    pub(super) exit: PathBuf,
}

/// Who made a try's pid file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum PidFile {
    /// The try's shell, with this process id.
    Started(i32),
    /// An orchestrator that called the try off.
    CalledOff,
    /// It exists, but nothing is written to it yet.
    Empty,
}

impl Files {
    pub(super) fn new(log_dir: &Path, launch: &Launch) -> Self {
        let Launch { job_id, number, .. } = launch;
        let log = match launch.attempt {
            1 => format!("{job_id}.log"),
            later => format!("{job_id}-{later}.log"),
        };
        Self {
            log: log_dir.join(log),
            pid: log_dir.join(format!("{job_id}.{number}.pid")),
            exit: log_dir.join(format!("{job_id}.{number}.exit")),
        }
    }

    /// Those of a try to start a preview.
    pub(super) fn of_preview(log_dir: &Path, id: &str, number: i64) -> Self {
        Self {
            log: log_dir.join(format!("preview-{id}.{number}.log")),
            pid: log_dir.join(format!("preview-{id}.{number}.pid")),
            exit: log_dir.join(format!("preview-{id}.{number}.exit")),
        }
    }

    /// Makes the pid file before the shell can, so that the try will not start any more. If the shell
    /// was first, the result names it.
    pub(super) fn call_off(&self) -> io::Result<PidFile> {
        match fs::File::create_new(&self.pid) {
            Ok(mut file) => {
                writeln!(file, "{CALLED_OFF}")?;
                Ok(PidFile::CalledOff)
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => self.read_pid(),
            Err(error) => Err(error),
        }
    }

    /// Who made the pid file, which is there.
    pub(super) fn read_pid(&self) -> io::Result<PidFile> {
        let text = read_short(&self.pid)?;
        match text.strip_suffix('\n') {
            None => Ok(PidFile::Empty),
            Some(CALLED_OFF) => Ok(PidFile::CalledOff),
            Some(pid) => pid
                .parse()
                .map(PidFile::Started)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error)),
        }
    }

    /// The generator's exit code, once it has ended.
    pub(super) fn exit_code(&self) -> io::Result<Option<i32>> {
        match read_short(&self.exit) {
            Ok(text) => text
                .trim()
                .parse()
                .map(Some)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether the shell with this id belongs to this try and is alive. Its command line names the pid
    /// file, so that another process with a reused id is not mistaken for it.
    pub(super) fn supervisor_lives(&self, pid: i32) -> bool {
        let own = self.pid.as_os_str().as_encoded_bytes();
        match fs::read(format!("/proc/{pid}/cmdline")) {
            Err(_) => false,
            // The command line is empty at the end of a process, and for a moment at its beginning.
            Ok(line) if line.is_empty() => !is_zombie(pid),
            Ok(line) => line
                .split(|byte| *byte == 0)
                .any(|argument| argument == own),
        }
    }

    /// Removes what only a living task needs.
    pub(super) fn remove(&self) -> io::Result<()> {
        for file in [&self.pid, &self.exit] {
            match fs::remove_file(file) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

/// Opens a file for reading that a generator may have replaced: a pipe or a device is an error, not
/// something to wait for.
pub(super) fn open_regular(path: &Path) -> io::Result<fs::File> {
    let file = fs::OpenOptions::new()
        .read(true)
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
        .open(path)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::other("it is not a file"))
    }
}

fn read_short(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    open_regular(path)?
        .take(MAX_SHORT_BYTES)
        .read_to_string(&mut text)?;
    Ok(text)
}

fn is_zombie(pid: i32) -> bool {
    // The name in parentheses may hold anything; the state follows the last of them.
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .ok()
        .and_then(|stat| stat.rsplit_once(") ")?.1.chars().next())
        .is_none_or(|state| matches!(state, 'Z' | 'X'))
}

/// Ends all processes that carry this variable: what a generator left behind when it ended, wherever
/// it put it. Zombies show no environment.
pub(super) fn kill_all_with(name: &str, value: &str) -> io::Result<usize> {
    let own = format!("{name}={value}");
    let mut killed = 0;
    for entry in fs::read_dir("/proc")? {
        let entry = entry?;
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|text| text.parse().ok())
            .and_then(Pid::from_raw)
        else {
            continue;
        };
        // Processes of others are unreadable, and any may be gone by now.
        let Ok(environment) = fs::read(entry.path().join("environ")) else {
            continue;
        };
        if environment
            .split(|byte| *byte == 0)
            .any(|variable| variable == own.as_bytes())
            && kill_process(pid, Signal::KILL).is_ok()
        {
            killed += 1;
        }
    }
    Ok(killed)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::time::Duration;

    use super::*;
    use crate::launcher::OwnKeys;

    fn launch(attempt: u32, number: i64) -> Launch {
        Launch {
            job_id: "job".to_owned(),
            attempt,
            number,
            spec_uri: "file:///jobs/job/spec.json".to_owned(),
            checkpoint: None,
            lifetime: Duration::from_secs(60),
            has_start: false,
            has_attachments: false,
            own_keys: OwnKeys::default(),
            delivers: false,
            may_be_interrupted: false,
        }
    }

    #[test]
    fn attempts_have_logs_of_their_own_and_tries_have_not() {
        let log = |attempt, number| Files::new(Path::new("/logs"), &launch(attempt, number)).log;
        assert_eq!(log(1, 1), Path::new("/logs/job.log"));
        assert_eq!(log(1, 2), log(1, 1));
        assert_eq!(log(2, 3), Path::new("/logs/job-2.log"));
    }

    #[test]
    fn a_try_is_called_off_or_started_never_both() {
        let folder = tempfile::tempdir().unwrap();
        let files = Files::new(folder.path(), &launch(1, 1));
        assert_eq!(files.call_off().unwrap(), PidFile::CalledOff);
        assert_eq!(files.call_off().unwrap(), PidFile::CalledOff);

        let files = Files::new(folder.path(), &launch(1, 2));
        fs::write(&files.pid, "").unwrap();
        assert_eq!(files.call_off().unwrap(), PidFile::Empty);
        fs::write(&files.pid, "17\n").unwrap();
        assert_eq!(files.call_off().unwrap(), PidFile::Started(17));
    }

    /// Runs a generator with nobody to look after it; gives what its exit code file holds.
    async fn supervise(generator: &str, seconds: &str) -> Option<i32> {
        let folder = tempfile::tempdir().unwrap();
        let files = Files::new(folder.path(), &launch(1, 1));
        let script = folder.path().join("generator.sh");
        fs::write(&script, format!("#!/bin/sh\n{generator}\n")).unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
        let mut shell = tokio::process::Command::new("/bin/sh");
        shell
            .args(["-c", SUPERVISOR, "supervisor"])
            .args([&files.pid, &files.exit, &script])
            .arg(seconds)
            .process_group(0);
        let ended = tokio::time::timeout(Duration::from_secs(60), shell.status()).await;
        ended.expect("the supervisor did not end").unwrap();
        let text = fs::read_to_string(&files.pid).unwrap();
        assert_eq!(text.lines().count(), 1);
        files.exit_code().unwrap()
    }

    #[tokio::test]
    async fn a_generator_that_nobody_stops_ends_with_its_time() {
        let stubborn = "trap '' HUP INT TERM; sleep 1000 & sleep 1000";
        assert_eq!(supervise(stubborn, "1").await, None);
    }

    #[tokio::test]
    async fn what_a_generator_leaves_in_its_group_ends_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let pid = folder.path().join("pid");
        let leaving = format!("sleep 1000 & echo $! > {}; exit 7", pid.display());
        assert_eq!(supervise(&leaving, "1000").await, Some(7));
        let left: i32 = fs::read_to_string(pid).unwrap().trim().parse().unwrap();
        for _ in 0..200 {
            if is_zombie(left) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("process {left} still runs");
    }

    #[test]
    fn what_a_generator_puts_in_the_place_of_a_file_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let files = Files::new(folder.path(), &launch(1, 1));
        let pipe = folder.path().join("pipe");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &pipe,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR,
            0,
        )
        .unwrap();
        assert!(open_regular(&pipe).is_err());
        assert!(open_regular(Path::new("/dev/zero")).is_err());
        fs::write(&files.exit, "1".repeat(10_000_000)).unwrap();
        assert!(files.exit_code().is_err());
    }

    #[test]
    fn a_stranger_is_not_the_supervisor() {
        let folder = tempfile::tempdir().unwrap();
        let files = Files::new(folder.path(), &launch(1, 1));
        let this_process = i32::try_from(std::process::id()).unwrap();
        assert!(!files.supervisor_lives(this_process));
    }
}

//! The process between the generator and an agent, seen from the generator: how it is started, told what to
//! do, and cleared up after when it does not come to an end.

use crate::processes::kill_marked;
use crate::supervise::Order;
use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, BufReader,
};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

/// A pipe holds no more.
const MAX_PIPE_BYTES: u64 = 1024 * 1024;
/// How long output may come after everything that could write it has ended.
pub(crate) const DRAIN: Duration = Duration::from_secs(5);

/// How to start [`crate::supervise`].
#[derive(Debug, Clone)]
pub struct Supervisor {
    /// A program that calls it.
    pub program: PathBuf,
    /// The arguments with which it does.
    pub arguments: Vec<OsString>,
}

/// What the process between tells, as lines.
pub(crate) type Reports = tokio::io::Lines<BufReader<OwnedReadHalf>>;

/// Starts the process between.
pub(crate) fn start(supervisor: &Supervisor) -> io::Result<(Child, Reports, OwnedWriteHalf)> {
    let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    let process = Command::new(&supervisor.program)
        .args(&supervisor.arguments)
        .env_clear()
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // A signal of a terminal is for the generator, which then stops its agents in order.
        .process_group(0)
        .spawn()?;
    let (reports, orders) = UnixStream::from_std(ours)?.into_split();
    Ok((process, BufReader::new(reports).lines(), orders))
}

/// Tells the process between something. If it is gone, its reports end, and that is what is noticed.
pub(crate) async fn give(orders: &mut OwnedWriteHalf, order: &Order) {
    if let Ok(mut line) = serde_json::to_vec(order) {
        line.push(b'\n');
        let _ = orders.write_all(&line).await;
    }
}

/// What is still in a pipe.
pub(crate) async fn rest_of(pipe: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
    let mut bytes = Vec::new();
    // What was read before an end that does not come counts.
    let _ = timeout(DRAIN, pipe.take(MAX_PIPE_BYTES).read_to_end(&mut bytes)).await;
    bytes
}

/// Kills what carries the mark until nothing does.
pub(crate) async fn kill_all_marked(mark: &str) -> (usize, bool) {
    let began = Instant::now();
    let mut killed = 0;
    loop {
        match kill_marked(mark) {
            0 => return (killed, false),
            more => killed += more,
        }
        if began.elapsed() > DRAIN {
            return (killed, true);
        }
        // Those that are killed take a moment to be gone.
        sleep(Duration::from_millis(20)).await;
    }
}

//! A preview: runs an application for whoever looks at it, until its time is over.
//!
//! It is this program, started with other variables, because the image has what applications need. It has no
//! rights and no secret, and asks nobody for anything: whoever started it hands the application over at the
//! control port. Only the application whose digest it was started for is taken. That is installed, built and
//! started in a cage, as the checks do it, and its port is passed on to another one of the container.

mod application;
mod archive;
mod board;
mod control;
mod relay;

use crate::preview::application::Application;
use crate::preview::board::Board;
use crate::stop::{FORCED_EXIT_AFTER, exit_after};
use crate::workshop::Rights;
use anyhow::{Context as _, Result, bail, ensure};
use app_gen_cage::Folders;
use app_gen_contract::{PreviewPhase, PreviewPorts, env, exit};
use hyper::body::Bytes;
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tokio::time::sleep;

/// How long a preview that failed says so. Whoever started it asks every few seconds.
const LINGER: Duration = Duration::from_secs(120);

/// Whether this process is to be a preview.
pub(crate) fn is_wanted() -> bool {
    std::env::var_os(env::PREVIEW_SHA256).is_some_and(|digest| !digest.is_empty())
}

/// The whole process. Its first line says where it listens, and a second one why it failed, if it did.
pub(crate) fn run(rights: Rights) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let Ok(runtime) = runtime else {
        return ExitCode::from(exit::FAILED);
    };
    let served = runtime.block_on(serve(rights));
    // This does not wait for a blocking thread in the middle of its work.
    runtime.shutdown_background();
    match served {
        Ok(()) => ExitCode::from(exit::SUCCEEDED),
        Err(error) => {
            say(&format!("{error:#}"));
            ExitCode::from(exit::FAILED)
        }
    }
}

/// For operators, and for who started the process and knows no port. Nobody has to read it.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

struct Settings {
    sha256: String,
    lifetime: Duration,
    ports: PreviewPorts,
}

impl Settings {
    /// Reads the environment through `lookup`; an empty variable counts as unset.
    fn read(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self> {
        let read = |name: &str| lookup(name).filter(|value| !value.is_empty());
        let sha256 = read(env::PREVIEW_SHA256).unwrap_or_default();
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        ensure!(
            sha256.len() == 64 && sha256.bytes().all(is_digit),
            "{} is not 64 hexadecimal digits in lower case",
            env::PREVIEW_SHA256
        );
        let seconds: Option<u64> =
            read(env::PREVIEW_LIFETIME_SECS).and_then(|text| text.parse().ok());
        let Some(seconds @ 1..) = seconds else {
            bail!(
                "{} is not a number of seconds from 1: a preview must end",
                env::PREVIEW_LIFETIME_SECS
            );
        };
        let port = |name: &str| match read(name) {
            None => Ok(0),
            Some(text) => text
                .parse::<u16>()
                .with_context(|| format!("{name} is {text:?}, which is no port")),
        };
        Ok(Self {
            sha256,
            lifetime: Duration::from_secs(seconds),
            ports: PreviewPorts {
                control: port(env::PREVIEW_CONTROL_PORT)?,
                application: port(env::PREVIEW_PORT)?,
            },
        })
    }
}

async fn serve(rights: Rights) -> Result<()> {
    let Settings {
        sha256,
        lifetime,
        ports,
    } = Settings::read(&|name| std::env::var(name).ok())?;
    exit_after(lifetime.saturating_add(FORCED_EXIT_AFTER));
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let folders = match rights {
        Rights::Caged(_, folders) => Ok(folders),
        Rights::Plain(reason) => Err(reason),
    };
    // On a machine nobody but the machine itself is to reach it.
    let address = match &folders {
        Ok(_) => Ipv4Addr::UNSPECIFIED,
        Err(_) => Ipv4Addr::LOCALHOST,
    };
    let listen = async |port: u16| {
        let listener = TcpListener::bind((address, port)).await;
        listener.with_context(|| format!("failed to listen on {address}:{port}"))
    };
    let control = listen(ports.control).await?;
    let relay = listen(ports.application).await?;
    let ports = PreviewPorts {
        control: control.local_addr()?.port(),
        application: relay.local_addr()?.port(),
    };
    say(&serde_json::to_string(&ports)?);
    let (board, given) = Board::new(sha256);
    let controlled = tokio::spawn(control::serve(control, Arc::clone(&board)));
    let work = async {
        let why = match work(folders, given, relay, &board, lifetime).await {
            Ok(why) => why,
            Err(error) => format!("{error:#}"),
        };
        say(&why);
        board.fail(why);
        sleep(LINGER).await;
    };
    // Whatever ends this, dropping the work ends the application.
    tokio::select! {
        () = work => {}
        () = sleep(lifetime) => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    controlled.abort();
    Ok(())
}

/// Runs the application that is given, and says how it ended.
///
/// # Errors
/// There is no application, for a reason of its own or of this machine.
async fn work(
    folders: Result<Folders, String>,
    given: oneshot::Receiver<Bytes>,
    relay: TcpListener,
    board: &Board,
    lifetime: Duration,
) -> Result<String> {
    let folders = match folders {
        Ok(folders) => folders,
        Err(reason) => bail!(
            "no application is started here: {reason}. Previews run in containers: \
             cargo xtask dev --provider codex starts them there, and so does every deployment"
        ),
    };
    let zip = given.await.context("no application was given")?;
    let unpacked = tokio::task::spawn_blocking(move || archive::unpack(&zip)).await;
    let snapshot = unpacked
        .context("unpacking did not finish")?
        .context("the application cannot be unpacked")?;
    let mut application = Application::start(&folders, &snapshot, board, lifetime).await?;
    drop(snapshot);
    board.enter(PreviewPhase::Ready);
    let port = application.port();
    tokio::select! {
        why = application.ended() => why,
        () = relay::serve(relay, port) => bail!("no connection is passed on any more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Settings> {
        let lookup = |name: &str| {
            let mut pairs = pairs.iter();
            pairs
                .find(|(known, _)| *known == name)
                .map(|(_, value)| (*value).to_owned())
        };
        Settings::read(&lookup)
    }

    #[test]
    fn a_preview_has_a_digest_and_an_end() {
        let digest = "0a".repeat(32);
        let settings = read(&[
            ("PREVIEW_SHA256", digest.as_str()),
            ("PREVIEW_LIFETIME_SECS", "60"),
            ("PREVIEW_PORT", "5081"),
        ]);
        let settings = settings.unwrap();
        assert_eq!(settings.lifetime, Duration::from_secs(60));
        assert_eq!(
            (settings.ports.control, settings.ports.application),
            (0, 5081)
        );
        for (digest, seconds, port) in [
            ("0A".repeat(32).as_str(), "60", "1"),
            ("0a", "60", "1"),
            (digest.as_str(), "", "1"),
            (digest.as_str(), "0", "1"),
            (digest.as_str(), "-1", "1"),
            (digest.as_str(), "60", "70000"),
        ] {
            let read = read(&[
                ("PREVIEW_SHA256", digest),
                ("PREVIEW_LIFETIME_SECS", seconds),
                ("PREVIEW_CONTROL_PORT", port),
            ]);
            assert!(read.is_err(), "{digest} {seconds} {port}");
        }
    }
}

//! The application of a preview: installed, built and started in a cage, as its checks did it.
//!
//! Only what this program itself asks for comes from outside: packages, by a mirror that is gone before the
//! application starts.

use crate::checks::checked::Found;
use crate::checks::npm::{self, tail};
use crate::checks::subject::Subject;
use crate::preview::board::Board;
use crate::workshop::command::Running;
use crate::workshop::snapshot::Snapshot;
use crate::workshop::{NPM_REGISTRY_VARIABLE, PACKAGES_PORT, fill};
use anyhow::{Context as _, Result, bail};
use app_gen_cage::{Cage, Folders, Limits, Ports, USER, try_attacks};
use app_gen_contract::{PreviewPhase, env};
use app_gen_gateway::{Certificates, Packages, PackagesSettings};
use std::net::Ipv4Addr;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::sleep;

/// Until the application listens.
const FIRST_ANSWER: Duration = Duration::from_secs(60);
/// Between two looks whether it does.
const PAUSE: Duration = Duration::from_millis(50);
/// Bytes of what the application wrote that are quoted.
const QUOTED_BYTES: usize = 1_500;
/// What the application and its packages may write.
const WRITTEN_BYTES: u64 = 2 * 1024 * 1024 * 1024;
/// Processes and threads. The kernel counts the user of all containers of a machine together, and an application
/// with its npm has about 25.
const PROCESSES: u64 = 2_048;

/// An application that runs. All of it ends when this is dropped.
pub(super) struct Application {
    running: Running,
    port: u16,
}

impl Application {
    /// Installs, builds and starts the application, and waits until it listens.
    ///
    /// # Errors
    /// It cannot be started, for a reason of its own or because cages do not hold here.
    pub(super) async fn start(
        folders: &Folders,
        snapshot: &Snapshot,
        board: &Board,
        lifetime: Duration,
    ) -> Result<Self> {
        let packages = mirror().await?;
        let cage = cage(folders, packages.address().port(), lifetime);
        prove(&cage, folders).await?;
        fill(&cage, snapshot).await?;
        let packages_url = packages.url();
        let subject = Subject {
            cage: &cage,
            packages_url: &packages_url,
            snapshot,
            before: None,
            criteria: &[],
        };
        board.enter(PreviewPhase::Installing);
        good(npm::install(&subject).await?)?;
        board.enter(PreviewPhase::Building);
        good(npm::build(&subject).await?)?;
        // From here on there is nothing but the application itself that it could reach.
        drop(packages);
        board.enter(PreviewPhase::Starting);
        let port = *cage.ports.named.end();
        let variables = subject
            .variables()
            .and("PORT", port.to_string())
            .and("HOST", Ipv4Addr::LOCALHOST.to_string())
            .and("NODE_ENV", "production");
        let running = Running::start(&cage, "npm", &["start"], &variables, lifetime);
        let mut application = Self {
            running: running.context("failed to start npm in its cage")?,
            port,
        };
        application.listens().await?;
        Ok(application)
    }

    /// Where it listens, on loopback.
    pub(super) const fn port(&self) -> u16 {
        self.port
    }

    /// Waits for its end, and says how it came.
    pub(super) async fn ended(&mut self) -> Result<String> {
        let ended = self.running.ended().await;
        let ended = ended.context("failed to wait for the application")?;
        Ok(format!(
            "the application ended ({ended:?}). {}",
            self.wrote()
        ))
    }

    async fn listens(&mut self) -> Result<()> {
        let port = self.port;
        let listens = async {
            while TcpStream::connect((Ipv4Addr::LOCALHOST, port))
                .await
                .is_err()
            {
                sleep(PAUSE).await;
            }
        };
        tokio::select! {
            () = listens => Ok(()),
            why = self.ended() => bail!("{}", why?),
            () = sleep(FIRST_ANSWER) => {
                let seconds = FIRST_ANSWER.as_secs();
                bail!(
                    "npm start listens at no port {port} of 127.0.0.1 within {seconds} s; the variables PORT \
                     and HOST say where it has to"
                )
            }
        }
    }

    fn wrote(&self) -> String {
        let output = self.running.output();
        match tail(&output, QUOTED_BYTES) {
            "" => "It wrote nothing.".to_owned(),
            tail => format!("Its output ends:\n{tail}"),
        }
    }
}

/// The mirror of packages, with the authorities and the registry that the environment names.
async fn mirror() -> Result<Packages> {
    let lookup = |name: &str| std::env::var(name).ok();
    let certificates = lookup(env::EXTRA_CA_CERTIFICATES).unwrap_or_default();
    let mut settings = PackagesSettings {
        extra_certificates: Certificates::from_pem(&certificates)
            .context("EXTRA_CA_CERTIFICATES cannot be used")?,
        port: PACKAGES_PORT,
        ..PackagesSettings::default()
    };
    if let Some(registry) = lookup(NPM_REGISTRY_VARIABLE) {
        settings.registry = registry;
    }
    let packages = Packages::start(settings).await;
    packages.context("the mirror of packages does not start")
}

fn cage(folders: &Folders, packages: u16, lifetime: Duration) -> Cage {
    Cage {
        user: USER,
        folder: folders.agent.clone(),
        workspace: folders.agent.join("application"),
        writes_workspace: true,
        own: folders.agent.join("preview"),
        readable: Vec::new(),
        // The mirror stands for the gateway, too, which a preview has not.
        ports: Ports::with_gateway(packages).and_packages(packages),
        limits: Limits {
            processes: PROCESSES,
            written_bytes: WRITTEN_BYTES,
            seconds: lifetime.as_secs().max(1),
            ..Limits::default()
        },
    }
}

/// Tries all known attacks in the cage.
async fn prove(cage: &Cage, folders: &Folders) -> Result<()> {
    let (cage, private) = (cage.clone(), folders.private.clone());
    let tried = tokio::task::spawn_blocking(move || try_attacks(&cage, &private)).await;
    tried
        .context("the trial of the cage did not finish")?
        .context("no application is started, since its cage does not hold")?;
    Ok(())
}

fn good(found: Found) -> Result<()> {
    match found {
        Found::Good(_) => Ok(()),
        Found::Bad(why) | Found::Skipped(why) => bail!("{why}"),
    }
}

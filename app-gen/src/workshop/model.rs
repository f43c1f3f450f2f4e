//! A model that plays a script, in the place of every provider: for machines without a key.

use crate::failure::Failure;
use anyhow::Context as _;
use app_gen_gateway::{Credential, Upstream, Upstreams};
use app_gen_scripted_model::{Model, Script, Settings, serve};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Where the image has its scripts.
const SCRIPTS: &str = "/usr/local/share/app-gen/scripts";

/// The server. It ends when this is dropped.
pub(crate) struct ScriptedModel {
    address: SocketAddr,
    server: JoinHandle<()>,
}

impl ScriptedModel {
    /// Plays the script of this name, at a port of 127.0.0.1, for this attempt of a job.
    ///
    /// # Errors
    /// There is none, or it cannot be played.
    pub(crate) async fn start(name: &str, port: u16, attempt: u32) -> Result<Self, Failure> {
        let is_name = name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'-');
        let path = Path::new(SCRIPTS).join(format!("{name}.toml"));
        if !is_name || !path.is_file() {
            return Err(Failure::bad_spec(
                format!("there is no script {name:?} for the scripted model"),
                &format!(
                    "set MODEL_SCRIPT to the name of a script in {SCRIPTS}: create, for example"
                ),
            ));
        }
        let script = Script::load(&path)
            .with_context(|| format!("the script {} cannot be played", path.display()))?;
        let settings = Settings {
            // An attempt before this one ended at them, or before them.
            limits_have_ended: attempt > 1,
            ..Settings::default()
        };
        let model = Model::new(script, settings).context("the model does not start")?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
            .await
            .context("the scripted model cannot listen")?;
        let address = listener.local_addr().context("it has no address")?;
        let server = tokio::spawn(async move {
            serve(listener, Arc::new(model)).await;
        });
        Ok(Self { address, server })
    }

    /// It answers in the words of every provider.
    pub(crate) fn upstreams(&self) -> Result<Upstreams, Failure> {
        let upstream = |path: &str| {
            let url = format!("http://{}{path}", self.address);
            Upstream::new(&url, Credential::None).context("the model has no usable address")
        };
        Ok(Upstreams {
            anthropic: Some(upstream("")?),
            openai: Some(upstream("/v1")?),
        })
    }
}

impl Drop for ScriptedModel {
    fn drop(&mut self) {
        self.server.abort();
    }
}

//! How git gets the token: over a socket, and from no other place.
//!
//! Git has a helper of its own that asks a daemon for credentials, `git credential-cache --socket PATH`.
//! We are that daemon. So the token is in no argument, no environment and no file, and a program that
//! git starts meets a socket in a folder of ours alone.

use crate::error::Error;
use crate::token::Token;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinHandle;

/// The name that goes with every kind of token.
const USER: &str = "x-access-token";
/// The most that git asks, and how long it may take for it.
const MAX_BYTES: u64 = 16 * 1024;
const EXCHANGE: Duration = Duration::from_secs(10);

/// Answers git until it is dropped.
#[derive(Debug)]
pub(crate) struct Credentials {
    socket: PathBuf,
    server: JoinHandle<()>,
}

impl Credentials {
    /// Listens in a folder that nobody else may enter. The token is for one host only.
    ///
    /// # Errors
    /// The socket cannot be made.
    pub(crate) fn serve(
        folder: &Path,
        token: &Token,
        scheme: &str,
        host: &str,
    ) -> Result<Self, Error> {
        let socket = folder.join("credentials");
        let listener = UnixListener::bind(&socket).map_err(|error| Error::Local {
            what: "listen for git",
            reason: error.to_string(),
        })?;
        let token = token.clone();
        let asked = [format!("protocol={scheme}"), format!("host={host}")];
        let server = tokio::spawn(async move {
            loop {
                // One that fails has left; git then says that it has no credential.
                let Ok((stream, _)) = listener.accept().await else {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                };
                let answered = answer(stream, &token, &asked);
                let _ = tokio::time::timeout(EXCHANGE, answered).await;
            }
        });
        Ok(Self { socket, server })
    }

    /// The setting `credential.helper` that leads here. Git gives it to a shell.
    pub(crate) fn helper(&self) -> String {
        let path = self.socket.to_string_lossy().replace('\'', r"'\''");
        format!("cache --socket '{path}'")
    }
}

impl Drop for Credentials {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Reads one request to its end, and answers it if it asks for the credential of our host. Git also
/// says what it has used and what was refused, which changes nothing here.
async fn answer(mut stream: UnixStream, token: &Token, asked: &[String]) -> std::io::Result<()> {
    let mut request = String::new();
    (&mut stream)
        .take(MAX_BYTES)
        .read_to_string(&mut request)
        .await?;
    let has = |line: &str| request.lines().any(|other| other == line);
    if has("action=get") && asked.iter().all(|line| has(line)) {
        let answer = format!("username={USER}\npassword={}\n", token.reveal());
        stream.write_all(answer.as_bytes()).await?;
    }
    stream.shutdown().await
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn ask(credentials: &Credentials, request: &str) -> String {
        let mut stream = UnixStream::connect(&credentials.socket).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn the_token_is_for_one_host_only() {
        let folder = tempfile::tempdir().unwrap();
        let token = Token::new("ghp_secret").unwrap();
        let credentials = Credentials::serve(folder.path(), &token, "https", "github.com").unwrap();
        let get = "action=get\ntimeout=900\nprotocol=https\nhost=github.com\n";
        assert_eq!(
            ask(&credentials, get).await,
            "username=x-access-token\npassword=ghp_secret\n"
        );
        for request in [
            get.replace("github.com", "github.com.example.net"),
            get.replace("https", "http"),
            get.replace("get", "store"),
            String::new(),
        ] {
            assert_eq!(ask(&credentials, &request).await, "", "{request}");
        }
    }

    #[tokio::test]
    async fn a_folder_with_a_quote_in_its_name_reaches_the_shell_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("it's");
        std::fs::create_dir(&inner).unwrap();
        let token = Token::new("ghp_secret").unwrap();
        let credentials = Credentials::serve(&inner, &token, "https", "github.com").unwrap();
        let helper = credentials.helper();
        assert!(helper.ends_with(r"it'\''s/credentials'"), "{helper}");
    }
}

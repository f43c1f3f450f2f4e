//! Blobs: whether they are there, mounting, and sending them without holding them in memory.

use crate::digest::finish;
use crate::error::Error;
use crate::registry::{BOUND, Registry};
use bytes::{Bytes, BytesMut};
use futures::stream::try_unfold;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE};
use reqwest::{Body, Client, Response, StatusCode, Url};
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io;
use std::time::Duration;
use tokio::io::AsyncReadExt as _;

/// Read from a file at once.
const CHUNK_BYTES: usize = 128 * 1024;
/// The slowest transfer that is waited for.
const SLOWEST_BYTES_PER_SECOND: u64 = 100_000;

/// What became of asking for a blob that another repository of the registry has.
pub(crate) enum Mounted {
    /// It is here now.
    Yes,
    /// It has to be sent, to this address.
    Upload(Url),
}

/// How long a transfer may take.
fn bound(size_bytes: u64) -> Duration {
    BOUND + Duration::from_secs(size_bytes / SLOWEST_BYTES_PER_SECOND)
}

impl Registry<'_> {
    /// Whether a blob is there.
    pub(crate) async fn has_blob(&self, digest: &str) -> Result<bool, Error> {
        let what = format!("the blob {digest}");
        let url = self.url(&format!("blobs/{digest}"), &what)?;
        let make = |client: &Client| client.head(url.clone());
        let response = self.ask(&what, BOUND, &make).await?;
        match response.status() {
            StatusCode::OK => Ok(true),
            StatusCode::NOT_FOUND => Ok(false),
            _ => Err(self.unexpected(&what, response).await),
        }
    }

    /// A small blob.
    pub(crate) async fn blob(&self, digest: &str, limit_bytes: u64) -> Result<Vec<u8>, Error> {
        let what = format!("the blob {digest}");
        let response = self.open_blob(digest, limit_bytes).await?;
        let bytes = self.read(&what, response, limit_bytes).await?;
        self.verify(&what, digest, &bytes)?;
        Ok(bytes)
    }

    /// The answer with a blob's bytes, which are still to be read.
    pub(crate) async fn open_blob(&self, digest: &str, size_bytes: u64) -> Result<Response, Error> {
        let what = format!("the blob {digest}");
        let url = self.url(&format!("blobs/{digest}"), &what)?;
        let make = |client: &Client| client.get(url.clone());
        let response = self.ask(&what, bound(size_bytes), &make).await?;
        match response.status() {
            StatusCode::OK => Ok(response),
            _ => Err(self.unexpected(&what, response).await),
        }
    }

    /// Asks for a blob of another repository, or, where there is none or it is not given, for a place to
    /// upload it to.
    pub(crate) async fn mount(&self, digest: &str, from: Option<&str>) -> Result<Mounted, Error> {
        let what = format!("the blob {digest}");
        let mut url = self.url("blobs/uploads/", &what)?;
        if let Some(from) = from {
            url.query_pairs_mut()
                .append_pair("mount", digest)
                .append_pair("from", from);
        }
        // A registry wants to know that there is no body.
        let make = |client: &Client| client.post(url.clone()).header(CONTENT_LENGTH, "0");
        let response = self.ask(&what, BOUND, &make).await?;
        match response.status() {
            StatusCode::CREATED => Ok(Mounted::Yes),
            StatusCode::ACCEPTED => Ok(Mounted::Upload(self.location(&what, response.headers())?)),
            _ => Err(self.unexpected(&what, response).await),
        }
    }

    /// Sends a blob.
    pub(crate) async fn upload(
        &self,
        mut to: Url,
        digest: &str,
        size_bytes: u64,
        body: Body,
    ) -> Result<(), Error> {
        let what = format!("the blob {digest}");
        to.query_pairs_mut().append_pair("digest", digest);
        let request = self
            .client
            .put(to)
            .header(CONTENT_TYPE, "application/octet-stream")
            .header(CONTENT_LENGTH, size_bytes)
            .timeout(bound(size_bytes))
            .body(body);
        // A body that is a stream can be sent once. That the registry lets us in is known from its place to
        // upload to.
        let response = self.send(&what, request).await?;
        match response.status() {
            status if status.is_success() => Ok(()),
            _ => Err(self.unexpected(&what, response).await),
        }
    }
}

/// A body of another registry's answer. It breaks off before its last bytes where they are others than the digest
/// says, so that nobody takes it for whole.
pub(crate) fn body_of_answer(response: Response, digest: String, size_bytes: u64) -> Body {
    struct State {
        response: Response,
        digest: String,
        hash: Sha256,
        left_bytes: u64,
    }
    let state = State {
        response,
        digest,
        hash: Sha256::new(),
        left_bytes: size_bytes,
    };
    Body::wrap_stream(try_unfold(state, |mut state| async move {
        let other = |reason: String| io::Error::new(io::ErrorKind::InvalidData, reason);
        let chunk = state.response.chunk().await;
        let chunk = chunk.map_err(|_| other("the base's registry breaks off".to_owned()))?;
        let Some(chunk) = chunk else {
            return match state.left_bytes {
                0 => Ok(None),
                left => Err(other(format!(
                    "{left} bytes of {} are missing",
                    state.digest
                ))),
            };
        };
        let length = chunk.len() as u64;
        if length > state.left_bytes {
            let digest = &state.digest;
            return Err(other(format!(
                "{digest} has more bytes than its manifest says"
            )));
        }
        state.left_bytes -= length;
        state.hash.update(&chunk);
        if state.left_bytes == 0 && finish(state.hash.clone()) != state.digest {
            let digest = &state.digest;
            return Err(other(format!("the bytes of {digest} have another digest")));
        }
        Ok::<_, io::Error>(Some((chunk, state)))
    }))
}

/// A body of a file, from where it is.
pub(crate) fn body_of_file(file: File) -> Body {
    let file = tokio::fs::File::from_std(file);
    Body::wrap_stream(try_unfold(file, |mut file| async move {
        let mut buffer = BytesMut::with_capacity(CHUNK_BYTES);
        let read = file.read_buf(&mut buffer).await?;
        let chunk: Option<Bytes> = (read > 0).then(|| buffer.freeze());
        Ok::<_, io::Error>(chunk.map(|chunk| (chunk, file)))
    }))
}

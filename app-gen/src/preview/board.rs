//! What a preview says of itself, and the application that it waits for.

use app_gen_contract::{PreviewPhase, PreviewStatus};
use hyper::StatusCode;
use hyper::body::Bytes;
use sha2::{Digest as _, Sha256};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// Bytes of a reason that are shown. An application's own output may be part of it.
const DETAIL_BYTES: usize = 4_000;

/// Shared by who asks and who works.
#[derive(Debug)]
pub(super) struct Board {
    /// The digest of the only application that is taken.
    sha256: String,
    status: Mutex<PreviewStatus>,
    /// Gone once there is an application.
    taker: Mutex<Option<oneshot::Sender<Bytes>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Board {
    /// A preview that waits for the application with this digest, and where that will arrive.
    pub(super) fn new(sha256: String) -> (Arc<Self>, oneshot::Receiver<Bytes>) {
        let (taker, given) = oneshot::channel();
        let board = Self {
            sha256,
            status: Mutex::new(PreviewStatus {
                phase: PreviewPhase::Empty,
                detail: None,
            }),
            taker: Mutex::new(Some(taker)),
        };
        (Arc::new(board), given)
    }

    pub(super) fn status(&self) -> PreviewStatus {
        lock(&self.status).clone()
    }

    pub(super) fn enter(&self, phase: PreviewPhase) {
        *lock(&self.status) = PreviewStatus {
            phase,
            detail: None,
        };
    }

    /// There is no application, or none any more.
    pub(super) fn fail(&self, mut why: String) {
        why.truncate(why.floor_char_boundary(DETAIL_BYTES));
        *lock(&self.status) = PreviewStatus {
            phase: PreviewPhase::Failed,
            detail: Some(why),
        };
    }

    /// Takes the application, if it is the right one and the first.
    pub(super) fn give(&self, zip: Bytes) -> StatusCode {
        let digest = Sha256::digest(&zip);
        let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        if digest != self.sha256 {
            return StatusCode::UNPROCESSABLE_ENTITY;
        }
        let taker = lock(&self.taker).take();
        match taker.map(|taker| taker.send(zip)) {
            Some(Ok(())) => StatusCode::NO_CONTENT,
            // There is one, or nobody waits for one any more.
            Some(Err(_)) | None => StatusCode::CONFLICT,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_right_application_is_taken_once() {
        let zip = Bytes::from_static(b"zip");
        let digest = Sha256::digest(&zip);
        let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        let (board, given) = Board::new(digest);
        let other = Bytes::from_static(b"other");
        assert_eq!(board.give(other), StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(board.give(zip.clone()), StatusCode::NO_CONTENT);
        assert_eq!(board.give(zip.clone()), StatusCode::CONFLICT);
        assert_eq!(given.await.unwrap(), zip);
    }

    #[test]
    fn a_reason_is_bounded() {
        let (board, _given) = Board::new(String::new());
        board.fail("ä".repeat(10_000));
        let status = board.status();
        assert_eq!(status.phase, PreviewPhase::Failed);
        assert_eq!(status.detail.unwrap().len(), DETAIL_BYTES);
    }
}

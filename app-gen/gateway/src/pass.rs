//! Who may ask: a token for each agent that runs, which says by itself in which role and stage it does.
//!
//! A header or a path could say that too, but the agent could then say that it is somebody else.

use crate::budget::{Budget, Place};
use crate::secret::Token;
use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What a token stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// Whose tokens are counted where.
    pub place: Place,
    /// What the role may use by itself, besides what the job may.
    pub budget: Budget,
}

/// The tokens that are valid.
#[derive(Debug, Default)]
pub(crate) struct Passes(Mutex<Vec<(Token, Arc<Scope>)>>);

impl Passes {
    fn lock(&self) -> MutexGuard<'_, Vec<(Token, Arc<Scope>)>> {
        // Nothing that panics happens while it is locked.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn add(&self, scope: Scope) -> Result<Token, getrandom::Error> {
        let token = Token::random()?;
        self.lock().push((token.clone(), Arc::new(scope)));
        Ok(token)
    }

    pub(crate) fn remove(&self, token: &Token) {
        let presented = token.reveal().as_bytes();
        self.lock().retain(|(known, _)| !known.is(presented));
    }

    /// The scope of a request's token: `x-api-key`, or a bearer.
    pub(crate) fn find(&self, headers: &HeaderMap) -> Option<Arc<Scope>> {
        let key = headers.get("x-api-key").map(|key| key.as_bytes());
        let bearer = headers.get(AUTHORIZATION).and_then(|value| {
            let (scheme, token) = value.as_bytes().split_at_checked("Bearer ".len())?;
            scheme.eq_ignore_ascii_case(b"Bearer ").then_some(token)
        });
        let presented = key.or(bearer)?;
        let passes = self.lock();
        let mut found = None;
        // To the end, so that the time does not tell which of them it was.
        for (token, scope) in passes.iter() {
            if token.is(presented) {
                found = Some(Arc::clone(scope));
            }
        }
        found
    }
}

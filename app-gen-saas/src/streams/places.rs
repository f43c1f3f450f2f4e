//! How many streams there may be, in all and for each of those who could take all of them.
//!
//! A stream counts in several scopes at once (`Scope`): whoever else is to have a limit is one more scope here, and
//! nothing else changes.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::config::StreamLimits;
use crate::error::ApiError;
use crate::limits::rate::network;
use crate::streams::jitter;

/// Seconds after which somebody who found no room should try again: at least so many, and at most twice
/// that. All who were sent away together must not come back together.
const RETRY_AFTER_SECS: u32 = 5;

/// Whose streams are counted together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Scope {
    /// Those of a client.
    Client(IpAddr),
    /// Those of a tenant.
    Tenant(String),
    /// Those of a job.
    Job(String),
}

/// The places of streams.
#[derive(Debug)]
pub(super) struct Places {
    limits: StreamLimits,
    taken: Arc<Mutex<Taken>>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_scope: HashMap<Scope, usize>,
}

/// The place of one stream; free again when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    taken: Arc<Mutex<Taken>>,
    scopes: [Scope; 3],
}

/// Which limit is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Full {
    /// That of all streams.
    All,
    /// That of the client.
    Client,
    /// That of the tenant.
    Tenant,
    /// That of the job.
    Job,
}

impl Places {
    pub(super) fn new(limits: StreamLimits) -> Self {
        Self {
            limits,
            taken: Arc::default(),
        }
    }

    /// How many streams a tenant has.
    pub(super) fn of_tenant(&self, tenant: &str) -> usize {
        let taken = lock(&self.taken);
        let count = taken.by_scope.get(&Scope::Tenant(tenant.to_owned()));
        count.copied().unwrap_or_default()
    }

    /// A place for one more stream of this job of this tenant to this client.
    pub(super) fn take(&self, client: IpAddr, tenant: &str, job_id: &str) -> Result<Place, Full> {
        let scopes = [
            Scope::Client(network(client)),
            Scope::Tenant(tenant.to_owned()),
            Scope::Job(job_id.to_owned()),
        ];
        let limits = [
            (self.limits.per_client, Full::Client),
            (self.limits.per_tenant, Full::Tenant),
            (self.limits.per_job, Full::Job),
        ];
        let mut taken = lock(&self.taken);
        if taken.all >= self.limits.all {
            return Err(Full::All);
        }
        for (scope, (limit, full)) in scopes.iter().zip(limits) {
            if taken
                .by_scope
                .get(scope)
                .is_some_and(|count| *count >= limit)
            {
                return Err(full);
            }
        }
        taken.all += 1;
        for scope in &scopes {
            *taken.by_scope.entry(scope.clone()).or_default() += 1;
        }
        drop(taken);
        Ok(Place {
            taken: Arc::clone(&self.taken),
            scopes,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = lock(&self.taken);
        taken.all = taken.all.saturating_sub(1);
        for scope in &self.scopes {
            if let Some(count) = taken.by_scope.get_mut(scope) {
                *count -= 1;
                if *count == 0 {
                    taken.by_scope.remove(scope);
                }
            }
        }
    }
}

impl From<Full> for ApiError {
    fn from(full: Full) -> Self {
        let retry_after_secs = RETRY_AFTER_SECS + jitter(RETRY_AFTER_SECS + 1);
        match full {
            Full::All => Self::Busy {
                message: "too many event streams are open",
                retry_after_secs,
            },
            Full::Job => Self::Busy {
                message: "too many event streams of this job are open",
                retry_after_secs,
            },
            Full::Client => Self::TooMany {
                message: "too many event streams of this address are open",
                retry_after_secs,
            },
            Full::Tenant => Self::TooMany {
                message: "too many event streams of this tenant are open",
                retry_after_secs,
            },
        }
    }
}

fn lock(taken: &Mutex<Taken>) -> MutexGuard<'_, Taken> {
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn each_scope_has_its_limit() {
        let places = Places::new(StreamLimits {
            all: 5,
            per_client: 2,
            per_job: 3,
            ..StreamLimits::default()
        });
        let take = |client: &str, job: &str| places.take(address(client), "local", job);
        let first = take("10.0.0.1", "a").unwrap();
        let mut others = vec![take("::ffff:10.0.0.1", "b").unwrap()];
        assert_eq!(take("10.0.0.1", "c").unwrap_err(), Full::Client);
        others.push(take("10.0.0.2", "a").unwrap());
        others.push(take("2001:db8::1", "a").unwrap());
        assert_eq!(take("10.0.0.3", "a").unwrap_err(), Full::Job);
        others.push(take("2001:db8::2", "b").unwrap());
        assert_eq!(take("10.0.0.3", "c").unwrap_err(), Full::All);
        drop(others.pop());
        // Addresses of one network count together.
        let again = take("2001:db8::ffff", "c").unwrap();
        assert_eq!(take("10.0.0.3", "c").unwrap_err(), Full::All);
        drop((first, again));
        others.push(take("10.0.0.1", "a").unwrap());
        drop(others);
        let taken = lock(&places.taken);
        assert_eq!((taken.all, taken.by_scope.len()), (0, 0));
    }

    #[test]
    fn a_tenant_has_its_limit_at_all_its_addresses() {
        let places = Places::new(StreamLimits {
            per_tenant: 2,
            ..StreamLimits::default()
        });
        let take = |client: &str, tenant: &str| places.take(address(client), tenant, "a job");
        let first = take("10.0.0.1", "one").unwrap();
        let second = take("10.0.0.2", "one").unwrap();
        assert_eq!(take("10.0.0.3", "one").unwrap_err(), Full::Tenant);
        let other = take("10.0.0.3", "other").unwrap();
        assert_eq!(
            (places.of_tenant("one"), places.of_tenant("nobody")),
            (2, 0)
        );
        drop(first);
        let third = take("10.0.0.3", "one").unwrap();
        drop((second, other, third));
        assert_eq!(places.of_tenant("one"), 0);
    }

    #[test]
    fn nobody_comes_back_at_the_same_time() {
        let mut seconds = std::collections::BTreeSet::new();
        for _ in 0..200 {
            let ApiError::TooMany {
                retry_after_secs, ..
            } = ApiError::from(Full::Client)
            else {
                panic!("another error");
            };
            seconds.insert(retry_after_secs);
        }
        assert_eq!(seconds, (5..=10).collect());
    }
}

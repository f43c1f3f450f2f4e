//! What all requests of a gateway have in common.

use crate::bounds::{BODIES_KILOBYTES, Bounds};
use crate::budget::{Budget, Ledger};
use crate::client::Certificates;
use crate::exchange::{Exchange, Observer};
use crate::limit::Limit;
use crate::pass::Passes;
use crate::price::Prices;
use crate::protocol::Protocol;
use crate::upstream::{Upstream, UpstreamError, Upstreams};
use reqwest::Client;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Semaphore;

pub(crate) struct Shared {
    anthropic: Option<(Upstream, Client)>,
    openai: Option<(Upstream, Client)>,
    pub(crate) prices: Prices,
    pub(crate) budget: Budget,
    pub(crate) bounds: Bounds,
    pub(crate) observer: Arc<dyn Observer>,
    /// The request of a person that all of it is for.
    pub(crate) request_id: Option<String>,
    pub(crate) ledger: Ledger,
    pub(crate) passes: Passes,
    /// Room for the bodies of requests.
    pub(crate) room: Semaphore,
    limits: Mutex<BTreeMap<Protocol, Limit>>,
}

impl Shared {
    pub(crate) fn new(
        upstreams: &Upstreams,
        prices: Prices,
        budget: Budget,
        bounds: Bounds,
        observer: Arc<dyn Observer>,
        certificates: &Certificates,
    ) -> Result<Self, UpstreamError> {
        let with_client = |protocol| match upstreams.of(protocol) {
            Some(upstream) => Ok(Some((upstream.clone(), upstream.client(certificates)?))),
            None => Ok::<_, UpstreamError>(None),
        };
        Ok(Self {
            anthropic: with_client(Protocol::Anthropic)?,
            openai: with_client(Protocol::OpenAi)?,
            prices,
            budget,
            bounds,
            observer,
            request_id: None,
            ledger: Ledger::default(),
            passes: Passes::default(),
            room: Semaphore::new(BODIES_KILOBYTES),
            limits: Mutex::default(),
        })
    }

    pub(crate) const fn upstream(&self, protocol: Protocol) -> Option<&(Upstream, Client)> {
        match protocol {
            Protocol::Anthropic => self.anthropic.as_ref(),
            Protocol::OpenAi => self.openai.as_ref(),
        }
    }

    /// Remembers the limit that an answer told of, until an answer comes without one.
    pub(crate) fn learn(&self, exchange: &Exchange) {
        let mut limits = self.limits.lock().unwrap_or_else(PoisonError::into_inner);
        match (&exchange.limit, exchange.status) {
            (Some(limit), _) => drop(limits.insert(exchange.protocol, limit.clone())),
            (None, Some(status)) if status < 300 => drop(limits.remove(&exchange.protocol)),
            _ => {}
        }
    }

    pub(crate) fn limit(&self, protocol: Protocol) -> Option<Limit> {
        let limits = self.limits.lock().unwrap_or_else(PoisonError::into_inner);
        limits.get(&protocol).cloned()
    }
}

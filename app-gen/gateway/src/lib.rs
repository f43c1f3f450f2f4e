//! The model gateway: what coding agents talk to instead of their provider.
//!
//! A [`Gateway`] listens on the loopback interface. An agent gets its address as base URL and a token as
//! key, and speaks the Messages API of Anthropic or the Responses API of OpenAI with it. The gateway
//! adds the real credential and passes the answer on, byte by byte. So the agent has nothing to steal,
//! what it uses is counted from the provider's own words, and a budget that is used up refuses its next
//! request. It repeats nothing: that is the agent's business.
//!
//! [`Packages`] is beside it: a mirror of the registry of npm, for who has no network but loopback.
//!
//! The README of this crate says what is counted how, and what is refused.

mod account;
mod bounds;
mod budget;
mod client;
mod exchange;
mod forward;
mod gateway;
mod limit;
mod meter;
mod packages;
mod pass;
mod price;
mod protocol;
mod relay;
mod secret;
mod server;
mod shared;
mod upstream;
mod usage;

pub use bounds::Bounds;
pub use budget::{Budget, Line, Place, Spent, total};
pub use client::{CertificateError, Certificates, client as http_client};
pub use exchange::{End, Exchange, Observer, Refusal};
pub use gateway::{Gateway, GatewayError, Pass, Settings};
pub use limit::{Limit, LimitKind};
pub use packages::{
    NPM_REGISTRY, Packages, PackagesBounds, PackagesCounts, PackagesError, PackagesSettings,
};
pub use pass::Scope;
pub use price::{Price, PriceError, Prices};
pub use protocol::Protocol;
pub use secret::{Secret, Token};
pub use upstream::{
    ANTHROPIC_API_KEY, ANTHROPIC_BASE_URL, CLAUDE_CODE_OAUTH_TOKEN, Credential, OPENAI_API_KEY,
    OPENAI_BASE_URL, Upstream, UpstreamError, Upstreams,
};
pub use usage::{Usage, Usd};

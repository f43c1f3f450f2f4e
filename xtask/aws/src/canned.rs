//! Canned replies for the real SDK clients.
//!
//! The SDK's own replay client is behind a feature of crates below every service
//! crate: switching it on for tests would compile all of them a second time.

use crate::config;
use aws_config::{Region, SdkConfig};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

/// A request as it would have been sent.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// `X-Amz-Target`: service and operation.
    pub(crate) target: String,
    pub(crate) body: String,
}

#[derive(Debug, Default)]
struct State {
    replies: VecDeque<(u16, String)>,
    requests: Vec<Request>,
}

/// Answers the n-th request with the n-th reply (status, body) and keeps the requests.
#[derive(Debug, Clone)]
pub(crate) struct Canned(Arc<Mutex<State>>);

impl Canned {
    pub(crate) fn new(replies: impl IntoIterator<Item = (u16, String)>) -> Self {
        Self(Arc::new(Mutex::new(State {
            replies: replies.into_iter().collect(),
            requests: Vec::new(),
        })))
    }

    /// The configuration of the local cloud, with this in the place of the network.
    pub(crate) fn config(&self) -> SdkConfig {
        let connector = SharedHttpConnector::new(self.clone());
        config::local_config("http://127.0.0.1:9", Region::new("us-east-1"))
            .into_builder()
            .http_client(http_client_fn(move |_, _| connector.clone()))
            .build()
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.0.lock().expect("state").requests.clone()
    }
}

impl HttpConnector for Canned {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let mut state = self.0.lock().expect("state");
        state.requests.push(Request {
            target: request
                .headers()
                .get("x-amz-target")
                .unwrap_or_default()
                .to_owned(),
            body: String::from_utf8_lossy(request.body().bytes().unwrap_or_default()).into_owned(),
        });
        let reply = match state.replies.pop_front() {
            Some((status, body)) => Ok(HttpResponse::new(
                status.try_into().expect("status"),
                SdkBody::from(body),
            )),
            None => Err(ConnectorError::user("no reply is left".into())),
        };
        HttpConnectorFuture::ready(reply)
    }
}

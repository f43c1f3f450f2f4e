//! The calls of the API, one function each. What they may do is repeated by whoever needs it.

use crate::api::refusal::Problem;
use crate::api::types::{Address, Addresses, Leased};
use crate::api::{Api, App, Ask, Lease, Machine};
use crate::error::Error;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::time::Duration;

/// Whether a machine could be made.
pub(crate) enum Created {
    /// Here it is.
    Yes(Box<Machine>),
    /// Another call has made it meanwhile.
    IsThere,
}

impl Api<'_> {
    /// An app that this token can see, or none where nobody has one of this name.
    pub(crate) async fn app(&self, app: &str) -> Result<Option<App>, Error> {
        let what = format!("look for the app {app}");
        let ask = Ask::new(&what, Method::GET, format!("/apps/{app}"));
        let answer = self.ask(&ask).await?;
        match answer.status {
            StatusCode::NOT_FOUND => Ok(None),
            // Names are unique among all of Fly.io, and this is how it answers for others'.
            StatusCode::FORBIDDEN => Err(Error::NameTaken {
                app: app.to_owned(),
            }),
            status if status.is_success() => Ok(Some(
                serde_json::from_slice(&answer.body).unwrap_or_default(),
            )),
            _ => Err(self.refusal(&what, &answer)),
        }
    }

    /// Makes an app.
    pub(crate) async fn create_app(&self, app: &str, organization: &str) -> Result<(), Error> {
        let what = format!("create the app {app} in {organization}");
        // The page about apps has `app_name`, the specification has `name`: both are sent.
        let body = json!({ "app_name": app, "name": app, "org_slug": organization });
        let ask = Ask::new(&what, Method::POST, "/apps".to_owned()).body(body);
        let answer = self.ask(&ask).await?;
        match answer.status.is_success() {
            true => Ok(()),
            false if Problem::read(&answer).is_name_taken() => Err(Error::NameTaken {
                app: app.to_owned(),
            }),
            false => Err(self.refusal(&what, &answer)),
        }
    }

    /// Removes an app with all that it has. Whether it was there.
    pub(crate) async fn delete_app(&self, app: &str) -> Result<bool, Error> {
        let what = format!("remove the app {app}");
        let path = format!("/apps/{app}?force=true");
        let answer = self.ask(&Ask::new(&what, Method::DELETE, path)).await?;
        match answer.status {
            StatusCode::NOT_FOUND => Ok(false),
            status if status.is_success() => Ok(true),
            _ => Err(self.refusal(&what, &answer)),
        }
    }

    /// The addresses of an app.
    pub(crate) async fn addresses(&self, app: &str) -> Result<Vec<Address>, Error> {
        let what = format!("list the addresses of {app}");
        let path = format!("/apps/{app}/ip_assignments");
        let ask = Ask::new(&what, Method::GET, path);
        let addresses: Addresses = self.document(&ask).await?;
        Ok(addresses.ips)
    }

    /// Gives an app an address: `shared_v4` or `v6`.
    pub(crate) async fn assign(&self, app: &str, kind: &str) -> Result<(), Error> {
        let what = format!("give {app} an address ({kind})");
        let path = format!("/apps/{app}/ip_assignments");
        let ask = Ask::new(&what, Method::POST, path).body(json!({ "type": kind }));
        self.done(&ask).await
    }

    /// The machines of an app.
    pub(crate) async fn machines(&self, app: &str) -> Result<Vec<Machine>, Error> {
        let what = format!("list the machines of {app}");
        let path = format!("/apps/{app}/machines");
        self.document(&Ask::new(&what, Method::GET, path)).await
    }

    /// One machine.
    pub(crate) async fn machine(&self, app: &str, machine: &str) -> Result<Machine, Error> {
        let what = format!("look at the machine {machine} of {app}");
        let path = format!("/apps/{app}/machines/{machine}");
        self.document(&Ask::new(&what, Method::GET, path)).await
    }

    /// Makes a machine and starts it.
    pub(crate) async fn create_machine(&self, app: &str, body: Value) -> Result<Created, Error> {
        let what = format!("create the machine of {app}");
        let path = format!("/apps/{app}/machines");
        let ask = Ask::new(&what, Method::POST, path).body(body);
        let answer = self.ask(&ask).await?;
        if answer.status.is_success() {
            return match serde_json::from_slice(&answer.body) {
                Ok(machine) => Ok(Created::Yes(Box::new(machine))),
                // It is there: the list knows it.
                Err(_) => Ok(Created::IsThere),
            };
        }
        match Problem::read(&answer).is_machine_there() {
            true => Ok(Created::IsThere),
            false => Err(self.refusal(&what, &answer)),
        }
    }

    /// Gives a machine another configuration, with which it starts again.
    pub(crate) async fn update_machine(
        &self,
        app: &str,
        machine: &str,
        body: Value,
        nonce: &str,
    ) -> Result<Machine, Error> {
        let what = format!("update the machine {machine} of {app}");
        let path = format!("/apps/{app}/machines/{machine}");
        let ask = Ask::new(&what, Method::POST, path);
        self.document(&ask.body(body).nonce(Some(nonce))).await
    }

    /// Starts a machine.
    pub(crate) async fn start_machine(&self, app: &str, machine: &str) -> Result<(), Error> {
        let what = format!("start the machine {machine} of {app}");
        let path = format!("/apps/{app}/machines/{machine}/start");
        let ask = Ask::new(&what, Method::POST, path);
        self.done_when_free(app, machine, &ask).await
    }

    /// Waits until a version of a machine runs. Whether it does within the time.
    pub(crate) async fn wait_for_start(
        &self,
        app: &str,
        machine: &Machine,
        timeout: Duration,
    ) -> Result<bool, Error> {
        let id = &machine.id;
        let what = format!("wait for the machine {id} of {app}");
        let (instance, seconds) = (&machine.instance_id, timeout.as_secs().max(1));
        let path = format!(
            "/apps/{app}/machines/{id}/wait?state=started&instance_id={instance}&timeout={seconds}"
        );
        let mut ask = Ask::new(&what, Method::GET, path);
        ask.waits = Duration::from_secs(seconds);
        let answer = self.ask(&ask).await?;
        match answer.status {
            StatusCode::REQUEST_TIMEOUT => Ok(false),
            status if status.is_success() => Ok(true),
            _ => Err(self.refusal(&what, &answer)),
        }
    }

    /// Takes the right to change a machine; none if somebody else has it.
    pub(crate) async fn lease(
        &self,
        app: &str,
        machine: &str,
        time: Duration,
    ) -> Result<Option<Lease>, Error> {
        let what = format!("take the lease of the machine {machine} of {app}");
        let path = format!("/apps/{app}/machines/{machine}/lease");
        let body = json!({ "description": "app-gen delivers", "ttl": time.as_secs().max(1) });
        let ask = Ask::new(&what, Method::POST, path).body(body);
        let answer = self.ask(&ask).await?;
        match answer.status {
            StatusCode::CONFLICT => Ok(None),
            status if status.is_success() => {
                let leased: Leased =
                    serde_json::from_slice(&answer.body).map_err(|error| Error::Answer {
                        what: what.clone(),
                        status: status.as_u16(),
                        reason: format!("the answer has no lease: {error}"),
                    })?;
                Ok(Some(leased.data))
            }
            _ => Err(self.refusal(&what, &answer)),
        }
    }

    /// Gives the right to change a machine back.
    pub(crate) async fn release(&self, app: &str, machine: &str, nonce: &str) -> Result<(), Error> {
        let what = format!("release the lease of the machine {machine} of {app}");
        let path = format!("/apps/{app}/machines/{machine}/lease");
        let ask = Ask::new(&what, Method::DELETE, path).nonce(Some(nonce));
        self.done(&ask).await
    }

    /// Notes something on a machine, which goes on running.
    pub(crate) async fn set_metadata(
        &self,
        app: &str,
        machine: &str,
        key: &str,
        value: &str,
    ) -> Result<(), Error> {
        let what = format!("note the release on the machine {machine} of {app}");
        let path = format!("/apps/{app}/machines/{machine}/metadata/{key}");
        let ask = Ask::new(&what, Method::POST, path).body(json!({ "value": value }));
        self.done_when_free(app, machine, &ask).await
    }

    /// Removes a machine.
    pub(crate) async fn delete_machine(&self, app: &str, machine: &str) -> Result<(), Error> {
        let what = format!("remove the machine {machine} of {app}");
        let path = format!("/apps/{app}/machines/{machine}?force=true");
        let ask = Ask::new(&what, Method::DELETE, path);
        self.done_when_free(app, machine, &ask).await
    }
}

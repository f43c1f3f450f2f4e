//! A stand-in of Fly.io, as far as its documentation says what it does: apps, addresses, machines, leases. Every
//! request and every answer is checked against the documentation.

use crate::schema::{answer_faults, request_faults};
use axum::http::{HeaderMap, Method};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// The token that opens everything.
pub(crate) const TOKEN: &str = "fo1_hidden-words";
/// The organization of that token.
pub(crate) const ORGANIZATION: &str = "personal";

/// What an operation answers instead of doing anything.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    pub(crate) on: &'static str,
    pub(crate) times: usize,
    pub(crate) status: u16,
    pub(crate) retry_after: Option<&'static str>,
    pub(crate) body: Value,
}

#[derive(Default)]
pub(crate) struct App {
    pub(crate) organization: String,
    pub(crate) addresses: Vec<String>,
    pub(crate) machines: BTreeMap<String, Machine>,
}

pub(crate) struct Machine {
    pub(crate) name: String,
    pub(crate) region: String,
    pub(crate) state: &'static str,
    pub(crate) instance: String,
    pub(crate) config: Value,
    lease: Option<(String, Instant)>,
}

/// All that Fly.io knows.
#[derive(Default)]
pub(crate) struct Fly {
    pub(crate) apps: BTreeMap<String, App>,
    pub(crate) faults: Vec<Fault>,
    /// Commits whose application never becomes healthy.
    pub(crate) sick: BTreeSet<String>,
    /// Commits whose application ends at once.
    pub(crate) crashing: BTreeSet<String>,
    /// What does not agree with the documentation.
    pub(crate) violations: Vec<String>,
    /// The operations that were asked for.
    pub(crate) operations: Vec<&'static str>,
    number: u64,
}

/// A request of the API.
pub(crate) struct Asked<'a> {
    pub(crate) method: &'a Method,
    /// After `/v1/`.
    pub(crate) path: &'a str,
    pub(crate) query: &'a str,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: Value,
}

/// What it answers.
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<&'static str>,
    pub(crate) body: Value,
}

type Done = Result<(u16, Value), (u16, &'static str)>;

/// The name that the specification gives an operation.
fn operation(method: &Method, path: &[&str]) -> &'static str {
    match (method.as_str(), path) {
        ("POST", ["apps"]) => "Apps_create",
        ("GET", ["apps", _]) => "Apps_show",
        ("DELETE", ["apps", _]) => "Apps_delete",
        ("GET", ["apps", _, "ip_assignments"]) => "App_IPAssignments_list",
        ("POST", ["apps", _, "ip_assignments"]) => "App_IPAssignments_create",
        ("GET", ["apps", _, "machines"]) => "Machines_list",
        ("POST", ["apps", _, "machines"]) => "Machines_create",
        ("GET", ["apps", _, "machines", _]) => "Machines_show",
        ("POST", ["apps", _, "machines", _]) => "Machines_update",
        ("DELETE", ["apps", _, "machines", _]) => "Machines_delete",
        ("POST", ["apps", _, "machines", _, "start"]) => "Machines_start",
        ("GET", ["apps", _, "machines", _, "wait"]) => "Machines_wait",
        ("POST", ["apps", _, "machines", _, "lease"]) => "Machines_create_lease",
        ("DELETE", ["apps", _, "machines", _, "lease"]) => "Machines_release_lease",
        ("POST", ["apps", _, "machines", _, "metadata", _]) => "Machines_update_metadata",
        other => panic!("{other:?} is no operation of the API"),
    }
}

impl Fly {
    /// Answers a request.
    pub(crate) fn answer(&mut self, asked: &Asked<'_>) -> Answered {
        let path: Vec<&str> = asked.path.split('/').collect();
        let operation = operation(asked.method, &path);
        self.operations.push(operation);
        self.violations
            .extend(request_faults(operation, asked.query, &asked.body));
        let is_fault = |fault: &&mut Fault| fault.on == operation && fault.times > 0;
        let answered = match self.faults.iter_mut().find(is_fault) {
            Some(fault) => {
                fault.times -= 1;
                Answered {
                    status: fault.status,
                    retry_after: fault.retry_after,
                    body: fault.body.clone(),
                }
            }
            None => {
                let done = self.act(operation, &path, asked);
                let (status, body) =
                    done.unwrap_or_else(|(status, error)| (status, json!({ "error": error })));
                Answered {
                    status,
                    retry_after: None,
                    body,
                }
            }
        };
        self.violations
            .extend(answer_faults(operation, answered.status, &answered.body));
        answered
    }

    /// What the registry answers instead of taking something.
    pub(crate) fn registry_fault(&self, method: &Method) -> Option<(u16, Value)> {
        let fault = self
            .faults
            .iter()
            .find(|fault| fault.on == "Registry_push")?;
        let is_push = [Method::POST, Method::PUT].contains(method);
        is_push.then(|| (fault.status, fault.body.clone()))
    }

    fn act(&mut self, operation: &str, path: &[&str], asked: &Asked<'_>) -> Done {
        let token = asked.headers.get("authorization");
        if token.is_none_or(|token| token != &format!("Bearer {TOKEN}")) {
            return Err((401, "unauthorized"));
        }
        if operation == "Apps_create" {
            return self.create_app(&asked.body);
        }
        let name = path[1].to_owned();
        if operation == "Apps_delete" {
            return match self.apps.remove(&name) {
                Some(_) => Ok((202, Value::Null)),
                None => Err((404, "app not found")),
            };
        }
        self.number += 1;
        let number = self.number;
        let Some(app) = self.apps.get_mut(&name) else {
            return Err((404, "app not found"));
        };
        if app.organization == "somebody-else" {
            return Err((403, "unauthorized"));
        }
        match (operation, path) {
            ("Apps_show", _) => Ok((200, app.show(&name))),
            ("App_IPAssignments_list", _) => {
                let addresses = app.addresses.iter().map(|ip| json!({ "ip": ip }));
                Ok((200, json!({ "ips": addresses.collect::<Vec<_>>() })))
            }
            ("App_IPAssignments_create", _) => {
                let ip = match asked.body["type"].as_str() {
                    Some("shared_v4") => "66.241.124.7".to_owned(),
                    _ => format!("2a09:8280:1::{number}"),
                };
                app.addresses.push(ip.clone());
                Ok((200, json!({ "ip": ip, "region": "global" })))
            }
            ("Machines_list", _) => {
                let machines = app.machines.iter().map(|(id, machine)| machine.show(id));
                Ok((200, machines.collect()))
            }
            ("Machines_create", _) => app.create_machine(number, &asked.body),
            (operation, [_, _, _, id, ..]) => {
                let (sick, crashing) = (&self.sick, &self.crashing);
                app.on_machine(operation, id, path, number, asked, sick, crashing)
            }
            other => panic!("{other:?}"),
        }
    }

    fn create_app(&mut self, body: &Value) -> Done {
        let name = body["app_name"].as_str().unwrap().to_owned();
        let organization = body["org_slug"].as_str().unwrap().to_owned();
        if organization != ORGANIZATION {
            return Err((403, "not authorized to create apps in this organization"));
        }
        if self.apps.contains_key(&name) {
            return Err((422, "Validation failed: Name has already been taken"));
        }
        let app = App {
            organization,
            ..App::default()
        };
        self.apps.insert(name, app);
        Ok((201, json!({ "id": "z4k69dxd8r31p5mx", "created_at": 1 })))
    }
}

impl App {
    fn show(&self, name: &str) -> Value {
        json!({
            "id": "z4k69dxd8r31p5mx",
            "name": name,
            "status": "deployed",
            "machine_count": self.machines.len(),
            "organization": { "name": "Ours", "slug": self.organization },
        })
    }

    fn create_machine(&mut self, number: u64, body: &Value) -> Done {
        let name = body["name"].as_str().unwrap();
        if self.machines.values().any(|machine| machine.name == name) {
            return Err((
                409,
                "already_exists: unique machine name violation, machine ID 1 already exists",
            ));
        }
        let id = format!("3d8d413b29d{number:03}");
        let machine = Machine {
            name: name.to_owned(),
            region: body["region"].as_str().unwrap_or("iad").to_owned(),
            state: "started",
            instance: format!("01{number}"),
            config: body["config"].clone(),
            lease: None,
        };
        let shown = machine.show(&id);
        self.machines.insert(id, machine);
        Ok((200, shown))
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "a stand-in has no need of a type for them"
    )]
    fn on_machine(
        &mut self,
        operation: &str,
        id: &str,
        path: &[&str],
        number: u64,
        asked: &Asked<'_>,
        sick: &BTreeSet<String>,
        crashing: &BTreeSet<String>,
    ) -> Done {
        let Some(machine) = self.machines.get_mut(id) else {
            return Err((404, "machine not found"));
        };
        let nonce = asked.headers.get("fly-machine-lease-nonce");
        let nonce = nonce.map(|nonce| nonce.to_str().unwrap().to_owned());
        let now = Instant::now();
        let holder = machine.lease.clone().filter(|(_, until)| *until > now);
        let is_leased_to_others = holder.is_some_and(|(holder, _)| nonce != Some(holder));
        if is_leased_to_others && !["Machines_show", "Machines_wait"].contains(&operation) {
            return Err((409, "machine is leased by somebody else"));
        }
        let commit = machine.commit();
        match operation {
            "Machines_show" => {
                let shown = machine.look(id, sick.contains(&commit), crashing.contains(&commit));
                Ok((200, shown))
            }
            "Machines_wait" => {
                let expected = format!("instance_id={}", machine.instance);
                let pairs: Vec<&str> = asked.query.split('&').collect();
                assert!(pairs.contains(&"state=started"), "{}", asked.query);
                match pairs.contains(&&*expected) {
                    true => Ok((200, json!({ "ok": true }))),
                    false => Err((408, "deadline exceeded")),
                }
            }
            "Machines_update" => {
                if asked.body["current_version"] != machine.instance {
                    return Err((412, "aborted: the machine has another version"));
                }
                if nonce.is_none() {
                    return Err((400, "these tests want a lease"));
                }
                machine.config = asked.body["config"].clone();
                machine.instance = format!("01{number}");
                machine.state = "started";
                Ok((200, machine.show(id)))
            }
            "Machines_start" => {
                machine.state = "started";
                Ok((200, json!({ "previous_state": "stopped" })))
            }
            "Machines_create_lease" => {
                let seconds = asked.body["ttl"].as_u64().unwrap();
                let nonce = format!("nonce-{number}");
                machine.lease = Some((nonce.clone(), now + Duration::from_secs(seconds)));
                Ok((
                    200,
                    json!({ "status": "success", "data": { "nonce": nonce } }),
                ))
            }
            "Machines_release_lease" => {
                machine.lease = None;
                Ok((200, json!({ "status": "success", "data": { "ok": true } })))
            }
            "Machines_update_metadata" => {
                machine.config["metadata"][path[5]] = asked.body["value"].clone();
                Ok((204, Value::Null))
            }
            "Machines_delete" => {
                self.machines.remove(id);
                Ok((200, json!({ "ok": true })))
            }
            other => panic!("{other}"),
        }
    }
}

impl Machine {
    /// A machine that somebody else has made.
    pub(crate) fn of_others() -> Self {
        Self {
            name: "web".to_owned(),
            region: "iad".to_owned(),
            state: "started",
            instance: "010".to_owned(),
            config: json!({ "image": "nginx", "metadata": { "fly_process_group": "web" } }),
            lease: None,
        }
    }

    pub(crate) fn image(&self) -> String {
        self.config["image"].as_str().unwrap().to_owned()
    }

    pub(crate) fn note(&self, key: &str) -> String {
        let note = self.config["metadata"][key].as_str();
        note.unwrap_or_default().to_owned()
    }

    pub(crate) fn commit(&self) -> String {
        self.note("app_gen_commit")
    }

    fn show(&self, id: &str) -> Value {
        json!({
            "id": id,
            "name": self.name,
            "state": self.state,
            "region": self.region,
            "instance_id": self.instance,
            "config": self.config,
        })
    }

    /// The machine a moment later.
    fn look(&mut self, id: &str, is_sick: bool, crashes: bool) -> Value {
        if crashes {
            self.state = "stopped";
        }
        let mut shown = self.show(id);
        if crashes {
            let exit = json!({ "exit_event": { "exit_code": 1 } });
            shown["events"] = json!([{ "type": "exit", "status": "stopped", "request": exit }]);
        }
        let (status, output) = match (is_sick, self.state) {
            (false, "started") => ("passing", ""),
            (true, _) => ("critical", "500 Internal Server Error"),
            _ => ("critical", "connect: connection refused"),
        };
        let check =
            json!({ "name": "servicecheck-00-http-8080", "status": status, "output": output });
        shown["checks"] = json!([check]);
        shown
    }
}

//! Whether a version runs: its machine starts, its checks pass, and its URL answers with its commit.

use crate::api::{Machine, client_for, reason};
use crate::delivery::Delivery;
use crate::error::Error;
use serde::Deserialize;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// The longest that one request waits for a machine: the API allows no longer wait.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// How often in a row a machine stands still before it counts as ended: between two starts it does, too.
const STILL: u32 = 3;
/// Characters of a check's output that are quoted.
const QUOTED_CHARACTERS: usize = 400;
/// The longest answer that is read.
const ANSWER_BYTES: usize = 64 * 1024;

/// What the URL answers.
#[derive(Deserialize)]
struct Version {
    commit: String,
}

/// Waits until a version of a machine is healthy.
///
/// # Errors
/// The outer one is a failure to find out; the inner one is what is wrong with the version.
pub(crate) async fn wait(
    delivery: &Delivery<'_>,
    machine: &Machine,
) -> Result<Result<(), String>, Error> {
    let patience = delivery.endpoints.patience;
    let began = Instant::now();
    loop {
        let left = patience.health.saturating_sub(began.elapsed());
        let timeout = left.min(LONGEST_WAIT);
        let started = delivery.api.wait_for_start(&delivery.app, machine, timeout);
        let is_started = started.await?;
        // Whether it has stopped already is seen below.
        let found = look(delivery, machine).await?;
        if is_started {
            break;
        }
        if began.elapsed() >= patience.health {
            let state = &found.state;
            return Ok(Err(format!("the machine does not start; it is {state}")));
        }
        if found.state == "failed" {
            return Ok(Err(ended(&found)));
        }
        sleep(patience.pause).await;
    }
    let mut still = 0;
    loop {
        let found = look(delivery, machine).await?;
        let Some(seen) = unhealthy(&found) else {
            return Ok(Ok(()));
        };
        still = match &*found.state {
            "stopped" | "failed" | "destroyed" => still + 1,
            _ => 0,
        };
        if still >= STILL {
            return Ok(Err(ended(&found)));
        }
        if began.elapsed() >= patience.health {
            let seconds = patience.health.as_secs();
            return Ok(Err(format!("within {seconds} s, {seen}")));
        }
        sleep(patience.pause).await;
    }
}

/// The machine, if it is still of the version.
async fn look(delivery: &Delivery<'_>, machine: &Machine) -> Result<Machine, Error> {
    let found = delivery.api.machine(&delivery.app, &machine.id).await?;
    match found.instance_id == machine.instance_id {
        true => Ok(found),
        false => Err(Error::Busy {
            app: delivery.app.clone(),
            machine: machine.id.clone(),
        }),
    }
}

/// What is still missing.
fn unhealthy(machine: &Machine) -> Option<String> {
    // The API adds checks of an old kind for old clients.
    let mut checks = machine
        .checks
        .iter()
        .filter(|check| !check.name.starts_with("bg_deployments_compat"))
        .peekable();
    if machine.state != "started" {
        return Some(format!("the machine is {}", machine.state));
    }
    if checks.peek().is_none() {
        return Some("no health check has been made".to_owned());
    }
    let failing = checks.find(|check| check.status != "passing")?;
    let output: String = failing.output.chars().take(QUOTED_CHARACTERS).collect();
    let said = match output.trim() {
        "" => String::new(),
        output => format!(": {output}"),
    };
    let status = &failing.status;
    Some(format!(
        "the health check {} is {status}{said}",
        failing.name
    ))
}

/// How the application ended.
fn ended(machine: &Machine) -> String {
    let exit = machine.events.iter().find(|event| event.kind == "exit");
    let request = exit.map(|event| &event.request);
    let code = request.and_then(|request| {
        let of_monitor = &request["MonitorEvent"]["exit_event"]["exit_code"];
        let code = of_monitor.as_i64();
        code.or_else(|| request["exit_event"]["exit_code"].as_i64())
    });
    match code {
        Some(code) => format!("the application ends with code {code}"),
        None => "the application ends".to_owned(),
    }
}

/// Asks the URL until it answers with the commit.
///
/// # Errors
/// The outer one is a failure to ask; the inner one is what was seen last.
pub(crate) async fn ask(
    delivery: &Delivery<'_>,
    url: &str,
    commit: &str,
) -> Result<Result<(), String>, Error> {
    let patience = delivery.endpoints.patience;
    let client = client_for(url, &delivery.endpoints.extra_certificates)?;
    let address = format!("{url}/version.json");
    let began = Instant::now();
    loop {
        let seen = match answer(&client, &address, patience.request).await {
            Ok(version) if version.commit == commit => return Ok(Ok(())),
            Ok(version) => format!("it answers with commit {:.64}", version.commit),
            Err(seen) => seen,
        };
        if began.elapsed() >= patience.url {
            return Ok(Err(seen));
        }
        sleep(patience.pause).await;
    }
}

async fn answer(
    client: &reqwest::Client,
    address: &str,
    bound: Duration,
) -> Result<Version, String> {
    let request = client.get(address).header("cache-control", "no-cache");
    let response = request.timeout(bound).send().await;
    let mut response = response.map_err(|error| reason(&error))?;
    let status = response.status();
    if !status.is_success() {
        return Err(format!("it answers {}", status.as_u16()));
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| reason(&error))? {
        body.extend_from_slice(&chunk);
        if body.len() > ANSWER_BYTES {
            return Err("its /version.json has no end".to_owned());
        }
    }
    serde_json::from_slice(&body).map_err(|_| "its /version.json names no commit".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn machine(value: serde_json::Value) -> Machine {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn what_is_missing_is_said() {
        let state = |state: &str, checks: serde_json::Value| {
            unhealthy(&machine(
                json!({ "id": "m", "state": state, "checks": checks }),
            ))
        };
        let passing = json!({ "name": "a", "status": "passing" });
        let old = json!({ "name": "bg_deployments_compat_a", "status": "critical" });
        assert_eq!(state("started", json!([passing, old])), None);
        assert_eq!(
            state("starting", json!([passing])).unwrap(),
            "the machine is starting"
        );
        assert_eq!(
            state("started", json!([old])).unwrap(),
            "no health check has been made"
        );
        let critical = json!({ "name": "b", "status": "critical", "output": " refused\n" });
        assert_eq!(
            state("started", json!([passing, critical])).unwrap(),
            "the health check b is critical: refused"
        );
    }

    #[test]
    fn an_end_is_said_with_its_code() {
        let exit = json!({ "type": "exit", "request": { "exit_event": { "exit_code": 7 } } });
        let machine = |events: serde_json::Value| machine(json!({ "id": "m", "events": events }));
        assert_eq!(
            ended(&machine(json!([{ "type": "start" }, exit]))),
            "the application ends with code 7"
        );
        assert_eq!(ended(&machine(json!([]))), "the application ends");
    }
}

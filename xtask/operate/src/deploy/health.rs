//! Asks `/health` through the load balancer, as a user does, until only the new image answers.

use app_gen_saas_contract::Health;
use std::time::Duration;
use ureq::Agent;
use xtask_core::context::Context;
use xtask_core::error::{Code, Failure};
use xtask_core::wait::Look;
use xtask_core::{http, interrupt, wait};
use xtask_image::key::short;

/// How many answers in a row must come from the new image, because the load balancer may send each
/// request to another task.
const IN_A_ROW: u32 = 5;
/// From a stable deployment to its answers, the load balancer makes two health checks and drains
/// the old task.
const PATIENCE: Duration = Duration::from_secs(90);
/// The local load balancer makes no health checks, so users get errors for as long as we wait. The
/// orchestrator needs a second to start.
const LOCAL_PATIENCE: Duration = Duration::from_secs(20);
const TRY_TIMEOUT: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(250);

/// Waits until `/health` below `base_url` reports this key and no other.
///
/// # Errors
/// [`Code::Deploy`] with the last answer; or we were interrupted.
pub fn until_served(context: &Context, base_url: &str, key: &str) -> anyhow::Result<()> {
    let url = health_url(context, base_url);
    context
        .report
        .step(&format!("ask {url} until key {} answers", short(key)));
    let agent = http::agent(&url, TRY_TIMEOUT);
    let patience = match context.is_local() {
        true => LOCAL_PATIENCE,
        false => PATIENCE,
    };
    let look = || -> anyhow::Result<Look<()>> {
        for _ in 0..IN_A_ROW {
            interrupt::check()?;
            match ask(&agent, &url) {
                Ok(found) if found == key => {}
                Ok(other) => {
                    let why = format!("it still answers with key {}", short(&other));
                    return Ok(Look::NotYet(why));
                }
                Err(why) => return Ok(Look::NotYet(why)),
            }
        }
        Ok(Look::Done(()))
    };
    wait::until(patience, PAUSE, look, |late| {
        Failure::new(
            Code::Deploy,
            format!(
                "the new tasks run, but {url} did not report their key {} {late}",
                short(key)
            ),
        )
        .hint("check that the image listens on the port and answers the health path of platform.toml; its log is named above")
    })
}

/// Whether `/health` reports the key now.
#[must_use]
pub fn is_served(context: &Context, base_url: &str, key: &str) -> bool {
    let url = health_url(context, base_url);
    matches!(ask(&http::agent(&url, TRY_TIMEOUT), &url), Ok(found) if found == key)
}

fn health_url(context: &Context, base_url: &str) -> String {
    let path = context.platform.orchestrator().health_path.get_ref();
    format!("{base_url}{path}")
}

/// The key that answers, or why there is no key.
fn ask(agent: &Agent, url: &str) -> Result<String, String> {
    let mut response = agent.get(url).call().map_err(|error| error.to_string())?;
    let status = response.status();
    if !status.is_success() {
        return Err(format!("it answers {status}"));
    }
    let health: Health = response
        .body_mut()
        .read_json()
        .map_err(|error| format!("its answer is not a health report: {error}"))?;
    if !health.is_ready() {
        return Err(format!(
            "it answers that it is {}: its database is {}",
            health.status, health.database
        ));
    }
    health
        .image_key
        .ok_or_else(|| "its answer does not name an image key".to_owned())
}

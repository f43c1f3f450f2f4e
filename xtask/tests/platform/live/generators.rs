//! The containers of the generators that validate started, by the engine's socket:
//! they work for a tenth of a second, the docker client starts too slowly for that.

use super::{cluster, jobs, platform};
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};
use xtask_docker::engine;
use xtask_machine::ministack;

/// So many jobs are submitted together, to catch one of them …
const AT_ONCE: usize = 3;
/// … within this time.
const ROUND: Duration = Duration::from_secs(2);
/// What is about to end has ended by then.
const SURELY: Duration = Duration::from_millis(100);

/// Those that run or are paused.
pub(crate) fn running() -> Vec<String> {
    listed(&listing())
}

/// The question for them.
fn listing() -> String {
    let (region, account, cluster) = (platform().region, ministack::ACCOUNT, cluster());
    let cluster = format!("arn:aws:ecs:{region}:{account}:cluster/{cluster}");
    let label = format!("%22com.amazonaws.ecs.cluster%3D{cluster}%22");
    format!("/containers/json?filters=%7B%22label%22%3A%5B{label}%5D%7D")
}

fn listed(listing: &str) -> Vec<String> {
    let (status, listing) = engine::get(listing).unwrap();
    assert_eq!(status, 200, "{listing}");
    let containers = listing.as_array().unwrap();
    containers
        .iter()
        .map(|container| container["Id"].as_str().unwrap().to_owned())
        .collect()
}

/// Whether it is paused now, and stays so: it may have been about to end.
fn holds(container: &str) -> bool {
    let mut stream = UnixStream::connect(engine::socket().unwrap()).unwrap();
    write!(
        stream,
        "POST /containers/{container}/pause HTTP/1.0\r\nHost: docker\r\nContent-Length: 0\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let paused = Instant::now();
    while paused.elapsed() < SURELY {
        let (_, state) = engine::get(&format!("/containers/{container}/json")).unwrap();
        if state["State"]["Status"] != "paused" {
            return false;
        }
    }
    true
}

/// Submits jobs until the generator of one is held in the middle of its work. Returns
/// the jobs and the paused container.
pub(crate) fn hold_one(base: &str) -> (Vec<String>, String) {
    let listing = listing();
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut submitted = Vec::new();
    while Instant::now() < deadline {
        for _ in 0..AT_ONCE {
            submitted.push(jobs::submit(base, "a list, held"));
        }
        let asked = Instant::now();
        while asked.elapsed() < ROUND {
            if let Some(container) = listed(&listing).into_iter().find(|id| holds(id)) {
                return (submitted, container);
            }
        }
    }
    panic!("no generator of {submitted:?} could be held");
}

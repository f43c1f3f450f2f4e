//! The test of the API: an orchestrator of this checkout is asked what its OpenAPI document allows and what
//! it forbids, and each answer is compared with the document.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::time::Duration;
use xtask_core::context::Context;
use xtask_core::marked;
use xtask_machine::{api_tester, orchestrator};

/// The configuration ends a run after 50 seconds; the rest is the start of Python.
const TIMEOUT: Duration = Duration::from_secs(120);

/// Starts the orchestrator, and tests it.
///
/// # Errors
/// The orchestrator does not compile or start, or an answer is not what the document says.
pub(super) fn run(context: &Context) -> anyhow::Result<()> {
    orchestrator::compile(context)?;
    let folder = context.work_folder().join("api");
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    let _mark = marked::EndOnDrop(context.work_folder());
    // The port is free now. If another process takes it, the orchestrator fails to start.
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let mut environment = orchestrator::environment(context, &folder, port, BTreeMap::new())?;
    let settings = [
        // Jobs are accepted, and fail at once: what they would do takes minutes, and is tested elsewhere.
        ("GENERATOR_COMMAND", "/bin/false"),
        // A full queue would be answered with 503, rightly, and says nothing about the other answers.
        ("JOB_QUEUE_LIMIT", "100000"),
        // So would one client that asks as fast as it can be with 429.
        ("REQUESTS_PER_SECOND", "0"),
    ];
    for (name, value) in settings {
        environment.insert(name.to_owned(), value.to_owned());
    }
    let _api = orchestrator::start(context, &environment, folder.join(orchestrator::LOG))?;
    api_tester::command(context, &format!("http://127.0.0.1:{port}"))?
        .timeout(TIMEOUT)
        .run(&context.report, "schemathesis")
}

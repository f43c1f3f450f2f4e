//! The process of a gate: `xtask gate CONFIGURATION`. `cloud up` and the registry start it; it is not
//! a command for people, so that the help does not have it.

use std::ffi::OsStr;
use std::io::Write as _;
use std::process::ExitCode;
use xtask_core::error::Code;
use xtask_machine::gate::WORD;

/// Serves until the process is ended, if that is what this process was started for.
pub(crate) fn serve_if_asked() -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    let is_gate = arguments.next().as_deref() == Some(OsStr::new(WORD));
    let (true, Some(config), None) = (is_gate, arguments.next(), arguments.next()) else {
        return None;
    };
    let served = serde_json::from_str(&config.to_string_lossy())
        .map_err(anyhow::Error::from)
        .and_then(xtask_gate::run);
    if let Err(error) = served {
        let _ = writeln!(std::io::stderr(), "error: the gate ended: {error:#}");
    }
    Some(ExitCode::from(Code::Failed.number()))
}

//! The forwarder of the local cloud. Containers reach this machine by the address of the docker
//! bridge, and MiniStack listens only on loopback.

use crate::daemon::{Daemon, Launch};
use crate::debian_packages;
use crate::net;
use crate::programs::on_path;
use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream};
use std::time::Duration;
use xtask_core::context::Context;

const CONNECT_BOUND: Duration = Duration::from_secs(3);
const START_BOUND: Duration = Duration::from_secs(20);
const STOP_GRACE: Duration = Duration::from_secs(5);

/// Forwards connections to `bridge:port` to the same port of loopback.
pub(super) fn ensure(
    context: &Context,
    daemon: &Daemon,
    bridge: Ipv4Addr,
    port: u16,
    port_key: &str,
) -> anyhow::Result<()> {
    let arguments = arguments(bridge, port);
    daemon.reclaim(IpAddr::V4(bridge), port, |words| {
        is_ours(words, bridge, port)
    });
    let ours = daemon.process().is_some();
    if !is_on_this_host(bridge) || (ours && accepts(bridge, port)) {
        return Ok(());
    }
    daemon.stop(STOP_GRACE);
    net::require_free(IpAddr::V4(bridge), port, port_key)?;
    if on_path("socat").is_none() {
        debian_packages::install(context, &["socat"])?;
    }
    context.report.step(&format!(
        "start the forwarder on {bridge}:{port}, where containers find the local cloud"
    ));
    let identity = daemon.start(&Launch {
        program: on_path("socat").unwrap_or_else(|| "socat".into()),
        args: arguments.map(Into::into).to_vec(),
        ..Launch::default()
    })?;
    daemon.wait_ready(&identity, START_BOUND, || accepts(bridge, port))
}

/// Whether containers can be expected to reach the port.
pub(super) fn is_well(bridge: Ipv4Addr, port: u16) -> bool {
    accepts(bridge, port) || !is_on_this_host(bridge)
}

/// Whether a command line is the one that [`ensure`] starts.
pub(super) fn is_ours(words: &[String], bridge: Ipv4Addr, port: u16) -> bool {
    words.len() == 3 && words[1..] == arguments(bridge, port)
}

fn arguments(bridge: Ipv4Addr, port: u16) -> [String; 2] {
    [
        format!("TCP-LISTEN:{port},bind={bridge},reuseaddr,fork,nodelay"),
        format!("TCP:{}:{port},nodelay", Ipv4Addr::LOCALHOST),
    ]
}

fn accepts(bridge: Ipv4Addr, port: u16) -> bool {
    TcpStream::connect_timeout(&(bridge, port).into(), CONNECT_BOUND).is_ok()
}

/// Whether the bridge belongs to this machine. An engine in a virtual machine has the bridge there,
/// and forwards `host.docker.internal` itself.
fn is_on_this_host(bridge: Ipv4Addr) -> bool {
    TcpListener::bind((bridge, 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_very_command_line_is_ours() {
        let bridge = Ipv4Addr::new(172, 17, 0, 1);
        let ours: Vec<String> = std::iter::once("/usr/bin/socat".to_owned())
            .chain(arguments(bridge, 4566))
            .collect();
        assert!(is_ours(&ours, bridge, 4566));
        assert!(!is_ours(&ours, bridge, 4567));
        assert!(!is_ours(&ours[..2], bridge, 4566));
    }
}

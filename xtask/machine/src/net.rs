//! Who listens on a port of this machine.

use crate::process;
use procfs::net::{TcpNetEntry, TcpState, tcp, tcp6};
use procfs::process::{FDTarget, Process, all_processes};
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use xtask_core::error::{Code, Failure};

/// Who holds a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// The address that the port is bound on.
    pub address: IpAddr,
    /// The number and the name of the process; nothing where it belongs to another user, whose
    /// processes we may not see.
    pub process: Option<(u32, String)>,
}

impl Owner {
    /// Whether it is a process whose command line satisfies `matches`.
    pub fn is(&self, matches: impl Fn(&[String]) -> bool) -> bool {
        self.process
            .as_ref()
            .is_some_and(|(pid, _)| matches(&process::command_line_of(*pid)))
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.process {
            Some((pid, name)) => write!(formatter, "{name} (process {pid})"),
            None => formatter.write_str("a process of another user"),
        }
    }
}

/// Who listens on `port` where a connection to `address` would arrive.
#[must_use]
pub fn owner(address: IpAddr, port: u16) -> Option<Owner> {
    let socket = listening().find(|socket| {
        let bound = socket.local_address;
        bound.port() == port && reaches(bound.ip(), address)
    })?;
    Some(Owner {
        address: socket.local_address.ip(),
        process: process_of(socket.inode).map(|pid| (pid, process::name_of(pid))),
    })
}

/// Fails if a process listens on `address:port`. `key` is the key of the manifest that has the port.
///
/// # Errors
/// [`Code::Service`] naming the port, the process that has it, and the key.
pub fn require_free(address: IpAddr, port: u16, key: &str) -> Result<(), Failure> {
    match owner(address, port) {
        None => Ok(()),
        Some(owner) => Err(taken(port, &owner, key)),
    }
}

/// The failure of a port that `owner` has taken.
#[must_use]
pub fn taken(port: u16, owner: &Owner, key: &str) -> Failure {
    Failure::new(
        Code::Service,
        format!("port {port} of {} is taken by {owner}", owner.address),
    )
    .hint(way_out(key))
}

/// What a person can do about a port that is taken. `key` is the key of the manifest that has it.
#[must_use]
pub fn way_out(key: &str) -> String {
    format!(
        "stop that process, or give `{key}` in {} another port",
        app_gen_infra::MANIFEST_PATH
    )
}

fn reaches(bound: IpAddr, wanted: IpAddr) -> bool {
    bound.is_unspecified() || bound == wanted || bound == IpAddr::V6(mapped(wanted))
}

fn mapped(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
}

/// The sockets of this machine that wait for connections.
fn listening() -> impl Iterator<Item = TcpNetEntry> {
    [tcp(), tcp6()]
        .into_iter()
        .flatten()
        .flatten()
        .filter(|socket| socket.state == TcpState::Listen)
}

fn process_of(inode: u64) -> Option<u32> {
    let holds = |process: &Process| {
        let mut files = process.fd().into_iter().flatten().flatten();
        files.any(|file| matches!(file.target, FDTarget::Socket(socket) if socket == inode))
    };
    let holder = all_processes().ok()?.flatten().find(holds)?;
    u32::try_from(holder.pid()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, TcpListener};

    #[test]
    fn our_own_listener_is_found_and_named() {
        let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = socket.local_addr().unwrap().port();
        let found = owner(IpAddr::V4(Ipv4Addr::LOCALHOST), port).unwrap();
        assert_eq!(found.process.as_ref().unwrap().0, std::process::id());
        let failure = require_free(IpAddr::V4(Ipv4Addr::LOCALHOST), port, "local.registry_port")
            .unwrap_err()
            .to_string();
        assert!(failure.contains(&format!("port {port}")), "{failure}");
        assert!(
            failure.contains(&std::process::id().to_string()),
            "{failure}"
        );
        drop(socket);
        assert_eq!(owner(IpAddr::V4(Ipv4Addr::LOCALHOST), port), None);
    }

    #[test]
    fn a_listener_of_both_families_is_found() {
        let Ok(socket) = TcpListener::bind((Ipv6Addr::UNSPECIFIED, 0)) else {
            // This machine has no IPv6.
            return;
        };
        let port = socket.local_addr().unwrap().port();
        let found = owner(IpAddr::V4(Ipv4Addr::LOCALHOST), port).unwrap();
        assert_eq!(found.address, IpAddr::V6(Ipv6Addr::UNSPECIFIED));
        assert_eq!(found.process.unwrap().0, std::process::id());
    }
}

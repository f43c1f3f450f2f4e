//! Who listens on which port of this machine, from `/proc/net/tcp` and the
//! open files of the processes.

use crate::process;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use xtask_core::error::{Code, Failure};

/// A socket in state LISTEN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listener {
    /// Address it is bound to; unspecified for all.
    pub address: IpAddr,
    /// Its port.
    pub port: u16,
    inode: u64,
}

/// Whoever holds a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// Address the port is bound on.
    pub address: IpAddr,
    /// The process; nothing where it belongs to another user and may not be seen.
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
    let listener = listeners()
        .into_iter()
        .find(|listener| listener.port == port && reaches(listener.address, address))?;
    Some(Owner {
        address: listener.address,
        process: process_of(listener.inode).map(|pid| (pid, process::name_of(pid))),
    })
}

/// Fails where somebody listens on `address:port`; `key` of the manifest moves the port.
///
/// # Errors
/// [`Code::Service`] naming the port, who holds it, and the key.
pub fn require_free(address: IpAddr, port: u16, key: &str) -> Result<(), Failure> {
    match owner(address, port) {
        None => Ok(()),
        Some(owner) => Err(taken(port, &owner, key)),
    }
}

/// The failure of a port that `owner` holds.
#[must_use]
pub fn taken(port: u16, owner: &Owner, key: &str) -> Failure {
    Failure::new(
        Code::Service,
        format!("port {port} of {} is taken by {owner}", owner.address),
    )
    .hint(way_out(key))
}

/// What to do about a port that is taken; `key` of the manifest moves it.
#[must_use]
pub fn way_out(key: &str) -> String {
    format!(
        "stop it, or give `{key}` in {} another port",
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

fn listeners() -> Vec<Listener> {
    ["/proc/net/tcp", "/proc/net/tcp6"]
        .into_iter()
        .filter_map(|path| std::fs::read_to_string(path).ok())
        .flat_map(|table| parse_table(&table))
        .collect()
}

/// The listening sockets of a table in the form of `/proc/net/tcp` or `tcp6`.
fn parse_table(table: &str) -> Vec<Listener> {
    table.lines().skip(1).filter_map(parse_line).collect()
}

fn parse_line(line: &str) -> Option<Listener> {
    const LISTEN: &str = "0A";
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    if *fields.get(3)? != LISTEN {
        return None;
    }
    let (address, port) = fields.get(1)?.split_once(':')?;
    Some(Listener {
        address: parse_address(address)?,
        port: u16::from_str_radix(port, 16).ok()?,
        inode: fields.get(9)?.parse().ok()?,
    })
}

/// The kernel prints each 32-bit word of an address in the machine's byte order.
fn parse_address(hex: &str) -> Option<IpAddr> {
    let words: Vec<[u8; 4]> = (0..hex.len() / 8)
        .map(|word| {
            u32::from_str_radix(hex.get(word * 8..word * 8 + 8)?, 16)
                .ok()
                .map(u32::to_ne_bytes)
        })
        .collect::<Option<_>>()?;
    match words.as_slice() {
        [word] => Some(IpAddr::V4(Ipv4Addr::from(*word))),
        [_, _, _, _] => {
            let bytes: [u8; 16] = words.concat().try_into().ok()?;
            Some(IpAddr::V6(Ipv6Addr::from(bytes)))
        }
        _ => None,
    }
}

fn process_of(inode: u64) -> Option<u32> {
    let wanted = format!("socket:[{inode}]");
    process::all_pids().into_iter().find(|pid| {
        std::fs::read_dir(format!("/proc/{pid}/fd"))
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| std::fs::read_link(entry.path()).ok())
            .any(|target| target == Path::new(&wanted))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn listening_sockets_of_a_table_are_read() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   0: 0100007F:1388 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 21117 1 0 100 0 0 10 0\n   1: 0100007F:1388 0100007F:D431 01 00000000:00000000 00:00000000 00000000     0        0 21118 1 0 20 4 30 10 -1\n";
        assert_eq!(
            parse_table(table),
            [Listener {
                address: IpAddr::V4(Ipv4Addr::LOCALHOST),
                port: 5000,
                inode: 21117
            }]
        );
    }

    #[test]
    fn addresses_of_both_families_are_read() {
        assert_eq!(
            parse_address("00000000000000000000000001000000"),
            Some(IpAddr::V6(Ipv6Addr::LOCALHOST))
        );
        assert_eq!(
            parse_address("0000000000000000FFFF00000100007F"),
            Some(IpAddr::V6(Ipv4Addr::LOCALHOST.to_ipv6_mapped()))
        );
        assert_eq!(parse_address("0100"), None);
        assert_eq!(parse_address("zz00007F"), None);
    }

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
}

//! Sockets for the cage: it asks for each, and gets one that reaches loopback and nothing else.
//!
//! A socket that is bound to the interface `lo` cannot send to another, and only who has CAP_NET_RAW can
//! change that. The kernel hands over the call's numbers and takes the socket; no memory of the cage is
//! read, so there is nothing that it could change meanwhile.
//!
//! Rules of Landlock alone would not do: they know ports and no addresses, Fargate may not have them, and
//! they let pass what is TCP by another name (MPTCP).

use crate::kernel::{self, Call};
use rustix::fd::{AsFd as _, BorrowedFd};
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::ops::RangeInclusive;

/// Answers until nobody is left to ask.
pub(crate) fn answer(listener: BorrowedFd<'_>, ports: &RangeInclusive<u16>) {
    while let Ok(call) = kernel::next_call(listener) {
        // One that cannot be answered has ended.
        let _ = match socket(&call, ports) {
            Ok(socket) => {
                let is_closed_on_exec = flags(&call) & libc::SOCK_CLOEXEC != 0;
                match kernel::give(listener, &call, socket.as_fd(), is_closed_on_exec) {
                    Ok(()) => Ok(()),
                    // Its process has no room for another descriptor.
                    Err(error) => {
                        let number = error.raw_os_error().unwrap_or(libc::EMFILE);
                        kernel::refuse(listener, &call, number)
                    }
                }
            }
            Err(error) => {
                let number = error.raw_os_error().unwrap_or(libc::EPERM);
                kernel::refuse(listener, &call, number)
            }
        };
    }
}

/// The second argument of `socket`: a kind, and flags.
fn flags(call: &Call) -> i32 {
    lower(call.arguments[1])
}

/// An argument as the kernel takes it: an `int` in a register.
fn lower(argument: u64) -> i32 {
    let bytes = argument.to_le_bytes();
    i32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

fn socket(call: &Call, ports: &RangeInclusive<u16>) -> io::Result<Socket> {
    const FLAGS: i32 = libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    let refused = || io::Error::from_raw_os_error(libc::EPERM);
    let domain = match lower(call.arguments[0]) {
        libc::AF_INET => Domain::IPV4,
        libc::AF_INET6 => Domain::IPV6,
        _ => return Err(refused()),
    };
    let protocol = lower(call.arguments[2]);
    let is_tcp =
        flags(call) & !FLAGS == libc::SOCK_STREAM && [0, libc::IPPROTO_TCP].contains(&protocol);
    if !is_tcp {
        return Err(refused());
    }
    let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
    socket.bind_device(Some(b"lo"))?;
    // Before Linux 6.3 the kernel chooses from its own ports, and those cannot be reached where Landlock
    // knows ports; that it does since Linux 6.7.
    let _ = kernel::choose_ports(socket.as_fd(), ports);
    socket.set_nonblocking(flags(call) & libc::SOCK_NONBLOCK != 0)?;
    Ok(socket)
}

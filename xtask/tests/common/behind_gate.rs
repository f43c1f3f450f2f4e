//! A place where a gate on a port of its own looks for the registry, for what stands in between.

use super::instance;
use std::net::TcpListener;
use std::os::unix::net::{UnixListener, UnixStream};
use xtask_core::context::Context;
use xtask_machine::gate::registry_socket;

/// The place. The gate, which the first command starts that needs a registry, ends with it.
#[derive(Debug)]
pub(crate) struct BehindGate {
    pub(crate) port: u16,
}

impl BehindGate {
    /// With the socket that the gate asks.
    pub(crate) fn new() -> (Self, UnixListener) {
        instance::start();
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        let listener = UnixListener::bind(registry_socket(&context(port)).unwrap()).unwrap();
        (Self { port }, listener)
    }

    /// A connection to the registry of the tests' instance.
    pub(crate) fn registry() -> std::io::Result<UnixStream> {
        let context = instance::context(&instance::source());
        UnixStream::connect(registry_socket(&context).unwrap())
    }
}

impl Drop for BehindGate {
    fn drop(&mut self) {
        let context = context(self.port);
        let _ = xtask_machine::registry::stop(&context);
        let _ = registry_socket(&context).map(std::fs::remove_file);
    }
}

/// The tests' instance with its registry on another port.
fn context(registry_port: u16) -> Context {
    let mut context = instance::context(&instance::source());
    let port = &mut context.platform.local.registry_port;
    *port = toml::Spanned::new(port.span(), registry_port);
    context
}

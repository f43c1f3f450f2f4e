//! Passes connections on to the port of the application, byte by byte: sockets of a cage are bound to loopback,
//! so nothing else in the container could be reached from outside.

use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::sleep;

/// More wait until one is closed.
const CONNECTIONS: usize = 256;
/// Pause after no connection could be accepted, for want of file descriptors for instance.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// Passes on until this future is dropped, which ends all connections too.
pub(super) async fn serve(listener: TcpListener, port: u16) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        // The semaphore is never closed.
        let place = Arc::clone(&places).acquire_owned().await.ok();
        while connections.try_join_next().is_some() {}
        let Ok((stream, _)) = listener.accept().await else {
            sleep(ACCEPT_PAUSE).await;
            continue;
        };
        connections.spawn(async move {
            let _place = place;
            // Whichever side breaks it, the other one sees a connection that ended.
            let _ = pass(stream, port).await;
        });
    }
}

async fn pass(mut near: TcpStream, port: u16) -> io::Result<()> {
    let mut far = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    // What is small is to arrive at once.
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    copy_bidirectional(&mut near, &mut far).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    #[tokio::test]
    async fn bytes_pass_both_ways_and_so_does_an_end() {
        let application = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = application.local_addr().unwrap().port();
        let relay = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = relay.local_addr().unwrap();
        let relayed = tokio::spawn(serve(relay, port));
        let mut near = TcpStream::connect(address).await.unwrap();
        let (mut far, _) = application.accept().await.unwrap();
        near.write_all(b"ping").await.unwrap();
        let mut four = [0; 4];
        far.read_exact(&mut four).await.unwrap();
        assert_eq!(&four, b"ping");
        far.write_all(b"pong").await.unwrap();
        drop(far);
        let mut rest = Vec::new();
        near.shutdown().await.unwrap();
        near.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, b"pong");
        relayed.abort();
    }
}

//! The FTP server: libunftp, in the server's namespace.

use std::{
    io,
    net::{Ipv4Addr, TcpListener as StdListener},
    thread,
};

use anyhow::{Context, Result};
use libunftp::{ServerBuilder, options::ActivePassiveMode};
use tokio::{net::TcpListener, runtime};

use crate::store::Store;

/// The control connections' port.
pub(crate) const PORT: u16 = 21;

/// Starts the server in the namespace that the calling thread is in. It listens when this returns, and runs until the
/// process ends.
pub(crate) fn start(address: Ipv4Addr, store: Store) -> Result<()> {
    let listener = StdListener::bind((address, PORT)).context("the FTP server cannot listen")?;
    listener.set_nonblocking(true).context("the FTP server cannot listen")?;
    let runtime = runtime::Builder::new_current_thread().enable_all().build().context("cannot run the FTP server")?;
    // The thread inherits the namespace, and so do the data connections that it opens.
    let thread = thread::Builder::new().name("server".to_owned());
    thread.spawn(move || runtime.block_on(serve(listener, store))).context("cannot run the FTP server")?;
    Ok(())
}

/// Serves until the listener fails; the client notices that.
async fn serve(listener: StdListener, store: Store) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    loop {
        let (stream, _) = listener.accept().await?;
        let store = store.clone();
        let server = ServerBuilder::new(Box::new(move || store.clone()))
            .active_passive_mode(ActivePassiveMode::ActiveAndPassive)
            .greeting("Welcome through the gateway")
            .build()
            .map_err(io::Error::other)?;
        tokio::spawn(server.service(stream));
    }
}

//! The FTP client: suppaftp, in the client's namespace.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use suppaftp::{FtpStream, Mode, types::FileType};

use crate::{clock::now, server};

/// A client that has logged in.
pub(crate) struct Client {
    ftp: FtpStream,
}

/// How a transfer went.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Took {
    /// From the first command to the last reply, less the pause in between.
    pub(crate) active: Duration,
}

impl Client {
    /// Connects from the namespace that the calling thread is in.
    pub(crate) fn connect(server: Ipv4Addr, mode: Mode) -> Result<Self> {
        let address = SocketAddr::from((server, server::PORT));
        let stream = connect(address).with_context(|| format!("the client cannot connect to {address}"))?;
        let ftp = FtpStream::connect_with_stream(stream).context("the server does not greet")?;
        let mut ftp = ftp
            .active_mode(PATIENCE)
            .passive_stream_builder(|address| connect(address).map_err(suppaftp::FtpError::ConnectionError));
        ftp.set_mode(mode);
        ftp.login("anonymous", "demo@towpath").context("the server does not let the client in")?;
        ftp.transfer_type(FileType::Binary).context("the server does not transfer bytes")?;
        Ok(Self { ftp })
    }

    /// Gets a file of `bytes` bytes. Half way it stops reading and calls `pause`: the data connection surely lives then.
    pub(crate) fn download(
        &mut self,
        path: &str,
        bytes: usize,
        pause: impl FnOnce() -> Result<()>,
    ) -> Result<(Vec<u8>, Took)> {
        let started = now();
        let mut stream = self.ftp.retr_as_stream(path).with_context(|| format!("cannot get {path}"))?;
        stream.get_ref().get_ref().set_read_timeout(Some(PATIENCE)).context("cannot get ready to read")?;
        let mut file = vec![0; bytes];
        let (first, second) = file.split_at_mut(bytes / 2);
        stream.read_exact(first).with_context(|| format!("{path} does not come"))?;
        let paused = elapsed(pause)?;
        stream.read_exact(second).with_context(|| format!("{path} stops coming half way"))?;
        if stream.read(&mut [0]).with_context(|| format!("{path} does not end"))? != 0 {
            bail!("{path} is longer than {bytes} bytes");
        }
        stream.finish().with_context(|| format!("the server says that {path} did not arrive"))?;
        Ok((file, Took { active: started.elapsed() - paused }))
    }

    /// Puts a file.
    pub(crate) fn upload(&mut self, path: &str, file: &[u8]) -> Result<Took> {
        let started = now();
        let mut stream = self.ftp.put_with_stream(path).with_context(|| format!("cannot put {path}"))?;
        stream.get_ref().get_ref().set_write_timeout(Some(PATIENCE)).context("cannot get ready to write")?;
        stream.write_all(file).with_context(|| format!("{path} does not go"))?;
        stream.finish().with_context(|| format!("the server says that {path} did not arrive"))?;
        Ok(Took { active: started.elapsed() })
    }

    /// Takes leave.
    pub(crate) fn quit(mut self) -> Result<()> {
        self.ftp.quit().context("the server does not take leave")
    }
}

/// How long the client waits for anything. Everything is on one machine.
const PATIENCE: Duration = Duration::from_secs(8);

fn connect(address: SocketAddr) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

fn elapsed(action: impl FnOnce() -> Result<()>) -> Result<Duration> {
    let started: Instant = now();
    action()?;
    Ok(started.elapsed())
}

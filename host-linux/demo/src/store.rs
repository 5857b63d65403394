//! What the FTP server serves: one file, in memory; and what it is sent.

use std::{
    collections::BTreeMap,
    fmt::Debug,
    io::Cursor,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use unftp_core::{
    auth::DefaultUser,
    storage::{Error, ErrorKind, Fileinfo, Metadata, Result, StorageBackend},
};

/// Where the file to download is.
pub(crate) const OFFERED: &str = "/offered.bin";

/// The largest file that is taken.
const UPLOAD_BYTES_MAX: u64 = 64 << 20;

/// Files in memory, shared by all sessions.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    offered: Arc<Vec<u8>>,
    uploads: Arc<Mutex<BTreeMap<PathBuf, Vec<u8>>>>,
}

/// A file's length; there is nothing else to know.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Length(u64);

impl Store {
    pub(crate) fn new(offered: Arc<Vec<u8>>) -> Self {
        Self { offered, uploads: Arc::default() }
    }

    /// Takes an uploaded file out.
    pub(crate) fn take(&self, path: &str) -> Option<Vec<u8>> {
        self.uploads.lock().unwrap_or_else(PoisonError::into_inner).remove(Path::new(path))
    }

    fn find(&self, path: &Path, start: u64) -> Result<&[u8]> {
        let start = usize::try_from(start).map_err(|_| Error::from(ErrorKind::PermanentFileNotAvailable))?;
        let found = (path == Path::new(OFFERED)).then(|| self.offered.get(start..)).flatten();
        found.ok_or_else(|| ErrorKind::PermanentFileNotAvailable.into())
    }
}

#[async_trait]
impl StorageBackend<DefaultUser> for Store {
    type Metadata = Length;

    async fn metadata<P: AsRef<Path> + Send + Debug>(&self, _: &DefaultUser, path: P) -> Result<Length> {
        Ok(Length(self.find(path.as_ref(), 0)?.len() as u64))
    }

    async fn list<P: AsRef<Path> + Send + Debug>(
        &self,
        _: &DefaultUser,
        _: P,
    ) -> Result<Vec<Fileinfo<PathBuf, Length>>> {
        Ok(vec![Fileinfo { path: OFFERED.into(), metadata: Length(self.offered.len() as u64) }])
    }

    /// In as large pieces as the connection takes.
    async fn get_into<'a, P, W>(&self, _: &DefaultUser, path: P, start: u64, output: &'a mut W) -> Result<u64>
    where
        W: AsyncWrite + Unpin + Sync + Send + ?Sized,
        P: AsRef<Path> + Send + Debug,
    {
        let bytes = self.find(path.as_ref(), start)?;
        output.write_all(bytes).await?;
        Ok(bytes.len() as u64)
    }

    async fn get<P: AsRef<Path> + Send + Debug>(
        &self,
        _: &DefaultUser,
        path: P,
        start: u64,
    ) -> Result<Box<dyn AsyncRead + Send + Sync + Unpin>> {
        Ok(Box::new(Cursor::new(self.find(path.as_ref(), start)?.to_vec())))
    }

    async fn put<P: AsRef<Path> + Send + Debug, R: AsyncRead + Send + Sync + Unpin + 'static>(
        &self,
        _: &DefaultUser,
        mut input: R,
        path: P,
        start: u64,
    ) -> Result<u64> {
        if start != 0 {
            return Err(ErrorKind::CommandNotImplemented.into());
        }
        let mut bytes = Vec::new();
        (&mut input).take(UPLOAD_BYTES_MAX).read_to_end(&mut bytes).await?;
        if input.read(&mut [0]).await? != 0 {
            return Err(ErrorKind::ExceededStorageAllocationError.into());
        }
        let length = bytes.len() as u64;
        self.uploads.lock().unwrap_or_else(PoisonError::into_inner).insert(path.as_ref().to_owned(), bytes);
        Ok(length)
    }

    async fn del<P: AsRef<Path> + Send + Debug>(&self, _: &DefaultUser, _: P) -> Result<()> {
        Err(ErrorKind::PermissionDenied.into())
    }

    async fn mkd<P: AsRef<Path> + Send + Debug>(&self, _: &DefaultUser, _: P) -> Result<()> {
        Err(ErrorKind::PermissionDenied.into())
    }

    async fn rename<P: AsRef<Path> + Send + Debug>(&self, _: &DefaultUser, _: P, _: P) -> Result<()> {
        Err(ErrorKind::PermissionDenied.into())
    }

    async fn rmd<P: AsRef<Path> + Send + Debug>(&self, _: &DefaultUser, _: P) -> Result<()> {
        Err(ErrorKind::PermissionDenied.into())
    }

    async fn cwd<P: AsRef<Path> + Send + Debug>(&self, _: &DefaultUser, path: P) -> Result<()> {
        if path.as_ref() == Path::new("/") { Ok(()) } else { Err(ErrorKind::PermanentDirectoryNotAvailable.into()) }
    }
}

impl Metadata for Length {
    fn len(&self) -> u64 {
        self.0
    }

    fn is_dir(&self) -> bool {
        false
    }

    fn is_file(&self) -> bool {
        true
    }

    fn is_symlink(&self) -> bool {
        false
    }

    fn modified(&self) -> Result<SystemTime> {
        Ok(SystemTime::UNIX_EPOCH)
    }

    fn gid(&self) -> u32 {
        0
    }

    fn uid(&self) -> u32 {
        0
    }
}

//! An FTP server that is not ours, and how two clients that are not ours either exchange files with it.

use std::{
    fs,
    net::{IpAddr, SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    thread,
    time::Duration,
};

use tempfile::TempDir;

use crate::{link::Station, namespace::Namespace};

/// What curl is told for PASV, EPSV, PORT and EPRT; over IPv6 the older two become the newer ones. The address in an answer to PASV is
/// taken at its word.
pub(crate) const CURL: [&[&str]; 4] =
    [&["--disable-epsv", "--no-ftp-skip-pasv-ip"], &["--ftp-pasv"], &["-P", "-", "--disable-eprt"], &["-P", "-"]];

/// What lftp is told for PASV, EPSV, and PORT or EPRT.
pub(crate) const LFTP: [&str; 3] = [
    "set ftp:passive-mode yes; set ftp:prefer-epsv no; set ftp:fix-pasv-address no",
    "set ftp:passive-mode yes; set ftp:prefer-epsv yes",
    "set ftp:passive-mode no",
];

/// A server with one file to get, and a folder to put files into.
pub(crate) struct FtpServer {
    process: Child,
    folder: TempDir,
    file: Vec<u8>,
}

impl FtpServer {
    pub(crate) fn start(station: &Station, address: IpAddr) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file: Vec<u8> = (0..FILE_BYTES).map(|at| (at * at % 251) as u8).collect();
        for name in ["root", "root/in", "empty"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        fs::write(folder.path().join("root/file.bin"), &file).unwrap();
        let config = folder.path().join("vsftpd.conf");
        fs::write(&config, configuration(folder.path(), address)).unwrap();
        let mut command = Command::new("vsftpd");
        command.arg(&config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let process = station.namespace.within(|| command.spawn().unwrap());
        let server = Self { process, folder, file };
        let is_up = || station.namespace.within(|| TcpStream::connect(SocketAddr::from((address, 21))).is_ok());
        for _ in 0..200 {
            if is_up() {
                return server;
            }
            thread::sleep(Duration::from_millis(25));
        }
        panic!("vsftpd does not listen");
    }

    /// Has curl get the file and put another over one connection; both must arrive as they were.
    pub(crate) fn exchange_with_curl(&self, from: &Namespace, address: IpAddr, mode: &[&str]) {
        let (got, put) = (self.folder.path().join("got"), self.upload("curl"));
        let upload = format!("ftp://{}/in/put.bin", host(address));
        let more = [&["-o", path(&got)], mode, &["--next", "-T", path(&put), &upload], ALWAYS, mode].concat();
        let output = self.curl(from, address, &more);
        assert!(output.status.success(), "{mode:?}: {}", String::from_utf8_lossy(&output.stderr));
        self.both_arrived(&got, &format!("curl {mode:?}"));
    }

    /// Has curl get the file.
    pub(crate) fn curl(&self, from: &Namespace, address: IpAddr, more: &[&str]) -> Output {
        let mut command = Command::new("curl");
        command.args(ALWAYS).arg(format!("ftp://{}/file.bin", host(address))).args(more);
        // Nobody's settings.
        command.env("HOME", self.folder.path());
        from.within(|| command.output().unwrap())
    }

    /// Has lftp get the file and put another.
    pub(crate) fn exchange_with_lftp(&self, from: &Namespace, address: IpAddr, mode: &str) {
        let (got, put) = (self.folder.path().join("got"), self.upload("lftp"));
        let script = format!(
            "set net:max-retries 1; set net:timeout 15; set ftp:ssl-allow no; set ftp:sync-mode yes; {mode}; open {}; \
             get file.bin -o {}; put {} -o in/put.bin; bye",
            host(address),
            got.display(),
            put.display()
        );
        let mut command = Command::new("lftp");
        command.args(["--norc", "-c", &script]).stdin(Stdio::null()).env("HOME", self.folder.path());
        let output = from.within(|| command.output().unwrap());
        assert!(output.status.success(), "{mode}: {}", String::from_utf8_lossy(&output.stderr));
        self.both_arrived(&got, mode);
    }

    /// A file to put, which is another one for each client.
    fn upload(&self, client: &str) -> PathBuf {
        let file = self.folder.path().join("put");
        fs::write(&file, [client.as_bytes(), &self.file].concat()).unwrap();
        file
    }

    /// Whether the file was got and the other was put; takes both away again.
    fn both_arrived(&self, got: &Path, how: &str) {
        let put = self.folder.path().join("root/in/put.bin");
        let sent = fs::read(self.folder.path().join("put")).unwrap();
        for (arrived, wanted) in [(got, &self.file), (&put, &sent)] {
            let bytes = fs::read(arrived).unwrap();
            assert!(bytes == *wanted, "{how}: {} of {} bytes at {}", bytes.len(), wanted.len(), arrived.display());
            fs::remove_file(arrived).unwrap();
        }
    }
}

impl Drop for FtpServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

const ALWAYS: &[&str] = &["--silent", "--show-error", "--max-time", "30"];

const FILE_BYTES: u64 = 1_000_000;

fn host(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    }
}

fn path(file: &Path) -> &str {
    file.to_str().expect("a name of our own")
}

/// For whoever is root in a user namespace and nobody else.
fn configuration(folder: &Path, address: IpAddr) -> String {
    let listen = if address.is_ipv4() { "listen=YES" } else { "listen=NO\nlisten_ipv6=YES" };
    format!(
        "{listen}\nbackground=NO\nanonymous_enable=YES\nno_anon_password=YES\nftp_username=nobody\n\
         run_as_launching_user=YES\nseccomp_sandbox=NO\nisolate=NO\nisolate_network=NO\nconnect_from_port_20=YES\n\
         write_enable=YES\nanon_upload_enable=YES\nanon_root={folder}/root\nsecure_chroot_dir={folder}/empty\n",
        folder = folder.display()
    )
}

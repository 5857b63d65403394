//! A real scanner over the network (SANE's backend `test`) through a running gateway, with the helper in C: scanimage asks saned.

use std::{
    fs,
    net::Ipv4Addr,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use tempfile::TempDir;

use crate::{
    in_c::component,
    link::Station,
    namespace::in_namespace,
    needs::lacks_programs,
    running::{CLIENT, CONFIG, Folder, Gateway, Network, SERVER, masquerade, port_forwarding},
};

/// Only calls may come: the image's connection, to a port of the server's choice, passes because the helper has made it RELATED.
const OPENED: (&str, u16) = ("tcp", 6566);

const GATEWAY: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

#[test]
fn an_image_comes_through_masquerade() {
    in_namespace(|| {
        let Some(folder) = folder("sane::an_image_comes_through_masquerade", &masquerade(OPENED)) else { return };
        let network = Network::new();
        let gateway = Gateway::start(&folder);
        // The server knows no way to the client: what does not come from the gateway's own address it cannot answer.
        network.server.namespace.ip("route del default");
        let saned = Saned::start(&network.server, SERVER);
        saned.scans(&network.client, SERVER);
        let listing = String::from_utf8(folder.towpath(&["conntrack", "-L"]).stdout).unwrap();
        assert_eq!(listing.matches(" helper=sane ").count(), 1, "{listing}");
        assert_eq!(gateway.last_words(), "");
    });
}

#[test]
fn an_image_comes_from_a_scanner_inside() {
    in_namespace(|| {
        let Some(folder) = folder("sane::an_image_comes_from_a_scanner_inside", &port_forwarding(OPENED)) else {
            return;
        };
        let network = Network::new();
        let gateway = Gateway::start(&folder);
        // Who is outside knows the gateway alone.
        network.server.namespace.ip("route del default");
        let saned = Saned::start(&network.client, CLIENT);
        saned.scans(&network.server, GATEWAY);
        assert_eq!(gateway.last_words(), "");
    });
}

/// A gateway with the helper in C; `None`: the test is skipped.
fn folder(test: &str, rules: &str) -> Option<Folder> {
    let component = component(test)?;
    if lacks_programs(test, &["saned", "scanimage"]) {
        return None;
    }
    let config =
        format!("{CONFIG}\n[rules]\nv4 = \"rules.v4\"\n\n[[helper]]\nname = \"sane\"\ncomponent = \"sane.wasm\"\n");
    Some(Folder::with(&config, &[("rules.v4", rules.as_bytes()), ("sane.wasm", &component)]))
}

/// A scanner that is shared by saned, which chooses any port for an image.
struct Saned {
    process: Child,
    folder: TempDir,
}

impl Saned {
    fn start(station: &Station, address: Ipv4Addr) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (side, file, text) in [
            ("server", "saned.conf", "+\n".to_owned()),
            ("server", "dll.conf", "test\n".to_owned()),
            ("client", "dll.conf", "net\n".to_owned()),
            ("client", "net.conf", format!("connect_timeout = 10\n{address}\n{GATEWAY}\n")),
        ] {
            fs::create_dir_all(folder.path().join(side)).unwrap();
            fs::write(folder.path().join(side).join(file), text).unwrap();
        }
        let mut command = Command::new("saned");
        command.args(["-l", "-e", "-d", "0", "-b", &address.to_string()]);
        command.env("SANE_CONFIG_DIR", folder.path().join("server")).stdin(Stdio::null());
        let process = station.namespace.within(|| command.spawn().unwrap());
        let sockets = format!("/proc/{}/net/tcp", process.id());
        // Port 6566, listened to, as the kernel lists it.
        let is_up = || fs::read_to_string(&sockets).is_ok_and(|sockets| sockets.contains(":19A6 00000000:0000 0A "));
        let up = (0..200).any(|_| {
            thread::sleep(Duration::from_millis(25));
            is_up()
        });
        assert!(up, "saned does not listen");
        Self { process, folder }
    }

    /// Scans by the network: it must be the image that the scanner gives without one.
    fn scans(&self, station: &Station, host: Ipv4Addr) {
        let scanned = |side: &str, scanner: &str| {
            let mut command = Command::new("scanimage");
            command.args(["--format=pnm", "--mode", "Color", "--test-picture", "Color pattern"]);
            command.args(["--resolution", "50", "-x", "100", "-y", "100", "-d", scanner]);
            command.env("SANE_CONFIG_DIR", self.folder.path().join(side)).stdin(Stdio::null());
            let output = station.namespace.within(|| command.output().unwrap());
            assert!(output.status.success(), "{scanner}: {output:?}");
            output.stdout
        };
        let image = scanned("server", "test:0");
        assert!(image.starts_with(b"P6\n") && image.len() > 100_000, "{} bytes", image.len());
        assert!(scanned("client", &format!("net:{host}:test:0")) == image, "another image has come");
    }
}

impl Drop for Saned {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

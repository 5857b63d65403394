//! What `--so_flags` says of the host: `local=192.168.0.1,mtu=1500,net.ipv4.tcp_sack=0`.

use std::net::IpAddr;

use packet_scripts::{
    runner::Settings,
    system::{Host, Process, shell},
};

/// A host as flags say: `local=ADDRESS`, which may come several times, `mtu=BYTES`, and tunables by their names. Without a local address
/// it has the usual ones of both versions of IP.
///
/// # Errors
/// What is wrong with them, in one line.
pub(crate) fn host(flags: &str) -> Result<(Host, Process), String> {
    let mut addresses: Vec<IpAddr> = Vec::new();
    let mut mtu_bytes = None;
    let mut tunables = Vec::new();
    for flag in flags.split(',').map(str::trim).filter(|flag| !flag.is_empty()) {
        let wrong = || format!("{flag}: write local=ADDRESS, mtu=BYTES or a tunable's NAME=VALUE");
        let (name, value) = flag.split_once('=').ok_or_else(wrong)?;
        match name {
            "local" => addresses.push(value.parse().map_err(|_| wrong())?),
            "mtu" => mtu_bytes = Some(value.parse().map_err(|_| wrong())?),
            _ if name.contains('.') => tunables.push(format!("sysctl {name}=\"{value}\"")),
            _ => return Err(wrong()),
        }
    }
    let usual = Settings::default();
    if addresses.is_empty() {
        addresses.extend(usual.clone().with_version("ipv6").map(|settings| settings.local));
        addresses.push(usual.local);
    }
    // As long a segment with either version of IP.
    let usual_mtu_bytes = if addresses.iter().any(IpAddr::is_ipv4) { 1500 } else { 1520 };
    let mut host = Host::new(&addresses, mtu_bytes.unwrap_or(usual_mtu_bytes)).map_err(|error| error.to_string())?;
    let mut process = Process::default();
    for line in tunables {
        shell::run(&line, &mut process, &mut host).map_err(|failure| failure.to_string())?;
    }
    Ok((host, process))
}

//! Tunables as sysctl(8) prints and takes them.

use std::fmt::Write as _;

use towpath_engine::{
    device::Devices,
    sysctl::{InterfaceSysctl, Sysctls, ValueForm},
};

/// All tunables, those of single interfaces among them, a line each, by name.
#[must_use]
pub fn list(sysctls: &Sysctls, devices: &Devices) -> String {
    let others = [Sysctls::FAST_OPEN_KEY, Sysctls::AVAILABLE_CONGESTION_CONTROL];
    let names = Sysctls::NAMES.iter().chain(Sysctls::LISTS).chain(&others);
    let shown = names.map(|&name| {
        let values = sysctls.find_list(name).unwrap_or_default();
        (name.to_owned(), ValueForm::of(name).show(values))
    });
    let of_interfaces = devices.iter().flat_map(|(_, device)| {
        InterfaceSysctl::all().map(move |tunable| {
            let name = format!("net.ipv4.conf.{}.{}", device.name, tunable.last_name());
            (name, device.tunables.own(tunable, sysctls).to_string())
        })
    });
    let mut all: Vec<(String, String)> = shown.chain(of_interfaces).collect();
    all.sort_unstable();
    all.iter().fold(String::new(), |mut text, (name, shown)| {
        _ = writeln!(text, "{name} = {shown}");
        text
    })
}

/// The name and the values of `NAME=VALUE`; several values have spaces between them.
///
/// # Errors
/// What is wrong with it.
pub fn parse(setting: &str) -> Result<(String, Vec<u32>), String> {
    let (name, values) = setting.split_once('=').ok_or_else(|| format!("'{setting}' must be NAME=VALUE"))?;
    let name = name.trim().replace('/', ".");
    let form = ValueForm::of(&name);
    let values = form.read(values).ok_or_else(|| format!("'{setting}' must name {}", form.expected()))?;
    Ok((name, values))
}

#[cfg(test)]
mod tests {
    use towpath_engine::device::Device;

    use super::*;

    #[test]
    fn all_tunables_are_listed_by_name_with_all_their_values() {
        let mut devices = Devices::default();
        let mut lan = Device { name: "lan".to_owned(), ..Device::default() };
        lan.tunables.set(InterfaceSysctl::RpFilter, &[2]).unwrap();
        devices.add(lan);
        let text = list(&Sysctls::default(), &devices);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), Sysctls::NAMES.len() + Sysctls::LISTS.len() + 2 + InterfaceSysctl::all().count());
        assert!(lines.contains(&"net.ipv4.conf.lan.rp_filter = 2"));
        assert!(lines.contains(&"net.ipv4.tcp_fastopen_key = 00000000-00000000-00000000-00000000"));
        assert!(lines.contains(&"net.ipv4.tcp_congestion_control = cubic"));
        assert!(lines.contains(&"net.ipv4.tcp_allowed_congestion_control = reno bbr cubic"));
        assert!(lines.contains(&"net.ipv4.tcp_available_congestion_control = reno bbr cubic"));
        assert!(lines.is_sorted());
        assert!(lines.contains(&"net.ipv4.tcp_mem = 49152\t65536\t98304"));
        assert!(lines.contains(&"net.ipv4.ip_default_ttl = 64"));
    }

    #[test]
    fn a_setting_is_a_name_and_its_values() {
        assert_eq!(parse("net.ipv4.tcp_sack=0"), Ok(("net.ipv4.tcp_sack".to_owned(), vec![0])));
        assert_eq!(parse("net/ipv4/tcp_rmem = 1 2\t3"), Ok(("net.ipv4.tcp_rmem".to_owned(), vec![1, 2, 3])));
        let key = parse("net.ipv4.tcp_fastopen_key=1-2-3-ffffffff");
        assert_eq!(key, Ok(("net.ipv4.tcp_fastopen_key".to_owned(), vec![1, 2, 3, u32::MAX])));
        let names = parse("net.ipv4.tcp_allowed_congestion_control=reno cubic");
        assert_eq!(names, Ok(("net.ipv4.tcp_allowed_congestion_control".to_owned(), vec![3])));
        for wrong in [
            "net.ipv4.tcp_congestion_control=vegas",
            "net.ipv4.tcp_fastopen_key=1-2-3",
            "net.ipv4.tcp_sack",
            "net.ipv4.tcp_sack=",
            "net.ipv4.tcp_sack=-1",
            "net.ipv4.tcp_sack=x",
        ] {
            assert!(parse(wrong).unwrap_err().contains(wrong), "{wrong}");
        }
    }
}

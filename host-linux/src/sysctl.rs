//! Tunables as sysctl(8) prints and takes them.

use std::fmt::Write as _;

use towpath_engine::{
    device::Devices,
    sysctl::{InterfaceSysctl, Sysctls},
    tcp::fastopen::key,
};

/// All tunables, those of single interfaces among them, a line each, by name.
#[must_use]
pub fn list(sysctls: &Sysctls, devices: &Devices) -> String {
    let key = std::iter::once(&Sysctls::FAST_OPEN_KEY);
    let names = Sysctls::NAMES.iter().chain(Sysctls::LISTS).chain(key);
    let shown = names.map(|&name| {
        let values = sysctls.find_list(name).unwrap_or_default();
        let shown = match name {
            Sysctls::FAST_OPEN_KEY => key::text_of(values),
            _ => values.iter().map(u32::to_string).collect::<Vec<_>>().join("\t"),
        };
        (name.to_owned(), shown)
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
    if name == Sysctls::FAST_OPEN_KEY {
        let numbers = key::numbers_of(values);
        let numbers =
            numbers.ok_or_else(|| format!("'{setting}' must name a key such as {}, or two", key::text_of(&[])));
        return Ok((name, numbers?));
    }
    let number =
        |word: &str| word.parse::<u32>().map_err(|_| format!("'{word}' in '{setting}' is no number from 0 on"));
    let values: Vec<u32> = values.split_whitespace().map(number).collect::<Result<_, _>>()?;
    if values.is_empty() {
        return Err(format!("'{setting}' has no value"));
    }
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
        assert_eq!(lines.len(), Sysctls::NAMES.len() + Sysctls::LISTS.len() + 1 + InterfaceSysctl::all().count());
        assert!(lines.contains(&"net.ipv4.conf.lan.rp_filter = 2"));
        assert!(lines.contains(&"net.ipv4.tcp_fastopen_key = 00000000-00000000-00000000-00000000"));
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
        for wrong in [
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

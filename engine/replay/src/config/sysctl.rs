//! Tunables: `[sysctl]` of a gateway, of a case, and of a lab's host.

use towpath_engine::sysctl::{SysctlError, Sysctls, ValueForm, of_interface};

use super::{
    Config, Mistake,
    reader::{Fault, Value},
};

/// Reads a table of tunables.
pub(crate) fn sysctls_of(table: Value<'_>, into: &mut Vec<(String, u32)>) -> Result<(), Fault> {
    table.leaves("", &mut |name, value| sysctl(name, value, into))
}

/// Whether tunables of an interface are of one that is there.
pub(super) fn need_interfaces_of(table: Value<'_>, config: &Config) -> Result<(), Fault> {
    let is_there = |name: &str| config.devices().any(|(known, _)| known == name);
    table.leaves("", &mut |name, value| match of_interface(&name) {
        Some((interface, _)) if !is_there(interface) => Err(value.fault(Mistake::NoInterface(interface.to_owned()))),
        Some(_) | None => Ok(()),
    })
}

fn sysctl(name: String, value: Value<'_>, into: &mut Vec<(String, u32)>) -> Result<(), Fault> {
    let number = match ValueForm::of(&name) {
        ValueForm::Numbers | ValueForm::Keys => value.integer().and_then(|number| u32::try_from(number).ok()),
        form @ (ValueForm::Algorithm | ValueForm::Algorithms) => Some(word_of(&name, form, value)?),
    };
    let mut known = Sysctls::default();
    let set = match of_interface(&name) {
        // Whether there is such an interface shows when it is set.
        Some((_, tunable)) => known.set(tunable.name_of_all(), number.unwrap_or(u32::MAX)),
        None => known.set(&name, number.unwrap_or(u32::MAX)),
    };
    let (min, max) = match set {
        Err(SysctlError::Unknown) => return Err(value.fault(Mistake::NoSysctl(name))),
        Err(SysctlError::ReadOnly) => return Err(value.fault(Mistake::ReadOnlySysctl(name))),
        Err(SysctlError::OutOfRange { min, max }) => (min, max),
        Ok(()) => (0, u32::MAX),
    };
    match number.filter(|number| (min..=max).contains(number)) {
        Some(number) => into.push((name, number)),
        None => {
            let found = value.shown();
            return Err(value.fault(Mistake::Range { key: name, min: min.into(), max: max.into(), found }));
        }
    }
    Ok(())
}

/// The value of a tunable that is a word to people, or several.
pub(crate) fn word_of(name: &str, form: ValueForm, value: Value<'_>) -> Result<u32, Fault> {
    let values = value.text().ok().and_then(|text| form.read(text));
    values.and_then(|values| values.first().copied()).ok_or_else(|| {
        value.fault(Mistake::SysctlForm { name: name.to_owned(), expected: form.expected(), found: value.shown() })
    })
}

#[cfg(test)]
mod tests {
    use super::super::Config;

    fn mistake(setting: &str) -> String {
        Config::read("gateway.toml", &format!("[sysctl]\n{setting}")).expect_err(setting).mistake.to_string()
    }

    #[test]
    fn congestion_controls_are_named() {
        let text = "[[interface]]\nname = 'lan'\n[sysctl]\nnet.ipv4.tcp_congestion_control = 'bbr'\n\
                    net.ipv4.tcp_allowed_congestion_control = 'bbr reno'";
        let config = Config::read("gateway.toml", text).expect("it is right");
        let expected = [("tcp_allowed_congestion_control", 6), ("tcp_congestion_control", 2)];
        assert_eq!(config.sysctls, expected.map(|(name, value)| (format!("net.ipv4.{name}"), value)));
        for wrong in ["'vegas'", "1", "''"] {
            let shown = wrong.replace('\'', "\"");
            assert_eq!(
                mistake(&format!("net.ipv4.tcp_congestion_control = {wrong}")),
                format!("'net.ipv4.tcp_congestion_control' must be one of reno, bbr and cubic, not {shown}")
            );
        }
        assert_eq!(
            mistake("net.ipv4.tcp_available_congestion_control = 'bbr'"),
            "sysctl 'net.ipv4.tcp_available_congestion_control' can only be read"
        );
    }
}

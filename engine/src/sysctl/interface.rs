//! Tunables that each interface has of its own, `net.ipv4.conf.NAME.…`, beside those of all and those to start with.

use serde::{Deserialize, Serialize};

use super::{SysctlError, Sysctls};

/// A tunable that each interface has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InterfaceSysctl {
    /// Whether packets to everybody on a link are forwarded that have come in by it.
    BcForwarding,
    /// Whether an answer to a packet has to leave by it (RFC 3704): 0 no, 1 yes, 2 by it or another.
    RpFilter,
    /// Whether packets with this host's own addresses may come in by it.
    AcceptLocal,
    /// Whether 127.0.0.0/8 is an address like others to it.
    RouteLocalnet,
}

/// How what is said of all interfaces and of one go together.
#[derive(Clone, Copy, Debug)]
enum Together {
    Greatest,
    Any,
    Both,
}

/// A row of the table of them.
#[derive(Debug)]
struct Row {
    tunable: InterfaceSysctl,
    last_name: &'static str,
    name_of_all: &'static str,
    together: Together,
    of_all: fn(&Sysctls) -> u32,
    default: fn(&Sysctls) -> u32,
}

/// Linux v6.18: `include/linux/inetdevice.h`, `IN_DEV_BFORWARD()`, `IN_DEV_RPFILTER()`, `IN_DEV_ACCEPT_LOCAL()`,
/// `IN_DEV_NET_ROUTE_LOCALNET()`.
static ALL: [Row; 4] = [
    Row {
        tunable: InterfaceSysctl::BcForwarding,
        last_name: "bc_forwarding",
        name_of_all: "net.ipv4.conf.all.bc_forwarding",
        together: Together::Both,
        of_all: |all| all.bc_forwarding,
        default: |all| all.bc_forwarding_default,
    },
    Row {
        tunable: InterfaceSysctl::RpFilter,
        last_name: "rp_filter",
        name_of_all: "net.ipv4.conf.all.rp_filter",
        together: Together::Greatest,
        of_all: |all| all.rp_filter,
        default: |all| all.rp_filter_default,
    },
    Row {
        tunable: InterfaceSysctl::AcceptLocal,
        last_name: "accept_local",
        name_of_all: "net.ipv4.conf.all.accept_local",
        together: Together::Any,
        of_all: |all| all.accept_local,
        default: |all| all.accept_local_default,
    },
    Row {
        tunable: InterfaceSysctl::RouteLocalnet,
        last_name: "route_localnet",
        name_of_all: "net.ipv4.conf.all.route_localnet",
        together: Together::Any,
        of_all: |all| all.route_localnet,
        default: |all| all.route_localnet_default,
    },
];

impl InterfaceSysctl {
    /// What it is called for all interfaces.
    #[must_use]
    pub fn name_of_all(self) -> &'static str {
        self.row().name_of_all
    }

    /// The last part of its name.
    #[must_use]
    pub fn last_name(self) -> &'static str {
        self.row().last_name
    }

    #[inline(always)]
    fn row(self) -> &'static Row {
        &ALL[self as usize]
    }

    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        ALL.iter().map(|row| row.tunable)
    }
}

/// What an interface has been told of its tunables. What it has not been told is what all start with by now, as in Linux (v6.18:
/// `net/ipv4/devinet.c`, `devinet_copy_dflt_conf()`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfInterface([Option<u32>; ALL.len()]);

impl OfInterface {
    /// The interface's own value.
    #[must_use]
    #[inline(always)]
    pub fn own(&self, tunable: InterfaceSysctl, sysctls: &Sysctls) -> u32 {
        self.0[tunable as usize].unwrap_or_else(|| (tunable.row().default)(sysctls))
    }

    /// What holds for the interface: its own value and that of all, together.
    #[must_use]
    #[inline(always)]
    pub fn value(&self, tunable: InterfaceSysctl, sysctls: &Sysctls) -> u32 {
        let row = tunable.row();
        let (own, of_all) = (self.own(tunable, sysctls), (row.of_all)(sysctls));
        match row.together {
            Together::Greatest => own.max(of_all),
            Together::Any => u32::from(own != 0 || of_all != 0),
            Together::Both => u32::from(own != 0 && of_all != 0),
        }
    }

    /// Whether that is not 0.
    #[must_use]
    #[inline(always)]
    pub fn holds(&self, tunable: InterfaceSysctl, sysctls: &Sysctls) -> bool {
        self.value(tunable, sysctls) != 0
    }

    /// Tells the interface.
    ///
    /// # Errors
    /// When it is not one value in the range of the tunable.
    pub fn set(&mut self, tunable: InterfaceSysctl, values: &[u32]) -> Result<(), SysctlError> {
        Sysctls::default().set_list(tunable.name_of_all(), values)?;
        self.0[tunable as usize] = values.first().copied();
        Ok(())
    }
}

/// The interface that a name such as `net.ipv4.conf.lan.rp_filter` is about, and the tunable. `None` for all other names, also for
/// those of all interfaces and of what they start with.
#[must_use]
pub fn of_interface(name: &str) -> Option<(&str, InterfaceSysctl)> {
    let rest = name.strip_prefix("net.ipv4.conf.").or_else(|| name.strip_prefix("net/ipv4/conf/"))?;
    // An interface's name may hold dots, and slashes stand for them only where all do.
    let (interface, last) = rest.rsplit_once(if name.starts_with("net.") { '.' } else { '/' })?;
    let row = ALL.iter().find(|row| row.last_name == last)?;
    (!["all", "default"].contains(&interface)).then_some((interface, row.tunable))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_has_tunables_of_its_own() {
        let found = |name| of_interface(name);
        assert_eq!(found("net.ipv4.conf.lan.5.bc_forwarding"), Some(("lan.5", InterfaceSysctl::BcForwarding)));
        assert_eq!(found("net/ipv4/conf/lan.5/rp_filter"), Some(("lan.5", InterfaceSysctl::RpFilter)));
        assert_eq!(found("net.ipv4.conf.all.bc_forwarding"), None);
        assert_eq!(found("net.ipv4.conf.default.rp_filter"), None);
        assert_eq!(found("net.ipv4.conf.lan.proxy_arp"), None);
        let sysctls = Sysctls::default();
        for tunable in InterfaceSysctl::all() {
            assert!(
                sysctls.find(tunable.name_of_all()).is_some() && tunable.name_of_all().ends_with(tunable.last_name())
            );
        }
    }

    #[test]
    fn what_an_interface_has_not_been_told_is_what_all_start_with() {
        let (mut sysctls, mut told) = (Sysctls::default(), OfInterface::default());
        let untold = OfInterface::default();
        told.set(InterfaceSysctl::RpFilter, &[0]).unwrap();
        sysctls.set("net.ipv4.conf.default.rp_filter", 1).unwrap();
        let strict = |of: &OfInterface, sysctls: &Sysctls| of.value(InterfaceSysctl::RpFilter, sysctls);
        assert_eq!((strict(&told, &sysctls), strict(&untold, &sysctls)), (0, 1));
        sysctls.set("net.ipv4.conf.all.rp_filter", 2).unwrap();
        assert_eq!((strict(&told, &sysctls), strict(&untold, &sysctls)), (2, 2));
    }

    #[test]
    fn one_and_all_go_together_as_each_tunable_wants() {
        let (mut sysctls, mut own) = (Sysctls::default(), OfInterface::default());
        own.set(InterfaceSysctl::BcForwarding, &[1]).unwrap();
        own.set(InterfaceSysctl::AcceptLocal, &[5]).unwrap();
        assert!(
            !own.holds(InterfaceSysctl::BcForwarding, &sysctls) && own.holds(InterfaceSysctl::AcceptLocal, &sysctls)
        );
        sysctls.set("net.ipv4.conf.all.bc_forwarding", 1).unwrap();
        sysctls.set("net.ipv4.conf.all.route_localnet", 1).unwrap();
        assert!(
            own.holds(InterfaceSysctl::BcForwarding, &sysctls) && own.holds(InterfaceSysctl::RouteLocalnet, &sysctls)
        );
        assert!(own.set(InterfaceSysctl::RpFilter, &[1, 2]).is_err());
    }
}

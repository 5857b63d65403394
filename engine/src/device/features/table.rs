//! All features that Linux has names for: what each is here, how ethtool(8) puts them together, and what each needs.
//!
//! A row's place is its bit, in the order of Linux, which is that of what ethtool(8) prints.
//!
//! Linux v6.18: `include/linux/netdev_features.h`; `net/ethtool/common.c`, `netdev_features_strings`; `net/core/dev.c`,
//! `netdev_fix_features()`. Those of merging by looser rules (`rx-lro`) are what drivers add to that, as
//! `drivers/net/ethernet/intel/ixgbe/ixgbe_main.c`, `ixgbe_fix_features()`.

/// A feature by itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    /// Its name in the kernel.
    pub(super) name: &'static str,
    /// The short name of the [`Group`] that it is switched with; empty: of none.
    pub(super) group: &'static str,
    pub(super) kind: Able,
    /// What it is not on without: of each list one.
    pub(super) needs: &'static [&'static [&'static str]],
    /// What it is not on beside; empty: nothing.
    pub(super) beside: &'static str,
}

/// Who can have a feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Able {
    /// Nobody: nothing here does that.
    Nobody,
    /// Nobody may even ask for it: it is the driver's own affair (Linux: `NETIF_F_NEVER_CHANGE`).
    Driver,
    /// Each port has it, and cannot be without.
    Always,
    /// A port, once it is switched on.
    Port,
    /// A port, until it is switched off.
    PortAtFirst,
    /// What lies over ports as well, once it is switched on.
    Any,
    /// What lies over ports as well, until it is switched off.
    AnyAtFirst,
}

/// What ethtool(8) puts together under names from before the kernel had any.
#[derive(Clone, Copy, Debug)]
pub(super) struct Group {
    /// What `-k` prints.
    pub(super) name: &'static str,
    /// What `-K` takes.
    pub(super) short: &'static str,
}

/// In the order of `ethtool -k`. The kernel has no feature of `ufo` any more, which the tool still knows.
#[rustfmt::skip]
pub(super) const GROUPS: [Group; 12] = [
    Group { name: "rx-checksumming",              short: "rx" },
    Group { name: "tx-checksumming",              short: "tx" },
    Group { name: "scatter-gather",               short: "sg" },
    Group { name: "tcp-segmentation-offload",     short: "tso" },
    Group { name: "udp-fragmentation-offload",    short: "ufo" },
    Group { name: "generic-segmentation-offload", short: "gso" },
    Group { name: "generic-receive-offload",      short: "gro" },
    Group { name: "large-receive-offload",        short: "lro" },
    Group { name: "rx-vlan-offload",              short: "rxvlan" },
    Group { name: "tx-vlan-offload",              short: "txvlan" },
    Group { name: "ntuple-filters",               short: "ntuple" },
    Group { name: "receive-hashing",              short: "rxhash" },
];

const SG: &[&str] = &["tx-scatter-gather"];
const CSUM: &[&str] = &["tx-checksum-ip-generic"];
const RXCSUM: &[&str] = &["rx-checksum"];
const TSO4: &[&str] = &["tx-tcp-segmentation"];
const TSO: &[&str] = &["tx-tcp-segmentation", "tx-tcp6-segmentation"];

#[rustfmt::skip]
pub(super) const ROWS: [Row; 60] = [
    //   name                              group     who can have it     needs           not beside
    row("tx-scatter-gather",               "sg",     Able::AnyAtFirst,   &[],            ""),
    row("tx-checksum-ipv4",                "tx",     Able::Nobody,       &[],            ""),
    row("tx-checksum-ip-generic",          "tx",     Able::AnyAtFirst,   &[],            ""),
    row("tx-checksum-ipv6",                "tx",     Able::Nobody,       &[],            ""),
    row("highdma",                         "",       Able::Nobody,       &[],            ""),
    row("tx-scatter-gather-fraglist",      "sg",     Able::Nobody,       &[SG],          ""),
    row("tx-vlan-hw-insert",               "txvlan", Able::PortAtFirst,  &[],            ""),
    row("rx-vlan-hw-parse",                "rxvlan", Able::Always,       &[],            ""),
    row("rx-vlan-filter",                  "",       Able::Nobody,       &[],            ""),
    row("vlan-challenged",                 "",       Able::Driver,       &[],            ""),
    row("tx-generic-segmentation",         "gso",    Able::AnyAtFirst,   &[SG],          ""),
    row("rx-gro",                          "gro",    Able::Port,         &[],            ""),
    row("rx-lro",                          "lro",    Able::Port,         &[RXCSUM],      "rx-gro-hw"),
    row("tx-tcp-segmentation",             "tso",    Able::AnyAtFirst,   &[SG, CSUM],    ""),
    row("tx-gso-robust",                   "",       Able::Nobody,       &[],            ""),
    row("tx-tcp-ecn-segmentation",         "tso",    Able::AnyAtFirst,   &[SG, TSO],     ""),
    row("tx-tcp-mangleid-segmentation",    "tso",    Able::Any,          &[SG, TSO4],    ""),
    row("tx-tcp6-segmentation",            "tso",    Able::AnyAtFirst,   &[SG, CSUM],    ""),
    row("tx-fcoe-segmentation",            "",       Able::Nobody,       &[],            ""),
    row("tx-gre-segmentation",             "",       Able::Nobody,       &[],            ""),
    row("tx-gre-csum-segmentation",        "",       Able::Nobody,       &[],            ""),
    row("tx-ipxip4-segmentation",          "",       Able::Nobody,       &[],            ""),
    row("tx-ipxip6-segmentation",          "",       Able::Nobody,       &[],            ""),
    row("tx-udp_tnl-segmentation",         "",       Able::Nobody,       &[],            ""),
    row("tx-udp_tnl-csum-segmentation",    "",       Able::Nobody,       &[],            ""),
    row("tx-gso-partial",                  "",       Able::Nobody,       &[],            ""),
    row("tx-tunnel-remcsum-segmentation",  "",       Able::Nobody,       &[],            ""),
    row("tx-sctp-segmentation",            "",       Able::Nobody,       &[],            ""),
    row("tx-esp-segmentation",             "",       Able::Nobody,       &[],            ""),
    row("tx-udp-segmentation",             "",       Able::AnyAtFirst,   &[CSUM],        ""),
    row("tx-gso-list",                     "",       Able::Nobody,       &[],            ""),
    row("tx-tcp-accecn-segmentation",      "tso",    Able::Nobody,       &[],            ""),
    row("tx-checksum-fcoe-crc",            "tx",     Able::Nobody,       &[],            ""),
    row("tx-checksum-sctp",                "tx",     Able::Nobody,       &[],            ""),
    row("rx-ntuple-filter",                "ntuple", Able::Nobody,       &[],            ""),
    row("rx-hashing",                      "rxhash", Able::PortAtFirst,  &[],            ""),
    row("rx-checksum",                     "rx",     Able::PortAtFirst,  &[],            ""),
    row("tx-nocache-copy",                 "",       Able::Nobody,       &[],            ""),
    row("loopback",                        "",       Able::Nobody,       &[],            ""),
    row("rx-fcs",                          "",       Able::Nobody,       &[],            ""),
    row("rx-all",                          "",       Able::Nobody,       &[],            ""),
    row("tx-vlan-stag-hw-insert",          "",       Able::PortAtFirst,  &[],            ""),
    row("rx-vlan-stag-hw-parse",           "",       Able::Always,       &[],            ""),
    row("rx-vlan-stag-filter",             "",       Able::Nobody,       &[],            ""),
    row("l2-fwd-offload",                  "",       Able::Nobody,       &[],            ""),
    row("hw-tc-offload",                   "",       Able::Nobody,       &[],            ""),
    row("esp-hw-offload",                  "",       Able::Nobody,       &[],            ""),
    row("esp-tx-csum-hw-offload",          "",       Able::Nobody,       &[],            ""),
    row("rx-udp_tunnel-port-offload",      "",       Able::Nobody,       &[],            ""),
    row("tls-hw-tx-offload",               "",       Able::Nobody,       &[],            ""),
    row("tls-hw-rx-offload",               "",       Able::Nobody,       &[],            ""),
    row("rx-gro-hw",                       "",       Able::Port,         &[RXCSUM],      ""),
    row("tls-hw-record",                   "",       Able::Nobody,       &[],            ""),
    row("rx-gro-list",                     "",       Able::Port,         &[],            ""),
    row("macsec-hw-offload",               "",       Able::Nobody,       &[],            ""),
    row("rx-udp-gro-forwarding",           "",       Able::Port,         &[],            ""),
    row("hsr-tag-ins-offload",             "",       Able::Nobody,       &[],            ""),
    row("hsr-tag-rm-offload",              "",       Able::Nobody,       &[],            ""),
    row("hsr-fwd-offload",                 "",       Able::Nobody,       &[],            ""),
    row("hsr-dup-offload",                 "",       Able::Nobody,       &[],            ""),
];

const fn row(
    name: &'static str,
    group: &'static str,
    kind: Able,
    needs: &'static [&'static [&'static str]],
    beside: &'static str,
) -> Row {
    Row { name, group, kind, needs, beside }
}

/// The bit of the row of that name; 0: there is none.
pub(super) const fn bit(name: &str) -> u64 {
    let mut place = 0;
    while place < ROWS.len() {
        if is_same(ROWS[place].name, name) {
            return 1 << place;
        }
        place += 1;
    }
    0
}

/// The bits of the rows of a group.
pub(super) const fn group(short: &str) -> u64 {
    let (mut place, mut bits) = (0, 0);
    while place < ROWS.len() {
        if is_same(ROWS[place].group, short) {
            bits |= 1 << place;
        }
        place += 1;
    }
    bits
}

/// The bits of the rows that are one of these.
pub(super) const fn able(kinds: &[Able]) -> u64 {
    let (mut place, mut bits) = (0, 0);
    while place < ROWS.len() {
        let mut kind = 0;
        while kind < kinds.len() {
            if ROWS[place].kind as u8 == kinds[kind] as u8 {
                bits |= 1 << place;
            }
            kind += 1;
        }
        place += 1;
    }
    bits
}

/// What is left on of what is wanted, once what each needs has been looked at.
///
/// Whatever needs what is off goes off, until nothing else does; then what is not on beside others.
pub(super) const fn fixed(wanted: u64) -> u64 {
    let mut left = wanted;
    loop {
        let (before, mut place) = (left, 0);
        while place < ROWS.len() {
            let Needs { each, .. } = NEEDS[place];
            if each[0] & left == 0 || each[1] & left == 0 {
                left &= !(1 << place);
            }
            place += 1;
        }
        if left == before {
            break;
        }
    }
    let mut place = 0;
    while place < ROWS.len() {
        if left & NEEDS[place].beside != 0 {
            left &= !(1 << place);
        }
        place += 1;
    }
    left
}

/// What a row needs, as bits.
#[derive(Clone, Copy)]
struct Needs {
    /// Of each at least one; all bits: nothing.
    each: [u64; 2],
    /// None of these.
    beside: u64,
}

/// Looked up once, when this is compiled.
const NEEDS: [Needs; ROWS.len()] = {
    let mut all = [Needs { each: [u64::MAX; 2], beside: 0 }; ROWS.len()];
    let mut place = 0;
    while place < ROWS.len() {
        all[place].beside = bit(ROWS[place].beside);
        let mut list = 0;
        while list < ROWS[place].needs.len() {
            all[place].each[list] = any_of(ROWS[place].needs[list]);
            list += 1;
        }
        place += 1;
    }
    all
};

const fn any_of(names: &[&str]) -> u64 {
    let (mut bits, mut place) = (0, 0);
    while place < names.len() {
        bits |= bit(names[place]);
        place += 1;
    }
    bits
}

/// `==` of texts, where that is not `const`.
const fn is_same(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    if one.len() != other.len() {
        return false;
    }
    let mut at = 0;
    while at < one.len() {
        if one[at] != other[at] {
            return false;
        }
        at += 1;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_table_names_is_in_it() {
        for row in &ROWS {
            let needed = row.needs.iter().copied().flatten().copied();
            for name in needed.chain((!row.beside.is_empty()).then_some(row.beside)) {
                assert_ne!(bit(name), 0, "{}: {name}", row.name);
            }
            assert!(row.group.is_empty() || GROUPS.iter().any(|group| group.short == row.group), "{}", row.name);
        }
    }

    #[test]
    fn names_are_told_once() {
        for (place, row) in ROWS.iter().enumerate() {
            assert_eq!(bit(row.name), 1 << place, "{}", row.name);
            let is_group = |group: &Group| [group.name, group.short].contains(&row.name);
            assert!(!GROUPS.iter().any(is_group), "{}", row.name);
        }
    }
}

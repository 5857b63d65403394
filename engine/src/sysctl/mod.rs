//! Every tunable under its `/proc/sys` name.
//!
//! Those of `net.ipv4.tcp_*` that Linux 6.18 has and that are left out, and why. What is not here is refused by its name.
//!
//! | `net.ipv4.tcp_…` | why not |
//! |---|---|
//! | `autocorking`, `limit_output_bytes` | they go by what of a connection waits in the host's queues still, and a packet that has left the engine is not followed there |
//! | `available_ulp` | there are no protocols on top of sockets (`TCP_ULP`) |
//! | `backlog_ack_defer` | no segment waits for a user who is in a call: calls end before the next segment comes |
//! | `child_ehash_entries`, `ehash_entries` | the table of connections has the size that it needs, and there are no namespaces |
//! | `early_demux` | it says how fast a socket is found, not which one |
//! | `ecn_option`, `ecn_option_beacon` | options of accurate ECN, which is not here: `tcp_ecn` ends at 2 |
//! | `l3mdev_accept` | there are no VRF devices |
//! | `migrate_req` | not here yet: requests and connections of a listener that is closed end with it, as by Linux's default |
//! | `plb_*` | only DCTCP asks for other paths (`plb_enabled`), and is not here |

mod form;
mod interface;

pub use form::ValueForm;
pub use interface::{InterfaceSysctl, OfInterface, of_interface};
pub use table::Sysctls;

use crate::tcp::congestion;

macro_rules! sysctls {
    (
        $($(#[doc = $doc:literal])+ $field:ident: $name:literal = $default:literal, $min:literal ..= $max:literal;)+
        lists:
        $($(#[doc = $list_doc:literal])+ $list:ident: $list_name:literal, $count:literal = $list_default:expr, $least:literal ..= $most:literal;)+
    ) => {
        /// The tunables, with mainline Linux's defaults.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        pub struct Sysctls {
            $($(#[doc = $doc])+ pub $field: u32,)+
            $($(#[doc = $list_doc])+ pub $list: [u32; $count],)+
            /// The keys of Fast Open's cookies, of 4 numbers each: of new ones, and of those that are taken too. With none, the engine
            /// has one of its own.
            pub tcp_fastopen_key: Vec<u32>,
        }

        impl Default for Sysctls {
            fn default() -> Self {
                Self { $($field: $default,)+ $($list: $list_default,)+ tcp_fastopen_key: Vec::new() }
            }
        }

        impl Sysctls {
            /// All names of one value, in the order of the documentation.
            pub const NAMES: &[&str] = &[$($name,)+];

            /// All names of several values, in the order of the documentation.
            pub const LISTS: &[&str] = &[$($list_name,)+];

            /// The name of the keys of Fast Open, which are no list of numbers to people
            /// ([`key::text_of`](crate::tcp::fastopen::key::text_of)).
            pub const FAST_OPEN_KEY: &str = "net.ipv4.tcp_fastopen_key";

            /// The name of the congestion control of new sockets, which is a name to people
            /// ([`ValueForm`](crate::sysctl::ValueForm)).
            pub const CONGESTION_CONTROL: &str = "net.ipv4.tcp_congestion_control";

            /// The name of those that sockets may choose.
            pub const ALLOWED_CONGESTION_CONTROL: &str = "net.ipv4.tcp_allowed_congestion_control";

            /// The name of those that there are, which nobody sets.
            pub const AVAILABLE_CONGESTION_CONTROL: &str = "net.ipv4.tcp_available_congestion_control";

            /// The value of a name such as `net.netfilter.nf_conntrack_tcp_loose`; slashes may stand for dots.
            #[must_use]
            pub fn find(&self, name: &str) -> Option<u32> {
                $(if same_name(name, $name) { return Some(self.$field); })+
                None
            }

            /// Sets a value by name.
            ///
            /// # Errors
            /// When there is no such name, it cannot be set, or the value lies outside its range.
            pub fn set(&mut self, name: &str, value: u32) -> Result<(), SysctlError> {
                $(if same_name(name, $name) {
                    return match value {
                        $min..=$max => { self.$field = value; self.allow_default(name); Ok(()) }
                        #[allow(unreachable_patterns, reason = "some ranges hold every number")]
                        _ => Err(SysctlError::OutOfRange { min: $min, max: $max }),
                    };
                })+
                if same_name(name, Self::AVAILABLE_CONGESTION_CONTROL) { return Err(SysctlError::ReadOnly); }
                Err(SysctlError::Unknown)
            }

            /// The values of a name such as `net.ipv4.tcp_rmem`; those of a name of one value are one.
            #[must_use]
            pub fn find_list(&self, name: &str) -> Option<&[u32]> {
                $(if same_name(name, $name) { return Some(core::slice::from_ref(&self.$field)); })+
                $(if same_name(name, $list_name) { return Some(&self.$list); })+
                if same_name(name, Self::FAST_OPEN_KEY) { return Some(&self.tcp_fastopen_key); }
                if same_name(name, Self::AVAILABLE_CONGESTION_CONTROL) { return Some(&[ALL_ALGORITHMS]); }
                None
            }

            /// Sets the first values of a name; others stay, as those stay in Linux that a write does not mention.
            ///
            /// # Errors
            /// When there is no such name, it cannot be set, there are none or more values than it has, or one lies outside its range.
            pub fn set_list(&mut self, name: &str, values: &[u32]) -> Result<(), SysctlError> {
                $(if same_name(name, $list_name) {
                    let (min, max) = ($least, $most);
                    let is_right = (1..=self.$list.len()).contains(&values.len());
                    if !is_right || values.iter().any(|value| !(min..=max).contains(value)) {
                        return Err(SysctlError::OutOfRange { min, max });
                    }
                    self.$list[..values.len()].copy_from_slice(values);
                    return Ok(());
                })+
                if same_name(name, Self::FAST_OPEN_KEY) {
                    if ![KEY_NUMBERS, 2 * KEY_NUMBERS].contains(&values.len()) {
                        return Err(SysctlError::OutOfRange { min: 0, max: u32::MAX });
                    }
                    self.tcp_fastopen_key = values.to_vec();
                    return Ok(());
                }
                match values {
                    &[value] => self.set(name, value),
                    _ => Err(SysctlError::Unknown),
                }
            }
        }
    };
}

mod table;

impl Sysctls {
    /// What new sockets have may be chosen, too (Linux v6.18: `net/ipv4/tcp_cong.c`, `tcp_set_default_congestion_control()`).
    fn allow_default(&mut self, set: &str) {
        if same_name(set, Self::CONGESTION_CONTROL) {
            self.tcp_allowed_congestion_control |= 1 << self.tcp_congestion_control;
        }
    }

    /// The congestion control of new sockets.
    #[must_use]
    pub const fn congestion_control(&self) -> &'static str {
        congestion::NAMES[self.tcp_congestion_control as usize % congestion::NAMES.len()]
    }

    /// Whether sockets may choose a congestion control, by its number in [`congestion::NAMES`].
    #[must_use]
    pub const fn allows_congestion_control(&self, number: usize) -> bool {
        number < congestion::NAMES.len() && self.tcp_allowed_congestion_control & (1 << number) != 0
    }

    /// Whether it has to be known who stands behind which endpoint outside.
    #[must_use]
    pub const fn keeps_mappings(&self) -> bool {
        self.nat_mapping != 0 || self.nat_filtering != 0
    }
}

/// Why a tunable could not be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SysctlError {
    /// There is no tunable of that name.
    Unknown,
    /// It says what there is, and nobody sets it.
    ReadOnly,
    /// The value lies outside of its range.
    OutOfRange {
        /// Least value taken.
        min: u32,
        /// Greatest value taken.
        max: u32,
    },
}

/// The bits of all congestion controls.
const ALL_ALGORITHMS: u32 = (1 << congestion::NAMES.len()) - 1;

pub(crate) fn same_name(asked: &str, name: &str) -> bool {
    asked.len() == name.len() && asked.bytes().zip(name.bytes()).all(|(a, b)| a == b || (a == b'/' && b == b'.'))
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn every_name_can_be_read_and_set_to_its_own_value() {
        let mut sysctls = Sysctls::default();
        for name in Sysctls::NAMES {
            let value = sysctls.find(name).expect(name);
            assert_eq!(sysctls.set(name, value), Ok(()), "{name}");
        }
        for name in Sysctls::LISTS {
            let values = Vec::from(sysctls.find_list(name).expect(name));
            assert_eq!(sysctls.set_list(name, &values), Ok(()), "{name}");
        }
        assert_eq!(sysctls, Sysctls::default());
    }

    #[test]
    fn of_several_values_the_first_can_be_set_alone() {
        let mut sysctls = Sysctls::default();
        assert_eq!(sysctls.set_list("net.ipv4.tcp_rmem", &[8192, 20_000]), Ok(()));
        assert_eq!(sysctls.find_list("net/ipv4/tcp_rmem"), Some(&[8192, 20_000, 33_554_432][..]));
        assert!(sysctls.set_list("net.ipv4.tcp_rmem", &[]).is_err());
        assert!(sysctls.set_list("net.ipv4.tcp_rmem", &[1; 4]).is_err());
        assert!(sysctls.set_list("net.ipv4.ip_local_port_range", &[0, 1]).is_err());
        assert_eq!(sysctls.set_list("net.ipv4.ip_default_ttl", &[9]), Ok(()));
        assert_eq!(sysctls.find_list("net.ipv4.ip_default_ttl"), Some(&[9][..]));
    }

    #[test]
    fn what_new_sockets_have_may_be_chosen_until_it_is_forbidden() {
        let mut sysctls = Sysctls::default();
        assert_eq!(sysctls.congestion_control(), "cubic");
        assert_eq!(sysctls.set(Sysctls::ALLOWED_CONGESTION_CONTROL, 1), Ok(()));
        assert!(sysctls.allows_congestion_control(0) && !sysctls.allows_congestion_control(2));
        assert_eq!(sysctls.set(Sysctls::CONGESTION_CONTROL, 2), Ok(()));
        assert_eq!((sysctls.congestion_control(), sysctls.allows_congestion_control(2)), ("bbr", true));
        assert_eq!(sysctls.set(Sysctls::ALLOWED_CONGESTION_CONTROL, 2), Ok(()));
        assert_eq!((sysctls.congestion_control(), sysctls.allows_congestion_control(2)), ("bbr", false));
        assert_eq!(sysctls.find_list(Sysctls::AVAILABLE_CONGESTION_CONTROL), Some(&[7][..]));
        assert_eq!(sysctls.set_list(Sysctls::AVAILABLE_CONGESTION_CONTROL, &[7]), Err(SysctlError::ReadOnly));
        assert_eq!(sysctls.set("net.ipv4.tcp_congestion_control", 3), Err(SysctlError::OutOfRange { min: 0, max: 2 }));
    }

    #[test]
    fn slashes_stand_for_dots_and_ranges_hold() {
        let mut sysctls = Sysctls::default();
        assert_eq!(sysctls.set("net/netfilter/nf_conntrack_tcp_loose", 0), Ok(()));
        assert_eq!(sysctls.find("net.netfilter.nf_conntrack_tcp_loose"), Some(0));
        assert_eq!(sysctls.set("net.ipv4.ip_default_ttl", 0), Err(SysctlError::OutOfRange { min: 1, max: 255 }));
        assert_eq!(sysctls.set("net.ipv4.nonsense", 0), Err(SysctlError::Unknown));
    }
}

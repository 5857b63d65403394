//! What an operator says of a bond, under the names of Linux's options.

use alloc::vec::Vec;
use core::{
    net::{Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::{HashPolicy, Mode, ad::AdSelect};
use crate::{frame::DeviceId, wire::MacAddr};

/// When the primary port takes over again (`primary_reselect`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum PrimaryReselect {
    /// As soon as it is up.
    #[default]
    Always,
    /// When it is up, and faster than the active one or of fuller duplex.
    Better,
    /// When the active one fails.
    Failure,
}

impl PrimaryReselect {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 3] = [Self::Always, Self::Better, Self::Failure];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::Better => "better",
            Self::Failure => "failure",
        }
    }
}

/// Which Ethernet addresses ports have in active-backup mode (`fail_over_mac`); in the others, all have the bond's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum FailOverMac {
    /// All have the bond's.
    #[default]
    None,
    /// Each has its own, and the bond that of the active one; with it go the VLANs over the bond that have the bond's, and neighbours
    /// have to be asked anew.
    Active,
    /// The active one has the bond's, the others their own.
    Follow,
}

impl FailOverMac {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 3] = [Self::None, Self::Active, Self::Follow];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Active => "active",
            Self::Follow => "follow",
        }
    }
}

/// What shows of what comes in that a link carries, where stations are asked (`arp_validate`): for the ports that are in use and for
/// the others apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ArpValidate {
    /// Anything.
    #[default]
    None,
    /// By the active port, what targets say to this host.
    Active,
    /// By the other ones, that they hear the active one ask them.
    Backup,
    /// Both.
    All,
    /// Anything about neighbours.
    Filter,
    /// By the active port what targets say to this host, by the others anything about neighbours.
    FilterActive,
    /// By the active port anything about neighbours, by the other ones that they hear it ask.
    FilterBackup,
}

impl ArpValidate {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 7] =
        [Self::None, Self::Active, Self::Backup, Self::All, Self::Filter, Self::FilterActive, Self::FilterBackup];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Active => "active",
            Self::Backup => "backup",
            Self::All => "all",
            Self::Filter => "filter",
            Self::FilterActive => "filter_active",
            Self::FilterBackup => "filter_backup",
        }
    }

    /// Whether only targets count that a port hears which is in use, or which is not (Linux: `slave_do_arp_validate()`).
    pub(super) const fn is_of(self, is_backup: bool) -> bool {
        match self {
            Self::None | Self::Filter => false,
            Self::All => true,
            Self::Active | Self::FilterActive => !is_backup,
            Self::Backup | Self::FilterBackup => is_backup,
        }
    }

    /// Whether only ARP and IPv6 count (Linux: `slave_do_arp_validate_only()`).
    pub(super) const fn filters(self) -> bool {
        matches!(self, Self::Filter | Self::FilterActive | Self::FilterBackup)
    }
}

/// What an operator says of a bond (Linux: `struct bond_params`); the defaults are Linux's. What means nothing in the mode is refused
/// where Linux refuses it, and has no effect otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Options {
    /// `mode`.
    pub mode: Mode,
    /// `xmit_hash_policy`: by what balance-xor and 802.3ad choose, balance-tlb as well, and balance-alb without `tlb_dynamic_lb`; nothing
    /// in other modes.
    pub xmit_hash_policy: HashPolicy,
    /// `miimon`: milliseconds between two looks at links, at most [`Self::TIME_MS_MAX`]; 0: never. All count as up then: active-backup
    /// stays with its first port, while the other modes pass over ports without a carrier all the same.
    pub miimon_ms: u32,
    /// `updelay`: milliseconds that a link has to be up before it is used; rounded down to whole `miimon`, and so none when it is
    /// shorter than one, of which Linux's log warns.
    pub updelay_ms: u32,
    /// `downdelay`: milliseconds that a link has to be down before it is used no more; rounded down likewise.
    pub downdelay_ms: u32,
    /// `primary`: of active-backup, balance-tlb and balance-alb only, the port that is the active one when it can be.
    pub primary: Option<DeviceId>,
    /// `primary_reselect`: the first time that the primary port can be the active one it is, whatever this says.
    pub primary_reselect: PrimaryReselect,
    /// `fail_over_mac`: nothing in other modes than active-backup.
    pub fail_over_mac: FailOverMac,
    /// `num_grat_arp`, also called `num_unsol_na`: how often neighbours are told when another port becomes the active one;
    /// of active-backup, as is the next.
    pub num_peer_notif: u8,
    /// `peer_notif_delay`: milliseconds from one time to the next; rounded down to whole `miimon`, and each `miimon` when that is none.
    pub peer_notif_delay_ms: u32,
    /// `packets_per_slave`: of balance-rr only, packets by a port before the next one's turn; 0: each by one that is drawn by lot.
    pub packets_per_port: u16,
    /// `min_links`: of 802.3ad, how many ports of the aggregator have to be up for the bond to have a carrier.
    pub min_links: u8,
    /// `lacp_active`: of 802.3ad only, LACPDUs are sent without any having come.
    pub lacp_active: bool,
    /// `lacp_rate` `fast`: of 802.3ad only, the other end is asked for an LACPDU every second, and given up after 3; else 30 and 90.
    pub lacp_fast: bool,
    /// `ad_select`: of 802.3ad, by what the aggregator is chosen.
    pub ad_select: AdSelect,
    /// `actor_port_prio`: of 802.3ad only, the priorities of its ports in their order; [`Self::ACTOR_PORT_PRIO`] for those that it does not
    /// reach.
    pub actor_port_prios: Vec<u16>,
    /// `ad_actor_sys_prio`: of 802.3ad only, the priority of the bond's system, at least 1.
    pub ad_actor_sys_prio: u16,
    /// `ad_actor_system`: of 802.3ad only, the address of the bond's system; the bond's own when `None` or all zeros.
    pub ad_actor_system: Option<MacAddr>,
    /// `ad_user_port_key`: of 802.3ad only, the upper ten bits of keys, at most [`Self::USER_PORT_KEY_MAX`].
    pub ad_user_port_key: u16,
    /// `arp_interval`: milliseconds from one question to the next, at most [`Self::TIME_MS_MAX`]; 0: nobody is asked. Not in 802.3ad mode,
    /// and not together with `miimon`.
    pub arp_interval_ms: u32,
    /// `arp_ip_target`: whom to ask over IPv4, at most [`BOND_TARGETS_MAX`](crate::limits::BOND_TARGETS_MAX).
    pub arp_ip_targets: Vec<Ipv4Addr>,
    /// `ns_ip6_target`: whom to ask over IPv6, as many.
    pub ns_ip6_targets: Vec<Ipv6Addr>,
    /// `arp_validate`: what counts as an answer.
    pub arp_validate: ArpValidate,
    /// `arp_all_targets` `all`: of active-backup that validates, all IPv4 targets have to answer, and not just any of all.
    pub arp_all_targets: bool,
    /// `arp_missed_max`: intervals without an answer after which a link counts as down, at least 1; of active-backup, ports that are not
    /// in use have one more.
    pub arp_missed_max: u8,
    /// `tlb_dynamic_lb`: of balance-tlb and balance-alb only, flows are dealt to ports anew every ten seconds; else a hash says by which
    /// one they leave.
    pub tlb_dynamic_lb: bool,
    /// `lp_interval`: seconds from one learning packet of these modes to the next, 1 to [`Self::LP_INTERVAL_SECS_MAX`].
    pub lp_interval_secs: u32,
    /// `all_slaves_active`: what comes in by ports that are not in use is taken, too.
    pub all_slaves_active: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            mode: Mode::default(),
            xmit_hash_policy: HashPolicy::default(),
            miimon_ms: 0,
            updelay_ms: 0,
            downdelay_ms: 0,
            primary: None,
            primary_reselect: PrimaryReselect::default(),
            fail_over_mac: FailOverMac::default(),
            num_peer_notif: 1,
            peer_notif_delay_ms: 0,
            packets_per_port: 1,
            min_links: 0,
            lacp_active: true,
            lacp_fast: false,
            ad_select: AdSelect::default(),
            actor_port_prios: Vec::new(),
            ad_actor_sys_prio: u16::MAX,
            ad_actor_system: None,
            ad_user_port_key: 0,
            arp_interval_ms: 0,
            arp_ip_targets: Vec::new(),
            ns_ip6_targets: Vec::new(),
            arp_validate: ArpValidate::default(),
            arp_all_targets: false,
            arp_missed_max: 2,
            tlb_dynamic_lb: true,
            lp_interval_secs: 1,
            all_slaves_active: false,
        }
    }
}

impl Options {
    /// The longest of its times: an hour. Linux takes longer ones.
    pub const TIME_MS_MAX: u32 = 3_600_000;

    /// The longest time between learning packets: an hour. Linux takes longer ones.
    pub const LP_INTERVAL_SECS_MAX: u32 = 3600;

    /// The greatest of the operator's keys.
    pub const USER_PORT_KEY_MAX: u16 = 1023;

    /// The priority of a port that has been given none (Linux v6.18: `drivers/net/bonding/bond_3ad.c`, `ad_initialize_port()`).
    pub const ACTOR_PORT_PRIO: u16 = 0xff;

    /// Looks at links where Linux looks if it is not told: every 100 ms in modes that cannot be without ([`Mode::may_probe`]).
    pub const MIIMON_DEFAULT_MS: u32 = 100;

    /// Whether packets are told apart by [`HashPolicy`] (Linux: `bond_mode_uses_xmit_hash()`).
    #[must_use]
    pub const fn uses_xmit_hash(&self) -> bool {
        let is_hashed = self.mode.balances_adaptively() && !self.tlb_dynamic_lb;
        is_hashed || matches!(self.mode, Mode::Xor | Mode::Ieee8023ad)
    }

    /// From one look to the next.
    pub(super) const fn miimon(&self) -> Duration {
        Duration::from_millis(self.miimon_ms as u64)
    }

    /// How many looks a link has to be up before it is used.
    pub(super) fn updelay(&self) -> u32 {
        self.looks(self.updelay_ms)
    }

    /// The same before it is used no more.
    pub(super) fn downdelay(&self) -> u32 {
        self.looks(self.downdelay_ms)
    }

    /// How many looks lie between telling neighbours and telling them again.
    pub(super) fn peer_notif_delay(&self) -> u32 {
        self.looks(self.peer_notif_delay_ms)
    }

    /// For how many looks neighbours are told.
    pub(super) fn peer_notifs(&self) -> u32 {
        u32::from(self.num_peer_notif) * self.peer_notif_delay().max(1)
    }

    fn looks(&self, time_ms: u32) -> u32 {
        time_ms.checked_div(self.miimon_ms).unwrap_or(0)
    }
}

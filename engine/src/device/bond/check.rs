//! What options a bond cannot have.

use core::{fmt, net::IpAddr};

use super::{ArpValidate, Mode, Options};
use crate::{frame::DeviceId, limits::BOND_TARGETS_MAX, wire::MacAddr};

impl Options {
    /// Whether they can be those of a bond with these ports.
    ///
    /// # Errors
    /// The first that cannot.
    pub fn check(&self, ports: &[DeviceId]) -> Result<(), OptionsError> {
        let intervals = [("miimon", self.miimon_ms), ("arp_interval", self.arp_interval_ms)];
        let counted_in_looks = [
            ("updelay", self.updelay_ms),
            ("downdelay", self.downdelay_ms),
            ("peer_notif_delay", self.peer_notif_delay_ms),
        ];
        let mut times = intervals.iter().chain(&counted_in_looks);
        if let Some((name, _)) = times.find(|(_, time)| *time > Self::TIME_MS_MAX) {
            return Err(OptionsError::Time(name));
        }
        if let Some((name, _)) = counted_in_looks.iter().find(|(_, time)| *time > 0 && self.miimon_ms == 0) {
            return Err(OptionsError::NeedsMiimon(name));
        }
        if self.packets_per_port != Self::default().packets_per_port && self.mode != Mode::RoundRobin {
            return Err(OptionsError::NeedsMode("packets_per_slave", &[Mode::RoundRobin]));
        }
        if !self.mode.may_probe() && self.miimon_ms == 0 {
            return Err(OptionsError::ModeNeedsMiimon(self.mode));
        }
        if !self.tlb_dynamic_lb && !self.mode.balances_adaptively() {
            return Err(OptionsError::NeedsMode("tlb_dynamic_lb", &[Mode::Tlb, Mode::Alb]));
        }
        if !(1..=Self::LP_INTERVAL_SECS_MAX).contains(&self.lp_interval_secs) {
            return Err(OptionsError::LpInterval);
        }
        if self.ad_actor_sys_prio == 0
            || self.ad_user_port_key > Self::USER_PORT_KEY_MAX
            || self.ad_actor_system.is_some_and(MacAddr::is_group)
        {
            return Err(OptionsError::AdActor);
        }
        if self.actor_port_prios.len() > ports.len() {
            return Err(OptionsError::TooManyPriorities);
        }
        if let Some(name) = self.said_of_lacp().filter(|_| self.mode != Mode::Ieee8023ad) {
            return Err(OptionsError::NeedsMode(name, &[Mode::Ieee8023ad]));
        }
        self.check_probes()?;
        match self.primary {
            Some(_) if !self.mode.uses_primary() => {
                Err(OptionsError::NeedsMode("primary", &[Mode::ActiveBackup, Mode::Tlb, Mode::Alb]))
            }
            Some(primary) if !ports.contains(&primary) => Err(OptionsError::PrimaryIsNoPort),
            Some(_) | None => Ok(()),
        }
    }

    /// Whether stations can be asked so.
    ///
    /// Linux v6.18: `drivers/net/bonding/bond_options.c`, `bond_opts`; `bond_netlink.c`, `bond_changelink()`; `bond_main.c`,
    /// `bond_check_params()`. Linux itself takes an interval without a target, and no link carries then.
    fn check_probes(&self) -> Result<(), OptionsError> {
        let said = [
            ("arp_interval", self.arp_interval_ms > 0),
            ("arp_validate", self.arp_validate != ArpValidate::None),
            ("arp_missed_max", self.arp_missed_max != Self::default().arp_missed_max),
        ];
        let said_first = said.into_iter().find(|(_, is_said)| *is_said).map(|(name, _)| name);
        match said_first {
            Some(name) if !self.mode.may_probe() => return Err(OptionsError::NotInMode(name, self.mode)),
            Some(name @ ("arp_interval" | "arp_validate")) if self.miimon_ms > 0 => {
                return Err(OptionsError::NotWithMiimon(name));
            }
            Some("arp_validate") => return Err(OptionsError::NeedsArpInterval("arp_validate")),
            Some(_) | None => {}
        }
        let v4 = self.arp_ip_targets.iter().map(|target| IpAddr::V4(*target));
        let targets = || v4.clone().chain(self.ns_ip6_targets.iter().map(|target| IpAddr::V6(*target)));
        if self.arp_missed_max == 0 {
            return Err(OptionsError::MissedMax);
        }
        let counts = [("arp_ip_target", self.arp_ip_targets.len()), ("ns_ip6_target", self.ns_ip6_targets.len())];
        if let Some((name, _)) = counts.into_iter().find(|(_, count)| *count > BOND_TARGETS_MAX) {
            return Err(OptionsError::TooManyTargets(name));
        }
        if self.arp_interval_ms > 0 && targets().next().is_none() {
            return Err(OptionsError::NoTarget);
        }
        for (place, target) in targets().enumerate() {
            if !may_be_target(target) || targets().take(place).any(|earlier| earlier == target) {
                return Err(OptionsError::Target(target));
            }
        }
        Ok(())
    }

    /// The first option for LACP alone that is not as by default (Linux: `unsuppmodes` in `bond_options.c`).
    fn said_of_lacp(&self) -> Option<&'static str> {
        let default = Self::default();
        let others = [
            ("lacp_rate", self.lacp_fast != default.lacp_fast),
            ("lacp_active", self.lacp_active != default.lacp_active),
            ("ad_actor_sys_prio", self.ad_actor_sys_prio != default.ad_actor_sys_prio),
            ("ad_actor_system", self.ad_actor_system != default.ad_actor_system),
            ("ad_user_port_key", self.ad_user_port_key != default.ad_user_port_key),
            ("actor_port_prio", !self.actor_port_prios.is_empty()),
        ];
        others.into_iter().find(|(_, is_other)| *is_other).map(|(name, _)| name)
    }
}

/// What is wrong with the options of a bond.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OptionsError {
    /// This time is longer than [`Options::TIME_MS_MAX`].
    Time(&'static str),
    /// This delay is counted in looks, of which there are none.
    NeedsMiimon(&'static str),
    /// This is for these modes only.
    NeedsMode(&'static str, &'static [Mode]),
    /// The mode needs links to be looked at.
    ModeNeedsMiimon(Mode),
    /// Learning packets cannot be that far apart.
    LpInterval,
    /// There are more priorities than ports.
    TooManyPriorities,
    /// A priority, key or address that no system has.
    AdActor,
    /// This is for other modes.
    NotInMode(&'static str, Mode),
    /// This excludes `miimon`.
    NotWithMiimon(&'static str),
    /// This means nothing when nobody is asked.
    NeedsArpInterval(&'static str),
    /// There is nobody to ask.
    NoTarget,
    /// Nobody can be asked there, or this one is asked already.
    Target(IpAddr),
    /// There are more targets of this kind than a bond asks.
    TooManyTargets(&'static str),
    /// There is no interval in which a target could answer.
    MissedMax,
    /// The primary port is none of the bond's.
    PrimaryIsNoPort,
}

impl fmt::Display for OptionsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Time(name) => write!(f, "'{name}' must be {} ms at most", Options::TIME_MS_MAX),
            Self::NeedsMiimon(name) => write!(f, "'{name}' needs 'miimon', of which it is a multiple"),
            Self::NeedsMode(name, modes) => {
                write!(f, "'{name}' is for mode{}", if modes.len() > 1 { "s" } else { "" })?;
                for (number, mode) in (1..).zip(*modes) {
                    let before = match number {
                        1 => " ",
                        _ if number == modes.len() => " and ",
                        _ => ", ",
                    };
                    write!(f, "{before}\"{}\"", mode.name())?;
                }
                f.write_str(" only")
            }
            Self::ModeNeedsMiimon(mode) => write!(f, "mode \"{}\" needs 'miimon'", mode.name()),
            Self::LpInterval => write!(f, "'lp_interval' must be 1 to {} seconds", Options::LP_INTERVAL_SECS_MAX),
            Self::TooManyPriorities => f.write_str("'actor_port_prio' must have no more numbers than there are ports"),
            Self::AdActor => {
                f.write_str("'ad_actor_sys_prio' must be at least 1, 'ad_user_port_key' at most 1023, ")?;
                f.write_str("and 'ad_actor_system' the address of one station")
            }
            Self::NotInMode(name, mode) => write!(f, "'{name}' is not for mode \"{}\"", mode.name()),
            Self::NotWithMiimon(name) => write!(f, "'{name}' and 'miimon' exclude each other"),
            Self::NeedsArpInterval(name) => write!(f, "'{name}' needs 'arp_interval'"),
            Self::NoTarget => f.write_str("'arp_interval' needs 'arp_ip_target' or 'ns_ip6_target'"),
            Self::Target(target) => {
                write!(f, "target {target} must be the address of one other station, and be there only once")
            }
            Self::TooManyTargets(name) => write!(f, "'{name}' must have {BOND_TARGETS_MAX} addresses at most"),
            Self::MissedMax => f.write_str("'arp_missed_max' must be at least 1"),
            Self::PrimaryIsNoPort => f.write_str("'primary' must be one of the bond's ports"),
        }
    }
}

/// Linux v6.18: `include/net/bonding.h`, `bond_is_ip_target_ok()`, `bond_is_ip6_target_ok()`.
fn may_be_target(target: IpAddr) -> bool {
    match target {
        IpAddr::V4(v4) => !v4.is_broadcast() && v4.octets()[0] != 0,
        IpAddr::V6(v6) => !v6.is_unspecified() && !v6.is_loopback() && !v6.is_multicast(),
    }
}

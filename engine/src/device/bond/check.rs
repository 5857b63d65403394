//! What options a bond cannot have.

use core::fmt;

use super::{Mode, Options};
use crate::{frame::DeviceId, wire::MacAddr};

impl Options {
    /// Whether they can be those of a bond with these ports.
    ///
    /// # Errors
    /// The first that cannot.
    pub fn check(&self, ports: &[DeviceId]) -> Result<(), OptionsError> {
        let times = [
            ("miimon", self.miimon_ms),
            ("updelay", self.updelay_ms),
            ("downdelay", self.downdelay_ms),
            ("peer_notif_delay", self.peer_notif_delay_ms),
        ];
        if let Some((name, _)) = times.into_iter().find(|(_, time)| *time > Self::TIME_MS_MAX) {
            return Err(OptionsError::Time(name));
        }
        if let Some((name, _)) = times.into_iter().skip(1).find(|(_, time)| *time > 0 && self.miimon_ms == 0) {
            return Err(OptionsError::NeedsMiimon(name));
        }
        if self.packets_per_port != Self::default().packets_per_port && self.mode != Mode::RoundRobin {
            return Err(OptionsError::NeedsMode("packets_per_slave", Mode::RoundRobin));
        }
        if self.mode == Mode::Ieee8023ad && self.miimon_ms == 0 {
            return Err(OptionsError::ModeNeedsMiimon);
        }
        if self.ad_actor_sys_prio == 0
            || self.ad_user_port_key > Self::USER_PORT_KEY_MAX
            || self.ad_actor_system.is_some_and(MacAddr::is_group)
        {
            return Err(OptionsError::AdActor);
        }
        if let Some(name) = self.said_of_lacp().filter(|_| self.mode != Mode::Ieee8023ad) {
            return Err(OptionsError::NeedsMode(name, Mode::Ieee8023ad));
        }
        match self.primary {
            Some(_) if !self.mode.uses_primary() => Err(OptionsError::NeedsMode("primary", Mode::ActiveBackup)),
            Some(primary) if !ports.contains(&primary) => Err(OptionsError::PrimaryIsNoPort),
            Some(_) | None => Ok(()),
        }
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
    /// This is for one mode only.
    NeedsMode(&'static str, Mode),
    /// The mode needs links to be looked at.
    ModeNeedsMiimon,
    /// A priority, key or address that no system has.
    AdActor,
    /// The primary port is none of the bond's.
    PrimaryIsNoPort,
}

impl fmt::Display for OptionsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Time(name) => write!(f, "'{name}' must be {} ms at most", Options::TIME_MS_MAX),
            Self::NeedsMiimon(name) => write!(f, "'{name}' needs 'miimon', of which it is a multiple"),
            Self::NeedsMode(name, mode) => write!(f, "'{name}' is for mode \"{}\" only", mode.name()),
            Self::ModeNeedsMiimon => f.write_str("mode \"802.3ad\" needs 'miimon'"),
            Self::AdActor => {
                f.write_str("'ad_actor_sys_prio' must be at least 1, 'ad_user_port_key' at most 1023, ")?;
                f.write_str("and 'ad_actor_system' the address of one station")
            }
            Self::PrimaryIsNoPort => f.write_str("'primary' must be one of the bond's ports"),
        }
    }
}

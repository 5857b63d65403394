//! The helpers that are loaded, and the calls of them.

use alloc::boxed::Box;

use super::{HelperId, helper::Helper};
use crate::{command::CommandError, packet::Packet};

/// The helpers that are loaded.
#[derive(Debug, Default)]
pub struct Helpers {}

impl Helpers {
    /// Loads a helper; one of the same name is replaced.
    ///
    /// # Errors
    /// When there is no room for another.
    pub fn load(&mut self, helper: Box<dyn Helper>) -> Result<HelperId, CommandError> {
        Err(CommandError::TooManyHelpers(usize::from(helper.manifest().name.is_empty())))
    }

    /// The helper whose manifest names the port a first packet is sent to.
    #[must_use]
    pub fn attached_to(&self, packet: &Packet) -> Option<HelperId> {
        packet.udp().and(None)
    }
}

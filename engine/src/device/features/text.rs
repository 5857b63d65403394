//! What ethtool(8) prints of features: `-k` lists them, and `-K` says what came of it that was not asked for.
//!
//! The texts are those of ethtool 6.1 on Linux 6.18. What nothing here does is listed all the same: it is off for good.

use core::fmt::{self, Write};

use super::{
    Feature, Features, switched_by,
    table::{GROUPS, ROWS, Row, group},
};
use crate::device::Kind;

/// The features of a device of a kind, as `ethtool -k` lists them below its first line.
///
/// What is off though it is wanted, for it needs what is off too, says so; what the device cannot be told is fixed.
#[derive(Clone, Copy, Debug)]
pub struct FeatureList {
    features: Features,
    switched: u64,
}

impl FeatureList {
    /// That of a device's features.
    #[must_use]
    pub const fn of(features: Features, kind: Kind) -> Self {
        Self { features, switched: switched_by(kind) }
    }

    fn line(&self, f: &mut fmt::Formatter<'_>, (indent, name): (&str, &str), bit: u64) -> fmt::Result {
        let Features { wanted, active } = self.features;
        let note = match (self.switched & bit != 0, wanted & bit != 0) {
            (false, _) => " [fixed]",
            (true, is_wanted) if is_wanted == (active & bit != 0) => "",
            (true, true) => " [requested on]",
            (true, false) => " [requested off]",
        };
        writeln!(f, "{indent}{name}: {}{note}", word(active & bit))
    }
}

impl fmt::Display for FeatureList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for known in &GROUPS {
            let bits = group(known.short);
            match bits.count_ones() {
                0 => {}
                1 => self.line(f, ("", known.name), bits)?,
                _ => {
                    writeln!(f, "{}: {}", known.name, word(self.features.active & bits))?;
                    rows(bits).try_for_each(|(row, bit)| self.line(f, ("\t", row.name), bit))?;
                }
            }
        }
        let mut alone = rows(u64::MAX).filter(|(row, _)| row.group.is_empty());
        alone.try_for_each(|(row, bit)| self.line(f, ("", row.name), bit))
    }
}

/// What came of asking for features, as `ethtool -K` prints it: nothing where just that has happened which was asked for.
///
/// Else one line for each that has changed, and for each that is not as it was asked for. Of what is asked for twice, on counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeatureOutcome {
    /// What something was asked of.
    asked: u64,
    /// Of these, what was to be on and is not, or the other way round.
    refused: u64,
    /// What has changed.
    changed: u64,
    /// What is on now.
    active: u64,
}

impl FeatureOutcome {
    /// That of a device whose features were `before` and are `after`.
    ///
    /// Linux v6.18: `net/ethtool/features.c`, `ethnl_set_features()`.
    #[must_use]
    pub fn of(before: Features, after: Features, switches: &[(Feature, bool)]) -> Self {
        let bits = |of: &dyn Fn(bool) -> bool| {
            switches.iter().filter(|(_, on)| of(*on)).fold(0, |bits, (feature, _)| bits | feature.bits)
        };
        let (asked, on) = (bits(&|_| true), bits(&|on| on));
        let active = after.active;
        Self { asked, refused: (on ^ active) & asked, changed: before.active ^ active, active }
    }

    /// Whether nothing of what was asked for is so.
    #[must_use]
    pub const fn is_refused(&self) -> bool {
        self.refused == self.asked
    }
}

impl fmt::Display for FeatureOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { asked, refused, changed, active } = *self;
        if refused == 0 && changed & !asked == 0 {
            return Ok(());
        }
        f.write_str("Actual changes:\n")?;
        for (row, bit) in rows(refused | changed) {
            write!(f, "{}: {}", row.name, word(active & bit))?;
            if refused & bit != 0 {
                write!(f, " [requested {}]", word(!active & bit))?;
            } else if asked & bit == 0 {
                f.write_str(" [not requested]")?;
            }
            f.write_char('\n')?;
        }
        Ok(())
    }
}

/// The rows of these bits, in order.
fn rows(bits: u64) -> impl Iterator<Item = (&'static Row, u64)> {
    const TABLE: &[Row] = &ROWS;
    TABLE.iter().enumerate().map(|(place, row)| (row, 1 << place)).filter(move |(_, bit)| bits & bit != 0)
}

const fn word(bits: u64) -> &'static str {
    if bits == 0 { "off" } else { "on" }
}

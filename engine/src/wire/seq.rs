//! TCP sequence numbers (RFC 9293, section 3.4).

use core::{
    fmt,
    ops::{Add, AddAssign, Sub},
};

use serde::{Deserialize, Serialize};

/// A sequence number: a point on a circle of 2^32. It has no order, only `before` and `after`.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SeqNum(pub u32);

impl SeqNum {
    /// Whether it lies in the half circle that ends just before `other`.
    #[must_use]
    pub const fn before(self, other: Self) -> bool {
        (self.0.wrapping_sub(other.0) as i32) < 0
    }

    /// Whether it lies in the half circle that starts just after `other`.
    #[must_use]
    pub const fn after(self, other: Self) -> bool {
        other.before(self)
    }

    /// Moves by a signed number of bytes.
    #[must_use]
    pub const fn offset(self, bytes: i32) -> Self {
        Self(self.0.wrapping_add(bytes as u32))
    }
}

impl Add<u32> for SeqNum {
    type Output = Self;

    fn add(self, bytes: u32) -> Self {
        Self(self.0.wrapping_add(bytes))
    }
}

impl AddAssign<u32> for SeqNum {
    fn add_assign(&mut self, bytes: u32) {
        *self = *self + bytes;
    }
}

impl Sub<u32> for SeqNum {
    type Output = Self;

    fn sub(self, bytes: u32) -> Self {
        Self(self.0.wrapping_sub(bytes))
    }
}

/// The distance from `other` to here, going up.
impl Sub for SeqNum {
    type Output = u32;

    fn sub(self, other: Self) -> u32 {
        self.0.wrapping_sub(other.0)
    }
}

impl fmt::Debug for SeqNum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_number_is_before_whatever_lies_up_to_half_a_circle_ahead(start: u32, ahead in 1_u32..0x8000_0000) {
            let (start, end) = (SeqNum(start), SeqNum(start) + ahead);
            prop_assert!(start.before(end) && end.after(start));
            prop_assert!(!end.before(start) && !start.after(end));
            prop_assert_eq!(end - start, ahead);
        }

        #[test]
        fn no_number_is_before_or_after_itself(number: u32) {
            prop_assert!(!SeqNum(number).before(SeqNum(number)) && !SeqNum(number).after(SeqNum(number)));
        }

        #[test]
        fn a_signed_offset_undoes_its_opposite(number: u32, bytes in -70_000_i32..70_000) {
            prop_assert_eq!(SeqNum(number).offset(bytes).offset(-bytes), SeqNum(number));
        }
    }
}

//! TCP sequence numbers: 32 bits that wrap (RFC 9293 3.4).

/// TCP sequence number: compares and subtracts modulo 2^32.
///
/// There is no `Ord`: which of two numbers comes first is only known when they lie within
/// 2^31 of each other, and [`SeqNumber::since`] is the one place that assumes it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct SeqNumber(u32);

impl SeqNumber {
    /// As on the wire.
    pub(super) const fn new(wire: u32) -> Self {
        Self(wire)
    }

    /// Bytes from `base` to here, negative if this comes before `base`: −2^31 to 2^31 − 1.
    pub(super) fn since(self, base: Self) -> i64 {
        i64::from(self.0.wrapping_sub(base.0).cast_signed())
    }

    /// Bytes from `base` to here; zero if this comes before `base`.
    pub(super) fn ahead_of(self, base: Self) -> u64 {
        u64::try_from(self.since(base)).unwrap_or(0)
    }

    /// `bytes` further on.
    pub(super) fn plus(self, bytes: u64) -> Self {
        Self(self.0.wrapping_add((bytes & 0xffff_ffff) as u32))
    }

    /// `bytes` back.
    pub(super) fn minus(self, bytes: u64) -> Self {
        Self(self.0.wrapping_sub((bytes & 0xffff_ffff) as u32))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_crosses_the_wrap() {
        let before = SeqNumber::new(0xffff_fff0);
        let after = before.plus(0x20);
        assert_eq!(after, SeqNumber::new(0x10));
        assert_eq!(after.since(before), 0x20);
        assert_eq!(before.since(after), -0x20);
        assert_eq!(before.ahead_of(after), 0);
        assert_eq!(after.minus(0x20), before);
    }

    #[test]
    fn half_the_circle_is_behind() {
        let zero = SeqNumber::new(0);
        assert_eq!(SeqNumber::new(0x7fff_ffff).since(zero), 0x7fff_ffff);
        assert_eq!(SeqNumber::new(0x8000_0000).since(zero), -0x8000_0000);
        assert_eq!(zero.plus(1 << 32), zero);
    }
}

//! Time of packets. Nothing here reads a clock.

use std::fmt;
use std::time::Duration;

/// Nanoseconds since 1970-01-01 UTC, as the capture says.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// The first moment.
    pub const ZERO: Self = Self(0);

    /// From seconds and nanoseconds, saturating.
    #[must_use]
    pub fn new(secs: u64, nanos: u64) -> Self {
        Self(secs.saturating_mul(1_000_000_000).saturating_add(nanos))
    }

    /// Time passed since `earlier`; zero if it is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// This moment and `by` later, saturating.
    #[must_use]
    pub fn plus(self, by: Duration) -> Self {
        Self(
            self.0
                .saturating_add(u64::try_from(by.as_nanos()).unwrap_or(u64::MAX)),
        )
    }

    /// This moment and `by` earlier, saturating.
    #[must_use]
    pub fn minus(self, by: Duration) -> Self {
        Self(
            self.0
                .saturating_sub(u64::try_from(by.as_nanos()).unwrap_or(u64::MAX)),
        )
    }

    /// Whole seconds since 1970.
    #[must_use]
    pub fn secs(self) -> u64 {
        self.0 / 1_000_000_000
    }
}

/// EVE's form: `2026-11-24T18:29:00.123456+0000`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = i128::from(self.0);
        match jiff::Timestamp::from_nanosecond(nanos) {
            Ok(t) => {
                let z = t.to_zoned(jiff::tz::TimeZone::UTC);
                write!(
                    f,
                    "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}+0000",
                    z.year(),
                    z.month(),
                    z.day(),
                    z.hour(),
                    z.minute(),
                    z.second(),
                    z.subsec_nanosecond() / 1000
                )
            }
            Err(_) => f.write_str("9999-12-31T23:59:59.999999+0000"),
        }
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_as_eve_wants_it() {
        let t = Timestamp::new(1_795_336_117, 257_438_999);
        assert_eq!(t.to_string(), "2026-11-22T08:28:37.257438+0000");
        assert_eq!(
            Timestamp::ZERO.to_string(),
            "1970-01-01T00:00:00.000000+0000"
        );
        assert_eq!(Timestamp(u64::MAX).to_string().len(), 31);
    }
}

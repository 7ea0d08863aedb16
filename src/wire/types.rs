//! Small values with a fixed layout.

use std::fmt;
use std::str::FromStr;

/// A GUID (C706 appendix A). Kept as its number in text order, so it compares and prints alike.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Guid(pub u128);

impl Guid {
    /// All zero (RFC 9562 5.9): no interface.
    pub const NIL: Self = Self(0);

    /// From sixteen bytes whose first three fields are little-endian (the usual Windows form).
    #[must_use]
    pub fn from_le(b: [u8; 16]) -> Self {
        let [a0, a1, a2, a3, b0, b1, c0, c1, d @ ..] = b;
        let [d0, d1, d2, d3, d4, d5, d6, d7] = d;
        Self(u128::from_be_bytes([
            a3, a2, a1, a0, b1, b0, c1, c0, d0, d1, d2, d3, d4, d5, d6, d7,
        ]))
    }

    /// From sixteen bytes in text order.
    #[must_use]
    pub fn from_be(b: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(b))
    }

    /// True for an interface of RPC. Numbers below 256 stand for what is told like calls and is none: messages of
    /// Windows Search, statements of SQL Server.
    #[must_use]
    pub fn is_interface(self) -> bool {
        self.0 > 0xff
    }

    /// True for the all-zero GUID.
    #[must_use]
    pub fn is_nil(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let v = self.0;
        write!(
            f,
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            v >> 96,
            (v >> 80) & 0xffff,
            (v >> 64) & 0xffff,
            (v >> 48) & 0xffff,
            v & 0xffff_ffff_ffff
        )
    }
}

impl fmt::Debug for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for Guid {
    type Err = super::Error;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        const BAD: super::Error = super::Error::Malformed {
            what: "GUID",
            why: "not of the form xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx",
        };
        let dashes_fit = s.len() == 36
            && s.bytes()
                .enumerate()
                .all(|(i, b)| (b == b'-') == matches!(i, 8 | 13 | 18 | 23));
        if !dashes_fit || !s.bytes().all(|b| b == b'-' || b.is_ascii_hexdigit()) {
            return Err(BAD);
        }
        let hex: String = s.chars().filter(|c| *c != '-').collect();
        u128::from_str_radix(&hex, 16).map(Self).map_err(|_| BAD)
    }
}

/// A Windows time: 100 ns ticks since 1601-01-01 UTC (MS-DTYP 2.3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct FileTime(pub u64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn efsrpc_uuid_reads_prints_and_parses() {
        let wire = [
            0x88, 0xd4, 0x81, 0xc6, // time_low, little-endian
            0x50, 0xd8, // time_mid
            0xd0, 0x11, // time_hi_and_version
            0x8c, 0x52, 0x00, 0xc0, 0x4f, 0xd9, 0x0f, 0x7e,
        ];
        let text = "c681d488-d850-11d0-8c52-00c04fd90f7e";
        assert_eq!(Guid::from_le(wire).to_string(), text);
        assert_eq!(text.parse::<Guid>().unwrap(), Guid::from_le(wire));
        for bad in [
            "",
            "c681d488",
            "c681d488xd850-11d0-8c52-00c04fd90f7e",
            "+681d488-d850-11d0-8c52-00c04fd90f7e",
        ] {
            assert!(bad.parse::<Guid>().is_err(), "{bad:?}");
        }
    }
}

//! NETWORK_INTERFACE_INFO: which addresses a server has (MS-SMB2 2.2.32.5).
//!
//! ```text
//! 0 next u32  4 index u32  8 capability u32  16 link speed u64
//! 24 SOCKADDR_STORAGE, 128 bytes: family u16 (2, 23), port u16, IPv4 4 | flow u32, IPv6 16, scope u32
//! ```

use crate::limits::SMB_INTERFACES;
use crate::net::Addr;
use crate::wire::{Reader, Result};

/// FSCTL_QUERY_NETWORK_INTERFACE_INFO (MS-SMB2 2.2.31).
pub const QUERY: u32 = 0x0014_01fc;
/// Bytes of an entry.
const ENTRY: usize = 152;

/// Addresses that a server tells.
#[derive(Clone, Copy, Debug, Default)]
pub struct Interfaces {
    all: [Addr; SMB_INTERFACES],
    count: usize,
}

impl Interfaces {
    /// Reads the output of the IOCTL: the first [`SMB_INTERFACES`] addresses, each once. What has no address
    /// that others could use (loopback, unspecified) is left out.
    ///
    /// # Errors
    /// `Short` if an entry ends outside.
    pub fn read(mut output: &[u8]) -> Result<Self> {
        const WHAT: &str = "SMB2 NETWORK_INTERFACE_INFO";
        let mut found = Self::default();
        loop {
            let mut r = Reader::new(output).sub(ENTRY, WHAT)?;
            let next = usize::try_from(r.u32(WHAT)?).unwrap_or(usize::MAX);
            r.skip(20, WHAT)?;
            let family = r.u16(WHAT)?;
            r.skip(2, WHAT)?;
            match family {
                2 => found.add(Addr::v4(r.array(WHAT)?)),
                23 => {
                    r.skip(4, WHAT)?;
                    found.add(Addr(r.array(WHAT)?));
                }
                _ => {}
            }
            // Entries follow each other, so the walk ends.
            match output.get(next..) {
                Some(rest) if next >= ENTRY => output = rest,
                _ => return Ok(found),
            }
        }
    }

    fn add(&mut self, addr: Addr) {
        let is_none = addr == Addr::v4([0; 4]) || addr == Addr::default() || addr.is_loopback();
        if is_none || self.addresses().contains(&addr) {
            return;
        }
        if let Some(room) = self.all.get_mut(self.count) {
            *room = addr;
            self.count = self.count.saturating_add(1);
        }
    }

    /// The addresses.
    #[must_use]
    pub fn addresses(&self) -> &[Addr] {
        self.all.get(..self.count).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(next: u32, family: u16, address: &[u8]) -> Vec<u8> {
        let mut bytes = next.to_le_bytes().to_vec();
        bytes.extend([7, 0, 0, 0]); // IfIndex
        bytes.extend([1, 0, 0, 0]); // RSS_CAPABLE
        bytes.extend([0; 4]); // Reserved
        bytes.extend(1_000_000_000_u64.to_le_bytes()); // LinkSpeed
        bytes.extend(family.to_le_bytes());
        bytes.extend([0, 0]); // port
        bytes.extend(address);
        bytes.resize(ENTRY, 0);
        bytes
    }

    #[test]
    fn addresses_of_both_families() {
        let mut v6 = vec![0; 4]; // flow information
        v6.extend([
            0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5, // address
        ]);
        let all = [
            entry(152, 2, &[10, 0, 0, 5]),
            entry(152, 23, &v6),
            entry(152, 2, &[127, 0, 0, 1]),
            entry(152, 2, &[10, 0, 0, 5]),
            entry(0, 2, &[192, 0, 2, 9]),
        ]
        .concat();
        let found = Interfaces::read(&all).unwrap();
        let shown: Vec<String> = found.addresses().iter().map(Addr::to_string).collect();
        assert_eq!(shown, ["10.0.0.5", "2001:db8::5", "192.0.2.9"]);
        assert!(Interfaces::read(&all[..300]).is_err());
    }

    #[test]
    fn many_and_circles() {
        let mut all = Vec::new();
        for n in 0..100 {
            all.extend(entry(152, 2, &[10, 0, 1, n]));
        }
        all.extend(entry(0, 2, &[10, 0, 0, 1]));
        let found = Interfaces::read(&all).unwrap();
        assert_eq!(found.addresses().len(), SMB_INTERFACES);
        // An entry that leads into itself is the last.
        let found = Interfaces::read(&entry(8, 2, &[10, 0, 0, 1])).unwrap();
        assert_eq!(found.addresses().len(), 1);
    }
}

//! Hashes that name things: unseeded where every sensor must agree, keyed where a secret is behind.

use std::fmt;

use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

use super::Secret;

/// Identity of some content: equal content, equal number, on any sensor and in any run.
///
/// Used for ids and for telling forwarded messages from relayed ones, so collisions must not be
/// easy to make: 64 bits of SHA-256.
#[must_use]
pub fn identity(parts: &[&[u8]]) -> u64 {
    let mut hash = Sha256::new();
    for part in parts {
        // The length keeps ("ab", "c") apart from ("a", "bc").
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    let digest: [u8; 32] = hash.finalize().into();
    let [a, b, c, d, e, f, g, h, ..] = digest;
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

/// The site's key: what leaves the sensor about a secret is its HMAC-SHA256 under this, 128 bits.
#[derive(Clone)]
pub struct SiteKey {
    mac: Hmac<Sha256>,
}

impl SiteKey {
    /// From the key file's bytes.
    #[must_use]
    pub fn new(key: &[u8; 32]) -> Self {
        // HMAC pads a short key with zeros to the block size (RFC 2104 2).
        let mut block = [0; 64];
        block.iter_mut().zip(key).for_each(|(to, from)| *to = *from);
        Self {
            mac: <Hmac<Sha256> as hmac::digest::KeyInit>::new(&block.into()),
        }
    }

    /// The keyed hash of a secret.
    #[must_use]
    pub fn hash(&self, secret: Secret<'_>) -> [u8; 16] {
        self.tag(secret.reveal_for_hashing())
    }

    /// The keyed hash of two secrets together.
    #[must_use]
    pub fn hash_both(&self, one: Secret<'_>, two: Secret<'_>) -> [u8; 16] {
        let mut both = [0; 32];
        let (first, second) = both.split_at_mut(16);
        first.copy_from_slice(&self.hash(one));
        second.copy_from_slice(&self.hash(two));
        self.tag(&both)
    }

    /// Names the key without telling it: eight hexadecimal digits.
    #[must_use]
    pub fn id(&self) -> String {
        let [a, b, c, d, ..] = self.tag(b"relaywatch key id");
        format!("{:08x}", u32::from_be_bytes([a, b, c, d]))
    }

    fn tag(&self, bytes: &[u8]) -> [u8; 16] {
        let mut mac = self.mac.clone();
        mac.update(bytes);
        let full: [u8; 32] = mac.finalize().into_bytes().into();
        let mut half = [0; 16];
        half.iter_mut().zip(full).for_each(|(to, from)| *to = from);
        half
    }
}

impl fmt::Debug for SiteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SiteKey({})", self.id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_do_not_run_together() {
        assert_ne!(identity(&[b"ab", b"c"]), identity(&[b"a", b"bc"]));
        assert_eq!(identity(&[b"ab"]), identity(&[b"ab"]));
    }

    #[test]
    fn keyed_hash_depends_on_the_key_and_shows_neither() {
        let (one, two) = (SiteKey::new(&[1; 32]), SiteKey::new(&[2; 32]));
        let secret = Secret::new(b"0123456789abcdef");
        assert_ne!(one.hash(secret), two.hash(secret));
        assert_eq!(one.hash(secret), one.hash(secret));
        assert_eq!(format!("{one:?}"), format!("SiteKey({})", one.id()));
    }
}

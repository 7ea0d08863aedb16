//! RW-18 between the legs of a relay: flags that the victim's last message has and the target's lacks.

use std::sync::Arc;

use super::conclude::roles;
use super::exchange::Exchange;
use crate::correlate::Case;
use crate::event::{Finding, Mic};

/// NTLMSSP_NEGOTIATE_SIGN, SEAL, ALWAYS_SIGN, KEY_EXCH and VERSION (MS-NLMP 2.2.2.5).
const GUARDS: u32 = 0x0000_0010 | 0x0000_0020 | 0x0000_8000 | 0x4000_0000 | 0x0200_0000;

/// The AUTHENTICATE is one message, so its flags are the same on both legs unless somebody changed them. A
/// missing integrity code says the same and is told by itself.
pub(super) fn flags(legs: &[&Exchange], relay: &Case) -> Option<Case> {
    let (victim, target) = roles(legs)?;
    let (sent, passed) = (victim.auth.as_ref()?, target.auth.as_ref()?);
    let same_response = sent.nt_hash.is_some() && sent.nt_hash == passed.nt_hash;
    let removed = sent.flags & !passed.flags & GUARDS;
    if relay.finding.forwarded || !same_response || removed == 0 || passed.mic == Mic::Stripped {
        return None;
    }
    let finding = Finding {
        detector: "RW-18",
        test: "flags",
        confidence: "high",
        ..Finding::clone(&relay.finding)
    };
    let evidence = vec![format!(
        "the victim's last message has the flags {:#010x}, on the target's leg it has {:#010x}: {removed:#010x} was taken out",
        sent.flags, passed.flags
    )];
    Some(Case {
        finding: Arc::new(finding),
        evidence,
        ..relay.clone()
    })
}

//! RW-18: the messages of an exchange were changed on the way.
//!
//! The client promises a message integrity code inside what it proved (MsvAvFlags 0x2, MS-NLMP
//! 2.2.2.1); a relay that needs other flags must take the code out.

use super::Exchange;
use crate::correlate::Case;
use crate::event::{LegRole, Mic};

/// NTLMSSP_NEGOTIATE_SIGN, ALWAYS_SIGN, KEY_EXCH and VERSION (MS-NLMP 2.2.2.5).
const STRIPPED: u32 = 0x0000_0010 | 0x0000_8000 | 0x4000_0000 | 0x0200_0000;

pub(super) fn test(e: &Exchange<'_>) -> Option<Case> {
    let mic = e.auth.mic == Mic::Stripped;
    let flags = e
        .before
        .negotiate_flags
        .is_some_and(|asked| asked & STRIPPED == STRIPPED && e.auth.flags & STRIPPED == 0);
    if !mic && !flags {
        return None;
    }
    let mut f = e.finding("RW-18");
    f.test = if mic { "mic" } else { "flags" };
    f.confidence = match (mic, flags, f.machine_account) {
        (true, true, _) | (true, _, true) => "high",
        (true, ..) => "medium",
        _ => "low",
    };
    let mut evidence = Vec::new();
    if mic {
        evidence.push("the client promised a message integrity code, and there is none: it was taken out on the way".to_owned());
    }
    if flags {
        evidence.push(format!(
            "the client asked for signing, key exchange and version ({:#010x}); the last message has none of them ({:#010x})",
            e.before.negotiate_flags.unwrap_or_default(),
            e.auth.flags
        ));
    }
    evidence.push(e.sentence());
    Some(e.case(LegRole::Target, f, evidence))
}

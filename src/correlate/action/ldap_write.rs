//! RW-17: the directory is changed over an NTLM session that neither signs nor seals.
//!
//! A relay cannot sign what it sends, so this is what an attack through LDAP looks like. Sessions with
//! Kerberos or a simple bind are not looked at: an authentication is relayed to neither.

use super::desk::{self, AtDesk, Desk, Held, Work};
use crate::correlate::identity::{Owner, machine_name};
use crate::correlate::pattern::Context;
use crate::event::{Carrier, DirectoryWrite, SaslLayer, Seen, Sighting};

/// Attributes that give power over an object, and how they are written (MS-ADA1 to MS-ADA3).
const ATTRIBUTES: &[&str] = &[
    "msDS-KeyCredentialLink",
    "msDS-AllowedToActOnBehalfOfOtherIdentity",
    "nTSecurityDescriptor",
    "altSecurityIdentities",
    "member",
    "servicePrincipalName",
    "dNSHostName",
];

/// Classes of new objects that serve an attacker, and what they are called. A computer is a user as well, and a
/// delegated managed service account a computer: the special comes first.
const CLASSES: &[(&str, &str)] = &[
    ("msds-delegatedmanagedserviceaccount", "dmsa"),
    ("computer", "computer"),
    ("dnsnode", "dnsnode"),
    ("user", "user"),
];

/// RW-17.
pub(in crate::correlate) type LdapWrites = AtDesk<LdapWork>;

/// What RW-17 reads.
#[derive(Debug, Default)]
pub(in crate::correlate) struct LdapWork;

impl Work for LdapWork {
    fn sighting(desk: &mut Desk, s: &Sighting, cx: &Context<'_>) {
        match &s.seen {
            Seen::DirectoryWrite(write) => Self::write(desk, s, write, cx),
            Seen::DirectoryResult { message_id, code } => {
                let text = format!("resultCode {code}");
                desk.answer(s, (0, *message_id), Some(*code == 0), &text);
            }
            _ => {}
        }
    }
}

impl LdapWork {
    fn write(desk: &mut Desk, s: &Sighting, write: &DirectoryWrite, cx: &Context<'_>) {
        let Some(who) = cx.logons.get(s.flow.flow_id) else {
            return;
        };
        if write.layer != SaslLayer::None {
            return;
        }
        let known = technique(write);
        let mut f = desk::finding("RW-17", s, Some(who), cx);
        f.action = known.unwrap_or("other").to_owned();
        f.object = write.object.clone();
        f.target_protocol = Carrier::Ldap.name();
        if of_itself(write, &who.user) {
            // A machine may set its own keys and names. From where it is not known to be, that says little.
            let name = machine_name(&who.user).unwrap_or_default();
            match cx.identity.owner(s.flow.client.addr, &name, s.ts) {
                Owner::Itself(_) => f.named = "client",
                Owner::Other(..) => f.named = "other",
                Owner::Unknown => f.confidence = "medium",
            }
        }
        let evidence = vec![format!(
            "{} of {} by {}\\{} over LDAP without signing",
            sentence(write, known),
            write.object,
            who.domain,
            who.user
        )];
        let alone = known.is_some() && f.named != "client";
        let held = Held {
            case: desk::case(s, f, Some(who), evidence),
            answer: (0, write.message_id),
            alone,
        };
        desk.hold(held);
    }
}

/// What an attacker calls it.
fn technique(write: &DirectoryWrite) -> Option<&'static str> {
    let has = |name: &str| {
        let name = name.to_ascii_lowercase();
        write.attributes.contains(&name)
    };
    match write.operation.as_str() {
        "modify_request"
            if write
                .object
                .to_ascii_lowercase()
                .contains(",cn=microsoftdns,") =>
        {
            has("dnsRecord").then_some("dnsnode")
        }
        "modify_request" => ATTRIBUTES.iter().copied().find(|a| has(a)),
        "add_request" => CLASSES
            .iter()
            .find(|(class, _)| write.classes.iter().any(|c| c == class))
            .map(|(_, name)| *name),
        _ => None,
    }
}

/// True if the account is the object: `SRV1$` and `CN=SRV1,CN=Computers,...`.
fn of_itself(write: &DirectoryWrite, user: &str) -> bool {
    let rdn = write.object.split(',').next().unwrap_or_default();
    let name = rdn.split_once('=').map(|(_, name)| name.trim());
    machine_name(user)
        .zip(name)
        .is_some_and(|(machine, name)| name.eq_ignore_ascii_case(&machine))
}

fn sentence(write: &DirectoryWrite, known: Option<&str>) -> String {
    let verb = write.operation.trim_end_matches("_request");
    match known {
        Some(what) => format!("{verb} ({what})"),
        None => verb.to_owned(),
    }
}

//! `relaywatch posture`: what an administrator should harden.

use std::fmt::Write as _;
use std::io::Write as _;

use crate::event::PostureReport;
use crate::output::{Header, Lines, write_posture};

/// Prints the list on stdout: a table for people, or lines of JSON.
pub(super) fn tell(all: &[PostureReport], json: bool) {
    let bytes = if json {
        let mut lines = Lines::default();
        for report in all {
            let header = Header {
                // Of a list from the store there is no packet: when it was last seen is what counts.
                ts: report.ts.max(report.posture.last_ts),
                ..Header::default()
            };
            write_posture(&mut lines, &header, report);
        }
        lines.bytes().to_vec()
    } else {
        table(all).into_bytes()
    };
    // If stdout is gone there is nobody to tell.
    let _ = std::io::stdout().lock().write_all(&bytes);
}

/// One paragraph a kind: what it is, what to do, and the hosts.
fn table(all: &[PostureReport]) -> String {
    if all.is_empty() {
        return "nothing to harden was seen\n".to_owned();
    }
    let mut text = String::new();
    let mut kind = "";
    for r in all {
        let p = &r.posture;
        if p.kind != kind {
            kind = &p.kind;
            let lead = if text.is_empty() { "" } else { "\n" };
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{lead}{}\n  {}", title(kind), r.advice);
        }
        let roles: Vec<&str> = r.roles.names().collect();
        let name = r.names.first().map_or("", String::as_str);
        let _ = writeln!(
            text,
            "    {:<24} {:<28} {:>8}  {}",
            p.host.to_string(),
            plain(&format!("{name} {}", roles.join(","))),
            p.count,
            plain(&with(r))
        );
    }
    text
}

pub(super) fn title(kind: &str) -> &str {
    match kind {
        "adcs_web_http" => "Certificate enrolment over HTTP",
        "ldap_unsigned" => "LDAP accepts NTLM without signing",
        "smb_unsigned" => "SMB does not require signing",
        "http_unbound" => "NTLM over HTTP, bound to no TLS channel",
        "ldap_simple" => "Passwords over LDAP in clear",
        "rpc_exposed" => "RPC reached from outside the home networks",
        "ntlm_v1" => "Clients that use NTLMv1",
        "ntlm_client" => "Clients that use NTLM",
        "tier0_clients" => "Who talks to tier-0 servers by SMB and NTLM",
        other => other,
    }
}

/// With whom and with what.
fn with(r: &PostureReport) -> String {
    let p = &r.posture;
    let others: Vec<String> = p.others.iter().map(ToString::to_string).collect();
    let more = if p.more > 0 { " ..." } else { "" };
    format!("{}{more}  {}", others.join(" "), p.examples.join(" "))
}

/// Text from the wire on a terminal: nothing that controls it.
fn plain(text: &str) -> String {
    text.trim()
        .chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{HostRole, Posture};
    use crate::net::Addr;

    #[test]
    fn a_paragraph_a_kind_and_no_control_characters() {
        let one = |kind: &str, host| PostureReport {
            posture: Posture {
                kind: kind.to_owned(),
                host: Addr::v4([10, 0, 0, host]),
                count: 3,
                others: vec![Addr::v4([10, 0, 0, 9])],
                more: 1,
                examples: vec!["LAB\\a\u{1b}[2J".to_owned()],
                ..Posture::default()
            },
            names: vec!["srv".to_owned()],
            roles: HostRole::File.into(),
            advice: "Do this.",
            ..PostureReport::default()
        };
        let text = table(&[
            one("smb_unsigned", 1),
            one("smb_unsigned", 2),
            one("ntlm_v1", 3),
        ]);
        let expect = "SMB does not require signing\n  Do this.\n    10.0.0.1                 srv file                            3  10.0.0.9 ...  LAB\\a\u{fffd}[2J\n";
        assert!(text.starts_with(expect), "{text}");
        assert_eq!(text.matches("Do this.").count(), 2, "{text}");
    }
}

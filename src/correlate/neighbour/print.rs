//! A printer driver is installed from a foreign place (PrintNightmare).

use crate::correlate::identity::Owner;
use crate::correlate::pattern::Context;
use crate::event::{Finding, Operation, Sighting};
use crate::net::Addr;
use std::net::IpAddr;

/// The evidence, if it is not an ordinary installation: those take the driver from the server's own disk or share.
pub(super) fn driver(
    s: &Sighting,
    call: &Operation,
    cx: &Context<'_>,
    f: &mut Finding,
) -> Option<String> {
    let (client, server) = (s.flow.client.addr, s.flow.server.addr);
    f.action = "printnightmare".to_owned();
    if call.detail.is_empty() {
        f.confidence = "low";
        f.path_owner = "unknown";
        return Some(format!(
            "{client} called {} of {server}; where the driver is from could not be read",
            call.name
        ));
    }
    let path = call.detail.replace('/', "\\").to_ascii_lowercase();
    let from = match path.strip_prefix(r"\\") {
        // `\\?\C:\` and `\\?\UNC\host\share` (MS-DTYP 2.2.57).
        Some(unc) => unc
            .strip_prefix(r"?\unc\")
            .or(Some(unc))
            .filter(|u| !u.starts_with(['?', '.'])),
        None => None,
    };
    let Some(host) = from.and_then(|unc| unc.split('\\').next()) else {
        // The second step of the attack: what was copied before is loaded from where it was kept.
        f.path_owner = "none";
        return (path.contains(r"\spool\drivers\") && path.contains(r"\old\")).then(|| {
            format!("{client} made {server} load {path}, a driver file that had been replaced")
        });
    };
    f.path = call.detail.clone();
    f.path_host = host.to_owned();
    let literal = host.parse::<IpAddr>().ok().map(Addr::from);
    f.path_host_literal = literal.is_some();
    let at = |addr: Addr| match literal {
        Some(named) => cx.identity.same_host(addr, named),
        None => {
            matches!(cx.identity.owner(addr, host, s.ts), Owner::Itself(_))
                || cx.identity.host_is(addr, host)
        }
    };
    if at(server) {
        return None;
    }
    f.path_owner = if at(client) {
        "caller"
    } else if literal.is_none() && s.flow.one_way && cx.identity.is_nameless(server) {
        // Where the server's packets are missing, so is its name: it may be its own.
        "unnamed"
    } else {
        "other"
    };
    Some(format!(
        "{client} made {server} load a printer driver from {}",
        call.detail
    ))
}

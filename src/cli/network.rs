//! What the operator tells of the network: its hosts and home networks.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Deserialize;

use super::ConfigError;
use crate::correlate::DeclaredHost;
use crate::event::HostRole;
use crate::net::{HomeNets, Net};

/// Role of a host that passes connections on.
const FORWARDER: &str = "forwarder";

/// `[hosts.NAME]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Host {
    /// All of its addresses.
    addresses: Vec<IpAddr>,
    /// What it does, by the names of [`HostRole`]; `forwarder` is one that passes connections on.
    #[serde(default)]
    roles: Vec<String>,
}

/// `--host NAME=IP[,IP...][=ROLE[,ROLE...]]`.
pub(super) fn host(text: &str) -> Result<(String, Host), ConfigError> {
    let wrong = |why: String| {
        ConfigError::new(format!(
            "--host {text}: {why}; write it as dc1=10.0.0.1,fd00::1=dc,dns"
        ))
    };
    let list = |text: &str| -> Vec<String> {
        let all = text.split(',').map(str::trim);
        all.filter(|t| !t.is_empty()).map(str::to_owned).collect()
    };
    let mut parts = text.split('=');
    let name = parts.next().unwrap_or_default().trim();
    let addresses = list(parts.next().unwrap_or_default())
        .iter()
        .map(|a| {
            a.parse()
                .map_err(|_| wrong(format!("{a} is not an address")))
        })
        .collect::<Result<Vec<IpAddr>, _>>()?;
    let roles = list(parts.next().unwrap_or_default());
    if name.is_empty() || addresses.is_empty() || parts.next().is_some() {
        return Err(wrong("it takes a name and an address".to_owned()));
    }
    Ok((name.to_owned(), Host { addresses, roles }))
}

pub(super) fn home_nets(all: &[String], wrong: &mut ConfigError) -> HomeNets {
    let one = |(nth, text): (usize, &String)| {
        text.parse::<Net>().map_err(|why| {
            ConfigError::new(format!(
                "home_nets: {text}: {why}; write a network as 10.0.0.0/8 or 2001:db8::/32"
            ))
            .within(nth)
            .within("home_nets")
        })
    };
    let nets = all.iter().enumerate().filter_map(|n| wrong.take(one(n)));
    HomeNets::new(nets.collect())
}

/// The hosts as the correlator takes them; those that pass connections on join `forwarders`.
pub(super) fn declared(
    hosts: &BTreeMap<String, Host>,
    forwarders: &mut Vec<IpAddr>,
    wrong: &mut ConfigError,
) -> Vec<DeclaredHost> {
    let mut all = Vec::new();
    let mut owners: BTreeMap<IpAddr, &str> = BTreeMap::new();
    for (name, host) in hosts {
        let mut bad = |key: &str, text: String| {
            let one = ConfigError::new(format!("hosts.{name}: {text}"));
            wrong.add(one.within(key).within(name).within("hosts"));
        };
        if host.addresses.is_empty() {
            bad(
                "addresses",
                "no address; give `addresses = [\"10.0.0.5\"]`".to_owned(),
            );
        }
        for address in &host.addresses {
            if let Some(other) = owners.insert(*address, name) {
                bad(
                    "addresses",
                    format!("{address} is also of hosts.{other}; an address has one owner"),
                );
            }
        }
        let mut roles = Vec::new();
        for role in &host.roles {
            if role == FORWARDER {
                forwarders.extend(&host.addresses);
            } else if let Some(known) = HostRole::ALL.into_iter().find(|r| r.name() == role) {
                roles.push(known);
            } else {
                let names: Vec<&str> = HostRole::ALL.into_iter().map(HostRole::name).collect();
                let near = names
                    .iter()
                    .map(|known| (strsim::damerau_levenshtein(role, known), known))
                    .min()
                    .filter(|(distance, _)| *distance <= 2)
                    .map_or(String::new(), |(_, known)| {
                        format!(", did you mean `{known}`?")
                    });
                bad(
                    "roles",
                    format!(
                        "unknown role `{role}`{near}; there are: {}, {FORWARDER}",
                        names.join(", ")
                    ),
                );
            }
        }
        all.push(DeclaredHost {
            name: name.clone(),
            addresses: host.addresses.clone(),
            roles: roles.into_iter().collect(),
        });
    }
    all
}

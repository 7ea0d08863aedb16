//! Which names an address has shown. A seed of identity, enough to say whose host a path names.
//!
//! Server names come from what the *server* said (its NTLM challenge): a client can call its server
//! anything. Client names come from the client's own NTLM workstation field and only ever make
//! a finding milder where design §4 says so.

use std::time::Duration;

use super::window::Recent;
use crate::limits;
use crate::net::Addr;
use crate::time::Timestamp;

/// Names by address, lower case, host part and full name.
#[derive(Debug)]
pub(super) struct Names {
    servers: Recent<Addr, Vec<String>>,
    clients: Recent<Addr, Vec<String>>,
}

impl Default for Names {
    fn default() -> Self {
        let day = Duration::from_secs(24 * 3600);
        Self {
            servers: Recent::new(limits::NAMED_ADDRESSES, day),
            clients: Recent::new(limits::NAMED_ADDRESSES, day),
        }
    }
}

impl Names {
    /// A server said these are its names.
    pub(super) fn learn(&mut self, addr: Addr, names: [&str; 2], now: Timestamp) {
        for name in names {
            add(&mut self.servers, addr, name, now);
        }
    }

    /// A client said this is its name.
    pub(super) fn learn_client(&mut self, addr: Addr, workstation: &str, now: Timestamp) {
        add(&mut self.clients, addr, workstation, now);
    }

    /// True if the server at `addr` has shown the name.
    pub(super) fn server_is(&self, addr: Addr, name: &str) -> bool {
        has(&self.servers, addr, name)
    }

    /// True if the host at `addr` has shown the name, as client or as server.
    pub(super) fn host_is(&self, addr: Addr, name: &str) -> bool {
        has(&self.clients, addr, name) || has(&self.servers, addr, name)
    }
}

fn add(map: &mut Recent<Addr, Vec<String>>, addr: Addr, name: &str, now: Timestamp) {
    let name = name.trim_matches('\\').to_ascii_lowercase();
    if name.is_empty() {
        return;
    }
    match map.get_mut(&addr) {
        Some(known) => {
            if !known.contains(&name) && known.len() < limits::NAMES_PER_ADDRESS {
                known.push(name);
            }
        }
        None => {
            map.insert(addr, vec![name], now);
        }
    }
}

/// Compares whole names, and short names with the host part of full ones.
fn has(map: &Recent<Addr, Vec<String>>, addr: Addr, name: &str) -> bool {
    let short = |n: &str| n.split('.').next().unwrap_or_default().to_owned();
    map.get(&addr).is_some_and(|known| {
        known.iter().any(|k| {
            k == name || ((!k.contains('.') || !name.contains('.')) && short(k) == short(name))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_full_names_are_one_host_but_two_domains_are_not() {
        let mut names = Names::default();
        let addr = Addr::v4([10, 0, 0, 1]);
        names.learn(addr, ["SRV", "srv.lab.test"], Timestamp::ZERO);
        assert!(names.server_is(addr, "srv"));
        assert!(names.server_is(addr, "srv.lab.test"));
        assert!(!names.server_is(addr, "other"));
        let full = Addr::v4([10, 0, 0, 2]);
        names.learn(full, ["", "srv.lab.test"], Timestamp::ZERO);
        assert!(!names.server_is(full, "srv.evil.test"));
        assert!(!names.host_is(Addr::v4([10, 0, 0, 3]), "srv"));
    }
}

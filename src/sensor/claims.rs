//! Evidence of who is at an address, and of what hosts let pass, out of decoders' events.
//!
//! Only the host that answers speaks for itself: a server by what it answers, a DHCP or DNS server about
//! others. Whether those are believed is `correlate::identity`'s business. What is **not** taken: answers of
//! LLMNR, mDNS and NBT-NS (that is how poisoning looks), and addresses outside the home networks.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, Hash};
use std::time::Duration;

use crate::event::{
    Carrier, Claim, Dhcp, DhcpMessage, DnsData, DnsMessage, DnsSection, Event, FlowMeta,
    HttpTransaction, Laxity, Seen, Services, SmbSession, Source, Witness, identity,
};
use crate::limits;
use crate::net::{Addr, Direction, HomeNets};
use crate::time::Timestamp;
use crate::wire::{Guid, Text};

/// Directory replication (MS-DRSR 1.9): domain controllers have it, and nobody else.
const DRSUAPI: Guid = Guid(0xe351_4235_4b06_11d1_ab04_00c0_4fc2_dcd2);
/// Certificate enrolment over RPC (MS-ICPR 1.9) and over DCOM (MS-WCCE 1.9, ICertRequestD).
const ENROLMENT: [Guid; 2] = [
    Guid(0x91ae_6020_9e3c_11cf_8d7c_00aa_00c0_91be),
    Guid(0xd99e_6e70_fc88_11d0_b498_00a0_c903_12f3),
];

/// What a worker remembers to make evidence of events.
#[derive(Debug, Default)]
pub(super) struct Claims {
    home: HomeNets,
    /// Services that tickets were shown for and that have not answered: flow, session, sname.
    asked: VecDeque<(u64, u64, String)>,
    said: Said,
    out: Vec<Seen>,
}

/// What was said already: said again, it is news after a minute. Most answers of a server say nothing else
/// than the one before, so they are told apart before anything is made of them.
#[derive(Debug, Default)]
struct Said {
    /// The hosts of the event at hand, client first, and its time.
    ends: [Addr; 2],
    now: Timestamp,
    /// By a hash with a seed of this process, so that nobody can make one claim hide another.
    when: HashMap<u64, Timestamp, foldhash::quality::RandomState>,
}

impl Said {
    /// True once a minute for the same news of the same two hosts.
    fn is_new(&mut self, news: &impl Hash) -> bool {
        let hash = self.when.hasher().hash_one((self.ends, news));
        let again = Duration::from_secs(limits::CLAIM_AGAIN_SECS);
        let last = self.when.get(&hash);
        if last.is_some_and(|at| self.now.since(*at) < again) {
            return false;
        }
        if self.when.len() >= limits::CLAIMS_SAID {
            self.when.clear();
        }
        self.when.insert(hash, self.now);
        true
    }
}

impl Claims {
    pub(super) fn new(home: HomeNets) -> Self {
        Self {
            home,
            ..Self::default()
        }
    }

    /// True if the event can be evidence: whether it is worth to find out whose flow it is.
    pub(super) fn may_speak(event: &Event<'_>) -> bool {
        match event {
            Event::Dns(e) => e.response || e.protocol == "nbns",
            Event::Dhcp(_)
            | Event::LdapNetlogon(_)
            | Event::LdapResult(_)
            | Event::LdapBind(_)
            | Event::KrbReply(_)
            | Event::KrbApReq(_)
            | Event::KrbApResult(_)
            | Event::SmbNegotiate(_)
            | Event::SmbNetbios(_)
            | Event::SmbInterfaces(_)
            | Event::SmbSession(_)
            | Event::Tls(_) => true,
            Event::NtlmChallenge(e) => e.carrier == Carrier::Tds,
            Event::RpcBind(e) => e.accepted == Some(true),
            Event::SmbCommand(e) => e.status == Some(0) && !e.share.is_empty(),
            Event::HttpTransaction(e) => e.status.is_some_and(|s| s != 404),
            _ => false,
        }
    }

    /// What the event is evidence of, without what was said within the last minute.
    pub(super) fn of(
        &mut self,
        event: &Event<'_>,
        direction: Direction,
        flow: &FlowMeta,
        now: Timestamp,
    ) -> std::vec::Drain<'_, Seen> {
        self.said.ends = [flow.client.addr, flow.server.addr];
        self.said.now = now;
        match event {
            Event::Dns(e) if e.protocol == "dns" && direction == Direction::ToClient => {
                self.dns(e, flow);
            }
            Event::Dns(e) if e.protocol == "nbns" => self.netbios(e, direction, flow),
            Event::Dhcp(e) => self.dhcp(e),
            Event::KrbApReq(e) => {
                if self.asked.len() >= limits::SERVICES_ASKED {
                    self.asked.pop_front();
                }
                let sname = e.sname.to_string();
                self.asked.push_back((flow.flow_id, e.session, sname));
            }
            Event::KrbApResult(e) => {
                let mine = |(f, s, _): &(u64, u64, String)| *f == flow.flow_id && *s == e.session;
                let asked = self.asked.iter().position(mine);
                let asked = asked.and_then(|at| self.asked.remove(at));
                // SMB says it in the session's own event, with what protects it.
                if let Some((_, _, sname)) = asked
                    && e.outcome == "accepted"
                    && e.carrier != Carrier::Smb
                {
                    self.service(flow, &sname);
                    if e.carrier == Carrier::Tds {
                        self.serves(flow, Services::SQL);
                    }
                }
            }
            Event::SmbSession(e) if e.outcome == "accepted" => self.session(e, flow),
            Event::SmbNegotiate(e) => {
                self.push(Claim {
                    addr: flow.server.addr,
                    source: Source::Smb,
                    server: true,
                    guid: e.server_guid.filter(|guid| *guid != Guid::default()),
                    ..Claim::default()
                });
            }
            // Whom it calls is a guess of the client's; what it calls itself nobody checks.
            Event::SmbNetbios(e) => self.push(Claim {
                addr: flow.client.addr,
                names: names([&e.calling.to_string(), ""]),
                source: Source::Said,
                ..Claim::default()
            }),
            Event::SmbInterfaces(e) => self.push(Claim {
                addr: flow.server.addr,
                source: Source::Smb,
                server: true,
                interfaces: e.addresses.to_vec(),
                ..Claim::default()
            }),
            Event::LdapNetlogon(e) => self.push(Claim {
                addr: flow.server.addr,
                names: names([e.dns_host, e.nb_computer]),
                // It names itself, as in NTLM.
                source: Source::Ntlm,
                server: true,
                services: Services::NETLOGON.with(Services::LDAP),
                ..Claim::default()
            }),
            Event::LdapResult(_) => self.serves(flow, Services::LDAP),
            Event::LdapBind(e) if e.mechanism == "simple" && !e.name.is_empty() => {
                let user = e.name.to_string();
                self.lax(Laxity::LdapSimple { user });
            }
            Event::KrbReply(_) if flow.server.port == 88 => self.serves(flow, Services::KDC),
            Event::NtlmChallenge(_) => self.serves(flow, Services::SQL),
            Event::RpcBind(e) => {
                if e.interface == DRSUAPI {
                    self.serves(flow, Services::DC_RPC);
                } else if ENROLMENT.contains(&e.interface) {
                    self.serves(flow, Services::CA);
                }
                let port = flow.server.port;
                if matches!(port, 135 | 593) && !self.home.contains(flow.client.addr) {
                    self.lax(Laxity::Endpoint { port });
                }
            }
            Event::SmbCommand(e) => {
                if let Some(service) = share(&e.share.to_string()) {
                    self.serves(flow, service);
                }
            }
            Event::HttpTransaction(e) => {
                if let Some(service) = page(e) {
                    self.serves(flow, service);
                }
            }
            Event::Tls(e) => {
                let mut all: Vec<String> = e.names.iter().map(str::to_ascii_lowercase).collect();
                all.retain(|n| is_host(n));
                all.truncate(limits::NAMES_PER_ADDRESS / 2);
                self.push(Claim {
                    addr: flow.server.addr,
                    names: all,
                    source: Source::Said,
                    server: true,
                    ..Claim::default()
                });
            }
            _ => {}
        }
        self.out.drain(..)
    }

    fn push(&mut self, claim: Claim) {
        let says = !claim.names.is_empty()
            || claim.guid.is_some()
            || !claim.interfaces.is_empty()
            || claim.client.is_some()
            || claim.services != Services::default();
        let home = says && (self.home.contains(claim.addr) || claim.addr == Addr::default());
        if home && self.said.is_new(&claim) {
            self.out.push(Seen::Claim(Box::new(claim)));
        }
    }

    fn lax(&mut self, laxity: Laxity) {
        if self.said.is_new(&laxity) {
            self.out.push(Seen::Lax(laxity));
        }
    }

    fn serves(&mut self, flow: &FlowMeta, services: Services) {
        self.push(Claim {
            addr: flow.server.addr,
            server: true,
            services,
            ..Claim::default()
        });
    }

    /// A service took a ticket for `sname`: it has the key of that host's account.
    fn service(&mut self, flow: &FlowMeta, sname: &str) {
        let Some((class, host)) = sname.split_once('/') else {
            return;
        };
        let host = host.split(['/', ':', '@']).next().unwrap_or_default();
        let host = host.to_ascii_lowercase();
        if class.eq_ignore_ascii_case("krbtgt") || !is_host(&host) {
            return;
        }
        self.push(Claim {
            addr: flow.server.addr,
            names: vec![host],
            source: Source::Kerberos,
            server: true,
            ..Claim::default()
        });
    }

    fn session(&mut self, e: &SmbSession<'_>, flow: &FlowMeta) {
        if e.mechanism == "kerberos" {
            self.service(flow, &e.sname.to_string());
        }
        let weak = e.server_signing_required == Some(false) && !e.encryption_required;
        if weak && !e.guest && !e.null_session && self.home.contains(flow.server.addr) {
            let user = e.user.to_string();
            self.lax(Laxity::SmbUnsigned { user });
        }
    }

    /// A server's answer, and in it who has which name. An alias names the host it leads to.
    fn dns(&mut self, e: &DnsMessage<'_>, flow: &FlowMeta) {
        let witness = Witness {
            server: flow.server.addr,
            client: flow.client.addr,
        };
        self.push(Claim {
            addr: witness.server,
            server: true,
            services: Services::DNS,
            witness: Some(witness),
            ..Claim::default()
        });
        if e.rcode != 0 || e.opcode != 0 {
            return;
        }
        let told = |addr, names, services, ttl| Claim {
            addr,
            names,
            source: Source::Dns,
            server: true,
            services,
            ttl,
            witness: Some(witness),
            ..Claim::default()
        };
        for record in e.records {
            match (record.kind, record.data) {
                (1 | 28, DnsData::Address(addr)) => {
                    let mut all = names([record.name, ""]);
                    let answer = record.section == DnsSection::Answer;
                    all.extend(aliases(e, record.name).into_iter().filter(|_| answer));
                    let dc = e
                        .records
                        .iter()
                        .any(|r| names_controller(r.name, r.data, record.name));
                    let services = if dc {
                        Services::SRV
                    } else {
                        Services::default()
                    };
                    self.push(told(addr, all, services, record.ttl));
                }
                (12, DnsData::Name(name)) => {
                    if let Some(addr) = reversed(record.name) {
                        self.push(told(
                            addr,
                            names([name, ""]),
                            Services::default(),
                            record.ttl,
                        ));
                    }
                }
                _ => {}
            }
        }
    }

    /// A host registers its own name (RFC 1002 4.2.2). Suffix 0x20 is a file server's and never a group's.
    fn netbios(&mut self, e: &DnsMessage<'_>, direction: Direction, flow: &FlowMeta) {
        if e.response || e.opcode != 5 {
            return;
        }
        let sender = match direction {
            Direction::ToServer => flow.client.addr,
            Direction::ToClient => flow.server.addr,
        };
        for record in e.records {
            if record.data == DnsData::Address(sender) && record.suffix == Some(0x20) {
                self.push(Claim {
                    addr: sender,
                    names: names([record.name, ""]),
                    source: Source::Said,
                    ..Claim::default()
                });
            }
        }
    }

    /// The client says its name, the server which address it has. Neither alone is enough.
    fn dhcp(&mut self, e: &Dhcp<'_>) {
        let (addr, ttl) = match (e.request, e.message) {
            (true, DhcpMessage::REQUEST) => (Addr::default(), 0),
            (false, DhcpMessage::ACK) => match e.assigned_ip {
                Some(addr) if addr != Addr::v4([0; 4]) => (addr, e.lease_time.unwrap_or(0)),
                _ => return,
            },
            _ => return,
        };
        let (fqdn, host) = (text(&e.client_fqdn), text(&e.hostname));
        self.push(Claim {
            addr,
            names: names([fqdn.as_str(), host.as_str()]),
            source: Source::Dhcp,
            services: Services::LEASED,
            client: Some(identity(&[&e.client_mac.0])),
            ttl,
            ..Claim::default()
        });
    }
}

fn text(text: &Text<'_>) -> String {
    text.to_string()
}

/// Names as claims carry them: lower case, without dot at the end, of hosts only.
fn names(all: [&str; 2]) -> Vec<String> {
    all.into_iter()
        .map(|n| {
            n.trim_end_matches('.')
                .trim_matches('\\')
                .to_ascii_lowercase()
        })
        .filter(|n| is_host(n))
        .collect()
}

/// Could be the name of one host: not an address, a service (`_ldap`), a wildcard or a partition that
/// every domain controller answers for (MS-ADTS 6.3.2.3).
fn is_host(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= limits::DNS_NAME_BYTES
        && name.parse::<std::net::IpAddr>().is_err()
        && !name
            .split('.')
            .any(|l| l.starts_with(['_', '*']) || l.is_empty())
        && !name.starts_with("forestdnszones.")
        && !name.starts_with("domaindnszones.")
}

/// Names that lead to `name` by CNAMEs of the same answer.
fn aliases(e: &DnsMessage<'_>, name: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut at = name.to_owned();
    // A chain has one or two; as many as there are records at most.
    for _ in 0..4 {
        let leads = |r: &&crate::event::DnsRecord<'_>| {
            r.kind == 5 && matches!(r.data, DnsData::Name(to) if to.eq_ignore_ascii_case(&at))
        };
        let Some(alias) = e.records.iter().find(leads) else {
            break;
        };
        alias.name.clone_into(&mut at);
        found.extend(names([alias.name, ""]));
    }
    found
}

/// An SRV record says that `host` is a domain controller.
fn names_controller(name: &str, data: DnsData<'_>, host: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let is = |service: &str| name.starts_with(service) && name.contains("._tcp.dc._msdcs.");
    (is("_ldap.") || is("_kerberos."))
        && matches!(data, DnsData::Service { target, .. } if target.eq_ignore_ascii_case(host))
}

/// The address that a name under `in-addr.arpa` (RFC 1035 3.5) or `ip6.arpa` (RFC 3596 2.5) is for.
fn reversed(name: &str) -> Option<Addr> {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    if let Some(digits) = name.strip_suffix(".in-addr.arpa") {
        let mut all = digits.split('.').rev().map(|d| d.parse::<u8>().ok());
        let four = [all.next()??, all.next()??, all.next()??, all.next()??];
        return all.next().is_none().then(|| Addr::v4(four));
    }
    let digits = name.strip_suffix(".ip6.arpa")?;
    let mut bytes = [0u8; 16];
    let mut all = digits.split('.').rev();
    for byte in &mut bytes {
        let mut nibble = || u8::from_str_radix(all.next()?, 16).ok().filter(|n| *n < 16);
        *byte = (nibble()? << 4) | nibble()?;
    }
    all.next().is_none().then_some(Addr(bytes))
}

/// What a share shows its server to be. IPC$, administrative shares and those of every domain controller
/// show nothing.
fn share(path: &str) -> Option<Services> {
    let name = path.rsplit('\\').next()?.to_ascii_lowercase();
    match name.as_str() {
        "print$" => Some(Services::PRINT),
        "" | "sysvol" | "netlogon" => None,
        hidden if hidden.ends_with('$') => None,
        _ => Some(Services::SHARE),
    }
}

/// What a page that is there shows its server to be.
fn page(e: &HttpTransaction<'_>) -> Option<Services> {
    let path = e.uri.to_ascii_lowercase();
    let under = |all: &[&str]| all.iter().any(|p| path.starts_with(p));
    if super::sighting::is_enrolment(e.uri) {
        Some(Services::CA)
    } else if under(&["/ews/exchange.asmx", "/mapi/emsmdb", "/ecp/", "/owa/"]) {
        Some(Services::EXCHANGE)
    } else if e.method == "CCM_POST" || under(&["/ccm_system", "/sms_mp/", "/sms_dp_smspkg$"]) {
        Some(Services::SCCM)
    } else if under(&["/clientwebservice/client.asmx", "/simpleauthwebservice/"]) {
        Some(Services::UPDATE)
    } else {
        None
    }
}

#[cfg(test)]
#[path = "claims_tests.rs"]
mod tests;

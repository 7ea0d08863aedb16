//! RW-13: the same AP-REQ on two flows. RW-14: a ticket at the wrong place.
//!
//! The authenticator is fresh in every AP-REQ, so ticket and authenticator together are seen twice only
//! when somebody hands them on (catalogue B.4 K8), and the ticket says in clear which service it is for
//! (K9). Who was given a ticket is seen in the KDC's answer (K10). Whether the two flows are one
//! connection passed on is told from content, as for NTLM (design §4).
//!
//! **Not** here: what is inside the ticket. It is ciphertext; only keyed hashes of it are compared.

mod misplaced;
mod relayed;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use super::bounds::{Bounds, Kind};
use super::fair::Fair;
use super::pattern::{Context, Evicted, Pattern};
use super::pending::Pending;
use super::window::Recent;
use super::{Case, Declared, loops_back};
use crate::event::{Carrier, Finding, FlowMeta, KrbEvidence, Leg, LegRole, Seen, Sighting, Ticket};
use crate::limits;
use crate::net::Addr;
use crate::time::Timestamp;

/// Addresses that one answer of a KDC is remembered to have gone to; translation makes two.
const GRANTEES: usize = 4;

/// A ticket as it was shown on a flow.
#[derive(Clone, Debug)]
struct Shown {
    flow: FlowMeta,
    pcap_cnt: u64,
    ts: Timestamp,
    ticket: Ticket,
}

/// Whom a KDC gave a ticket.
#[derive(Clone, Debug)]
struct Grant {
    /// More than one if its answer was seen on both sides of address translation.
    clients: Vec<Addr>,
    kdc: Addr,
    cname: String,
    /// By an AS-REP. A ticket-granting ticket that a TGS-REP brings is meant to be handed on (RFC 4120 2.6).
    initial: bool,
}

/// A conclusion that waits for the server's answer, or for a device that explains it.
#[derive(Debug)]
struct Waiting {
    session: u64,
    case: Case,
}

/// State of RW-13 and RW-14.
#[derive(Debug)]
pub(super) struct Tickets {
    /// Not accepted so far, by who showed them.
    shown: Fair<[u8; 16], Shown>,
    /// Accepted: no number of forged ones pushes them out.
    accepted: Fair<[u8; 16], Shown>,
    /// The last one of each flow, until it is answered.
    open: Fair<u64, [u8; 16]>,
    /// By whom they were given to.
    granted: Fair<[u8; 16], Grant>,
    kdcs: Recent<Addr, ()>,
    waiting: Pending<Waiting>,
    /// Flows whose ticket RW-13 speaks of, a target's leg or one that a device passed on; true if it did.
    explained: Fair<u64, bool>,
    forwarders: Vec<Addr>,
}

impl Tickets {
    pub(super) fn new(declared: &Declared) -> Self {
        let relay = Duration::from_secs(limits::RELAY_SECS);
        let life = Duration::from_secs(limits::TICKET_SECS);
        Self {
            shown: Fair::new(limits::EXCHANGES, relay),
            accepted: Fair::new(limits::EXCHANGES, relay),
            open: Fair::new(limits::EXCHANGES, relay),
            granted: Fair::new(limits::EXCHANGES, life),
            kdcs: Recent::new(limits::KDCS, Duration::from_secs(limits::IDENTITY_SECS)),
            waiting: Pending::new(Duration::from_millis(limits::ANSWER_MILLIS)),
            explained: Fair::new(limits::EXCHANGES, relay),
            forwarders: declared
                .forwarders
                .iter()
                .map(|ip| Addr::from(*ip))
                .collect(),
        }
    }

    fn show(&mut self, s: &Sighting, ticket: &Ticket, cx: &Context<'_>) {
        let shown = Shown {
            flow: s.flow,
            pcap_cnt: s.key.number,
            ts: s.ts,
            ticket: ticket.clone(),
        };
        let id = ticket.ap_req_id;
        let first = self.accepted.get(&id).or_else(|| self.shown.get(&id));
        let relayed = first.and_then(|first| relayed::test(first, &shown, self.grant(ticket), cx));
        let client = s.flow.client.addr;
        if first.is_none() {
            self.shown.insert(client, id, shown.clone(), s.ts);
        }
        self.open.insert(client, s.flow.flow_id, id, s.ts);
        if let Some((mut case, other)) = relayed {
            let declared = [s.flow.client.addr, s.flow.server.addr];
            if declared.iter().any(|a| self.forwarders.contains(a)) {
                Arc::make_mut(&mut case.finding).forwarded = true;
            }
            let forwarded = case.finding.forwarded;
            self.explained
                .insert(client, s.flow.flow_id, forwarded, s.ts);
            if forwarded {
                self.explained.insert(client, other, forwarded, s.ts);
            }
            self.wait(ticket.session, case);
        }
        let own = [s.flow.client.addr, s.flow.server.addr];
        if own.iter().any(|a| self.forwarders.contains(a)) {
            return;
        }
        let kdc = |addr: Addr| self.kdcs.get(&addr).is_some();
        let found = [
            misplaced::server(&shown, self.grant(ticket), &kdc, cx),
            misplaced::client(&shown, self.grant(ticket), cx),
        ];
        for case in found.into_iter().flatten() {
            self.wait(ticket.session, case);
        }
    }

    fn grant(&self, ticket: &Ticket) -> Option<&Grant> {
        self.granted.get(&ticket.ticket_id)
    }

    fn granted(&mut self, s: &Sighting, ticket_id: [u8; 16], cname: &str, initial: bool) {
        let client = s.flow.client.addr;
        if let Some(grant) = self.granted.get_mut(&ticket_id) {
            if !grant.clients.contains(&client) && grant.clients.len() < GRANTEES {
                grant.clients.push(client);
            }
        } else {
            let grant = Grant {
                clients: vec![client],
                kdc: s.flow.server.addr,
                cname: cname.to_owned(),
                initial,
            };
            self.granted.insert(client, ticket_id, grant, s.ts);
        }
        self.kdcs.insert(s.flow.server.addr, (), s.ts);
    }

    fn wait(&mut self, session: u64, case: Case) {
        let (client, ts) = (case.flow.client.addr, case.ts);
        self.waiting.push(client, Waiting { session, case }, ts);
    }

    fn result(&mut self, s: &Sighting, session: u64, success: Option<bool>, code: Option<u32>) {
        let Some(success) = success else {
            return;
        };
        if let Some(id) = self.open.remove(&s.flow.flow_id)
            && success
            && let Some(shown) = self.shown.remove(&id)
        {
            self.accepted.insert(shown.client(), id, shown, s.ts);
        }
        let server = s.flow.server.addr;
        let mine = |w: &&mut Waiting| {
            w.case.flow.flow_id == s.flow.flow_id
                // An SMB session has no id before the server's first answer.
                && (w.session == session || w.session == 0)
                && w.case.finding.outcome == "unknown"
        };
        for waiting in self.waiting.iter_mut().filter(mine) {
            let finding = Arc::make_mut(&mut waiting.case.finding);
            finding.outcome = if success { "success" } else { "failure" };
            waiting.case.evidence.push(match (success, code) {
                (true, _) => format!("{server} accepted it"),
                (false, Some(code)) => format!("{server} refused it with code {code:#010x}"),
                (false, None) => format!("{server} refused it"),
            });
        }
    }

    fn conclude(&self, waiting: Waiting, out: &mut Vec<Case>) {
        // Who the ticket was given to is worth saying of a relay too; that its target is not the service's host is not.
        let finding = &waiting.case.finding;
        let superfluous = match self.explained.get(&waiting.case.flow.flow_id) {
            Some(forwarded) => *forwarded || finding.test != "client",
            None => false,
        };
        if finding.detector == "RW-14" && superfluous {
            return;
        }
        out.push(waiting.case);
    }
}

impl Pattern for Tickets {
    fn sighting(&mut self, s: &Sighting, cx: &Context<'_>, _: &mut Vec<Case>) {
        if loops_back(&s.flow) {
            return;
        }
        match &s.seen {
            Seen::Ticket(ticket) => self.show(s, ticket, cx),
            Seen::TicketResult {
                session,
                success,
                code,
            } => self.result(s, *session, *success, *code),
            Seen::Granted {
                ticket_id,
                cname,
                initial,
            } => self.granted(s, *ticket_id, cname, *initial),
            _ => {}
        }
    }

    fn advance(&mut self, now: Timestamp, _: &Context<'_>, out: &mut Vec<Case>) {
        while let Some(waiting) = self.waiting.pop(Some(now)) {
            self.conclude(waiting, out);
        }
    }

    fn finish(&mut self, _: Timestamp, _: &Context<'_>, out: &mut Vec<Case>) {
        while let Some(waiting) = self.waiting.pop(None) {
            self.conclude(waiting, out);
        }
    }

    fn evicted(&self) -> Evicted {
        Evicted {
            pending: self.waiting.evicted() + self.explained.evicted() + self.open.evicted(),
            known: self.kdcs.evicted(),
            own: self.explained.gave_way() + self.open.gave_way(),
            exchanges: self.shown.lost() + self.accepted.lost() + self.granted.lost(),
        }
    }

    fn limit(&mut self, bounds: &Bounds) {
        self.shown.limit(bounds.most(Kind::Ticket));
        self.accepted.limit(bounds.most(Kind::Ticket));
        self.granted.limit(bounds.most(Kind::Ticket));
        self.open.limit(bounds.most(Kind::Flow));
        self.kdcs.limit(bounds.most(Kind::Told));
        self.explained.limit(bounds.most(Kind::Flow));
        self.waiting.limit(bounds.most(Kind::Waiting));
    }
}

impl Shown {
    fn client(&self) -> Addr {
        self.flow.client.addr
    }

    fn server(&self) -> Addr {
        self.flow.server.addr
    }

    fn leg(&self, role: LegRole) -> Leg {
        Leg {
            role,
            flow: self.flow,
            pcap_cnt: self.pcap_cnt,
            ts: self.ts,
        }
    }

    /// `class/host`, without port, realm or further parts; nothing for a KDC's own tickets.
    fn service(&self) -> Option<(&str, &str)> {
        let name = self.ticket.sname.split('@').next()?;
        let (class, rest) = name.split_once('/')?;
        let host = rest.split(['/', ':']).next()?;
        (!host.is_empty() && !class.eq_ignore_ascii_case("krbtgt")).then_some((class, host))
    }

    /// The part of a finding that is the same for every test.
    fn finding(&self, detector: &'static str, grant: Option<&Grant>, cx: &Context<'_>) -> Finding {
        let user = grant.map(|g| g.cname.clone()).unwrap_or_default();
        Finding {
            detector,
            kind: "relay",
            outcome: "unknown",
            target_name: self.ticket.sname.clone(),
            machine_account: user.ends_with('$'),
            user,
            domain: self.ticket.realm.clone(),
            learning: cx.identity.is_learning(self.ts),
            krb: Some(Arc::new(KrbEvidence::of(&self.ticket))),
            ..Finding::default()
        }
    }

    fn sentence(&self) -> String {
        format!(
            "{} showed {} a ticket for {} ({})",
            self.client(),
            self.flow.server,
            self.ticket.sname,
            self.ticket.carrier.name()
        )
    }

    fn case(&self, finding: Finding, legs: Vec<Leg>, evidence: Vec<String>) -> Case {
        Case {
            finding: Arc::new(finding),
            ts: self.ts,
            pcap_cnt: self.pcap_cnt,
            flow: self.flow,
            legs,
            rpc: None,
            ntlm: None,
            evidence,
        }
    }
}

/// True for a ticket that is shown to a KDC, in a TGS-REQ.
fn to_kdc(shown: &Shown) -> bool {
    shown.ticket.carrier == Carrier::Kerberos
}

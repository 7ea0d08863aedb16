//! RW-06 and RW-07: a call that makes its server authenticate to a host the caller names.
//!
//! A call waits at most 500 ms for its answer, which tells whether the server tried the path. The
//! authentication that follows is watched too: it tells who a bare name in the path belongs to.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::bounds::{Bounds, Kind};
use super::fair::Fair;
use super::identity::Identity;
use super::pattern::{Context, Evicted, Pattern};
use super::window::Recent;
use super::{Case, host};
use crate::catalog::{Method, PathHost};
use crate::event::{Call, Finding, FlowMeta, Leg, LegRole, RpcEvidence, Seen, Sighting};
use crate::limits;
use crate::net::Addr;
use crate::time::Timestamp;
use crate::wire::Guid;

/// Which call: flow, association, call id. The answer to a call inside RPC over HTTP comes on another
/// flow; there the association alone (its virtual connection) tells, and the flow is 0.
type CallKey = (u64, u64, u32);

fn call_key(s: &Sighting, association: u64, call_id: u32) -> CallKey {
    let http = s.flow.app_proto == "http" && association != 0;
    (if http { 0 } else { s.flow.flow_id }, association, call_id)
}

/// A call that waits for its answer.
#[derive(Debug)]
struct Waiting {
    call: Call,
    flow: FlowMeta,
    ts: Timestamp,
    pcap_cnt: u64,
    deadline: Timestamp,
    caller_interfaces: u64,
    /// The first host the victim authenticated to by NTLM after the call, and when.
    callback: Option<(Addr, Timestamp)>,
}

impl Waiting {
    /// Who called: behind an RPC proxy, the client that it names.
    fn caller(&self) -> Addr {
        self.call.client.unwrap_or(self.flow.client.addr)
    }
}

/// How a call was answered.
#[derive(Clone, Copy, Debug)]
struct Answered {
    fault: Option<u32>,
    status: Option<u32>,
}

/// State of RW-06 and RW-07.
#[derive(Debug)]
pub(super) struct Coercion {
    waiting: Fair<CallKey, Waiting>,
    deadlines: BTreeSet<(Timestamp, CallKey)>,
    /// Calls that wait, by the host that was called.
    by_victim: Recent<Addr, Vec<CallKey>>,
    /// Coercible interface families a caller has used, with the time of the last use.
    callers: Recent<Addr, Vec<(String, Timestamp)>>,
}

impl Default for Coercion {
    fn default() -> Self {
        let minute = Duration::from_secs(60);
        Self {
            waiting: Fair::new(limits::PENDING_FINDINGS, minute),
            deadlines: BTreeSet::new(),
            by_victim: Recent::new(limits::PENDING_FINDINGS, minute),
            callers: Recent::new(limits::NAMED_ADDRESSES, minute),
        }
    }
}

impl Pattern for Coercion {
    fn sighting(&mut self, s: &Sighting, cx: &Context<'_>, out: &mut Vec<Case>) {
        match &s.seen {
            Seen::Challenge { .. } => self.callback(s),
            Seen::Call(call) => self.call(s, call, cx, out),
            Seen::Answer { .. } => self.answer(s, cx, out),
            _ => {}
        }
    }

    fn advance(&mut self, now: Timestamp, cx: &Context<'_>, out: &mut Vec<Case>) {
        while let Some(&(deadline, key)) = self.deadlines.first() {
            if deadline > now {
                break;
            }
            self.deadlines.pop_first();
            if let Some(waiting) = self.take(key) {
                out.extend(conclude(&waiting, deadline, None, cx));
            }
        }
    }

    fn finish(&mut self, now: Timestamp, cx: &Context<'_>, out: &mut Vec<Case>) {
        while let Some((_, key)) = self.deadlines.pop_first() {
            if let Some(waiting) = self.take(key) {
                out.extend(conclude(&waiting, now, None, cx));
            }
        }
    }

    fn evicted(&self) -> Evicted {
        Evicted {
            // Told early, without the answer.
            pending: self.waiting.lost(),
            known: self.callers.evicted(),
            ..Evicted::default()
        }
    }

    fn limit(&mut self, bounds: &Bounds) {
        self.waiting.limit(bounds.most(Kind::Kept));
        self.by_victim.limit(bounds.most(Kind::Kept));
        self.callers.limit(bounds.most(Kind::Flow));
    }
}

impl Coercion {
    /// A coercion method was called.
    fn call(&mut self, s: &Sighting, call: &Call, cx: &Context<'_>, out: &mut Vec<Case>) {
        let Some(method) = cx.catalog.method(call.interface, call.opnum) else {
            return;
        };
        let family = method.family.clone();
        let caller_interfaces =
            self.count_interfaces(call.client.unwrap_or(s.flow.client.addr), family, s.ts);
        let key = call_key(s, call.association, call.call_id);
        let deadline = s.ts.plus(Duration::from_millis(limits::ANSWER_MILLIS));
        if let Some(old) = self.take(key) {
            // The call id was used again before it was answered.
            out.extend(conclude(&old, s.ts, None, cx));
        }
        let waiting = Waiting {
            call: call.clone(),
            flow: s.flow,
            ts: s.ts,
            pcap_cnt: s.key.number,
            deadline,
            caller_interfaces,
            callback: None,
        };
        if let Some((gone, early)) = self.waiting.insert(s.flow.client.addr, key, waiting, s.ts) {
            self.let_go(&early, gone);
            out.extend(conclude(&early, s.ts, None, cx));
        }
        self.deadlines.insert((deadline, key));
        let victim = s.flow.server.addr;
        let mut keys = self.by_victim.remove(&victim).unwrap_or_default();
        keys.push(key);
        // Renewed: a host that is called again and again is not forgotten meanwhile.
        self.by_victim.insert(victim, keys, s.ts);
    }

    /// Somebody challenged a client: if that client was just called, it is calling back.
    fn callback(&mut self, s: &Sighting) {
        let Some(keys) = self.by_victim.get(&s.flow.client.addr) else {
            return;
        };
        for key in keys {
            if let Some(waiting) = self.waiting.get_mut(key)
                && waiting.callback.is_none()
                && s.flow.first_ts >= waiting.ts
            {
                waiting.callback = Some((s.flow.server.addr, s.flow.first_ts));
            }
        }
    }

    /// A call was answered.
    fn answer(&mut self, s: &Sighting, cx: &Context<'_>, out: &mut Vec<Case>) {
        let Seen::Answer {
            association,
            call_id,
            fault,
            status,
        } = s.seen
        else {
            return;
        };
        if let Some(waiting) = self.take(call_key(s, association, call_id)) {
            let answered = Answered { fault, status };
            out.extend(conclude(&waiting, s.ts, Some(answered), cx));
        }
    }

    fn take(&mut self, key: CallKey) -> Option<Waiting> {
        let waiting = self.waiting.remove(&key)?;
        self.let_go(&waiting, key);
        Some(waiting)
    }

    /// Takes a call that waits no longer out of what points at it.
    fn let_go(&mut self, waiting: &Waiting, key: CallKey) {
        self.deadlines.remove(&(waiting.deadline, key));
        let victim = waiting.flow.server.addr;
        if let Some(keys) = self.by_victim.get_mut(&victim) {
            keys.retain(|k| *k != key);
            if keys.is_empty() {
                self.by_victim.remove(&victim);
            }
        }
    }

    /// Different families of the caller within a minute, this one included.
    fn count_interfaces(&mut self, caller: Addr, family: String, now: Timestamp) -> u64 {
        let mut used = self.callers.remove(&caller).unwrap_or_default();
        used.retain(|(f, at)| *f != family && now.since(*at) <= Duration::from_secs(60));
        used.push((family, now));
        let count = used.len() as u64;
        self.callers.insert(caller, used, now);
        count
    }
}

/// The finding of RW-06 or RW-07.
fn conclude(
    w: &Waiting,
    now: Timestamp,
    answered: Option<Answered>,
    cx: &Context<'_>,
) -> Option<Case> {
    let method = cx.catalog.method(w.call.interface, w.call.opnum)?;
    let path = w.call.path.as_deref().filter(|_| !w.call.sealed);
    let named = path.map(|p| method.path_host(p));
    let owner = owner(w, method, named.as_ref(), path.is_some(), cx.identity);
    let host_text = named
        .as_ref()
        .and_then(|n| n.host.clone())
        .unwrap_or_default();
    let finding = Finding {
        detector: if w.call.sealed { "RW-07" } else { "RW-06" },
        kind: "coercion",
        confidence: match owner {
            "unknown" => "medium",
            "unnamed" => "low",
            _ if w.call.path_by_scan => "medium",
            _ => "high",
        },
        outcome: outcome(method, answered),
        attacker: Some(w.caller()),
        victim: Some(w.flow.server.addr),
        listener: listener(w, named.as_ref(), owner),
        family: method.family.clone(),
        method_id: method.id.clone(),
        method: method.name.clone(),
        tier: method.tier.name(),
        interface: Some(w.call.interface),
        opnum: Some(w.call.opnum),
        transport: w.call.transport,
        named_pipe: w.call.named_pipe.clone(),
        sealed: w.call.sealed,
        path: path.unwrap_or_default().to_owned(),
        path_host: host_text.clone(),
        path_host_literal: named.as_ref().is_some_and(|n| n.literal.is_some()),
        webdav: named.as_ref().is_some_and(|n| n.webdav),
        path_owner: owner,
        caller_interfaces: w.caller_interfaces,
        ..Finding::default()
    };
    let rpc = RpcEvidence {
        interface: w.call.interface.to_string(),
        version: w.call.version.clone(),
        opnum: w.call.opnum,
        method: method.name.clone(),
        transport: w.call.transport.to_owned(),
        auth_type: w.call.auth_type,
        auth_level: w.call.auth_level,
        sealed: w.call.sealed,
        stub_len: w.call.stub_len,
        path: path.map(str::to_owned),
        path_host: (!host_text.is_empty()).then_some(host_text),
    };
    let leg = Leg {
        role: LegRole::Coercion,
        flow: w.flow,
        pcap_cnt: w.pcap_cnt,
        ts: w.ts,
    };
    Some(Case {
        ts: now,
        pcap_cnt: w.pcap_cnt,
        flow: w.flow,
        legs: vec![leg],
        rpc: Some(rpc),
        ntlm: None,
        evidence: evidence(w, method, &finding, answered),
        finding: Arc::new(finding),
    })
}

/// Whose host the path names.
fn owner(
    w: &Waiting,
    method: &Method,
    named: Option<&PathHost>,
    readable: bool,
    names: &Identity,
) -> &'static str {
    let Some(named) = named else {
        return if readable { "none" } else { "unknown" };
    };
    let Some(path_host) = named.host.as_deref() else {
        return "none";
    };
    let (caller, server) = (w.caller(), w.flow.server.addr);
    if let Some(literal) = named.literal {
        let literal = Addr::from(literal);
        return match literal {
            l if l == caller => "caller",
            l if l == server || l.is_loopback() => "server",
            _ => "other",
        };
    }
    if path_host == "localhost" || names.server_is(server, path_host) {
        "server"
    } else if names.host_is(caller, path_host) {
        "caller"
    } else if let Some((called, _)) = w.callback {
        // The victim went somewhere at once: that is who the name belongs to.
        if called == caller { "caller" } else { "other" }
    } else if matches!(method.family.as_str(), "rprn" | "par") {
        // Ordinary clients name hosts whose address we have not learned.
        "unknown"
    } else if w.flow.one_way && names.is_nameless(server) {
        // Where the server's packets are missing, so is its name: it may be its own.
        "unnamed"
    } else {
        "other"
    }
}

/// Who the victim is sent to, as far as the call or the callback tells.
fn listener(w: &Waiting, named: Option<&PathHost>, owner: &str) -> Option<Addr> {
    let caller = w.caller();
    if let Some(literal) = named.and_then(|n| n.literal) {
        return Some(Addr::from(literal));
    }
    match (owner, w.callback) {
        ("caller", _) => Some(caller),
        ("server", _) => Some(w.flow.server.addr),
        ("none", _) => None,
        // A sealed call tells no name; a callback to anybody else may be chance.
        ("unknown", Some((called, _))) if called == caller => Some(caller),
        ("other", Some((called, _))) => Some(called),
        _ => None,
    }
}

fn outcome(method: &Method, answered: Option<Answered>) -> &'static str {
    match answered {
        None => "unknown",
        Some(Answered { fault: Some(_), .. }) => "failure",
        Some(Answered {
            status: Some(status),
            ..
        }) => {
            if method.tried.contains(&status) || status == 0 {
                "success"
            } else if method.refused.contains(&status) {
                "failure"
            } else {
                "attempt"
            }
        }
        Some(_) => "unknown",
    }
}

fn evidence(w: &Waiting, method: &Method, f: &Finding, answered: Option<Answered>) -> Vec<String> {
    let (caller, server) = (host(w.caller()), host(w.flow.server.addr));
    let over = if w.call.named_pipe.is_empty() {
        w.call.transport.to_owned()
    } else {
        format!("\\pipe\\{}", w.call.named_pipe)
    };
    let number = match w.call.interface {
        Guid::NIL => format!("message {:#x}", w.call.opnum),
        statement if !statement.is_interface() => "a statement".to_owned(),
        interface => format!("{interface} opnum {}", w.call.opnum),
    };
    let mut lines = vec![format!(
        "{caller} called {} ({number}) on {server} over {over}",
        method.name
    )];
    if w.call.client.is_some() {
        let proxy = host(w.flow.client.addr);
        lines.push(format!(
            "it came through the RPC proxy {proxy}, which says who called"
        ));
    }
    if w.call.sealed {
        lines.push(format!(
            "the call is sealed (authentication level 6): the path could not be read, its stub has {} bytes",
            w.call.stub_len
        ));
    } else if f.path.is_empty() {
        lines.push("no path could be read from the call".to_owned());
    } else {
        let whose = match f.path_owner {
            "caller" => "the caller itself",
            "server" => "the called server itself",
            "none" => "no remote host",
            "other" => "another host",
            "unnamed" => {
                "a host, perhaps the called server: of that nothing was seen, so its name is not known"
            }
            _ => "a host whose address is not known",
        };
        let scan = if w.call.path_by_scan {
            " (found by searching the call)"
        } else {
            ""
        };
        lines.push(format!("the path {}{scan} names {whose}", f.path));
    }
    if let Some((called, at)) = w.callback {
        lines.push(format!(
            "{} ms after the call {server} opened a connection to {} and began NTLM there",
            at.since(w.ts).as_millis(),
            host(called)
        ));
    }
    lines.push(match answered {
        None => "no answer was seen within 500 ms".to_owned(),
        Some(Answered {
            fault: Some(fault), ..
        }) => format!("{server} answered with fault {fault:#010x}"),
        Some(Answered {
            status: Some(status),
            ..
        }) => match f.outcome {
            "success" => format!("{server} answered {status:#010x}: it tried the path"),
            "failure" => format!("{server} refused with {status:#010x}"),
            _ => format!("{server} answered {status:#010x}"),
        },
        Some(_) => format!("{server} answered; the answer is sealed"),
    });
    if f.caller_interfaces > 1 {
        lines.push(format!(
            "{caller} used {} different coercible interfaces within a minute",
            f.caller_interfaces
        ));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Catalog;
    use crate::correlate::logons::Logons;
    use crate::correlate::suspects::Suspects;
    use crate::event::OrderKey;
    use crate::net::{Direction, Endpoint};

    /// A host that is called faster than calls are concluded: what was let go leaves nothing behind.
    #[test]
    fn evicted_calls_are_forgotten_everywhere() {
        let catalog = Arc::new(Catalog::builtin());
        let (interface, opnum) = {
            let (interface, method) = catalog.methods().first().copied().unwrap();
            (interface.uuid, method.opnum)
        };
        let mut coercion = Coercion::default();
        let mut out = Vec::new();
        let (identity, suspects) = (Identity::new(Duration::ZERO), Suspects::default());
        let logons = Logons::default();
        let cx = Context {
            catalog: &catalog,
            identity: &identity,
            suspects: &suspects,
            logons: &logons,
        };
        let calls = u32::try_from(limits::PENDING_FINDINGS).unwrap() + 500;
        for call_id in 0..calls {
            let call = Call {
                interface,
                opnum,
                call_id,
                version: String::new(),
                transport: "ncacn_np",
                named_pipe: String::new(),
                association: 1,
                auth_type: None,
                auth_level: None,
                sealed: true,
                stub_len: 0,
                path: None,
                path_by_scan: false,
                client: None,
            };
            let s = Sighting {
                key: OrderKey::default(),
                ts: Timestamp::new(1, 0),
                flow: FlowMeta {
                    client: Endpoint::new(Addr::v4([10, 0, 0, 66]), 50_000),
                    server: Endpoint::new(Addr::v4([10, 0, 0, 20]), 445),
                    ..FlowMeta::default()
                },
                direction: Direction::ToServer,
                seen: Seen::Call(Box::new(call.clone())),
            };
            coercion.call(&s, &call, &cx, &mut out);
        }
        // One caller has a sixteenth of the room.
        let held = limits::PENDING_FINDINGS / 16;
        assert_eq!(out.len(), calls as usize - held, "each is told");
        let victim = Addr::v4([10, 0, 0, 20]);
        let keys = coercion.by_victim.get(&victim).map_or(0, Vec::len);
        assert_eq!(keys, held);
        coercion.finish(Timestamp::new(2, 0), &cx, &mut out);
        assert!(coercion.by_victim.get(&victim).is_none());
    }
}

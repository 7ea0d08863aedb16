//! RW-08 where the call is inside SMB3 encryption: only sizes, the callback and what stands beside it speak.
//!
//! A client opened and bound a named pipe on the host by the sizes of its messages, and within two
//! seconds the host went, as itself, where it never went before. Servers do that without any attacker
//! too, so one thing more is asked for (catalogue C.3): it goes to that very client; the challenge is a
//! tool's; the challenge is in another host's name (RW-04); or a relay was seen. Without, it is context.

use std::sync::Arc;
use std::time::Duration;

use super::{Outgoing, account};
use crate::correlate::Case;
use crate::correlate::bounds::{Bounds, Kind};
use crate::correlate::journal::Journal;
use crate::correlate::pattern::Context;
use crate::correlate::pending::Pending;
use crate::correlate::relay::is_static;
use crate::event::{Finding, FlowMeta, HostRole, Leg, LegRole, NtlmEvidence, Sighting};
use crate::limits;
use crate::time::Timestamp;

/// A pipe that was opened and bound unreadably.
#[derive(Clone, Copy, Debug)]
struct Pipe {
    flow: FlowMeta,
    pcap_cnt: u64,
    ts: Timestamp,
    letter_nonces: bool,
}

/// Pipes by server, and authentications that only lack support.
#[derive(Debug)]
pub(super) struct Encrypted {
    pipes: Journal<Pipe>,
    waiting: Pending<Case>,
}

impl Default for Encrypted {
    fn default() -> Self {
        let window = Duration::from_secs(2 * limits::ENCRYPTED_CALLBACK_SECS);
        Self {
            pipes: Journal::new(limits::PRECURSORS, limits::CALLBACKS_PER_HOST, window),
            // Longer than a relay or a false name waits for its own answer.
            waiting: Pending::new(Duration::from_millis(2 * limits::ANSWER_MILLIS)),
        }
    }
}

impl Encrypted {
    pub(super) fn limit(&mut self, bounds: &Bounds) {
        self.pipes.limit(bounds.most(Kind::Flow));
        self.waiting.limit(bounds.most(Kind::Waiting));
    }

    pub(super) fn gave_way(&self) -> u64 {
        self.pipes.gave_way()
    }

    pub(super) fn evicted(&self) -> u64 {
        self.pipes.evicted() + self.waiting.evicted()
    }

    pub(super) fn pipe(&mut self, s: &Sighting, letter_nonces: bool) {
        let pipe = Pipe {
            flow: s.flow,
            pcap_cnt: s.key.number,
            ts: s.ts,
            letter_nonces,
        };
        self.pipes.push(s.flow.server.addr, pipe, s.ts);
    }

    /// The host authenticates somewhere. What lacks support waits whether a relay or a false name turns up.
    pub(super) fn authenticate(&mut self, o: &Outgoing, cx: &Context<'_>) -> Option<Case> {
        let pipe = self.before(o)?;
        let support = support(&pipe, o, cx)?;
        let case = case(&pipe, o, support, cx);
        if support != "none" {
            return Some(case);
        }
        self.waiting.push(o.flow.client.addr, case, o.ts);
        None
    }

    /// Another detector spoke: whatever waits on the victim's flow has its support.
    pub(super) fn concluded(&mut self, case: &Case) -> Option<Case> {
        let f = &case.finding;
        let support = match f.detector {
            "RW-01" | "RW-02" if !f.forwarded && !f.forwarding_unknown => "relay",
            "RW-04" => "name",
            _ => return None,
        };
        let victim = case.legs.iter().find(|leg| leg.role == LegRole::Victim)?;
        let mut found = self
            .waiting
            .take(|w| w.flow.flow_id == victim.flow.flow_id)?;
        let finding = Arc::make_mut(&mut found.finding);
        finding.support = support;
        finding.confidence = "high";
        found.evidence.insert(1, said(support).to_owned());
        found.ts = found.ts.max(case.ts);
        Some(found)
    }

    pub(super) fn advance(&mut self, now: Timestamp, out: &mut Vec<Case>) {
        self.pipes.forget(now);
        while let Some(case) = self.waiting.pop(Some(now)) {
            out.push(case);
        }
    }

    pub(super) fn finish(&mut self, out: &mut Vec<Case>) {
        while let Some(case) = self.waiting.pop(None) {
            out.push(case);
        }
    }

    /// The pipe it may come of: the listener's own, or else the newest.
    fn before(&self, o: &Outgoing) -> Option<Pipe> {
        let began = o.flow.first_ts;
        let within = Duration::from_secs(limits::ENCRYPTED_CALLBACK_SECS);
        self.pipes
            .of(o.flow.client.addr)
            .filter(|p| p.ts <= began && began.since(p.ts) <= within)
            .max_by_key(|p| (p.flow.client.addr == o.flow.server.addr, p.ts))
            .copied()
    }
}

/// What makes it more than chance, or nothing if it cannot be a callback.
fn support(pipe: &Pipe, o: &Outgoing, cx: &Context<'_>) -> Option<&'static str> {
    let listener = o.flow.server.addr;
    let there = cx.identity.roles(listener);
    let expected = [HostRole::Dc, HostRole::Dns, HostRole::Update];
    if !o.new || expected.into_iter().any(|role| there.has(role)) {
        return None;
    }
    let back = cx.identity.same_host(pipe.flow.client.addr, listener);
    if !(o.auth.user.ends_with('$') || o.auth.anonymous && back) {
        return None;
    }
    Some(if back {
        "caller"
    } else if o.auth.challenge.is_some_and(is_static) {
        "challenge"
    } else {
        "none"
    })
}

fn case(pipe: &Pipe, o: &Outgoing, support: &'static str, cx: &Context<'_>) -> Case {
    let (victim, listener) = (o.flow.client.addr, o.flow.server.addr);
    let attacker = pipe.flow.client.addr;
    let began = o.flow.first_ts.since(pipe.ts);
    let ms = u64::try_from(began.as_millis()).unwrap_or(u64::MAX);
    let finding = Finding {
        detector: "RW-08",
        kind: "callback",
        test: "encrypted",
        support,
        confidence: if support == "none" { "low" } else { "medium" },
        outcome: "success",
        attacker: Some(attacker),
        victim: Some(victim),
        listener: Some(listener),
        transport: "ncacn_np",
        sealed: true,
        path_owner: "unknown",
        callback_ms: Some(ms),
        victim_protocol: o.auth.carrier.name(),
        user: o.auth.user.clone(),
        domain: o.auth.domain.clone(),
        machine_account: o.auth.user.ends_with('$'),
        victim_tier0: cx.identity.roles(victim).is_tier0(),
        learning: cx.identity.is_learning(o.ts),
        attacker_admin: cx.identity.roles(attacker).has(HostRole::Admin),
        ..Finding::default()
    };
    let mut evidence = vec![format!(
        "{ms} ms after {attacker} opened and bound a named pipe on {victim} inside SMB3 encryption (by the sizes of its messages), {victim} opened a connection to {} ({}) and authenticated as {}",
        o.flow.server,
        o.auth.carrier.name(),
        account(&o.auth)
    )];
    if support != "none" {
        evidence.push(said(support).to_owned());
    }
    evidence.push(format!(
        "{victim} was not seen to authenticate at {listener} before"
    ));
    if pipe.letter_nonces {
        evidence.push(format!(
            "the nonces of {attacker} are letters, as those of impacket are"
        ));
    }
    let call = Leg {
        role: LegRole::Coercion,
        flow: pipe.flow,
        pcap_cnt: pipe.pcap_cnt,
        ts: pipe.ts,
    };
    Case {
        finding: Arc::new(finding),
        ts: o.ts,
        pcap_cnt: o.pcap_cnt,
        flow: o.flow,
        legs: vec![call, o.leg()],
        rpc: None,
        ntlm: Some(NtlmEvidence::of(&o.auth)),
        evidence,
    }
}

fn said(support: &str) -> &'static str {
    match support {
        "caller" => "it went to the client of that session",
        "challenge" => "the challenge it got is one that tools give to everybody",
        "name" => "the challenge it got is in the name of another host",
        _ => "its authentication was relayed",
    }
}

#[cfg(test)]
mod tests {
    use crate::correlate::story::*;
    use crate::correlate::{Declared, DeclaredHost};
    use crate::event::{Carrier, Finding, HostRole, Seen};

    /// The pipe is bound at 1000 ms; the victim's connection to `to` opens at `opened`.
    fn told(declared: &Declared, to: [u8; 4], opened: u64, user: &str, challenge: u8) -> Story {
        let mut story = Story::with(declared);
        pipe(&mut story, 1_000);
        logon(&mut story, 2, to, opened, user, challenge);
        story
    }

    fn pipe(story: &mut Story, ms: u64) {
        let seen = Seen::EncryptedPipe {
            letter_nonces: false,
        };
        story.tell(ms, flow(1, ATTACKER, VICTIM, 445), seen);
    }

    fn logon(story: &mut Story, id: u64, to: [u8; 4], opened: u64, user: &str, challenge: u8) {
        let mut leg = flow(id, VICTIM, to, 445);
        leg.first_ts = Story::at(opened);
        let mut auth = authentication(Carrier::Smb, challenge, 9);
        auth.user = user.to_owned();
        auth.anonymous = user.is_empty();
        story.tell(opened + 5, leg, Seen::Authenticate(Box::new(auth)));
    }

    fn found(story: Story) -> Vec<(&'static str, &'static str)> {
        let story = story.end(60_000);
        let all = story.findings();
        let callback = |f: &&&Finding| f.detector == "RW-08" && f.test == "encrypted";
        let said = all.iter().filter(callback);
        said.map(|f| (f.support, f.confidence)).collect()
    }

    #[test]
    fn what_supports_it() {
        let none = Declared::default();
        for (why, to, user, challenge, want) in [
            (
                "back to the caller",
                ATTACKER,
                "SRV$",
                9,
                ("caller", "medium"),
            ),
            ("back, as nobody yet", ATTACKER, "", 9, ("caller", "medium")),
            (
                "a challenge of impacket's",
                OTHER,
                "SRV$",
                0xaa,
                ("challenge", "medium"),
            ),
            (
                "a new server, and no more",
                OTHER,
                "SRV$",
                9,
                ("none", "low"),
            ),
        ] {
            let story = told(&none, to, 1_002, user, challenge);
            assert_eq!(found(story), [want], "{why}");
        }
    }

    #[test]
    fn what_is_no_callback() {
        let none = Declared::default();
        for (why, to, opened, user) in [
            ("opened before the pipe", ATTACKER, 990, "SRV$"),
            ("over two seconds later", ATTACKER, 3_001, "SRV$"),
            ("a person", ATTACKER, 1_002, "alice"),
            ("nobody, elsewhere", OTHER, 1_002, ""),
        ] {
            assert_eq!(found(told(&none, to, opened, user, 9)), [], "{why}");
        }
        let mut other_host = Story::new();
        let seen = Seen::EncryptedPipe {
            letter_nonces: true,
        };
        other_host.tell(1_000, flow(1, ATTACKER, TARGET, 445), seen);
        logon(&mut other_host, 2, ATTACKER, 1_002, "SRV$", 9);
        assert_eq!(found(other_host), [], "another host was asked");
    }

    #[test]
    fn infrastructure_and_habit_are_no_listeners() {
        for role in [HostRole::Dc, HostRole::Dns, HostRole::Update] {
            let declared = Declared {
                hosts: vec![DeclaredHost {
                    name: "infra".into(),
                    addresses: vec![ATTACKER.into()],
                    roles: role.into(),
                }],
                ..Declared::default()
            };
            let story = told(&declared, ATTACKER, 1_002, "SRV$", 9);
            assert_eq!(found(story), [], "{role:?}");
        }
        let mut story = Story::new();
        logon(&mut story, 7, ATTACKER, 0, "SRV$", 9);
        pipe(&mut story, 60_000);
        logon(&mut story, 8, ATTACKER, 60_002, "SRV$", 9);
        assert_eq!(found(story), [], "it goes there every day");
    }

    /// The listener hands on the target's challenge and relays: told once, with the relay as support.
    #[test]
    fn a_relay_supports_it() {
        let mut story = Story::new();
        pipe(&mut story, 1_000);
        let mut victim = flow(2, VICTIM, OTHER, 445);
        victim.first_ts = Story::at(1_002);
        let target = flow(3, OTHER, TARGET, 389);
        story.tell(1_003, target, challenge(Carrier::Ldap, 7));
        story.tell(1_004, victim, challenge(Carrier::Smb, 7));
        story.tell(1_005, victim, authenticate(Carrier::Smb, 7, 7));
        story.tell(1_006, target, authenticate(Carrier::Ldap, 7, 7));
        story.tell(1_007, target, result(Carrier::Ldap, true));
        assert_eq!(found(story), [("relay", "high")]);
    }
}

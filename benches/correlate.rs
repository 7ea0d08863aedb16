//! The correlator alone: sightings a second on one core, floods, and memory when everything is full.
//!
//! ```text
//! cargo bench --bench correlate              full size: 6 million forged challenges, 10 million distinct
//! cargo bench --bench correlate -- --quick   that it runs, not how fast
//! ```

mod common;

use std::sync::Arc;
use std::time::{Duration, Instant};

use common::measure;
use relaywatch::catalog::Catalog;
use relaywatch::correlate::{Correlator, Cost, Declared, Judge, Verdict, costs};
use relaywatch::event::{
    Authenticate, Call, Carrier, Claim, Finding, FlowMeta, Mic, OrderKey, Seen, Sighting,
    Signature, Source,
};
use relaywatch::limits;
use relaywatch::net::{Addr, Direction, Endpoint};
use relaywatch::rule::{RuleSet, RuleSource, Scratch};
use relaywatch::time::Timestamp;
use relaywatch::wire::Guid;

/// Bytes of the default budget that the correlator may use.
const SHARE: u64 = (512 << 20) / 100 * limits::CORRELATE_SHARE;

struct Rules(RuleSet, Scratch);

impl Judge for Rules {
    fn judge(&mut self, finding: &Finding, hits: &mut Vec<Arc<Signature>>) {
        self.0.matches(finding, &mut self.1, hits);
    }
}

struct Bench {
    correlator: Correlator,
    rules: Rules,
    said: Vec<Verdict>,
    number: u64,
    alerts: usize,
}

impl Bench {
    fn new(share: u64) -> Self {
        let catalog = Arc::new(Catalog::builtin());
        let rules = RuleSet::load(&[RuleSource::Builtin]).expect("shipped rules load");
        Self {
            correlator: Correlator::new(catalog, &Declared::default()).within(share),
            rules: Rules(rules, Scratch::default()),
            said: Vec::new(),
            number: 0,
            alerts: 0,
        }
    }

    fn tell(&mut self, micros: u64, flow: FlowMeta, direction: Direction, seen: Seen) {
        self.number += 1;
        let sighting = Sighting {
            key: OrderKey {
                number: self.number,
                ..OrderKey::default()
            },
            ts: at(micros),
            flow,
            direction,
            seen,
        };
        self.correlator
            .sighting(&sighting, &mut self.rules, &mut self.said);
        for verdict in self.said.drain(..) {
            self.alerts += usize::from(matches!(verdict, Verdict::Alert(_)));
        }
    }
}

fn at(micros: u64) -> Timestamp {
    Timestamp(1_700_000_000_000_000_000 + micros * 1_000)
}

fn flow(id: u64, client: Addr, server: Addr, port: u16, micros: u64) -> FlowMeta {
    FlowMeta {
        flow_id: id,
        client: Endpoint::new(client, 50_000),
        server: Endpoint::new(server, port),
        first_ts: at(micros),
        ..FlowMeta::default()
    }
}

fn host(net: u8, n: u64) -> Addr {
    let [.., b, c, d] = n.to_be_bytes();
    Addr::v4([net, b, c, d])
}

fn challenge(n: u64, server: u64) -> Seen {
    Seen::Challenge {
        carrier: Carrier::Smb,
        session: 0,
        flags: 0xe289_8215,
        challenge: (n | 1 << 63).to_be_bytes(),
        nb_computer: format!("SRV{server:06}"),
        dns_computer: format!("srv{server:06}.corp.example"),
        message_id: 0,
        session_id: 0,
    }
}

fn authenticate(n: u64, client: u64, server: u64) -> Seen {
    let mut hash = [0; 16];
    hash[..8].copy_from_slice(&n.to_be_bytes());
    Seen::Authenticate(Box::new(Authenticate {
        carrier: Carrier::Smb,
        session: 0,
        challenge: Some((n | 1 << 63).to_be_bytes()),
        nt_hash: Some(hash),
        anonymous: false,
        flags: 0xe288_8215,
        user: format!("user{client:06}"),
        domain: "CORP".into(),
        workstation: format!("WS{client:06}"),
        target_name: format!("cifs/srv{server:06}.corp.example"),
        dns_computer: format!("srv{server:06}.corp.example"),
        mic: Mic::Present,
        message_id: n,
        session_id: n,
        channel_bindings: false,
        version1: false,
    }))
}

/// EfsRpcOpenFileRaw (MS-EFSR 1.9, 3.1.4.2.1), naming the called server itself.
fn call(server: u64, call_id: u32) -> Seen {
    Seen::Call(Box::new(Call {
        interface: Guid(0xc681_d488_d850_11d0_8c52_00c0_4fd9_0f7e),
        version: "1.0".into(),
        opnum: 0,
        transport: "ncacn_np",
        named_pipe: "lsarpc".into(),
        association: 0,
        call_id,
        auth_type: None,
        auth_level: None,
        sealed: false,
        stub_len: 60,
        path: Some(format!("\\\\srv{server:06}\\share\\file")),
        path_by_scan: false,
        client: None,
    }))
}

/// An honest network: 2,000 clients at 100 servers. Five sightings an exchange, one of them now and then a
/// call to encrypt a file and its answer.
fn mix(bench: &mut Bench, exchanges: u64, per_second: u64) {
    for n in 0..exchanges {
        let micros = n * 5_000_000 / per_second;
        let (client, server) = (n * 7_919 % 2_000, n * 104_729 % 100);
        let f = flow(n + 1, host(11, client), host(12, server), 445, micros);
        let claim = Claim {
            addr: host(11, client),
            names: vec![format!("ws{client:06}.corp.example")],
            source: Source::Dns,
            ttl: 1_200,
            ..Claim::default()
        };
        bench.tell(micros, f, Direction::ToClient, Seen::Claim(Box::new(claim)));
        bench.tell(micros + 10, f, Direction::ToClient, challenge(n, server));
        bench.tell(
            micros + 20,
            f,
            Direction::ToServer,
            authenticate(n, client, server),
        );
        let result = Seen::AuthResult {
            carrier: Carrier::Smb,
            session: 0,
            success: true,
            code: 0,
        };
        bench.tell(micros + 30, f, Direction::ToClient, result);
        let last = if n % 50 == 0 {
            call(server, u32::try_from(n % 1_000_000).unwrap_or(0))
        } else {
            Seen::Answer {
                association: 0,
                call_id: 9,
                fault: None,
                status: Some(0),
            }
        };
        bench.tell(micros + 40, f, Direction::ToServer, last);
    }
}

/// Forged challenges, 50,000 a second of packet time, between the legs of a relay that is 119 s slow.
fn flood(bench: &mut Bench, forged: u64, sources: u64) -> bool {
    let (victim, listener, target) = (host(10, 20), host(10, 66), host(10, 10));
    let first = flow(1, victim, listener, 445, 0);
    let span = forged * 20;
    let second = flow(2, listener, target, 389, span);
    bench.tell(0, first, Direction::ToClient, challenge(1 << 40, 66));
    bench.tell(1, first, Direction::ToServer, authenticate(1 << 40, 20, 66));
    for n in 0..forged {
        let f = flow(
            10 + n,
            host(11, n % (1 << 22)),
            host(12, n % sources),
            445,
            n * 20,
        );
        bench.tell(
            2 + n * 20,
            f,
            Direction::ToClient,
            challenge(n, n % sources),
        );
    }
    bench.tell(
        span + 3,
        second,
        Direction::ToClient,
        challenge(1 << 40, 66),
    );
    let before = bench.correlator.counters().findings;
    bench.tell(
        span + 4,
        second,
        Direction::ToServer,
        authenticate(1 << 40, 20, 66),
    );
    let result = Seen::AuthResult {
        carrier: Carrier::Smb,
        session: 0,
        success: true,
        code: 0,
    };
    bench.tell(span + 5, second, Direction::ToClient, result);
    bench.correlator.counters().findings > before
}

/// Distinct challenges, half of them answered, all from other hosts with other names.
fn fill(bench: &mut Bench, challenges: u64) {
    for n in 0..challenges {
        let f = flow(10 + n, host(11, n), host(12, n), 445, n * 20);
        bench.tell(n * 20, f, Direction::ToClient, challenge(n, n));
        if n % 2 == 0 {
            bench.tell(n * 20 + 1, f, Direction::ToServer, authenticate(n, n, n));
        }
    }
}

fn rate(name: &str, bench: &Bench, cpu: Duration) {
    let n = bench.number;
    let c = bench.correlator.counters();
    println!(
        "{name} | {n} | {:.0} | {:.0} | {} | {} | {}",
        n as f64 / cpu.as_secs_f64(),
        cpu.as_nanos() as f64 / n as f64,
        c.exchanges_evicted,
        c.identities_evicted,
        bench.alerts,
    );
}

#[allow(clippy::disallowed_methods)] // measuring is what this is for
fn main() {
    let quick = std::env::args().any(|a| a == "--quick");
    let scale = |full: u64| if quick { full / 500 } else { full };
    println!("{}; one thread, CPU time", measure::machine());
    println!(
        "what | sightings | a second | ns each | exchanges evicted | identities evicted | alerts"
    );
    let started = Instant::now();

    let mut bench = Bench::new(SHARE);
    let cpu = measure::cpu_now();
    mix(&mut bench, scale(400_000), 50_000);
    rate("mix", &bench, measure::cpu_now().saturating_sub(cpu));

    let forged = scale(119 * 50_000);
    for (name, sources) in [("flood, 1 source", 1), ("flood, 10,000 sources", 10_000)] {
        let mut bench = Bench::new(SHARE);
        let cpu = measure::cpu_now();
        let found = flood(&mut bench, forged, sources);
        rate(name, &bench, measure::cpu_now().saturating_sub(cpu));
        assert!(found, "{name}: the relay behind the flood was not found");
    }

    for mib in [64_u64, 512] {
        let share = (mib << 20) / 100 * limits::CORRELATE_SHARE;
        let before = rss_kib();
        let mut bench = Bench::new(share);
        let cpu = measure::cpu_now();
        fill(
            &mut bench,
            scale(if mib == 512 { 10_000_000 } else { 2_000_000 }),
        );
        rate(
            "all distinct",
            &bench,
            measure::cpu_now().saturating_sub(cpu),
        );
        let planned: usize = costs(share).iter().map(Cost::total).sum();
        println!(
            "  {mib} MiB budget: {} KiB resident more, share {} KiB, planned {} KiB",
            rss_kib().saturating_sub(before),
            share >> 10,
            planned >> 10,
        );
    }
    println!("took {} s", started.elapsed().as_secs());
}

/// Resident set now, from the kernel.
fn rss_kib() -> u64 {
    std::fs::read_to_string("/proc/self/status")
        .unwrap_or_default()
        .lines()
        .find_map(|l| l.strip_prefix("VmRSS:"))
        .and_then(|l| l.split_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}

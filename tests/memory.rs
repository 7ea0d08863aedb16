//! Steady traffic allocates nothing per packet, and hostile traffic stays within its bounds.
//!
//! The counting allocator is one of the two places where the project writes `unsafe` (design §2).
#![allow(unsafe_code)]

mod common;
#[path = "memory/correlator.rs"]
mod correlator;

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::Cursor;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use common::synth::{self, ACK, PSH_ACK, Pcap, SYN, Tcp};
use relaywatch::capture::FileSource;
use relaywatch::catalog::Catalog;
use relaywatch::correlate::Declared;
use relaywatch::event::{Event, Sink, SiteKey};
use relaywatch::net::{Addr, Direction, Endpoint, FlowKey, Transport};
use relaywatch::output::EventTypes;
use relaywatch::packet::{Chunk, Progress};
use relaywatch::proto::{Session, Shared};
use relaywatch::rule::{RuleSet, RuleSource};
use relaywatch::sensor::{Memory, Report, Setup, WriterThreads, run};

struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);
static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is handed to the system allocator unchanged; only counters are added.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        let live = LIVE.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(live, Ordering::Relaxed);
        // SAFETY: the caller's contract is the system allocator's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: `ptr` came from `alloc` above with this layout.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The counters are global: one measurement at a time.
static ALONE: Mutex<()> = Mutex::new(());

fn setup() -> Setup {
    Setup {
        workers: 1,
        rules: Arc::new(RuleSet::load(&[RuleSource::Builtin]).unwrap()),
        reload: relaywatch::sensor::Reload::default(),
        health: relaywatch::sensor::Health::default(),
        tuning: Arc::default(),
        catalog: Arc::new(Catalog::builtin()),
        key: Arc::new(SiteKey::new(&[1; 32])),
        declared: Declared::default(),
        events: EventTypes::default(),
        memory: Memory::mib(64),
        stats_interval: Duration::from_secs(3600),
        live: false,
        vlan_in_flow_key: false,
        keep: None,
        evidence: None,
        pcap_filename: None,
    }
}

/// Replays a capture from memory: report, allocations, and peak bytes over the start.
fn measure(capture: Vec<u8>) -> (Report, usize, usize) {
    let setup = setup();
    let thread = WriterThreads::start(Vec::new(), false, |_| ()).unwrap();
    let outlet = thread.outlet();
    let mut source = FileSource::from_reader("test", Box::new(Cursor::new(capture))).unwrap();
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    let start = LIVE.load(Ordering::Relaxed);
    PEAK.store(start, Ordering::Relaxed);
    let report = run(
        &mut source,
        &setup,
        &outlet,
        &AtomicBool::new(false),
        &mut |_, _| {},
    )
    .unwrap();
    let made = ALLOCATIONS.load(Ordering::Relaxed) - before;
    let peak = PEAK.load(Ordering::Relaxed).saturating_sub(start);
    drop(outlet);
    let _ = thread.finish();
    (report, made, peak)
}

fn pair(port: u16) -> (Tcp, Tcp) {
    let client = Tcp {
        src: [10, 0, 0, 9],
        dst: [10, 0, 0, 1],
        sport: port,
        dport: 49_664,
        seq: 1,
        ack: 0,
    };
    let server = Tcp {
        src: client.dst,
        dst: client.src,
        sport: client.dport,
        dport: client.sport,
        seq: 1,
        ack: 0,
    };
    (client, server)
}

/// One RPC connection with `calls` calls to samr, requests split over two segments.
fn rpc_traffic(calls: u32) -> Vec<u8> {
    let samr = [
        0x78, 0x57, 0x34, 0x12, 0x34, 0x12, 0xcd, 0xab, 0xef, 0x00, 0x01, 0x23, 0x45, 0x67, 0x89,
        0xac,
    ];
    let mut pcap = Pcap::new();
    let (mut c, mut s) = pair(50_000);
    pcap.tcp(&mut c, SYN, b"");
    pcap.tcp(&mut s, SYN | ACK, b"");
    pcap.tcp(&mut c, PSH_ACK, &synth::bind(samr));
    for call in 0..calls {
        let request = synth::request(call, 5, &[0x5a; 120]);
        let (head, tail) = request.split_at(50);
        pcap.tcp(&mut c, PSH_ACK, head);
        pcap.tcp(&mut c, PSH_ACK, tail);
        pcap.tcp(&mut s, PSH_ACK, &synth::response(call, &[0xa5; 400]));
    }
    pcap.bytes
}

#[test]
fn steady_traffic_allocates_nothing_per_packet() {
    let _alone = ALONE.lock().unwrap();
    let (few, many) = (20_000, 60_000);
    let _warm = measure(rpc_traffic(1_000));
    let (report, small, _) = measure(rpc_traffic(few));
    let (_, large, _) = measure(rpc_traffic(many));
    assert_eq!(report.packets, 3 + 3 * u64::from(few));
    let packets = 3.0 * f64::from(many - few);
    let more = large.saturating_sub(small);
    // What is left is per block of 256 KiB (the Arc around it, the list of its items), not per packet.
    let each = f64::from(u32::try_from(more).unwrap()) / packets;
    assert!(
        each < 0.01,
        "{more} allocations more for {packets} packets more: {each:.4} each"
    );
}

#[test]
fn a_syn_flood_stays_within_the_budget() {
    let _alone = ALONE.lock().unwrap();
    let mut pcap = Pcap::new();
    for n in 0..400_000_u32 {
        let [a, b, c, d] = n.to_be_bytes();
        let mut t = Tcp {
            src: [10, b, c, d],
            dst: [10, 200, 0, 1],
            sport: 1024 + u16::from(a) + u16::from(d),
            dport: 445,
            seq: n,
            ack: 0,
        };
        pcap.tcp(&mut t, SYN, b"");
    }
    let (report, _, peak) = measure(pcap.bytes);
    assert_eq!(report.packets, 400_000);
    let budget = 64 << 20;
    assert!(peak < budget, "{} MiB of {} MiB", peak >> 20, budget >> 20);
}

/// Everything out of order on many flows: holes that never close.
#[test]
fn held_segments_stay_within_the_budget() {
    let _alone = ALONE.lock().unwrap();
    let mut pcap = Pcap::new();
    let chunk = [0x41; 1400];
    for port in 0..4_000_u16 {
        let (mut c, _) = pair(1_024 + port);
        pcap.tcp(&mut c, SYN, b"");
        for k in 1..20_u32 {
            c.seq = 2 + 3_000 * k;
            pcap.tcp(&mut c, PSH_ACK, &chunk);
        }
    }
    let (report, _, peak) = measure(pcap.bytes);
    assert_eq!(report.packets, 80_000);
    let budget = 64 << 20;
    assert!(peak < budget, "{} MiB of {} MiB", peak >> 20, budget >> 20);
}

fn stays_within_the_budget(capture: Vec<u8>) {
    let (_, _, peak) = measure(capture);
    let budget = 64 << 20;
    assert!(peak < budget, "{} MiB of {} MiB", peak >> 20, budget >> 20);
}

/// Calls whose last fragment never comes.
#[test]
fn unfinished_calls_stay_within_the_budget() {
    let _alone = ALONE.lock().unwrap();
    let efsr = [
        0x88, 0xd4, 0x81, 0xc6, 0x50, 0xd8, 0xd0, 0x11, 0x8c, 0x52, 0x00, 0xc0, 0x4f, 0xd9, 0x0f,
        0x7e,
    ];
    let mut pcap = Pcap::new();
    for port in 0..1_500 {
        let (mut c, _) = pair(1_024 + port);
        pcap.tcp(&mut c, SYN, b"");
        pcap.tcp(&mut c, PSH_ACK, &synth::bind(efsr));
        for k in 0..15 {
            let fragment = synth::unfinished(1, 0, k == 0, &[0x41; 4_000]);
            pcap.tcp(&mut c, PSH_ACK, &fragment);
        }
    }
    stays_within_the_budget(pcap.bytes);
}

/// Pipes with a PDU that is never completed.
#[test]
fn cut_pipes_stay_within_the_budget() {
    let _alone = ALONE.lock().unwrap();
    let mut pcap = Pcap::new();
    let mut cut = vec![5, 0, 11, 3, 0x10, 0, 0, 0, 0x00, 0xf0, 0, 0, 1, 0, 0, 0]; // 61,440 bytes
    cut.resize(30_000, 0x41);
    for port in 0..120 {
        let (mut c, _) = pair(1_024 + port);
        c.dport = 445;
        pcap.tcp(&mut c, SYN, b"");
        for file in 1..=30 {
            pcap.tcp(&mut c, PSH_ACK, &synth::smb2_write(file, file, &cut));
        }
    }
    stays_within_the_budget(pcap.bytes);
}

/// Each holds little, and they are many: requests whose responses never come.
#[test]
fn many_small_decoders_stay_within_the_budget() {
    let _alone = ALONE.lock().unwrap();
    let mut pcap = Pcap::new();
    let long = "x".repeat(1_000);
    let request = format!("GET /{long} HTTP/1.1\r\nHost: {long}\r\nUser-Agent: {long}\r\n\r\n");
    for port in 0..30_000 {
        let (mut c, _) = pair(1_024 + port);
        c.dport = 80;
        pcap.tcp(&mut c, SYN, b"");
        pcap.tcp(&mut c, PSH_ACK, request.as_bytes());
    }
    stays_within_the_budget(pcap.bytes);
}

/// What a conversation says over and over, once its beginning was said.
struct Stream {
    name: &'static str,
    port: u16,
    open: Vec<(Direction, Vec<u8>)>,
    round: Vec<(Direction, Vec<u8>)>,
}

/// Counts events, so that a stream nobody reads is not taken for one that costs nothing.
struct Heard(u64);

impl Sink for Heard {
    fn event(&mut self, _: Direction, event: &Event<'_>) {
        if !matches!(event, Event::Anomaly(_)) {
            self.0 += 1;
        }
    }
}

impl Stream {
    /// Plays rounds through a session; allocations of the rounds after the first hundred, and events.
    fn play(&self, rounds: usize) -> (usize, u64) {
        let client = Endpoint::new(Addr::v4([10, 0, 0, 1]), 50_000);
        let server = Endpoint::new(Addr::v4([10, 0, 0, 2]), self.port);
        let (key, side) = FlowKey::new(client, server, Transport::Tcp);
        let mut session = Session::default();
        let mut shared = Shared {
            catalog: Arc::new(Catalog::builtin()),
            ..Shared::default()
        };
        let mut heard = Heard(0);
        let mut say = |(way, bytes): &(Direction, Vec<u8>)| {
            let from = match way {
                Direction::ToServer => side,
                Direction::ToClient => side.other(),
            };
            let chunk = Chunk::Data(bytes);
            let progress = session.chunk(from, Some(side), &key, chunk, &mut shared, &mut heard);
            let took = matches!(progress, Progress::Took { bytes: n, .. } if n == bytes.len());
            let passed = matches!(progress, Progress::Skip { .. });
            assert!(took || passed, "{}: {progress:?}", self.name);
        };
        self.open.iter().for_each(&mut say);
        let mut round = || self.round.iter().for_each(&mut say);
        // Tables of what waits for an answer fill up first.
        (0..300).for_each(|_| round());
        let before = ALLOCATIONS.load(Ordering::Relaxed);
        (0..rounds).for_each(|_| round());
        let made = ALLOCATIONS.load(Ordering::Relaxed) - before;
        (made, heard.0)
    }
}

fn streams() -> Vec<Stream> {
    use Direction::{ToClient, ToServer};
    let v = common::vector;
    let samr = [
        0x78, 0x57, 0x34, 0x12, 0x34, 0x12, 0xcd, 0xab, 0xef, 0x00, 0x01, 0x23, 0x45, 0x67, 0x89,
        0xac,
    ];
    let netlogon = [
        0x78, 0x56, 0x34, 0x12, 0x34, 0x12, 0xcd, 0xab, 0xef, 0x00, 0x01, 0x23, 0x45, 0x67, 0xcf,
        0xfb,
    ];
    // NetrServerReqChallenge: no primary name, computer `EVIL`, eight zeros.
    let mut challenge = vec![0; 4];
    challenge.extend([5, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0]);
    challenge.extend(b"E\0V\0I\0L\0\0\0");
    challenge.extend([0; 8]);
    let base64 = |name: &str| data_encoding::BASE64.encode(&v(name));
    let get = |token: &str| {
        format!("GET /x HTTP/1.1\r\nHost: www.example\r\nAuthorization: NTLM {token}\r\n\r\n")
            .into_bytes()
    };
    let answer = |token: &str| {
        format!(
            "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: NTLM {token}\r\nContent-Length: 0\r\n\r\n"
        )
        .into_bytes()
    };
    vec![
        Stream {
            name: "DCE/RPC: calls and answers",
            port: 49_664,
            open: vec![(ToServer, synth::bind(samr))],
            round: vec![
                (ToServer, synth::request(2, 5, &[0x5a; 120])),
                (ToClient, synth::response(2, &[0xa5; 400])),
            ],
        },
        Stream {
            name: "DCE/RPC: a path read",
            port: 49_664,
            open: vec![(ToServer, v("bind_efsrpc_ndr32"))],
            round: vec![(ToServer, v("request_EfsRpcOpenFileRaw_ndr32"))],
        },
        Stream {
            name: "DCE/RPC: arguments read",
            port: 49_664,
            open: vec![(ToServer, synth::bind(netlogon))],
            round: vec![
                (ToServer, synth::request(2, 4, &challenge)),
                (ToClient, synth::response(2, &[0; 12])),
            ],
        },
        Stream {
            name: "SMB: a call through a pipe",
            port: 445,
            open: vec![],
            round: vec![(ToServer, v("smb2_ioctl_pipe_transceive_efs"))],
        },
        Stream {
            name: "SMB 1: a call through a pipe",
            port: 445,
            open: vec![],
            round: vec![(ToServer, v("smb1_trans_TransactNmPipe_efs"))],
        },
        Stream {
            name: "SMB: encrypted",
            port: 445,
            open: vec![(ToServer, v("smb2_session_setup_spnego_type1"))],
            round: vec![(ToServer, v("smb3_transform_header"))],
        },
        Stream {
            name: "HTTP heads",
            port: 80,
            open: vec![],
            round: vec![
                (
                    ToServer,
                    b"GET /index.html HTTP/1.1\r\nHost: www.example\r\nUser-Agent: x\r\n\r\n".to_vec(),
                ),
                (
                    ToClient,
                    b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 0\r\n\r\n"
                        .to_vec(),
                ),
            ],
        },
        Stream {
            name: "NTLM: three messages in HTTP",
            port: 80,
            open: vec![],
            round: vec![
                (ToServer, get(&base64("ntlmssp_type1_windows_style"))),
                (ToClient, answer(&base64("ntlmssp_type2"))),
                (ToServer, get(&base64("ntlmssp_type3_ntlmv2_mic"))),
                (
                    ToClient,
                    b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec(),
                ),
            ],
        },
        Stream {
            name: "LDAP framing: a search and its answer",
            port: 389,
            open: vec![(ToServer, v("ldap_bind_sasl_gss_spnego_type1"))],
            round: vec![
                (
                    ToServer,
                    // searchRequest of the root, base object, (objectClass=*), no attributes
                    b"\x30\x25\x02\x01\x05\x63\x20\x04\x00\x0a\x01\x00\x0a\x01\x00\x02\x01\x00\x02\x01\x00\x01\x01\x00\x87\x0bobjectClass\x30\x00"[..].to_vec(),
                ),
                // searchResDone: success
                (
                    ToClient,
                    b"\x30\x0c\x02\x01\x05\x65\x07\x0a\x01\x00\x04\x00\x04\x00".to_vec(),
                ),
            ],
        },
        Stream {
            name: "LDAP: a bind with NTLM",
            port: 389,
            open: vec![],
            round: vec![(ToServer, v("ldap_bind_sasl_gss_spnego_type1"))],
        },
    ]
}

#[test]
fn each_protocol_allocates_nothing_per_pdu() {
    let _alone = ALONE.lock().unwrap();
    let mut wrong = Vec::new();
    for stream in streams() {
        // The test harness may print beside us: what the decoder needs is needed in every run.
        let runs: Vec<(usize, u64)> = (0..5).map(|_| stream.play(1_000)).collect();
        let least = runs.iter().map(|(made, _)| *made).min();
        if least != Some(0) || runs[0].1 == 0 {
            wrong.push((stream.name, runs));
        }
    }
    assert!(wrong.is_empty(), "allocations, events: {wrong:#?}");
}

/// One connection that nobody reads, its segments swapped in pairs: the assembler alone.
#[test]
fn tcp_allocates_nothing_per_segment() {
    fn traffic(pairs: u32) -> Vec<u8> {
        let mut pcap = Pcap::new();
        let (mut c, mut s) = pair(50_000);
        pcap.tcp(&mut c, SYN, b"");
        pcap.tcp(&mut s, SYN | ACK, b"");
        for _ in 0..pairs {
            let first = c.seq;
            c.seq = first.wrapping_add(500);
            pcap.tcp(&mut c, PSH_ACK, &[0x41; 500]);
            let after = c.seq;
            c.seq = first;
            pcap.tcp(&mut c, PSH_ACK, &[0x42; 500]);
            c.seq = after;
        }
        pcap.bytes
    }
    let _alone = ALONE.lock().unwrap();
    let _warm = measure(traffic(1_000));
    let (_, small, _) = measure(traffic(20_000));
    let (_, large, _) = measure(traffic(60_000));
    let more = f64::from(u32::try_from(large.saturating_sub(small)).unwrap());
    assert!(more / 80_000.0 < 0.01, "{more} allocations more");
}

//! Steady traffic allocates nothing per packet, and hostile traffic stays within its bounds.
//!
//! The counting allocator is one of the two places where the project writes `unsafe` (design §2).
#![allow(unsafe_code)]

mod common;

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
use relaywatch::event::SiteKey;
use relaywatch::output::{EventTypes, Writer};
use relaywatch::rule::{RuleSet, RuleSource};
use relaywatch::sensor::{Memory, Report, Setup, WriterThread, run};

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
        catalog: Arc::new(Catalog::builtin()),
        key: Arc::new(SiteKey::new(&[1; 32])),
        declared: Declared::default(),
        events: EventTypes::default(),
        memory: Memory::mib(64),
        stats_interval: Duration::from_secs(3600),
        live: false,
        vlan_in_flow_key: false,
        pcap_filename: None,
    }
}

/// Replays a capture from memory: report, allocations, and peak bytes over the start.
fn measure(capture: Vec<u8>) -> (Report, usize, usize) {
    let setup = setup();
    let thread = WriterThread::start(Writer::open(&[]).unwrap(), |_| ()).unwrap();
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
        &mut |_| {},
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

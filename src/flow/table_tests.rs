use super::*;
use crate::net::{Addr, Endpoint, FlowKey, Transport};
use crate::packet::{Block, Datagram, Packet, Span, Tcp};
use crate::time::Timestamp;

const SYN: u8 = Tcp::SYN;
const ACK: u8 = Tcp::ACK;
const FIN: u8 = Tcp::FIN | Tcp::ACK;
const RST: u8 = Tcp::RST;

/// What a flow was told, a line each: `second.fraction side what`.
#[derive(Default)]
struct Log {
    lines: Vec<String>,
    answer: Option<Progress>,
}

impl Deliver<u32> for Log {
    fn chunk(
        &mut self,
        flow: &FlowInfo,
        state: &mut u32,
        side: Side,
        chunk: Chunk<'_>,
    ) -> Progress {
        *state += 1;
        let what = match chunk {
            Chunk::Data(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            Chunk::Gap(n) => format!("gap {n}"),
            Chunk::End => "end".to_owned(),
        };
        let at = flow.at.secs();
        self.lines.push(format!("{at} {side:?} {what}"));
        match (self.answer, chunk) {
            (Some(answer), Chunk::Data(_)) => answer,
            (_, Chunk::Data(bytes)) => Progress::all(bytes),
            _ => Progress::Skip { bytes: 0 },
        }
    }

    fn datagram(
        &mut self,
        flow: &FlowInfo,
        state: &mut u32,
        side: Side,
        datagram: Datagram<'_>,
    ) -> bool {
        *state += 1;
        let text = String::from_utf8_lossy(datagram.bytes);
        let (at, stage, first) = (flow.at.secs(), flow.stage, flow.initiator);
        self.lines
            .push(format!("{at} {side:?} {stage:?} from {first:?} {text}"));
        self.answer == Some(Progress::Done)
    }

    fn ended(&mut self, flow: &FlowInfo, state: &mut u32, why: Ended) {
        let (at, calls) = (flow.at.secs(), *state);
        self.lines
            .push(format!("{at} {:?} {why:?} after {calls}", flow.stage));
    }
}

impl Log {
    fn take(&mut self) -> Vec<String> {
        std::mem::take(&mut self.lines)
    }
}

fn table() -> Table<u32> {
    Table::new(TableLimits {
        flows: 1000,
        held_bytes: 1 << 24,
    })
}

/// A packet of the flow `client` → server, or back if `client` is negative. The client is side A.
fn packet(client: i32, at: f64, flags: u8, seq: u32, ack: u32, len: usize) -> Packet {
    let [_, b, c, d] = client.unsigned_abs().to_be_bytes();
    let a = Endpoint::new(Addr::v4([10, b, c, d]), 50_000);
    let z = Endpoint::new(Addr::v4([192, 168, 0, 1]), 445);
    let (key, side) = if client > 0 {
        FlowKey::new(a, z, Transport::Tcp)
    } else {
        FlowKey::new(z, a, Transport::Tcp)
    };
    let hash = u64::from(client.unsigned_abs()).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let len = u32::try_from(len).unwrap();
    Packet {
        ts: Timestamp((at * 1e9) as u64),
        number: (at * 1e6) as u64,
        key,
        hash,
        from_a: side == Side::A,
        tcp: Tcp { seq, ack, flags },
        payload: Span {
            len,
            ..Span::default()
        },
        sent: len,
        ..Packet::default()
    }
}

/// Pushes a segment of the one connection of a test.
#[allow(clippy::too_many_arguments)]
fn push(
    t: &mut Table<u32>,
    log: &mut Log,
    who: i32,
    at: f64,
    flags: u8,
    seq: u32,
    ack: u32,
    bytes: &[u8],
) {
    t.push(&packet(who, at, flags, seq, ack, bytes.len()), bytes, log);
}

/// SYN 100, SYN/ACK 500, ACK at second `at`.
fn shake(t: &mut Table<u32>, log: &mut Log, at: f64) {
    push(t, log, 1, at, SYN, 100, 0, b"");
    push(t, log, -1, at, SYN | ACK, 500, 101, b"");
    push(t, log, 1, at, ACK, 101, 501, b"");
}

#[test]
fn a_whole_connection() {
    let (mut t, mut log) = (table(), Log::default());
    shake(&mut t, &mut log, 1.0);
    push(&mut t, &mut log, 1, 2.0, ACK, 101, 501, b"ask");
    push(&mut t, &mut log, -1, 3.0, ACK, 501, 104, b"answer");
    push(&mut t, &mut log, 1, 4.0, ACK, 103, 507, b"\0"); // keepalive
    push(&mut t, &mut log, 1, 4.0, ACK, 103, 507, b""); // without its byte
    push(&mut t, &mut log, 1, 4.0, ACK, 101, 501, b"ask");
    push(&mut t, &mut log, 1, 5.0, FIN, 104, 507, b"bye");
    push(&mut t, &mut log, 1, 5.0, FIN, 104, 507, b"bye");
    push(&mut t, &mut log, -1, 6.0, FIN, 507, 108, b"");
    push(&mut t, &mut log, 1, 6.0, ACK, 108, 508, b"");
    assert_eq!(
        log.take(),
        ["2 A ask", "3 B answer", "5 A bye", "5 A end", "6 B end"]
    );
    let s = t.stats();
    assert_eq!(
        (s.keepalives, s.retransmissions, s.closed, s.late),
        (2, 1, 1, 1)
    );
    assert_eq!((s.midstream, s.gaps, s.held_bytes, s.active), (0, 0, 0, 1));
    t.expire(Timestamp::new(16, 0), &mut log);
    assert!(log.lines.is_empty());
    t.expire(Timestamp::new(17, 0), &mut log);
    assert_eq!(log.take(), ["17 Closed Timeout after 5"]);
    assert_eq!(t.stats().active, 0);
}

#[test]
fn the_initiator_is_who_sent_the_syn() {
    for (first, flags, want) in [
        (1, SYN, Some(Side::A)),
        (-1, SYN | ACK, Some(Side::A)),
        (-1, SYN, Some(Side::B)),
        (1, ACK, None),
    ] {
        let mut t = table();
        let mut seen = Vec::new();
        let mut see = |f: &FlowInfo, _: &mut u32, _: Side, c: Chunk<'_>| {
            seen.push((f.initiator, c == Chunk::Data(b"xx")));
            Progress::Skip { bytes: 0 }
        };
        t.push(&packet(first, 1.0, flags, 9, 5, 2), b"xx", &mut see);
        assert_eq!(seen, [(want, true)]);
    }
}

#[test]
fn one_side_is_enough() {
    let (mut t, mut log) = (table(), Log::default());
    push(&mut t, &mut log, -1, 1.0, SYN | ACK, 500, 101, b"");
    push(&mut t, &mut log, -1, 2.0, ACK, 501, 200, b"answer");
    push(&mut t, &mut log, -1, 3.0, FIN, 507, 200, b"");
    assert_eq!(log.take(), ["2 B answer", "3 B end"]);
    t.finish(Timestamp::new(4, 0), &mut log);
    assert_eq!(log.take(), ["4 A end", "4 Active Finished after 3"]);
}

#[test]
fn the_syn_ack_places_the_client_too() {
    let (mut t, mut log) = (table(), Log::default());
    push(&mut t, &mut log, -1, 1.0, SYN | ACK, 500, 101, b"");
    push(&mut t, &mut log, 1, 2.0, ACK, 104, 501, b"def");
    push(&mut t, &mut log, 1, 3.0, ACK, 101, 501, b"abc");
    assert_eq!(log.take(), ["3 A abc", "3 A def"]);
}

#[test]
fn midstream_the_first_data_is_the_base() {
    let (mut t, mut log) = (table(), Log::default());
    push(&mut t, &mut log, 1, 1.0, ACK, 7, 0, b"");
    push(&mut t, &mut log, 1, 1.0, RST, 7, 0, b"");
    push(&mut t, &mut log, 1, 1.0, FIN, 7, 0, b"");
    assert_eq!((t.stats().strays, t.stats().active), (3, 0));
    push(&mut t, &mut log, 1, 1.0, ACK, 6, 0, b"\0");
    push(&mut t, &mut log, 1, 2.0, ACK, 7, 0, b"PDU");
    assert_eq!(log.take(), ["2 A PDU"], "a keepalive is not its first byte");
    push(&mut t, &mut log, -1, 3.0, ACK, 40, 10, b"x");
    push(&mut t, &mut log, -1, 3.0, ACK, 41, 10, b"y");
    push(&mut t, &mut log, -1, 3.0, ACK, 42, 10, b"z");
    assert_eq!(
        log.take(),
        ["3 B y", "3 B z"],
        "but single bytes are read in the end"
    );
    assert_eq!(t.stats().midstream, 1);
}

#[test]
fn data_with_the_syn() {
    let (mut t, mut log) = (table(), Log::default());
    push(&mut t, &mut log, 1, 1.0, SYN, u32::MAX, 0, b"fast");
    push(&mut t, &mut log, 1, 2.0, SYN, u32::MAX, 0, b"fast");
    push(&mut t, &mut log, 1, 3.0, ACK, 4, 0, b"er");
    assert_eq!(log.take(), ["1 A fast", "3 A er"]);
}

#[test]
fn a_hole_is_given_up_in_time() {
    let (mut t, mut log) = (table(), Log::default());
    shake(&mut t, &mut log, 10.0);
    push(&mut t, &mut log, 1, 10.5, ACK, 111, 501, b"two");
    push(&mut t, &mut log, -1, 12.9, ACK, 501, 101, b"other side");
    assert_eq!(log.take(), ["12 B other side"]);
    push(&mut t, &mut log, -1, 99.0, ACK, 511, 101, b"!");
    assert_eq!(log.take(), ["13 A gap 10", "13 A two", "99 B !"]);
    assert_eq!(t.stats().hole_timeouts, 1);
    push(&mut t, &mut log, 1, 99.0, ACK, 101, 501, b"0123456789two");
    assert!(log.lines.is_empty(), "too late");
}

#[test]
fn a_sweep_gives_up_holes_too() {
    let (mut t, mut log) = (table(), Log::default());
    shake(&mut t, &mut log, 10.0);
    push(&mut t, &mut log, 1, 10.5, FIN, 111, 501, b"two");
    push(&mut t, &mut log, -1, 11.5, FIN, 600, 101, b"");
    t.expire(Timestamp::new(12, 999_999_999), &mut log);
    assert!(log.lines.is_empty());
    t.expire(Timestamp::new(500, 0), &mut log);
    assert_eq!(
        log.take(),
        [
            "13 A gap 10",
            "13 A two",
            "13 A end",
            "14 B gap 99",
            "14 B end",
            "22 Closed Timeout after 5"
        ]
    );
    assert_eq!(t.stats().held_bytes, 0);
}

#[test]
fn the_peer_acknowledges_what_we_missed() {
    let (mut t, mut log) = (table(), Log::default());
    shake(&mut t, &mut log, 10.0);
    for (seq, bytes) in [(111, b"k"), (112, b"l"), (113, b"m")] {
        push(&mut t, &mut log, 1, 10.0, ACK, seq, 501, bytes);
    }
    push(&mut t, &mut log, -1, 10.0, ACK, 501, 101, b"");
    assert!(log.lines.is_empty());
    push(&mut t, &mut log, -1, 10.0, ACK, 501, 114, b"response");
    assert_eq!(
        log.take(),
        ["10 A gap 10", "10 A k", "10 A l", "10 A m", "10 B response"]
    );
    assert_eq!(t.stats().hole_acked, 1);
}

#[test]
fn cut_frames_have_gaps() {
    let (mut t, mut log) = (table(), Log::default());
    shake(&mut t, &mut log, 1.0);
    let mut cut = packet(1, 2.0, FIN, 101, 501, 4);
    cut.sent = 1000;
    t.push(&cut, b"head", &mut log);
    assert_eq!(log.take(), ["2 A head", "2 A gap 996", "2 A end"]);
    assert_eq!((t.stats().cut, t.stats().gap_bytes), (1, 996));
}

#[test]
fn a_reset_ends_both_after_what_is_held() {
    let (mut t, mut log) = (table(), Log::default());
    shake(&mut t, &mut log, 1.0);
    push(&mut t, &mut log, 1, 2.0, ACK, 111, 501, b"two");
    push(&mut t, &mut log, -1, 3.0, RST, 0x7000_0000, 0, b"");
    assert_eq!(t.stats().rst_ignored, 1, "out of any window");
    push(&mut t, &mut log, -1, 3.0, RST, 501, 0, b"go away");
    assert_eq!(log.take(), ["3 A gap 10", "3 A two", "3 A end", "3 B end"]);
    push(&mut t, &mut log, 1, 4.0, ACK, 114, 501, b"more");
    assert!(log.lines.is_empty());
    // A forged RST does not blind us for good, however busy the connection is.
    for second in 5..20 {
        push(&mut t, &mut log, 1, second.into(), ACK, 114, 501, b"more");
    }
    assert_eq!(log.take()[..2], ["14 Closed Timeout after 4", "14 A more"]);
}

#[test]
fn a_refused_connection_is_closed() {
    let (mut t, mut log) = (table(), Log::default());
    push(&mut t, &mut log, 1, 1.0, SYN, 0xf000_0000, 0, b"");
    push(&mut t, &mut log, -1, 1.0, RST | ACK, 0, 0xf000_0001, b"");
    assert_eq!(log.take(), ["1 A end", "1 B end"]);
    push(&mut t, &mut log, 1, 2.0, SYN, 0xf100_0000, 0, b"");
    assert_eq!(log.take(), ["2 Closed Reused after 2"]);
}

#[test]
fn a_port_is_used_again() {
    let (mut t, mut log) = (table(), Log::default());
    shake(&mut t, &mut log, 1.0);
    push(&mut t, &mut log, 1, 2.0, ACK, 101, 501, b"first");
    push(&mut t, &mut log, 1, 2.0, SYN, 100, 0, b""); // a repeat
    push(&mut t, &mut log, 1, 3.0, SYN, 9000, 0, b""); // forged, or we missed the end
    push(&mut t, &mut log, 1, 4.0, ACK, 106, 501, b"goes on");
    assert_eq!(log.take(), ["2 A first", "4 A goes on"]);
    assert_eq!(t.stats().syn_inside, 1);
    push(&mut t, &mut log, -1, 5.0, SYN | ACK, 7000, 9001, b"");
    assert_eq!(
        log.take(),
        ["5 A end", "5 B end", "5 Active Reused after 4"]
    );
    push(&mut t, &mut log, 1, 6.0, ACK, 9001, 7001, b"second");
    push(&mut t, &mut log, 1, 16.0, SYN, 123, 7001, b"");
    push(&mut t, &mut log, 1, 16.0, ACK, 124, 7001, b"third");
    assert_eq!(
        log.take(),
        [
            "6 A second",
            "16 A end",
            "16 B end",
            "16 Active Reused after 3",
            "16 A third"
        ]
    );
    assert_eq!(
        (t.stats().opened, t.stats().reused, t.stats().active),
        (3, 2, 1)
    );
}

#[test]
fn a_late_syn_is_our_own() {
    let (mut t, mut log) = (table(), Log::default());
    push(&mut t, &mut log, 1, 1.0, ACK, 101, 501, b"data");
    push(&mut t, &mut log, 1, 1.1, SYN, 100, 0, b"");
    push(&mut t, &mut log, 1, 1.2, ACK, 105, 501, b"more");
    assert_eq!(log.take(), ["1 A data", "1 A more"]);
    assert_eq!(t.stats().opened, 1);
}

#[test]
fn done_frees_everything() {
    let (mut t, mut log) = (table(), Log::default());
    shake(&mut t, &mut log, 1.0);
    push(&mut t, &mut log, 1, 2.0, ACK, 111, 501, b"ahead");
    log.answer = Some(Progress::Done);
    push(&mut t, &mut log, -1, 2.0, ACK, 501, 501, b"TLS");
    push(&mut t, &mut log, 1, 3.0, ACK, 101, 501, b"0123456789");
    assert_eq!(log.take(), ["2 B TLS"]);
    let s = t.stats();
    assert_eq!((s.bypassed, s.held_bytes, s.active), (1, 0, 1));
    t.expire(Timestamp::new(123, 0), &mut log);
    assert_eq!(t.stats().active, 1);
    t.expire(Timestamp::new(124, 0), &mut log);
    assert_eq!(log.take(), ["124 Bypassed Timeout after 1"]);
}

#[test]
fn bypassed_flows_close() {
    let (mut t, mut log) = (table(), Log::default());
    log.answer = Some(Progress::Done);
    push(&mut t, &mut log, 1, 2.0, ACK, 101, 501, b"TLS");
    push(&mut t, &mut log, 1, 3.0, FIN, 104, 501, b"");
    push(&mut t, &mut log, -1, 3.0, FIN, 501, 105, b"");
    t.expire(Timestamp::new(14, 0), &mut log);
    assert_eq!(log.take(), ["2 A TLS", "14 Closed Timeout after 1"]);
}

#[test]
fn a_flood_of_syns_stays_under_the_cap() {
    let (mut t, mut log) = (table(), Log::default());
    shake(&mut t, &mut log, 1.0);
    push(&mut t, &mut log, 1, 1.0, ACK, 101, 501, b"real");
    log.take();
    let mut nobody = |_: &FlowInfo, _: &mut u32, _: Side, _: Chunk<'_>| Progress::Done;
    for i in 2..1_000_000 {
        t.push(
            &packet(i, 2.0 + f64::from(i) / 1e5, SYN, 7, 0, 0),
            b"",
            &mut nobody,
        );
    }
    let s = t.stats();
    assert_eq!(
        (s.active, s.evicted_new, s.evicted()),
        (1000, 998_999, 998_999)
    );
    assert_eq!(s.record_bytes as usize, 1024 * Table::<u32>::RECORD_BYTES);
    push(&mut t, &mut log, 1, 13.0, ACK, 105, 501, b"real");
    assert_eq!(log.take(), ["13 A real"], "the real one is still there");
}

#[test]
fn a_full_table_gives_up_the_least_useful() {
    let (mut t, mut log) = (table(), Log::default());
    for i in 1..=1000 {
        log.answer = (i % 2 == 0).then_some(Progress::Done);
        push(&mut t, &mut log, i, f64::from(i), ACK, 1, 1, b"ab");
    }
    log.answer = None;
    // Flow 2 is busy again, so the oldest bypassed one is 880 or so: 120 s before now.
    assert!(t.stats().expired == 0 && t.stats().active == 1000);
    for i in 2000..2500 {
        push(&mut t, &mut log, i, 1000.5, ACK, 1, 1, b"ab");
    }
    let s = t.stats();
    assert_eq!(
        (s.evicted_bypassed, s.evicted_active, s.active),
        (500, 0, 1000)
    );
    log.take();
    push(&mut t, &mut log, 1, 900.0, ACK, 3, 1, b"cd");
    push(&mut t, &mut log, 3000, 1000.6, ACK, 1, 1, b"ef");
    let s = t.stats();
    assert_eq!(s.evicted_active, 1);
    assert_eq!(log.lines[0], "900 A cd");
    assert_eq!(log.lines.last().unwrap(), "1000 A ef");
    assert!(
        t.find_for_test(&packet(3, 0.0, ACK, 0, 0, 0)).is_none(),
        "idle longest"
    );
    assert!(
        t.find_for_test(&packet(1, 0.0, ACK, 0, 0, 0)).is_some(),
        "busy"
    );
}

#[test]
fn what_is_held_is_bounded() {
    let mut t: Table<u32> = Table::new(TableLimits {
        flows: 100_000,
        held_bytes: 1 << 20,
    });
    let mut log = Log::default();
    let bytes = [b'x'; 1460];
    for i in 1..10_000 {
        push(&mut t, &mut log, i, 1.0, ACK, 1, 1, b"ab");
        push(&mut t, &mut log, i, 1.0, ACK, 100, 1, &bytes);
        assert!(t.stats().held_bytes <= 1 << 20);
    }
    let s = t.stats();
    assert!(s.evicted_held > 9000 && s.gaps == s.evicted_held);
    t.finish(Timestamp::new(1, 0), &mut log);
    assert_eq!(t.stats().held_bytes, 0);
    assert_eq!(t.stats().gaps, 9_999);
}

#[test]
fn finish_shows_what_is_left_in_order() {
    let (mut t, mut log) = (table(), Log::default());
    push(&mut t, &mut log, 2, 1.0, ACK, 1, 1, b"ab");
    push(&mut t, &mut log, 1, 2.0, ACK, 1, 1, b"ab");
    push(&mut t, &mut log, 1, 2.0, ACK, 5, 1, b"ef");
    log.take();
    t.finish(Timestamp::new(3, 0), &mut log);
    assert_eq!(
        log.take(),
        [
            "3 A end",
            "3 B end",
            "3 Active Finished after 3",
            "3 A gap 2",
            "3 A ef",
            "3 A end",
            "3 B end",
            "3 Active Finished after 5",
        ]
    );
    t.finish(Timestamp::new(3, 0), &mut log);
    assert!(log.lines.is_empty());
}

#[test]
fn a_forgotten_flow_starts_anew() {
    let (mut t, mut log) = (table(), Log::default());
    push(&mut t, &mut log, 1, 1.0, ACK, 1, 1, b"ab");
    push(&mut t, &mut log, 1, 1.0, ACK, 9, 1, b"ij");
    t.forget(&packet(1, 1.0, ACK, 0, 0, 0));
    assert_eq!((t.stats().active, t.stats().held_bytes), (0, 0));
    push(&mut t, &mut log, 1, 1.0, ACK, 50, 1, b"yz");
    assert_eq!(log.take(), ["1 A ab", "1 A yz"]);
}

/// A datagram of the conversation `client` with the server, or back if `client` is negative.
fn datagram(t: &mut Table<u32>, log: &mut Log, who: i32, at: f64, bytes: &[u8]) {
    let mut udp = packet(who, at, 0, 0, 0, bytes.len());
    udp.key.transport = Transport::Udp;
    t.push(&udp, bytes, log);
}

#[test]
fn datagrams_are_shown_whole_and_the_first_sender_is_remembered() {
    let (mut t, mut log) = (table(), Log::default());
    datagram(&mut t, &mut log, -1, 1.0, b"ask");
    datagram(&mut t, &mut log, 1, 2.0, b"");
    datagram(&mut t, &mut log, -1, 3.0, b"ask");
    assert_eq!(
        log.take(),
        [
            "1 B New from Some(B) ask",
            "2 A Active from Some(B) ",
            "3 B Active from Some(B) ask"
        ]
    );
    let s = t.stats();
    assert_eq!((s.udp, s.udp_flows, s.opened, s.active), (3, 1, 1, 1));
    assert_eq!((s.midstream, s.strays), (0, 0));
    // Whoever speaks after the timeout begins another one.
    datagram(&mut t, &mut log, 1, 100.0, b"new");
    assert_eq!(
        log.take(),
        ["64 Active Timeout after 3", "100 A New from Some(A) new"]
    );
    t.finish(Timestamp::new(131, 0), &mut log);
    assert_eq!(log.take(), ["131 New Timeout after 1"]);
}

#[test]
fn datagrams_that_nobody_wants_are_only_counted() {
    let (mut t, mut log) = (table(), Log::default());
    log.answer = Some(Progress::Done);
    datagram(&mut t, &mut log, 1, 1.0, b"a");
    datagram(&mut t, &mut log, 1, 2.0, b"b");
    assert_eq!(log.take(), ["1 A New from Some(A) a"]);
    let s = t.stats();
    assert_eq!((s.udp, s.bypassed, s.active), (2, 1, 1));
}

#[path = "table_properties.rs"]
mod properties;

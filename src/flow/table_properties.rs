//! Histories at random: what a flow hears depends on its own packets alone.

use super::*;
use proptest::prelude::*;

/// One event of a random history.
type Step = (u8, u16, u8, u8, u8);

/// Packets of four flows: small steps in sequence space, some flags, pauses up to minutes.
fn history(steps: &[Step]) -> Vec<(Packet, Vec<u8>)> {
    let mut at = 1000.0;
    let mut next = [1000_u32; 8];
    let mut all = Vec::new();
    for (i, &(who, pause, kind, jump, len)) in steps.iter().enumerate() {
        at += match pause % 16 {
            0 => f64::from(pause) / 64.0,
            1 => f64::from(pause) / 4096.0,
            _ => f64::from(pause) / 1e6,
        };
        let who = usize::from(who % 8);
        let client = i32::try_from(who / 2 + 1).unwrap() * if who % 2 == 0 { 1 } else { -1 };
        let flags = match kind {
            0..3 => SYN,
            3..6 => SYN | ACK,
            6..10 => FIN,
            10..12 => RST,
            _ => ACK,
        };
        let jump = match jump {
            0..20 => u32::from(jump),
            20..30 => 0_u32.wrapping_sub(jump.into()),
            _ => 0,
        };
        let seq = next[who].wrapping_add(jump);
        let bytes: Vec<u8> = (0..len % 32).map(|j| (seq as u8).wrapping_add(j)).collect();
        let syn = u32::from(flags & SYN != 0);
        let mut p = packet(
            client,
            at,
            flags,
            seq.wrapping_sub(syn),
            next[who ^ 1],
            bytes.len(),
        );
        p.number = i as u64 + 1;
        next[who] = seq.wrapping_add(u32::from(len % 32));
        all.push((p, bytes));
    }
    all
}

/// What each flow hears, with `at`, and who answers with needs and skips of its own.
struct PerFlow(std::collections::BTreeMap<FlowKey, Vec<String>>);

impl Deliver<u32> for PerFlow {
    fn chunk(
        &mut self,
        flow: &FlowInfo,
        state: &mut u32,
        side: Side,
        chunk: Chunk<'_>,
    ) -> Progress {
        *state = state.wrapping_mul(13).wrapping_add(7);
        let (first, gaps, n) = (flow.first_number, flow.gaps, flow.last_number);
        let line = format!("{first} {n} {gaps} {:?} {side:?} {chunk:?}", flow.at);
        self.0.entry(flow.key).or_default().push(line);
        let Chunk::Data(bytes) = chunk else {
            return Progress::Skip { bytes: 0 };
        };
        match *state % 11 {
            0 => Progress::Skip {
                bytes: u64::from(*state % 50),
            },
            1 if *state & 4 == 0 => Progress::Done,
            1..4 => Progress::Took {
                bytes: *state as usize % 9,
                need: *state as usize % 5,
            },
            _ => Progress::all(bytes),
        }
    }

    fn ended(&mut self, flow: &FlowInfo, _: &mut u32, why: Ended) {
        let line = format!(
            "{} {why:?} {:?} {:?}",
            flow.first_number, flow.at, flow.stage
        );
        self.0.entry(flow.key).or_default().push(line);
    }
}

proptest! {
    /// When, and whether, somebody sweeps changes nothing for any flow; nor do batches, nor
    /// who else is in the table.
    #[test]
    fn sweeps_and_neighbours_change_nothing(
        steps in prop::collection::vec(any::<Step>(), 1..300),
        sweeps in prop::collection::vec(any::<u8>(), 300),
    ) {
        let all = history(&steps);
        let end = Timestamp(all.last().unwrap().0.ts.0 + 10_000_000_000);
        let mut lazy = PerFlow(Default::default());
        let mut t = table();
        for (p, bytes) in &all {
            t.push(p, bytes, &mut lazy);
        }
        t.finish(end, &mut lazy);

        let mut eager = PerFlow(Default::default());
        let mut t = table();
        for ((p, bytes), sweep) in all.iter().zip(&sweeps) {
            if sweep % 4 == 0 {
                t.expire(p.ts, &mut eager);
            }
            t.push(p, bytes, &mut eager);
        }
        t.finish(end, &mut eager);
        prop_assert_eq!(&lazy.0, &eager.0);
        prop_assert_eq!(t.stats().held_bytes, 0);
        prop_assert_eq!(t.stats().active, 0);

        for who in 1..=4 {
            let mut alone = PerFlow(Default::default());
            let mut t = table();
            let key = packet(who, 0.0, 0, 0, 0, 0).key;
            let mut block = Block::default();
            let mut packets = Vec::new();
            for (p, bytes) in all.iter().filter(|(p, _)| p.key == key) {
                let mut p = *p;
                p.payload.start = u32::try_from(block.bytes.len()).unwrap();
                block.bytes.extend_from_slice(bytes);
                packets.push(p);
            }
            t.push_batch(&packets, &block, &mut alone);
            t.finish(end, &mut alone);
            prop_assert_eq!(lazy.0.get(&key), alone.0.get(&key));
        }
    }
}

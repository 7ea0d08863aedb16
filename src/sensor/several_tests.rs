use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;

/// A source that does what it is told.
struct Scripted {
    name: String,
    iface: u16,
    script: VecDeque<Step>,
    settled: Timestamp,
    frames: u64,
}

#[derive(Clone, Debug)]
enum Step {
    /// Frames of these times, each of one byte: its place in the whole.
    Frames(Vec<(u64, u8)>),
    /// Nothing older than this comes.
    Settled(u64),
    /// Says nothing for so many milliseconds.
    Hang(u64),
    Gone,
}

/// Far from the clock, so that nothing goes on because it has waited too long.
fn at(ms: u64) -> Timestamp {
    Timestamp::new(9_000_000_000, ms * 1_000_000)
}

impl Source for Scripted {
    fn fill(&mut self, block: &mut Block) -> Fill {
        block.clear();
        match self.script.pop_front() {
            Some(Step::Frames(frames)) => {
                for (ms, byte) in frames {
                    block.frames.push(FrameRef {
                        ts: at(ms),
                        start: u32::try_from(block.bytes.len()).unwrap(),
                        len: 1,
                        wire_len: 1,
                        link: 1,
                        iface: self.iface,
                    });
                    block.bytes.push(byte);
                    self.frames += 1;
                }
                Fill::Frames
            }
            Some(Step::Settled(ms)) => {
                self.settled = at(ms);
                Fill::Idle
            }
            Some(Step::Hang(ms)) => {
                std::thread::sleep(Duration::from_millis(ms));
                Fill::Idle
            }
            Some(Step::Gone) => Fill::End(End::Broke {
                offset: None,
                reason: format!("{}: unplugged", self.name),
            }),
            None => {
                std::thread::sleep(Duration::from_millis(1));
                Fill::Idle
            }
        }
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn iface_name(&self, _: u16) -> Option<&str> {
        Some(&self.name)
    }

    fn stats(&mut self) -> SourceStats {
        SourceStats {
            frames: self.frames,
            ..SourceStats::default()
        }
    }

    fn settled(&self, _: Timestamp) -> Timestamp {
        self.settled
    }

    fn notice(&mut self) -> Option<String> {
        None
    }
}

fn scripted(iface: u16, script: Vec<Step>) -> Scripted {
    Scripted {
        name: format!("eth{iface}"),
        iface,
        script: script.into(),
        settled: Timestamp::ZERO,
        frames: 0,
    }
}

fn start(scripts: Vec<Vec<Step>>) -> Several {
    let input = |(n, script)| {
        let iface = u16::try_from(n).unwrap();
        Input {
            source: Box::new(scripted(iface, script)) as Box<dyn Source>,
            iface,
            reopen: None,
        }
    };
    Several::start(scripts.into_iter().enumerate().map(input).collect()).unwrap()
}

/// Interface and byte of the next `n` frames, or of those before the end.
fn take(several: &mut Several, n: usize) -> Vec<(u16, u8)> {
    let (mut got, mut block) = (Vec::new(), Block::default());
    for _ in 0..5_000 {
        if got.len() >= n {
            break;
        }
        match several.fill(&mut block) {
            Fill::Frames => {
                for f in &block.frames {
                    got.push((f.iface, block.bytes[f.start as usize]));
                }
            }
            Fill::Idle => {}
            Fill::End(_) => break,
        }
    }
    got
}

#[test]
fn both_directions_of_a_tap_come_in_order() {
    use Step::{Frames, Settled};
    let mut several = start(vec![
        vec![Frames(vec![(1, 1), (3, 3), (5, 5)]), Settled(9)],
        vec![Settled(0), Frames(vec![(2, 2), (4, 4)]), Settled(9)],
    ]);
    let got = take(&mut several, 5);
    assert_eq!(got, [(0, 1), (1, 2), (0, 3), (1, 4), (0, 5)]);
    assert_eq!(several.iface_name(1), Some("eth1"));
    assert_eq!(several.name(), "eth0, eth1");
    assert_eq!(several.stats().frames, 5);
}

#[test]
fn a_frame_waits_until_the_other_has_nothing_older() {
    use Step::{Frames, Hang, Settled};
    let mut several = start(vec![
        vec![Frames(vec![(7, 1)])],
        vec![Settled(6), Hang(30), Settled(8)],
    ]);
    let mut block = Block::default();
    assert_eq!(several.fill(&mut block), Fill::Idle, "7 > 6");
    assert_eq!(take(&mut several, 1), [(0, 1)]);
}

#[test]
fn a_silent_interface_is_not_waited_for_longer_than_the_skew() {
    let mut several = start(vec![vec![], vec![Step::Hang(2_000)]]);
    let began = wall_clock();
    // Put in by hand, as of now.
    let frame = FrameRef {
        ts: began,
        start: 0,
        len: 1,
        wire_len: 1,
        link: 1,
        iface: 0,
    };
    several.lanes[0].take(Block {
        bytes: vec![1],
        frames: vec![frame],
        ..Block::default()
    });
    assert_eq!(take(&mut several, 1), [(0, 1)]);
    let waited = wall_clock().since(began);
    assert!(waited >= Duration::from_millis(SKEW_MILLIS), "{waited:?}");
    assert!(waited < Duration::from_millis(1_500), "{waited:?}");
    several.lanes.clear();
}

#[test]
fn the_others_go_on_and_the_last_ends_it() {
    use Step::{Frames, Gone, Hang, Settled};
    let mut several = start(vec![
        vec![Frames(vec![(1, 1)]), Gone],
        vec![Hang(50), Frames(vec![(2, 2)]), Settled(3), Hang(20), Gone],
    ]);
    let (mut block, mut bytes, mut told, mut end) = (Block::default(), vec![], vec![], None);
    for _ in 0..5_000 {
        match several.fill(&mut block) {
            Fill::End(how) => {
                end = Some(how);
                break;
            }
            Fill::Frames => bytes.extend(block.bytes.iter().copied()),
            Fill::Idle => {}
        }
        told.extend(several.notice());
    }
    told.extend(std::iter::from_fn(|| several.notice()));
    assert_eq!(bytes, [1, 2]);
    assert_eq!(
        told,
        ["eth0: unplugged; the others go on", "eth1: unplugged"]
    );
    assert!(matches!(end, Some(End::Broke { .. })), "{end:?}");
}

#[test]
fn an_interface_that_came_back_is_opened_again_and_goes_on_counting() {
    use Step::{Frames, Gone, Settled};
    let input = Input {
        source: Box::new(scripted(0, vec![Frames(vec![(1, 1)]), Gone])),
        iface: 0,
        reopen: Some(Box::new(|| {
            let script = vec![Frames(vec![(2, 2)]), Settled(3)];
            Ok(Box::new(scripted(0, script)) as Box<dyn Source>)
        })),
    };
    let other = Input {
        source: Box::new(scripted(1, vec![Settled(1_000)])),
        iface: 1,
        reopen: None,
    };
    let mut several = Several::start(vec![input, other]).unwrap();
    assert_eq!(take(&mut several, 2), [(0, 1), (0, 2)]);
    let told: Vec<_> = std::iter::from_fn(|| several.notice()).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[1].contains("eth0: it is back"), "{told:?}");
    assert_eq!(several.stats().frames, 2);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// However frames are spread over captures and blocks, they come out in the order of their time.
    #[test]
    fn order_does_not_depend_on_how_frames_are_spread(
        spread in prop::collection::vec((0_usize..3, 1_usize..4), 1..200)
    ) {
        let mut scripts: Vec<Vec<Step>> = vec![vec![]; 3];
        let mut open: Vec<Vec<(u64, u8)>> = vec![vec![]; 3];
        for (ms, (lane, size)) in spread.iter().enumerate() {
            open[*lane].push((ms as u64, (ms % 256) as u8));
            if open[*lane].len() >= *size {
                scripts[*lane].push(Step::Frames(std::mem::take(&mut open[*lane])));
            }
        }
        for (script, rest) in scripts.iter_mut().zip(open) {
            script.push(Step::Frames(rest));
            script.push(Step::Settled(10_000));
        }
        let mut several = start(scripts);
        let got = take(&mut several, spread.len());
        let expected: Vec<(u16, u8)> = spread
            .iter()
            .enumerate()
            .map(|(ms, (lane, _))| (*lane as u16, (ms % 256) as u8))
            .collect();
        prop_assert_eq!(got, expected);
    }
}

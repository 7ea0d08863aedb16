use super::*;
use crate::limits::TAIL_BYTES;
use proptest::prelude::*;

/// An assembler with what it borrows, and what it showed.
struct Lone {
    cursor: Cursor,
    held: Held,
    pool: Pool,
    stats: FlowStats,
    now: Timestamp,
    seen: Vec<u8>,
    /// Position after a gap, and its length.
    gaps: Vec<(usize, u64)>,
}

impl Lone {
    fn starting_at(seq: u32) -> Self {
        let cursor = Cursor {
            next: SeqNumber::new(seq),
            ..Cursor::default()
        };
        Self {
            cursor,
            held: Held::default(),
            pool: Pool::new(1 << 20),
            stats: FlowStats::default(),
            now: Timestamp::ZERO,
            seen: Vec::new(),
            gaps: Vec::new(),
        }
    }

    fn with(&mut self, what: impl FnOnce(&mut Assembler<'_>, &mut Show<'_>)) {
        let (seen, gaps) = (&mut self.seen, &mut self.gaps);
        let mut show = |chunk: Chunk<'_>| {
            match chunk {
                Chunk::Data(bytes) => {
                    seen.extend_from_slice(bytes);
                    return Progress::all(bytes);
                }
                Chunk::Gap(n) => gaps.push((seen.len(), n)),
                Chunk::End => {}
            }
            Progress::Skip { bytes: 0 }
        };
        let mut assembler = Assembler {
            cursor: &mut self.cursor,
            held: &mut self.held,
            pool: &mut self.pool,
            stats: &mut self.stats,
        };
        what(&mut assembler, &mut show);
    }

    fn push(&mut self, seq: u32, bytes: &[u8]) {
        let now = self.now;
        self.with(|a, show| {
            let _ = a.segment(segment(seq, bytes), now, show);
        });
    }

    fn decode(&mut self, seq: u32, bytes: &[u8], show: &mut Show<'_>) -> ControlFlow<()> {
        let now = self.now;
        Assembler {
            cursor: &mut self.cursor,
            held: &mut self.held,
            pool: &mut self.pool,
            stats: &mut self.stats,
        }
        .segment(segment(seq, bytes), now, show)
    }
}

fn segment(seq: u32, bytes: &[u8]) -> Segment<'_> {
    Segment {
        seq: SeqNumber::new(seq),
        bytes,
        missing: 0,
    }
}

#[test]
fn puts_in_order() {
    let mut lone = Lone::starting_at(0);
    lone.push(5, b"world");
    assert!(lone.seen.is_empty());
    lone.push(0, b"hello");
    assert_eq!(lone.seen, b"helloworld");
    assert!(lone.held.is_empty());
    assert_eq!(lone.pool.held(), 0);
    assert_eq!(lone.stats.out_of_order, 1);
}

#[test]
fn the_first_bytes_win() {
    let mut lone = Lone::starting_at(0);
    lone.push(4, b"EFGH");
    lone.push(2, b"cdxx");
    lone.push(6, b"yyIJ");
    lone.push(0, b"abzzzzzzzzKL");
    assert_eq!(lone.seen, b"abcdEFGHIJKL");
    assert_eq!(lone.stats.conflicts, 5);
    lone.push(4, b"other");
    assert_eq!(lone.stats.retransmissions, 1);
    lone.push(10, b"KLMN");
    assert_eq!(lone.seen, b"abcdEFGHIJKLMN");
}

#[test]
fn crosses_the_wrap() {
    let mut lone = Lone::starting_at(0xffff_fffc);
    lone.push(2, b"ghi");
    lone.push(0xffff_fffc, b"abcdef");
    assert_eq!(lone.seen, b"abcdefghi");
    lone.push(0xffff_fffe, b"late");
    assert_eq!(lone.seen, b"abcdefghi");
}

#[test]
fn too_many_segments_make_a_gap() {
    let mut lone = Lone::starting_at(0);
    for i in 0..=64_u32 {
        assert!(lone.seen.is_empty());
        lone.push(10 + 2 * i, b"x");
    }
    assert_eq!(lone.gaps[0], (0, 10));
    assert_eq!(lone.stats.hole_limits, 1);
    assert_eq!(lone.seen, b"x", "the next hole is another one");
    assert_eq!(lone.held.ahead.len(), 64);
}

#[test]
fn too_many_bytes_make_a_gap() {
    let mut lone = Lone::starting_at(0);
    let big = vec![7; 60_000];
    for i in 0..5 {
        lone.push(100 + i * 60_000, &big);
    }
    assert_eq!(lone.gaps, [(0, 100)]);
    assert_eq!(lone.seen.len(), 300_000);
    assert_eq!(lone.pool.held(), 0);
}

#[test]
fn what_the_receiver_has_we_missed() {
    let mut lone = Lone::starting_at(0);
    lone.push(3, b"d");
    lone.push(4, b"e");
    lone.with(|a, show| {
        let _ = a.acked(SeqNumber::new(5), show);
    });
    assert!(lone.gaps.is_empty(), "may still be swapped");
    lone.push(5, b"f");
    assert_eq!(
        (lone.gaps.as_slice(), lone.seen.as_slice()),
        (&[(0, 3)][..], &b"def"[..])
    );
    lone.push(8, b"i");
    lone.push(9, b"j");
    lone.push(10, b"k");
    lone.with(|a, show| {
        let _ = a.acked(SeqNumber::new(7), show);
    });
    assert_eq!(lone.gaps.len(), 1, "the hole itself is not acknowledged");
}

#[test]
fn a_hole_is_timed_from_the_last_progress() {
    let mut lone = Lone::starting_at(0);
    lone.now = Timestamp::new(10, 0);
    lone.push(100, b"forged");
    assert_eq!(lone.held.hole_due(), Some(13));
    lone.now = Timestamp::new(12, 0);
    lone.push(0, b"in turn");
    assert_eq!(lone.held.hole_due(), Some(15));
}

#[test]
fn a_cut_segment_ends_in_a_gap() {
    let mut lone = Lone::starting_at(0);
    let now = lone.now;
    for seq in [14, 0] {
        lone.with(|a, show| {
            let cut = Segment {
                missing: 10,
                ..segment(seq, b"head")
            };
            let _ = a.segment(cut, now, show);
        });
    }
    assert_eq!(lone.seen, b"headhead");
    assert_eq!(lone.gaps, [(4, 10), (8, 10)]);
}

#[test]
fn skipping_needs_no_buffer() {
    let mut lone = Lone::starting_at(0xf000_0000);
    lone.cursor.skip = 5 << 30;
    let mut at = 0xf000_0000_u32;
    let mut left = 5_u64 << 30;
    // Every other segment is lost, until the window is over.
    while left > 1 << 21 {
        at = at.wrapping_add(1 << 20);
        left -= 1 << 20;
        lone.push(at, &[1; 1 << 10]);
        assert!(lone.held.is_empty());
        left -= 1 << 10;
        at = at.wrapping_add(1 << 10);
    }
    assert_eq!(lone.cursor.skip, left);
    let rest = vec![2; 1 << 22];
    lone.push(at, &rest);
    assert_eq!(lone.seen.len() as u64, (1 << 22) - left);
    assert!(lone.gaps.is_empty());
}

#[test]
fn one_needs_more_than_may_be_kept() {
    let mut lone = Lone::starting_at(0);
    let mut calls = Vec::new();
    for seq in [0, 4] {
        let _ = lone.decode(seq, b"abcd", &mut |chunk| {
            calls.push(format!("{chunk:?}"));
            Progress::Took {
                bytes: 1,
                need: TAIL_BYTES + 1,
            }
        });
    }
    assert_eq!(calls.len(), 4);
    assert_eq!(calls[1], "Gap(0)");
    assert_eq!(lone.stats.need_refused, 2);
    assert_eq!(lone.pool.held(), 0);
}

#[test]
fn a_need_is_kept() {
    let mut lone = Lone::starting_at(0);
    let mut shown = Vec::new();
    for i in 0..100_u8 {
        let _ = lone.decode(i.into(), &[i], &mut |chunk| {
            let Chunk::Data(bytes) = chunk else { panic!() };
            shown.push((bytes[0], bytes.len()));
            if bytes.len() >= 10 {
                Progress::Took { bytes: 10, need: 0 }
            } else {
                Progress::Took { bytes: 0, need: 10 }
            }
        });
    }
    let want: Vec<_> = (0..10).flat_map(|i| [(i * 10, 1), (i * 10, 10)]).collect();
    assert_eq!(shown, want);
}

#[test]
fn single_bytes_are_linear() {
    let mut lone = Lone::starting_at(0);
    let mut work = 0_usize;
    let total = 4_000_000_u32;
    for i in 0..total {
        let _ = lone.decode(i, &[0], &mut |chunk| {
            let Chunk::Data(bytes) = chunk else { panic!() };
            work += bytes.len();
            Progress::Took {
                bytes: if bytes.len() >= 60_000 { 59_999 } else { 0 },
                need: 60_000,
            }
        });
    }
    assert!(work < 3 * total as usize, "{work}");
}

/// A protocol of records, each a length byte and that many bytes, the larger of them skipped.
#[derive(Default)]
struct Records {
    heard: Vec<u8>,
    skipped: u64,
    /// Cuts decided by the decoder: how eagerly it takes, and asks for too little.
    mood: u8,
}

impl Records {
    fn chunk(&mut self, bytes: &[u8]) -> Progress {
        self.mood = self.mood.wrapping_mul(5).wrapping_add(3);
        let need = usize::from(bytes[0]) + 1;
        if bytes[0] >= 200 {
            self.heard.push(bytes[0]);
            self.skipped += need as u64;
            return Progress::Skip { bytes: need as u64 };
        }
        if bytes.len() < need {
            let need = if self.mood & 8 == 0 { 0 } else { need };
            return Progress::Took { bytes: 0, need };
        }
        self.heard.extend_from_slice(&bytes[..need]);
        if self.mood & 16 == 0 {
            return Progress::Skip { bytes: need as u64 };
        }
        Progress::Took {
            bytes: need,
            need: usize::from(self.mood & 3),
        }
    }
}

fn heard(stream: &[u8], cuts: &[usize], mood: u8) -> (Vec<u8>, u64) {
    let mut lone = Lone::starting_at(0xffff_ff00);
    let mut decoder = Records {
        mood,
        ..Records::default()
    };
    let mut at = 0;
    let mut ends: Vec<usize> = cuts.iter().map(|c| c % (stream.len() + 1)).collect();
    ends.push(stream.len());
    ends.sort_unstable();
    for end in ends {
        if end > at {
            let seq = 0xffff_ff00_u32.wrapping_add(u32::try_from(at).unwrap());
            let _ = lone.decode(seq, &stream[at..end], &mut |chunk| match chunk {
                Chunk::Data(bytes) => decoder.chunk(bytes),
                _ => panic!("{chunk:?}"),
            });
            at = end;
        }
    }
    (decoder.heard, decoder.skipped)
}

/// What a list of segments says: for each byte the first copy to come, or nothing.
fn reference(len: usize, pieces: &[(usize, Vec<u8>)]) -> Vec<Option<u8>> {
    let mut stream = vec![None; len];
    for (start, bytes) in pieces {
        for (place, byte) in stream[*start..].iter_mut().zip(bytes) {
            place.get_or_insert(*byte);
        }
    }
    stream
}

proptest! {
    /// Whole records are heard alike however the stream is cut; the last may be unfinished.
    #[test]
    fn cuts_do_not_change_what_is_heard(
        mut stream in prop::collection::vec(any::<u8>(), 1..3000),
        cuts in prop::collection::vec(any::<usize>(), 0..100),
        mood in any::<u8>(),
    ) {
        // An odd `need` after a record may ask for bytes that never come; feed it some.
        stream.extend([0; 8]);
        let whole = heard(&stream, &[], 8);
        let cut = heard(&stream, &cuts, mood);
        let n = whole.0.len().min(cut.0.len());
        prop_assert!(whole.0.len().abs_diff(cut.0.len()) <= 8);
        prop_assert_eq!(&whole.0[..n], &cut.0[..n]);
        prop_assert_eq!(whole.1, cut.1);
    }

    /// Any order, duplication, overlap, loss and disagreement: each byte shown is the first
    /// copy that came, and what never came is in a gap.
    #[test]
    fn any_order_equals_the_reference_or_a_gap(
        base in any::<u32>(),
        pieces in prop::collection::vec((0_usize..400, 1_usize..60, any::<u8>()), 1..60),
    ) {
        let pieces: Vec<(usize, Vec<u8>)> = pieces
            .into_iter()
            .map(|(start, len, salt)| {
                let byte = |i: usize| (i as u8) ^ (salt & 1);
                (start, (start..start + len).map(byte).collect())
            })
            .collect();
        let stream = reference(460, &pieces);
        let mut lone = Lone::starting_at(base);
        for (start, bytes) in &pieces {
            lone.push(base.wrapping_add(u32::try_from(*start).unwrap()), bytes);
        }
        lone.with(|a, show| { let _ = a.flush(show); });
        prop_assert!(lone.held.is_empty());
        prop_assert_eq!(lone.pool.held(), 0);
        let mut gaps = lone.gaps.iter().peekable();
        let mut seen = lone.seen.iter().enumerate().peekable();
        let mut at = 0;
        let end = pieces.iter().map(|(s, b)| s + b.len()).max().unwrap();
        while at < end {
            let shown = seen.peek().map_or(lone.seen.len(), |(i, _)| *i);
            if let Some((_, n)) = gaps.next_if(|(place, _)| *place == shown) {
                // Only what was really missing: holes are given up here at the end alone.
                for byte in &stream[at..at + *n as usize] {
                    prop_assert_eq!(*byte, None);
                }
                at += *n as usize;
            } else {
                prop_assert_eq!(stream[at], seen.next().map(|(_, b)| *b));
                at += 1;
            }
        }
        prop_assert!(gaps.next().is_none() && seen.next().is_none());
    }
}

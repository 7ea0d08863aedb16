//! A timer wheel of one second a slot, on packet time.
//!
//! Entries are links inside the flow records, so the wheel owns no memory that a peer could
//! make grow. An entry is a promise to *look* at a flow at some second, not to end it:
//! packets only write the flow's last time, and who finds the flow alive puts it back.
//! So a packet costs nothing here, and a tick costs what falls due.

/// Slots, a power of two above every timeout in seconds.
const SLOTS: u64 = 1024;
/// Marks the end of a list, and an entry in none.
const NONE: u32 = u32::MAX;
const UNLINKED: u16 = u16::MAX;

/// The part of a record that a wheel owns.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(super) struct Links {
    prev: u32,
    next: u32,
    slot: u16,
    /// Which of the caller's wheels holds it.
    pub(super) wheel: u8,
}

impl Links {
    /// True if some wheel holds it.
    pub(super) fn linked(&self) -> bool {
        self.slot != UNLINKED
    }
}

impl Default for Links {
    fn default() -> Self {
        Self {
            prev: NONE,
            next: NONE,
            slot: UNLINKED,
            wheel: 0,
        }
    }
}

/// Where the links of an entry are.
pub(super) trait Linked {
    fn links(&mut self, id: u32) -> Option<&mut Links>;
}

/// Lists of entries by the second they want to be looked at.
#[derive(Debug)]
pub(super) struct Wheel {
    /// First and last entry of each slot.
    slots: Vec<(u32, u32)>,
    /// A bit for each slot that is not empty.
    full: [u64; 16],
    /// Seconds up to this one have been looked at.
    now: u64,
}

impl Wheel {
    /// An empty wheel before the second `now`.
    pub(super) fn new(now: u64) -> Self {
        Self {
            slots: vec![(NONE, NONE); 1024],
            full: [0; 16],
            now,
        }
    }

    /// Second at which the entry will be looked at.
    pub(super) fn due(&self, links: &Links) -> u64 {
        let ahead = u64::from(links.slot).wrapping_sub(self.now) % SLOTS;
        self.now
            .saturating_add(if ahead == 0 { SLOTS } else { ahead })
    }

    /// Sets the clock of an empty wheel.
    pub(super) fn start(&mut self, now: u64) {
        self.now = now;
    }

    /// Looks at `id`, which is in no wheel, at `tick`, or sooner if that is far away.
    pub(super) fn insert(&mut self, all: &mut impl Linked, id: u32, tick: u64) {
        let soonest = self.now.saturating_add(1);
        let latest = self.now.saturating_add(SLOTS.saturating_sub(1));
        let slot = tick.clamp(soonest, latest.max(soonest)) % SLOTS;
        let Some(ends) = self.slots.get_mut(slot as usize) else {
            return;
        };
        let (first, last) = *ends;
        *ends = (if first == NONE { id } else { first }, id);
        if let Some(links) = all.links(id) {
            links.prev = last;
            links.next = NONE;
            links.slot = (slot & 0x3ff) as u16;
        }
        if let Some(before) = all.links(last) {
            before.next = id;
        }
        self.mark(slot, true);
    }

    /// Forgets `id`.
    pub(super) fn remove(&mut self, all: &mut impl Linked, id: u32) {
        let Some(links) = all.links(id) else { return };
        let Links {
            prev, next, slot, ..
        } = *links;
        let Some(ends) = self.slots.get_mut(usize::from(slot)) else {
            return;
        };
        links.slot = UNLINKED;
        if ends.0 == id {
            ends.0 = next;
        }
        if ends.1 == id {
            ends.1 = prev;
        }
        let empty = ends.0 == NONE;
        if let Some(before) = all.links(prev) {
            before.next = next;
        }
        if let Some(after) = all.links(next) {
            after.prev = prev;
        }
        if empty {
            self.mark(slot.into(), false);
        }
    }

    /// Takes every entry due up to `to` out of the wheel and appends it to `out`.
    pub(super) fn advance(&mut self, all: &mut impl Linked, to: u64, out: &mut Vec<u32>) {
        let passed = to.saturating_sub(self.now).min(SLOTS);
        for step in 1..=passed {
            let slot = self.now.saturating_add(step) % SLOTS;
            if !self.is_full(slot) {
                continue;
            }
            self.mark(slot, false);
            let Some(ends) = self.slots.get_mut(slot as usize) else {
                continue;
            };
            let mut id = std::mem::replace(ends, (NONE, NONE)).0;
            while let Some(links) = all.links(id) {
                links.slot = UNLINKED;
                out.push(id);
                id = links.next;
            }
        }
        self.now = self.now.max(to);
    }

    /// The entry that will be looked at first.
    pub(super) fn first(&self) -> Option<u32> {
        let start = self.now.saturating_add(1) % SLOTS;
        // The slot to begin with may lie inside a word, so its word is met twice.
        for step in 0..=16_u64 {
            let word = ((start / 64).saturating_add(step)) % 16;
            let mut bits = self.full.get(word as usize).copied().unwrap_or(0);
            if step == 0 {
                bits &= u64::MAX << (start % 64);
            }
            if bits != 0 {
                let slot = word
                    .saturating_mul(64)
                    .saturating_add(bits.trailing_zeros().into());
                return self.slots.get(slot as usize).map(|ends| ends.0);
            }
        }
        None
    }

    fn mark(&mut self, slot: u64, full: bool) {
        if let Some(word) = self.full.get_mut((slot / 64) as usize) {
            let bit = 1_u64 << (slot % 64);
            *word = if full { *word | bit } else { *word & !bit };
        }
    }

    fn is_full(&self, slot: u64) -> bool {
        self.full
            .get((slot / 64) as usize)
            .is_some_and(|word| word & (1 << (slot % 64)) != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    impl Linked for Vec<Links> {
        fn links(&mut self, id: u32) -> Option<&mut Links> {
            self.get_mut(id as usize)
        }
    }

    fn due(wheel: &mut Wheel, all: &mut Vec<Links>, to: u64) -> Vec<u32> {
        let mut out = Vec::new();
        wheel.advance(all, to, &mut out);
        out
    }

    #[test]
    fn entries_fall_due_in_order() {
        let mut all = vec![Links::default(); 4];
        let mut wheel = Wheel::new(1000);
        wheel.insert(&mut all, 0, 1030);
        wheel.insert(&mut all, 1, 1010);
        wheel.insert(&mut all, 2, 1010);
        wheel.insert(&mut all, 3, 900);
        assert_eq!(wheel.due(&all[3]), 1001, "never in the past");
        assert_eq!(wheel.first(), Some(3));
        wheel.remove(&mut all, 3);
        assert_eq!(wheel.first(), Some(1));
        assert!(due(&mut wheel, &mut all, 1009).is_empty());
        assert_eq!(due(&mut wheel, &mut all, 1010), [1, 2]);
        assert_eq!(wheel.due(&all[0]), 1030);
        assert_eq!(due(&mut wheel, &mut all, 5_000_000_000), [0]);
        assert_eq!(wheel.first(), None);
    }

    proptest! {
        #[test]
        fn like_a_sorted_list(
            now in 0_u64..5000,
            steps in prop::collection::vec((0_u8..4, 0_u32..32, 1_u64..1023), 1..200),
        ) {
            let mut all = vec![Links::default(); 32];
            let mut wheel = Wheel::new(now);
            let mut model: Vec<Option<u64>> = vec![None; 32];
            let mut now = now;
            for (what, id, n) in steps {
                let at = id as usize;
                match what {
                    0 | 1 if model[at].is_none() => {
                        wheel.insert(&mut all, id, now + n);
                        model[at] = Some(now + n);
                    }
                    2 if model[at].is_some() => {
                        wheel.remove(&mut all, id);
                        model[at] = None;
                    }
                    _ => {
                        now += n / 8;
                        let mut out = due(&mut wheel, &mut all, now);
                        out.sort_unstable();
                        let want: Vec<u32> = (0..32)
                            .filter(|i| model[*i as usize].is_some_and(|t| t <= now))
                            .collect();
                        prop_assert_eq!(&out, &want);
                        for i in out { model[i as usize] = None; }
                    }
                }
                let first = wheel.first().map(|i| model[i as usize].unwrap());
                prop_assert_eq!(first, model.iter().flatten().min().copied());
            }
        }
    }
}

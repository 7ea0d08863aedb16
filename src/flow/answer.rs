//! What a decoder's answer means for the bytes it was shown.

use crate::limits::TAIL_BYTES;
use crate::packet::Progress;

/// A [`Progress`] made safe: counts lie within what was shown, and every case moves on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// `taken` bytes are done with, and what follows them may be shown at once.
    Again { taken: usize },
    /// `taken` bytes are done with; keep the others until `need` bytes follow the taken ones.
    Keep { taken: usize, need: usize },
    /// All that was shown is done with, and `beyond` bytes after it.
    Skip { beyond: u64 },
    /// `taken` bytes are done with; the decoder wants more of what follows than may be kept.
    TooMuch { taken: usize },
    /// The flow is of no interest.
    Done,
}

impl Answer {
    /// The meaning of `progress` after `shown` bytes (at least one).
    ///
    /// A decoder that takes nothing and asks for no more than it has seen is understood as
    /// asking for one byte more: shown the same bytes again it would say the same again.
    pub(super) fn read(progress: Progress, shown: usize) -> Self {
        let (taken, need) = match progress {
            Progress::Done => return Self::Done,
            Progress::Took { bytes, need } => (bytes.min(shown), need),
            Progress::Skip { bytes } => match usize::try_from(bytes) {
                Ok(bytes) if bytes < shown => (bytes, 0),
                _ => {
                    let beyond = bytes.saturating_sub(u64::try_from(shown).unwrap_or(u64::MAX));
                    return Self::Skip { beyond };
                }
            },
        };
        let left = shown.saturating_sub(taken);
        let need = if taken == 0 {
            need.max(shown.saturating_add(1))
        } else {
            need.max(1)
        };
        if need > TAIL_BYTES {
            Self::TooMuch { taken }
        } else if left == 0 && need == 1 {
            Self::Skip { beyond: 0 }
        } else if need > left {
            Self::Keep { taken, need }
        } else {
            Self::Again { taken }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn took(bytes: usize, need: usize) -> Progress {
        Progress::Took { bytes, need }
    }

    #[test]
    fn every_answer_moves_on() {
        let cases = [
            (took(10, 0), Answer::Skip { beyond: 0 }),
            (took(99, 0), Answer::Skip { beyond: 0 }),
            (took(10, 4), Answer::Keep { taken: 10, need: 4 }),
            (took(4, 6), Answer::Again { taken: 4 }),
            (took(4, 7), Answer::Keep { taken: 4, need: 7 }),
            (took(0, 0), Answer::Keep { taken: 0, need: 11 }),
            (took(0, 10), Answer::Keep { taken: 0, need: 11 }),
            (took(0, 64), Answer::Keep { taken: 0, need: 64 }),
            (took(3, TAIL_BYTES + 1), Answer::TooMuch { taken: 3 }),
            (took(3, usize::MAX), Answer::TooMuch { taken: 3 }),
            (Progress::Skip { bytes: 10 }, Answer::Skip { beyond: 0 }),
            (Progress::Skip { bytes: 4 }, Answer::Again { taken: 4 }),
            (
                Progress::Skip { bytes: 0 },
                Answer::Keep { taken: 0, need: 11 },
            ),
            (
                Progress::Skip { bytes: u64::MAX },
                Answer::Skip {
                    beyond: u64::MAX - 10,
                },
            ),
            (Progress::Done, Answer::Done),
        ];
        for (progress, meaning) in cases {
            assert_eq!(Answer::read(progress, 10), meaning, "{progress:?}");
        }
    }
}

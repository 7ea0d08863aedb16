//! What a flow shows a decoder, and what the decoder answers.

/// A datagram, whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// Its payload, as far as it was captured.
    pub bytes: &'a [u8],
    /// Bytes that were sent and not captured.
    pub missing: u32,
    /// Who sent the frame it came in, on Ethernet; zero if that is not known.
    pub mac: [u8; 6],
}

/// A piece of one direction of a flow, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chunk<'a> {
    /// Bytes that follow everything shown before. A decoder that answered with a `need`
    /// sees the bytes it did not take again, in front.
    Data(&'a [u8]),
    /// This many bytes will never come (lost, or cut by the snapshot length).
    /// Bytes shown before and not taken are gone too.
    Gap(u64),
    /// The direction is over: FIN, RST, timeout or the end of the capture.
    End,
}

/// What a decoder did with a [`Chunk`]. The answer to `Gap` and `End` is ignored unless it is `Done`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Took `bytes` from the front. If that is not all of it, come again when at least `need` bytes
    /// are there, counted from the first byte not taken (`need` 0 or 1: any byte more).
    Took {
        /// Bytes taken.
        bytes: usize,
        /// Bytes wanted before the next call.
        need: usize,
    },
    /// Took all that was shown up to `bytes` in all, shown or still to come: pass over them without
    /// looking. `bytes` counts from the front of the chunk and may go far beyond its end.
    Skip {
        /// Bytes to pass over.
        bytes: u64,
    },
    /// Nothing in this flow is of interest any more, in either direction.
    Done,
}

impl Progress {
    /// Took all of it.
    #[must_use]
    pub fn all(chunk: &[u8]) -> Self {
        Self::Took {
            bytes: chunk.len(),
            need: 0,
        }
    }
}

//! What can be wrong with bytes.

use std::fmt;

/// Why a layout could not be read. `Copy`, no heap: traffic may cause millions of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The bytes end before the value does. While a PDU is being framed this means
    /// "ask again with at least `need` bytes"; inside a framed PDU it is malformed.
    Short {
        /// The thing being read.
        what: &'static str,
        /// Bytes needed in all, counted from the start of the reader that said so.
        need: usize,
    },
    /// The bytes are there and cannot mean what they should.
    Malformed {
        /// The thing being read.
        what: &'static str,
        /// What is wrong with it.
        why: &'static str,
    },
}

/// Result of reading a layout.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// The thing that was being read.
    #[must_use]
    pub fn what(self) -> &'static str {
        match self {
            Self::Short { what, .. } | Self::Malformed { what, .. } => what,
        }
    }

    /// What is wrong with it.
    #[must_use]
    pub fn why(self) -> &'static str {
        match self {
            Self::Short { .. } => "too short",
            Self::Malformed { why, .. } => why,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short { what, need } => write!(f, "{what}: {need} bytes needed"),
            Self::Malformed { what, why } => write!(f, "{what}: {why}"),
        }
    }
}

impl std::error::Error for Error {}

//! Layouts of transactions on SMB 1 pipes, and their pieces put in order (MS-CIFS 2.2.4.33, 2.2.4.34, 2.2.4.62, 2.2.4.63).

use super::wire1::{Block, Command};
use crate::limits::{SMB_TRANSACTION_BYTES, SMB_TRANSACTION_PIECES, SMB_TRANSACTIONS};
use crate::net::Direction;
use crate::wire::{Error, Result};

/// What a transaction does with a pipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// The pipe's FID.
    pub fid: u16,
    /// Its data is written to the pipe.
    pub writes: bool,
    /// The answer's data was read from the pipe.
    pub reads: bool,
}

impl Request {
    /// Reads the first message of a TRANSACTION or NT_TRANSACT; `None` if it is no reading or writing of a pipe.
    ///
    /// ```text
    /// TRANSACTION  words  28 function u16  30 FID u16                              (MS-CIFS 2.2.5)
    /// NT_TRANSACT  words  36 function u16 (2: IOCTL)  38 FSCTL u32  42 FID u16     (MS-CIFS 2.2.7.2)
    /// ```
    ///
    /// # Errors
    /// `Malformed`.
    pub fn read(command: Command, block: &Block<'_>) -> Result<Option<Self>> {
        if command == Command::NT_TRANSACT {
            // FSCTL_PIPE_TRANSCEIVE (MS-FSCC 2.3.49).
            let is_pipe = block.count() >= 23
                && block.word(36)? == 2
                && (block.word(38)?, block.word(40)?) == (0xc017, 0x0011);
            return Ok(match is_pipe {
                true => Some(Self {
                    fid: block.word(42)?,
                    writes: true,
                    reads: true,
                }),
                false => None,
            });
        }
        if block.count() < 16 {
            return Ok(None);
        }
        let (writes, reads) = match block.word(28)? {
            // TRANS_TRANSACT_NMPIPE.
            0x26 => (true, true),
            // TRANS_RAW_WRITE_NMPIPE, TRANS_WRITE_NMPIPE.
            0x31 | 0x37 => (true, false),
            // TRANS_RAW_READ_NMPIPE, TRANS_READ_NMPIPE.
            0x11 | 0x36 => (false, true),
            _ => return Ok(None),
        };
        let fid = block.word(30)?;
        Ok(Some(Self { fid, writes, reads }))
    }
}

/// One message's part of a transaction's data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Portion<'a> {
    /// Bytes of data in all, by this message.
    pub total: usize,
    /// Where these begin.
    pub displacement: usize,
    /// The bytes.
    pub data: &'a [u8],
}

impl<'a> Portion<'a> {
    /// Reads a message's part; `None` for an answer without words: it asks for the rest, or refuses.
    ///
    /// ```text
    ///                         total  count  offset  displacement
    /// TRANSACTION request      2      22     24      -        u16, bytes of the words
    /// TRANSACTION_SECONDARY    2      10     12      14
    /// TRANSACTION response     2      12     14      16
    /// NT_TRANSACT request      7      27     31      -        u32
    /// NT_TRANSACT_SECONDARY    7      23     27      31       and its response
    /// ```
    ///
    /// # Errors
    /// `Malformed`.
    pub fn read(command: Command, block: &Block<'a>, response: bool) -> Result<Option<Self>> {
        if block.count() == 0 {
            return Ok(None);
        }
        let short = |at| block.word(at).map(usize::from);
        let long = |at: usize| -> Result<usize> {
            let high = usize::from(block.word(at.saturating_add(2))?);
            Ok((high << 16) | short(at)?)
        };
        let (total, length, at, displacement) = match (command, response) {
            (Command::TRANSACTION, false) => (short(2)?, short(22)?, short(24)?, 0),
            (Command::TRANSACTION_SECONDARY, _) => (short(2)?, short(10)?, short(12)?, short(14)?),
            (Command::TRANSACTION, true) => (short(2)?, short(12)?, short(14)?, short(16)?),
            (Command::NT_TRANSACT, false) => (long(7)?, long(27)?, long(31)?, 0),
            _ => (long(7)?, long(23)?, long(27)?, long(31)?),
        };
        Ok(Some(Self {
            total,
            displacement,
            data: block.piece(at, length)?,
        }))
    }

    /// It is all of it.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.displacement == 0 && self.data.len() >= self.total
    }
}

/// Transactions of which not all is there. The oldest goes first.
#[derive(Debug, Default)]
pub(super) struct Partial {
    all: Vec<Transaction>,
}

#[derive(Debug)]
struct Transaction {
    /// PID and MID.
    message: u32,
    direction: Direction,
    handle: u32,
    total: usize,
    /// Bytes handed on.
    given: usize,
    /// What came before its turn: where it begins, the bytes.
    early: Vec<(usize, Vec<u8>)>,
}

impl Transaction {
    /// Bytes of heap.
    fn held(&self) -> usize {
        let early = self.early.iter().map(|(_, bytes)| bytes.capacity());
        early.fold(crate::proto::vec_bytes(&self.early), usize::saturating_add)
    }

    /// The part of these bytes whose turn it is.
    fn turn<'a>(&mut self, at: usize, bytes: &'a [u8]) -> Option<&'a [u8]> {
        let new = bytes.get(self.given.checked_sub(at)?..)?;
        self.given = self.given.saturating_add(new.len());
        Some(new)
    }
}

impl Partial {
    /// Bytes of heap.
    pub(super) fn held(&self) -> usize {
        let each = self.all.iter().map(Transaction::held);
        each.fold(crate::proto::vec_bytes(&self.all), usize::saturating_add)
    }

    /// The part of it that is room for transactions.
    #[cfg(test)]
    pub(super) fn room(&self) -> usize {
        crate::proto::vec_bytes(&self.all)
    }

    /// A transaction on this pipe begins or goes on. Gives `give` what follows what it was given before; says
    /// whether that is all.
    ///
    /// # Errors
    /// `Malformed` if pieces out of order are more than may be held; the transaction is forgotten.
    pub(super) fn add(
        &mut self,
        (message, direction): (u32, Direction),
        handle: u32,
        portion: &Portion<'_>,
        mut give: impl FnMut(u32, &[u8]),
    ) -> Result<bool> {
        if portion.is_whole() {
            self.forget(message, direction);
            give(handle, portion.data);
            return Ok(true);
        }
        let at = self.find(message, direction).unwrap_or_else(|| {
            if self.all.len() >= SMB_TRANSACTIONS {
                self.all.remove(0);
            }
            self.all.push(Transaction {
                message,
                direction,
                handle,
                total: portion.total,
                given: 0,
                early: Vec::new(),
            });
            self.all.len().saturating_sub(1)
        });
        self.piece(at, portion, &mut give)
    }

    /// The next piece of a transaction that began; `None` if it did not.
    ///
    /// # Errors
    /// As [`Self::add`].
    pub(super) fn more(
        &mut self,
        (message, direction): (u32, Direction),
        portion: &Portion<'_>,
        mut give: impl FnMut(u32, &[u8]),
    ) -> Result<()> {
        match self.find(message, direction) {
            Some(at) => self.piece(at, portion, &mut give).map(|_| ()),
            None => Ok(()),
        }
    }

    /// True while pieces are awaited.
    pub(super) fn is_open(&self, message: u32, direction: Direction) -> bool {
        self.find(message, direction).is_some()
    }

    /// No more will come of it.
    pub(super) fn forget(&mut self, message: u32, direction: Direction) {
        self.all
            .retain(|t| (t.message, t.direction) != (message, direction));
    }

    fn find(&self, message: u32, direction: Direction) -> Option<usize> {
        let mut all = self.all.iter();
        all.position(|t| (t.message, t.direction) == (message, direction))
    }

    fn piece(
        &mut self,
        at: usize,
        portion: &Portion<'_>,
        give: &mut impl FnMut(u32, &[u8]),
    ) -> Result<bool> {
        let Some(transaction) = self.all.get_mut(at) else {
            return Ok(false);
        };
        // Either message may lower it (MS-CIFS 2.2.4.34.1).
        transaction.total = transaction.total.min(portion.total);
        if portion.displacement > transaction.given {
            let bytes = transaction.held().saturating_add(portion.data.len());
            if transaction.early.len() >= SMB_TRANSACTION_PIECES || bytes > SMB_TRANSACTION_BYTES {
                self.all.remove(at);
                return Err(Error::Malformed {
                    what: "SMB1 transaction",
                    why: "too many pieces out of order",
                });
            }
            let early = (portion.displacement, portion.data.to_vec());
            transaction.early.push(early);
            return Ok(false);
        }
        let handle = transaction.handle;
        if let Some(new) = transaction.turn(portion.displacement, portion.data) {
            give(handle, new);
        }
        // Each turn gives a piece or leaves the loop, and pieces are few.
        while let Some(next) = transaction
            .early
            .iter()
            .position(|(at, _)| *at <= transaction.given)
        {
            let (at, bytes) = transaction.early.swap_remove(next);
            if let Some(new) = transaction.turn(at, &bytes) {
                give(handle, new);
            }
        }
        let whole = transaction.given >= transaction.total;
        if whole {
            self.all.remove(at);
        }
        Ok(whole)
    }
}

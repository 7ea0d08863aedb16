//! SMB 1: extended security session setups, and what is said on pipes.
//!
//! The tables are those of SMB 2: UID is the session, FID the file. FIDs belong to the
//! connection, so their session is 0.

use super::commands::{Connection, Surroundings};
use super::tables::{Awaited, Kind, Request};
use super::wire::FileId;
use super::wire1::{self, Block, Command, HEADER, Header};
use crate::limits::TAIL_BYTES;
use crate::net::Direction;
use crate::proto::identity;
use crate::proto::spnego;
use crate::wire::{Error, Guid, Reader, Result};

/// NTSTATUS of a session setup that goes on.
const MORE_PROCESSING: u32 = 0xc000_0016;
/// NTSTATUS of an answer on a pipe that goes on.
const BUFFER_OVERFLOW: u32 = 0x8000_0005;

/// Bit that keeps PID and MID of SMB 1 apart from the MessageIds of SMB 2.
pub(super) const MARK: u64 = 1 << 63;

impl Connection {
    /// A message of SMB 1, as much of it as is shown.
    pub(super) fn legacy(
        &mut self,
        shown: &[u8],
        length: usize,
        around: &mut Surroundings<'_, '_>,
    ) -> Result<()> {
        let header = Header::read(shown)?;
        if !self.is_of_interest(&header) {
            return Ok(());
        }
        let need = length.min(TAIL_BYTES);
        let Some(message) = shown.get(..need) else {
            return Err(Error::Short {
                what: "SMB1 message",
                need,
            });
        };
        let mut next = Some((header.command, HEADER));
        while let Some((command, at)) = next {
            let block = Block::read(message, at)?;
            if header.is_response {
                self.legacy_response(command, &header, &block, around)?;
            } else {
                self.legacy_request(command, &header, &block, message, around)?;
            }
            next = match command {
                Command::SESSION_SETUP_ANDX | Command::TREE_CONNECT_ANDX => block.next(),
                _ => None,
            };
        }
        Ok(())
    }

    /// Bulk is not waited for: reads and writes count only on trees that lead to pipes.
    fn is_of_interest(&self, header: &Header) -> bool {
        match header.command {
            Command::NEGOTIATE => header.is_response,
            Command::SESSION_SETUP_ANDX | Command::TREE_CONNECT_ANDX | Command::TRANSACTION => true,
            Command::CLOSE => !header.is_response && !self.handles.is_empty(),
            // On a tree whose connect was missed the answer tells whether it is a pipe.
            Command::NT_CREATE_ANDX => self.legacy_kind(header) != Kind::Other,
            Command::WRITE_ANDX | Command::READ_ANDX => self.legacy_kind(header) == Kind::Pipe,
            _ => false,
        }
    }

    fn legacy_request(
        &mut self,
        command: Command,
        header: &Header,
        block: &Block<'_>,
        message: &[u8],
        around: &mut Surroundings<'_, '_>,
    ) -> Result<()> {
        let awaited = match command {
            Command::SESSION_SETUP_ANDX => {
                let Some(blob) = wire1::security_blob(block, false)? else {
                    return Ok(());
                };
                let mut at = self.token_at(header.user.into());
                if spnego::wire::carries_proof(blob) {
                    at.message_id = identity(&[message]);
                }
                let (exchange, session) = self.sessions.enter(header.user.into());
                let negotiation = &mut session.negotiation;
                negotiation.token(blob, &at, Direction::ToServer, around.out);
                Awaited::SessionSetup(exchange)
            }
            Command::NT_CREATE_ANDX => {
                let length = usize::from(block.word(5)?);
                let name = block.aligned(0, header.unicode);
                let name = name.get(..length).unwrap_or(name);
                let at = (0, header.tree.into());
                let is_pipe = self.legacy_kind(header) == Kind::Pipe;
                let handle = if header.unicode {
                    self.handles.insert(at, None, name, is_pipe)
                } else {
                    let wide: Vec<u8> = name.iter().flat_map(|b| [*b, 0]).collect();
                    self.handles.insert(at, None, &wide, is_pipe)
                };
                Awaited::Create {
                    name: Vec::new(),
                    is_pipe,
                    handle: Some(handle),
                }
            }
            Command::TRANSACTION => {
                let Some((fid, data)) = wire1::transact_request(block)? else {
                    return Ok(());
                };
                self.legacy_learn(header, Kind::Pipe);
                let handle = self.legacy_handle(fid, header);
                self.legacy_data(handle, data, Direction::ToServer, around);
                Awaited::Data(handle)
            }
            Command::WRITE_ANDX => {
                let (fid, data) = wire1::write_request(block)?;
                let handle = self.legacy_handle(fid, header);
                self.legacy_data(handle, data, Direction::ToServer, around);
                return Ok(());
            }
            Command::READ_ANDX => Awaited::Data(self.legacy_handle(block.word(4)?, header)),
            Command::CLOSE => {
                if let Some(handle) = self.handles.find(0, file(block.word(0)?)) {
                    self.handles.remove(handle);
                }
                return Ok(());
            }
            _ => return Ok(()),
        };
        // What is forgotten for it says nothing: SMB 1 has no `smb` events.
        self.pending.push(Request {
            message_id: MARK | u64::from(header.message),
            session: header.user.into(),
            tree: header.tree.into(),
            awaited,
        });
        Ok(())
    }

    fn legacy_response(
        &mut self,
        command: Command,
        header: &Header,
        block: &Block<'_>,
        around: &mut Surroundings<'_, '_>,
    ) -> Result<()> {
        let ok = matches!(header.status, 0 | BUFFER_OVERFLOW);
        let back = Direction::ToClient;
        match command {
            // Seventeen words: NT LM 0.12. With extended security the server's GUID comes first.
            Command::NEGOTIATE if ok && block.count() == 17 => {
                let extended = block.word(21)? & 0x8000 != 0;
                if extended {
                    let guid: Guid = Reader::new(block.bytes).guid("SMB1 ServerGUID")?;
                    self.server_guid = Some(guid);
                }
            }
            Command::SESSION_SETUP_ANDX => {
                let blob = wire1::security_blob(block, true)?.unwrap_or_default();
                let at = self.token_at(header.user.into());
                let exchange = match self.legacy_answered(header) {
                    Some(Awaited::SessionSetup(exchange)) => Some(exchange),
                    _ => None,
                };
                let id = header.user.into();
                let session = self.sessions.answered(exchange, id);
                session.negotiation.token(blob, &at, back, around.out);
                if header.status != MORE_PROCESSING {
                    let negotiation = &mut session.negotiation;
                    negotiation.result(&at, header.status == 0, header.status, back, around.out);
                    let done = session.serial;
                    self.sessions.remove(done);
                }
            }
            // The service is in ASCII whatever the flags say (MS-CIFS 2.2.4.55.2).
            Command::TREE_CONNECT_ANDX if ok => {
                let kind = if block.bytes.starts_with(b"IPC") {
                    Kind::Pipe
                } else {
                    Kind::Other
                };
                self.trees.insert(0, header.tree.into(), kind);
            }
            Command::NT_CREATE_ANDX => {
                let resource = if wire1::is_pipe(block)? {
                    Kind::Pipe
                } else {
                    Kind::Other
                };
                if let Some(Awaited::Create {
                    handle: Some(handle),
                    ..
                }) = self.legacy_answered(header)
                {
                    let is_pipe = self.legacy_kind(header) == Kind::Pipe || resource == Kind::Pipe;
                    match ok.then(|| block.word(5)).transpose()? {
                        Some(fid) if is_pipe => self.handles.bind(handle, file(fid)),
                        _ => self.handles.remove(handle),
                    }
                }
                if ok {
                    self.legacy_learn(header, resource);
                }
            }
            Command::TRANSACTION | Command::READ_ANDX => {
                let awaited = self.legacy_answered(header);
                let (Some(Awaited::Data(handle)), true) = (awaited, ok) else {
                    return Ok(());
                };
                let data = match command {
                    Command::TRANSACTION => wire1::transact_response(block)?,
                    _ => wire1::read_response(block)?,
                };
                self.legacy_data(handle, data, back, around);
            }
            _ => {}
        }
        Ok(())
    }

    fn legacy_answered(&mut self, header: &Header) -> Option<Awaited> {
        let request = self.pending.take(MARK | u64::from(header.message));
        request.map(|request| request.awaited)
    }

    fn legacy_kind(&self, header: &Header) -> Kind {
        self.trees.kind(0, header.tree.into())
    }

    /// What a tree leads to whose connect was missed.
    fn legacy_learn(&mut self, header: &Header, kind: Kind) {
        if self.legacy_kind(header) == Kind::Unknown {
            self.trees.insert(0, header.tree.into(), kind);
        }
    }

    fn legacy_handle(&mut self, fid: u16, header: &Header) -> u32 {
        let file = file(fid);
        let known = self.handles.find(0, file);
        known.unwrap_or_else(|| {
            let at = (0, header.tree.into());
            self.handles.insert(at, Some(file), &[], true)
        })
    }
}

/// A FID in the form the table wants.
fn file(fid: u16) -> FileId {
    let [low, high] = fid.to_le_bytes();
    let mut file = [0; 16];
    let [first, second, ..] = &mut file;
    (*first, *second) = (low, high);
    file
}

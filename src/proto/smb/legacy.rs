//! SMB 1: what its messages mean.
//!
//! The tables are those of SMB 2: UID is the session, FID the file. FIDs belong to the
//! connection, so their session is 0.

use super::commands::{Agreed, Connection, Surroundings};
use super::logon1::{self, NT_LM_0_12, Negotiated};
use super::tables::{Awaited, Kind, Request};
use super::transact1::{self, Portion};
use super::wire::{self, FileId};
use super::wire1::{self, Block, Command, HEADER, Header};
use crate::event::{Carrier, Event, NtlmChallenge, Sink, SmbCommand, SmbNegotiate, SmbSession};
use crate::limits::TAIL_BYTES;
use crate::net::Direction;
use crate::proto::spnego;
use crate::proto::token::TokenAt;
use crate::proto::{identity, ntlmssp::wire::Authenticate};
use crate::wire::{Error, Result, Text};

/// NTSTATUS of a session setup that goes on.
const MORE_PROCESSING: u32 = 0xc000_0016;
/// NTSTATUS of an answer on a pipe that goes on.
const BUFFER_OVERFLOW: u32 = 0x8000_0005;

/// Bit that keeps requests of SMB 1 apart from the MessageIds of SMB 2.
const MARK: u64 = 1 << 63;

/// What an answer is found by: every command of a chain has one of its own.
fn key(command: Command, header: &Header) -> u64 {
    MARK | u64::from(command.0) << 32 | u64::from(header.message)
}

/// Name of the command that is waited for under this key, if it is one of SMB 1.
pub(super) fn named(key: u64) -> Option<&'static str> {
    let [.., command, _, _, _, _] = key.to_be_bytes();
    (key & MARK != 0).then(|| Command(command).name()).flatten()
}

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
            next = if command.is_andx() {
                block.next()
            } else {
                None
            };
        }
        Ok(())
    }

    /// Bulk is not waited for: reads and writes count only on trees that lead to pipes.
    fn is_of_interest(&self, header: &Header) -> bool {
        match header.command {
            Command::NEGOTIATE => header.is_response,
            Command::SESSION_SETUP_ANDX
            | Command::TREE_CONNECT_ANDX
            | Command::TRANSACTION
            | Command::NT_CREATE_ANDX
            | Command::LOGOFF_ANDX => true,
            Command::TRANSACTION_SECONDARY | Command::NT_TRANSACT_SECONDARY => {
                self.partial.is_open(header.message, Direction::ToServer)
            }
            Command::CLOSE => !header.is_response && !self.handles.is_empty(),
            // On a tree whose connect was missed the answer tells whether it is a pipe.
            Command::NT_TRANSACT => self.legacy_kind(header) != Kind::Other,
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
                if let Some(blob) = wire1::security_blob(block, false)? {
                    self.legacy_token(blob, header, message, around)
                } else if let Some(proof) = logon1::plain_proof(block, header.unicode)? {
                    self.legacy_proof(&proof, header, message, around)
                } else {
                    return Ok(());
                }
            }
            Command::TREE_CONNECT_ANDX => {
                let share = logon1::share(block, header.unicode)?;
                Awaited::TreeConnect(self.legacy_name(share, header))
            }
            Command::NT_CREATE_ANDX => self.legacy_create(header, block, around)?,
            Command::TRANSACTION | Command::NT_TRANSACT => {
                let Some(request) = transact1::Request::read(command, block)? else {
                    return Ok(());
                };
                self.legacy_learn(header, Kind::Pipe);
                let handle = self.legacy_handle(request.fid, header, around);
                self.partial.forget(header.message, Direction::ToServer);
                if let (true, Some(portion)) =
                    (request.writes, Portion::read(command, block, false)?)
                {
                    self.legacy_portion(handle, header, Direction::ToServer, &portion, around)?;
                }
                if !request.reads {
                    return Ok(());
                }
                Awaited::Data(handle)
            }
            Command::TRANSACTION_SECONDARY | Command::NT_TRANSACT_SECONDARY => {
                let Some(portion) = Portion::read(command, block, false)? else {
                    return Ok(());
                };
                return self.legacy_more(header, &portion, around);
            }
            Command::WRITE_ANDX => {
                let (fid, data) = wire1::write_request(block)?;
                let handle = self.legacy_handle(fid, header, around);
                self.legacy_data(handle, data, Direction::ToServer, around);
                return Ok(());
            }
            Command::READ_ANDX => Awaited::Data(self.legacy_handle(block.word(4)?, header, around)),
            Command::CLOSE => {
                if let Some(handle) = self.handles.find(0, file(block.word(0)?)) {
                    self.handles.remove(handle);
                }
                return Ok(());
            }
            _ => return Ok(()),
        };
        let request = Request {
            message_id: key(command, header),
            session: header.user.into(),
            tree: header.tree.into(),
            awaited,
        };
        // Some clients give every request one number: the one before got no answer.
        let earlier = self.pending.take(request.message_id);
        let forgotten = self.pending.push(request);
        for request in earlier.into_iter().chain(forgotten) {
            self.unanswered(request, around.out);
        }
        Ok(())
    }

    /// A session setup with extended security.
    fn legacy_token(
        &mut self,
        blob: &[u8],
        header: &Header,
        message: &[u8],
        around: &mut Surroundings<'_, '_>,
    ) -> Awaited {
        let mut at = self.token_at(header.user.into());
        if spnego::wire::carries_proof(blob) {
            at.message_id = identity(&[message]);
        }
        let (exchange, session) = self.sessions.enter(header.user.into());
        session.signing_required = header.signing_required;
        session.account.learn(blob);
        let negotiation = &mut session.negotiation;
        negotiation.token(blob, &at, Direction::ToServer, around.out);
        Awaited::SessionSetup(exchange)
    }

    /// A session setup without: its proof answers the challenge of the NEGOTIATE.
    fn legacy_proof(
        &mut self,
        proof: &Authenticate<'_>,
        header: &Header,
        message: &[u8],
        around: &mut Surroundings<'_, '_>,
    ) -> Awaited {
        let at = TokenAt {
            message_id: identity(&[message]),
            ..self.token_at(0)
        };
        let (exchange, session) = self.sessions.enter(0);
        session.plain = true;
        session.signing_required = header.signing_required;
        session.account.plain(proof);
        let negotiation = &mut session.negotiation;
        let to = Direction::ToServer;
        negotiation.proof(proof, self.challenge, &at, to, around.out);
        Awaited::SessionSetup(exchange)
    }

    fn legacy_create(
        &mut self,
        header: &Header,
        block: &Block<'_>,
        around: &mut Surroundings<'_, '_>,
    ) -> Result<Awaited> {
        let length = usize::from(block.word(5)?);
        let name = block.aligned(0, header.unicode);
        let name = name.get(..length).unwrap_or(name);
        let name = self.legacy_name(name, header);
        let kind = self.legacy_kind(header);
        let is_pipe = kind == Kind::Pipe;
        let at = (0, header.tree.into());
        let handle = (kind != Kind::Other).then(|| self.handles.insert(at, None, &name, is_pipe));
        around.chain.handle = handle;
        Ok(Awaited::Create {
            name,
            is_pipe,
            handle,
        })
    }

    fn legacy_response(
        &mut self,
        command: Command,
        header: &Header,
        block: &Block<'_>,
        around: &mut Surroundings<'_, '_>,
    ) -> Result<()> {
        let ok = matches!(header.status, 0 | BUFFER_OVERFLOW);
        match command {
            Command::NEGOTIATE if ok => self.legacy_negotiated(header, block, around.out)?,
            Command::SESSION_SETUP_ANDX => self.legacy_session(header, block, around)?,
            Command::TREE_CONNECT_ANDX => {
                // The service is in ASCII whatever the flags say (MS-CIFS 2.2.4.55.2).
                let kind = if block.bytes.starts_with(b"IPC") {
                    Kind::Pipe
                } else {
                    Kind::Other
                };
                if ok {
                    self.trees.insert(0, header.tree.into(), kind);
                }
                if let Some(request) = self.legacy_answered(command, header) {
                    self.legacy_said(header, &request, around.out);
                    self.pending.recycle(request);
                }
            }
            Command::NT_CREATE_ANDX => self.legacy_created(header, block, around)?,
            Command::READ_ANDX => {
                let awaited = self.legacy_answered(command, header).map(|r| r.awaited);
                if let (Some(Awaited::Data(handle)), true) = (awaited, ok) {
                    let data = wire1::read_response(block)?;
                    self.legacy_data(handle, data, Direction::ToClient, around);
                }
            }
            Command::TRANSACTION | Command::NT_TRANSACT => {
                let portion = Portion::read(command, block, true)?;
                let interim = portion.is_none()
                    && ok
                    && self.partial.is_open(header.message, Direction::ToServer);
                if interim {
                    return Ok(());
                }
                let waits = match self.pending.peek(key(command, header)) {
                    Some(Awaited::Data(handle)) => Some(*handle),
                    _ => None,
                };
                let whole = match (waits, portion.filter(|_| ok)) {
                    (Some(handle), Some(portion)) => {
                        self.legacy_portion(handle, header, Direction::ToClient, &portion, around)?
                    }
                    _ => true,
                };
                if whole {
                    self.legacy_answered(command, header);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn legacy_negotiated(
        &mut self,
        header: &Header,
        block: &Block<'_>,
        out: &mut dyn Sink,
    ) -> Result<()> {
        let Some(answer) = Negotiated::read(block, header.unicode)? else {
            return Ok(());
        };
        self.dialect = NT_LM_0_12;
        self.server_guid = answer.server_guid;
        self.challenge = answer.challenge;
        self.agreed = Some(Agreed {
            signing_required: answer.signing_required,
            ..Agreed::default()
        });
        let back = Direction::ToClient;
        let event = SmbNegotiate {
            dialect: NT_LM_0_12,
            signing_required: answer.signing_required,
            server_guid: answer.server_guid,
            client_guid: None,
        };
        out.event(back, &Event::SmbNegotiate(event));
        if let Some(server_challenge) = answer.challenge {
            let event = NtlmChallenge {
                carrier: Carrier::Smb,
                flags: 0,
                server_challenge,
                target_name: answer.domain,
                nb_computer_name: answer.server,
                nb_domain_name: answer.domain,
                dns_computer_name: Text::default(),
                dns_domain_name: Text::default(),
                session: 0,
                server_guid: None,
                message_id: identity(&[block.message()]),
                session_id: 0,
            };
            out.event(back, &Event::NtlmChallenge(event));
        }
        Ok(())
    }

    fn legacy_session(
        &mut self,
        header: &Header,
        block: &Block<'_>,
        around: &mut Surroundings<'_, '_>,
    ) -> Result<()> {
        let back = Direction::ToClient;
        let blob = wire1::security_blob(block, true)?.unwrap_or_default();
        let request = self.legacy_answered(Command::SESSION_SETUP_ANDX, header);
        let exchange = match request.map(|r| r.awaited) {
            Some(Awaited::SessionSetup(exchange)) => Some(exchange),
            _ => None,
        };
        let id = u64::from(header.user);
        let (named, alone) = (self.token_at(id), self.token_at(0));
        let session = self.sessions.answered(exchange, id);
        let at = if session.plain { alone } else { named };
        session.negotiation.token(blob, &at, back, around.out);
        if header.status != MORE_PROCESSING {
            let success = header.status == 0;
            let negotiation = &mut session.negotiation;
            negotiation.result(&at, success, header.status, back, around.out);
            let account = &session.account;
            let said = SmbSession {
                message: "session",
                dialect: wire::dialect_name(self.dialect),
                session_id: id,
                outcome: if success { "accepted" } else { "refused" },
                status: header.status,
                mechanism: account.mechanism,
                user: Text::Str(&account.user),
                domain: Text::Str(&account.domain),
                sname: Text::Str(&account.sname),
                guest: success && logon1::is_guest(block),
                null_session: account.mechanism == "ntlm" && account.user.is_empty(),
                binding: false,
                client_signing_required: session.signing_required,
                server_signing_required: self.agreed.map(|a| a.signing_required),
                signed: header.signed,
                encryption_offered: self.agreed.map(|_| false),
                encryption_required: false,
                cipher: "",
                signing_algorithm: "",
                netname: Text::default(),
                client_guid: None,
                server_guid: self.server_guid,
            };
            around.out.event(back, &Event::SmbSession(said));
            let done = session.serial;
            self.sessions.remove(done);
        }
        let event = self.legacy_command(Command::SESSION_SETUP_ANDX, header);
        around.out.event(back, &Event::SmbCommand(event));
        Ok(())
    }

    fn legacy_created(
        &mut self,
        header: &Header,
        block: &Block<'_>,
        around: &mut Surroundings<'_, '_>,
    ) -> Result<()> {
        let ok = header.status == 0;
        let opened = if wire1::is_pipe(block)? || self.legacy_kind(header) == Kind::Pipe {
            Kind::Pipe
        } else {
            Kind::Other
        };
        let fid = ok.then(|| block.word(5)).transpose()?;
        if let Some(mut request) = self.legacy_answered(Command::NT_CREATE_ANDX, header) {
            if let Awaited::Create {
                is_pipe, handle, ..
            } = &mut request.awaited
            {
                *is_pipe |= ok && opened == Kind::Pipe;
                match (*handle, fid) {
                    (Some(handle), Some(fid)) if *is_pipe => self.handles.bind(handle, file(fid)),
                    (Some(handle), _) => self.handles.remove(handle),
                    (None, _) => {}
                }
            }
            self.legacy_said(header, &request, around.out);
            self.pending.recycle(request);
        }
        if ok {
            self.legacy_learn(header, opened);
        }
        Ok(())
    }

    /// Says a command that opens something, with its answer.
    fn legacy_said(&self, header: &Header, request: &Request, out: &mut dyn Sink) {
        let (command, share, filename, is_pipe) = match &request.awaited {
            Awaited::TreeConnect(share) => (Command::TREE_CONNECT_ANDX, &share[..], &[][..], false),
            Awaited::Create { name, is_pipe, .. } => {
                (Command::NT_CREATE_ANDX, &[][..], &name[..], *is_pipe)
            }
            _ => return,
        };
        let event = SmbCommand {
            share: Text::utf16(share),
            filename: Text::utf16(filename),
            is_pipe,
            ..self.legacy_command(command, header)
        };
        out.event(Direction::ToClient, &Event::SmbCommand(event));
    }

    fn legacy_command(&self, command: Command, header: &Header) -> SmbCommand<'static> {
        SmbCommand {
            command: command.name().unwrap_or_default(),
            status: Some(header.status),
            share: Text::default(),
            filename: Text::default(),
            is_pipe: false,
            session_id: header.user.into(),
            tree_id: header.tree.into(),
            message_id: header.message.into(),
            dialect: self.dialect,
        }
    }

    /// A copy of a name, as UTF-16.
    fn legacy_name(&mut self, name: &[u8], header: &Header) -> Vec<u8> {
        if header.unicode {
            self.pending.name(name)
        } else {
            self.pending.widened(name)
        }
    }

    /// A part of a transaction's data; says whether it was the last.
    fn legacy_portion(
        &mut self,
        handle: u32,
        header: &Header,
        direction: Direction,
        portion: &Portion<'_>,
        around: &mut Surroundings<'_, '_>,
    ) -> Result<bool> {
        // What gives the pipe its data has no use for the table, but wants the rest of the connection.
        let mut partial = std::mem::take(&mut self.partial);
        let named = (header.message, direction);
        let whole = partial.add(named, handle, portion, |handle, bytes| {
            self.legacy_data(handle, bytes, direction, around);
        });
        self.partial = partial;
        whole
    }

    /// The next part of a request's.
    fn legacy_more(
        &mut self,
        header: &Header,
        portion: &Portion<'_>,
        around: &mut Surroundings<'_, '_>,
    ) -> Result<()> {
        let mut partial = std::mem::take(&mut self.partial);
        let named = (header.message, Direction::ToServer);
        let done = partial.more(named, portion, |handle, bytes| {
            self.legacy_data(handle, bytes, Direction::ToServer, around);
        });
        self.partial = partial;
        done
    }

    fn legacy_answered(&mut self, command: Command, header: &Header) -> Option<Request> {
        self.pending.take(key(command, header))
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

    /// The handle of a file; that of an open in the same chain has no FID yet.
    fn legacy_handle(&mut self, fid: u16, header: &Header, around: &Surroundings<'_, '_>) -> u32 {
        let file = file(fid);
        let known = around.chain.handle.or_else(|| self.handles.find(0, file));
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

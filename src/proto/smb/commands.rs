//! SMB 2 and 3: what single commands mean.

use super::decoder::Chain;
use super::interfaces;
use super::sessions::Sessions;
use super::tables::{Awaited, Handles, Kind, Pending, Request, Trees, is_ipc};
use super::transact1::Partial;
use super::wire::{self, Command, Header, Ioctl, Piece, Status};
use crate::catalog::Catalog;
use crate::event::{Carrier, Event, Sink, SmbCommand, SmbInterfaces, SmbNegotiate, SmbSession};
use crate::limits::{SMB_NAME_BYTES, TAIL_BYTES};
use crate::net::Direction;
use crate::proto::identity;
use crate::proto::spnego::{self, TokenAt};
use crate::wire::{Error, Guid, Result, Text};

/// State of one connection.
#[derive(Debug, Default)]
pub(super) struct Connection {
    /// DialectRevision, 0 if the negotiate was not seen.
    pub(super) dialect: u16,
    client_guid: Option<Guid>,
    /// SecurityMode of the client, from the negotiate.
    client_mode: u16,
    client_encrypts: bool,
    /// What the server agreed to, once the negotiate was seen.
    pub(super) agreed: Option<Agreed>,
    /// The name the client connects to, UTF-16.
    netname: Vec<u8>,
    pub(super) server_guid: Option<Guid>,
    pub(super) sessions: Sessions,
    pub(super) trees: Trees,
    pub(super) handles: Handles,
    pub(super) pending: Pending,
    /// Transactions of SMB 1 whose data is not all there.
    pub(super) partial: Partial,
    /// Challenge of an SMB 1 server without extended security: every proof of the connection answers it.
    pub(super) challenge: Option<[u8; 8]>,
    /// What pipes were given.
    #[cfg(test)]
    pub(super) tap: Vec<(String, Direction, Vec<u8>)>,
}

/// What a NEGOTIATE response said of protection.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Agreed {
    pub(super) signing_required: bool,
    pub(super) encryption: bool,
    pub(super) cipher: &'static str,
    pub(super) signing: &'static str,
}

/// One command, as much of it as is shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pdu<'a> {
    pub(super) header: Header,
    /// From the header on, at most `length`.
    pub(super) bytes: &'a [u8],
    /// All its bytes, the padding of compounds included.
    pub(super) length: usize,
}

/// What a command is read with.
pub(super) struct Surroundings<'a, 'b> {
    pub(super) chain: &'a mut Chain,
    pub(super) catalog: &'a Catalog,
    pub(super) out: &'a mut (dyn Sink + 'b),
}

/// What is to be done with the rest of a command.
#[derive(Clone, Copy, Debug)]
pub(super) enum After {
    /// Pass over it.
    Done,
    /// It is longer than may be waited for: give its data to the pipe as it comes.
    Stream {
        /// The pipe.
        handle: u32,
        /// The data.
        data: Piece,
        /// Which way it goes, by the command's own flag.
        direction: Direction,
    },
}

impl Pdu<'_> {
    /// The whole command, or of a very long one as much as may be waited for.
    fn whole(&self) -> Result<&[u8]> {
        let need = self.length.min(TAIL_BYTES);
        match self.bytes.get(..need) {
            Some(bytes) => Ok(bytes),
            None => Err(Error::Short {
                what: "SMB2 command",
                need,
            }),
        }
    }
}

/// Every function reads all it needs before it changes anything: `Short` means that it is asked again.
impl Connection {
    /// A request.
    pub(super) fn request(
        &mut self,
        pdu: &Pdu<'_>,
        around: &mut Surroundings<'_, '_>,
    ) -> Result<After> {
        match pdu.header.command {
            Command::NEGOTIATE => {
                let request = wire::NegotiateRequest::read(pdu.whole()?)?;
                let contexts = request.contexts;
                self.client_guid = Some(request.client_guid);
                self.client_mode = request.security_mode;
                self.client_encrypts = request.capabilities & wire::CAP_ENCRYPTION != 0
                    || contexts.first(wire::context::ENCRYPTION).is_some();
                let name = contexts.find(wire::context::NETNAME).unwrap_or_default();
                self.netname.clear();
                self.netname
                    .extend_from_slice(name.get(..SMB_NAME_BYTES).unwrap_or(name));
            }
            Command::SESSION_SETUP => self.session_setup(pdu, around)?,
            Command::TREE_CONNECT => {
                let path = wire::tree_connect_request(pdu.bytes)?.of(pdu.bytes, "SMB2 share")?;
                let share = self.pending.name(path);
                around.chain.kind = Some(if is_ipc(Text::utf16(path)) {
                    Kind::Pipe
                } else {
                    Kind::Other
                });
                self.wait(pdu, around, Awaited::TreeConnect(share));
            }
            Command::CREATE => self.create(pdu, around)?,
            Command::CLOSE if !self.handles.is_empty() => {
                let file = wire::close_request(pdu.bytes)?;
                if let Some(handle) = self.known(pdu, file, around.chain) {
                    self.wait(pdu, around, Awaited::Close(handle));
                }
            }
            Command::READ => {
                let kind = self.kind(around.chain);
                if kind != Kind::Other {
                    let file = wire::read_request(pdu.bytes)?;
                    let handle = self.handle(pdu, file, around.chain, kind);
                    if let Some(handle) = handle {
                        self.wait(pdu, around, Awaited::Data(handle));
                    }
                }
            }
            Command::WRITE => {
                let kind = self.kind(around.chain);
                if kind != Kind::Other {
                    let (file, data) = wire::write_request(pdu.bytes)?;
                    let handle = self.handle(pdu, file, around.chain, kind);
                    return self.data(pdu, handle, data, Direction::ToServer, around);
                }
            }
            Command::IOCTL if Ioctl::code(pdu.bytes)? == wire::FSCTL_PIPE_TRANSCEIVE => {
                let ioctl = Ioctl::request(pdu.bytes)?;
                let handle = self.handle(pdu, ioctl.file, around.chain, Kind::Pipe);
                let after = self.data(pdu, handle, ioctl.data, Direction::ToServer, around)?;
                if let Some(handle) = handle {
                    self.wait(pdu, around, Awaited::Data(handle));
                }
                return Ok(after);
            }
            _ => {}
        }
        Ok(After::Done)
    }

    /// An answer.
    pub(super) fn response(
        &mut self,
        pdu: &Pdu<'_>,
        around: &mut Surroundings<'_, '_>,
    ) -> Result<After> {
        let header = &pdu.header;
        if header.status == Status::PENDING {
            return Ok(After::Done);
        }
        match header.command {
            Command::NEGOTIATE if header.status == Status::SUCCESS => {
                self.negotiated(pdu, around.out)?;
            }
            Command::SESSION_SETUP => self.session_answer(pdu, around)?,
            Command::TREE_CONNECT => self.tree_answer(pdu, around)?,
            Command::TREE_DISCONNECT if header.status == Status::SUCCESS => {
                if let Some(tree) = header.tree_id {
                    self.trees.remove(around.chain.session, tree);
                }
            }
            Command::CREATE => self.create_answer(pdu, around)?,
            Command::CLOSE => {
                if let Some(Awaited::Close(handle)) = self.answered(pdu).map(|r| r.awaited) {
                    self.handles.remove(handle);
                }
            }
            Command::READ if header.status.has_data() => {
                let waiting = match self.pending.peek(header.message_id) {
                    Some(Awaited::Data(handle)) => Some(*handle),
                    _ => None,
                };
                if waiting.is_some()
                    || (header.tree_id.is_some() && self.kind(around.chain) != Kind::Other)
                {
                    let data = wire::read_response(pdu.bytes)?;
                    return self.answer_data(pdu, waiting, data, around);
                }
            }
            Command::IOCTL
                if header.status.has_data()
                    && Ioctl::code(pdu.bytes)? == wire::FSCTL_PIPE_TRANSCEIVE =>
            {
                let ioctl = Ioctl::response(pdu.bytes)?;
                let waiting = match self.pending.peek(header.message_id) {
                    Some(Awaited::Data(handle)) => Some(*handle),
                    _ => self.handle(pdu, ioctl.file, around.chain, Kind::Pipe),
                };
                return self.answer_data(pdu, waiting, ioctl.data, around);
            }
            Command::IOCTL
                if header.status == Status::SUCCESS
                    && Ioctl::code(pdu.bytes)? == interfaces::QUERY =>
            {
                let output = Ioctl::response(pdu.bytes)?.data;
                let output = output.of(pdu.whole()?, "SMB2 interfaces")?;
                let told = interfaces::Interfaces::read(output)?;
                let event = SmbInterfaces {
                    message: "interfaces",
                    session_id: header.session_id,
                    addresses: told.addresses(),
                };
                around
                    .out
                    .event(Direction::ToClient, &Event::SmbInterfaces(event));
            }
            Command::READ | Command::IOCTL => {
                self.answered(pdu);
            }
            _ => {}
        }
        Ok(After::Done)
    }

    /// No answers will come any more.
    pub(super) fn end(&mut self, out: &mut dyn Sink) {
        while let Some(request) = self.pending.pop() {
            self.unanswered(request, out);
        }
    }

    fn negotiated(&mut self, pdu: &Pdu<'_>, out: &mut dyn Sink) -> Result<()> {
        let answer = wire::NegotiateResponse::read(pdu.whole()?)?;
        let cipher = answer.contexts.first(wire::context::ENCRYPTION);
        let signing = answer.contexts.first(wire::context::SIGNING);
        self.agreed = Some(Agreed {
            signing_required: answer.security_mode & wire::SIGNING_REQUIRED != 0,
            encryption: match answer.dialect {
                // Cipher 0: nothing in common (3.3.5.4).
                wire::SMB_3_1_1 => cipher.is_some_and(|c| c != 0),
                0x0300 | 0x0302 => answer.capabilities & wire::CAP_ENCRYPTION != 0,
                _ => false,
            },
            cipher: cipher.map(wire::cipher_name).unwrap_or_default(),
            signing: signing.map(wire::signing_name).unwrap_or_default(),
        });
        self.dialect = answer.dialect;
        self.server_guid = Some(answer.server_guid);
        let event = SmbNegotiate {
            dialect: answer.dialect,
            signing_required: answer.security_mode & wire::SIGNING_REQUIRED != 0,
            server_guid: Some(answer.server_guid),
            client_guid: self.client_guid,
        };
        out.event(Direction::ToClient, &Event::SmbNegotiate(event));
        Ok(())
    }

    fn session_setup(&mut self, pdu: &Pdu<'_>, around: &mut Surroundings<'_, '_>) -> Result<()> {
        let whole = pdu.whole()?;
        let (flags, mode, blob) = wire::session_setup_request(whole)?;
        let token = blob.of(whole, "SMB2 security buffer")?;
        let mut at = self.token_at(pdu.header.session_id);
        if spnego::wire::carries_proof(token) {
            at.message_id = identity(&[whole]);
        }
        let (exchange, session) = self.sessions.enter(pdu.header.session_id);
        session.binding = flags & wire::SETUP_BINDING != 0;
        session.signing_required = u16::from(mode) & wire::SIGNING_REQUIRED != 0;
        session.account.learn(token);
        session
            .negotiation
            .token(token, &at, Direction::ToServer, around.out);
        self.wait(pdu, around, Awaited::SessionSetup(exchange));
        Ok(())
    }

    fn session_answer(&mut self, pdu: &Pdu<'_>, around: &mut Surroundings<'_, '_>) -> Result<()> {
        let status = pdu.header.status;
        let more = status == Status::MORE_PROCESSING_REQUIRED;
        let mut token = &[][..];
        let mut flags = 0;
        if more || status == Status::SUCCESS {
            let whole = pdu.whole()?;
            token = wire::session_setup_response(whole)?.of(whole, "SMB2 security buffer")?;
            flags = wire::session_flags(whole)?;
        }
        let exchange = match self.answered(pdu).map(|r| r.awaited) {
            Some(Awaited::SessionSetup(exchange)) => Some(exchange),
            _ => None,
        };
        let id = pdu.header.session_id;
        let at = self.token_at(id);
        let session = self.sessions.answered(exchange, id);
        let back = Direction::ToClient;
        session.negotiation.token(token, &at, back, around.out);
        if !more {
            let success = status == Status::SUCCESS;
            session
                .negotiation
                .result(&at, success, status.0, back, around.out);
            let said = SmbSession {
                message: "session",
                dialect: wire::dialect_name(self.dialect),
                session_id: id,
                outcome: if success { "accepted" } else { "refused" },
                status: status.0,
                mechanism: session.account.mechanism,
                user: Text::Str(&session.account.user),
                domain: Text::Str(&session.account.domain),
                sname: Text::Str(&session.account.sname),
                guest: flags & wire::session_flag::GUEST != 0,
                null_session: flags & wire::session_flag::NULL != 0,
                binding: session.binding,
                client_signing_required: session.signing_required
                    || self.client_mode & wire::SIGNING_REQUIRED != 0,
                server_signing_required: self.agreed.map(|a| a.signing_required),
                signed: pdu.header.flags & wire::flag::SIGNED != 0,
                encryption_offered: self.agreed.map(|a| a.encryption && self.client_encrypts),
                encryption_required: flags & wire::session_flag::ENCRYPT != 0,
                cipher: self.agreed.map(|a| a.cipher).unwrap_or_default(),
                signing_algorithm: self.agreed.map(|a| a.signing).unwrap_or_default(),
                netname: Text::utf16(&self.netname),
                client_guid: self.client_guid,
                server_guid: self.server_guid,
            };
            around.out.event(back, &Event::SmbSession(said));
            let done = session.serial;
            self.sessions.remove(done);
        }
        let event = SmbCommand {
            session_id: id,
            ..self.command(pdu, Command::SESSION_SETUP)
        };
        around.out.event(back, &Event::SmbCommand(event));
        Ok(())
    }

    /// Where the tokens of a session are found.
    pub(super) fn token_at(&self, session: u64) -> TokenAt {
        let session_id = match self.server_guid {
            Some(guid) if session != 0 => {
                identity(&[&session.to_le_bytes(), &guid.0.to_be_bytes()])
            }
            _ => 0,
        };
        TokenAt {
            carrier: Carrier::Smb,
            session,
            server_guid: self.server_guid,
            message_id: 0,
            session_id,
        }
    }

    fn tree_answer(&mut self, pdu: &Pdu<'_>, around: &mut Surroundings<'_, '_>) -> Result<()> {
        let success = pdu.header.status == Status::SUCCESS;
        let share_type = if success {
            wire::tree_connect_response(pdu.bytes)?
        } else {
            0
        };
        let tree = pdu.header.tree_id.unwrap_or(0);
        if success && pdu.header.tree_id.is_some() {
            let kind = match share_type {
                wire::SHARE_TYPE_PIPE => Kind::Pipe,
                _ => Kind::Other,
            };
            self.trees.insert(around.chain.session, tree, kind);
        }
        if let Some(request) = self.answered(pdu) {
            if let Awaited::TreeConnect(share) = &request.awaited {
                let event = SmbCommand {
                    share: Text::utf16(share),
                    session_id: request.session,
                    tree_id: tree,
                    ..self.command(pdu, Command::TREE_CONNECT)
                };
                let event = Event::SmbCommand(event);
                around.out.event(Direction::ToClient, &event);
            }
            self.pending.recycle(request);
        }
        Ok(())
    }

    fn create(&mut self, pdu: &Pdu<'_>, around: &mut Surroundings<'_, '_>) -> Result<()> {
        let name = wire::create_request(pdu.bytes)?.of(pdu.bytes, "SMB2 file name")?;
        let kind = self.kind(around.chain);
        let is_pipe = kind == Kind::Pipe;
        let at = (around.chain.session, around.chain.tree);
        let handle = (kind != Kind::Other).then(|| self.handles.insert(at, None, name, is_pipe));
        around.chain.handle = handle;
        let name = self.pending.name(name);
        let awaited = Awaited::Create {
            name,
            is_pipe,
            handle,
        };
        self.wait(pdu, around, awaited);
        Ok(())
    }

    fn create_answer(&mut self, pdu: &Pdu<'_>, around: &mut Surroundings<'_, '_>) -> Result<()> {
        let success = pdu.header.status == Status::SUCCESS;
        let file = if success {
            Some(wire::create_response(pdu.bytes)?)
        } else {
            None
        };
        let Some(request) = self.answered(pdu) else {
            // Requests are not captured: the pipe has no name, but it is one.
            if let Some(file) = file
                && self.kind(around.chain) == Kind::Pipe
            {
                let at = (around.chain.session, around.chain.tree);
                self.handles.insert(at, Some(file), &[], true);
            }
            return Ok(());
        };
        if let Awaited::Create {
            name,
            is_pipe,
            handle,
        } = &request.awaited
        {
            match (handle, file) {
                (Some(handle), Some(file)) => self.handles.bind(*handle, file),
                (Some(handle), None) => self.handles.remove(*handle),
                (None, _) => {}
            }
            let event = SmbCommand {
                filename: Text::utf16(name),
                is_pipe: *is_pipe,
                session_id: request.session,
                tree_id: request.tree,
                ..self.command(pdu, Command::CREATE)
            };
            let event = Event::SmbCommand(event);
            around.out.event(Direction::ToClient, &event);
        }
        self.pending.recycle(request);
        Ok(())
    }

    /// The event of an answered command, without what only some commands have.
    fn command(&self, pdu: &Pdu<'_>, command: Command) -> SmbCommand<'static> {
        SmbCommand {
            command: command.name().unwrap_or_default(),
            status: Some(pdu.header.status.0),
            share: Text::default(),
            filename: Text::default(),
            is_pipe: false,
            session_id: pdu.header.session_id,
            tree_id: 0,
            message_id: pdu.header.message_id,
            dialect: self.dialect,
        }
    }

    /// Waits for the answer to this request.
    fn wait(&mut self, pdu: &Pdu<'_>, around: &mut Surroundings<'_, '_>, awaited: Awaited) {
        let request = Request {
            message_id: pdu.header.message_id,
            session: around.chain.session,
            tree: around.chain.tree,
            awaited,
        };
        if let Some(forgotten) = self.pending.push(request) {
            self.unanswered(forgotten, around.out);
        }
    }

    pub(super) fn answered(&mut self, pdu: &Pdu<'_>) -> Option<Request> {
        self.pending.take(pdu.header.message_id)
    }

    /// Says a request whose answer was not seen.
    pub(super) fn unanswered(&mut self, request: Request, out: &mut dyn Sink) {
        let (command, share, filename, is_pipe) = match &request.awaited {
            Awaited::SessionSetup(_) => (Command::SESSION_SETUP, &[][..], &[][..], false),
            Awaited::TreeConnect(share) => (Command::TREE_CONNECT, &share[..], &[][..], false),
            Awaited::Create { name, is_pipe, .. } => {
                (Command::CREATE, &[][..], &name[..], *is_pipe)
            }
            Awaited::Close(_) | Awaited::Data(_) => return,
        };
        let legacy = super::legacy::named(request.message_id);
        let event = SmbCommand {
            command: legacy.or(command.name()).unwrap_or_default(),
            status: None,
            share: Text::utf16(share),
            filename: Text::utf16(filename),
            is_pipe,
            session_id: request.session,
            tree_id: request.tree,
            message_id: request.message_id,
            dialect: self.dialect,
        };
        out.event(Direction::ToServer, &Event::SmbCommand(event));
        self.pending.recycle(request);
    }
}

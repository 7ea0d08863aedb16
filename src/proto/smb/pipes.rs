//! What is said on pipes: which handle a READ, WRITE or IOCTL is about, and whether it is RPC.

use super::commands::{After, Connection, Pdu, Surroundings};
use super::decoder::{CUT, Chain, Cut};
use super::tables::Kind;
use super::wire::{self, FileId, Piece};
use crate::catalog::Catalog;
use crate::event::{RpcTransport, Sink};
use crate::limits::{RPC_WHOLE_BYTES, SMB_PIPES_BYTES, TAIL_BYTES};
use crate::net::Direction;
use crate::proto::dcerpc::{Association, Via};
use crate::proto::wsp;
use crate::wire::{Error, Result};

impl Connection {
    /// Data of a pipe whose command was too long to wait for.
    pub(super) fn stream(
        &mut self,
        handle: u32,
        direction: Direction,
        bytes: &[u8],
        catalog: &Catalog,
        out: &mut dyn Sink,
    ) {
        let serial = handle;
        let Some(handle) = self.handles.give(serial) else {
            return;
        };
        let Some(association) = &mut handle.association else {
            return;
        };
        #[cfg(test)]
        self.tap
            .push((handle.name.clone(), direction, bytes.to_vec()));
        let via = Via {
            transport: RpcTransport::Pipe,
            pipe: &handle.name,
            association: handle.serial.into(),
            client: None,
        };
        association.pipe(&via, direction, bytes, catalog, out);
        // Looked at only when this pipe holds something: adding up all pipes costs.
        if association.held() <= RPC_WHOLE_BYTES || self.handles.held() <= SMB_PIPES_BYTES {
            return;
        }
        if let Some(handle) = self.handles.get(serial)
            && let Some(association) = &mut handle.association
        {
            let via = Via {
                transport: RpcTransport::Pipe,
                pipe: &handle.name,
                association: serial.into(),
                client: None,
            };
            association.pipe_shed(&via, catalog, out);
        }
    }

    /// Data of a pipe of which no more than the head will come.
    pub(super) fn begun(&mut self, cut: &Cut, catalog: &Catalog, out: &mut dyn Sink) {
        let Some(handle) = self.handles.get(cut.handle) else {
            return;
        };
        if handle.association.is_none() {
            self.handles.christen(cut.handle);
            if let Some(handle) = self.handles.get(cut.handle) {
                handle.certain = true;
                handle.association = Some(Box::new(Association::default()));
            }
        }
        let head = cut.head.get(..cut.length).unwrap_or_default();
        self.stream(cut.handle, cut.to, head, catalog, out);
    }

    /// Data of a pipe is missing.
    pub(super) fn gap(
        &mut self,
        handle: u32,
        direction: Direction,
        catalog: &Catalog,
        out: &mut dyn Sink,
    ) {
        if let Some(handle) = self.handles.get(handle)
            && let Some(association) = &mut handle.association
        {
            let via = Via {
                transport: RpcTransport::Pipe,
                pipe: &handle.name,
                association: handle.serial.into(),
                client: None,
            };
            association.pipe_gap(&via, direction, catalog, out);
        }
    }

    /// Kind of the tree a command is about.
    pub(super) fn kind(&self, chain: &Chain) -> Kind {
        chain
            .kind
            .unwrap_or_else(|| self.trees.kind(chain.session, chain.tree))
    }

    /// The handle of a file, if there is one.
    pub(super) fn known(&self, pdu: &Pdu<'_>, file: FileId, chain: &mut Chain) -> Option<u32> {
        if pdu.header.is_related() && file == wire::FILE_OF_PREVIOUS {
            return chain.handle;
        }
        chain.handle = self.handles.find(chain.session, file);
        chain.handle
    }

    /// The handle of a file; a new one without a name if its CREATE was not seen.
    pub(super) fn handle(
        &mut self,
        pdu: &Pdu<'_>,
        file: FileId,
        chain: &mut Chain,
        kind: Kind,
    ) -> Option<u32> {
        let known = self.known(pdu, file, chain);
        if known.is_none() && file != wire::FILE_OF_PREVIOUS {
            let at = (chain.session, chain.tree);
            let certain = kind == Kind::Pipe;
            chain.handle = Some(self.handles.insert(at, Some(file), &[], certain));
        }
        chain.handle
    }

    /// Data that answers a READ or IOCTL.
    pub(super) fn answer_data(
        &mut self,
        pdu: &Pdu<'_>,
        handle: Option<u32>,
        data: Piece,
        around: &mut Surroundings<'_, '_>,
    ) -> Result<After> {
        // Without the request the file is unknown: the only one, or one that stands for all.
        let (session, tree) = (around.chain.session, around.chain.tree);
        let handle = match handle.or_else(|| self.handles.only(session, tree)) {
            Some(handle) => Some(handle),
            None => {
                let kind = self.kind(around.chain);
                self.handle(pdu, [0; 16], around.chain, kind)
            }
        };
        let after = self.data(pdu, handle, data, Direction::ToClient, around)?;
        self.answered(pdu);
        Ok(after)
    }

    /// Gives a pipe its data.
    pub(super) fn data(
        &mut self,
        pdu: &Pdu<'_>,
        handle: Option<u32>,
        data: Piece,
        direction: Direction,
        around: &mut Surroundings<'_, '_>,
    ) -> Result<After> {
        const WHAT: &str = "SMB2 pipe data";
        let Some(handle) = handle.filter(|_| data.length > 0) else {
            return Ok(After::Done);
        };
        if data.end() > pdu.length {
            return Err(Error::Malformed {
                what: WHAT,
                why: "ends outside the command",
            });
        }
        let is_open = match self.handles.get(handle) {
            Some(handle) if handle.association.is_some() => true,
            Some(handle) => {
                let head = data.head(RPC_HEAD).of(pdu.bytes, WHAT)?;
                if looks_like_rpc(head, handle.certain) {
                    false
                } else if data.length >= wsp::HEADER
                    && wsp::may_be(data.head(wsp::HEADER).of(pdu.bytes, WHAT)?, direction)
                {
                    let shown = TAIL_BYTES.saturating_sub(data.at);
                    let bytes = data.head(shown).of(pdu.bytes, WHAT)?;
                    let via = Via {
                        transport: RpcTransport::Pipe,
                        pipe: &handle.name,
                        association: handle.serial.into(),
                        client: None,
                    };
                    let message = (bytes, data.length);
                    wsp::message(&via, direction, message, around.catalog, around.out);
                    return Ok(After::Done);
                } else {
                    let chain = &around.chain;
                    self.trees.missed(chain.session, chain.tree);
                    return Ok(After::Done);
                }
            }
            None => return Ok(After::Done),
        };
        // The head first: if the rest never comes, it tells which call it was.
        around.chain.cut = cut(pdu, handle, data, direction);
        data.head(CUT).of(pdu.bytes, WHAT)?;
        let fits = data.end() <= TAIL_BYTES;
        let bytes = if fits {
            data.of(pdu.bytes, WHAT)?
        } else {
            data.head(1).of(pdu.bytes, WHAT).map(|_| &[][..])?
        };
        if !is_open {
            self.handles.christen(handle);
            if let Some(handle) = self.handles.get(handle) {
                handle.certain = true;
                handle.association = Some(Box::new(Association::default()));
            }
        }
        if fits {
            self.stream(handle, direction, bytes, around.catalog, around.out);
            Ok(After::Done)
        } else {
            Ok(After::Stream {
                handle,
                data,
                direction,
            })
        }
    }

    /// Gives a pipe of an SMB1 connection its data.
    pub(super) fn legacy_data(
        &mut self,
        handle: u32,
        bytes: &[u8],
        direction: Direction,
        around: &mut Surroundings<'_, '_>,
    ) {
        let Some(open) = self.handles.get(handle) else {
            return;
        };
        if open.association.is_none() {
            let head = bytes.get(..RPC_HEAD).unwrap_or(bytes);
            if !looks_like_rpc(head, true) {
                if wsp::may_be(bytes, direction) {
                    let via = Via {
                        transport: RpcTransport::Pipe,
                        pipe: &open.name,
                        association: open.serial.into(),
                        client: None,
                    };
                    let message = (bytes, bytes.len());
                    wsp::message(&via, direction, message, around.catalog, around.out);
                }
                return;
            }
            open.association = Some(Box::new(Association::default()));
        }
        self.stream(handle, direction, bytes, around.catalog, around.out);
    }
}

/// What there is of data that is waited for; nothing once it is whole.
fn cut(pdu: &Pdu<'_>, handle: u32, data: Piece, to: Direction) -> Option<Cut> {
    let shown = pdu.bytes.get(data.at..).unwrap_or_default();
    if shown.len() >= data.length {
        return None;
    }
    let mut cut = Cut {
        handle,
        to,
        head: [0; CUT],
        length: 0,
    };
    for (to, from) in cut.head.iter_mut().zip(shown) {
        *to = *from;
        cut.length = cut.length.saturating_add(1);
    }
    Some(cut)
}

/// Bytes of the common header that [`looks_like_rpc`] asks for (C706 12.6.3.1).
const RPC_HEAD: usize = 10;

/// Version 5.0 or 5.1, a known PDU type, a known data representation, a fragment longer than its
/// header. On a pipe a client may write as little as it likes at once; elsewhere all ten bytes are asked for.
fn looks_like_rpc(head: &[u8], certain: bool) -> bool {
    let fits = |at: usize, ok: fn(u8) -> bool| head.get(at).is_none_or(|b| ok(*b));
    let fragment = match head {
        [_, _, _, _, drep, _, _, _, a, b, ..] if drep & 0xf0 == 0 => u16::from_be_bytes([*a, *b]),
        [_, _, _, _, _, _, _, _, a, b, ..] => u16::from_le_bytes([*a, *b]),
        _ if certain => u16::MAX,
        _ => return false,
    };
    fragment >= 16
        && fits(0, |b| b == 5)
        && fits(1, |b| b <= 1)
        && fits(2, |b| b <= 20)
        && fits(4, |b| b & 0xe0 == 0)
}

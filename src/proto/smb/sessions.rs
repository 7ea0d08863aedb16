//! Sessions of an SMB connection while they are being set up. They are bounded; the oldest goes first.

use std::collections::VecDeque;

use crate::limits::{SMB_ACCOUNT_BYTES, SMB_SESSIONS};
use crate::proto::deque_bytes;
use crate::proto::krb5;
use crate::proto::ntlmssp::wire::{Authenticate, Message};
use crate::proto::spnego::{self, Negotiation};
use crate::wire::Text;

/// Sessions whose setup is under way.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    /// Oldest first.
    all: VecDeque<Session>,
    last: u32,
}

/// One exchange of SESSION_SETUPs.
#[derive(Debug)]
pub(super) struct Session {
    /// SessionId; 0 until the first answer names it.
    pub(super) id: u64,
    /// Names it before it has an id.
    pub(super) serial: u32,
    pub(super) negotiation: Negotiation,
    /// The client's proof stood in the request as it is, without NTLMSSP around it.
    pub(super) plain: bool,
    /// It binds a session of another connection.
    pub(super) binding: bool,
    /// The client requires signing of it.
    pub(super) signing_required: bool,
    pub(super) account: Account,
}

/// Who a session is for, by the client's proof.
#[derive(Debug, Default)]
pub(super) struct Account {
    /// `ntlm` or `kerberos`; empty before the proof.
    pub(super) mechanism: &'static str,
    pub(super) user: String,
    pub(super) domain: String,
    pub(super) sname: String,
}

impl Account {
    /// Looks for the proof in a token.
    pub(super) fn learn(&mut self, token: &[u8]) {
        if let Some(Ok(found)) = krb5::wire::gss(spnego::wire::inner(token)) {
            if found.tag == krb5::wire::message::AP_REQ
                && let Ok(request) = krb5::wire::ApReq::read(found.value)
            {
                *self = Self {
                    mechanism: "kerberos",
                    sname: short(request.ticket.sname.name().text()),
                    ..Self::default()
                };
            }
        } else if let Some(message) = spnego::wire::ntlm_message(token)
            && let Ok(Message::Authenticate(proof)) = Message::read(message)
        {
            *self = Self {
                mechanism: "ntlm",
                user: short(proof.user),
                domain: short(proof.domain),
                ..Self::default()
            };
        }
    }

    /// Takes a proof that stands alone.
    pub(super) fn plain(&mut self, proof: &Authenticate<'_>) {
        *self = Self {
            mechanism: "ntlm",
            user: short(proof.user),
            domain: short(proof.domain),
            ..Self::default()
        };
    }

    fn held(&self) -> usize {
        let Self {
            user,
            domain,
            sname,
            ..
        } = self;
        user.capacity()
            .saturating_add(domain.capacity())
            .saturating_add(sname.capacity())
    }
}

/// Text, at most [`SMB_ACCOUNT_BYTES`] of it.
fn short(text: Text<'_>) -> String {
    let mut short = text.to_string();
    short.truncate(short.floor_char_boundary(SMB_ACCOUNT_BYTES));
    short.shrink_to_fit();
    short
}

impl Sessions {
    /// Bytes of heap.
    pub(super) fn held(&self) -> usize {
        let accounts = self.all.iter().map(|s| s.account.held());
        accounts.fold(deque_bytes(&self.all), usize::saturating_add)
    }

    /// The exchange of this session, a new one if there is none. Every request without an id
    /// starts one.
    pub(super) fn enter(&mut self, id: u64) -> (u32, &mut Session) {
        let known = self.all.iter().position(|s| id != 0 && s.id == id);
        if known.is_none() {
            if self.all.len() >= SMB_SESSIONS {
                self.all.pop_front();
            }
            self.last = self.last.wrapping_add(1);
        }
        let fresh = Session {
            id,
            serial: self.last,
            negotiation: Negotiation::default(),
            plain: false,
            binding: false,
            signing_required: false,
            account: Account::default(),
        };
        let session = match known.and_then(|at| self.all.remove(at)) {
            Some(session) => session,
            None => fresh,
        };
        let session = self.all.push_back_mut(session);
        (session.serial, session)
    }

    /// The exchange an answer belongs to, by the request's serial or else by the id it names.
    pub(super) fn answered(&mut self, serial: Option<u32>, id: u64) -> &mut Session {
        let at = serial.and_then(|n| self.all.iter().position(|s| s.serial == n));
        match at.and_then(|at| self.all.remove(at)) {
            Some(mut session) => {
                if session.id == 0 && id != 0 {
                    self.all.retain(|s| s.id != id);
                    session.id = id;
                }
                self.all.push_back_mut(session)
            }
            None => self.enter(id).1,
        }
    }

    /// Forgets the exchange: it has its verdict.
    pub(super) fn remove(&mut self, serial: u32) {
        self.all.retain(|s| s.serial != serial);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exchange_gets_its_id_with_the_answer() {
        let mut sessions = Sessions::default();
        let (first, _) = sessions.enter(0);
        let (second, _) = sessions.enter(0);
        assert_ne!(first, second);
        assert_eq!(sessions.answered(Some(second), 9).id, 9);
        assert_eq!(sessions.enter(9).0, second);
        sessions.remove(second);
        assert_ne!(sessions.enter(9).0, second);
    }
}

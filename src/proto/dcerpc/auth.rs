//! Security contexts: tokens are handed to `spnego`, verdicts are read from what the server does next.

use super::decoder::Cx;
use super::wire::{AuthLevel, AuthType, PacketType, Pdu};
use crate::event::Carrier;
use crate::limits;
use crate::proto::spnego::wire::carries_proof;
use crate::proto::spnego::{Negotiation, TokenAt};
use crate::proto::vec_bytes;

/// The security contexts of an association (MS-RPCE 3.3.1.5.4 multiplexes them on one connection).
#[derive(Debug, Default)]
pub(super) struct Security {
    /// At most [`limits::RPC_AUTH_CONTEXTS`]; the one used last is last.
    contexts: Vec<SecurityContext>,
}

#[derive(Debug)]
struct SecurityContext {
    id: u32,
    auth_type: AuthType,
    level: AuthLevel,
    negotiation: Negotiation,
    /// An AUTHENTICATE or AP-REQ was sent and the server has not shown what it makes of it.
    undecided: bool,
}

impl Security {
    /// Bytes of heap.
    pub(super) fn held(&self) -> usize {
        vec_bytes(&self.contexts)
    }

    /// Type and level of the context used last: what calls without a trailer run under.
    pub(super) fn current(&self) -> Option<(AuthType, AuthLevel)> {
        self.contexts.last().map(|c| (c.auth_type, c.level))
    }

    /// A bind, alter_context, their answers, or auth3.
    pub(super) fn token(&mut self, cx: &mut Cx<'_>, pdu: &Pdu<'_>) {
        let Some(auth) = pdu.auth else { return };
        let from_client = !matches!(
            pdu.header.ptype,
            PacketType::BindAck | PacketType::AlterContextResp
        );
        let context = match self.contexts.iter().position(|c| c.id == auth.context_id) {
            Some(at) => self.contexts.remove(at),
            None => {
                if self.contexts.len() >= limits::RPC_AUTH_CONTEXTS {
                    self.contexts.remove(0);
                }
                SecurityContext {
                    id: auth.context_id,
                    auth_type: auth.auth_type,
                    level: auth.level,
                    negotiation: Negotiation::default(),
                    undecided: false,
                }
            }
        };
        self.contexts.push(context);
        let Some(context) = self.contexts.last_mut() else {
            return;
        };
        context.auth_type = auth.auth_type;
        context.level = auth.level;
        if !matches!(
            auth.auth_type,
            AuthType::Spnego | AuthType::Ntlm | AuthType::Kerberos
        ) {
            return;
        }
        let mut at = token_at(cx, context.id);
        if from_client && carries_proof(auth.value) {
            context.undecided = true;
            at.message_id = crate::proto::identity(&[pdu.bytes]);
        }
        context
            .negotiation
            .token(auth.value, &at, cx.direction, &mut *cx.out);
    }

    /// The server answered, in this context if it says so: with a refusal, or in any other way.
    pub(super) fn verdict(&mut self, cx: &mut Cx<'_>, id: Option<u32>, refused: Option<u32>) {
        let context = self
            .contexts
            .iter_mut()
            .rev()
            .find(|c| c.undecided && id.is_none_or(|id| c.id == id));
        let Some(context) = context else { return };
        context.undecided = false;
        let at = token_at(cx, context.id);
        let code = refused.unwrap_or(0);
        context
            .negotiation
            .result(&at, refused.is_none(), code, cx.direction, &mut *cx.out);
    }
}

fn token_at(cx: &Cx<'_>, id: u32) -> TokenAt {
    // Several pipes of one flow may use the same auth_context_id. Over TCP the association is 0
    // and the session is the id itself.
    let association = cx.via.association.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    TokenAt {
        carrier: Carrier::Rpc,
        session: association ^ u64::from(id),
        server_guid: None,
        message_id: 0,
        session_id: 0,
    }
}

//! Presentation contexts: which interface a call's p_cont_id means.

use super::decoder::{Cx, Names};
use super::wire::{Answer, AuthLevel, AuthType, ContextResult, NDR64, Offer, Syntax};
use crate::catalog::Catalog;
use crate::event::{Event, RpcBind};
use crate::limits;
use crate::net::Direction;
use crate::proto::vec_bytes;

/// One presentation context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Context {
    pub(super) id: u16,
    pub(super) interface: Syntax,
    /// The transfer syntax is NDR64.
    pub(super) ndr64: bool,
    /// The server said so.
    pub(super) accepted: bool,
}

/// The contexts of an association, and binds that wait for their answer.
#[derive(Debug, Default)]
pub(super) struct Contexts {
    /// Accepted, or offered and not refused yet. At most [`limits::RPC_CONTEXTS`], oldest first.
    contexts: Vec<Context>,
    /// At most [`limits::RPC_CONTEXTS`], oldest first.
    pending: Vec<Pending>,
    /// One of `pending` is not reported.
    unreported: bool,
}

#[derive(Clone, Copy, Debug)]
struct Pending {
    direction: Direction,
    call_id: u32,
    /// Position in its bind; the answer has the same.
    position: u8,
    offer: Offer,
    auth: Option<(AuthType, AuthLevel)>,
    reported: bool,
}

impl Contexts {
    /// Bytes of heap.
    pub(super) fn held(&self) -> usize {
        vec_bytes(&self.contexts).saturating_add(vec_bytes(&self.pending))
    }

    pub(super) fn get(&self, id: u16) -> Option<Context> {
        // The youngest of an id counts.
        self.contexts.iter().rev().find(|c| c.id == id).copied()
    }

    pub(super) fn set(&mut self, context: Context, catalog: &Catalog) {
        if let Some(old) = self.contexts.iter_mut().find(|c| c.id == context.id) {
            *old = context;
            return;
        }
        if self.contexts.len() >= limits::RPC_CONTEXTS {
            // The oldest, but rather one that cannot be called, or coerces nobody, than one that matters:
            // offers cost a peer nothing.
            let worth = |c: &Context| {
                let known = catalog.interface(c.interface.uuid);
                let coerces = known.is_some_and(|i| !i.methods.is_empty());
                (c.accepted && coerces, c.accepted, coerces, known.is_some())
            };
            let least = (0..).zip(&self.contexts).min_by_key(|(_, c)| worth(c));
            let least = least.map_or(0, |(at, _)| at);
            self.contexts.remove(least);
        }
        self.contexts.push(context);
    }

    /// A refused offer is gone. What was accepted under its id before still holds.
    fn drop_refused(&mut self, offer: &Offer) {
        self.contexts
            .retain(|c| c.accepted || c.id != offer.id || c.interface != offer.interface);
    }

    /// One element of a bind. Until the answer is seen it counts as accepted.
    pub(super) fn offer(
        &mut self,
        cx: &mut Cx<'_>,
        call_id: u32,
        position: u8,
        offer: Offer,
        auth: Option<(AuthType, AuthLevel)>,
        names: &mut Names,
    ) {
        // An alter_context that carries a token offers again what is bound: that is no news.
        let is_news = self
            .get(offer.id)
            .is_none_or(|c| !c.accepted || c.interface != offer.interface);
        // A bare offer does not undo what the server accepted; only its answer to it does.
        let is_free = self.get(offer.id).is_none_or(|c| !c.accepted);
        if !offer.features_only && is_free {
            let context = Context {
                id: offer.id,
                interface: offer.interface,
                ndr64: offer.only_ndr64,
                accepted: false,
            };
            self.set(context, cx.catalog);
        }
        if self.pending.len() >= limits::RPC_CONTEXTS {
            self.pending.remove(0).report(cx, None, names);
        }
        self.pending.push(Pending {
            direction: cx.direction,
            call_id,
            position,
            offer,
            auth,
            reported: !is_news,
        });
        self.unreported |= is_news;
    }

    /// A bind_ack or alter_context_resp.
    pub(super) fn answer(
        &mut self,
        cx: &mut Cx<'_>,
        call_id: u32,
        answers: impl Iterator<Item = Answer>,
        names: &mut Names,
    ) {
        let asked = cx.direction.reverse();
        let is_asked = |p: &Pending| p.call_id == call_id && p.direction == asked;
        for (position, answer) in (0u8..).zip(answers) {
            let at = self
                .pending
                .iter()
                .position(|p| is_asked(p) && p.position == position);
            let Some(pending) = at.and_then(|at| self.pending.get(at)).copied() else {
                continue;
            };
            let offer = pending.offer;
            if answer.result == ContextResult::Acceptance {
                let context = Context {
                    id: offer.id,
                    interface: offer.interface,
                    ndr64: answer.transfer.uuid == NDR64,
                    accepted: true,
                };
                self.set(context, cx.catalog);
                pending.report(cx, Some(answer.result), names);
            } else if !offer.features_only {
                self.drop_refused(&offer);
                // Windows offers one interface once per transfer syntax and has all but one refused.
                // That is no refusal of the interface, and is not reported.
                if !self.contexts.iter().any(|c| c.interface == offer.interface) {
                    pending.report(cx, Some(answer.result), names);
                }
            }
            if let Some(p) = at.and_then(|at| self.pending.get_mut(at)) {
                p.reported = true;
            }
        }
        self.pending.retain(|p| {
            let done = is_asked(p);
            if done {
                p.report(cx, None, names);
            }
            !done
        });
        self.unreported = self.pending.iter().any(|p| !p.reported);
    }

    /// A bind_nak: nothing of this bind holds.
    pub(super) fn refuse(&mut self, cx: &mut Cx<'_>, call_id: u32, names: &mut Names) {
        let asked = cx.direction.reverse();
        let Self {
            contexts, pending, ..
        } = self;
        pending.retain(|p| {
            let done = p.call_id == call_id && p.direction == asked;
            if done {
                let offer = &p.offer;
                contexts
                    .retain(|c| c.accepted || c.id != offer.id || c.interface != offer.interface);
                p.report(cx, Some(ContextResult::ProviderRejection), names);
            }
            !done
        });
    }

    /// A new bind takes the place of one with the same call id that was never answered.
    pub(super) fn forget_call(&mut self, cx: &mut Cx<'_>, call_id: u32, names: &mut Names) {
        let asked = cx.direction;
        self.pending.retain(|p| {
            let done = p.call_id == call_id && p.direction == asked;
            if done {
                p.report(cx, None, names);
            }
            !done
        });
    }

    /// Reports binds whose answer was not seen. They stay, in case it comes.
    pub(super) fn report_unanswered(&mut self, cx: &mut Cx<'_>, names: &mut Names) {
        if !self.unreported {
            return;
        }
        self.unreported = false;
        for pending in &mut self.pending {
            pending.report(cx, None, names);
            pending.reported = true;
        }
    }
}

impl Pending {
    fn report(&self, cx: &mut Cx<'_>, result: Option<ContextResult>, names: &mut Names) {
        if self.reported || self.offer.features_only {
            return;
        }
        let Syntax { uuid, major, minor } = self.offer.interface;
        let endpoint = cx.catalog.interface(uuid).map_or("", |i| &i.endpoint);
        let event = Event::RpcBind(RpcBind {
            interface: uuid,
            version: names.version(Some(self.offer.interface)),
            endpoint,
            transport: cx.via.transport.name(),
            named_pipe: cx.via.pipe,
            accepted: result.map(|r| r == ContextResult::Acceptance),
            auth_type: self.auth.map(|(auth_type, _)| auth_type.0),
            auth_level: self.auth.map(|(_, level)| level.0),
            call_id: self.call_id,
            major,
            minor,
            ack_result: result.map_or(0, |r| r.0),
        });
        cx.out.event(self.direction, &event);
    }
}

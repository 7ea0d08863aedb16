//! Who wants HTTP bodies: RPC over HTTP its channels, certificate enrolment its form.
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation
    )
)]

use super::enrolment::{self, Form};
use super::http::{RequestHead, Tap, Wants};
use super::{Shared, rpch};
use crate::event::Sink;
use crate::net::{Direction, FlowKey, Side};
use crate::packet::Chunk;

/// The bodies of one connection.
#[derive(Debug)]
pub struct Bodies {
    rpc: rpch::Bodies,
    /// Made when the first form comes.
    form: Option<Box<Form>>,
    /// The body under way to the server is a form.
    is_form: bool,
}

impl Bodies {
    /// For the connection of that key, which `client` opened.
    #[must_use]
    pub fn new(flow: &FlowKey, client: Side) -> Self {
        Self {
            rpc: rpch::Bodies::new(flow, client),
            form: None,
            is_form: false,
        }
    }
}

impl Tap for Bodies {
    fn wants(&mut self, head: &RequestHead<'_>) -> Wants {
        // NTLM clients first send the request without its body.
        self.is_form =
            enrolment::is_page(head.method, head.target) && head.content_length != Some(0);
        if self.is_form {
            **self.form.get_or_insert_default() = Form::default();
            return Wants::Request;
        }
        self.rpc.wants(head)
    }

    fn body(
        &mut self,
        direction: Direction,
        chunk: Chunk<'_>,
        shared: &mut Shared,
        out: &mut dyn Sink,
    ) {
        match &mut self.form {
            Some(form) if self.is_form && direction == Direction::ToServer => form.body(chunk, out),
            _ => self.rpc.body(direction, chunk, shared, out),
        }
    }

    fn held(&self) -> usize {
        let form = self.form.as_ref().map_or(0, |form| form.held());
        self.rpc.held().saturating_add(form)
    }

    fn closed(&mut self, direction: Direction, shared: &mut Shared, out: &mut dyn Sink) {
        self.rpc.closed(direction, shared, out);
    }
}

//! LDAP (RFC 4511, MS-ADTS).

use super::Shared;
use crate::event::Sink;
use crate::net::Direction;
use crate::packet::{Chunk, Progress};

/// One connection.
#[derive(Debug, Default)]
pub struct Decoder {}

impl Decoder {
    /// Takes the next piece of one direction.
    pub fn chunk(
        &mut self,
        _direction: Direction,
        _chunk: Chunk<'_>,
        _shared: &mut Shared,
        _out: &mut dyn Sink,
    ) -> Progress {
        Progress::Done
    }
}

//! Layout of RTS PDUs (MS-RPCH 2.2.3.6); keeps nothing.

use crate::net::{Addr, Direction};
use crate::wire::{Error, Reader, Result};

/// What a server sends first on `ncacn_http` (MS-RPCH 2.1.1.1.1 "legacy server response"): no NUL, no line end.
pub(crate) const BANNER: &[u8] = b"ncacn_http/1.0";

/// PTYPE of an RTS PDU.
pub(super) const RTS: u8 = 20;

/// Bytes of the common header of a connection-oriented PDU (C706 12.6.3.1).
pub(super) const HEADER: usize = 16;

/// RTS flags (MS-RPCH 2.2.3.6).
pub(super) mod flag {
    pub(crate) const PING: u16 = 0x01;
    pub(crate) const OTHER_CMD: u16 = 0x02;
    pub(crate) const RECYCLE_CHANNEL: u16 = 0x04;
    pub(crate) const IN_CHANNEL: u16 = 0x08;
    pub(crate) const OUT_CHANNEL: u16 = 0x10;
    pub(crate) const ECHO: u16 = 0x40;
}

/// What stands at the front of a stream of PDUs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Front {
    /// An RTS PDU of this length.
    Rts(usize),
    /// Another PDU of this length.
    Pdu(usize),
    /// It may become an RTS PDU with this many bytes.
    Short(usize),
    /// Nothing that can be told apart: out of step, or too little.
    Other,
}

impl Front {
    pub(super) fn of(bytes: &[u8]) -> Self {
        match bytes {
            [5, 0 | 1, ptype @ 0..=RTS, _, drep, _, _, _, a, b, ..] => {
                let length = match drep >> 4 {
                    0 => u16::from_be_bytes([*a, *b]),
                    1 => u16::from_le_bytes([*a, *b]),
                    _ => return Self::Other,
                };
                let length = usize::from(length);
                match *ptype {
                    _ if length < HEADER => Self::Other,
                    RTS => Self::Rts(length),
                    _ => Self::Pdu(length),
                }
            }
            [5, 0 | 1, RTS, ..] => Self::Short(HEADER),
            _ => Self::Other,
        }
    }
}

/// One command of an RTS PDU (MS-RPCH 2.2.3.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command<'a> {
    /// CookieValue of a virtual connection or a channel.
    Cookie(&'a [u8; 16]),
    /// The client behind a proxy.
    ClientAddress(Addr),
    /// Any other, by its number.
    Other(u32),
}

impl Command<'_> {
    fn code(self) -> u32 {
        match self {
            Self::Cookie(_) => 3,
            Self::ClientAddress(_) => 11,
            Self::Other(code) => code,
        }
    }
}

/// One RTS PDU.
///
/// ```text
///  0 common header, 16    16 Flags u16    18 NumberOfCommands u16    20 commands
/// ```
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rts<'a> {
    pub(crate) flags: u16,
    count: u16,
    length: usize,
    commands: Reader<'a>,
}

impl<'a> Rts<'a> {
    /// Reads a whole PDU. Commands are read by [`Rts::commands`].
    ///
    /// # Errors
    /// If it is shorter than its fixed part.
    pub(crate) fn read(pdu: &'a [u8]) -> Result<Self> {
        let mut r = Reader::new(pdu);
        r.skip(4, "RTS header")?;
        let [drep, ..] = r.array::<4>("RTS header")?;
        let mut r = r.with_order(drep >> 4 == 0);
        r.skip(8, "RTS header")?;
        Ok(Self {
            flags: r.u16("RTS flags")?,
            count: r.u16("RTS command count")?,
            length: pdu.len(),
            commands: r,
        })
    }

    /// The commands, up to the first that cannot be read: their lengths follow from their numbers.
    pub(crate) fn commands(&self) -> impl Iterator<Item = Command<'a>> {
        let mut r = self.commands;
        let mut left = self.count;
        std::iter::from_fn(move || {
            left = left.checked_sub(1)?;
            command(&mut r).ok()
        })
    }

    /// The virtual connection's cookie, in the PDUs that have one: their first two commands are
    /// Version and Cookie (CONN/A1, A2, B1, B2 and the ones that recycle a channel).
    pub(crate) fn virtual_connection(&self) -> Option<&'a [u8; 16]> {
        let mut commands = self.commands();
        match (commands.next()?, commands.next()?) {
            (Command::Other(6), Command::Cookie(cookie)) => Some(cookie),
            _ => None,
        }
    }

    /// The client's address as a proxy reports it.
    pub(crate) fn client_address(&self) -> Option<Addr> {
        self.commands().find_map(|c| match c {
            Command::ClientAddress(addr) => Some(addr),
            _ => None,
        })
    }

    /// Its name in the specification, told by flags, commands and length; rows that look alike
    /// are named together.
    pub(crate) fn name(&self) -> Option<&'static str> {
        NAMES
            .iter()
            .find(|row| {
                row.flags == self.flags
                    && row.length.is_none_or(|n| n == self.length)
                    && usize::from(self.count) == row.commands.len()
                    && self
                        .commands()
                        .map(Command::code)
                        .eq(row.commands.iter().copied())
            })
            .map(|row| row.name)
    }

    /// The direction of the PDUs on the channel that it opens or replaces: requests on an IN channel,
    /// responses on an OUT channel. Only for PDUs with a [`Rts::virtual_connection`].
    pub(super) fn bears(&self) -> Option<Direction> {
        match self.name() {
            Some(name) if name.starts_with("CONN/A") || name.starts_with("OUT_") => {
                Some(Direction::ToClient)
            }
            Some(name) if name.starts_with("CONN/B") || name.starts_with("IN_") => {
                Some(Direction::ToServer)
            }
            _ if self.flags & flag::OUT_CHANNEL != 0 => Some(Direction::ToClient),
            _ if self.flags & flag::IN_CHANNEL != 0 => Some(Direction::ToServer),
            _ => None,
        }
    }

    /// Which way it goes on a leg between proxy and server, if only one way is possible. What opens a
    /// connection always goes to the server, also on one that replaces another.
    pub(crate) fn direction(&self) -> Option<Direction> {
        match self.name()? {
            "CONN/A1" | "CONN/A2" | "CONN/B1" | "CONN/B2" | "IN_R1/A1" | "IN_R1/A2"
            | "OUT_R1/A3" | "OUT_R1/A4" => Some(Direction::ToServer),
            "CONN/A3" | "CONN/B3" | "CONN/C1" => Some(Direction::ToClient),
            _ => None,
        }
    }
}

fn command<'a>(r: &mut Reader<'a>) -> Result<Command<'a>> {
    let code = r.u32("RTS command")?;
    let fixed = match code {
        0 | 2 | 4 | 5 | 6 | 13 | 14 => 4,
        1 => 24,
        3 => {
            let cookie = r.take(16, "RTS cookie")?;
            return cookie
                .first_chunk()
                .map(Command::Cookie)
                .ok_or(Error::Malformed {
                    what: "RTS cookie",
                    why: "too short",
                });
        }
        7 | 9 | 10 => 0,
        8 => usize::try_from(r.u32("RTS padding")?).unwrap_or(usize::MAX),
        11 => {
            let addr = match r.u32("RTS address type")? {
                0 => Addr::v4(r.array("RTS address")?),
                1 => Addr(r.array("RTS address")?),
                _ => {
                    return Err(Error::Malformed {
                        what: "RTS address type",
                        why: "neither IPv4 nor IPv6",
                    });
                }
            };
            r.skip(12, "RTS address padding")?;
            return Ok(Command::ClientAddress(addr));
        }
        12 => 16,
        _ => {
            return Err(Error::Malformed {
                what: "RTS command",
                why: "unknown, so of unknown length",
            });
        }
    };
    r.skip(fixed, "RTS command")?;
    Ok(Command::Other(code))
}

/// One PDU of MS-RPCH 2.2.4.
struct Row {
    name: &'static str,
    flags: u16,
    /// Where commands alone do not tell.
    length: Option<usize>,
    commands: &'static [u32],
}

const fn row(name: &'static str, flags: u16, commands: &'static [u32]) -> Row {
    Row {
        name,
        flags,
        length: None,
        commands,
    }
}

/// MS-RPCH 2.2.4.2 to 2.2.4.50.
const NAMES: &[Row] = &[
    row("CONN/A1", 0, &[6, 3, 3, 0]),
    row("CONN/A2", flag::OUT_CHANNEL, &[6, 3, 3, 4, 0]),
    row("CONN/A3", 0, &[2]),
    row("CONN/B1", 0, &[6, 3, 3, 4, 5, 12]),
    row("CONN/B2", flag::IN_CHANNEL, &[6, 3, 3, 0, 2, 12, 11]),
    row("CONN/B3", 0, &[0, 6]),
    row("CONN/C1", 0, &[6, 0, 2]),                         // and C2
    row("IN_R1/A1", flag::RECYCLE_CHANNEL, &[6, 3, 3, 3]), // and IN_R2/A1
    row(
        "IN_R1/A2",
        flag::RECYCLE_CHANNEL | flag::IN_CHANNEL,
        &[6, 3, 3, 3, 0, 2],
    ),
    row("IN_R1/A3", 0, &[13, 6, 0, 2]), // and A4
    row("IN_R1/A5", 0, &[3]),           // and A6; IN_R2/A2, A5; OUT_R2/A4
    row("IN_R1/B1", 0, &[7]),
    row("IN_R1/B2", 0, &[0]),
    row("OUT_R1/A1", flag::RECYCLE_CHANNEL, &[13]), // and A2; OUT_R2/A1, A2
    row("OUT_R1/A3", flag::RECYCLE_CHANNEL, &[6, 3, 3, 3, 0]), // and OUT_R2/A3
    row(
        "OUT_R1/A4",
        flag::RECYCLE_CHANNEL | flag::OUT_CHANNEL,
        &[6, 3, 3, 3, 4, 0, 2],
    ),
    row("OUT_R1/A5", flag::OUT_CHANNEL, &[13, 6, 2]), // and A6
    row("OUT_R2/A7", flag::OUT_CHANNEL, &[13, 3, 6]),
    row("OUT_R1/A9", 0, &[10]), // and A10, A11; OUT_R2/B1, B2
    row("OUT_R2/C1", flag::PING, &[8]),
    row("Ping", flag::PING, &[]),
    row("Keep-Alive", flag::OTHER_CMD, &[5]),
    row("PingTrafficSentNotify", flag::OTHER_CMD, &[14]),
    row("FlowControlAck", flag::OTHER_CMD, &[1]),
    row("FlowControlAckWithDestination", flag::OTHER_CMD, &[13, 1]),
    row("Echo", flag::ECHO, &[]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_command_ends_the_list_not_the_stream() {
        let pdu = [
            0x05, 0x00, 0x14, 0x03, // version 5.0, RTS, first and last fragment
            0x10, 0x00, 0x00, 0x00, // little-endian
            0x20, 0x00, 0x00, 0x00, // frag_length 32, auth_length 0
            0x00, 0x00, 0x00, 0x00, // call_id 0
            0x00, 0x00, 0x03, 0x00, // no flags, three commands
            0x07, 0x00, 0x00, 0x00, // Empty
            0x63, 0x00, 0x00, 0x00, // 99
            0x07, 0x00, 0x00, 0x00, // Empty
        ];
        assert_eq!(Front::of(&pdu), Front::Rts(32));
        let rts = Rts::read(&pdu).unwrap();
        assert_eq!(rts.commands().collect::<Vec<_>>(), [Command::Other(7)]);
        assert_eq!(rts.name(), None);
    }

    #[test]
    fn the_front_needs_ten_bytes_and_says_so_only_for_rts() {
        let rts = [5, 0, 20, 3, 0x10, 0, 0, 0, 20, 0];
        assert_eq!(Front::of(&rts[..2]), Front::Other);
        for n in 3..10 {
            assert_eq!(Front::of(&rts[..n]), Front::Short(16));
        }
        let big = [5, 0, 0, 3, 0x00, 0, 0, 0, 1, 0];
        assert_eq!(Front::of(&big), Front::Pdu(256), "big-endian request");
        let small = [5, 0, 0, 3, 0x10, 0, 0, 0, 15, 0];
        assert_eq!(Front::of(&small), Front::Other, "shorter than its header");
    }
}

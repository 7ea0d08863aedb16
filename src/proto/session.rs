//! One flow's decoder, once it is known which.
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

use super::bodies::Bodies;
use super::datagram::Conversation;
use super::identify::{self, Probe};
use super::{Shared, dns, http, krb5, ldap, mail, rpch, smb, tds, tls};
use crate::event::Sink;
use crate::limits::{IDENTIFY_CHUNKS, IDENTIFY_CHUNKS_KNOWN, IDENTIFY_CHUNKS_MIDDLE};
use crate::net::{Direction, FlowKey, Side, Transport};
use crate::packet::{Chunk, Datagram, Progress};

/// Declares the protocols: variant, decoder, how one is made for a flow, EVE's `app_proto`, probe.
/// Probes are asked in this order.
macro_rules! protocols {
    ($($(#[doc = $doc:literal])+ $name:ident($decoder:ty) = $new:expr, $app_proto:literal, $probe:path;)*) => {
        /// What a flow turned out to be. Sits in every flow record, so it is small.
        #[derive(Debug)]
        pub enum Session {
            /// Not known yet.
            Unknown(Unknown),
            /// A conversation of datagrams, known or not.
            Datagrams(Conversation),
            /// Known, and nothing in it is of interest any more.
            Over {
                /// EVE's `app_proto`; `failed` if it fits no protocol.
                app_proto: &'static str,
                /// Who is client.
                client: Option<Side>,
            },
            $(
                $(#[doc = $doc])+
                $name {
                    /// Who is client.
                    client: Side,
                    /// Its decoder.
                    decoder: Box<$decoder>,
                },
            )*
        }

        /// A protocol we know.
        #[derive(Clone, Copy, Debug)]
        enum Protocol {
            $($name,)*
        }

        impl Protocol {
            /// EVE's `app_proto`.
            fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $app_proto,)*
                }
            }
        }

        /// Every probe with its protocol.
        const PROBES: &[(Protocol, fn(&[u8], &FlowKey) -> Probe)] = &[
            $((Protocol::$name, $probe),)*
        ];

        impl Session {
            /// `from` is what the connection was before.
            fn begin(protocol: Protocol, client: Side, key: &FlowKey, from: &'static str) -> Self {
                match protocol {
                    $(Protocol::$name => {
                        let new: fn(&FlowKey, Side, &'static str) -> $decoder = $new;
                        Self::$name { client, decoder: Box::new(new(key, client, from)) }
                    })*
                }
            }

            /// Which protocol is being decoded.
            fn protocol(&self) -> Option<Protocol> {
                match self {
                    $(Self::$name { .. } => Some(Protocol::$name),)*
                    _ => None,
                }
            }

            /// Hands a chunk to the decoder.
            fn decode(
                &mut self,
                side: Side,
                chunk: Chunk<'_>,
                shared: &mut Shared,
                out: &mut dyn Sink,
            ) -> Progress {
                match self {
                    Self::Unknown(_) | Self::Datagrams(_) | Self::Over { .. } => Progress::Done,
                    $(Self::$name { client, decoder } => {
                        decoder.chunk(direction(side, *client), chunk, shared, out)
                    })*
                }
            }

            /// Bytes of heap that its decoder holds now.
            #[must_use]
            pub fn held(&self) -> usize {
                match self {
                    Self::Unknown(_) | Self::Datagrams(_) | Self::Over { .. } => 0,
                    $(Self::$name { decoder, .. } => {
                        size_of::<$decoder>().saturating_add(decoder.held())
                    })*
                }
            }

            /// Who is client, once it is known.
            #[must_use]
            pub fn client(&self) -> Option<Side> {
                match self {
                    Self::Unknown(_) => None,
                    Self::Datagrams(conversation) => conversation.client(),
                    Self::Over { client, .. } => *client,
                    $(Self::$name { client, .. } => Some(*client),)*
                }
            }

            /// EVE's `app_proto`: empty while it is not known, `failed` if it fits no protocol.
            #[must_use]
            pub fn app_proto(&self) -> &'static str {
                match self {
                    Self::Unknown(_) => "",
                    Self::Datagrams(conversation) => conversation.app_proto(),
                    Self::Over { app_proto, .. } => app_proto,
                    $(Self::$name { .. } => $app_proto,)*
                }
            }
        }
    };
}

protocols! {
    /// SMB over TCP or NetBIOS.
    Smb(smb::Decoder) = |_, _, _| smb::Decoder::default(), "smb", identify::smb;
    /// DCE/RPC over TCP, with or without the `ncacn_http` banner.
    Rpc(rpch::Decoder) = |key, client, _| rpch::Decoder::new(key, client), "dcerpc", identify::rpc;
    /// HTTP/1, RPC over it and certificate enrolment.
    Http(http::Decoder<Bodies>) = |key, client, _| http::Decoder::new(Bodies::new(key, client)), "http", identify::http;
    /// HTTP/2, recognised only.
    Http2(http::Preface) = |_, _, _| http::Preface, "http2", identify::http2;
    /// LDAP.
    Ldap(ldap::Decoder) = |_, _, _| ldap::Decoder::default(), "ldap", identify::ldap;
    /// Kerberos, to a KDC over TCP.
    Krb5(krb5::Decoder) = |_, _, _| krb5::Decoder::default(), "krb5", identify::krb5;
    /// SQL Server.
    Tds(tds::Decoder) = |_, _, _| tds::Decoder::default(), "tds", identify::tds;
    /// SMTP.
    Smtp(mail::Decoder) = |_, _, _| mail::Decoder::new(mail::Kind::Smtp), "smtp", identify::smtp;
    /// IMAP.
    Imap(mail::Decoder) = |_, _, _| mail::Decoder::new(mail::Kind::Imap), "imap", identify::imap;
    /// POP3.
    Pop3(mail::Decoder) = |_, _, _| mail::Decoder::new(mail::Kind::Pop3), "pop3", identify::pop3;
    /// TLS, as far as it is in clear.
    Tls(tls::Decoder) = |_, _, from| tls::Decoder::after(from), "tls", identify::tls;
    /// DNS and LLMNR over TCP.
    Dns(dns::Decoder) = |key, _, _| dns::Decoder::new(key), "dns", dns::probe_tcp;
}

/// What was tried so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unknown {
    /// Chunks that fitted no protocol.
    tried: u8,
    /// Bytes are missing.
    gap: bool,
    /// What the connection was before.
    from: Option<Protocol>,
    /// Who was client then.
    client: Option<Side>,
}

impl Default for Session {
    fn default() -> Self {
        Self::Unknown(Unknown::default())
    }
}

impl Session {
    /// Takes the next piece of what `side` sent. `initiator` opened the connection, if that was seen.
    pub fn chunk(
        &mut self,
        side: Side,
        initiator: Option<Side>,
        key: &FlowKey,
        chunk: Chunk<'_>,
        shared: &mut Shared,
        out: &mut dyn Sink,
    ) -> Progress {
        if let Self::Unknown(unknown) = self {
            let bytes = match chunk {
                Chunk::Data(bytes) => bytes,
                Chunk::Gap(_) => {
                    unknown.gap = true;
                    return Progress::Took { bytes: 0, need: 0 };
                }
                Chunk::End => return Progress::Took { bytes: 0, need: 0 },
            };
            match identify(bytes, key) {
                Found::Is(protocol, way) => {
                    let by_content = way.map(|way| match way {
                        Direction::ToServer => side,
                        Direction::ToClient => side.other(),
                    });
                    let client = initiator
                        .or(unknown.client)
                        .or(by_content)
                        .unwrap_or_else(|| identify::client_by_port(key));
                    *self = Self::begin(
                        protocol,
                        client,
                        key,
                        unknown.from.map_or("", Protocol::name),
                    );
                }
                Found::Perhaps(need) => return Progress::Took { bytes: 0, need },
                Found::Nothing => {
                    unknown.tried = unknown.tried.saturating_add(1);
                    let patience = if identify::known_port(key) {
                        IDENTIFY_CHUNKS_KNOWN
                    } else if initiator.is_none() || unknown.gap {
                        IDENTIFY_CHUNKS_MIDDLE
                    } else {
                        IDENTIFY_CHUNKS
                    };
                    if unknown.tried < patience {
                        return Progress::all(bytes);
                    }
                    *self = Self::Over {
                        app_proto: "failed",
                        client: initiator,
                    };
                }
            }
        }
        let progress = self.decode(side, chunk, shared, out);
        if std::mem::take(&mut shared.follows) {
            return self.anew(progress, side, initiator, key, chunk, shared, out);
        }
        if progress == Progress::Done {
            self.close();
        }
        progress
    }

    /// EVE's `app_proto` of every protocol that a flow may turn out to be: over TCP, then in datagrams. Some are in both.
    pub fn app_protos() -> impl Iterator<Item = (Transport, &'static str)> {
        let over_tcp = PROBES.iter().map(|(p, _)| (Transport::Tcp, p.name()));
        over_tcp.chain(super::datagram::app_protos())
    }

    /// Takes a datagram that `side` sent. `first` sent the first one of the conversation. True if no more
    /// are wanted.
    pub fn datagram(
        &mut self,
        side: Side,
        first: Side,
        key: &FlowKey,
        datagram: Datagram<'_>,
        shared: &mut Shared,
        out: &mut dyn Sink,
    ) -> bool {
        if let Self::Unknown(_) = self {
            *self = Self::Datagrams(Conversation::default());
        }
        match self {
            Self::Datagrams(conversation) => {
                conversation.datagram(side, first, key, datagram, shared, out)
            }
            _ => true,
        }
    }

    /// The connection turns into another protocol behind the bytes that were taken.
    #[allow(clippy::too_many_arguments)] // those of `chunk`, and its answer
    fn anew(
        &mut self,
        progress: Progress,
        side: Side,
        initiator: Option<Side>,
        key: &FlowKey,
        chunk: Chunk<'_>,
        shared: &mut Shared,
        out: &mut dyn Sink,
    ) -> Progress {
        *self = Self::Unknown(Unknown {
            from: self.protocol(),
            client: self.client(),
            ..Unknown::default()
        });
        let (Progress::Took { bytes: taken, .. }, Chunk::Data(bytes)) = (progress, chunk) else {
            return progress;
        };
        let Some(rest @ [_, ..]) = bytes.get(taken..) else {
            return Progress::all(bytes);
        };
        match self.chunk(side, initiator, key, Chunk::Data(rest), shared, out) {
            Progress::Took { bytes, need } => Progress::Took {
                bytes: taken.saturating_add(bytes),
                need,
            },
            Progress::Skip { bytes } => Progress::Skip {
                bytes: bytes.saturating_add(u64::try_from(taken).unwrap_or(u64::MAX)),
            },
            Progress::Done => Progress::Done,
        }
    }

    /// Nothing more comes, or may come: its memory goes, what it was stays.
    pub fn close(&mut self) {
        if matches!(
            self,
            Self::Unknown(_) | Self::Datagrams(_) | Self::Over { .. }
        ) {
            return;
        }
        *self = Self::Over {
            app_proto: self.app_proto(),
            client: self.client(),
        };
    }
}

fn direction(side: Side, client: Side) -> Direction {
    if side == client {
        Direction::ToServer
    } else {
        Direction::ToClient
    }
}

/// What all probes together say.
enum Found {
    Is(Protocol, Option<Direction>),
    Perhaps(usize),
    Nothing,
}

/// Asks every probe. The first protocol that is sure wins; one that could still be waits.
fn identify(bytes: &[u8], key: &FlowKey) -> Found {
    let mut need: Option<usize> = None;
    for (protocol, probe) in PROBES {
        match probe(bytes, key) {
            Probe::Is(way) => return Found::Is(*protocol, way),
            Probe::Perhaps(n) if bytes.len() < identify::MOST => {
                need = Some(need.map_or(n, |m| m.min(n)));
            }
            Probe::Perhaps(_) | Probe::No => {}
        }
    }
    need.map_or(Found::Nothing, Found::Perhaps)
}

#[cfg(test)]
mod tests;

//! LDAP in datagrams (MS-ADTS 3.1.1.3.1.3, RFC 1798): pings for `netlogon`, and who answers.

use super::netlogon;
use super::operations::utf8;
use super::wire::{Begins, Head, Response, begins, op, response_name};
use crate::event::{Anomaly, Event, LdapNetlogon, LdapResult, SaslLayer, Sink};
use crate::net::{Direction, FlowKey};
use crate::proto::Shared;
use crate::proto::datagram::Met;
use crate::wire::Error;

/// Ports of LDAP in datagrams.
const PORT: u16 = 389;

/// True if a datagram is of LDAP.
pub(crate) fn probe(bytes: &[u8], key: &FlowKey) -> bool {
    [key.a.port, key.b.port].contains(&PORT) && matches!(begins(bytes), Begins::Message(_))
}

/// Reads the messages of a datagram: an entry and its end travel together.
pub(crate) fn decode(met: &Met<'_>, shared: &mut Shared, out: &mut dyn Sink) {
    let mut rest = met.datagram.bytes;
    while !rest.is_empty() {
        let read = Head::read(rest).and_then(|head| {
            // Cut by a snapshot length: no fault of the sender's.
            if head.total > rest.len() && met.datagram.missing > 0 {
                return Ok(rest.len());
            }
            let message = rest.get(..head.total).ok_or(Error::Malformed {
                what: "LDAPMessage",
                why: "longer than its datagram",
            })?;
            let end = head.contents.saturating_add(head.length);
            let contents = message.get(head.contents..end).unwrap_or_default();
            one(&head, contents, met.direction, shared, out)?;
            Ok(head.total)
        });
        match read {
            Ok(n) => rest = rest.get(n..).unwrap_or_default(),
            Err(error) => {
                let anomaly = Anomaly::new("ldap", error);
                return out.event(met.direction, &Event::Anomaly(anomaly));
            }
        }
    }
}

fn one(
    head: &Head,
    contents: &[u8],
    direction: Direction,
    shared: &mut Shared,
    out: &mut dyn Sink,
) -> Result<(), Error> {
    match (direction, head.op) {
        (Direction::ToServer, op::SEARCH_REQUEST | op::ABANDON_REQUEST) => {
            let request = shared
                .ldap
                .read(head.op, head.id, contents, SaslLayer::None)?;
            out.event(direction, &Event::LdapRequest(request));
        }
        (Direction::ToClient, op::SEARCH_ENTRY) => {
            let Some(answer) = netlogon::value(contents)? else {
                return Ok(());
            };
            let names = &mut shared.ldap.names;
            let flags = names.read(answer)?;
            let [
                forest,
                domain,
                host,
                nb_domain,
                nb_computer,
                _,
                site,
                client_site,
            ] = &names.texts;
            let event = LdapNetlogon {
                operation: "search_result_entry",
                message_id: head.id,
                forest,
                dns_domain: domain,
                dns_host: host,
                nb_domain,
                nb_computer,
                site,
                client_site,
                ds_flags: flags,
                sasl_layer: SaslLayer::None,
            };
            out.event(direction, &Event::LdapNetlogon(event));
        }
        (Direction::ToClient, code) => {
            let Some(operation) = response_name(code) else {
                return Ok(());
            };
            let response = Response::read(contents)?;
            let result = LdapResult {
                operation,
                message_id: head.id,
                code: response.code,
                message: utf8(response.message),
                name: "",
                sasl_layer: SaslLayer::None,
            };
            out.event(direction, &Event::LdapResult(result));
        }
        _ => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{Addr, Endpoint, Side, Transport};
    use crate::packet::Datagram;
    use crate::proto::testing::Recorder;

    /// `netlogon` answer: opcode 23, flags, GUID, names with pointers to byte 24.
    fn answer() -> Vec<u8> {
        let mut a = vec![23, 0, 0, 0]; // opcode, sbz
        a.extend(0x0000_33fd_u32.to_le_bytes()); // PDC, GC, LDAP, DS, KDC ...
        a.extend([7; 16]); // domain GUID
        a.extend(b"\x03lab\x07example\0"); // 24: forest
        a.extend([0xc0, 24]); // domain: as the forest
        a.extend(b"\x04dc01\xc0\x18"); // host: dc01, then the forest
        a.extend(b"\x03LAB\0\x04DC01\0\0"); // NetBIOS domain, NetBIOS computer, no user
        a.extend(b"\x04Site\0\x04Site\0"); // sites
        a.extend([5, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]); // version, tokens
        a
    }

    fn tlv(tag: u8, value: &[u8]) -> Vec<u8> {
        let mut out = vec![tag, 0x82]; // a length of two octets
        out.extend(u16::try_from(value.len()).unwrap().to_be_bytes());
        out.extend(value);
        out
    }

    /// SearchResultEntry 1 with the attribute, and SearchResultDone behind it.
    fn datagram(answer: &[u8]) -> Vec<u8> {
        let value = tlv(0x31, &tlv(0x04, answer));
        let attribute = tlv(0x30, &[tlv(0x04, b"netlogon"), value].concat());
        let entry = [tlv(0x04, b""), tlv(0x30, &attribute)].concat();
        let mut out = tlv(0x30, &[vec![2, 1, 1], tlv(0x64, &entry)].concat());
        out.extend(b"\x30\x0c\x02\x01\x01\x65\x07\x0a\x01\x00\x04\x00\x04\x00");
        out
    }

    fn say(bytes: &[u8], direction: Direction) -> Recorder {
        let client = Endpoint::new(Addr::v4([10, 0, 0, 9]), 50_000);
        let server = Endpoint::new(Addr::v4([10, 0, 0, 2]), PORT);
        let (key, _) = FlowKey::new(client, server, Transport::Udp);
        let mut out = Recorder::default();
        let met = Met {
            datagram: Datagram {
                bytes,
                missing: 0,
                mac: [0; 6],
            },
            key: &key,
            side: Side::A,
            direction,
        };
        decode(&met, &mut Shared::default(), &mut out);
        out
    }

    #[test]
    fn a_controller_says_its_names() {
        let out = say(&datagram(&answer()), Direction::ToClient);
        for part in [
            "forest: \"lab.example\"",
            "dns_domain: \"lab.example\"",
            "dns_host: \"dc01.lab.example\"",
            "nb_domain: \"LAB\"",
            "nb_computer: \"DC01\"",
            "site: \"Site\"",
        ] {
            assert_eq!(
                out.count(&["LdapNetlogon(", part]),
                1,
                "{part}: {:#?}",
                out.0
            );
        }
        assert_eq!(out.count(&["search_result_done"]), 1);
        assert_eq!(out.0.len(), 2);
    }

    #[test]
    fn broken_names_are_an_anomaly() {
        let mut circle = answer();
        circle[24] = 0xc0; // the forest points to itself
        circle[25] = 24;
        let whole = datagram(&answer());
        for bytes in [
            datagram(&circle),
            datagram(&[23, 0]),
            datagram(&[19, 0, 0, 0]),
            whole[..whole.len() - 20].to_vec(),
        ] {
            let out = say(&bytes, Direction::ToClient);
            assert_eq!(out.count(&["Anomaly"]), 1, "{:#?}", out.0);
            assert_eq!(out.count(&["LdapNetlogon("]), 0);
        }
        for n in 0..whole.len() {
            say(&whole[..n], Direction::ToClient);
            say(&whole[..n], Direction::ToServer);
        }
    }
}

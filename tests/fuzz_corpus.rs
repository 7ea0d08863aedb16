//! Seeds and deterministic mutations of them through the fuzz bodies, so that plain `cargo test` runs them.
//!
//! `FUZZ_TIMES=100 cargo test --test fuzz_corpus` tries a hundred times as many mutations.

mod common;

use std::io::Cursor;
use std::panic::catch_unwind;

use common::{captures, root};
use relaywatch::capture::{FileSource, Fill, Source};
use relaywatch::fuzzing::{self, piece};
use relaywatch::net::Side;
use relaywatch::packet::{Block, DissectOptions, Dissector, FrameRef, Packet};

/// Numbers that look like chance and are the same in every run (xorshift64*).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(high).unwrap() % below.max(1)
    }

    /// Damages `bytes` in one to four places.
    fn damage(&mut self, bytes: &mut Vec<u8>, other: &[u8]) {
        for _ in 0..=self.roll(4) {
            let len = bytes.len();
            if len == 0 {
                return;
            }
            let at = self.roll(len);
            match self.roll(8) {
                0 => bytes[at] ^= 1 << self.roll(8),
                1 => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][self.roll(5)],
                2 => bytes[at] = u8::try_from(self.roll(256)).unwrap(),
                3 => bytes.truncate(at),
                4 => drop(bytes.drain(at..(at + self.roll(40)).min(len))),
                5 => {
                    let again = bytes[at..(at + self.roll(200)).min(len)].to_vec();
                    bytes.splice(at..at, again);
                }
                // Two bytes that may be a length.
                6 => {
                    let value = [0_u16, 1, 0xff, 0x7fff, 0x8000, 0xffff][self.roll(6)];
                    for (byte, new) in bytes[at..].iter_mut().zip(value.to_le_bytes()) {
                        *byte = new;
                    }
                }
                _ => {
                    let from = self.roll(other.len());
                    let part = &other[from..(from + self.roll(200)).min(other.len())];
                    bytes.splice(at..at, part.iter().copied());
                }
            }
        }
    }
}

/// Runs `body` on the seeds and on `mutations` of them; says the bytes that broke it.
fn replay(what: &str, seeds: &[Vec<u8>], mutations: usize, body: fn(&[u8])) {
    assert!(!seeds.is_empty(), "{what}: no seeds");
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let run = |bytes: &[u8]| {
        if catch_unwind(|| body(bytes)).is_err() {
            let hex = data_encoding::HEXLOWER.encode(bytes);
            panic!("{what}: {} bytes break it: {hex}", bytes.len());
        }
    };
    for seed in seeds {
        run(seed);
    }
    let times = std::env::var("FUZZ_TIMES").ok();
    let times = times.map_or(1, |t| t.parse().expect("a number"));
    for n in 0..mutations * times {
        let mut bytes = seeds[n % seeds.len()].clone();
        let other = dice.roll(seeds.len());
        dice.damage(&mut bytes, &seeds[other]);
        run(&bytes);
    }
}

/// Annotated PDUs of these layers.
fn vectors(layers: &[&str]) -> Vec<Vec<u8>> {
    let text = std::fs::read_to_string(root().join("testdata/vectors/vectors.json")).unwrap();
    let all: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
    all.iter()
        .filter(|v| {
            let layer = v["layer"].as_str().unwrap();
            layers.iter().any(|l| layer.contains(l))
        })
        .map(|v| {
            let hex = v["hex"].as_str().unwrap().as_bytes();
            data_encoding::HEXLOWER.decode(hex).unwrap()
        })
        .collect()
}

/// Captures as they are.
fn files(longest: u64) -> Vec<Vec<u8>> {
    captures(&root().join("testdata/captures"))
        .into_iter()
        .filter(|path| path.extension().is_none_or(|e| e != "json"))
        .filter(|path| path.metadata().unwrap().len() <= longest)
        .map(|path| std::fs::read(path).unwrap())
        .collect()
}

/// Shows every frame of a capture.
fn frames(file: &[u8], mut show: impl FnMut(&Block, FrameRef)) {
    let reader = Box::new(Cursor::new(file.to_vec()));
    let mut source = FileSource::from_reader("seed", reader).unwrap();
    let mut block = Block::default();
    loop {
        let fill = source.fill(&mut block);
        for frame in &block.frames {
            show(&block, *frame);
        }
        if matches!(fill, Fill::End(_)) {
            return;
        }
    }
}

/// One flow: the port of its server, and what each side said in turn.
struct Flow {
    key: relaywatch::net::FlowKey,
    port: u16,
    said: Vec<(bool, Vec<u8>)>,
}

/// Flows of the test captures with payload, in the order of their packets.
fn flows() -> Vec<Flow> {
    let mut all = Vec::new();
    for file in files(200_000) {
        let mut dissector = Dissector::new(1, DissectOptions::default());
        let mut found: Vec<Flow> = Vec::new();
        let mut spill = Vec::new();
        frames(&file, |block, frame| {
            let packet: Option<Packet> = dissector.frame(&block.bytes, &mut spill, frame, 1);
            let Some(packet) = packet.filter(|p| p.payload.len > 0 && !p.payload.spilled) else {
                return;
            };
            let (port, server) = match (packet.key.a.port, packet.key.b.port) {
                (a, b) if a < b => (a, Side::A),
                (_, b) => (b, Side::B),
            };
            let said = (
                packet.side() == server,
                block.slice(packet.payload).to_vec(),
            );
            match found.iter_mut().find(|f| f.key == packet.key) {
                Some(flow) => flow.said.push(said),
                None => found.push(Flow {
                    key: packet.key,
                    port,
                    said: vec![said],
                }),
            }
        });
        all.extend(found);
    }
    assert!(all.len() > 50, "{} flows", all.len());
    all
}

/// As [`fuzzing::session`] reads it.
fn conversation(flow: &Flow) -> Vec<u8> {
    let ports = [445, 135, 80, 389, 139, 593, 443];
    let port = ports.iter().position(|p| *p == flow.port).unwrap_or(7);
    let mut bytes = vec![8 | u8::try_from(port).unwrap()];
    for (from_server, data) in &flow.said {
        let side = if *from_server { piece::SERVER } else { 0 };
        bytes.push(piece::DATA | side);
        bytes.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
        bytes.extend(data);
    }
    bytes
}

/// Both sides of flows to these ports, one behind the other, as the decoder bodies read them.
fn streams(flows: &[Flow], ports: impl Fn(u16) -> bool) -> Vec<Vec<u8>> {
    flows
        .iter()
        .filter(|f| ports(f.port))
        .map(|f| {
            let side = |server: bool| -> Vec<u8> {
                let of = f.said.iter().filter(|(from, _)| *from == server);
                of.flat_map(|(_, data)| data.iter().copied()).collect()
            };
            let (mut client, mut server) = (side(false), side(true));
            client.truncate(6_000);
            server.truncate(6_000);
            let part = client.len() * 255 / (client.len() + server.len());
            let mut bytes = vec![u8::try_from(part).unwrap(), 6];
            bytes.extend(client);
            bytes.extend(server);
            bytes
        })
        .collect()
}

/// Puts the two bytes in front that say how a stream is cut.
fn headed(vectors: Vec<Vec<u8>>) -> impl Iterator<Item = Vec<u8>> {
    vectors.into_iter().flat_map(|v| {
        [0, 255].map(|part| {
            let mut bytes = vec![part, 2];
            bytes.extend(&v);
            bytes
        })
    })
}

#[test]
fn sessions() {
    let mut seeds: Vec<_> = flows().iter().map(conversation).collect();
    for seed in &mut seeds {
        seed.truncate(12_000);
    }
    replay("session", &seeds, 1_500, fuzzing::session);
}

/// A client's hello of TLS 1.2 with one suite and one name, and a server's, half and half.
fn tls_hellos() -> Vec<u8> {
    let mut client = b"\x16\x03\x01\x00\x3f\x01\x00\x00\x3b\x03\x03".to_vec();
    client.extend([7; 32]); // random
    client.extend(b"\x00\x00\x02\xc0\x2f\x01\x00"); // no session, a suite, no compression
    client.extend(b"\x00\x10\x00\x00\x00\x0c\x00\x0a\x00\x00\x07a.local"); // server_name
    let mut server = b"\x16\x03\x03\x00\x2a\x02\x00\x00\x26\x03\x03".to_vec();
    server.extend([8; 32]); // random
    server.extend(b"\x00\xc0\x2f\x00"); // no session, the suite, no compression
    let whole = client.len() + server.len();
    let part = u8::try_from(client.len() * 255 / whole + 1).unwrap();
    [vec![part, 9], client, server].concat()
}

#[test]
fn decoders() {
    let flows = flows();
    let with = |ports: &[u16], layers: &[&str]| {
        let mut seeds = streams(&flows, |p| ports.contains(&p));
        seeds.extend(headed(vectors(layers)));
        seeds
    };
    replay("smb", &with(&[445, 139], &["smb"]), 600, fuzzing::smb);
    let http = with(&[80, 8080], &["http", "rpch"]);
    replay("http", &http, 600, fuzzing::http);
    let krb5: Vec<_> = headed(vectors(&["krb5"])).collect();
    replay("krb5", &krb5, 600, fuzzing::krb5);
    replay("ldap", &with(&[389], &["ldap"]), 600, fuzzing::ldap);
    replay("tls", &[tls_hellos()], 2_000, fuzzing::tls);
    replay("tds", &with(&[1433], &["tds"]), 600, fuzzing::tds);
    let mail = [
        &b"\x80\x08EHLO a\r\nAUTH NTLM\r\nTlRMTVNTUAABAAAA\r\n"[..],
        b"334 TlRM\r\n235 ok\r\n",
    ];
    let mail = [mail.concat(), b"\x60\x04a STARTTLS\r\na OK go\r\n".to_vec()];
    replay("mail", &mail, 2_000, fuzzing::mail);
    let mut dcerpc = streams(&flows, |p| p == 135 || p > 1_024);
    dcerpc.extend(headed(vectors(&["dcerpc", "rts", "tcp"])));
    replay("dcerpc", &dcerpc, 1_000, fuzzing::dcerpc);
}

/// A datagram of each kind, its number in front: real ones begin here, mutations do the rest.
fn datagrams() -> Vec<Vec<u8>> {
    let name = b"\x02dc\x03lab\x00\x00\x01\x00\x01";
    let query = [&[0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0][..], name].concat();
    let record = b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x1e\x00\x04\xc0\x00\x02\x42";
    let answer = [
        &[0, 7, 0x85, 0x80, 0, 1, 0, 1, 0, 0, 0, 0][..],
        name,
        record,
    ]
    .concat();
    let mut offer = vec![2, 1, 6, 0];
    offer.resize(236, 0);
    offer.extend([
        99, 130, 83, 99, 53, 1, 2, 6, 4, 192, 0, 2, 66, 81, 6, 4, 0, 0, 2, b'a', b'd',
    ]);
    let advertise = b"\x02\0\x12\x34\0\x17\0\x10\xfe\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\x66";
    let arp =
        b"\0\x01\x08\0\x06\x04\0\x02\x02\0\0\0\0\x66\xc0\0\x02\x42\x02\0\0\0\0\x09\xc0\0\x02\x09";
    let advert = b"\x86\0\0\0\x40\xc0\0\0\0\0\0\0\0\0\0\0\x01\x01\x02\0\0\0\0\x66";
    let kinds: [(u8, &[u8]); 9] = [
        (0, &query),
        (0, &answer),
        (1, &answer),
        (2, &answer),
        (3, &answer),
        (4, &offer),
        (5, advertise),
        (6, arp),
        (7, advert),
    ];
    kinds.map(|(kind, body)| [&[kind], body].concat()).to_vec()
}

#[test]
fn datagrams_of_every_kind() {
    let seeds = datagrams();
    replay("datagram", &seeds, 3_000, fuzzing::datagram);
    let framed = seeds.iter().take(2).map(|seed| {
        let message = &seed[1..];
        let length = u16::try_from(message.len()).unwrap().to_be_bytes();
        [&[128, 2], &length[..], message].concat()
    });
    replay("dns", &framed.collect::<Vec<_>>(), 2_000, fuzzing::dns);
}

#[test]
fn tokens() {
    let seeds = vectors(&["ntlm"]);
    replay("ntlm", &seeds, 1_500, fuzzing::ntlm);
    let mut seeds = seeds;
    seeds.extend(vectors(&["spnego"]));
    replay("spnego", &seeds, 1_500, fuzzing::spnego);
}

#[test]
fn files_and_frames() {
    let seeds = files(60_000);
    replay("capture", &seeds, 400, fuzzing::capture);
    let mut seeds = Vec::new();
    for file in files(60_000) {
        let mut n = 0;
        frames(&file, |block, frame| {
            n += 1;
            if n % 11 == 1 {
                let start = frame.start as usize;
                seeds.push(block.bytes[start..start + frame.len as usize].to_vec());
            }
        });
    }
    replay("dissect", &seeds, 2_000, fuzzing::dissect);
}

#[test]
fn rules() {
    let mut seeds = Vec::new();
    let mut open = vec![root().join("rules")];
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|e| e == "yml") {
                seeds.push(std::fs::read(path).unwrap());
            }
        }
    }
    seeds.sort();
    replay("rule", &seeds, 600, fuzzing::rule);
}

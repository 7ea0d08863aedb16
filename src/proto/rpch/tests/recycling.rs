//! Channels that replace others (MS-RPCH 3.2.1.3, 3.2.2.3), and clients behind proxies.

use super::*;

const IN_COOKIE: u8 = 0xc3;
const OUT_COOKIE: u8 = 0xb2;
const NEXT: u8 = 0xee;

/// An RTS PDU: header of 20 bytes (MS-RPCH 2.2.3.6), then commands.
fn rts(flags: u8, count: u8, commands: &[Vec<u8>]) -> Vec<u8> {
    let body = commands.concat();
    let length = u8::try_from(20 + body.len()).unwrap();
    let mut out = vec![5, 0, 20, 3, 0x10, 0, 0, 0, length, 0, 0, 0, 0, 0, 0, 0];
    out.extend([flags, 0, count, 0]);
    out.extend(body);
    out
}

/// A command with a number (2.2.3.5): type u32, value u32.
fn number(command: u8, value: u32) -> Vec<u8> {
    let mut out = vec![command, 0, 0, 0];
    out.extend(value.to_le_bytes());
    out
}

/// Cookie (2.2.3.5.4): type 3, 16 bytes. The virtual connection's is the vectors'.
fn cookie(byte: u8) -> Vec<u8> {
    let mut out = vec![3, 0, 0, 0];
    out.extend([byte; 16]);
    out
}

fn version_and_cookies(old: u8) -> Vec<Vec<u8>> {
    vec![number(6, 1), cookie(0xa1), cookie(old), cookie(NEXT)]
}

/// IN_R1/A1 and IN_R2/A1 (2.2.4.22, .29): RECYCLE_CHANNEL.
fn in_a1() -> Vec<u8> {
    rts(0x04, 4, &version_and_cookies(IN_COOKIE))
}

/// IN_R1/A2 (2.2.4.23): RECYCLE_CHANNEL | IN_CHANNEL.
fn in_a2() -> Vec<u8> {
    let mut commands = version_and_cookies(IN_COOKIE);
    commands.extend([number(0, 65_536), number(2, 120_000)]);
    rts(0x0c, 6, &commands)
}

/// OUT_R1/A3 and OUT_R2/A3 (2.2.4.37, .46): RECYCLE_CHANNEL.
fn out_a3() -> Vec<u8> {
    let mut commands = version_and_cookies(OUT_COOKIE);
    commands.push(number(0, 65_536));
    rts(0x04, 5, &commands)
}

/// OUT_R1/A4 (2.2.4.38): RECYCLE_CHANNEL | OUT_CHANNEL.
fn out_a4() -> Vec<u8> {
    let mut commands = version_and_cookies(OUT_COOKIE);
    commands.extend([
        number(4, 0x4000_0000),
        number(0, 65_536),
        number(2, 120_000),
    ]);
    rts(0x14, 7, &commands)
}

#[test]
fn they_are_named_and_go_to_the_server() {
    for (pdu, length, name) in [
        (in_a1(), 88, "IN_R1/A1"),
        (in_a2(), 104, "IN_R1/A2"),
        (out_a3(), 96, "OUT_R1/A3"),
        (out_a4(), 112, "OUT_R1/A4"),
    ] {
        let rts = Rts::read(&pdu).unwrap();
        // Lengths of 2.2.4: another sum than ours.
        assert_eq!((pdu.len(), rts.name()), (length, Some(name)));
        assert_eq!(rts.virtual_connection(), Some(&[0xa1; 16]));
        assert_eq!(rts.direction(), Some(ToServer));
    }
}

/// Both channels are set up with a bind, both are replaced, then comes the call.
fn recycled(http: bool, proxies: [u8; 4], piece: usize) -> (Recorder, Shared) {
    let (mut shared, mut out) = (shared(), Recorder::default());
    let open = |proxy: u8, port: u16| match http {
        true => Connection::http(port),
        false => Connection::from_proxy(proxy, port, 6001),
    };
    let mut say = |c: &mut Connection, way, bytes: &[u8], shared: &mut Shared| {
        for part in bytes.chunks(piece) {
            c.say(way, part, shared, &mut out);
        }
    };
    let opens = |head: &str, rts: &[u8], more: &[u8]| {
        let head = if http { head.as_bytes() } else { b"" };
        [head, rts, more].concat()
    };
    let from_server: &[u8] = if http {
        b"HTTP/1.1 200 Success\r\nContent-Type: application/rpc\r\nContent-Length: 1073741824\r\n\r\n"
    } else {
        BANNER
    };
    let (a, b) = match http {
        true => (v("rts_CONN_A1"), v("rts_CONN_B1")),
        false => (
            v("rts_CONN_A2_proxy_to_server"),
            v("rts_CONN_B2_proxy_to_server"),
        ),
    };
    let mut from = open(proxies[0], 50_001);
    let bytes = opens(OUT, &a, &[]);
    say(&mut from, ToServer, &bytes, &mut shared);
    let mut to = open(proxies[1], 50_002);
    let bytes = opens(IN, &b, &bind());
    say(&mut to, ToServer, &bytes, &mut shared);
    let answer = [from_server, &bind_ack()].concat();
    say(&mut from, ToClient, &answer, &mut shared);

    // The new IN channel opens before the old one closes; its body begins with the RTS PDU.
    let (in_next, out_next) = match http {
        true => (in_a1(), out_a3()),
        false => (in_a2(), out_a4()),
    };
    let mut to2 = open(proxies[2], 50_003);
    let bytes = opens(IN, &in_next, &[]);
    say(&mut to2, ToServer, &bytes, &mut shared);
    let mut from2 = open(proxies[3], 50_004);
    let out_head = OUT.replace("76", "120");
    let bytes = opens(&out_head, &out_next, &[]);
    say(&mut from2, ToServer, &bytes, &mut shared);
    say(&mut to2, ToServer, &request(2), &mut shared);
    let answer = [from_server, &response(2)].concat();
    say(&mut from2, ToClient, &answer, &mut shared);
    let mut quiet = Recorder::default();
    for old in [&mut to, &mut from] {
        old.end(&mut shared, &mut quiet);
    }
    assert_eq!(shared.rpch.len(), 1, "the successors keep it");
    for last in [&mut to2, &mut from2] {
        last.end(&mut shared, &mut quiet);
    }
    (out, shared)
}

#[test]
fn a_recycled_channel_keeps_what_was_bound() {
    for piece in [1, 3, 16, usize::MAX] {
        let (out, shared) = recycled(true, [9; 4], piece);
        assert_joined(&out);
        assert!(shared.rpch.is_empty());
    }
}

#[test]
fn on_the_leg_to_the_server_too_through_any_proxies() {
    for proxies in [[9; 4], [9, 8, 8, 9], [9, 8, 7, 6]] {
        for piece in [1, usize::MAX] {
            let (out, shared) = recycled(false, proxies, piece);
            assert_joined(&out);
            // CONN/B2 names 192.0.2.10 (RFC 5737).
            let told = "client: Some(192.0.2.10)";
            assert_eq!(out.count(&["RpcCall(", told]), 1, "{:#?}", out.0);
            assert!(shared.rpch.is_empty());
        }
    }
}

#[test]
fn where_the_client_is_seen_no_proxy_is_asked() {
    let (out, _) = recycled(true, [9; 4], usize::MAX);
    assert_eq!(out.count(&["RpcCall(", "client: None"]), 1);
}

#[test]
fn version_1_behind_its_proxy_is_a_banner_and_pdus() {
    let (mut shared, mut out) = (shared(), Recorder::default());
    let mut c = Connection::from_proxy(8, 50_000, 1_099);
    c.say(ToClient, BANNER, &mut shared, &mut out)
        .say(ToServer, &bind(), &mut shared, &mut out)
        .say(ToClient, &bind_ack(), &mut shared, &mut out)
        .say(ToServer, &request(2), &mut shared, &mut out)
        .say(ToClient, &response(2), &mut shared, &mut out);
    assert_joined(&out);
    assert!(shared.rpch.is_empty());
}

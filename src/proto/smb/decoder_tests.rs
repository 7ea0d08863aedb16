use std::collections::VecDeque;

use proptest::prelude::*;

use super::testkit::*;
use super::*;
use crate::proto::testing::{vector, vectors};

#[test]
fn a_conversation_from_negotiate_to_the_call() {
    let got = play(&conversation(), usize::MAX);
    let out = &got.out;
    assert_eq!(
        out.count(&["SmbNegotiate", "dialect: 770, signing_required: true"]),
        1
    );
    let said = [
        "to_client SmbSession",
        "dialect: \"3.0.2\"",
        "\"accepted\"",
        "mechanism: \"ntlm\", user: \"alice\"",
        "client_signing_required: false, server_signing_required: Some(true), signed: false",
        "encryption_offered: Some(false)",
        "guest: false, null_session: false, binding: false",
    ];
    assert_eq!(out.count(&said), 1, "{:#?}", out.0);
    let session = format!("session: {SESSION}");
    assert_eq!(out.count(&["to_server NtlmNegotiate", "session: 0"]), 1);
    assert_eq!(
        out.count(&["to_client NtlmChallenge", "FILES01", &session]),
        1
    );
    let challenge = "server_challenge: Some([1, 35, 69, 103, 137, 171, 205, 239])";
    assert_eq!(
        out.count(&[
            "to_server NtlmAuthenticate",
            "\"alice\"",
            challenge,
            &session
        ]),
        1
    );
    assert_eq!(out.count(&["NtlmAuthenticate", "message_id: 0"]), 0);
    assert_eq!(out.count(&["NtlmAuthenticate", "session_id: 0"]), 0);
    assert_eq!(
        out.count(&["to_client AuthResult", "success: true, code: 0", &session]),
        1
    );
    assert_eq!(out.count(&["SESSION_SETUP", "status: Some(3221225494)"]), 1);
    assert_eq!(out.count(&["SESSION_SETUP", "status: Some(0)"]), 1);
    assert_eq!(
        out.count(&["TREE_CONNECT", r"\\\\10.0.0.1\\IPC$", "tree_id: 7"]),
        1
    );
    let create = [
        "SMB2_COMMAND_CREATE",
        r"\\PIPE\\LsaRPC",
        "is_pipe: true",
        "message_id: 5",
    ];
    assert_eq!(out.count(&create), 1);
    assert_eq!(
        out.count(&["Anomaly { protocol: \"smb\""]),
        0,
        "{:#?}",
        out.0
    );

    let call = &vector("smb2_ioctl_pipe_transceive_efs").bytes[124..];
    let expected: [(&str, Direction, &[u8]); 5] = [
        ("lsarpc", C2S, &bind()),
        ("lsarpc", S2C, b"\x05\x00\x0c\x03 bind_ack"),
        ("lsarpc", C2S, call),
        ("lsarpc", S2C, &bind()[..24]),
        ("lsarpc", S2C, &bind()[24..]),
    ];
    assert_eq!(got.pipes(), expected);
}

#[test]
fn chunking_changes_nothing() {
    let whole = play(&conversation(), usize::MAX);
    for size in [1, 2, 3, 7, 64, 68, 100] {
        let cut = play(&conversation(), size);
        assert_eq!(cut.out, whole.out, "{size}");
        assert_eq!(cut.pipes(), whole.pipes(), "{size}");
    }
}

#[test]
fn every_vector_at_every_split() {
    for v in vectors("smb2").into_iter().chain(vectors("smb1")) {
        let whole = play(&[(C2S, v.bytes.clone())], usize::MAX);
        for at in 1..v.bytes.len() {
            let (a, b) = v.bytes.split_at(at);
            let cut = play(&[(C2S, a.to_vec()), (C2S, b.to_vec())], usize::MAX);
            assert_eq!(cut.out, whole.out, "{} at {at}", v.name);
            assert_eq!(cut.pipes(), whole.pipes(), "{} at {at}", v.name);
            // Every prefix, and the end.
            play(&[(C2S, a.to_vec())], usize::MAX);
        }
    }
}

#[test]
fn vectors_without_a_conversation() {
    let play_one = |name: &str| play(&[(C2S, vector(name).bytes)], usize::MAX);
    for name in [
        "smb2_session_setup_spnego_type1",
        "smb1_session_setup_andx_spnego_type1",
    ] {
        let ntlm = vector(name).number("ntlm");
        assert_eq!(ntlm, Some(1));
        assert_eq!(play_one(name).out.count(&["NtlmNegotiate"]), 1, "{name}");
    }
    let create = play_one("smb2_create_pipe_lsarpc");
    let said = ["SMB2_COMMAND_CREATE", "status: None", "\"lsarpc\""];
    assert_eq!(
        create.out.count(&said),
        1,
        "said at the end, without a status"
    );
    for name in [
        "smb2_ioctl_pipe_transceive_efs",
        "smb1_trans_TransactNmPipe_efs",
    ] {
        let got = play_one(name);
        let [("", C2S, pdu)] = got.pipes()[..] else {
            panic!("{name}: {:?}", got.pipes());
        };
        assert_eq!((pdu[0], pdu[2], pdu.len()), (5, 0, 80), "{name}");
    }
    let opaque = |encrypted, compressed| Opaque {
        encrypted,
        compressed,
    };
    assert_eq!(
        play_one("smb3_transform_header").decoder.opaque(),
        opaque(1, 0)
    );
    let compressed = play_one("smb3_compression_transform_unchained");
    assert_eq!(compressed.decoder.opaque(), opaque(0, 1));
}

#[test]
fn bulk_is_skipped() {
    const BULK: usize = 1 << 20;
    let mut all = logon(r"\\10.0.0.1\data", 1);
    let bulk = vec![0x05; BULK];
    let written = body(80, &[(64, &[17])], &[]);
    all.extend([
        (
            C2S,
            message(&[command(5, 0, 0, 5, TREE, &create_request("a.bin"))]),
        ),
        (
            S2C,
            message(&[command(5, RESPONSE, 0, 5, TREE, &create_response(FILE))]),
        ),
        (
            C2S,
            message(&[command(8, 0, 0, 6, TREE, &read_request(FILE))]),
        ),
        (
            S2C,
            message(&[command(8, RESPONSE, 0, 6, TREE, &read_response(&bulk))]),
        ),
        (
            C2S,
            message(&[command(9, 0, 0, 7, TREE, &write_request(FILE, &bulk))]),
        ),
        (S2C, message(&[command(9, RESPONSE, 0, 7, TREE, &written)])),
    ]);
    let got = play(&all, 1460);
    let seen_of_two = 2 * 1460;
    assert!(
        got.skipped > (2 * BULK - seen_of_two) as u64,
        "{}",
        got.skipped
    );
    assert_eq!(got.out.count(&["CREATE", "\"a.bin\"", "is_pipe: false"]), 1);
    assert!(got.pipes().is_empty());
    // Nothing was lost on the way: the answers after the bulk are where they should be.
    assert_eq!(got.out.count(&["Anomaly { protocol: \"smb\""]), 0);
}

#[test]
fn a_bulk_answer_is_skipped_after_its_header() {
    let mut player = Player::default();
    for (direction, bytes) in logon(r"\\10.0.0.1\data", 1) {
        player.data(direction, &bytes);
    }
    let answer = message(&[command(
        8,
        RESPONSE,
        0,
        6,
        TREE,
        &read_response(&[0; 60_000]),
    )]);
    let got = player.decoder.chunk(
        S2C,
        Chunk::Data(&answer[..4 + 64]),
        &mut player.shared,
        &mut player.out,
    );
    let bytes = answer.len() as u64;
    assert_eq!(got, Progress::Skip { bytes });
}

#[test]
fn a_compound_creates_writes_and_reads_a_pipe() {
    let last = wire::FILE_OF_PREVIOUS;
    let all_ones = u32::MAX;
    let mut all = logon(r"\\dc\ipc$", 2);
    all.extend([
        (
            C2S,
            message(&[
                command(5, 0, 0, 5, TREE, &create_request("efsrpc")),
                command(9, RELATED, 0, 6, all_ones, &write_request(last, &bind())),
                command(8, RELATED, 0, 7, all_ones, &read_request(last)),
            ]),
        ),
        (
            S2C,
            message(&[
                command(5, RESPONSE, 0, 5, TREE, &create_response(FILE)),
                command(
                    9,
                    RESPONSE | RELATED,
                    0,
                    6,
                    TREE,
                    &body(80, &[(64, &[17])], &[]),
                ),
                command(
                    8,
                    RESPONSE | RELATED,
                    0,
                    7,
                    TREE,
                    &read_response(b"\x05\x00\x0c\x03 ack"),
                ),
            ]),
        ),
        (
            C2S,
            message(&[command(9, 0, 0, 8, TREE, &write_request(FILE, b"more"))]),
        ),
    ]);
    let expected: [(&str, Direction, &[u8]); 3] = [
        ("efsrpc", C2S, &bind()),
        ("efsrpc", S2C, b"\x05\x00\x0c\x03 ack"),
        ("efsrpc", C2S, b"more"),
    ];
    for size in [1, usize::MAX] {
        assert_eq!(play(&all, size).pipes(), expected, "{size}");
    }
}

#[test]
fn a_command_too_long_to_wait_for_is_given_as_it_comes() {
    let mut long = bind();
    long.resize(3 * TAIL_BYTES, 7);
    let mut all = logon(r"\\dc\ipc$", 2);
    all.extend([
        (
            C2S,
            message(&[command(5, 0, 0, 5, TREE, &create_request("lsarpc"))]),
        ),
        (
            S2C,
            message(&[command(5, RESPONSE, 0, 5, TREE, &create_response(FILE))]),
        ),
        (
            C2S,
            message(&[
                command(9, 0, 0, 6, TREE, &write_request(FILE, &long)),
                command(9, 0, 0, 7, TREE, &write_request(FILE, b"behind")),
            ]),
        ),
    ]);
    for size in [1000, usize::MAX] {
        let got = play(&all, size);
        let bytes: Vec<u8> = got
            .pipes()
            .iter()
            .flat_map(|(_, _, b)| b.to_vec())
            .collect();
        assert_eq!(bytes, [&long[..], b"behind"].concat(), "{size}");
    }
}

#[test]
fn picked_up_in_the_middle() {
    let whole = conversation();
    // From the WRITE of the bind on: neither tree nor file is known.
    let late = play(&whole[10..], usize::MAX);
    let pipes = late.pipes();
    assert_eq!(pipes[0], ("", C2S, &bind()[..]));
    assert_eq!(pipes.len(), 5);
}

#[test]
fn only_one_direction() {
    let one = |wanted| {
        let part: Vec<_> = conversation()
            .into_iter()
            .filter(|(d, _)| *d == wanted)
            .collect();
        play(&part, usize::MAX)
    };
    let requests = one(C2S);
    let pipes = requests.pipes();
    assert_eq!(
        pipes[0],
        ("lsarpc", C2S, &bind()[..]),
        "named after the open CREATE"
    );
    assert_eq!(pipes.len(), 2);
    let unknown = ["NtlmAuthenticate", "server_challenge: None"];
    assert_eq!(requests.out.count(&unknown), 1);
    assert_eq!(requests.out.count(&["SMB2_COMMAND", "status: None"]), 4);
    assert_eq!(requests.out.count(&["AuthResult"]), 0);

    let answers = one(S2C);
    assert_eq!(answers.out.count(&["NtlmChallenge"]), 1);
    assert_eq!(
        answers.out.count(&["AuthResult"]),
        0,
        "no AUTHENTICATE was seen"
    );
    // The asynchronous READ is not among them: it names neither tree nor file.
    assert_eq!(answers.pipes().len(), 2);
}

#[test]
fn swapped_roles_change_nothing() {
    let swapped: Vec<_> = conversation()
        .into_iter()
        .map(|(d, b)| (d.reverse(), b))
        .collect();
    let right = play(&conversation(), usize::MAX);
    assert_eq!(play(&swapped, usize::MAX).out, right.out);
}

#[test]
fn a_refusal_is_a_result() {
    let mut all = logon("x", 1);
    all.truncate(5);
    let error = [9, 0, 0, 0, 0, 0, 0, 0, 0];
    all.push((
        S2C,
        message(&[command(1, RESPONSE, 0xc000_006d, 3, 0, &error)]),
    ));
    let got = play(&all, usize::MAX);
    assert_eq!(
        got.out
            .count(&["AuthResult", "success: false, code: 3221225581"]),
        1
    );
}

#[test]
fn several_exchanges_keep_their_challenges_apart() {
    let mut all = logon("x", 1);
    all.truncate(6);
    let mut other = type2();
    let at = memchr::memmem::find(&other, b"NTLMSSP\0").unwrap() + 24;
    other[at..at + 8].copy_from_slice(b"other888");
    let with_session = |mut bytes: Vec<u8>, session: u64| {
        bytes[44..52].copy_from_slice(&session.to_le_bytes());
        bytes
    };
    let request = |id, token: &[u8]| message(&[command(1, 0, 0, id, 0, &setup_request(token))]);
    let answer = |id, status, token: &[u8]| {
        message(&[command(1, RESPONSE, status, id, 0, &setup_response(token))])
    };
    // Two more, interleaved, on the same connection.
    all.extend([
        (C2S, with_session(request(20, &type1()), 0)),
        (C2S, with_session(request(21, &type1()), 0)),
        (S2C, with_session(answer(21, 0xc000_0016, &other), 51)),
        (S2C, with_session(answer(20, 0xc000_0016, &type2()), 50)),
        (C2S, with_session(request(22, &type3()), 51)),
        (C2S, with_session(request(23, &type3()), 50)),
        (S2C, with_session(answer(23, 0, &[]), 50)),
        (S2C, with_session(answer(22, 0xc000_006d, &[]), 51)),
    ]);
    let got = play(&all, usize::MAX).out;
    let first = "server_challenge: Some([1, 35, 69";
    let second = "server_challenge: Some([111, 116, 104";
    assert_eq!(got.count(&["NtlmAuthenticate", second, "session: 51"]), 1);
    assert_eq!(got.count(&["NtlmAuthenticate", first, "session: 50"]), 1);
    assert_eq!(
        got.count(&["AuthResult", "session: 51", "success: false"]),
        1
    );
    assert_eq!(
        got.count(&["AuthResult", "session: 50", "success: true"]),
        1
    );
}

#[test]
fn finds_its_feet_after_a_gap() {
    let mut player = Player::default();
    let mut messages: VecDeque<_> = conversation().into();
    for _ in 0..8 {
        let (direction, bytes) = messages.pop_front().unwrap();
        player.data(direction, &bytes);
    }
    let (_, create) = messages.pop_front().unwrap();
    player.data(C2S, &create[..50]);
    player.gap(C2S);
    player.data(C2S, b"\xfeSMB some rest of a message");
    for (direction, bytes) in messages {
        for piece in bytes.chunks(11) {
            player.data(direction, piece);
        }
    }
    player.gap(C2S);
    let got = player.end();
    assert_eq!(got.out.count(&["Anomaly", "bytes are missing"]), 1, "once");
    assert_eq!(got.pipes().len(), 5);
    assert_eq!(got.pipes()[0].0, "", "its CREATE was lost");
}

#[test]
fn what_is_no_smb_is_given_up() {
    let mut player = Player::default();
    for _ in 0..100 {
        player.data(C2S, &[0x16; 1000]);
    }
    assert!(player.done);
}

#[test]
fn keep_alives_and_session_requests_are_passed_over() {
    let mut stream = vec![0x81, 0, 0, 4, 1, 2, 3, 4, 0x85, 0, 0, 0, 0, 0, 0, 0];
    stream.extend(vector("smb2_session_setup_spnego_type1").bytes);
    for size in [1, usize::MAX] {
        let got = play(&[(C2S, stream.clone())], size);
        assert_eq!(got.out.count(&["NtlmNegotiate"]), 1);
        assert_eq!(got.out.count(&["Anomaly"]), 0);
    }
}

#[test]
fn requests_without_answers_are_bounded() {
    let creates: Vec<_> = (0..2000_u64)
        .map(|id| {
            (
                C2S,
                message(&[command(5, 0, 0, 5 + id, TREE, &create_request("x"))]),
            )
        })
        .collect();
    let got = play(&creates, usize::MAX);
    assert_eq!(got.out.count(&["CREATE", "status: None"]), 2000);
}

/// A caller that binds and then opens as many pipes as there is room for is not lost sight of.
#[test]
fn a_flood_of_pipes_does_not_push_a_bound_one_out() {
    let call = vector("smb2_ioctl_pipe_transceive_efs").bytes[124..].to_vec();
    let mut all = conversation();
    // Logon, create, bind.
    all.truncate(12);
    for n in 0..80_u8 {
        let id = 100 + u64::from(n);
        let (name, file) = (create_request(r"\PIPE\srvsvc"), [n.wrapping_add(100); 16]);
        all.push((C2S, message(&[command(5, 0, 0, id, TREE, &name)])));
        let answer = create_response(file);
        all.push((S2C, message(&[command(5, RESPONSE, 0, id, TREE, &answer)])));
    }
    let last = ioctl_request(FILE, &call);
    all.push((C2S, message(&[command(11, 0, 0, 500, TREE, &last)])));
    let got = play(&all, usize::MAX);
    assert_eq!(
        got.pipes().last(),
        Some(&("lsarpc", C2S, &call[..])),
        "the pipe still has its name"
    );
}

proptest! {
    #[test]
    fn any_cuts_give_the_same_events(cuts in prop::collection::vec(1_usize..300, 1..40)) {
        let whole = play(&conversation(), usize::MAX);
        let mut player = Player::default();
        let mut sizes = cuts.iter().cycle();
        for (direction, bytes) in conversation() {
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                let (piece, after) = rest.split_at((*sizes.next().unwrap()).min(rest.len()));
                player.data(direction, piece);
                rest = after;
            }
        }
        prop_assert_eq!(player.end().out, whole.out);
    }

    #[test]
    fn no_flip_panics_or_hangs(
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<u8>()), 1..12),
        size in 1_usize..500,
    ) {
        let mut messages = conversation();
        for (which, at, value) in flips {
            let i = which.index(messages.len());
            let bytes = &mut messages[i].1;
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        let got = play(&messages, size);
        prop_assert!(got.out.0.len() < 200);
    }

    #[test]
    fn no_noise_panics_or_hangs(noise in prop::collection::vec(any::<u8>(), 0..3000), size in 1_usize..500) {
        play(&[(C2S, noise.clone()), (S2C, noise)], size);
    }
}

/// A capture that keeps the first bytes of every packet: the interface and the operation are there, the path is not.
#[test]
fn a_call_whose_end_was_not_captured() {
    let all = conversation();
    let is_call = |(_, bytes): &(Direction, Vec<u8>)| bytes.get(4 + 12) == Some(&11);
    for (kept, size) in [(24, usize::MAX), (40, usize::MAX), (40, 1)] {
        let mut player = Player::default();
        for (n, message) in all.iter().enumerate() {
            let (way, bytes) = message;
            let whole = n == 0 || !is_call(message) || *way == S2C;
            let shown = if whole {
                bytes
            } else {
                &bytes[..4 + 120 + kept]
            };
            for piece in shown.chunks(size) {
                player.data(*way, piece);
            }
            if !whole {
                player.gap(*way);
            }
        }
        let out = player.end().out;
        let call = ["to_server RpcCall(", "opnum: 0", "named_pipe: \"lsarpc\""];
        assert_eq!(out.count(&call), 1, "{kept} {size}: {:#?}", out.0);
    }
}

#[test]
fn a_hole_in_a_long_write_ends_what_the_pipe_waits_for() {
    let mut player = Player::default();
    for (way, bytes) in logon(r"\\s\IPC$", 2) {
        player.data(way, &bytes);
    }
    // Longer than may be waited for: its data is streamed.
    let mut call = vector("smb2_ioctl_pipe_transceive_efs").bytes[124..].to_vec();
    call[8..10].copy_from_slice(&60_000_u16.to_le_bytes());
    call.resize(100_000, 0);
    let long = message(&[command(9, 0, 0, 9, TREE, &write_request(FILE, &call))]);
    player.data(C2S, &long[..5000]);
    player.gap(C2S);
    let next = message(&[command(9, 0, 0, 10, TREE, &write_request(FILE, &bind()))]);
    player.data(C2S, &next);
    let got = player.end();
    let call = ["to_server RpcCall(", "opnum: 0"];
    assert_eq!(got.out.count(&call), 1, "{:#?}", got.out.0);
    assert_eq!(got.pipes().last(), Some(&("", C2S, &bind()[..])));
}

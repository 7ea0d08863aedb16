//! SMB 1: pipes, with and without their tree connect.

use super::testkit::*;
use crate::net::Direction;
use crate::proto::testing::vector;

/// One SMB1 message: command, reply flag, MID, words, bytes.
fn smb1(command: u8, reply: bool, mid: u8, words: &[u8], bytes: &[u8]) -> Vec<u8> {
    message(&[bare(command, reply, mid, words, bytes)])
}

/// The same without NBSS.
fn bare(command: u8, reply: bool, mid: u8, words: &[u8], bytes: &[u8]) -> Vec<u8> {
    let mut smb = b"\xffSMB".to_vec();
    smb.extend([command, 0, 0, 0, 0]); // status
    smb.extend([if reply { 0x98 } else { 0x18 }, 0x07, 0xc8]); // flags, flags2: Unicode
    smb.extend([0; 12]); // PID high, security, reserved
    smb.extend([3, 0, 0xff, 0xfe, 1, 8, mid, 0]); // TID, PID, UID, MID
    smb.push(u8::try_from(words.len() / 2).unwrap());
    smb.extend(words);
    smb.extend(le16(bytes.len()));
    smb.extend(bytes);
    smb
}

/// What NT_CREATE_ANDX opened (MS-CIFS 2.2.4.64.2, ResourceType).
const FILE_ON_DISK: u8 = 0;
const MESSAGE_PIPE: u8 = 2;

/// Tree connect, open, bind by WRITE and READ, a call by TRANSACTION, close.
fn session(resource: u8) -> [(Direction, Vec<u8>); 8] {
    let tree = [0xff, 0, 0, 0, 0, 0]; // no AndX, optional support
    let name = [&[0][..], &utf16(r"\lsarpc")].concat(); // one byte of padding
    let mut create = [0; 48]; // words of NT_CREATE_ANDX
    create[0] = 0xff;
    create[5] = 14; // name length
    let mut created = [0; 68];
    created[0] = 0xff;
    created[5..7].copy_from_slice(&[0x00, 0x40]); // FID 0x4000
    created[63] = resource;
    let mut write = [0; 28];
    write[0] = 0xff;
    write[4..6].copy_from_slice(&[0x00, 0x40]);
    write[20] = 72; // data length
    write[22] = 63; // data offset: 32 + 1 + 28 + 2
    let mut read = [0; 20];
    read[0] = 0xff;
    read[4..6].copy_from_slice(&[0x00, 0x40]);
    let mut answer = [0; 24];
    answer[0] = 0xff;
    answer[10] = 8; // data length
    answer[12] = 59; // data offset: 32 + 1 + 24 + 2
    [
        (S2C, smb1(0x75, true, 1, &tree, b"IPC\0\0")),
        (C2S, smb1(0xa2, false, 2, &create, &name)),
        (S2C, smb1(0xa2, true, 2, &created, &[])),
        (C2S, smb1(0x2f, false, 3, &write, &bind())),
        (C2S, smb1(0x2e, false, 4, &read, &[])),
        (S2C, smb1(0x2e, true, 4, &answer, b"\x05\0\x0c\x03 ack")),
        (C2S, vector("smb1_trans_TransactNmPipe_efs").bytes),
        (C2S, smb1(0x04, false, 5, &[0x00, 0x40, 0, 0, 0, 0], &[])),
    ]
}

fn assert_read(all: &[(Direction, Vec<u8>)]) {
    for size in [1, 7, usize::MAX] {
        let got = play(all, size);
        let pipes = got.pipes();
        assert_eq!(pipes[0], ("lsarpc", C2S, &bind()[..]));
        assert_eq!(pipes[1], ("lsarpc", S2C, &b"\x05\0\x0c\x03 ack"[..]));
        assert_eq!((pipes[2].0, pipes[2].2.len()), ("lsarpc", 80));
        let opened = r#"SmbCommand { command: "SMB1_COMMAND_NT_CREATE_ANDX", status: Some(0)"#;
        let named = [opened, r"\\lsarpc", "is_pipe: true"];
        assert_eq!(got.out.count(&named), 1, "{:#?}", got.out.0);
    }
}

#[test]
fn smb1_pipes() {
    assert_read(&session(MESSAGE_PIPE));
}

#[test]
fn the_open_tells_that_a_tree_leads_to_pipes() {
    assert_read(&session(MESSAGE_PIPE)[1..]);
}

#[test]
fn a_file_on_an_unknown_tree_is_no_pipe() {
    // Without the TRANSACTION, which only pipes have.
    let all = &session(FILE_ON_DISK)[1..6];
    let got = play(all, usize::MAX);
    assert_eq!(got.pipes(), []);
}

#[test]
fn a_transaction_tells_it_too() {
    let all = session(MESSAGE_PIPE);
    // A call, then another pipe is opened and bound.
    let mut order = vec![all[6].clone()];
    order.extend_from_slice(&all[1..4]);
    let got = play(&order, usize::MAX);
    assert_eq!(got.pipes().len(), 2, "{:?}", got.pipes());
    assert_eq!(got.pipes()[1], ("lsarpc", C2S, &bind()[..]));
}

/// Recorded of smbclient and smbd 4.17 of Samba, without extended security, NTLMv1: negotiate, session setup, tree connect.
fn plain_v1() -> Vec<(Direction, Vec<u8>)> {
    let hex = |parts: &[&str]| {
        data_encoding::HEXLOWER
            .decode(parts.concat().as_bytes())
            .unwrap()
    };
    vec![
        (
            S2C,
            hex(&[
                "00000069ff534d4272000000008803c00000000000000000000000000000feff00000000110800033200010004410000",
                "00000100d1100000fdf38000a67e5ab1447ddd01000008240016aa9f7dbe4805fc4c004100420044004f004d0000004f",
                "004c0044005300520056000000",
            ]),
        ),
        (
            C2S,
            hex(&[
                "000000a0ff534d4273000000001843c00000000000000000000000000000cb10000001000dff000000ffff0200cb10d1",
                "100000180018000000000054c000006300c01cb07c8b548cc956afe5a8a9b2e65435fe87d161db3fc2c01cb07c8b548c",
                "c956afe5a8a9b2e65435fe87d161db3fc20064006500630073006d00620000004c004100420044004f004d0000005500",
                "6e00690078000000530061006d00620061000000",
            ]),
        ),
        (
            S2C,
            hex(&[
                "0000007aff534d4273000000008803c00000000000000000000000000000cb102a98010003ff00000000005100005700",
                "69006e0064006f0077007300200036002e0031000000530061006d0062006100200034002e00310037002e0031003200",
                "2d00440065006200690061006e0000004c004100420044004f004d000000",
            ]),
        ),
        (
            C2S,
            hex(&[
                "00000052ff534d4275000000001843c0000000000000000000000000ffffcb102a98020004ff0000000c000100270000",
                "5c005c003100320037002e0030002e0030002e0031005c004900500043002400000049504300",
            ]),
        ),
        (
            S2C,
            hex(&[
                "00000038ff534d4275000000008803c00000000000000000000000000f9acb102a98020007ff0000000100ff010000ff",
                "010000070049504300000000",
            ]),
        ),
    ]
}

/// The same with NTLMv2 over port 139: session request, negotiate, session setup.
fn plain_v2() -> Vec<(Direction, Vec<u8>)> {
    let hex = |parts: &[&str]| {
        data_encoding::HEXLOWER
            .decode(parts.concat().as_bytes())
            .unwrap()
    };
    vec![
        (
            C2S,
            hex(&[
                "8100004420444244434448434f4441434f4441434f4442434143414341434143414341434100204550454d4545464446",
                "434647434143414341434143414341434143414341414100",
            ]),
        ),
        (
            S2C,
            hex(&[
                "00000069ff534d4272000000008803c00000000000000000000000000000feff00000000110000033200010004410000",
                "000001001a150000fdf38000bd668bbc447ddd010000082400f3ef3b4f28454f964c004100420044004f004d0000004f",
                "004c0044005300520056000000",
            ]),
        ),
        (
            C2S,
            hex(&[
                "000000c8ff534d4273000000001857c000004253525350594c20000000001515000001000dff000000ffff020015151a",
                "150000180040000000000054c000008b000000000000000000000000000000000000000000000000005737d9e8ec499f",
                "bf932c2ec362136f7a01010000000000004e968bbc447ddd01ede905a5f4e4509b0000000002000c004c004100420044",
                "004f004d00000000000064006500630073006d00620000004c004100420044004f004d00000055006e00690078000000",
                "530061006d00620061000000",
            ]),
        ),
    ]
}

/// What tshark 4.0.17 shows of these messages.
#[test]
fn a_logon_without_extended_security() {
    for size in [1, 3, 50, usize::MAX] {
        let out = play(&plain_v1(), size).out;
        let challenge = format!("{:?}", [0x16, 0xaa, 0x9f, 0x7d, 0xbe, 0x48, 0x05, 0xfc_u8]);
        let asked = [
            "to_client NtlmChallenge",
            &format!("server_challenge: {challenge}"),
            "target_name: \"LABDOM\", nb_computer_name: \"OLDSRV\"",
        ];
        assert_eq!(out.count(&asked), 1, "{:#?}", out.0);
        let proof = [
            "to_server NtlmAuthenticate",
            "user: \"decsmb\", domain: \"LABDOM\"",
            "anonymous: false, response: \"v1\"",
            &format!("server_challenge: Some({challenge})"),
            "session: 0, nt_response: <24 secret bytes>",
        ];
        assert_eq!(out.count(&proof), 1, "{:#?}", out.0);
        let verdict = ["to_client AuthResult", "session: 0, success: true, code: 0"];
        assert_eq!(out.count(&verdict), 1);
        let session = [
            "SmbSession",
            "dialect: \"NT LM 0.12\", session_id: 38954",
            "\"accepted\"",
            "user: \"decsmb\", domain: \"LABDOM\"",
            "guest: false, null_session: false",
            "client_signing_required: false, server_signing_required: Some(false), signed: false",
        ];
        assert_eq!(out.count(&session), 1, "{:#?}", out.0);
        let tree = [
            "SMB1_COMMAND_TREE_CONNECT_ANDX",
            r"\\\\127.0.0.1\\IPC$",
            "session_id: 38954, tree_id: 39439",
        ];
        assert_eq!(out.count(&tree), 1, "{:#?}", out.0);
        assert_eq!(out.count(&["Anomaly"]), 0, "{:#?}", out.0);
    }
}

#[test]
fn the_same_with_ntlmv2_over_netbios() {
    for size in [1, 50, usize::MAX] {
        let out = play(&plain_v2(), size).out;
        let names = [
            "to_server SmbNetbios",
            "called: \"127.0.0.1\", calling: \"OLDSRV\"",
        ];
        assert_eq!(out.count(&names), 1, "{:#?}", out.0);
        // 64 bytes: the proof and a blob whose only AV pair names the domain.
        let proof = [
            "NtlmAuthenticate",
            "\"v2\"",
            "mic: Absent",
            "<64 secret bytes>",
        ];
        assert_eq!(out.count(&proof), 1, "{:#?}", out.0);
        let unanswered = ["SMB1_COMMAND_SESSION_SETUP_ANDX", "status: None"];
        assert_eq!(out.count(&unanswered), 1, "{:#?}", out.0);
    }
}

#[test]
fn one_way_of_a_plain_logon() {
    for way in [C2S, S2C] {
        let mut half = plain_v1();
        half.retain(|(direction, _)| *direction == way);
        let out = play(&half, usize::MAX).out;
        let (proofs, challenges) = if way == C2S { (1, 0) } else { (0, 1) };
        assert_eq!(out.count(&["NtlmAuthenticate"]), proofs);
        assert_eq!(out.count(&["NtlmChallenge"]), challenges);
        assert_eq!(out.count(&["server_challenge: None"]), proofs);
        assert_eq!(out.count(&["Anomaly"]), 0);
    }
}

/// Session setup, tree connect and open in one message (MS-CIFS 2.2.3.4), and all their answers in one.
#[test]
fn a_chain_of_commands() {
    let block = |words: &[u8], bytes: &[u8]| {
        let mut block = vec![u8::try_from(words.len() / 2).unwrap()];
        block.extend(words);
        block.extend(le16(bytes.len()));
        block.extend(bytes);
        block
    };
    let chain = |reply: bool, all: &[(u8, Vec<u8>, Vec<u8>)]| {
        let mut smb = bare(all[0].0, reply, 9, &[], &[]);
        smb.truncate(32);
        for (i, (_, words, bytes)) in all.iter().enumerate() {
            let mut words = words.clone();
            let end = smb.len() + 3 + words.len() + bytes.len();
            words[0] = all.get(i + 1).map_or(0xff, |next| next.0);
            words[2..4].copy_from_slice(&le16(end));
            smb.extend(block(&words, bytes));
        }
        message(&[smb])
    };
    let [_, (_, setup), (_, done), ..] = <[_; 5]>::try_from(plain_v1()).unwrap();
    let setup = (0x73, setup[37..63].to_vec(), setup[65..].to_vec());
    let done = (0x73, done[37..43].to_vec(), done[45..].to_vec());
    let path = [&[0][..], &utf16("\\\\s\\IPC$"), &[0, 0], b"?????\0"].concat();
    let mut connect = vec![0; 8];
    connect[6] = 1; // password length
    let mut create = vec![0; 48];
    create[5] = 14; // name length
    // One byte of padding or none: the names are aligned from the header on.
    let mut requests = vec![setup, (0x75, connect, path), (0xa2, create, vec![])];
    let before: usize = requests.iter().map(|(_, w, b)| 3 + w.len() + b.len()).sum();
    let name = utf16("\\lsarpc");
    requests[2].2 = if (32 + before) % 2 == 1 {
        [&[0][..], &name].concat()
    } else {
        name
    };
    let mut created = vec![0; 68];
    created[5..7].copy_from_slice(&[0x00, 0x40]);
    created[63] = MESSAGE_PIPE;
    let answers = [
        done,
        (0x75, vec![0; 6], b"IPC\0\0".to_vec()),
        (0xa2, created, vec![]),
    ];
    let mut write = [0; 28];
    write[0] = 0xff;
    write[4..6].copy_from_slice(&[0x00, 0x40]);
    write[20] = 72;
    write[22] = 63;
    let all = [
        (C2S, chain(false, &requests)),
        (S2C, chain(true, &answers)),
        (C2S, smb1(0x2f, false, 3, &write, &bind())),
    ];
    for size in [1, usize::MAX] {
        let got = play(&all, size);
        for command in ["SESSION_SETUP", "TREE_CONNECT", "NT_CREATE"] {
            let said = [&format!("SMB1_COMMAND_{command}_ANDX"), "status: Some(0)"];
            assert_eq!(got.out.count(&said), 1, "{command} {:#?}", got.out.0);
        }
        assert_eq!(got.pipes(), [("lsarpc", C2S, &bind()[..])]);
    }
}

/// A TRANSACTION whose data is `bytes[..first]`, of `total`, and one of its SECONDARIES.
fn transaction(total: usize, data: &[u8]) -> Vec<u8> {
    let mut words = [0; 32];
    words[2..4].copy_from_slice(&le16(total));
    words[22..24].copy_from_slice(&le16(data.len()));
    words[24] = 67; // data offset: 32 + 1 + 32 + 2
    words[26] = 2; // setup count
    words[28] = 0x26;
    words[30..32].copy_from_slice(&[0x00, 0x40]);
    smb1(0x25, false, 7, &words, data)
}

fn secondary(total: usize, at: usize, data: &[u8]) -> Vec<u8> {
    let mut words = [0; 16];
    words[2..4].copy_from_slice(&le16(total));
    words[10..12].copy_from_slice(&le16(data.len()));
    words[12] = 51; // data offset: 32 + 1 + 16 + 2
    words[14..16].copy_from_slice(&le16(at));
    smb1(0x26, false, 7, &words, data)
}

/// One of the answers, whose data begins at `at`.
fn answer(total: usize, at: usize, data: &[u8]) -> Vec<u8> {
    let mut words = [0; 20];
    words[2..4].copy_from_slice(&le16(total));
    words[12..14].copy_from_slice(&le16(data.len()));
    words[14] = 55; // data offset: 32 + 1 + 20 + 2
    words[16..18].copy_from_slice(&le16(at));
    smb1(0x25, true, 7, &words, data)
}

fn given(got: &Player, direction: Direction) -> Vec<u8> {
    let pieces = got.pipes().into_iter().filter(|p| p.1 == direction);
    pieces.flat_map(|p| p.2.to_vec()).collect()
}

#[test]
fn a_transaction_in_pieces() {
    let call = bind();
    let total = call.len();
    let ack = b"\x05\0\x0c\x03 acknowledged";
    let first = (C2S, transaction(total, &call[..20]));
    let go_on = (S2C, smb1(0x25, true, 7, &[], &[]));
    let second = (C2S, secondary(total, 20, &call[20..50]));
    let third = (C2S, secondary(total, 50, &call[50..]));
    // Pieces may come in any order and overlap (MS-CIFS 3.3.5.2.5).
    let again = (C2S, secondary(total, 10, &call[10..40]));
    let answers = [
        (S2C, answer(ack.len(), 0, &ack[..8])),
        (S2C, answer(ack.len(), 8, &ack[8..])),
    ];
    for requests in [
        vec![&first, &go_on, &second, &third],
        vec![&first, &go_on, &third, &second],
        vec![&first, &again, &go_on, &third, &second],
    ] {
        let mut all: Vec<_> = requests.into_iter().cloned().collect();
        all.extend(answers.clone());
        for size in [1, 9, usize::MAX] {
            let got = play(&all, size);
            assert_eq!(given(&got, C2S), call);
            assert_eq!(given(&got, S2C), ack);
            assert_eq!(got.out.count(&["Anomaly { protocol: \"smb\""]), 0);
            assert_eq!(
                got.decoder.connection.partial.held(),
                got.decoder.connection.partial.room()
            );
        }
    }
}

#[test]
fn pieces_that_never_fit_are_bounded() {
    let mut got = Player::default();
    got.data(C2S, &transaction(0xffff, &bind()[..20]));
    for n in 0..200 {
        got.data(C2S, &secondary(0xffff, 1000 + n, &[0; 4000]));
    }
    assert!(got.decoder.held() < 256 * 1024, "{}", got.decoder.held());
    assert_eq!(got.out.count(&["too many pieces out of order"]), 1);
}

/// NT_TRANSACT_IOCTL with FSCTL_PIPE_TRANSCEIVE (MS-SMB 2.2.7.2).
#[test]
fn a_pipe_by_fsctl() {
    let mut words = [0; 46];
    words[7] = 72; // total data
    words[27] = 72; // data count
    words[31] = 81; // data offset: 32 + 1 + 46 + 2
    words[35] = 4; // setup count
    words[36] = 2; // NT_TRANSACT_IOCTL
    words[38..42].copy_from_slice(&crate::proto::smb::wire::FSCTL_PIPE_TRANSCEIVE.to_le_bytes());
    words[42..44].copy_from_slice(&[0x00, 0x40]);
    let mut file = words;
    file[38] = 0x18; // another FSCTL
    let all = [
        (C2S, smb1(0xa0, false, 2, &file, &bind())),
        (C2S, smb1(0xa0, false, 3, &words, &bind())),
    ];
    let got = play(&all, usize::MAX);
    assert_eq!(got.pipes(), [("", C2S, &bind()[..])]);
}

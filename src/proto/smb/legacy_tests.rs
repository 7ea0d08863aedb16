//! SMB 1: pipes, with and without their tree connect.

use super::testkit::*;
use crate::net::Direction;
use crate::proto::testing::vector;

/// One SMB1 message: command, reply flag, MID, words, bytes.
fn smb1(command: u8, reply: bool, mid: u8, words: &[u8], bytes: &[u8]) -> Vec<u8> {
    let mut smb = b"\xffSMB".to_vec();
    smb.extend([command, 0, 0, 0, 0]); // status
    smb.extend([if reply { 0x98 } else { 0x18 }, 0x07, 0xc8]); // flags, flags2: Unicode
    smb.extend([0; 12]); // PID high, security, reserved
    smb.extend([3, 0, 0xff, 0xfe, 1, 8, mid, 0]); // TID, PID, UID, MID
    smb.push(u8::try_from(words.len() / 2).unwrap());
    smb.extend(words);
    smb.extend(le16(bytes.len()));
    smb.extend(bytes);
    message(&[smb])
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
        assert_eq!(got.out.count(&["SmbCommand"]), 0);
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

//! A synthetic SMB2 conversation, and a player that plays the part of the flow.

use super::{Decoder, wire};
use crate::limits::TAIL_BYTES;
use crate::net::Direction;
use crate::packet::{Chunk, Progress};
use crate::proto::Shared;
use crate::proto::testing::{Recorder, vector};

pub(in crate::proto::smb) const C2S: Direction = Direction::ToServer;
pub(in crate::proto::smb) const S2C: Direction = Direction::ToClient;
pub(in crate::proto::smb) const SESSION: u64 = 0x0003_d800_0400_0011;
pub(in crate::proto::smb) const TREE: u32 = 7;
pub(in crate::proto::smb) const FILE: [u8; 16] = *b"persist-volatile";
pub(in crate::proto::smb) const RESPONSE: u32 = 1;
pub(in crate::proto::smb) const RELATED: u32 = 4;

pub(in crate::proto::smb) fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// An NBSS message around SMB commands; all but the last are padded and chained.
pub(in crate::proto::smb) fn message(commands: &[Vec<u8>]) -> Vec<u8> {
    let mut smb = Vec::new();
    for (i, command) in commands.iter().enumerate() {
        let mut command = command.clone();
        if i + 1 < commands.len() {
            command.resize(command.len().next_multiple_of(8), 0);
            let next = u32::try_from(command.len()).unwrap();
            command[20..24].copy_from_slice(&next.to_le_bytes());
        }
        smb.extend(command);
    }
    let mut bytes = u32::try_from(smb.len()).unwrap().to_be_bytes().to_vec();
    bytes.extend(smb);
    bytes
}

/// One SMB2 command.
pub(in crate::proto::smb) fn command(
    code: u16,
    flags: u32,
    status: u32,
    id: u64,
    tree: u32,
    body: &[u8],
) -> Vec<u8> {
    let session = if id < 2 || (id == 2 && flags & RESPONSE == 0 && code == 1) {
        0
    } else {
        SESSION
    };
    let mut bytes = b"\xfeSMB\x40\0\x01\0".to_vec();
    bytes.extend(status.to_le_bytes());
    bytes.extend(code.to_le_bytes());
    bytes.extend([1, 0]); // credits
    bytes.extend(flags.to_le_bytes());
    bytes.extend([0; 4]); // next command
    bytes.extend(id.to_le_bytes());
    bytes.extend([0; 4]); // process id
    bytes.extend(tree.to_le_bytes());
    bytes.extend(session.to_le_bytes());
    bytes.extend([0; 16]); // signature
    bytes.extend(body);
    bytes
}

pub(in crate::proto::smb) fn le16(n: usize) -> [u8; 2] {
    u16::try_from(n).unwrap().to_le_bytes()
}

pub(in crate::proto::smb) fn le32(n: usize) -> [u8; 4] {
    u32::try_from(n).unwrap().to_le_bytes()
}

/// A body: fixed bytes with fields written at offsets from the header, then what follows.
pub(in crate::proto::smb) fn body(fixed: usize, fields: &[(usize, &[u8])], rest: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; fixed - 64];
    for (at, field) in fields {
        bytes[at - 64..at - 64 + field.len()].copy_from_slice(field);
    }
    bytes.extend(rest);
    bytes
}

pub(in crate::proto::smb) fn setup_request(token: &[u8]) -> Vec<u8> {
    body(
        88,
        &[(64, &[25]), (76, &le16(88)), (78, &le16(token.len()))],
        token,
    )
}

pub(in crate::proto::smb) fn setup_response(token: &[u8]) -> Vec<u8> {
    body(
        72,
        &[(64, &[9]), (68, &le16(72)), (70, &le16(token.len()))],
        token,
    )
}

pub(in crate::proto::smb) fn tree_request(path: &str) -> Vec<u8> {
    let path = utf16(path);
    body(
        72,
        &[(64, &[9]), (68, &le16(72)), (70, &le16(path.len()))],
        &path,
    )
}

pub(in crate::proto::smb) fn create_request(name: &str) -> Vec<u8> {
    let name = utf16(name);
    body(
        120,
        &[(64, &[57]), (108, &le16(120)), (110, &le16(name.len()))],
        &name,
    )
}

pub(in crate::proto::smb) fn create_response(file: [u8; 16]) -> Vec<u8> {
    body(152, &[(64, &[89]), (128, &file)], &[])
}

pub(in crate::proto::smb) fn write_request(file: [u8; 16], data: &[u8]) -> Vec<u8> {
    body(
        112,
        &[
            (64, &[49]),
            (66, &le16(112)),
            (68, &le32(data.len())),
            (80, &file),
        ],
        data,
    )
}

pub(in crate::proto::smb) fn read_request(file: [u8; 16]) -> Vec<u8> {
    body(113, &[(64, &[49]), (68, &le32(4280)), (80, &file)], &[])
}

pub(in crate::proto::smb) fn read_response(data: &[u8]) -> Vec<u8> {
    body(
        80,
        &[(64, &[17]), (66, &[80]), (68, &le32(data.len()))],
        data,
    )
}

pub(in crate::proto::smb) fn ioctl_request(file: [u8; 16], data: &[u8]) -> Vec<u8> {
    let code = wire::FSCTL_PIPE_TRANSCEIVE.to_le_bytes();
    let fields: [(usize, &[u8]); 5] = [
        (64, &[57]),
        (68, &code),
        (72, &file),
        (88, &le32(120)),
        (92, &le32(data.len())),
    ];
    body(120, &fields, data)
}

pub(in crate::proto::smb) fn ioctl_response(file: [u8; 16], data: &[u8]) -> Vec<u8> {
    let code = wire::FSCTL_PIPE_TRANSCEIVE.to_le_bytes();
    let fields: [(usize, &[u8]); 5] = [
        (64, &[49]),
        (68, &code),
        (72, &file),
        (96, &le32(112)),
        (100, &le32(data.len())),
    ];
    body(112, &fields, data)
}

pub(in crate::proto::smb) fn negotiate() -> [(Direction, Vec<u8>); 2] {
    let request = body(
        102,
        &[(64, &[36]), (66, &[1]), (76, b"client-guid-1234")],
        &[],
    );
    let response = body(
        128,
        &[
            (64, &[65]),
            (66, &[3]), // signing enabled and required
            (68, &0x0302_u16.to_le_bytes()),
            (72, b"server-guid-1234"),
        ],
        &[],
    );
    [
        (C2S, message(&[command(0, 0, 0, 0, 0, &request)])),
        (S2C, message(&[command(0, RESPONSE, 0, 0, 0, &response)])),
    ]
}

pub(in crate::proto::smb) fn type1() -> Vec<u8> {
    vector("spnego_negTokenInit_ntlm_type1").bytes
}

pub(in crate::proto::smb) fn type2() -> Vec<u8> {
    vector("spnego_negTokenResp_ntlm_type2").bytes
}

pub(in crate::proto::smb) fn type3() -> Vec<u8> {
    vector("spnego_negTokenResp_ntlm_type3").bytes
}

pub(in crate::proto::smb) fn bind() -> Vec<u8> {
    vector("bind_efsrpc_ndr32").bytes
}

/// Negotiate, both rounds of session setup, tree connect.
pub(in crate::proto::smb) fn logon(share: &str, share_type: u8) -> Vec<(Direction, Vec<u8>)> {
    const MORE: u32 = 0xc000_0016;
    let mut all = negotiate().to_vec();
    let tree = body(80, &[(64, &[16]), (66, &[share_type])], &[]);
    all.extend([
        (
            C2S,
            message(&[command(1, 0, 0, 2, 0, &setup_request(&type1()))]),
        ),
        (
            S2C,
            message(&[command(1, RESPONSE, MORE, 2, 0, &setup_response(&type2()))]),
        ),
        (
            C2S,
            message(&[command(1, 0, 0, 3, 0, &setup_request(&type3()))]),
        ),
        (
            S2C,
            message(&[command(1, RESPONSE, 0, 3, 0, &setup_response(&[]))]),
        ),
        (
            C2S,
            message(&[command(3, 0, 0, 4, 0, &tree_request(share))]),
        ),
        (S2C, message(&[command(3, RESPONSE, 0, 4, TREE, &tree)])),
    ]);
    all
}

/// The logon, then a pipe: bind by WRITE and READ, a call by IOCTL whose answer is continued by READ.
pub(in crate::proto::smb) fn conversation() -> Vec<(Direction, Vec<u8>)> {
    let call = vector("smb2_ioctl_pipe_transceive_efs").bytes[124..].to_vec();
    let (head, tail) = (&bind()[..24], &bind()[24..]);
    let written = body(80, &[(64, &[17])], &[]);
    let mut all = logon(r"\\10.0.0.1\IPC$", 2);
    all.extend([
        (
            C2S,
            message(&[command(5, 0, 0, 5, TREE, &create_request(r"\PIPE\LsaRPC"))]),
        ),
        (
            S2C,
            message(&[command(5, RESPONSE, 0, 5, TREE, &create_response(FILE))]),
        ),
        (
            C2S,
            message(&[command(9, 0, 0, 6, TREE, &write_request(FILE, &bind()))]),
        ),
        (S2C, message(&[command(9, RESPONSE, 0, 6, TREE, &written)])),
        (
            C2S,
            message(&[command(8, 0, 0, 7, TREE, &read_request(FILE))]),
        ),
        // Pending first; the answer itself is asynchronous and names no tree.
        (
            S2C,
            message(&[command(8, 3, 0x103, 7, 0, &[9, 0, 0, 0, 0, 0, 0, 0, 0])]),
        ),
        (
            S2C,
            message(&[command(
                8,
                3,
                0,
                7,
                0,
                &read_response(b"\x05\x00\x0c\x03 bind_ack"),
            )]),
        ),
        (
            C2S,
            message(&[command(11, 0, 0, 8, TREE, &ioctl_request(FILE, &call))]),
        ),
        (
            S2C,
            message(&[command(
                11,
                RESPONSE,
                0x8000_0005,
                8,
                TREE,
                &ioctl_response(FILE, head),
            )]),
        ),
        (
            C2S,
            message(&[command(8, 0, 0, 9, TREE, &read_request(FILE))]),
        ),
        (
            S2C,
            message(&[command(8, RESPONSE, 0, 9, TREE, &read_response(tail))]),
        ),
        (
            C2S,
            message(&[command(
                6,
                0,
                0,
                10,
                TREE,
                &body(88, &[(64, &[24]), (72, &FILE)], &[]),
            )]),
        ),
        (
            S2C,
            message(&[command(
                6,
                RESPONSE,
                0,
                10,
                TREE,
                &body(124, &[(64, &[60])], &[]),
            )]),
        ),
    ]);
    all
}

/// Plays the part of the flow: keeps what was not taken, passes over what is skipped.
#[derive(Default)]
pub(in crate::proto::smb) struct Player {
    pub(in crate::proto::smb) decoder: Decoder,
    pub(in crate::proto::smb) shared: Shared,
    pub(in crate::proto::smb) out: Recorder,
    kept: [Vec<u8>; 2],
    need: [usize; 2],
    skip: [u64; 2],
    pub(in crate::proto::smb) skipped: u64,
    pub(in crate::proto::smb) done: bool,
}

impl Player {
    pub(in crate::proto::smb) fn data(&mut self, direction: Direction, mut bytes: &[u8]) {
        let i = direction.index();
        let over = usize::try_from(self.skip[i])
            .unwrap_or(usize::MAX)
            .min(bytes.len());
        self.skip[i] -= over as u64;
        self.skipped += over as u64;
        bytes = &bytes[over..];
        self.kept[i].extend(bytes);
        if self.done || bytes.is_empty() || self.kept[i].len() < self.need[i] {
            return;
        }
        let chunk = Chunk::Data(&self.kept[i]);
        match self
            .decoder
            .chunk(direction, chunk, &mut self.shared, &mut self.out)
        {
            Progress::Took { bytes, need } => {
                assert!(need <= TAIL_BYTES, "{need}");
                self.kept[i].drain(..bytes);
                assert!(
                    need.max(1) > self.kept[i].len(),
                    "would be asked again for nothing"
                );
                self.need[i] = need;
            }
            Progress::Skip { bytes } => {
                self.skip[i] = bytes - self.kept[i].len() as u64;
                self.kept[i].clear();
                self.need[i] = 0;
            }
            Progress::Done => self.done = true,
        }
    }

    pub(in crate::proto::smb) fn gap(&mut self, direction: Direction) {
        let i = direction.index();
        self.kept[i].clear();
        self.need[i] = 0;
        self.decoder
            .chunk(direction, Chunk::Gap(9), &mut self.shared, &mut self.out);
    }

    pub(in crate::proto::smb) fn end(mut self) -> Self {
        for direction in [C2S, S2C] {
            self.decoder
                .chunk(direction, Chunk::End, &mut self.shared, &mut self.out);
        }
        self
    }

    pub(in crate::proto::smb) fn pipes(&self) -> Vec<(&str, Direction, &[u8])> {
        let tap = self.decoder.tap().iter();
        tap.map(|(pipe, direction, bytes)| (&pipe[..], *direction, &bytes[..]))
            .collect()
    }
}

/// Plays messages in pieces of this size.
pub(in crate::proto::smb) fn play(messages: &[(Direction, Vec<u8>)], size: usize) -> Player {
    let mut player = Player::default();
    for (direction, bytes) in messages {
        for piece in bytes.chunks(size) {
            player.data(*direction, piece);
        }
    }
    player.end()
}

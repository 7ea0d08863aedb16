use super::*;
use crate::proto::ntlmssp::wire::message_type;
use crate::proto::spnego::wire::ntlm_message;
use crate::proto::testing::vector;
use crate::wire::Text;

#[test]
fn session_setup_vector() {
    let v = vector("smb2_session_setup_spnego_type1");
    let command = &v.bytes[4..];
    let header = Header::read(command).unwrap();
    assert_eq!(header.command, Command::SESSION_SETUP);
    assert!(!header.is_response() && header.session_id == 0);
    let (_, mode, blob) = session_setup_request(command).unwrap();
    let required = u16::from(mode) & SIGNING_REQUIRED != 0;
    assert_eq!(Some(required), v.expect["signing_required"].as_bool());
    let token = blob.of(command, "blob").unwrap();
    assert_eq!(message_type(ntlm_message(token).unwrap()), v.number("ntlm"));
}

#[test]
fn create_vector() {
    let v = vector("smb2_create_pipe_lsarpc");
    let command = &v.bytes[4..];
    let header = Header::read(command).unwrap();
    assert_eq!((header.command, header.tree_id), (Command::CREATE, Some(1)));
    assert_eq!(header.session_id, 0x0003_d800_0400_0011);
    let name = create_request(command).unwrap();
    assert!(Text::utf16(name.of(command, "name").unwrap()) == v.text("pipe"));
}

#[test]
fn transceive_vector() {
    let v = vector("smb2_ioctl_pipe_transceive_efs");
    let command = &v.bytes[4..];
    assert_eq!(Ioctl::code(command), Ok(FSCTL_PIPE_TRANSCEIVE));
    let data = Ioctl::request(command).unwrap().data;
    let pdu = data.of(command, "pdu").unwrap();
    let opnum = u16::from_le_bytes([pdu[22], pdu[23]]);
    assert_eq!(Some(u32::from(opnum)), v.number("opnum"));
    let unc: Vec<u8> = v
        .text("unc")
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    assert!(pdu.windows(unc.len()).any(|w| w == unc));
}

#[test]
fn the_next_command_must_lie_inside() {
    let mut bytes = vector("smb2_create_pipe_lsarpc").bytes.split_off(4);
    let with_next = |bytes: &mut Vec<u8>, next: u32| {
        bytes[20..24].copy_from_slice(&next.to_le_bytes());
        Header::read(bytes).unwrap().length(200)
    };
    assert_eq!(with_next(&mut bytes, 0), Ok(200));
    assert_eq!(with_next(&mut bytes, 136), Ok(136));
    for bad in [8, 56, 132, 200, 208, u32::MAX] {
        assert!(with_next(&mut bytes, bad).is_err(), "{bad}");
    }
}

#[test]
fn an_async_header_has_no_tree() {
    let mut bytes = vector("smb2_create_pipe_lsarpc").bytes.split_off(4);
    bytes[16] = 3; // answer, async
    let header = Header::read(&bytes).unwrap();
    assert!(header.is_response() && header.tree_id.is_none());
}

#[test]
fn pieces_say_how_much_they_need() {
    let v = vector("smb2_create_pipe_lsarpc");
    let command = &v.bytes[4..];
    let name = create_request(command).unwrap();
    let cut = name.of(&command[..125], "name");
    assert_eq!(
        cut,
        Err(Error::Short {
            what: "name",
            need: 132
        })
    );
    let inside_header = Piece { at: 8, length: 4 };
    assert!(matches!(
        inside_header.of(command, "name"),
        Err(Error::Malformed { .. })
    ));
    for n in 0..112 {
        assert!(create_request(&command[..n]).is_err(), "{n}");
    }
}

/// NEGOTIATE request offering 3.0.2 and 3.1.1, with contexts for encryption, signing and the server's name.
fn negotiate_request() -> Vec<u8> {
    let mut m = vec![0; 112];
    m[66] = 2; // two dialects
    m[68] = 3; // signing enabled and required
    m[72] = 0x7f; // capabilities, encryption among them
    m[76..92].fill(0xc1); // client GUID
    m[92] = 104; // contexts
    m[96] = 3;
    m[100..104].copy_from_slice(&[0x02, 0x03, 0x11, 0x03]);
    m.truncate(104);
    m.extend([2, 0, 6, 0, 0, 0, 0, 0]); // encryption, 6 bytes
    m.extend([2, 0, 2, 0, 1, 0, 0xff, 0xff]); // two ciphers: gcm, ccm; padding as impacket makes it
    m.extend([8, 0, 4, 0, 0, 0, 0, 0]); // signing, 4 bytes
    m.extend([1, 0, 2, 0, 0, 0, 0, 0]); // one algorithm: gmac; padding
    m.extend([5, 0, 8, 0, 0, 0, 0, 0]); // name, 8 bytes
    m.extend(*b"d\0c\x000\x001\0");
    m
}

#[test]
fn negotiate_contexts() {
    let m = negotiate_request();
    let read = NegotiateRequest::read(&m).unwrap();
    assert_eq!(read.security_mode, 3);
    assert_eq!(read.capabilities, 0x7f);
    assert_eq!(read.contexts.first(context::ENCRYPTION), Some(2));
    assert_eq!(read.contexts.first(context::SIGNING), Some(2));
    let name = read.contexts.find(context::NETNAME).unwrap();
    assert_eq!(crate::wire::Text::utf16(name).to_string(), "dc01");
    assert_eq!(read.contexts.count(), 3);
    // Cut anywhere: what is whole is read, and nothing is made up.
    for n in 104..m.len() {
        let read = NegotiateRequest::read(&m[..n]).unwrap();
        assert!(read.contexts.count() < 3, "{n}");
    }
    // Contexts inside the header, or none without 3.1.1.
    let mut bad = m.clone();
    bad[92] = 20;
    assert_eq!(NegotiateRequest::read(&bad).unwrap().contexts.count(), 0);
    let mut old = m;
    old[102] = 0;
    assert_eq!(NegotiateRequest::read(&old).unwrap().contexts.count(), 0);
}

#[test]
fn the_header_of_an_encrypted_message() {
    let v = vector("smb3_transform_header");
    let header = Transform::read(&v.bytes[4..]).unwrap();
    assert_eq!(header.size, 0x60);
    assert_eq!(
        header.session_id,
        u64::from_le_bytes(v.bytes[48..56].try_into().unwrap())
    );
    assert!(!header.has_letters());
    let letters = Transform {
        nonce: *b"fWsZJSrVuVN\0\0\0\0\0",
        ..header
    };
    assert!(letters.has_letters());
}

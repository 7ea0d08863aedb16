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

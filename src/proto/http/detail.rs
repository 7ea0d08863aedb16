//! What a request head tells beyond what is written of every request.

use super::wire::Fields;
use crate::event::HttpDetail;

/// WinRM (MS-WSMV 2.2.9.1) and proxy discovery (WPAD): what is special about this request, if anything.
pub(super) fn of(method: &[u8], target: &[u8], fields: Fields<'_>) -> Option<HttpDetail<'static>> {
    let path = target.split(|b| *b == b'?').next().unwrap_or_default();
    let ends = |name: &[u8]| {
        let at = path.len().checked_sub(name.len());
        at.and_then(|at| path.get(at..))
            .is_some_and(|tail| tail.eq_ignore_ascii_case(name))
    };
    if method == b"POST" && (ends(b"/wsman") || ends(b"/wsman/")) {
        return Some(HttpDetail {
            message: "winrm",
            protection: protection(fields.get(b"Content-Type").unwrap_or_default()),
            ..HttpDetail::default()
        });
    }
    ends(b"/wpad.dat").then(|| HttpDetail {
        message: "wpad",
        ..HttpDetail::default()
    })
}

/// What encrypts a body, by the `protocol` parameter of its type (MS-WSMV 2.2.9.1.1).
fn protection(content_type: &[u8]) -> &'static str {
    let lower = content_type.to_ascii_lowercase();
    let has = |part: &[u8]| memchr::memmem::find(&lower, part).is_some();
    match () {
        () if !has(b"session-encrypted") => "none",
        () if has(b"/http-spnego-") => "spnego",
        () if has(b"/http-kerberos-") => "kerberos",
        () if has(b"/http-credssp-") => "credssp",
        () => "other",
    }
}

//! The form by which certificates are asked for over HTTP: `certfnsh.asp` of AD CS web enrolment.
//!
//! ```text
//! Mode=newreq&CertRequest=...&CertAttrib=CertificateTemplate%3AUser%0D%0A...&TargetStoreFlags=0&SaveCert=yes
//! ```
//!
//! The pages are not specified; this is what browsers and tools send to them. `CertAttrib` holds the attributes of
//! MS-WCCE 2.2.2.7.10, a line each.
//!
//! Not read: the request itself, answers, forms other than `application/x-www-form-urlencoded`, more of the
//! attributes than [`HTTP_FORM_BYTES`].
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation
    )
)]

use crate::event::{Event, HttpDetail, Sink};
use crate::limits::HTTP_FORM_BYTES;
use crate::net::Direction;
use crate::packet::Chunk;

/// The field with the attributes.
const FIELD: &[u8] = b"CertAttrib";
/// Longest name of a field that is kept.
const NAME: usize = 32;

/// One form, as far as it came. Only the field's value is kept, still encoded.
#[derive(Debug, Default)]
pub struct Form {
    name: Vec<u8>,
    value: Vec<u8>,
    in_value: bool,
    found: bool,
}

/// True for the page that takes requests. IIS takes it in any case.
#[must_use]
pub fn is_page(method: &[u8], target: &[u8]) -> bool {
    const PAGE: &[u8] = b"/certfnsh.asp";
    let path = target.split(|b| *b == b'?').next().unwrap_or_default();
    let at = path.len().checked_sub(PAGE.len());
    let tail = at.and_then(|at| path.get(at..)).unwrap_or_default();
    method == b"POST" && tail.eq_ignore_ascii_case(PAGE)
}

impl Form {
    /// Bytes of heap, itself included.
    #[must_use]
    pub fn held(&self) -> usize {
        size_of::<Self>()
            .saturating_add(self.name.capacity())
            .saturating_add(self.value.capacity())
    }

    /// The next piece of the body.
    pub fn body(&mut self, chunk: Chunk<'_>, out: &mut dyn Sink) {
        match chunk {
            Chunk::Data(bytes) => bytes.iter().for_each(|b| self.byte(*b)),
            // What is left of a value says something else; the next field is a field again.
            Chunk::Gap(_) => {
                self.name = vec![0; NAME];
                self.in_value = true;
                if !self.found {
                    self.value.clear();
                }
            }
            Chunk::End => self.end(out),
        }
    }

    fn byte(&mut self, b: u8) {
        match b {
            b'&' => {
                self.found |= self.is_field() && self.in_value;
                self.name.clear();
                self.in_value = false;
            }
            b'=' if !self.in_value => self.in_value = true,
            b if self.in_value => {
                let wanted = !self.found && self.is_field();
                let room = HTTP_FORM_BYTES.saturating_sub(self.value.len());
                self.value.extend((wanted && room > 0).then_some(b));
            }
            b if self.name.len() < NAME => self.name.push(b),
            _ => {}
        }
    }

    fn is_field(&self) -> bool {
        self.name.eq_ignore_ascii_case(FIELD)
    }

    fn end(&mut self, out: &mut dyn Sink) {
        let text = decoded(&self.value);
        let lines = || text.lines().map(str::trim).filter(|l| !l.is_empty());
        let template = lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            let is = name.trim().eq_ignore_ascii_case("CertificateTemplate");
            is.then_some(value.trim())
        });
        let attributes = lines().collect::<Vec<_>>().join("; ");
        let event = HttpDetail {
            message: "enrolment",
            template: template.unwrap_or_default(),
            attributes: &attributes,
            ..HttpDetail::default()
        };
        out.event(Direction::ToServer, &Event::HttpDetail(event));
        *self = Self::default();
    }
}

/// `application/x-www-form-urlencoded` undone (WHATWG URL 5.1).
fn decoded(value: &[u8]) -> String {
    let mut bytes = Vec::with_capacity(value.len());
    let mut left = value.iter();
    let digit = |b: Option<&u8>| b.and_then(|b| char::from(*b).to_digit(16));
    while let Some(b) = left.next() {
        let mut ahead = left.clone();
        match (b, digit(ahead.next()), digit(ahead.next())) {
            (b'%', Some(high), Some(low)) => {
                bytes.push(u8::try_from((high << 4) | low).unwrap_or(b'?'));
                left = ahead;
            }
            (b'+', ..) => bytes.push(b' '),
            (b, ..) => bytes.push(*b),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::testing::Recorder;

    /// As ntlmrelayx and certipy send it.
    const BODY: &[u8] = b"Mode=newreq&CertRequest=MIIB%2BCertAttrib=x&CertAttrib=CertificateTemplate%3ADomainController%0D%0A\
        SAN%3Aupn%3Dadministrator%40lab.test&TargetStoreFlags=0&SaveCert=yes&ThumbPrint=";

    fn read(pieces: &[&[u8]]) -> Recorder {
        let (mut form, mut out) = (Form::default(), Recorder::default());
        for piece in pieces {
            form.body(Chunk::Data(piece), &mut out);
        }
        form.body(Chunk::End, &mut out);
        out
    }

    #[test]
    fn every_cut_of_a_form() {
        let whole = read(&[BODY]);
        let said = [
            "template: \"DomainController\"",
            "attributes: \"CertificateTemplate:DomainController; SAN:upn=administrator@lab.test\"",
        ];
        assert_eq!(whole.count(&said), 1, "{:?}", whole.0);
        for cut in 0..BODY.len() {
            assert_eq!(read(&[&BODY[..cut], &BODY[cut..]]), whole, "{cut}");
        }
    }

    #[test]
    fn forms_of_other_shapes() {
        for (body, template) in [
            (&b"CertAttrib=CertificateTemplate:User"[..], "User"),
            (
                b"certattrib=certificatetemplate:+Web+Server+%0a",
                "Web Server",
            ),
            (b"CertAttrib=%zz%4&CertAttrib=CertificateTemplate:Late", ""),
            (b"", ""),
            (b"&&&===&CertAttrib", ""),
        ] {
            let out = read(&[body]);
            assert_eq!(
                out.count(&[&format!("template: {template:?}")]),
                1,
                "{:?}",
                out.0
            );
        }
    }

    #[test]
    fn what_is_kept_is_bounded_and_a_gap_hides_the_rest_of_a_field() {
        let (mut form, mut out) = (Form::default(), Recorder::default());
        form.body(Chunk::Data(b"CertAttrib="), &mut out);
        for _ in 0..100 {
            form.body(Chunk::Data(&[b'a'; 1000]), &mut out);
        }
        assert!(form.held() < 4 * HTTP_FORM_BYTES, "{}", form.held());
        let mut form = Form::default();
        form.body(Chunk::Data(b"CertAttrib=Certi"), &mut out);
        form.body(Chunk::Gap(5), &mut out);
        form.body(
            Chunk::Data(b"x&CertAttrib=CertificateTemplate:User"),
            &mut out,
        );
        form.body(Chunk::End, &mut out);
        assert_eq!(out.count(&["template: \"User\""]), 1, "{:?}", out.0);
    }

    #[test]
    fn the_page_in_any_case() {
        assert!(is_page(b"POST", b"/CertSrv/CertFnsh.asp"));
        assert!(is_page(b"POST", b"/certsrv/certfnsh.asp?x=1"));
        assert!(!is_page(b"GET", b"/certsrv/certfnsh.asp"));
        assert!(!is_page(b"POST", b"/certsrv/certrqxt.asp"));
    }
}

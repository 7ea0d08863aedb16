//! Requests other than binds (RFC 4511 4.5 to 4.12), as an event; keeps nothing but room for text.
//!
//! ```text
//! ModifyRequest   [6]  { object, changes SEQUENCE OF { operation ENUMERATED, { type, vals SET OF } } }
//! AddRequest      [8]  { entry, attributes SEQUENCE OF { type, vals SET OF } }
//! DelRequest      [10] object
//! ModifyDNRequest [12] { entry, newrdn, deleteoldrdn BOOLEAN, newSuperior [0] OPTIONAL }
//! CompareRequest  [14] { entry, { attributeDesc, assertionValue } }
//! SearchRequest   [3]  { base, scope ENUMERATED, deref ENUMERATED, sizeLimit, timeLimit, typesOnly,
//!                        filter, attributes SEQUENCE OF LDAPString }
//! ExtendedRequest [23] { requestName [0], requestValue [1] OPTIONAL }
//! ```
//!
//! Values are counted and measured, not shown: they hold passwords and keys. The classes of a new
//! object are shown.

use super::filter;
use super::netlogon::Names;
use super::wire::op;
use crate::event::{LdapRequest, SaslLayer, Words};
use crate::limits::{LDAP_ATTRIBUTES, LDAP_TEXT_BYTES};
use crate::wire::{Reader, Result, Text, Tlv, tag};

/// Room for the texts of one request, used again for the next.
#[derive(Debug, Default)]
pub struct Scratch {
    attributes: String,
    changes: String,
    classes: String,
    filter: String,
    listed: usize,
    /// Texts of an answer to a ping for `netlogon`.
    pub(super) names: Names,
}

/// What is counted while a request is read.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    values: u32,
    bytes: u64,
    marshalled: bool,
}

impl Scratch {
    /// Reads the contents of a request, of which the end may be missing: then what there is.
    ///
    /// # Errors
    /// If not even its object is there.
    pub(super) fn read<'a>(
        &'a mut self,
        code: u8,
        id: u32,
        contents: &'a [u8],
        sasl_layer: SaslLayer,
    ) -> Result<LdapRequest<'a>> {
        for text in [
            &mut self.attributes,
            &mut self.changes,
            &mut self.classes,
            &mut self.filter,
        ] {
            text.clear();
        }
        self.listed = 0;
        let mut r = Reader::new(contents);
        let mut seen = Seen::default();
        let mut request = LdapRequest {
            operation: name(code),
            message_id: id,
            object: Text::default(),
            attributes: Words::default(),
            changes: Words::default(),
            value_count: None,
            value_bytes: None,
            object_class: Words::default(),
            new_rdn: Text::default(),
            new_superior: Text::default(),
            scope: "",
            filter: "",
            name: "",
            marshalled_target: None,
            sasl_layer,
            abandoned: None,
            scope_code: 0,
            delete_old_rdn: false,
        };
        match code {
            op::ABANDON_REQUEST => {
                let id = contents.iter().take(4);
                request.abandoned = Some(id.fold(0, |n, b| (n << 8) | u32::from(*b)));
            }
            op::UNBIND_REQUEST => {}
            op::DEL_REQUEST => request.object = utf8(contents),
            op::EXTENDED_REQUEST => {
                let name = Tlv::expect(&mut r, 0x80, "requestName")?;
                request.name = std::str::from_utf8(name).unwrap_or("unknown");
            }
            _ => {
                let object = Tlv::expect(&mut r, tag::OCTET_STRING, "object")?;
                seen.marshalled |= is_marshalled(object);
                request.object = utf8(object);
                // From here on the end may be missing.
                let _ = match code {
                    op::MODIFY_REQUEST => self.modifications(&mut r, &mut seen),
                    op::ADD_REQUEST => self.additions(&mut r, &mut seen),
                    op::COMPARE_REQUEST => self.comparison(&mut r, &mut seen),
                    op::MOD_DN_REQUEST => mod_dn(&mut r, &mut request, &mut seen),
                    op::SEARCH_REQUEST => self.search(&mut r, &mut request, &mut seen),
                    _ => Ok(()),
                };
            }
        }
        let counted = matches!(code, op::MODIFY_REQUEST | op::ADD_REQUEST);
        Ok(LdapRequest {
            attributes: Words::new(&self.attributes),
            changes: Words::new(&self.changes),
            object_class: Words::new(&self.classes),
            filter: &self.filter,
            value_count: counted.then_some(seen.values),
            value_bytes: counted.then_some(seen.bytes),
            marshalled_target: seen.marshalled.then_some(true),
            ..request
        })
    }

    fn modifications(&mut self, r: &mut Reader<'_>, seen: &mut Seen) -> Result<()> {
        let mut changes = into(r)?;
        while !changes.is_empty() {
            let mut change = into(&mut changes)?;
            let operation = match Tlv::read(&mut change)?.value {
                [0] => "add",
                [1] => "delete",
                [2] => "replace",
                [3] => "increment", // RFC 4525
                _ => "unknown",
            };
            if self.attribute(&mut into(&mut change)?, seen)? {
                push_word(operation.as_bytes(), &mut self.changes);
            }
        }
        Ok(())
    }

    fn additions(&mut self, r: &mut Reader<'_>, seen: &mut Seen) -> Result<()> {
        let mut attributes = into(r)?;
        while !attributes.is_empty() {
            self.attribute(&mut into(&mut attributes)?, seen)?;
        }
        Ok(())
    }

    /// `SEQUENCE { type, vals SET OF }`, the sequence opened. True if its name is listed.
    fn attribute(&mut self, r: &mut Reader<'_>, seen: &mut Seen) -> Result<bool> {
        let name = Tlv::expect(r, tag::OCTET_STRING, "attribute")?;
        let listed = self.list(name);
        let mut values = into(r)?;
        let is = |what: &str| name.eq_ignore_ascii_case(what.as_bytes());
        let (class, named) = (
            is("objectClass"),
            is("dNSHostName") || is("servicePrincipalName") || is("msDS-AdditionalDnsHostName"),
        );
        while !values.is_empty() {
            let value = Tlv::read(&mut values)?.value;
            seen.values = seen.values.saturating_add(1);
            seen.bytes = seen
                .bytes
                .saturating_add(u64::try_from(value.len()).unwrap_or(u64::MAX));
            if class {
                push_word(value, &mut self.classes);
            }
            seen.marshalled |= named && is_marshalled(value);
        }
        Ok(listed)
    }

    fn comparison(&mut self, r: &mut Reader<'_>, seen: &mut Seen) -> Result<()> {
        let mut assertion = into(r)?;
        let name = Tlv::read(&mut assertion)?.value;
        self.list(name);
        seen.marshalled |= is_marshalled(Tlv::read(&mut assertion)?.value);
        Ok(())
    }

    fn search(
        &mut self,
        r: &mut Reader<'_>,
        request: &mut LdapRequest<'_>,
        seen: &mut Seen,
    ) -> Result<()> {
        let scope = Tlv::read(r)?.uint()?;
        request.scope_code = u32::try_from(scope).unwrap_or(u32::MAX);
        request.scope = match scope {
            0 => "base",
            1 => "one",
            2 => "subtree",
            3 => "children",
            _ => "unknown",
        };
        for _ in 0..4 {
            Tlv::read(r)?; // derefAliases, sizeLimit, timeLimit, typesOnly
        }
        let after = *r;
        filter::push(r, &mut self.filter);
        seen.marshalled |= is_marshalled(self.filter.as_bytes());
        *r = after;
        Tlv::read(r)?;
        let mut attributes = into(r)?;
        while !attributes.is_empty() {
            let name = Tlv::read(&mut attributes)?.value;
            self.list(name);
        }
        Ok(())
    }

    fn list(&mut self, name: &[u8]) -> bool {
        self.listed = self.listed.saturating_add(1);
        self.listed <= LDAP_ATTRIBUTES && push_word(name, &mut self.attributes)
    }
}

fn mod_dn<'a>(r: &mut Reader<'a>, request: &mut LdapRequest<'a>, seen: &mut Seen) -> Result<()> {
    let rdn = Tlv::expect(r, tag::OCTET_STRING, "newrdn")?;
    seen.marshalled |= is_marshalled(rdn);
    request.new_rdn = utf8(rdn);
    request.delete_old_rdn = Tlv::read(r)?.value != [0];
    if !r.is_empty() {
        request.new_superior = utf8(Tlv::expect(r, 0x80, "newSuperior")?);
    }
    Ok(())
}

/// Opens a constructed element, whose end may be missing.
fn into<'a>(r: &mut Reader<'a>) -> Result<Reader<'a>> {
    let (_, length) = Tlv::header(r)?;
    let there = length.min(r.left());
    r.sub(there, "contents")
}

/// Adds a name to a list, what does not print in it replaced. False if there is no room.
fn push_word(word: &[u8], list: &mut String) -> bool {
    if word.is_empty() || list.len().saturating_add(word.len()) > LDAP_TEXT_BYTES {
        return false;
    }
    if !list.is_empty() {
        list.push('\n');
    }
    list.extend(word.iter().map(|b| match b {
        b' '..=b'~' => char::from(*b),
        _ => '?',
    }));
    true
}

/// True for a name with a marshalled target in it (CREDENTIAL_TARGET_INFORMATION, catalogue K1).
/// Resolvers and clients change case.
fn is_marshalled(name: &[u8]) -> bool {
    name.windows(6).any(|w| w.eq_ignore_ascii_case(b"UWhRCA"))
}

/// Suricata's name of a request.
fn name(code: u8) -> &'static str {
    match code {
        op::UNBIND_REQUEST => "unbind_request",
        op::SEARCH_REQUEST => "search_request",
        op::MODIFY_REQUEST => "modify_request",
        op::ADD_REQUEST => "add_request",
        op::DEL_REQUEST => "del_request",
        op::MOD_DN_REQUEST => "mod_dn_request",
        op::COMPARE_REQUEST => "compare_request",
        op::ABANDON_REQUEST => "abandon_request",
        op::EXTENDED_REQUEST => "extended_request",
        _ => "unknown",
    }
}

/// LDAP strings are UTF-8 (RFC 4511 4.1.2).
pub(super) fn utf8(bytes: &[u8]) -> Text<'_> {
    std::str::from_utf8(bytes).map_or(Text::Bytes(bytes), Text::Str)
}

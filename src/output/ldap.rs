//! Bodies of `ldap`, which is Suricata's, and of `ldap_op`, which is ours.
//!
//! Suricata's `credentials`, `server_sasl_creds` and every value are left out: they can be cracked,
//! or are secrets as they stand.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::eve::Show;
use super::names::{self, Named};
use super::protocol::{some, some_text};
use crate::event::{LdapBind, LdapRequest, LdapResult, Words};
use crate::wire::Text;

/// Suricata's `ldap`.
#[derive(Serialize, Default)]
pub(super) struct Ldap<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<Request<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    responses: Option<[Response<'a>; 1]>,
}

pub(super) fn bind<'a>(e: &LdapBind<'a>) -> Ldap<'a> {
    Ldap {
        request: Some(Request::Bind(*e)),
        responses: None,
    }
}

pub(super) fn request<'a>(e: &LdapRequest<'a>) -> Ldap<'a> {
    Ldap {
        request: Some(Request::Other(*e)),
        responses: None,
    }
}

pub(super) fn result<'a>(e: &LdapResult<'a>) -> Ldap<'a> {
    Ldap {
        request: None,
        responses: Some([Response(*e)]),
    }
}

enum Request<'a> {
    Bind(LdapBind<'a>),
    Other(LdapRequest<'a>),
}

impl Serialize for Request<'_> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut map = s.serialize_map(None)?;
        match self {
            Self::Bind(e) => {
                map.serialize_entry("message_id", &e.message_id)?;
                map.serialize_entry("operation", "bind_request")?;
                map.serialize_entry("bind_request", &BindRequest::new(e))?;
            }
            Self::Other(e) => {
                map.serialize_entry("message_id", &e.message_id)?;
                map.serialize_entry("operation", e.operation)?;
                body(e, &mut map)?;
            }
        }
        map.end()
    }
}

/// The object named like the operation, for those that have one.
fn body<M: SerializeMap>(e: &LdapRequest<'_>, map: &mut M) -> Result<(), M::Error> {
    let object = some_text(e.object);
    let nothing = match e.operation {
        "modify_request" | "add_request" | "compare_request" => e.attributes.is_empty(),
        "extended_request" => return one(map, e.operation, "name", some(e.name)),
        "abandon_request" => return one(map, e.operation, "message_id", e.abandoned),
        "del_request" => return one(map, e.operation, "dn", object),
        _ => false,
    };
    if nothing && e.object.is_empty() {
        return Ok(());
    }
    match e.operation {
        "modify_request" => map.serialize_entry(
            e.operation,
            &Modify {
                object,
                changes: Changes::of(e),
            },
        ),
        "add_request" => map.serialize_entry(
            e.operation,
            &Add {
                entry: object,
                attributes: Names::of(e.attributes),
            },
        ),
        "mod_dn_request" => map.serialize_entry(
            e.operation,
            &ModifyDn {
                entry: object,
                new_rdn: some_text(e.new_rdn),
                delete_old_rdn: e.delete_old_rdn,
                new_superior: some_text(e.new_superior),
            },
        ),
        "compare_request" => map.serialize_entry(
            e.operation,
            &Compare {
                entry: object,
                attribute_value_assertion: e
                    .attributes
                    .iter()
                    .next()
                    .map(|description| Assertion { description }),
            },
        ),
        "search_request" => map.serialize_entry(
            e.operation,
            &Search {
                base_object: object,
                scope: e.scope_code,
                attributes: Some(e.attributes).filter(|a| !a.is_empty()),
            },
        ),
        _ => Ok(()),
    }
}

/// An object with one field, if there is that.
fn one<M: SerializeMap>(
    map: &mut M,
    operation: &str,
    field: &'static str,
    value: Option<impl Serialize>,
) -> Result<(), M::Error> {
    match value {
        Some(value) => map.serialize_entry(
            operation,
            &std::collections::BTreeMap::from([(field, value)]),
        ),
        None => Ok(()),
    }
}

#[derive(Serialize)]
struct BindRequest<'a> {
    version: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<Show<Text<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sasl: Option<Sasl<'a>>,
}

impl<'a> BindRequest<'a> {
    fn new(e: &LdapBind<'a>) -> Self {
        Self {
            version: e.version,
            name: some_text(e.name),
            // A Sicily bind is no SASL, but this is where readers look for the mechanism.
            sasl: some(e.mechanism)
                .filter(|m| *m != "simple")
                .map(|mechanism| Sasl { mechanism }),
        }
    }
}

#[derive(Serialize)]
struct Sasl<'a> {
    mechanism: &'a str,
}

#[derive(Serialize)]
struct Modify<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    object: Option<Show<Text<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    changes: Option<Changes<'a>>,
}

/// Changes, one an attribute.
struct Changes<'a> {
    operations: Words<'a>,
    attributes: Words<'a>,
}

impl<'a> Changes<'a> {
    fn of(e: &LdapRequest<'a>) -> Option<Self> {
        (!e.changes.is_empty()).then_some(Self {
            operations: e.changes,
            attributes: e.attributes,
        })
    }
}

impl Serialize for Changes<'_> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let pairs = self.operations.iter().zip(self.attributes.iter());
        s.collect_seq(pairs.map(|(operation, attribute_type)| Change {
            operation,
            modification: Modification { attribute_type },
        }))
    }
}

#[derive(Serialize)]
struct Change<'a> {
    operation: &'a str,
    modification: Modification<'a>,
}

#[derive(Serialize)]
struct Modification<'a> {
    attribute_type: &'a str,
}

#[derive(Serialize)]
struct Add<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    entry: Option<Show<Text<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attributes: Option<Names<'a>>,
}

/// Attributes by name.
struct Names<'a>(Words<'a>);

impl<'a> Names<'a> {
    fn of(names: Words<'a>) -> Option<Self> {
        (!names.is_empty()).then_some(Self(names))
    }
}

impl Serialize for Names<'_> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_seq(self.0.iter().map(|name| Name { name }))
    }
}

#[derive(Serialize)]
struct Name<'a> {
    name: &'a str,
}

#[derive(Serialize)]
struct ModifyDn<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    entry: Option<Show<Text<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    new_rdn: Option<Show<Text<'a>>>,
    delete_old_rdn: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    new_superior: Option<Show<Text<'a>>>,
}

#[derive(Serialize)]
struct Compare<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    entry: Option<Show<Text<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attribute_value_assertion: Option<Assertion<'a>>,
}

#[derive(Serialize)]
struct Assertion<'a> {
    description: &'a str,
}

#[derive(Serialize)]
struct Search<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    base_object: Option<Show<Text<'a>>>,
    scope: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    attributes: Option<Words<'a>>,
}

struct Response<'a>(LdapResult<'a>);

impl Serialize for Response<'_> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let Self(e) = self;
        let mut map = s.serialize_map(None)?;
        map.serialize_entry("operation", e.operation)?;
        map.serialize_entry("message_id", &e.message_id)?;
        let body = Outcome {
            result_code: Show(Named(names::ldap_result(e.code), e.code)),
            message: some_text(e.message),
            name: some(e.name),
        };
        map.serialize_entry(e.operation, &body)?;
        map.end()
    }
}

#[derive(Serialize)]
struct Outcome<'a> {
    result_code: Show<Named>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<Show<Text<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
}

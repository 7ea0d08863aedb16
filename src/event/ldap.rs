//! LDAP events.

use super::schema::{AsValue, Value, ValueKind, Words, declare_event};
use crate::wire::Text;

declare_event! {
    /// A bind request (RFC 4511 4.2; MS-ADTS 5.1.1.1.3 for Sicily).
    #[derive(Clone, Copy, Debug)]
    "ldap" "bind"
    pub struct LdapBind<'a> {
        /// Protocol version.
        pub version: u32 => "version" Suricata,
        /// Distinguished name.
        pub name: Text<'a> => "name" Suricata,
        /// `simple`, `sicily-discovery`, `sicily-negotiate`, `sicily-response`, or the SASL mechanism.
        pub mechanism: &'a str => "mechanism" Suricata,
        ;
        /// messageID.
        pub message_id: u32,
    }
}

declare_event! {
    /// A request other than a bind. Values are never in it, but for the classes of a new object.
    #[derive(Clone, Copy, Debug)]
    "ldap" "request"
    pub struct LdapRequest<'a> {
        /// As `modify_request`, `search_request`.
        pub operation: &'a str => "operation" Ours,
        /// messageID.
        pub message_id: u32 => "message_id" Ours,
        /// Distinguished name of the object, or base of a search.
        pub object: Text<'a> => "object" Ours,
        /// Attributes changed, added, compared or asked for.
        pub attributes: Words<'a> => "attributes" Ours,
        /// What is done to each attribute: `add`, `delete`, `replace`, `increment`.
        pub changes: Words<'a> => "changes" Ours,
        /// Values in the request, all attributes together.
        pub value_count: Option<u32> => "value_count" Ours,
        /// Bytes of these values.
        pub value_bytes: Option<u64> => "value_bytes" Ours,
        /// Values of objectClass of an added object.
        pub object_class: Words<'a> => "object_class" Ours,
        /// New RDN of a modify DN.
        pub new_rdn: Text<'a> => "new_rdn" Ours,
        /// New parent of a modify DN.
        pub new_superior: Text<'a> => "new_superior" Ours,
        /// `base`, `one` or `subtree`.
        pub scope: &'a str => "scope" Ours,
        /// Filter of a search, cut when long; values of password attributes are left out.
        pub filter: &'a str => "filter" Ours,
        /// OID of an extended operation.
        pub name: &'a str => "name" Ours,
        /// A name in it carries a marshalled target (`UWhRCA`): a name that resolves to one host and means another.
        pub marshalled_target: Option<bool> => "marshalled_target" Ours,
        /// What protects the session: `none`, `signed` or `sealed`.
        pub sasl_layer: SaslLayer => "sasl_layer" Ours,
        ;
        /// messageID that an abandon names.
        pub abandoned: Option<u32>,
        /// Scope as a number.
        pub scope_code: u32,
        /// A modify DN removes the old name.
        pub delete_old_rdn: bool,
    }
}

declare_event! {
    /// The answer to any request. Entries of a search have none of their own.
    #[derive(Clone, Copy, Debug)]
    "ldap" "result"
    pub struct LdapResult<'a> {
        /// As `bind_response`, `modify_response`, `search_result_done`.
        pub operation: &'a str => "operation" Ours,
        /// messageID.
        pub message_id: u32 => "message_id" Ours,
        /// resultCode (RFC 4511 appendix A).
        pub code: u32 => "result_code" Ours,
        /// diagnosticMessage.
        pub message: Text<'a> => "message" Ours,
        /// OID of an extended operation.
        pub name: &'a str => "name" Ours,
        /// What protects the session: `none`, `signed` or `sealed`.
        pub sasl_layer: SaslLayer => "sasl_layer" Ours,
    }
}

declare_event! {
    /// A domain controller's answer to a ping for `netlogon` (MS-ADTS 6.3.1.9).
    #[derive(Clone, Copy, Debug)]
    "ldap" "netlogon"
    pub struct LdapNetlogon<'a> {
        /// `search_result_entry`.
        pub operation: &'a str => "operation" Ours,
        /// messageID.
        pub message_id: u32 => "message_id" Ours,
        /// DNS name of the forest.
        pub forest: &'a str => "dns_forest" Ours,
        /// DNS name of the domain.
        pub dns_domain: &'a str => "dns_domain" Ours,
        /// DNS name of the controller that answers.
        pub dns_host: &'a str => "dns_host" Ours,
        /// NetBIOS name of the domain.
        pub nb_domain: &'a str => "nb_domain" Ours,
        /// NetBIOS name of the controller.
        pub nb_computer: &'a str => "nb_computer" Ours,
        /// Site of the controller.
        pub site: &'a str => "site" Ours,
        /// Site of the client.
        pub client_site: &'a str => "client_site" Ours,
        /// What the controller is, DS_FLAG bits (MS-ADTS 6.3.1.2).
        pub ds_flags: u32 => "ds_flags" Ours,
        /// What protects the session: `none`, `signed` or `sealed`.
        pub sasl_layer: SaslLayer => "sasl_layer" Ours,
    }
}

/// What protects the messages of a session behind its bind (RFC 4513 5.2.1.6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SaslLayer {
    /// Nothing. TLS is told elsewhere.
    #[default]
    None,
    /// Signed: readable.
    Signed,
    /// Sealed: ciphertext.
    Sealed,
}

impl AsValue for SaslLayer {
    const KIND: ValueKind = ValueKind::Text;
    fn as_value(&self) -> Value<'_> {
        Value::Text(Text::Str(match self {
            Self::None => "none",
            Self::Signed => "signed",
            Self::Sealed => "sealed",
        }))
    }
}

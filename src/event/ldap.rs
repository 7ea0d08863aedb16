//! LDAP events.

use super::schema::declare_event;
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
    /// A bind response.
    #[derive(Clone, Copy, Debug)]
    "ldap" "bind_result"
    pub struct LdapResult<'a> {
        /// resultCode.
        pub code: u32 => "result_code" Suricata,
        /// diagnosticMessage.
        pub message: Text<'a> => "message" Suricata,
        ;
        /// messageID.
        pub message_id: u32,
    }
}

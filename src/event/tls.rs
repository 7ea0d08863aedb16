//! TLS events.

use super::schema::{Words, declare_event};

declare_event! {
    /// The hellos of a connection, and the server's certificate where it is in clear (up to TLS 1.2).
    #[derive(Clone, Copy, Debug)]
    "tls" "handshake"
    pub struct TlsHandshake<'a> {
        /// Host the client asks for.
        pub server_name: &'a str => "sni" Suricata,
        /// Version agreed on.
        pub version: &'a str => "version" Suricata,
        /// Protocols the client offers.
        pub client_alpns: Words<'a> => "client_alpns" Suricata,
        /// Protocol the server chose.
        pub server_alpns: Words<'a> => "server_alpns" Suricata,
        /// JA4 of the client.
        pub ja4: &'a str => "ja4" Suricata,
        /// Subject of the server's certificate.
        pub subject: &'a str => "subject" Suricata,
        /// Its issuer.
        pub issuer: &'a str => "issuerdn" Suricata,
        /// Its DNS names.
        pub names: Words<'a> => "subjectaltname" Suricata,
        /// Its SHA-1.
        pub fingerprint: &'a str => "fingerprint" Suricata,
        /// What the connection was before, as `ldap` before a StartTLS.
        pub from_proto: &'a str => "from_proto" Suricata,
    }
}

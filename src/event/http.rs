//! HTTP/1 events.

use super::schema::declare_event;

declare_event! {
    /// A request head.
    #[derive(Clone, Copy, Debug)]
    "http" "request"
    pub struct HttpRequest<'a> {
        /// Method.
        pub method: &'a str => "method" Rule,
        /// Request target as sent.
        pub uri: &'a str => "uri" Rule,
        /// Host header.
        pub host: &'a str => "host" Rule,
        /// User-Agent header.
        pub user_agent: &'a str => "user_agent" Rule,
        /// Via header: a proxy passed it on.
        pub via: &'a str => "via" Rule,
        /// There is an X-Forwarded-For or Forwarded header.
        pub forwarded: bool => "forwarded" Rule,
        /// Credentials of NTLM or Negotiate: `origin`, `proxy`, or empty.
        pub credentials: &'a str => "credentials" Rule,
        ;
        /// Number of the transaction in its flow, from 0.
        pub tx_id: u64,
        /// It carries an NTLM or Negotiate token.
        pub authorization: bool,
        /// Hash of method, URI and Host: what a reverse proxy passes on.
        pub session_id: u64,
    }
}

declare_event! {
    /// What is special about a request: a certificate is asked for, WinRM, proxy discovery.
    #[derive(Clone, Copy, Debug, Default)]
    "http" "detail"
    pub struct HttpDetail<'a> {
        /// `enrolment`, `winrm` or `wpad`.
        pub message: &'static str => "message" Ours,
        /// Certificate template that is asked for (MS-WCCE 2.2.2.7.10).
        pub template: &'a str => "template" Ours,
        /// All attributes of the request, `; ` between them.
        pub attributes: &'a str => "attributes" Ours,
        /// What encrypts a WinRM body: `none`, `spnego`, `kerberos`, `credssp` or `other`.
        pub protection: &'static str => "protection" Ours,
    }
}

declare_event! {
    /// A request with its response, or without if none was seen.
    #[derive(Clone, Copy, Debug)]
    "http" "transaction"
    pub struct HttpTransaction<'a> {
        /// Method.
        pub method: &'a str => "method" Suricata,
        /// Request target as sent.
        pub uri: &'a str => "uri" Suricata,
        /// Host header.
        pub host: &'a str => "host" Suricata,
        /// User-Agent header.
        pub user_agent: &'a str => "user_agent" Suricata,
        /// Protocol, `HTTP/1.1`.
        pub protocol: &'a str => "version" Suricata,
        /// Status code.
        pub status: Option<u16> => "status_code" Suricata,
        /// Content-Type of the response.
        pub content_type: &'a str => "content_type" Suricata,
        /// Server header of the response.
        pub server: &'a str => "server" Rule,
        ;
        /// Number of the transaction in its flow, from 0.
        pub tx_id: u64,
        /// Content-Length of the response, if it has one.
        pub length: Option<u64>,
    }
}

//! Logons of SQL Server, hellos of TLS, LDAP requests, tickets.

use super::*;

pub(super) fn logons_and_hellos() -> [(&'static str, Event<'static>); 4] {
    let tls = TlsHandshake {
        server_name: "ca01.lab.example",
        version: "TLS 1.2",
        client_alpns: Words::new("h2\nhttp/1.1"),
        server_alpns: Words::new("h2"),
        ja4: "t13d1516h2_8daaf6152771_e5627efa2ab1",
        subject: "CN=ca01.lab.example",
        issuer: "CN=lab-CA",
        names: Words::new("ca01.lab.example\nca01"),
        fingerprint: "01:23",
        from_proto: "ldap",
    };
    let hello = TlsHandshake {
        server_name: "",
        version: "",
        client_alpns: Words::default(),
        server_alpns: Words::default(),
        subject: "",
        issuer: "",
        names: Words::default(),
        fingerprint: "",
        from_proto: "",
        ..tls
    };
    let tds = TdsLogin {
        user: Text::Str("sa"),
        host: Text::Str("WS01"),
        app: Text::Str("tool"),
        server: Text::Str("sql01"),
        library: Text::Str("ODBC"),
        database: Text::Str("master"),
        integrated: Some(false),
        client_encryption: "not_supported",
        server_encryption: "off",
        hidden: None,
    };
    let hidden = TdsLogin {
        hidden: Some(true),
        ..TdsLogin::default()
    };
    [
        ("tls", Event::Tls(tls)),
        ("tls, hello only", Event::Tls(hello)),
        ("tds", Event::TdsLogin(tds)),
        ("tds, hidden", Event::TdsLogin(hidden)),
    ]
}

/// A full request and an empty one of every operation.
pub(super) fn ldap_requests() -> impl Iterator<Item = LdapRequest<'static>> {
    let full = LdapRequest {
        operation: "",
        message_id: 8,
        object: Text::Str("CN=DC01,OU=Domain Controllers,DC=lab,DC=example"),
        attributes: Words::new("msDS-KeyCredentialLink\nmember"),
        changes: Words::new("replace\nadd"),
        value_count: Some(2),
        value_bytes: Some(828),
        object_class: Words::new("top\ncomputer"),
        new_rdn: Text::Str("CN=x"),
        new_superior: Text::Str("DC=lab,DC=example"),
        scope: "subtree",
        filter: "(objectClass=pKIEnrollmentService)",
        name: "1.3.6.1.4.1.1466.20037",
        marshalled_target: Some(true),
        sasl_layer: SaslLayer::Signed,
        abandoned: Some(7),
        scope_code: 2,
        delete_old_rdn: true,
    };
    let empty = LdapRequest {
        message_id: 9,
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
        sasl_layer: SaslLayer::None,
        abandoned: None,
        ..full
    };
    let of = move |operation| [full, empty].map(|e| LdapRequest { operation, ..e });
    [
        "modify_request",
        "add_request",
        "del_request",
        "mod_dn_request",
        "compare_request",
        "search_request",
        "extended_request",
        "abandon_request",
        "unbind_request",
    ]
    .into_iter()
    .flat_map(of)
}

pub(super) fn krb_reply() -> KrbReply<'static> {
    KrbReply {
        message: "as_rep",
        request: Some("as_req"),
        cname: Text::Str("alice"),
        crealm: Text::Str("LAB.EXAMPLE"),
        realm: Text::Str("LAB.EXAMPLE"),
        sname: Text::Str("krbtgt/LAB.EXAMPLE"),
        padata_types: &[19],
        encryption: "aes256-cts-hmac-sha1-96",
        ticket_encryption: "rc4-hmac",
        kvno: Some(2),
        error_code: None,
        error: "",
        ticket_id: Some([3; 16]),
        ticket: Secret::new(b"never to be seen"),
    }
}

//! Every kind of line against `docs/eve.schema.json`, and against Suricata's schema where it is.

#[allow(unreachable_pub)]
#[path = "../../tests/common/eve.rs"]
mod eve_schema;

use eve_schema::Schemas;

use super::samples;
use super::types::EventType;

#[test]
fn lines_of_every_kind_are_valid() {
    let schemas = Schemas::load();
    let mut seen = std::collections::BTreeSet::new();
    let mut problems = Vec::new();
    for (name, line) in samples::lines() {
        let value: serde_json::Value = serde_json::from_slice(&line).unwrap();
        seen.insert(value["event_type"].as_str().unwrap().to_owned());
        let found = schemas.problems(&line);
        problems.extend(found.into_iter().map(|p| format!("{name}: {p}")));
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    let all = EventType::ALL.map(|t| t.name().to_owned());
    assert!(seen.into_iter().eq(all), "a kind has no sample");
}

#[test]
fn the_schema_is_closed() {
    let schemas = Schemas::load();
    let mutations: [fn(&mut serde_json::Value); 5] = [
        |v| v["surplus"] = 1.into(),
        |v| v["alert"]["surplus"] = 1.into(),
        |v| v["alert"]["context"]["surplus"] = 1.into(),
        |v| v["alert"]["context"]["legs"][0]["surplus"] = 1.into(),
        |v| v["event_type"] = "incident".into(),
    ];
    let lines = samples::lines();
    let (_, alert) = lines.iter().find(|(name, _)| *name == "alert").unwrap();
    for (at, mutate) in mutations.iter().enumerate() {
        let mut value = serde_json::from_slice(alert).unwrap();
        mutate(&mut value);
        let mut line = serde_json::to_vec(&value).unwrap();
        line.push(b'\n');
        assert!(!schemas.problems(&line).is_empty(), "mutation {at}");
    }
}

#[test]
fn no_secret_reaches_a_line() {
    for (name, line) in samples::lines() {
        let text = String::from_utf8(line).unwrap();
        assert!(!text.contains("never to be seen"), "{name}: {text}");
        assert!(!text.contains(&data_encoding::HEXLOWER.encode(b"never to be seen")));
    }
}

/// Fields are declared once, in `event/`; the schema and the handbook must follow.
#[test]
fn every_declared_field_is_in_the_schema_and_in_the_handbook() {
    use crate::event::{
        Dhcp, Dhcpv6, Finding, KrbApReq, KrbApResult, KrbReply, KrbRequest, LdapNetlogon,
        LdapRequest, LdapResult, Mark, NtlmAuthenticate, NtlmChallenge, NtlmNegotiate,
        RouterAdvert, RpcBind, RpcCall, RpcEndpoint, RpcResult, SmbEncrypted, SmbSession, TdsLogin,
    };
    let schema: serde_json::Value =
        serde_json::from_str(include_str!("../../docs/eve.schema.json")).unwrap();
    let handbook = include_str!("../../docs/eve.md");
    for (object, declared) in [
        ("finding", Finding::SCHEMA),
        ("kerberos", KrbApReq::SCHEMA),
        ("kerberos", KrbApResult::SCHEMA),
        ("kerberos", KrbReply::SCHEMA),
        ("kerberos", KrbRequest::SCHEMA),
        ("ntlm", NtlmAuthenticate::SCHEMA),
        ("ntlm", NtlmChallenge::SCHEMA),
        ("ntlm", NtlmNegotiate::SCHEMA),
        ("smb_session", SmbSession::SCHEMA),
        ("smb_session", SmbEncrypted::SCHEMA),
        ("rpc_bind", RpcBind::SCHEMA),
        ("rpc_call", RpcCall::SCHEMA),
        ("router_advert", RouterAdvert::SCHEMA),
        ("dhcp_option", Dhcp::SCHEMA),
        ("dhcpv6", Dhcpv6::SCHEMA),
        ("rpc_endpoint", RpcEndpoint::SCHEMA),
        ("rpc_result", RpcResult::SCHEMA),
        ("ldap_op", LdapRequest::SCHEMA),
        ("ldap_op", LdapResult::SCHEMA),
        ("ldap_op", LdapNetlogon::SCHEMA),
        ("tds", TdsLogin::SCHEMA),
    ] {
        for field in declared.fields.iter().filter(|f| f.mark == Mark::Ours) {
            let name = field.name;
            let known = &schema["properties"][object]["properties"][name];
            assert!(
                known.is_object(),
                "{object}.{name}: not in docs/eve.schema.json"
            );
            let row = format!("\n| `{name}` |");
            assert!(
                handbook.contains(&row),
                "{object}.{name}: not in docs/eve.md"
            );
        }
    }
    for which in EventType::ALL {
        let heading = format!("\n## {}\n", which.name());
        assert!(
            handbook.contains(&heading),
            "{heading:?} not in docs/eve.md"
        );
    }
}

//! Rules for Zeek's logs, written by us in SigmaHQ's way, and SigmaHQ's own where they are at hand.

use super::tests::{call, hits, load};
use super::{OnFlow, RuleSet, RuleSource};
use crate::event::{FlowMeta, HttpTransaction, SmbCommand};
use crate::net::Endpoint;
use crate::wire::Text;

/// A rule for one of Zeek's logs.
fn rule(service: &str, detection: &str) -> RuleSet {
    load(&format!(
        "title: Ours in Zeek's words\nid: 5d8c3c3a-47e1-4e0c-9c4e-0a4b0f6e2a11\nstatus: test\n\
         logsource:\n    product: zeek\n    service: {service}\n\
         detection:\n    selection:\n        {detection}\n    condition: selection\nlevel: medium\n"
    ))
}

fn flow() -> FlowMeta {
    let end = |text: &str, port| Endpoint {
        addr: text.parse::<std::net::IpAddr>().unwrap().into(),
        port,
    };
    FlowMeta {
        client: end("10.1.2.3", 50_000),
        server: end("203.0.113.7", 445),
        app_proto: "smb",
        ..FlowMeta::default()
    }
}

#[test]
fn columns_of_zeek_are_fields_here() {
    let flow = flow();
    let pipe = SmbCommand {
        command: "SMB2_COMMAND_CREATE",
        status: Some(0),
        share: Text::default(),
        filename: Text::Str("spoolss"),
        is_pipe: true,
        session_id: 1,
        tree_id: 1,
        message_id: 1,
        dialect: 0x311,
    };
    let put = HttpTransaction {
        method: "PUT",
        uri: "/share/a.exe",
        host: "files.example",
        user_agent: "Microsoft-WebDAV-MiniRedir/10.0",
        protocol: "HTTP/1.1",
        status: Some(201),
        content_type: "",
        server: "",
        tx_id: 0,
        length: None,
    };
    let call = call();
    let pipe = OnFlow {
        event: &pipe,
        flow: &flow,
    };
    let put = OnFlow {
        event: &put,
        flow: &flow,
    };
    let call = OnFlow {
        event: &call,
        flow: &flow,
    };
    for (service, detection, event, want) in [
        (
            "dce_rpc",
            "endpoint: spoolss\n        operation|endswith: NotificationEx",
            &call,
            true,
        ),
        ("dce_rpc", "operation|startswith: efs", &call, false),
        (
            "smb_files",
            "path|endswith: IPC$\n        name: spoolss",
            &pipe,
            true,
        ),
        (
            "smb_files",
            "path|endswith: ADMIN$\n        name: spoolss",
            &pipe,
            false,
        ),
        (
            "http",
            "c-useragent|contains: WebDAV\n        cs-method: PUT",
            &put,
            true,
        ),
        (
            "http",
            "method: PUT\n        id.resp_h|cidr: 203.0.113.0/24",
            &put,
            true,
        ),
        (
            "http",
            "method: PUT\n        id.resp_h|cidr: 10.0.0.0/8",
            &put,
            false,
        ),
        (
            "http",
            "id.orig_h: 10.1.2.3\n        id.resp_p: 445",
            &put,
            true,
        ),
    ] {
        let rules = rule(service, detection);
        assert_eq!(rules.rules().len(), 1, "{detection}");
        assert_eq!(
            !hits(&rules, event).is_empty(),
            want,
            "{service} {detection}"
        );
    }
}

/// What SigmaHQ has for Zeek loads unchanged, or is skipped for a reason that its file bears out.
#[test]
fn sigmahq_loads_unchanged() {
    let folder = std::path::Path::new(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../shared/reference/sigmahq-zeek"
    ));
    if !folder.is_dir() {
        println!("skipped: no ../shared/reference/sigmahq-zeek");
        return;
    }
    let rules = RuleSet::load(&[RuleSource::Path(folder.to_owned())]).unwrap();
    let mut skipped: Vec<_> = rules.skipped().map(|s| s.reason.as_str()).collect();
    skipped.sort_unstable();
    assert_eq!(
        skipped,
        [
            "no event here is like Zeek's log `rdp`",
            "nothing here is like `Z` of Zeek's log `dns`",
            "nothing here is like `certificate.serial` of Zeek's log `x509`",
            "nothing here is like `client_header_names` of Zeek's log `http`",
            "nothing here is like `rejected` of Zeek's log `dns`",
        ]
    );
    assert_eq!(rules.rules().len() + skipped.len(), 24);
}

//! Rules for Zeek's logs (`product: zeek`), as SigmaHQ has them: which log is which event here, and
//! which column which field.
//!
//! Columns are those of Zeek 6's logs (docs.zeek.org, "Log Files"), and the names that SigmaHQ's
//! taxonomy gives some of them. A rule that uses a column without a counterpart is skipped with the
//! reason: half a rule would say something else than its author meant.

use super::detection::{Detection, Item};
use super::view::TREE;
use super::yaml::{Node, Yaml};

/// `logsource.product` of such rules.
pub(super) const PRODUCT: &str = "zeek";

/// One of Zeek's logs.
pub(super) struct Log {
    /// `logsource.service`.
    pub(super) name: &'static str,
    /// Service and name of the event here.
    pub(super) event: (&'static str, &'static str),
    /// Zeek's column, our field.
    columns: &'static [(&'static str, &'static str)],
}

/// Every log of Zeek that we have an event for.
static LOGS: &[Log] = &[
    Log {
        name: "dce_rpc",
        event: ("dce_rpc", "call"),
        columns: &[
            ("endpoint", "endpoint"),
            ("operation", "operation"),
            ("named_pipe", "named_pipe"),
        ],
    },
    Log {
        name: "ntlm",
        event: ("ntlm", "authenticate"),
        columns: &[
            ("username", "username"),
            ("hostname", "hostname"),
            ("domainname", "domainname"),
            ("server_nb_computer_name", "server_nb_computer_name"),
            ("server_dns_computer_name", "server_dns_computer_name"),
        ],
    },
    Log {
        name: "http",
        event: ("http", "transaction"),
        columns: &[
            ("method", "method"),
            ("cs-method", "method"),
            ("uri", "uri"),
            ("c-uri", "uri"),
            ("host", "host"),
            ("cs-host", "host"),
            ("user_agent", "user_agent"),
            ("c-useragent", "user_agent"),
            ("status_code", "status_code"),
            ("sc-status", "status_code"),
            // Zeek looks into the body, we at what the header says.
            ("resp_mime_types", "content_type"),
        ],
    },
    Log {
        name: "kerberos",
        event: ("kerberos", "reply"),
        columns: &[
            ("request_type", "request"),
            ("client", "cname"),
            ("service", "sname"),
            ("cipher", "ticket_encryption"),
            ("error_code", "error_code"),
            ("error_msg", "error"),
        ],
    },
    Log {
        name: "smb_files",
        event: ("smb", "command"),
        columns: &[("path", TREE), ("name", "filename")],
    },
    Log {
        name: "smb_mapping",
        event: ("smb", "command"),
        columns: &[("path", "share")],
    },
    Log {
        name: "dns",
        event: ("dns", "message"),
        columns: &[
            ("query", "query"),
            ("qtype_name", "qtype_name"),
            ("rcode_name", "rcode_name"),
            ("answers", "answers"),
        ],
    },
    Log {
        name: "ssl",
        event: ("tls", "handshake"),
        columns: &[
            ("server_name", "sni"),
            ("version", "version"),
            ("subject", "subject"),
            ("issuer", "issuerdn"),
            ("next_protocol", "server_alpns"),
        ],
    },
    Log {
        name: "x509",
        event: ("tls", "handshake"),
        columns: &[
            ("certificate.subject", "subject"),
            ("certificate.issuer", "issuerdn"),
            ("san.dns", "subjectaltname"),
        ],
    },
    Log {
        name: "dhcp",
        event: ("dhcp", "message"),
        columns: &[
            ("mac", "client_mac"),
            ("host_name", "hostname"),
            ("requested_addr", "requested_ip"),
            ("assigned_addr", "assigned_ip"),
            ("client_addr", "client_ip"),
        ],
    },
    Log {
        name: "ldap_search",
        event: ("ldap", "request"),
        columns: &[
            ("scope", "scope"),
            ("base_object", "object"),
            ("filter", "filter"),
        ],
    },
];

/// Columns that every log has.
static CONNECTION: &[(&str, &str)] = &[
    ("id.orig_h", "src_ip"),
    ("id.orig_p", "src_port"),
    ("id.resp_h", "dest_ip"),
    ("id.resp_p", "dest_port"),
    ("src_ip", "src_ip"),
    ("src_port", "src_port"),
    ("dst_ip", "dest_ip"),
    ("dst_port", "dest_port"),
];

/// The log of that name, or why there is none.
pub(super) fn log(service: Option<&str>) -> Result<&'static Log, String> {
    let Some(service) = service else {
        return Err("its log source names no log of Zeek's (`service`)".to_owned());
    };
    LOGS.iter()
        .find(|log| log.name == service)
        .ok_or_else(|| format!("no event here is like Zeek's log `{service}`"))
}

/// Gives every field the name it has here; says which one has none.
pub(super) fn translate(log: &Log, detection: &mut Detection) -> Result<(), String> {
    for item in &mut detection.items {
        if !item.field.is_empty() {
            let ours = column(log, &item.field)?;
            values(ours, item);
            ours.clone_into(&mut item.field);
        }
        if item.modifiers.fieldref {
            for value in &mut item.values {
                if let Yaml::Str(name) = &mut value.yaml {
                    let ours = column(log, name)?;
                    ours.clone_into(name);
                }
            }
        }
    }
    Ok(())
}

fn column(log: &Log, zeek: &str) -> Result<&'static str, String> {
    let all = log.columns.iter().chain(CONNECTION);
    all.into_iter()
        .find(|(theirs, _)| *theirs == zeek)
        .map(|(_, ours)| *ours)
        .ok_or_else(|| format!("nothing here is like `{zeek}` of Zeek's log `{}`", log.name))
}

/// Values that are spelled another way here.
fn values(ours: &str, item: &mut Item) {
    let text = |node: &Node| node.text().map(str::to_owned);
    for node in &mut item.values {
        let spelt = match (ours, text(node).as_deref()) {
            ("request", Some("AS")) => "as_req",
            ("request", Some("TGS")) => "tgs_req",
            _ => continue,
        };
        node.yaml = Yaml::Str(spelt.to_owned());
    }
}

//! Names of a server by its certificate.

use std::fmt::Write;

use sha1::{Digest, Sha1};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use crate::limits::{TLS_NAME_BYTES, TLS_NAMES};

/// What is kept of a certificate. Texts are cut at [`TLS_NAME_BYTES`].
#[derive(Debug, Default)]
pub(super) struct Certificate {
    pub(super) subject: String,
    pub(super) issuer: String,
    /// DNS names, a line each.
    pub(super) names: String,
    /// SHA-1, as `01:23:..`.
    pub(super) fingerprint: String,
}

impl Certificate {
    /// Reads DER; `None` if it is no certificate.
    pub(super) fn read(der: &[u8]) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let mut fingerprint = String::new();
        for (at, byte) in Sha1::digest(der).iter().enumerate() {
            let colon = if at > 0 { ":" } else { "" };
            // Writing to a String cannot fail.
            let _ = write!(fingerprint, "{colon}{byte:02x}");
        }
        let mut names = String::new();
        if let Ok(Some(extension)) = certificate.subject_alternative_name() {
            let dns = extension
                .value
                .general_names
                .iter()
                .filter_map(|n| match n {
                    GeneralName::DNSName(name) => Some(*name),
                    _ => None,
                });
            for name in dns.take(TLS_NAMES) {
                push_line(name, &mut names);
            }
        }
        Some(Self {
            subject: cut(certificate.subject().to_string()),
            issuer: cut(certificate.issuer().to_string()),
            names,
            fingerprint,
        })
    }
}

/// Adds a line, control characters replaced.
pub(super) fn push_line(text: &str, out: &mut String) {
    if text.is_empty() || out.len().saturating_add(text.len()) > TLS_NAME_BYTES {
        return;
    }
    if !out.is_empty() {
        out.push('\n');
    }
    out.extend(text.chars().map(|c| if c.is_control() { '?' } else { c }));
}

fn cut(mut text: String) -> String {
    let mut end = text.len().min(TLS_NAME_BYTES);
    while !text.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    text.truncate(end);
    text.shrink_to_fit();
    text
}

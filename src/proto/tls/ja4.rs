//! JA4, the fingerprint of a ClientHello over TCP.
//!
//! ```text
//! t13d1516h2_8daaf6152771_e5627efa2ab1
//! t TCP, 13 version, d SNI (i none), 15 suites, 16 extensions, h2 first and last of ALPN
//! hash of the sorted suites; hash of the sorted extensions and the signature algorithms
//! ```

use std::fmt::Write;

use sha2::{Digest, Sha256};

use super::wire::{Hello, is_grease, pairs};

/// Extensions whose presence counts and whose number does not enter the hash.
const SNI: u16 = 0;
const ALPN: u16 = 16;
const SIGNATURE_ALGORITHMS: u16 = 13;

/// The fingerprint.
pub(super) fn ja4(hello: &Hello<'_>) -> String {
    let mut suites: Vec<u16> = pairs(hello.ciphers).filter(|c| !is_grease(*c)).collect();
    let mut extensions: Vec<u16> = hello
        .extensions()
        .map(|(kind, _)| kind)
        .filter(|e| !is_grease(*e))
        .collect();
    let version = match hello.best_version() {
        0x0304 => "13",
        0x0303 => "12",
        0x0302 => "11",
        0x0301 => "10",
        0x0300 => "s3",
        _ => "00",
    };
    let sni = if extensions.contains(&SNI) { 'd' } else { 'i' };
    let mut out = String::with_capacity(36);
    // Writing to a String cannot fail.
    let _ = write!(
        out,
        "t{version}{sni}{:02}{:02}",
        suites.len().min(99),
        extensions.len().min(99)
    );
    push_alpn(hello, &mut out);
    suites.sort_unstable();
    extensions.retain(|e| *e != SNI && *e != ALPN);
    extensions.sort_unstable();
    let suites = list(&suites);
    let mut rest = list(&extensions);
    let algorithms: Vec<u16> = hello
        .extension(SIGNATURE_ALGORITHMS)
        .and_then(|b| b.get(2..))
        .map(|b| pairs(b).filter(|a| !is_grease(*a)).collect())
        .unwrap_or_default();
    if !algorithms.is_empty() {
        rest.push('_');
        rest.push_str(&list(&algorithms));
    }
    for text in [suites, rest] {
        out.push('_');
        push_hash(&text, &mut out);
    }
    out
}

/// First and last character of the first protocol; of its hexadecimal form if one is no letter or digit.
fn push_alpn(hello: &Hello<'_>, out: &mut String) {
    match hello.alpn().next().unwrap_or_default() {
        [] => out.push_str("00"),
        all @ [first, ..] => {
            let last = all.last().unwrap_or(first);
            if first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() {
                out.extend([char::from(*first), char::from(*last)]);
            } else {
                let digit = |n: u8| char::from_digit(u32::from(n & 15), 16).unwrap_or('0');
                out.extend([digit(first >> 4), digit(*last)]);
            }
        }
    }
}

fn list(all: &[u16]) -> String {
    let mut out = String::new();
    for (at, one) in all.iter().enumerate() {
        let comma = if at > 0 { "," } else { "" };
        let _ = write!(out, "{comma}{one:04x}");
    }
    out
}

/// Twelve digits of SHA-256; zeros for nothing.
fn push_hash(text: &str, out: &mut String) {
    if text.is_empty() {
        return out.push_str("000000000000");
    }
    for byte in Sha256::digest(text.as_bytes()).iter().take(6) {
        let _ = write!(out, "{byte:02x}");
    }
}

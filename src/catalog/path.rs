//! Whose host does a path name? The question every coercion call comes down to.
//!
//! Windows takes many spellings for one host: `\\L\x`, `\\?\UNC\L\x`, `\??\UNC\L\x`, `\\L@80\x`,
//! `\\[fe80::1]\x`, `file://L/x`, `\\?\GLOBALROOT\Device\Mup\L\x`. All give `L`.
//! Not done: names are not resolved, and environment variables are not expanded.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What kind of text a method's path parameter holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum PathForm {
    /// A UNC, NT object or local path. A text without a host part is local.
    #[default]
    Unc,
    /// A bare host name or address; a UNC path is taken too.
    Host,
    /// A document (task XML) with a path somewhere inside.
    Text,
    /// A DCOM string binding, `host[port]` (MS-DCOM 2.2.19.3).
    Binding,
}

impl PathForm {
    /// As the catalogue spells it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Unc => "unc",
            Self::Host => "host",
            Self::Text => "text",
            Self::Binding => "binding",
        }
    }

    /// From the catalogue's spelling.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Unc, Self::Host, Self::Text, Self::Binding]
            .into_iter()
            .find(|f| f.name() == name)
    }
}

/// The host that a path names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PathHost {
    /// Lower case, without port, brackets or zone; `None` for a local path.
    pub host: Option<String>,
    /// The path makes Windows use WebDAV: `host@port`, `host@SSL`, `DavWWWRoot` or a web URL.
    pub webdav: bool,
    /// The host is an address literal, in any spelling that Windows reads as one.
    pub literal: Option<IpAddr>,
}

/// The host named by `path`. A text without any separator is taken for a bare host name,
/// as the DFS calls use it.
#[must_use]
pub fn path_host(path: &str) -> PathHost {
    let bare = !path.contains(['\\', '/', ':']) || path.ends_with(']');
    path_host_as(path, if bare { PathForm::Host } else { PathForm::Text })
}

/// The host named by `path`, where the method says what the text is.
#[must_use]
pub fn path_host_as(path: &str, form: PathForm) -> PathHost {
    let Some(place) = place(path, form) else {
        return PathHost::default();
    };
    let host = comparable(place.host);
    PathHost {
        literal: literal(&host),
        host: Some(host),
        webdav: place.webdav,
    }
}

/// True if `path` names a host, which is found out without keeping it.
#[must_use]
pub fn names_host(path: &str, form: PathForm) -> bool {
    place(path, form).is_some()
}

/// Where a path leads.
struct Place<'a> {
    /// The host as written, bare.
    host: &'a str,
    webdav: bool,
}

fn place(path: &str, form: PathForm) -> Option<Place<'_>> {
    let path = path.trim_matches(|c: char| c.is_whitespace() || c == '\0');
    let (rest, web) = match host_part(path) {
        Some(found) => found,
        None if matches!(form, PathForm::Host | PathForm::Binding) && !is_drive(path) => {
            (path, false)
        }
        None if form == PathForm::Text => find_unc(path).and_then(host_part)?,
        None => return None,
    };
    let (component, after) = rest.split_once(is_separator).unwrap_or((rest, ""));
    let (host, port) = match component.rsplit_once('@') {
        // In a URL what comes before the @ is a user.
        Some((_, host)) if web => (host, ""),
        _ => component.split_once('@').unwrap_or((component, "")),
    };
    let host = match host.split_once(':') {
        Some((host, _)) if web && !host.starts_with('[') => host,
        _ => host,
    };
    let share = after.split(is_separator).next().unwrap_or("");
    Some(Place {
        host: bare(host)?,
        webdav: web || !port.is_empty() || share.eq_ignore_ascii_case("davwwwroot"),
    })
}

/// The first UNC-like path inside a longer text: from its backslashes to the first character that
/// cannot belong to it.
#[must_use]
pub fn find_unc(text: &str) -> Option<&str> {
    let starts = text
        .match_indices(r"\\")
        .chain(text.match_indices(r"\??\"))
        .map(|(at, _)| at);
    let mut starts: Vec<usize> = starts.collect();
    starts.sort_unstable();
    starts.into_iter().find_map(|at| {
        let tail = text.get(at..)?;
        let end = tail
            .find(|c: char| {
                c.is_whitespace()
                    || c.is_control()
                    || matches!(c, '"' | '<' | '>' | '|' | '\'' | '&')
            })
            .unwrap_or(tail.len());
        let path = tail.get(..end)?;
        names_host(path, PathForm::Unc).then_some(path)
    })
}

/// What follows the prefix that announces a host, and whether the prefix means the web.
fn host_part(path: &str) -> Option<(&str, bool)> {
    for (scheme, web) in [("file:", false), ("http:", true), ("https:", true)] {
        if let Some(rest) = strip_prefix(path, scheme) {
            let host = rest.trim_start_matches(is_separator);
            // `file:///C:/x` is local, `file:////host/x` and `file://host/x` are not.
            return (rest.len() > host.len() && (web || !is_drive(host))).then_some((host, web));
        }
    }
    let rest = if let Some(rest) = strip_any(path, &[r"\??\", r"\\?\", r"\\.\"]) {
        match strip_any(rest, &[r"unc\"]) {
            Some(unc) => unc,
            None => match device(rest) {
                Some(unc) => unc,
                // `\\?\L\x` and `\\.\L\x` reach L; `\??\x`, devices and drives do not leave the host.
                None if path.starts_with(r"\??\") || is_device(rest) => return None,
                None => rest,
            },
        }
    } else if let Some(unc) = path.strip_prefix('\\').and_then(device) {
        unc
    } else {
        let unc = path.trim_start_matches(is_separator);
        if path.len().saturating_sub(unc.len()) < 2 {
            return None;
        }
        unc
    };
    // `\\;LanmanRedirector\;Z:0\host\share`: parts with a semicolon name the redirector.
    let mut rest = rest.trim_start_matches(is_separator);
    while rest.starts_with(';') {
        rest = rest.split_once(is_separator)?.1;
    }
    (!rest.is_empty() && !is_drive(rest)).then_some((rest, false))
}

/// Path behind a redirector's device name, without leading backslash.
fn device(path: &str) -> Option<&str> {
    let path = strip_prefix(path, r"globalroot\").unwrap_or(path);
    let path = strip_prefix(path, r"device\")?;
    strip_any(path, &[r"mup\", r"lanmanredirector\", r"webdavredirector\"])
}

/// A name in the Win32 device namespace that is no host.
fn is_device(rest: &str) -> bool {
    let name = rest.split(is_separator).next().unwrap_or("");
    let lower = name.to_ascii_lowercase();
    is_drive(name)
        || matches!(
            lower.as_str(),
            "pipe" | "mailslot" | "globalroot" | "device" | "nul" | "con"
        )
        || ["volume{", "physicaldrive", "harddiskvolume", "com", "lpt"]
            .iter()
            .any(|p| {
                lower.strip_prefix(p).is_some_and(|n| {
                    *p == "volume{" || n.chars().all(|c| c.is_ascii_digit()) && !n.is_empty()
                })
            })
}

/// Begins with a drive letter.
fn is_drive(path: &str) -> bool {
    let mut chars = path.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic()) && chars.next() == Some(':')
}

fn is_separator(c: char) -> bool {
    matches!(c, '\\' | '/')
}

/// `prefix` is lower case; backslashes in it match slashes too.
fn strip_prefix<'a>(path: &'a str, prefix: &str) -> Option<&'a str> {
    let head = path.get(..prefix.len())?;
    let fits = head
        .bytes()
        .zip(prefix.bytes())
        .all(|(a, b)| a.to_ascii_lowercase() == b || (a == b'/' && b == b'\\'));
    fits.then(|| path.get(prefix.len()..)).flatten()
}

fn strip_any<'a>(path: &'a str, prefixes: &[&str]) -> Option<&'a str> {
    prefixes.iter().find_map(|p| strip_prefix(path, p))
}

/// A host without brackets, port, zone, printer suffix or last dot.
fn bare(host: &str) -> Option<&str> {
    let host = match host.strip_prefix('[') {
        Some(v6) => v6.split(']').next()?,
        // `host[135]`, a string binding.
        None => host.split('[').next()?,
    };
    let host = host.split(['%', ',']).next()?;
    let host = host.strip_suffix('.').unwrap_or(host);
    let bad = |c: char| c.is_whitespace() || c.is_control() || "<>\"|?*{}".contains(c);
    (!host.is_empty() && !host.contains(bad)).then_some(host)
}

/// A bare host to a host to compare.
fn comparable(host: &str) -> String {
    let host = host.to_lowercase();
    match host.strip_suffix(".ipv6-literal.net") {
        // Colons are written as dashes, and `s` begins the zone.
        Some(v6) => {
            let v6 = v6.split('s').next().unwrap_or_default().replace('-', ":");
            v6.parse::<Ipv6Addr>().map_or(host, |a| a.to_string())
        }
        None => host,
    }
}

fn literal(host: &str) -> Option<IpAddr> {
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Some(match ip {
            IpAddr::V6(v6) => v6.to_canonical(),
            v4 => v4,
        });
    }
    loose_v4(host).map(IpAddr::V4)
}

/// The spellings `inet_aton` takes: one to four parts, each decimal, octal or hexadecimal.
fn loose_v4(host: &str) -> Option<Ipv4Addr> {
    let mut parts = [0u32; 4];
    let mut count = 0usize;
    for part in host.split('.') {
        let slot = parts.get_mut(count)?;
        *slot = if let Some(hex) = part.strip_prefix("0x") {
            u32::from_str_radix(hex, 16).ok()?
        } else if part.len() > 1 && part.starts_with('0') {
            u32::from_str_radix(part, 8).ok()?
        } else if part.bytes().all(|b| b.is_ascii_digit()) {
            part.parse().ok()?
        } else {
            return None;
        };
        count = count.saturating_add(1);
    }
    let [a, b, c, d] = parts;
    let byte = |n: u32| u8::try_from(n).ok();
    let value = match count {
        // A short run of digits is a computer's name, not 0.0.x.y.
        1 if a > 0x00ff_ffff => a,
        2 if b <= 0x00ff_ffff => u32::from(byte(a)?) << 24 | b,
        3 if c <= 0xffff => u32::from(byte(a)?) << 24 | u32::from(byte(b)?) << 16 | c,
        4 => u32::from_be_bytes([byte(a)?, byte(b)?, byte(c)?, byte(d)?]),
        _ => return None,
    };
    Some(Ipv4Addr::from(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_the_tools_use_names_the_listener() {
        for path in [
            r"\\L\x\file.txt",
            r"\\L\x\",
            r"\\L\x",
            r"\\L\",
            r"\\L",
            r"\\?\L\x",
            r"\\.\L\x",
            r"\\?\UNC\L\x",
            r"\??\UNC\L\x",
            r"\\.\UNC\L\x",
            r"\\L@80/abc\share\file.txt",
            r"\\L@80\abc\file.txt",
            "//L/x",
            r"\??\unc\L\x",
            r"\\?\GLOBALROOT\Device\Mup\L\x",
            r"\Device\Mup\L\x",
            r"\\;WebDavRedirector\;Z:0\L\x",
            r"\\L.\x",
            "file://L/x",
            "file:////L/x",
            r"file:\\L\x",
            "http://L:8080/printers/x/.printer",
            "L",
            "L[135]",
            r"\\L,WinSpool",
        ] {
            let got = path_host(path);
            assert_eq!(got.host.as_deref(), Some("l"), "{path}");
            let web = path.contains('@') || path.starts_with("http");
            assert_eq!(got.webdav, web, "{path}");
        }
    }

    #[test]
    fn local_paths_have_no_host() {
        for path in [
            "",
            r"C:\x",
            "C:",
            r"\x\y",
            r"\??\C:\x",
            r"\\?\C:\x",
            r"\\.\pipe\x",
            r"\\.\PhysicalDrive0",
            r"\\?\Volume{0}\x",
            r"\",
            r"\\",
            "file:///C:/x",
            r"dir\file",
        ] {
            assert_eq!(path_host(path).host, None, "{path}");
        }
        assert_eq!(path_host_as("file.txt", PathForm::Unc).host, None);
    }

    #[test]
    fn literals_in_every_form() {
        let v4: IpAddr = "10.0.0.66".parse().unwrap();
        for path in [
            r"\\10.0.0.66\x",
            r"\\167772226\x",
            r"\\0x0a000042\x",
            r"\\012.0.0.0102\x",
            r"\\10.66\x",
            r"\\[::ffff:10.0.0.66]\x",
            "10.0.0.66",
            "10.0.0.66[135]",
            r"\\10.0.0.66@SSL@443\x",
        ] {
            assert_eq!(path_host(path).literal, Some(v4), "{path}");
        }
        let v6: IpAddr = "fe80::1".parse().unwrap();
        for path in [
            r"\\[fe80::1]\x",
            r"\\[fe80::1%4]\x",
            r"\\fe80--1.ipv6-literal.net\x",
            r"\\FE80--1s4.ipv6-literal.net\x",
        ] {
            let got = path_host(path);
            assert_eq!(got.literal, Some(v6), "{path}");
            assert_eq!(got.host.as_deref(), Some("fe80::1"), "{path}");
        }
        for name in [r"\\dc01\x", r"\\1234\x", r"\\a.b\x", r"\\1.2.3.4.5\x"] {
            assert_eq!(path_host(name).literal, None, "{name}");
        }
    }

    #[test]
    fn davwwwroot_means_webdav() {
        assert!(path_host(r"\\l\DavWWWRoot\x").webdav);
        assert!(!path_host(r"\\l\x").webdav);
    }

    #[test]
    fn a_task_document_gives_the_path_inside() {
        let xml = r"<Task xmlns='http://schemas.microsoft.com/x'><Command>\\10.0.0.66\s\a.exe</Command></Task>";
        assert_eq!(find_unc(xml), Some(r"\\10.0.0.66\s\a.exe"));
        assert_eq!(
            path_host_as(xml, PathForm::Text).host.as_deref(),
            Some("10.0.0.66")
        );
        assert_eq!(
            find_unc(r"<Command>C:\\Windows</Command>"),
            Some(r"\\Windows")
        );
        assert_eq!(find_unc("no path"), None);
    }
}

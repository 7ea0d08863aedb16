//! Capture filters (BPF) for files. Live, the kernel runs them.

use super::{CaptureError, link_name};
use std::fmt;

/// A compiled filter for one link type.
pub struct Filter {
    program: pcap::BpfProgram,
}

impl Filter {
    /// Compiles `bpf` (pcap-filter syntax) for frames of `link` (LINKTYPE_ number).
    ///
    /// # Errors
    /// [`CaptureError::Filter`] with libpcap's message, among them that this link
    /// type has no such field.
    pub fn compile(bpf: &str, link: u16) -> Result<Self, CaptureError> {
        let wrong = |cause: String| CaptureError::Filter {
            filter: bpf.to_owned(),
            cause,
        };
        let program = pcap::Capture::dead(pcap::Linktype(dlt(link)))
            .and_then(|dead| dead.compile(bpf, true))
            .map_err(|e| wrong(said(&e)))?;
        Ok(Self { program })
    }

    /// True if the filter lets `frame` through. Lengths in the filter (`greater`, `len`) mean captured bytes.
    #[must_use]
    pub fn matches(&self, frame: &[u8]) -> bool {
        self.program.filter(frame)
    }
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Filter")
            .field("instructions", &self.program.get_instructions().len())
            .finish()
    }
}

/// One filter text compiled for every link type that has come up.
#[derive(Debug)]
pub(super) struct Filters {
    bpf: String,
    /// `None`: the filter makes no sense on this link type and lets nothing through.
    compiled: Vec<(u16, Option<Filter>)>,
}

impl Filters {
    /// Checks `bpf` against Ethernet, which knows every word of the language.
    pub(super) fn new(bpf: &str) -> Result<Self, CaptureError> {
        let ethernet = Filter::compile(bpf, 1)?;
        Ok(Self {
            bpf: bpf.to_owned(),
            compiled: vec![(1, Some(ethernet))],
        })
    }

    /// True if `frame` goes through. Says so in `notices` once if the filter does not fit the link type.
    pub(super) fn matches(&mut self, link: u16, frame: &[u8], notices: &mut Vec<String>) -> bool {
        if let Some((_, filter)) = self.compiled.iter().find(|(known, _)| *known == link) {
            return filter.as_ref().is_some_and(|f| f.matches(frame));
        }
        let filter = match Filter::compile(&self.bpf, link) {
            Ok(filter) => Some(filter),
            Err(e) => {
                let link = link_name(link.into());
                notices.push(format!("frames of link type {link} are left out: {e}"));
                None
            }
        };
        let through = filter.as_ref().is_some_and(|f| f.matches(frame));
        self.compiled.push((link, filter));
        through
    }
}

/// libpcap's own number of a link type; the two lists differ for raw IP.
fn dlt(link: u16) -> i32 {
    match link {
        101 | 14 => 12,
        other => other.into(),
    }
}

/// What libpcap said, without the crate's wrapping.
pub(super) fn said(e: &pcap::Error) -> String {
    match e {
        pcap::Error::PcapError(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UDP_53: [u8; 42] = [
        2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, // Ethernet, IPv4
        0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, // IPv4, UDP
        0x80, 0, 0, 53, 0, 8, 0, 0, // UDP 32768 -> 53
    ];

    #[test]
    fn filters_by_link_type() {
        let ether = Filter::compile("udp port 53", 1).unwrap();
        assert!(ether.matches(&UDP_53));
        assert!(!ether.matches(&UDP_53[..20]), "cut before the port");
        let raw = Filter::compile("udp port 53", 101).unwrap();
        assert!(raw.matches(&UDP_53[14..]));
        assert!(!Filter::compile("tcp", 1).unwrap().matches(&UDP_53));
    }

    #[test]
    fn a_bad_filter_says_what_is_wrong() {
        let e = Filter::compile("port banana", 1).unwrap_err().to_string();
        assert!(e.contains("\"port banana\"") && e.contains("banana"), "{e}");
    }

    #[test]
    fn a_filter_that_does_not_fit_a_link_type_is_told_once() {
        let mut filters = Filters::new("ether host 02:00:00:00:00:01").unwrap();
        let mut notices = Vec::new();
        assert!(filters.matches(1, &UDP_53, &mut notices));
        assert!(notices.is_empty());
        assert!(!filters.matches(101, &UDP_53[14..], &mut notices));
        assert!(!filters.matches(101, &UDP_53[14..], &mut notices));
        assert_eq!(notices.len(), 1, "{notices:?}");
    }
}

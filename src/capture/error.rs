//! What keeps a source from being opened, in words for the operator.

use std::io;

/// Why a source could not be opened. Every message names the thing, the cause and what to do.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// The file cannot be read at all.
    #[error("{name}: {cause}; check the path and that this user may read it")]
    Unreadable {
        /// The file.
        name: String,
        /// What the system said.
        cause: io::Error,
    },
    /// The file has no bytes.
    #[error("{name}: the file is empty; was the capture stopped before anything was written?")]
    Empty {
        /// The file.
        name: String,
    },
    /// The file is something else.
    #[error(
        "{name}: not a capture file ({found}); pcap and pcapng can be read, plain, .gz or .zst"
    )]
    NotACapture {
        /// The file.
        name: String,
        /// What it seems to be.
        found: String,
    },
    /// The file ends or is damaged before its first frame could be described.
    #[error("{name}: damaged at the start: {why}; copy or record it again")]
    Damaged {
        /// The file.
        name: String,
        /// What is wrong.
        why: String,
    },
    /// There is no such interface.
    #[error("{name}: no such interface; {known}")]
    NoInterface {
        /// The interface.
        name: String,
        /// The interfaces that exist, as a sentence.
        known: String,
    },
    /// The kernel does not let this user capture.
    #[error(
        "{name}: capturing is not permitted ({cause}); run as root, or once: \
         setcap cap_net_raw+ep $(command -v relaywatch)"
    )]
    NotPermitted {
        /// The interface.
        name: String,
        /// What libpcap said.
        cause: String,
    },
    /// The interface cannot be captured from, for another reason.
    #[error("{name}: cannot capture: {cause}; see that the interface is up (ip link show {name})")]
    Live {
        /// The interface.
        name: String,
        /// What libpcap said.
        cause: String,
    },
    /// The interface delivers frames of a kind that is not read.
    #[error(
        "{name}: link type {link} is not supported; capture on the Ethernet or \"any\" interface"
    )]
    Link {
        /// The interface.
        name: String,
        /// Its link type.
        link: String,
    },
    /// The kernel does not share the interface's packets between several captures.
    #[error(
        "{name}: the kernel does not spread packets over several captures: {cause}; set fanout = 1"
    )]
    Fanout {
        /// The interface.
        name: String,
        /// What the system said.
        cause: io::Error,
    },
    /// The capture filter is wrong.
    #[error("filter \"{filter}\": {cause}; the syntax is that of tcpdump (man pcap-filter)")]
    Filter {
        /// The filter.
        filter: String,
        /// What libpcap said.
        cause: String,
    },
}

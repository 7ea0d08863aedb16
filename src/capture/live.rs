//! Interfaces, through libpcap.
//!
//! On Linux libpcap maps a ring (TPACKET_V3) that the kernel fills in blocks. One [`Source::fill`] takes
//! what is ready, up to one [`Block`], and copies it: the ring is the kernel's again afterwards.
//!
//! Two settings are never used. Immediate mode silently falls back to TPACKET_V2, at many times
//! the cost and with drops; and a timeout of 0 lets the kernel keep frames until a block is full.
//! With TPACKET_V3 a silent interface blocks a reader for ever, whatever the timeout, so the handle is
//! non-blocking and an idle `fill` waits for its socket instead, for a tick at most: a wish to stop is never
//! further away than that.

use super::filter::said;
use super::link::{Change, Link};
use super::{CaptureError, End, Fill, Source, SourceStats, Watched, fanout, link_name, supported};
use crate::limits::{BLOCK_BYTES, TICK_MILLIS};
use crate::packet::{Block, FrameRef};
use crate::time::Timestamp;
use std::fmt;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// How to capture from an interface.
#[derive(Clone, Copy, Debug)]
pub struct LiveOptions<'a> {
    /// Bytes captured of a frame. Offloading makes frames of 64 KiB.
    pub snaplen: u32,
    /// Bytes of the kernel's ring.
    pub buffer: usize,
    /// Milliseconds after which the kernel hands over a block that is not full, at least 1.
    pub timeout_ms: u32,
    /// See frames that are not for this host.
    pub promisc: bool,
    /// Capture filter (pcap-filter syntax).
    pub bpf: Option<&'a str>,
    /// Ask for nanoseconds; without it, or where the system cannot, times have microseconds.
    pub nanos: bool,
    /// Number of this interface in the live set ([`FrameRef::iface`]).
    pub iface: u16,
    /// Share the interface's packets with the other captures of this number.
    pub fanout: Option<u16>,
}

impl Default for LiveOptions<'_> {
    fn default() -> Self {
        Self {
            snaplen: 65_535,
            buffer: 64 * 1024 * 1024,
            timeout_ms: 1,
            promisc: true,
            bpf: None,
            nanos: true,
            iface: 0,
            fanout: None,
        }
    }
}

/// Frames of an interface.
pub struct LiveSource {
    capture: pcap::Capture<pcap::Active>,
    stop: pcap::BreakLoop,
    name: String,
    iface: u16,
    link: u16,
    /// Nanoseconds of one unit of libpcap's sub-second field.
    fraction: u64,
    /// How long a frame may lie in the ring before it can be seen.
    delay: Duration,
    state: Option<Link>,
    kernel: Kernel,
    stats: SourceStats,
    notices: Vec<String>,
}

impl LiveSource {
    /// Starts capturing from interface `name`.
    ///
    /// # Errors
    /// [`CaptureError`] if there is no such interface, this user may not capture, its link type
    /// is not supported or the filter is wrong.
    pub fn open(name: &str, options: &LiveOptions<'_>) -> Result<Self, CaptureError> {
        let live = |e: pcap::Error| failed(name, &e);
        let precision = if options.nanos {
            pcap::Precision::Nano
        } else {
            pcap::Precision::Micro
        };
        let timeout = options.timeout_ms.max(1);
        let capture = pcap::Capture::from_device(name)
            .map_err(live)?
            .snaplen(clamp(options.snaplen))
            .buffer_size(i32::try_from(options.buffer).unwrap_or(i32::MAX))
            .timeout(clamp(timeout))
            .promisc(options.promisc)
            .precision(precision)
            .open()
            .map_err(live)?;
        let mut capture = capture.setnonblock().map_err(live)?;
        let dlt = u32::try_from(capture.get_datalink().0).unwrap_or(u32::MAX);
        let link = match u16::try_from(dlt).ok().filter(|_| supported(dlt)) {
            Some(link) => link,
            None => {
                return Err(CaptureError::Link {
                    name: name.to_owned(),
                    link: link_name(dlt),
                });
            }
        };
        if let Some(bpf) = options.bpf {
            capture
                .filter(bpf, true)
                .map_err(|e| CaptureError::Filter {
                    filter: bpf.to_owned(),
                    cause: said(&e),
                })?;
        }
        if let Some(group) = options.fanout {
            fanout::join(&capture, group).map_err(|e| CaptureError::Fanout {
                name: name.to_owned(),
                cause: e,
            })?;
        }
        let state = Link::open(name, &capture);
        let mut notices = Vec::new();
        if state.as_ref().is_some_and(|link| !link.is_up()) {
            notices.push(DOWN.to_owned());
        }
        if options.snaplen < 4096 {
            notices.push(format!(
                "capturing {} bytes a frame cuts off the messages that matter (NTLM and Kerberos need several KiB)",
                options.snaplen
            ));
        }
        Ok(Self {
            stop: capture.breakloop_handle(),
            capture,
            name: name.to_owned(),
            iface: options.iface,
            link,
            // libpcap refuses a precision it cannot give, so what was asked for is what comes.
            fraction: if options.nanos { 1 } else { 1_000 },
            delay: Duration::from_millis(u64::from(timeout) * 2) + RETIRING,
            state,
            kernel: Kernel::default(),
            stats: SourceStats::default(),
            notices,
        })
    }
}

/// What a block may be late beyond twice its timeout. The kernel hands over a block that a second tick of its timer finds
/// open; before Linux 6.18 that timer counts in jiffies, of 4 ms on most, and frames can be late by more.
const RETIRING: Duration = Duration::from_millis(1);

const DOWN: &str = "no link; capturing goes on when it is back";

impl LiveSource {
    /// Waits until there may be frames, a tick at most. True if there are.
    fn wait(&self) -> bool {
        let mut socket = [PollFd::new(&self.capture, PollFlags::IN)];
        let tick = Timespec {
            tv_sec: 0,
            tv_nsec: TICK_MILLIS * 1_000_000,
        };
        let ready = poll(&mut socket, Some(&tick)).is_ok_and(|n| n > 0);
        let [socket] = &socket;
        if socket.revents() == PollFlags::IN {
            return true;
        }
        if ready {
            // An error, which the next dispatch will tell; if it does not, this must not spin.
            std::thread::sleep(Duration::from_millis(TICK_MILLIS.unsigned_abs()));
        }
        false
    }

    /// Takes what is ready.
    fn take(&mut self, block: &mut Block) -> Option<Fill> {
        let Block { bytes, frames, .. } = block;
        let (link, iface, fraction, stop) = (self.link, self.iface, self.fraction, &self.stop);
        let mut full = false;
        let taken = self.capture.dispatch(None, |packet| {
            let secs = u64::try_from(packet.header.ts.tv_sec).unwrap_or(0);
            let part = u64::try_from(packet.header.ts.tv_usec).unwrap_or(0);
            let len = u32::try_from(packet.data.len()).unwrap_or(u32::MAX);
            frames.push(FrameRef {
                ts: Timestamp::new(secs, part * fraction),
                start: u32::try_from(bytes.len()).unwrap_or(u32::MAX),
                len,
                wire_len: packet.header.len.max(len),
                link,
                iface,
            });
            bytes.extend_from_slice(packet.data);
            if bytes.len() >= BLOCK_BYTES && !full {
                // The rest of the ring waits for the next block.
                full = true;
                stop.breakloop();
            }
        });
        self.stats.frames += frames.len() as u64;
        self.stats.bytes += bytes.len() as u64;
        match taken {
            _ if !frames.is_empty() => Some(Fill::Frames),
            Ok(_) => None,
            // Left over from a block that filled up with the last frame there was. There may be more by now.
            Err(pcap::Error::PcapError(text)) if text.is_empty() => Some(Fill::Frames),
            Err(e) => Some(self.gone(&said(&e))),
        }
    }

    fn gone(&self, why: &str) -> Fill {
        Fill::End(End::Broke {
            offset: None,
            reason: format!("{}: capturing stopped: {why}", self.name),
        })
    }
}

impl Source for LiveSource {
    fn fill(&mut self, block: &mut Block) -> Fill {
        block.clear();
        if let Some(fill) = self.take(block) {
            return fill;
        }
        if self.wait()
            && let Some(fill) = self.take(block)
        {
            return fill;
        }
        match self.state.as_mut().and_then(Link::look) {
            Some(Change::Gone) => return self.gone("the interface does not exist any more"),
            Some(Change::Down) => self.notices.push(DOWN.to_owned()),
            Some(Change::Up) => self.notices.push("the link is back".to_owned()),
            None => {}
        }
        Fill::Idle
    }

    fn settled(&self, now: Timestamp) -> Timestamp {
        now.minus(self.delay)
    }

    fn watched(&mut self, all: &mut Vec<Watched>) {
        let stats = self.stats();
        let up = self.state.as_ref().is_none_or(Link::is_up);
        Watched::add(all, &self.name, up, &stats);
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn iface_name(&self, iface: u16) -> Option<&str> {
        (iface == self.iface).then_some(self.name.as_str())
    }

    fn stats(&mut self) -> SourceStats {
        if let Ok(now) = self.capture.stats() {
            self.kernel.add([now.received, now.dropped, now.if_dropped]);
        }
        let [packets, drops, ifdrops] = self.kernel.total;
        SourceStats {
            kernel_packets: packets,
            kernel_drops: drops,
            kernel_ifdrops: ifdrops,
            ..self.stats
        }
    }

    fn notice(&mut self) -> Option<String> {
        let notice = self.notices.pop()?;
        Some(format!("{}: {notice}", self.name))
    }
}

impl fmt::Debug for LiveSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveSource")
            .field("name", &self.name)
            .field("link", &self.link)
            .field("stats", &self.stats)
            .finish_non_exhaustive()
    }
}

/// libpcap's counters are 32 bits wide and start again at 0; ours go on.
#[derive(Debug, Default)]
struct Kernel {
    last: [u32; 3],
    total: [u64; 3],
}

impl Kernel {
    fn add(&mut self, now: [u32; 3]) {
        for ((last, total), now) in self.last.iter_mut().zip(&mut self.total).zip(now) {
            *total += u64::from(now.wrapping_sub(*last));
            *last = now;
        }
    }
}

/// What is known of an interface, for `-T` and for messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// What the system says it is.
    pub description: Option<String>,
    /// Switched on by the administrator.
    pub up: bool,
    /// Has a link.
    pub running: bool,
    /// Only this host's own traffic.
    pub loopback: bool,
    /// Its addresses. A mirror port should have none.
    pub addresses: Vec<std::net::IpAddr>,
}

/// All interfaces that can be captured from.
///
/// # Errors
/// [`CaptureError::Live`] with what libpcap said.
pub fn interfaces() -> Result<Vec<Interface>, CaptureError> {
    let devices = pcap::Device::list().map_err(|e| failed("any", &e))?;
    Ok(devices
        .into_iter()
        .map(|device| Interface {
            up: device.flags.is_up(),
            running: device.flags.is_running(),
            loopback: device.flags.is_loopback(),
            addresses: device.addresses.iter().map(|a| a.addr).collect(),
            name: device.name,
            description: device.desc,
        })
        .collect())
}

/// The state of interface `name`.
///
/// # Errors
/// [`CaptureError::NoInterface`] if there is none of that name, or [`CaptureError::Live`].
pub fn interface(name: &str) -> Result<Interface, CaptureError> {
    let all = interfaces()?;
    match all.iter().find(|i| i.name == name) {
        Some(found) => Ok(found.clone()),
        None => Err(CaptureError::NoInterface {
            name: name.to_owned(),
            known: known(&all),
        }),
    }
}

fn known(all: &[Interface]) -> String {
    // The pseudo-devices (nflog, usbmon, bluetooth ...) are of no use here.
    let names: Vec<&str> = all
        .iter()
        .filter(|i| i.up || !i.addresses.is_empty())
        .map(|i| i.name.as_str())
        .collect();
    if names.is_empty() {
        "none can be seen here".to_owned()
    } else {
        format!("there are: {}", names.join(", "))
    }
}

/// Why an interface could not be opened. The pcap crate keeps libpcap's words and not its error code.
fn failed(name: &str, e: &pcap::Error) -> CaptureError {
    let cause = said(e);
    let name = name.to_owned();
    let all = pcap::Device::list().unwrap_or_default();
    if cause.contains("No such device") || cause.contains("SIOCGIFHWADDR") {
        let known = interfaces().map(|all| known(&all)).unwrap_or_default();
        CaptureError::NoInterface { name, known }
    } else if cause.contains("ermission") || cause.contains("Operation not permitted") {
        // Unprivileged, libpcap does not get far enough to see that the interface is missing.
        if !all.is_empty() && !all.iter().any(|d| d.name == name) {
            let known = interfaces().map(|all| known(&all)).unwrap_or_default();
            return CaptureError::NoInterface { name, known };
        }
        CaptureError::NotPermitted { name, cause }
    } else {
        CaptureError::Live { name, cause }
    }
}

fn clamp(n: u32) -> i32 {
    i32::try_from(n).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernel_counters_go_on_past_32_bits() {
        let mut k = Kernel::default();
        k.add([u32::MAX - 1, 5, 0]);
        k.add([3, 5, 1]);
        assert_eq!(k.total, [u64::from(u32::MAX) + 4, 5, 1]);
    }

    #[test]
    fn a_missing_interface_is_named_with_those_that_exist() {
        let e = LiveSource::open("rw-nosuch0", &LiveOptions::default()).unwrap_err();
        assert!(matches!(e, CaptureError::NoInterface { .. }), "{e:?}");
        assert!(e.to_string().starts_with("rw-nosuch0: no such interface"));
        assert!(matches!(
            interface("rw-nosuch0"),
            Err(CaptureError::NoInterface { .. })
        ));
    }

    /// Needs the right to capture; says so and passes without it.
    #[test]
    fn frames_of_the_loopback_interface_arrive_and_silence_is_idle() {
        let options = LiveOptions {
            bpf: Some("udp port 45999"),
            promisc: false,
            timeout_ms: 1,
            buffer: 4 * 1024 * 1024,
            iface: 3,
            ..LiveOptions::default()
        };
        let mut source = match LiveSource::open("lo", &options) {
            Ok(source) => source,
            Err(e) => return println!("skipped: {e}"),
        };
        let mut block = Block::default();
        assert_eq!(source.fill(&mut block), Fill::Idle);
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        // More than a block, so that a fill has to stop in the middle of the ring.
        let payload = [7; 8_000];
        for _ in 0..80 {
            socket.send_to(&payload, "127.0.0.1:45999").unwrap();
        }
        let (mut frames, mut fills) = (0, 0);
        for _ in 0..2_000 {
            match source.fill(&mut block) {
                Fill::Frames => {
                    fills += 1;
                    assert!(block.bytes.len() < BLOCK_BYTES + 65_536);
                    for frame in &block.frames {
                        assert_eq!((frame.link, frame.iface), (1, 3));
                        assert_eq!(frame.wire_len, 8_042);
                        assert!(frame.ts.secs() > 1_700_000_000);
                    }
                    // The loopback shows a frame going and, on some systems, coming.
                    frames += block.frames.len();
                }
                Fill::Idle if frames >= 80 => break,
                Fill::Idle => {}
                Fill::End(end) => panic!("{end}"),
            }
        }
        assert!(frames >= 80, "{frames}");
        assert!(fills >= 2, "{fills}");
        let stats = source.stats();
        assert_eq!(stats.frames, frames as u64);
        assert!(stats.kernel_packets >= 80);
        assert_eq!(source.iface_name(3), Some("lo"));
    }

    #[test]
    fn a_bad_filter_is_shown() {
        let options = LiveOptions {
            bpf: Some("port banana"),
            ..LiveOptions::default()
        };
        match LiveSource::open("lo", &options) {
            Err(CaptureError::Filter { filter, .. }) => assert_eq!(filter, "port banana"),
            Err(e) => println!("skipped: {e}"),
            Ok(_) => panic!("accepted"),
        }
    }
}

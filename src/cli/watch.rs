//! Watching interfaces.

use std::sync::atomic::AtomicBool;

use super::config::Interface;
use super::summary::Summary;
use super::{Failure, complain, inform};
use crate::capture::{CaptureError, LiveOptions, LiveSource, Source};
use crate::sensor::{self, Input, Open, Outlet, Setup, Several};

/// Opens the interfaces and says how; nothing is started yet. Opening needs rights: `again` says whether they are
/// kept, so that an interface can be opened again when it went away and came back.
pub(super) fn open(
    interfaces: &[Interface],
    quiet: bool,
    again: bool,
) -> Result<Vec<Input>, Failure> {
    let mut inputs = Vec::new();
    for (n, interface) in interfaces.iter().enumerate() {
        let iface = u16::try_from(n).unwrap_or(u16::MAX);
        for _ in 0..interface.fanout {
            let source = capture(interface, iface).map_err(Failure::new)?;
            let interface = interface.clone();
            let reopen: Open = Box::new(move || {
                let source = capture(&interface, iface)?;
                Ok(Box::new(source) as Box<dyn Source>)
            });
            inputs.push(Input {
                source: Box::new(source),
                iface,
                reopen: again.then_some(reopen),
            });
        }
        if !quiet {
            inform(&format_args!(
                "watching {}: {}",
                interface.name,
                interface.how()
            ));
        }
    }
    Ok(inputs)
}

fn capture(interface: &Interface, iface: u16) -> Result<LiveSource, CaptureError> {
    // Packets are shared among all captures of a group in the network namespace, so it should be ours alone.
    let group = std::process::id().wrapping_add(iface.into()) & 0xffff;
    let options = LiveOptions {
        buffer: interface.ring_mib as usize * 1024 * 1024,
        timeout_ms: interface.timeout_ms,
        promisc: interface.promisc,
        bpf: interface.bpf.as_deref(),
        iface,
        fanout: (interface.fanout > 1).then(|| u16::try_from(group).unwrap_or_default()),
        ..LiveOptions::default()
    };
    LiveSource::open(&interface.name, &options)
}

/// Watches until told to stop. That the last interface went away is a failure: whoever started it should start it again.
pub(super) fn run(
    mut inputs: Vec<Input>,
    setup: &Setup,
    outlet: &Outlet,
    stop: &AtomicBool,
    summary: &mut Summary,
) -> Result<(), Failure> {
    let cannot = |e| Failure::new(format_args!("cannot start a thread: {e}"));
    let single = inputs.len() == 1;
    let mut source = match inputs.pop() {
        // One capture needs no thread to be merged in.
        Some(only) if single => only.source,
        last => {
            inputs.extend(last);
            Box::new(Several::start(inputs).map_err(cannot)?)
        }
    };
    let mut hear = |_, said: Option<String>| {
        if let Some(said) = said {
            complain(&said);
        }
    };
    let report = sensor::run(source.as_mut(), setup, outlet, stop, &mut hear).map_err(cannot)?;
    summary.add(&report);
    match &report.broken {
        Some(broken) => Err(Failure::new(broken)),
        None => Ok(()),
    }
}

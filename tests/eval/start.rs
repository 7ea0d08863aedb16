//! What the sensor knows before a case: nothing, what an ordinary capture taught it, or what the
//! operator declared. Cases in which it matters whose address is whose run all three ways.

use std::path::{Path, PathBuf};

use relaywatch::cli::{Args, Config};
use relaywatch::correlate::Declared;

use super::case::{Case, Collected, Start};
use super::{Result, root};

/// Seconds between the end of the capture that teaches and the case.
const APART: u64 = 60;

/// Adds the two other ways to every case that needs them.
pub(crate) fn add(all: &mut Collected) {
    let mut more = Vec::new();
    // Of a capture with other addresses, neither the ordinary one nor the declared hosts are the network.
    for case in all
        .cases
        .iter()
        .filter(|c| c.truth.identity && !c.truth.derived && !c.truth.varied)
    {
        if !matches!(case.set, "recorded" | "lab") {
            continue;
        }
        more.push(Case {
            start: Start::Declared,
            ..case.clone()
        });
        let name = case.truth.warm_up.as_deref().unwrap_or("member_logon");
        let beside = |dir: &Path| dir.join(format!("{name}.pcap"));
        let places = [
            beside(case.pcap.parent().unwrap_or(root())),
            beside(&root().join("testdata/captures")),
        ];
        match places.into_iter().find(|p| p.exists()) {
            Some(before) => more.push(Case {
                start: Start::Warm,
                before: Some(before),
                ..case.clone()
            }),
            None => all
                .errors
                .push(format!("{}: no capture {name} to warm up with", case.id())),
        }
    }
    all.cases.extend(more);
}

/// The lab's hosts, as an operator would write them down.
pub(crate) fn declared() -> Result<Declared> {
    let args = Args {
        config: Some(root().join("testdata/eval/lab.toml")),
        ..Args::default()
    };
    let config = Config::from_args(&args).map_err(|e| e.to_string())?;
    Ok(Declared {
        forwarders: config.forwarders,
        hosts: config.hosts,
        // Who says who is who has watched long enough, too.
        learning: std::time::Duration::ZERO,
        ..Declared::default()
    })
}

/// A copy of `before` that ends a minute before `case` begins.
pub(crate) fn shifted(before: &Path, case: &Path, dir: &Path) -> Result<PathBuf> {
    let fail = |why: String| format!("{}: {why}", before.display());
    let bytes = std::fs::read(before).map_err(|e| fail(e.to_string()))?;
    let start = relaywatch::capture::first_timestamp(case)
        .map_err(|e| fail(e.to_string()))?
        .ok_or_else(|| fail(format!("{} has no packet", case.display())))?;
    let moved =
        moved(&bytes, start.secs()).ok_or_else(|| fail("not a plain pcap file".to_owned()))?;
    let path = dir.join("before.pcap");
    std::fs::write(&path, moved).map_err(|e| fail(e.to_string()))?;
    Ok(path)
}

/// The same frames, the last of them [`APART`] before `start`. Little-endian pcap with microseconds.
fn moved(bytes: &[u8], start: u64) -> Option<Vec<u8>> {
    let number = |at: usize| {
        let four: [u8; 4] = bytes.get(at..at + 4)?.try_into().ok()?;
        Some(u32::from_le_bytes(four))
    };
    if number(0)? != 0xa1b2_c3d4 {
        return None;
    }
    let mut records = Vec::new();
    let mut at = 24;
    while let Some(len) = number(at + 8) {
        records.push(at);
        at += 16 + len as usize;
    }
    let last = u64::from(number(*records.last()?)?);
    let mut moved = bytes.to_vec();
    for at in records {
        let secs = (u64::from(number(at)?) + start).checked_sub(last + APART)?;
        let secs = u32::try_from(secs).ok()?.to_le_bytes();
        moved.get_mut(at..at + 4)?.copy_from_slice(&secs);
    }
    Some(moved)
}

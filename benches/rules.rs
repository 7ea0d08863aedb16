//! What one event costs, by the number of rules: flat, if the index does its work.
//!
//! `cargo bench --bench rules [-- --quick]`

use std::hint::black_box;
use std::time::Instant;

use relaywatch::event::{Fields, RpcCall};
use relaywatch::rule::{RuleSet, RuleSource, Scratch};

/// Rules as people write them: most name an interface and an operation, some a part of a path.
fn rules(count: u32) -> RuleSet {
    let one = |n: u32| {
        let selection = match n % 10 {
            0 => format!("endpoint: service{n}\n        operation|startswith: Op"),
            1 => format!("named_pipe: pipe{n}\n        path|contains: host{n}"),
            _ => format!(
                "interface: 12345678-1234-abcd-ef00-{:012x}\n        opnum: {}",
                n / 8,
                n % 100
            ),
        };
        format!(
            "title: Rule {n}\nsid: {}\nlogsource: {{product: relaywatch, service: dce_rpc, category: call}}\n\
             detection:\n    selection:\n        {selection}\n    condition: selection\n",
            1_000_000 + n
        )
    };
    let all: Vec<String> = (0..count).map(one).collect();
    let source = RuleSource::Text {
        name: "bench".to_owned(),
        text: all.join("---\n"),
    };
    RuleSet::load(&[source]).unwrap_or_else(|errors| panic!("{}", errors[0]))
}

fn call(opnum: u16) -> RpcCall<'static> {
    RpcCall {
        interface: "12345678-1234-abcd-ef00-000000000003".parse().ok(),
        endpoint: "spoolss",
        opnum,
        operation: "RpcOpenPrinter",
        version: "1.0",
        transport: "ncacn_np",
        named_pipe: "spoolss",
        auth_type: None,
        auth_level: Some(6),
        sealed: false,
        stub_len: 100,
        path: Some(r"\\files.example\share\report.docx"),
        argument: None,
        detail: None,
        zero_credential: None,
        by_endpoint: None,
        ndr64: false,
        call_id: 1,
        fragments: 1,
        object: None,
        method: None,
        path_by_scan: false,
        stub: &[],
        association: 0,
        client: None,
    }
}

#[allow(clippy::disallowed_methods)] // measuring is what this is for
fn main() {
    let quick = std::env::args().any(|a| a == "--quick" || a == "--test");
    let rounds = if quick { 1_000 } else { 200_000 };
    let events: Vec<RpcCall<'_>> = (0..64).map(call).collect();
    println!("{:>7}  {:>9}  {:>8}", "rules", "ns/event", "hits");
    for count in [10, 100, 1_000, 10_000] {
        let rules = rules(count);
        let mut scratch = Scratch::new();
        let mut hits = Vec::new();
        let mut found = 0_usize;
        let mut best = f64::INFINITY;
        for _ in 0..5 {
            let start = Instant::now();
            found = 0;
            for n in 0..rounds {
                hits.clear();
                let event: &dyn Fields = &events[n % events.len()];
                rules.matches(black_box(event), &mut scratch, &mut hits);
                found += hits.len();
            }
            best = best.min(start.elapsed().as_nanos() as f64 / rounds as f64);
        }
        println!("{count:>7}  {best:>9.0}  {found:>8}");
    }
}

//! Scores the sensor against ground truth. `docs/evaluation.md` says how to read what it prints.
//!
//! ```text
//! case.rs      captures and what is true of them      labels.rs    which detectors answer a label
//! public.rs    captures of others                     run.rs       the sensor, case by case
//! score.rs     what it said, judged                   baseline.rs  against what was accepted
//! mutants.rs   rules with a condition less            report.rs    table and JSON
//! selftest.rs  that the evaluation itself can fail    start.rs     what the sensor knows before a case
//! reasons.rs  why a label is missed                    provenance.rs  which came first, truth or rule
//! ```

mod baseline;
mod case;
mod labels;
mod mutants;
mod provenance;
mod public;
mod reasons;
mod report;
mod run;
mod score;
mod selftest;
mod start;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};

use baseline::Baseline;
use case::{Case, Collected};
use labels::Labels;
use reasons::Reasons;
use relaywatch::catalog::Catalog;
use relaywatch::rule::RuleSource;
use run::{Said, Sensor};
use score::{Judge, Judged};

/// What is wrong, for a person.
pub(crate) type Result<T> = std::result::Result<T, String>;

/// What to do, from the arguments.
#[derive(Clone, Copy, Debug, Default)]
struct Args {
    /// The lab's output and captures of others too, not only `testdata/captures`.
    all: bool,
    /// Make what is found the baseline.
    accept: bool,
}

fn main() -> ExitCode {
    let mut args = Args::default();
    for arg in std::env::args().skip(1) {
        match arg.as_str() {
            "--all" => args.all = true,
            "--accept" => args.accept = true,
            // What `cargo test` hands every test: a filter, --quiet, --nocapture.
            _ => {}
        }
    }
    match selftest::run().and_then(|()| evaluate(args)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(e) => {
            eprintln!("eval: {e}");
            ExitCode::FAILURE
        }
    }
}

fn evaluate(args: Args) -> Result<bool> {
    let labels = Labels::read(&read(&root().join("testdata/eval/labels.toml"))?)?;
    let mut collected = collect(args, &labels)?;
    let results = run_all(&mut collected, &labels)?;
    let path = root().join("testdata/eval/baseline.json");
    let old = Baseline::read(&read(&path)?)?;
    let mut changes = old.compare(&results);
    let mutants = mutants::run(&collected.cases, &results, &labels)?;
    old.compare_mutants(&mutants, &mut changes);
    let fatal = collected.errors.clone();
    let reasons = Reasons::read(&read(&root().join("testdata/eval/missed.toml"))?)?;
    changes.worse.extend(reasons.problems(&results));
    let report = report::Report::new(&labels, &results, &collected, &mutants, &reasons);
    // With testdata alone most rules are not reached; there, those it kills must stay killed.
    let lab = |c: &Case| c.set == "lab" || c.set == "shared-lab";
    let with_lab = collected.cases.iter().any(lab);
    if with_lab {
        let (open, needless) = mutants.check()?;
        mutants.survivors(&open, &mut changes);
        let needless = needless
            .iter()
            .map(|m| format!("not needed in mutants.toml: {m}"));
        changes.better.extend(needless);
    }
    if args.accept && fatal.is_empty() {
        let text = old.accept(&results, &mutants).text()?;
        std::fs::write(&path, text).map_err(|e| e.to_string())?;
        if with_lab {
            mutants.accept()?;
        }
        report.print(&changes);
        println!(
            "\naccepted: testdata/eval/baseline.json and mutants.toml are rewritten; read the diff before you commit it"
        );
        changes.worse.clear();
    } else {
        report.print(&changes);
    }
    report.write(&root().join("target/eval/report.json"), &changes)?;
    for e in &fatal {
        println!("ERROR {e}");
    }
    let good = fatal.is_empty() && changes.worse.is_empty();
    println!("\neval: {}", if good { "ok" } else { "FAILED" });
    Ok(good)
}

/// Every case there is.
fn collect(args: Args, labels: &Labels) -> Result<Collected> {
    let table = public::Table::read(&read(&root().join("testdata/eval/public.toml"))?)?;
    let mut all = Collected::default();
    let testdata = root().join("testdata");
    all.folder("recorded", &testdata.join("captures"), labels);
    all.folder("derived", &testdata.join("captures/derived"), labels);
    if args.all {
        let lab = std::env::var_os("RELAYWATCH_LAB")
            .map_or_else(|| testdata.join("lab/out"), PathBuf::from);
        all.folder("lab", &lab, labels);
        all.folder("lab-derived", &lab.join("derived"), labels);
        all.folder("shared-lab", &shared().join("captures/lab"), labels);
        table.collect(&shared().join("captures/public"), labels, &mut all);
        table.amend(&mut all.cases, labels)?;
    } else {
        all.skipped
            .push("lab, shared-lab, public: only `make eval` runs them".to_owned());
    }
    start::add(&mut all);
    if all.cases.len() < 30 {
        all.errors.push(format!(
            "only {} cases: testdata is not whole",
            all.cases.len()
        ));
    }
    Ok(all)
}

/// Runs and judges every case. One that cannot be run is judged as if nothing was said, and told.
fn run_all(collected: &mut Collected, labels: &Labels) -> Result<Vec<(Case, Judged)>> {
    let sensor = Sensor::new(&[RuleSource::Builtin])?;
    let judge = Judge {
        labels,
        catalog: Catalog::builtin(),
    };
    let said = each(&collected.cases, |case| sensor.case(case));
    let mut results = Vec::new();
    for (case, said) in collected.cases.iter().zip(said) {
        let (said, not_run) = match said {
            Ok(said) => (said, false),
            Err(e) => {
                collected.errors.push(format!("{}: {e}", case.id()));
                (Said::default(), true)
            }
        };
        let judged = judge.case(case, &said);
        results.push((case.clone(), Judged { not_run, ..judged }));
    }
    Ok(results)
}

/// Calls `run` for every case on as many threads as there are cores; answers in order.
pub(crate) fn each(
    cases: &[Case],
    run: impl Fn(&Case) -> Result<Said> + Sync,
) -> Vec<Result<Said>> {
    let next = AtomicUsize::new(0);
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get().min(4));
    let mut all: Vec<(usize, Result<Said>)> = std::thread::scope(|scope| {
        let work = || {
            let mut mine = Vec::new();
            while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                let at = cases.iter().position(|c| std::ptr::eq(c, case));
                mine.push((at.unwrap_or_default(), run(case)));
            }
            mine
        };
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let joined = threads
            .into_iter()
            .flat_map(|t| t.join().expect("no panic"));
        joined.collect()
    });
    all.sort_by_key(|(at, _)| *at);
    all.into_iter().map(|(_, said)| said).collect()
}

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Reference material beside the checkout, or where `RELAYWATCH_SHARED` says.
pub(crate) fn shared() -> PathBuf {
    std::env::var_os("RELAYWATCH_SHARED").map_or_else(|| root().join("../shared"), PathBuf::from)
}

/// A path as messages show it: without the checkout's own.
pub(crate) fn shown(path: &Path) -> String {
    path.strip_prefix(root())
        .unwrap_or(path)
        .display()
        .to_string()
}

pub(crate) fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", shown(path)))
}

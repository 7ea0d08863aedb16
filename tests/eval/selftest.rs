//! That the evaluation can fail: every way to falsify a truth, and every way to get worse.

use std::path::PathBuf;

use relaywatch::capture::first_timestamp;
use relaywatch::catalog::Catalog;
use relaywatch::rule::RuleSource;
use serde_json::{Value, json};

use super::baseline::{Baseline, Changes};
use super::case::{Case, Start, Truth};
use super::labels::Labels;
use super::mutants::Outcome;
use super::reasons::Reasons;
use super::run::{Level, Said, Sensor};
use super::score::{Judge, Judged};
use super::{Result, read, root, start};

/// A capture of ours with a coercion and a relay, all of it readable.
const NAME: &str = "relay_smb_ldap";

struct Bench {
    labels: Labels,
    json: Value,
    pcap: PathBuf,
    said: Said,
}

/// Fails if the evaluation would not.
pub(crate) fn run() -> Result<()> {
    let captures = root().join("testdata/captures");
    let text = read(&captures.join(format!("{NAME}.json")))?;
    let pcap = captures.join(format!("{NAME}.pcap"));
    let bench = Bench {
        labels: Labels::read(&read(&root().join("testdata/eval/labels.toml"))?)?,
        json: serde_json::from_str(&text).map_err(|e| e.to_string())?,
        said: Sensor::new(&[RuleSource::Builtin])?.run(&pcap, None, &Default::default())?,
        pcap,
    };
    let checks = bench.truths()? + bench.alerts()? + bench.tables()?;
    bench.starts()?;
    println!("eval: {checks} ways to fail were tried, all failed");
    Ok(())
}

impl Bench {
    fn judge(&self, json: &Value, said: &Said) -> Result<(Case, Judged)> {
        let case = Case {
            set: "recorded",
            name: NAME.to_owned(),
            pcap: self.pcap.clone(),
            start: Start::Empty,
            before: None,
            truth: Truth::read(json, &self.labels)?,
        };
        let judge = Judge {
            labels: &self.labels,
            catalog: Catalog::builtin(),
        };
        let judged = judge.case(&case, said);
        Ok((case, judged))
    }

    /// What is said of `json` and `said` against the baseline of the truth as it is.
    fn changes(&self, json: &Value, said: &Said) -> Result<Changes> {
        let before = self.judge(&self.json, &self.said)?;
        let baseline = Baseline::default().accept(&[before], &Outcome::default());
        Ok(baseline.compare(&[self.judge(json, said)?]))
    }

    /// A truth that was falsified is noticed.
    fn truths(&self) -> Result<usize> {
        let good = self.changes(&self.json, &self.said)?;
        if good != Changes::default() {
            return Err(format!("the truth as it is: {good:?}"));
        }
        let (_, judged) = self.judge(&self.json, &self.said)?;
        if judged.rows.len() != 2 || judged.rows.iter().any(|r| r.found.is_none()) {
            return Err(format!("{NAME} as it is: {:?}", judged.rows));
        }
        let falsified: [(&str, &str, Value); 13] = [
            ("attacker", "/attacker", json!("10.10.0.99")),
            ("victim", "/victim", json!("10.10.0.99")),
            ("listener", "/listener", json!("10.10.0.99")),
            ("target", "/target", json!("10.10.0.99")),
            ("no target", "/target", Value::Null),
            (
                "method",
                "/coercion_events/0/method",
                json!("EfsRpcEncryptFileSrv"),
            ),
            ("opnum", "/coercion_events/0/opnum", json!(4)),
            (
                "interface",
                "/coercion_events/0/uuid",
                json!("df1941c5-fe89-4e79-bf10-463657acf44d"),
            ),
            (
                "path",
                "/coercion_events/0/unc",
                json!(r"\\10.10.0.66\share\other.txt"),
            ),
            (
                "challenge",
                "/relay_pairs/0/server_challenge",
                json!("0102030405060708"),
            ),
            (
                "another relay",
                "/expect",
                json!(["coercion:efsr", "relay:smb-smb"]),
            ),
            (
                "an extra attack",
                "/expect",
                json!(["coercion:efsr", "relay:smb-ldap", "chain", "coercion:dfsnm"]),
            ),
            ("no attack", "/malicious", json!(false)),
        ];
        for (what, at, value) in &falsified {
            let mut json = self.json.clone();
            *json.pointer_mut(at).ok_or_else(|| format!("no {at}"))? = value.clone();
            if *what == "no attack" {
                json["expect"] = json!([]);
            }
            let changes = self.changes(&json, &self.said)?;
            if changes.worse.is_empty() {
                return Err(format!("a falsified truth ({what}) is not noticed"));
            }
        }
        self.uncertain()?;
        Ok(falsified.len() + 1)
    }

    /// A label that the file need not show is not counted, but what is said of it has to be so.
    fn uncertain(&self) -> Result<()> {
        let mut json = self.json.clone();
        json["expect"] = json!(["coercion:efsr"]);
        json["uncertain"] = json!(["relay:smb-ldap", "chain"]);
        let (_, judged) = self.judge(&json, &self.said)?;
        if judged.rows.len() != 1 || !judged.unexplained.is_empty() || !judged.wrong.is_empty() {
            return Err(format!("an uncertain label is demanded: {judged:?}"));
        }
        json["target"] = json!("10.10.0.99");
        let (_, judged) = self.judge(&json, &self.said)?;
        if judged.wrong.is_empty() {
            return Err("an untrue alert for an uncertain label is not noticed".to_owned());
        }
        Ok(())
    }

    /// A sensor that says less, more, or something else is noticed.
    fn alerts(&self) -> Result<usize> {
        type Change = fn(&mut Said);
        let worse: [(&str, Change); 9] = [
            ("nothing said", |s| s.alerts.clear()),
            ("no relay", |s| s.alerts.retain(|a| a.detector != "RW-01")),
            ("informational only", |s| {
                s.alerts
                    .iter_mut()
                    .for_each(|a| a.level = Level::Informational);
            }),
            ("two incidents", |s| {
                s.alerts[0].incident = "another".to_owned()
            }),
            ("one alert twice", |s| {
                let again = s.alerts[0].clone();
                s.alerts.push(again);
            }),
            ("another host", |s| {
                s.alerts[0].roles[1] = Some("10.10.0.99".to_owned())
            }),
            ("no path", |s| {
                for rpc in s.alerts.iter_mut().filter_map(|a| a.rpc.as_mut()) {
                    rpc.path = None;
                }
            }),
            ("another path host", |s| {
                for rpc in s.alerts.iter_mut().filter_map(|a| a.rpc.as_mut()) {
                    rpc.path_host = Some("share".to_owned());
                }
            }),
            ("a panic", |s| s.panics = 1),
        ];
        for (what, change) in &worse {
            let mut said = self.said.clone();
            change(&mut said);
            if self.changes(&self.json, &said)?.worse.is_empty() {
                return Err(format!("a worse sensor ({what}) is not noticed"));
            }
        }
        Ok(worse.len())
    }

    /// A warm-up comes before the case and adds nothing to it; the lab's hosts are declared.
    fn starts(&self) -> Result<()> {
        let dir = tempfile::tempdir().map_err(|e| e.to_string())?;
        let ordinary = root().join("testdata/captures/member_logon.pcap");
        let before = start::shifted(&ordinary, &self.pcap, dir.path())?;
        let first = |path| first_timestamp(path).ok().flatten().ok_or("no time");
        let between = first(&self.pcap)?.since(first(&before)?).as_secs();
        if !(60..600).contains(&between) {
            return Err(format!("the warm-up begins {between} s before the case"));
        }
        let sensor = Sensor::new(&[RuleSource::Builtin])?;
        let warm = sensor.run(&self.pcap, Some(&before), &Default::default())?;
        let said = |said: &Said| {
            said.alerts
                .iter()
                .map(|a| (a.sid, a.frame))
                .collect::<Vec<_>>()
        };
        if said(&warm) != said(&self.said) {
            return Err(format!("warmed up: {:?}", warm.alerts));
        }
        let declared = start::declared()?;
        if declared.hosts.len() < 5 || declared.forwarders.is_empty() {
            return Err(format!("testdata/eval/lab.toml: {declared:?}"));
        }
        Ok(())
    }

    /// In a set of lossy variants a few labels may be lost by chance, and no more.
    fn lossy(&self) -> Result<()> {
        let (case, whole) = self.judge(&self.json, &self.said)?;
        let (_, missed) = self.judge(&self.json, &Said::default())?;
        let run = |lost: usize| {
            let one = |n| {
                let case = Case {
                    set: "lab-derived",
                    name: format!("variant{n}"),
                    ..case.clone()
                };
                (
                    case,
                    if n < lost {
                        missed.clone()
                    } else {
                        whole.clone()
                    },
                )
            };
            (0..100).map(one).collect::<Vec<_>>()
        };
        let baseline = Baseline::default().accept(&run(0), &Outcome::default());
        let baseline = Baseline::read(&baseline.text()?)?;
        let worse = |lost| !baseline.compare(&run(lost)).worse.is_empty();
        if worse(0) || worse(3) || !worse(4) {
            return Err("losses of a set of variants are not held to chance".to_owned());
        }
        let fewer = |gone: usize| !baseline.compare(&run(0)[gone..]).worse.is_empty();
        if fewer(6) || !fewer(7) {
            return Err("variants that are gone are not held to chance".to_owned());
        }
        let doubtful = |doubts: usize| {
            let mut all = run(0);
            for (_, judged) in &mut all[..doubts] {
                judged.wrong.push("untrue".to_owned());
            }
            !baseline.compare(&all).worse.is_empty()
        };
        if doubtful(1) || !doubtful(2) {
            return Err("doubts of a set of variants are not held to chance".to_owned());
        }
        if baseline.compare(&run(0)[10..]).worse.is_empty() {
            return Err("variants that are gone are not noticed".to_owned());
        }
        Ok(())
    }

    /// A recording that has other addresses this time is not run with the lab's own declared; its ordinary start must be.
    fn varied(&self) -> Result<()> {
        let (case, judged) = self.judge(&self.json, &self.said)?;
        let declared = Case {
            start: super::case::Start::Declared,
            ..case.clone()
        };
        let both = [(case.clone(), judged.clone()), (declared, judged.clone())];
        let baseline = Baseline::default().accept(&both, &Outcome::default());
        let mut varied = case.clone();
        varied.truth.varied = true;
        let now = [(varied, judged.clone())];
        if !baseline.compare(&now).worse.is_empty() {
            return Err("a start that cannot be run is held against the sensor".to_owned());
        }
        if baseline.accept(&now, &Outcome::default()) != baseline {
            return Err("a start that cannot be run is forgotten".to_owned());
        }
        if baseline.compare(&[(case, judged)]).worse.is_empty() {
            return Err("a start that is gone is not noticed".to_owned());
        }
        Ok(())
    }

    /// A miss without a reason, a reason for what is found, and a reason that says nothing are noticed.
    fn reasons(&self) -> Result<()> {
        let found = [self.judge(&self.json, &self.said)?];
        let missed = [self.judge(&self.json, &Said::default())?];
        let table = |why: &str| {
            format!(
                "[[reason]]\nname = \"x\"\nwhy = \"{why}\"\nlabels = [\"*\"]\nscenarios = [\"*\"]\n"
            )
        };
        let reasons = Reasons::read(&table("lost"))?;
        if !reasons.problems(&missed).is_empty() || reasons.problems(&found).is_empty() {
            return Err("a reason for what is found is not noticed".to_owned());
        }
        if Reasons::read("reason = []")?.problems(&missed).is_empty() {
            return Err("a miss without a reason is not noticed".to_owned());
        }
        if Reasons::read(&table(" ")).is_ok() {
            return Err("a reason that says nothing is taken".to_owned());
        }
        Ok(())
    }

    /// A case that is gone, a label without detector, and a table that does not hold are noticed.
    fn tables(&self) -> Result<usize> {
        let before = self.judge(&self.json, &self.said)?;
        let mut other = before.clone();
        other.0.name = "another".to_owned();
        let baseline = Baseline::default().accept(&[before, other.clone()], &Outcome::default());
        if baseline.compare(&[other]).worse.is_empty() {
            return Err("a case that is gone is not noticed".to_owned());
        }
        self.lossy()?;
        let unmapped = [
            "coercion:newfamily",
            "relay:smb",
            "relay:smb-gopher",
            "nonsense",
            "ldap-write:",
        ];
        for label in unmapped {
            let mut json = self.json.clone();
            json["expect"] = json!([label]);
            if Truth::read(&json, &self.labels).is_ok() {
                return Err(format!("the unmapped label {label} is not noticed"));
            }
        }
        let tables = [
            "[words]\n[labels]\nx = {}",
            "[words]\n[labels]\nx = { same_as = \"y\" }",
            "[words]\n[labels]\nx = { detectors = [\"RW-01\"], nothing = \"\" }",
        ];
        for table in tables {
            if Labels::read(table).is_ok() {
                return Err(format!(
                    "a table of labels that does not hold is taken: {table}"
                ));
            }
        }
        let mutants = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect();
        let accepted = Baseline {
            mutants: mutants(&["a: removed"]),
            ..Baseline::default()
        };
        let survives = Outcome {
            survived: mutants(&["a: removed"]),
            ..Outcome::default()
        };
        let mut changes = Changes::default();
        accepted.compare_mutants(&survives, &mut changes);
        if changes.worse.is_empty() {
            return Err("a mutant that was killed and survives is not noticed".to_owned());
        }
        // Of a hundred that are killed three may survive, no more.
        let some = |n: usize| (0..n).map(|n| format!("{n}: removed")).collect::<Vec<_>>();
        let hundred = Outcome {
            killed: some(100).into_iter().collect(),
            ..Outcome::default()
        };
        for (survivors, bad) in [(3, false), (4, true)] {
            let mut changes = Changes::default();
            hundred.survivors(&some(survivors), &mut changes);
            if changes.worse.is_empty() == bad
                || changes.worse.len() + changes.new.len() != survivors
            {
                return Err(format!("{survivors} survivors: {changes:?}"));
            }
        }
        self.varied()?;
        self.reasons()?;
        Ok(7 + unmapped.len() + tables.len())
    }
}

//! What a configuration may say, and what it is told.

use super::*;
use crate::event::HostRole;
use clap::Parser;

fn config(toml: &str, args: &[&str]) -> Result<Config, ConfigError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c.toml");
    std::fs::write(&path, toml).unwrap();
    let mut argv = vec!["relaywatch", "-c", path.to_str().unwrap()];
    argv.extend(args);
    Config::from_args(&Args::try_parse_from(argv).unwrap())
}

#[test]
fn arguments_win_over_the_file() {
    let toml = "workers = 3\nrules = [\"a\"]\n[limits]\nmemory_mib = 100\n[[interfaces]]\nname = \"eth1\"\nring_mib = 8\n";
    let c = config(toml, &["-w", "2", "-S", "b", "-i", "eth1", "-f", "tcp"]).unwrap();
    assert_eq!((c.workers, c.memory_mib), (2, 100));
    assert_eq!(c.rules, [Path::new("a"), Path::new("b")]);
    let eth1 = &c.interfaces[0];
    assert_eq!((eth1.ring_mib, eth1.bpf.as_deref()), (8, Some("tcp")));
    assert!(c.builtin_rules);
    assert!(!config(toml, &["-S", "none"]).unwrap().builtin_rules);
}

#[test]
fn an_unknown_key_is_named_with_its_line_and_a_suggestion() {
    let e = config("# comment\nwokers = 3\n", &[])
        .unwrap_err()
        .to_string();
    assert!(e.contains("c.toml:2:1: "), "{e}");
    assert!(e.contains("unknown key `wokers`"), "{e}");
    assert!(e.ends_with("did you mean `workers`?"), "{e}");
}

#[test]
fn hosts_have_addresses_and_roles() {
    let toml = "forwarders = [\"10.0.0.9\"]\n[hosts.dc1]\naddresses = [\"10.0.0.1\", \"fd00::1\"]\nroles = [\"dc\", \"dns\"]\n[hosts.proxy]\naddresses = [\"10.0.0.8\"]\nroles = [\"forwarder\"]\n";
    let c = config(toml, &[]).unwrap();
    let dc = &c.hosts[0];
    assert_eq!((dc.name.as_str(), dc.addresses.len()), ("dc1", 2));
    assert!(dc.roles.has(HostRole::Dc) && dc.roles.has(HostRole::Dns));
    assert!(!dc.roles.has(HostRole::Ca) && c.hosts[1].roles.is_empty());
    let said: Vec<String> = c.forwarders.iter().map(ToString::to_string).collect();
    assert_eq!(said, ["10.0.0.9", "10.0.0.8"]);
}

#[test]
fn networks_learning_and_state_from_file_and_flags() {
    let toml = "home_nets = [\"192.0.2.0/24\"]\nlearning_hours = 2\nstate_dir = \"/var/lib/x\"\n";
    let c = config(toml, &["-i", "eth0"]).unwrap();
    assert_eq!(c.home_nets.to_string(), "192.0.2.0/24");
    assert_eq!(
        (c.learning_hours, c.state_dir.as_deref()),
        (2, Some(Path::new("/var/lib/x")))
    );
    let replay = config(toml, &["-r", "x.pcap"]).unwrap();
    assert_eq!(replay.state_dir, None, "a replay keeps nothing of itself");
    let flags = [
        "-r",
        "x.pcap",
        "--state",
        "d",
        "--home-net",
        "10.0.0.0/8",
        "--learning-hours",
        "0",
    ];
    let c = config(toml, &flags).unwrap();
    assert_eq!(c.home_nets.to_string(), "10.0.0.0/8");
    assert_eq!(
        (c.learning_hours, c.state_dir.as_deref()),
        (0, Some(Path::new("d")))
    );
    let c = config(
        "",
        &[
            "--host",
            "dc1=10.0.0.1,fd00::1=dc,dns",
            "--host",
            "pc=10.0.0.9",
        ],
    )
    .unwrap();
    assert_eq!(
        (c.hosts[0].addresses.len(), c.hosts[1].roles.is_empty()),
        (2, true)
    );
    assert!(c.hosts[0].roles.has(HostRole::Dns));
    for (args, expect) in [
        (
            ["--host", "dc1"],
            "--host dc1: it takes a name and an address",
        ),
        (["--host", "dc1=x"], "x is not an address"),
        (["--host", "dc1=10.0.0.1=dcc"], "did you mean `dc`?"),
        (
            ["--home-net", "10.0.0.0/40"],
            "the prefix length does not fit the address",
        ),
        (["--learning-hours", "9999"], "give 0 to 8760"),
    ] {
        let e = config("", &args).unwrap_err().to_string();
        assert!(e.contains(expect), "{e}");
    }
    let e = config("home_net = []", &[]).unwrap_err().to_string();
    assert!(e.contains("did you mean `home_nets`?"), "{e}");
}

#[test]
fn hosts_that_cannot_be_are_named() {
    for (toml, expect) in [
        ("[hosts.a]\naddresses = []", "hosts.a: no address"),
        (
            "[hosts.a]\naddresses = [\"10.0.0.1\"]\nroles = [\"king\"]",
            "hosts.a: unknown role `king`; there are: dc, ca",
        ),
        (
            "[hosts.a]\naddresses = [\"10.0.0.1\"]\n[hosts.b]\naddresses = [\"10.0.0.1\"]",
            "hosts.b: 10.0.0.1 is also of hosts.a",
        ),
        (
            "[hosts.a]\naddreses = [\"10.0.0.1\"]",
            "did you mean `addresses`?",
        ),
    ] {
        let e = config(toml, &[]).unwrap_err().to_string();
        assert!(e.contains(expect), "{e}");
    }
}

#[test]
fn tuning_is_read_as_strictly_as_rules() {
    let toml = "[allow]\nscanners = [\"10.0.0.9\"]\nproxies = [\"10.0.0.8\"]\n[levels]\n\"RW-06\" = \"low\"\n\
         [[suppress]]\nrule = [2593060, \"RW-07\"]\nsource = [\"10.0.0.0/24\"]\naccount = [\"LAB\\\\Backup\"]\n\
         days = [\"sat\", \"sun\"]\nhours = \"22-06\"\nreason = \"backup\"\n\
         [[threshold]]\nrule = \"RW-06\"\ncount = 3\nseconds = 60\n";
    let c = config(toml, &["--show-suppressed"]).unwrap();
    assert!(c.tuning.show && c.hosts[0].roles.has(HostRole::Admin));
    assert_eq!(c.forwarders.len(), 1);
    assert_eq!(
        tuning::lines(&c.tuning, &c.levels),
        [
            "suppress       2593060, RW-07, from 10.0.0.0/24, account lab\\backup, on sun sat, 22-06 h UTC",
            "threshold      RW-06: from 3 within 60 s on, by source",
            "level          RW-06: low",
        ]
    );
    for (toml, expect) in [
        (
            "[[suppress]]\nreason = \"x\"",
            "suppress entry 1: it would suppress everything",
        ),
        ("[[suppress]]\nruel = 5", "did you mean `rule`?"),
        ("[[suppress]]\nrule = \"RW6\"", "`RW6` is no rule"),
        (
            "[[suppress]]\nsource = [\"10.0.0\"]",
            "source `10.0.0`: not an address",
        ),
        (
            "[[suppress]]\ndays = [\"someday\"]",
            "unknown day `someday`; there are: sun, mon",
        ),
        ("[[suppress]]\nhours = \"22\"", "give two hours of UTC"),
        (
            "[[threshold]]\nrule = 5\ncount = 1\nseconds = 5",
            "give `count` from 2",
        ),
        (
            "[levels]\n\"RW-06\" = \"loud\"",
            "unknown level `loud`; there are: informational",
        ),
    ] {
        let e = config(toml, &[]).unwrap_err().to_string();
        assert!(e.contains(expect), "{e}");
    }
}

#[test]
fn values_out_of_range_say_what_to_give() {
    for (toml, expect) in [
        ("workers = 0", "give 1 to 64"),
        ("[limits]\nmemory_mib = 1", "give 64 or more"),
        (
            "[[interfaces]]\nname = \"x\"\ntimeout_ms = 0",
            "hold alerts back",
        ),
    ] {
        let e = config(toml, &[]).unwrap_err().to_string();
        assert!(e.contains(expect), "{e}");
    }
}

#[test]
fn every_mistake_in_an_output_is_told_with_its_line() {
    let toml = "workers = 1\n[[output]]\ntyp = \"file\"\n[[output]]\ntype = \"fil\"\n\
         [[output]]\ntype = \"file\"\npth = \"/x\"\nkeep = 0\nevents = [\"alrt\"]\n\
         [[output]]\ntype = \"stdout\"\npath = \"/x\"\n";
    let e = config(toml, &[]).unwrap_err().to_string();
    for (line, expect) in [
        (2, "`type` is missing; there are: stdout, file"),
        (5, "type = \"fil\": did you mean `file`?"),
        (6, "`path` is missing; give for example path ="),
        (8, "pth = \"/x\": unknown key; did you mean `path`?"),
        (9, "keep = 0: give a number from 1"),
        (10, "unknown event type 'alrt', did you mean 'alert'?"),
        (
            13,
            "that is a key of type \"file\", not of \"stdout\"; remove it",
        ),
    ] {
        let at = format!("c.toml:{line}:1: output: ");
        let found = e.lines().any(|l| l.contains(&at) && l.contains(expect));
        assert!(found, "{at}{expect}\n{e}");
    }
}

#[test]
fn the_command_line_replaces_the_outputs_of_the_file() {
    let toml = "outputs = [\"a\"]\n[[output]]\ntype = \"file\"\npath = \"/var/b\"\nname = \"siem\"\n\
         events = [\"alert\"]\nrotate_mib = 5\n";
    let names = |args: &[&str]| -> Vec<String> {
        let c = config(toml, args).unwrap();
        c.outputs.iter().map(|o| o.name.clone()).collect()
    };
    assert_eq!(names(&[]), ["a", "siem"]);
    assert_eq!(
        names(&["-o", "-", "-o", "c", "-o", "-"]),
        ["standard output", "c"]
    );
    let c = config(toml, &[]).unwrap();
    assert_eq!(c.outputs[1].events, Some("alert".parse().unwrap()));
    assert!(!c.needs_network());
    assert!(
        config("", &["-o", "syslog+tls://siem"])
            .unwrap()
            .needs_network()
    );
    assert_eq!(config("", &[]).unwrap().outputs[0].name, "standard output");
    let twice = format!("{toml}[[output]]\ntype = \"file\"\npath = \"a\"\nname = \"x\"\n");
    let e = config(&twice, &[]).unwrap_err().to_string();
    assert!(e.contains("a is written by two of them"), "{e}");
}

#[test]
fn mistakes_in_a_receiver_are_told_with_their_line() {
    let toml = "[[output]]\ntype = \"syslog\"\naddress = \"siem:x\"\nca_file = \"ca\"\ncert_file = \"c\"\n\
         facility = \"lokal0\"\n[[output]]\ntype = \"elasticsearch\"\nurl = \"elastic\"\nindex = \"A\"\ngzip = 1\n\
         [[output]]\ntype = \"http\"\nurl = \"https://me:secret@x/\"\nspool_mib = 5\n\
         [[output]]\ntype = \"splunk_hec\"\nspool = \"/s\"\nqueue_mib = 1\nindex = \"a\"\n";
    let e = config(toml, &[]).unwrap_err().to_string();
    for (line, expect) in [
        (4, "that is for transport = \"tls\""),
        (5, "it goes with key_file"),
        (6, "did you mean `local0`?"),
        (
            9,
            "give a whole address, for example \"https://elastic.example:9200/_bulk\"",
        ),
        (10, "an index has lower-case letters"),
        (11, "gzip = 1: give true or false"),
        (14, "a password does not belong in an address"),
        (15, "there is no spool; give its folder"),
        (
            16,
            "`url` is missing; give for example url = \"https://splunk.example",
        ),
        (19, "lines wait in the spool"),
        (
            20,
            "that is a key of type \"elasticsearch\", not of \"splunk_hec\"",
        ),
    ] {
        let at = format!("c.toml:{line}:1: output: ");
        let found = e.lines().any(|l| l.contains(&at) && l.contains(expect));
        assert!(found, "{at}{expect}\n{e}");
    }
}

/// Every mistake of `toml`, without the file's folder.
fn mistakes(toml: &str) -> Vec<String> {
    let said = config(toml, &[]).unwrap_err().to_string();
    let of = |line: &str| match line.split_once("c.toml:") {
        Some((_, rest)) => rest.to_owned(),
        None => line.to_owned(),
    };
    said.lines().map(of).collect()
}

#[test]
fn every_mistake_is_told_at_once_with_its_place_and_what_to_do() {
    let toml = r#"wokers = 2
workers = "four"
learning_hours = -1
stats_interval_s = 0
forwarders = ["10.0.0.1", "10.0.0"]
home_nets = ["10.0.0.0/8", "10.0.0.0/40"]
vlan_in_flow_key = "yes"
[limits]
memory_mib = 1
[[interfaces]]
name = "eth1"
timeout_ms = 0
[[interfaces]]
name = "eth2"
ring_mib = 0
promiscuous = true
[hosts.a]
addresses = []
roles = ["king"]
[metrics]
listen = "0.0.0.0:9479"
[log]
format = "xml"
[[suppress]]
rule = "RW6"
hours = "22"
[[threshold]]
rule = "RW-06"
count = 1
seconds = 0
[levels]
"RW-06" = "loud"
[allow]
proxies = "10.0.0.8"
"#;
    let said = mistakes(toml);
    let lines = said
        .iter()
        .filter_map(|l| l.split(':').next()?.parse::<u32>().ok());
    assert!(lines.is_sorted(), "{said:#?}");
    for expect in [
        "1:1: unknown key `wokers`, did you mean `workers`?",
        "2:11: workers: it is string \"four\"; give a whole number from 0 on, without quotes",
        "3:18: learning_hours: it is integer `-1`; give a whole number from 0 on, without quotes",
        "4:1: stats_interval_s = 0: give the seconds",
        "5:27: forwarders: not an IP address; give one as 10.0.0.5",
        "6:28: home_nets: 10.0.0.0/40: the prefix length does not fit the address; write a network as",
        "7:20: vlan_in_flow_key: it is string \"yes\"; give true or false",
        "9:1: limits.memory_mib = 1: give 64 or more",
        "12:1: interface eth1: timeout_ms = 0: give 1 to 1000",
        "15:1: interface eth2: ring_mib = 0: give 1 to 4096",
        "16:1: unknown key `promiscuous`",
        "18:1: hosts.a: no address; give",
        "19:1: hosts.a: unknown role `king`; there are: dc",
        "21:1: metrics.listen = \"0.0.0.0:9479\": metrics are unencrypted",
        "23:10: format: `xml` is none of those there are: `text` or `json`",
        "25:1: suppress entry 1: `RW6` is no rule; give a sid",
        "26:1: suppress entry 1: hours `22`: give two hours",
        "29:1: threshold entry 1: give `count` from 2",
        "30:1: threshold entry 1: give `seconds` from 1",
        "32:1: levels.\"RW-06\": unknown level `loud`; there are",
        "34:11: proxies: it is string \"10.0.0.8\"; give a list",
    ] {
        let found = said.iter().filter(|line| line.starts_with(expect)).count();
        assert_eq!(found, 1, "{expect}\n{said:#?}");
    }
    assert_eq!(said.len(), 22, "{said:#?}");
    assert_eq!(said.last().unwrap(), "21 mistakes in the configuration");
}

#[test]
fn what_is_no_toml_is_told_with_every_place() {
    let said = mistakes("workers = \n[limits\nmemory_mib = 64\nrules = [\"a\n");
    assert!(said[0].starts_with("1:"), "{said:#?}");
    assert!(said.iter().any(|l| l.starts_with("2:")), "{said:#?}");
    assert!(said.iter().any(|l| l.starts_with("4:")), "{said:#?}");
    assert!(said[0].contains("this is no TOML: "), "{said:#?}");
}

#[test]
fn a_flag_has_no_line() {
    for (args, expect) in [
        (["-w", "0"], "workers = 0: give 1 to 64"),
        (
            ["--metrics", "0.0.0.0:1"],
            "--metrics = \"0.0.0.0:1\": metrics",
        ),
        (["--memory-mib", "1"], "limits.memory_mib = 1: give 64"),
    ] {
        let e = config("workers = 3\n[limits]\nmemory_mib = 100\n", &args);
        let e = e.unwrap_err().to_string();
        assert!(e.starts_with(expect), "{e}");
    }
}

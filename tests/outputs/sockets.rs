//! Receivers over sockets that are slow, die in the middle, and come back.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use relaywatch::output::{EventType, EventTypes, Lines, OutputCounters, OutputSpec};
use relaywatch::sensor::{Outlet, Output, WriterThreads};

use super::receivers::{self, Receiver, Shared};
use super::traffic::{Run, wait};

fn shared() -> Arc<Shared> {
    Arc::default()
}

/// Lines `from..to`, each an event with its number.
fn lines(kind: EventType, from: u64, to: u64) -> Lines {
    let mut lines = Lines::default();
    for n in from..to {
        let line = format!(
            r#"{{"timestamp":"2026-11-22T08:28:37.257438+0000","event_type":"{}","pcap_cnt":{n},"x":"{}"}}"#,
            kind.name(),
            "x".repeat(300)
        );
        lines.push(kind, line.as_bytes());
    }
    lines
}

/// A live sensor's outputs, without the sensor.
fn start(spec: OutputSpec) -> (WriterThreads, Outlet) {
    let output = Output::open(&spec).unwrap();
    let threads = WriterThreads::start(vec![(output, EventTypes::ALL)], true, |said| {
        eprintln!("{said}")
    })
    .unwrap();
    let outlet = threads.outlet();
    (threads, outlet)
}

fn numbers(shared: &Shared, kind: &str) -> Vec<u64> {
    let events = shared.events();
    let of_kind = events.iter().filter(|e| e["event_type"] == kind);
    of_kind.map(|e| e["pcap_cnt"].as_u64().unwrap()).collect()
}

/// Every number at least once; and in order, but for steps back to what is sent again.
#[track_caller]
fn all_at_least_once(numbers: &[u64], count: u64, most_again: u64) {
    let distinct: BTreeSet<u64> = numbers.iter().copied().collect();
    let missing: Vec<u64> = (0..count)
        .filter(|n| !distinct.contains(n))
        .take(9)
        .collect();
    assert!(
        missing.is_empty(),
        "missing {missing:?} of {count}, {} came",
        numbers.len()
    );
    let mut highest = 0;
    for pair in numbers.windows(2) {
        let (before, now) = (pair[0], pair[1]);
        assert!(now <= highest.max(before) + 1, "{now} came after {before}");
        highest = highest.max(now);
    }
    let again = numbers.len() as u64 - count;
    assert!(again <= most_again, "{again} came again");
}

fn counter(counters: &OutputCounters, name: &str) -> u64 {
    counters
        .all()
        .into_iter()
        .find(|(n, _)| *n == name)
        .unwrap()
        .1
}

/// Sends 3,000 lines while the receiver dies after 700 and comes back a second later.
fn dies_and_comes_back(spec: OutputSpec, mut first: Receiver, again: impl FnOnce() -> Receiver) {
    let shared = Arc::clone(&first.shared);
    shared.die_after.store(700, Relaxed);
    let (threads, outlet) = start(spec);
    let counters = &outlet.counters()[0];
    for n in 0..30 {
        outlet.send(&lines(EventType::Alert, n * 100, (n + 1) * 100));
        std::thread::sleep(Duration::from_millis(5));
    }
    first.wait_for_death();
    drop(first);
    wait("it is noticed", || counter(counters, "failing") == 1);
    shared.die_after.store(0, Relaxed);
    shared.revive();
    let second = again();
    wait("all came", || {
        BTreeSet::from_iter(numbers(&shared, "alert")).len() == 3000
    });
    wait("all are confirmed", || counter(counters, "waiting") == 0);
    let done = threads.finish();
    assert_eq!(
        (counter(&done[0], "sent"), counter(&done[0], "lost")),
        (3000, 0)
    );
    assert!(counter(&done[0], "retries") > 0);
    drop(second);
    all_at_least_once(&numbers(&shared, "alert"), 3000, 3000);
}

#[test]
fn a_unix_stream_that_dies_gets_all_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let spec: OutputSpec = format!("unix:{}", path.display()).parse().unwrap();
    let first = receivers::unix_stream(&path, shared());
    let shared = Arc::clone(&first.shared);
    dies_and_comes_back(spec, first, || receivers::unix_stream(&path, shared));
}

#[test]
fn a_syslog_server_over_tcp_that_dies_gets_all_again() {
    let first = receivers::tcp("127.0.0.1:0", shared(), receivers::counted, None);
    let (at, shared) = (first.address.to_string(), Arc::clone(&first.shared));
    let spec: OutputSpec = format!("syslog+tcp://{at}").parse().unwrap();
    dies_and_comes_back(spec, first, || {
        receivers::tcp(&at, shared, receivers::counted, None)
    });
}

#[test]
fn a_syslog_server_over_tls_that_dies_gets_all_again() {
    let dir = tempfile::tempdir().unwrap();
    let server = tls(dir.path(), "siem.test");
    let first = receivers::tcp(
        "127.0.0.1:0",
        shared(),
        receivers::counted,
        Some(Arc::clone(&server)),
    );
    let (at, shared) = (first.address.to_string(), Arc::clone(&first.shared));
    let spec = tls_spec(dir.path(), &at, "siem.test");
    dies_and_comes_back(spec, first, || {
        receivers::tcp(&at, shared, receivers::counted, Some(server))
    });
}

#[test]
fn an_http_receiver_that_dies_gets_all_again() {
    let first = receivers::http("127.0.0.1:0", shared(), |_, _| String::new(), None);
    let (at, shared) = (first.address.to_string(), Arc::clone(&first.shared));
    let spec: OutputSpec = format!("http://{at}/eve").parse().unwrap();
    dies_and_comes_back(spec, first, || {
        receivers::http(&at, shared, |_, _| String::new(), None)
    });
}

#[test]
fn datagrams_arrive_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("d");
    let unix = receivers::unix_datagram(&path, shared());
    let udp = receivers::udp(shared());
    for (spec, receiver) in [
        (format!("unix-dgram:{}", path.display()), unix),
        (format!("syslog+udp://{}", udp.address), udp),
    ] {
        let (threads, outlet) = start(spec.parse().unwrap());
        for n in 0..10 {
            outlet.send(&lines(EventType::Dns, n * 20, (n + 1) * 20));
            std::thread::sleep(Duration::from_millis(20));
        }
        wait("all came", || receiver.shared.len() == 200);
        let _ = threads.finish();
        all_at_least_once(&numbers(&receiver.shared, "dns"), 200, 0);
    }
}

#[test]
fn a_line_that_is_no_datagram_is_rejected_and_the_others_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("d");
    let receiver = receivers::unix_datagram(&path, shared());
    let (threads, outlet) = start(format!("unix-dgram:{}", path.display()).parse().unwrap());
    outlet.send(&lines(EventType::Alert, 0, 1));
    let mut huge = Lines::default();
    huge.push(EventType::Alert, "x".repeat(1 << 20).as_bytes());
    outlet.send(&huge);
    outlet.send(&lines(EventType::Alert, 1, 2));
    wait("both came", || receiver.shared.len() == 2);
    let done = threads.finish();
    assert_eq!(
        (counter(&done[0], "sent"), counter(&done[0], "rejected")),
        (2, 1)
    );
}

#[test]
fn a_receiver_with_another_name_or_authority_gets_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let server = tls(dir.path(), "siem.test");
    let receiver = receivers::tcp("127.0.0.1:0", shared(), receivers::counted, Some(server));
    let at = receiver.address.to_string();
    let other = tempfile::tempdir().unwrap();
    let _ = tls(other.path(), "siem.test");
    for spec in [
        tls_spec(dir.path(), &at, "other.test"),
        tls_spec(other.path(), &at, "siem.test"),
    ] {
        let (threads, outlet) = start(spec);
        outlet.send(&lines(EventType::Alert, 0, 1));
        let counters = &outlet.counters()[0];
        wait("it is tried", || counter(counters, "retries") > 0);
        let done = threads.finish();
        assert_eq!(
            (counter(&done[0], "sent"), counter(&done[0], "lost_alerts")),
            (0, 1)
        );
    }
    assert_eq!(receiver.shared.len(), 0);
}

/// A receiver that takes one line each 20 ms must not hold up the sensor, and gets alerts before anything else.
#[test]
fn a_slow_receiver_costs_its_own_protocol_events_and_no_alert() {
    let receiver = receivers::tcp("127.0.0.1:0", shared(), receivers::counted, None);
    receiver.shared.slowness.store(20, Relaxed);
    let (threads, outlet) = start(
        format!("syslog+tcp://{}", receiver.address)
            .parse()
            .unwrap(),
    );
    let counters = &outlet.counters()[0];
    let started = Instant::now();
    for n in 0..100 {
        outlet.send(&lines(EventType::Dns, n * 1000, (n + 1) * 1000));
        outlet.send(&lines(EventType::Alert, n, n + 1));
    }
    // 100,000 lines of 400 bytes: five times what the queue holds.
    assert!(
        started.elapsed() < Duration::from_secs(5),
        "{:?}",
        started.elapsed()
    );
    wait("it overflows", || counter(counters, "lost") > 10_000);
    receiver.shared.slowness.store(0, Relaxed);
    wait("alerts came", || {
        numbers(&receiver.shared, "alert").len() == 100
    });
    assert_eq!(counter(counters, "lost_alerts"), 0);
    assert!(counter(counters, "waiting") < 30_000);
    let done = threads.finish();
    all_at_least_once(&numbers(&receiver.shared, "alert"), 100, 0);
    assert_eq!(
        counter(&done[0], "sent") + counter(&done[0], "lost"),
        100_100
    );
}

#[test]
fn elasticsearch_rejects_one_line_of_a_batch() {
    // 400 for number 3, as a mapping conflict is.
    let answer = |lines: &[&str], _: u64| {
        let items: Vec<String> = lines
            .chunks(2)
            .map(|pair| {
                let bad = pair[1].contains("\"pcap_cnt\":3,");
                format!(
                    r#"{{"create":{{"status":{}}}}}"#,
                    if bad { 400 } else { 201 }
                )
            })
            .collect();
        format!(r#"{{"errors":true,"items":[{}]}}"#, items.join(","))
    };
    let dir = tempfile::tempdir().unwrap();
    let receiver = receivers::http("127.0.0.1:0", shared(), answer, None);
    let headers = dir.path().join("headers");
    std::fs::write(&headers, "Authorization: ApiKey abc\n").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&headers, mode).unwrap();
    let mut run = Run::start(
        dir.path(),
        &format!(
            "[[output]]\ntype = \"elasticsearch\"\nname = \"es\"\nurl = \"http://{}/_bulk\"\nindex = \"rw\"\n\
             headers_file = \"headers\"\ngzip = true\nevents = \"alert\"\nbatch_lines = 50\n",
            receiver.address
        ),
    );
    run.packets(200);
    let (status, said) = run.end();
    assert!(
        status.success() && said.contains("does not take a line: _bulk 400"),
        "{said}"
    );
    let events = receiver.shared.events();
    assert_eq!(events.len(), 400);
    let ids: BTreeSet<&str> = events
        .iter()
        .filter_map(|e| e["create"]["_id"].as_str())
        .collect();
    assert_eq!(ids.len(), 200);
    assert_eq!(events[1]["@timestamp"].as_str().unwrap().len(), 27);
    let head = receiver.shared.headers.lock().unwrap().to_ascii_lowercase();
    assert!(
        head.contains("authorization: apikey abc") && head.contains("content-encoding: gzip"),
        "{head}"
    );
    assert!(!said.contains("abc"), "{said}");
}

#[test]
fn a_batch_that_is_refused_is_sent_in_pieces_and_only_the_bad_line_is_lost() {
    // A collector that refuses whole requests with number 3 in them.
    let receiver = receivers::refusing("\"pcap_cnt\":3,");
    let (threads, outlet) = start(format!("http://{}/", receiver.address).parse().unwrap());
    outlet.send(&lines(EventType::Alert, 0, 40));
    wait("the others came", || receiver.shared.len() == 39);
    let done = threads.finish();
    assert_eq!(
        (counter(&done[0], "sent"), counter(&done[0], "rejected")),
        (39, 1)
    );
    let mut got = numbers(&receiver.shared, "alert");
    got.insert(3, 3);
    all_at_least_once(&got, 40, 0);
}

#[test]
fn https_with_a_certificate_of_our_own_authority() {
    let dir = tempfile::tempdir().unwrap();
    let server = tls(dir.path(), "localhost");
    let receiver = receivers::http("127.0.0.1:0", shared(), |_, _| String::new(), Some(server));
    let mut run = Run::start(
        dir.path(),
        &format!(
            "[[output]]\ntype = \"splunk_hec\"\nurl = \"https://localhost:{}/services/collector/event\"\n\
             ca_file = \"ca.pem\"\nevents = [\"alert\"]\n",
            receiver.address.port()
        ),
    );
    run.packets(100);
    let (status, said) = run.end();
    assert!(status.success(), "{said}");
    let events = receiver.shared.events();
    assert_eq!(events.len(), 100, "{said}");
    assert_eq!(events[99]["event"]["pcap_cnt"], 100);
    assert_eq!(events[99]["sourcetype"], "suricata");
}

/// Receiver gone from the start; kill -9; start again with the receiver there: every alert that was in the spool
/// comes, in order and whole.
#[test]
fn killed_with_a_spool_nothing_that_was_kept_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let gone = receivers::http("127.0.0.1:0", shared(), |_, _| String::new(), None);
    let at = gone.address.to_string();
    drop(gone);
    let config = format!(
        "stats_interval_s = 1\n[[output]]\ntype = \"http\"\nname = \"siem\"\nurl = \"http://{at}/\"\nspool = \"spool\"\n\
         events = \"alert,dns\"\n[[output]]\ntype = \"file\"\npath = \"alerts\"\nevents = \"alert\"\n"
    );
    let mut run = Run::start(dir.path(), &config);
    run.packets(3000);
    let made = all_that_is_made(&dir.path().join("alerts"));
    run.signal("-KILL");
    drop(run);

    let receiver = receivers::http(&at, shared(), |_, _| String::new(), None);
    let (status, said) = Run::start(dir.path(), &config).end();
    assert!(status.success(), "{said}");
    let minus = |n: Vec<u64>| n.into_iter().map(|n| n - 1).collect::<Vec<_>>();
    all_at_least_once(&minus(numbers(&receiver.shared, "alert")), made, 0);
    all_at_least_once(&minus(numbers(&receiver.shared, "dns")), made, 0);
    // Alerts first.
    let events = receiver.shared.events();
    let mut first = events.iter().take(usize::try_from(made).unwrap());
    assert!(first.all(|e| e["event_type"] == "alert"));
}

/// Killed while lines are sent: what was acknowledged and what was not, all of it is there after the next start.
#[test]
fn killed_in_the_middle_of_sending_no_alert_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let receiver = receivers::http("127.0.0.1:0", shared(), |_, _| String::new(), None);
    receiver.shared.slowness.store(5, Relaxed);
    let config = format!(
        "[[output]]\ntype = \"http\"\nname = \"siem\"\nurl = \"http://{}/\"\nspool = \"spool\"\nbatch_lines = 20\n\
         events = \"alert\"\n[[output]]\ntype = \"file\"\npath = \"alerts\"\nevents = \"alert\"\n",
        receiver.address
    );
    let mut run = Run::start(dir.path(), &config);
    run.packets(3000);
    let made = all_that_is_made(&dir.path().join("alerts"));
    assert!(receiver.shared.len() > 20 && receiver.shared.len() < usize::try_from(made).unwrap());
    run.signal("-KILL");
    drop(run);
    receiver.shared.slowness.store(0, Relaxed);
    let (status, said) = Run::start(dir.path(), &config).end();
    assert!(status.success(), "{said}");
    let got: Vec<u64> = numbers(&receiver.shared, "alert")
        .into_iter()
        .map(|n| n - 1)
        .collect();
    all_at_least_once(&got, made, made);
}

/// Lines of a file when it grows no more: the sensor holds back the packets of a block that is not full.
fn all_that_is_made(path: &Path) -> u64 {
    let count = || {
        std::fs::read_to_string(path)
            .unwrap_or_default()
            .lines()
            .count() as u64
    };
    let (mut last, mut since) = (0, Instant::now());
    wait("alerts are made", || {
        let now = count();
        if now != last {
            (last, since) = (now, Instant::now());
        }
        now > 1000 && since.elapsed() > Duration::from_secs(2)
    });
    last
}

/// An authority and a certificate for `name` made now; `ca.pem` in `dir`.
fn tls(dir: &Path, name: &str) -> Arc<rustls::ServerConfig> {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
    let ca_key = KeyPair::generate().unwrap();
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca_cert = ca.self_signed(&ca_key).unwrap();
    std::fs::write(dir.join("ca.pem"), ca_cert.pem()).unwrap();
    let key = KeyPair::generate().unwrap();
    let issuer = Issuer::new(ca, ca_key);
    let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    let cert = params.signed_by(&key, &issuer).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    Arc::new(config)
}

fn tls_spec(dir: &Path, at: &str, name: &str) -> OutputSpec {
    use relaywatch::output::{Receiver, Target};
    let mut spec: OutputSpec = format!("syslog+tls://{at}").parse().unwrap();
    if let Target::Remote(remote) = &mut spec.target
        && let Receiver::Syslog { tls, .. } = &mut remote.receiver
    {
        tls.ca = Some(dir.join("ca.pem"));
        tls.name = Some(name.to_owned());
    }
    spec
}

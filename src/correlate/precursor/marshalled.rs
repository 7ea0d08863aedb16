//! RW-11: a name that carries a marshalled target. It resolves to one host, and Kerberos takes it for another:
//! who writes it into DNS prepares a reflection, who uses it has fallen for one.

use std::time::Duration;

use super::{case, ends, finding, unicast};
use crate::correlate::Case;
use crate::correlate::bounds::Bounds;
use crate::correlate::pattern::{Context, Evicted, Pattern};
use crate::correlate::told::Told;
use crate::event::{LegRole, Seen, Sighting, Trace};
use crate::limits;
use crate::net::{Addr, Direction};

/// State of RW-11.
#[derive(Debug)]
pub(in crate::correlate) struct Marshalled {
    /// Names told, by test.
    told: Told,
}

impl Default for Marshalled {
    fn default() -> Self {
        let idle = Duration::from_secs(limits::INCIDENT_IDLE_SECS);
        Self {
            told: Told::new(idle),
        }
    }
}

/// Who takes which part, and how the name was seen.
struct Use<'a> {
    carrier: &'static str,
    name: &'a str,
    attacker: Option<Addr>,
    victim: Option<Addr>,
    listener: Option<Addr>,
}

impl Pattern for Marshalled {
    fn limit(&mut self, bounds: &Bounds) {
        self.told.limit(bounds);
    }

    fn evicted(&self) -> Evicted {
        self.told.evicted()
    }

    fn sighting(&mut self, s: &Sighting, cx: &Context<'_>, out: &mut Vec<Case>) {
        let (client, server) = (s.flow.client.addr, s.flow.server.addr);
        let used = |carrier, name, listener| Use {
            carrier,
            name,
            attacker: None,
            victim: Some(client),
            listener,
        };
        match &s.seen {
            Seen::Trace(trace) => {
                let Trace::Marshalled {
                    carrier,
                    name,
                    answer,
                } = trace.as_ref()
                else {
                    return;
                };
                match *carrier {
                    "ldap" | "dns-update" if s.direction == Direction::ToServer => {
                        let by = Use {
                            attacker: Some(client),
                            victim: None,
                            ..used(carrier, name, None)
                        };
                        self.tell("written", &by, s, cx, out);
                    }
                    // The answer says to whom it leads; a question alone may be the attacker's own.
                    "dns" => {
                        let (_, asker) = ends(s);
                        if let Some(listener) = answer.and_then(unicast)
                            && s.direction == Direction::ToClient
                            && asker != listener
                        {
                            self.tell("resolved", &used("dns", name, Some(listener)), s, cx, out);
                        }
                    }
                    "smb" => self.tell("used", &used("smb", name, Some(server)), s, cx, out),
                    "kerberos" => {
                        let kdc = s.flow.server.port == 88;
                        let listener = (!kdc).then_some(server);
                        self.tell("used", &used("kerberos", name, listener), s, cx, out);
                    }
                    _ => {}
                }
            }
            Seen::Authenticate(auth) if is_marshalled(&auth.target_name) => {
                let carrier = auth.carrier.name();
                self.tell(
                    "used",
                    &used(carrier, &auth.target_name, Some(server)),
                    s,
                    cx,
                    out,
                );
            }
            Seen::Call(call) => {
                if let Some(path) = call.path.as_deref().filter(|p| is_marshalled(p)) {
                    let by = Use {
                        carrier: "dcerpc",
                        name: path,
                        attacker: Some(client),
                        victim: Some(server),
                        listener: None,
                    };
                    self.tell("called", &by, s, cx, out);
                }
            }
            _ => {}
        }
    }
}

impl Marshalled {
    fn tell(
        &mut self,
        test: &'static str,
        by: &Use<'_>,
        s: &Sighting,
        cx: &Context<'_>,
        out: &mut Vec<Case>,
    ) {
        let host = decoded(by.name);
        // A name that is looked up, used and authenticated with is one story.
        let story = if matches!(test, "resolved" | "used") {
            "used"
        } else {
            test
        };
        let key = (story, &host);
        if !self.told.first(s.flow.client.addr, key, s.ts) {
            return;
        }
        let mut f = finding("RW-11", "poisoning", test, s, cx);
        f.confidence = "high";
        f.attacker = by.attacker;
        f.victim = by.victim;
        f.listener = by.listener;
        f.carrier = by.carrier;
        f.name = by.name.chars().take(limits::DNS_NAME_BYTES).collect();
        let who = by.attacker.or(by.victim).map(|a| a.to_string());
        let evidence = vec![format!(
            "{} {} the name {} ({}), which stands for {host} and leads elsewhere",
            who.unwrap_or_default(),
            match test {
                "written" => "wrote",
                "called" => "made its victim go to",
                "resolved" => "resolved",
                _ => "used",
            },
            f.name,
            by.carrier,
        )];
        f.decoded_host = host;
        out.push(case(f, LegRole::Precursor, s, cx, evidence));
    }
}

/// As the sensor tests it on traces; NTLM and calls carry names too.
fn is_marshalled(name: &str) -> bool {
    name.len() > 20 && {
        let lower = name.to_ascii_lowercase();
        lower
            .find("1uwhrca")
            .and_then(|at| lower.get(at + 7..))
            .is_some_and(|rest| rest.contains("baaaa"))
    }
}

/// The host before the marshalled part, lower case.
fn decoded(name: &str) -> String {
    let lower = name.to_ascii_lowercase();
    let head = lower.split("1uwhrca").next().unwrap_or_default();
    let start = head
        .rfind(['\\', '/', '=', '.', '@'])
        .map_or(0, |at| at + 1);
    head.get(start..).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::decoded;

    #[test]
    fn the_host_before_the_target() {
        const TAIL: &str = "1UWhRCAAAAAAAAAAAAAAAAAAAAAAAAAAAAwbEAYBAAAA";
        for (name, host) in [
            (format!("SRV1{TAIL}.lab.example"), "srv1"),
            (format!("DC=localhost{TAIL},DC=lab"), "localhost"),
            (format!("\\\\srv1{TAIL}\\share\\x"), "srv1"),
            (format!("cifs/srv1{TAIL}"), "srv1"),
        ] {
            assert_eq!(decoded(&name), host, "{name}");
        }
    }
}

//! Which event types are written.

use std::fmt;
use std::str::FromStr;

/// A value of `event_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum EventType {
    /// Suricata's: a rule matched.
    Alert,
    /// Suricata's: bytes that do not fit their protocol.
    Anomaly,
    /// Suricata's: ARP messages.
    Arp,
    /// Suricata's: DCE/RPC binds, requests and responses.
    Dcerpc,
    /// Suricata's: DHCPv4 messages.
    Dhcp,
    /// Ours: what Suricata's `dhcp` has no place for.
    DhcpOption,
    /// Ours: DHCPv6 messages.
    Dhcpv6,
    /// Suricata's: DNS messages.
    Dns,
    /// Ours: what a native detector concluded, before rules rate it.
    Finding,
    /// Suricata's: an HTTP request and its response.
    Http,
    /// Ours: what Suricata's `http` has no place for.
    HttpDetail,
    /// Ours: who is who changed.
    Identity,
    /// Ours: the state of an incident.
    Incident,
    /// Ours: Kerberos requests, replies and tickets presented.
    Kerberos,
    /// Suricata's: what a Kerberos KDC answered.
    Krb5,
    /// Suricata's: LDAP requests and answers.
    Ldap,
    /// Ours: LDAP requests and answers with filter, sizes and what protects the session.
    LdapOp,
    /// Ours: LLMNR messages.
    Llmnr,
    /// Suricata's: multicast DNS messages.
    Mdns,
    /// Ours: messages of the NetBIOS name service.
    Nbns,
    /// Ours: NTLM messages, whatever carries them.
    Ntlm,
    /// Ours: a host lets pass what a hardened one would not.
    Posture,
    /// Ours: IPv6 router advertisements.
    RouterAdvert,
    /// Ours: a DCE/RPC presentation context with names and protection.
    RpcBind,
    /// Ours: a DCE/RPC call with names, path and protection.
    RpcCall,
    /// Ours: who listens where, as endpoint mappers and OXID resolvers are asked and say.
    RpcEndpoint,
    /// Ours: the answer to a DCE/RPC call.
    RpcResult,
    /// Ours: what depends on the machine: queues, memory, latency.
    Sensor,
    /// Suricata's: SMB commands that open something.
    Smb,
    /// Ours: SMB sessions with what protects them, and the shape of encrypted ones.
    SmbSession,
    /// Suricata's: counters that depend on packets alone.
    Stats,
    /// Ours: logons to SQL Server.
    Tds,
    /// Suricata's: TLS handshakes, as far as they are in clear.
    Tls,
}

impl EventType {
    /// Every type, by name.
    pub const ALL: [Self; 33] = [
        Self::Alert,
        Self::Anomaly,
        Self::Arp,
        Self::Dcerpc,
        Self::Dhcp,
        Self::DhcpOption,
        Self::Dhcpv6,
        Self::Dns,
        Self::Finding,
        Self::Http,
        Self::HttpDetail,
        Self::Identity,
        Self::Incident,
        Self::Kerberos,
        Self::Krb5,
        Self::Ldap,
        Self::LdapOp,
        Self::Llmnr,
        Self::Mdns,
        Self::Nbns,
        Self::Ntlm,
        Self::Posture,
        Self::RouterAdvert,
        Self::RpcBind,
        Self::RpcCall,
        Self::RpcEndpoint,
        Self::RpcResult,
        Self::Sensor,
        Self::Smb,
        Self::SmbSession,
        Self::Stats,
        Self::Tds,
        Self::Tls,
    ];

    /// True for what an output keeps longest: alerts and incidents.
    #[must_use]
    pub fn is_urgent(self) -> bool {
        matches!(self, Self::Alert | Self::Incident)
    }

    /// As written in `event_type`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Alert => "alert",
            Self::Anomaly => "anomaly",
            Self::Arp => "arp",
            Self::Dcerpc => "dcerpc",
            Self::Dhcp => "dhcp",
            Self::DhcpOption => "dhcp_option",
            Self::Dhcpv6 => "dhcpv6",
            Self::Dns => "dns",
            Self::Finding => "finding",
            Self::Http => "http",
            Self::HttpDetail => "http_detail",
            Self::Identity => "identity",
            Self::Incident => "incident",
            Self::Kerberos => "kerberos",
            Self::Krb5 => "krb5",
            Self::Ldap => "ldap",
            Self::LdapOp => "ldap_op",
            Self::Llmnr => "llmnr",
            Self::Mdns => "mdns",
            Self::Nbns => "nbns",
            Self::Ntlm => "ntlm",
            Self::Posture => "posture",
            Self::RouterAdvert => "router_advert",
            Self::RpcBind => "rpc_bind",
            Self::RpcCall => "rpc_call",
            Self::RpcEndpoint => "rpc_endpoint",
            Self::RpcResult => "rpc_result",
            Self::Sensor => "sensor",
            Self::Smb => "smb",
            Self::SmbSession => "smb_session",
            Self::Stats => "stats",
            Self::Tds => "tds",
            Self::Tls => "tls",
        }
    }
}

/// A set of event types.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct EventTypes(u64);

impl EventTypes {
    /// No type.
    pub const NONE: Self = Self(0);
    /// Every type.
    pub const ALL: Self = Self((1 << EventType::ALL.len()) - 1);

    /// True if `which` is in it.
    #[must_use]
    pub fn has(self, which: EventType) -> bool {
        self.0 & (1 << which as u8) != 0
    }

    /// With `which` added.
    #[must_use]
    pub fn with(self, which: EventType) -> Self {
        Self(self.0 | (1 << which as u8))
    }

    /// With all of `other` added.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// True if one of `which` is in it: whether a worker has anything to write at all.
    #[must_use]
    pub fn has_any(self, which: &[EventType]) -> bool {
        which.iter().any(|w| self.has(*w))
    }

    /// True if events of single packets are wanted, which only workers see.
    #[must_use]
    pub fn any_protocol(self) -> bool {
        use EventType::{Alert, Finding, Identity, Incident, Posture, Sensor, Stats};
        let of_others = [Alert, Finding, Identity, Incident, Posture, Sensor, Stats];
        let others = of_others.into_iter().fold(Self::NONE, Self::with);
        self.0 & !others.0 != 0
    }
}

/// `alert,incident,stats,sensor`.
impl Default for EventTypes {
    fn default() -> Self {
        use EventType::{Alert, Incident, Sensor, Stats};
        [Alert, Incident, Stats, Sensor]
            .into_iter()
            .fold(Self::NONE, Self::with)
    }
}

/// `all`, or names with commas between them.
impl FromStr for EventTypes {
    type Err = UnknownType;

    fn from_str(list: &str) -> Result<Self, UnknownType> {
        let mut types = Self::NONE;
        for name in list.split(',').map(str::trim).filter(|n| !n.is_empty()) {
            if name == "all" {
                types = Self::ALL;
                continue;
            }
            match EventType::ALL.into_iter().find(|t| t.name() == name) {
                Some(found) => types = types.with(found),
                None => return Err(UnknownType::new(name)),
            }
        }
        if types == Self::NONE {
            return Err(UnknownType::new(""));
        }
        Ok(types)
    }
}

impl fmt::Display for EventTypes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut comma = "";
        for which in EventType::ALL.into_iter().filter(|t| self.has(*t)) {
            write!(f, "{comma}{}", which.name())?;
            comma = ",";
        }
        Ok(())
    }
}

impl fmt::Debug for EventTypes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A name that is no event type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownType {
    name: String,
    suggestion: Option<&'static str>,
}

impl UnknownType {
    fn new(name: &str) -> Self {
        let lower = name.to_ascii_lowercase();
        let suggestion = EventType::ALL
            .into_iter()
            .map(EventType::name)
            .chain(["all"])
            .map(|known| (strsim::damerau_levenshtein(known, &lower), known))
            .filter(|(distance, _)| *distance <= 2 && !lower.is_empty())
            .min()
            .map(|(_, known)| known);
        Self {
            name: name.to_owned(),
            suggestion,
        }
    }
}

impl fmt::Display for UnknownType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name.is_empty() {
            f.write_str("no event type given")?;
        } else {
            write!(f, "unknown event type '{}'", self.name)?;
        }
        if let Some(known) = self.suggestion {
            write!(f, ", did you mean '{known}'?")?;
        }
        write!(f, " Use 'all', or some of {}", EventTypes::ALL)
    }
}

impl std::error::Error for UnknownType {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_lists_and_prints_them_in_order() {
        let types: EventTypes = "ntlm, alert,".parse().unwrap();
        assert_eq!(types.to_string(), "alert,ntlm");
        assert!(types.any_protocol());
        assert_eq!("all".parse::<EventTypes>().unwrap(), EventTypes::ALL);
        let default = EventTypes::default();
        assert_eq!(default.to_string(), "alert,incident,sensor,stats");
        assert!(!default.any_protocol());
        for which in EventType::ALL {
            assert!(EventTypes::ALL.has(which) && !EventTypes::NONE.has(which));
            let one: EventTypes = which.name().parse().unwrap();
            assert_eq!(one, EventTypes::NONE.with(which));
        }
    }

    #[test]
    fn an_unknown_name_is_answered_with_a_suggestion_and_the_list() {
        let error = "alert,inicdent".parse::<EventTypes>().unwrap_err();
        let list = EventTypes::ALL.to_string();
        assert!(list.starts_with("alert,anomaly,arp,") && list.ends_with(",stats,tds,tls"));
        assert_eq!(
            error.to_string(),
            format!(
                "unknown event type 'inicdent', did you mean 'incident'? Use 'all', or some of {list}"
            )
        );
        assert!("".parse::<EventTypes>().is_err());
        assert!(!UnknownType::new("netflow").to_string().contains("mean"));
    }
}

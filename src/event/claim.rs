//! Evidence of who is at an address.

use crate::net::Addr;
use crate::wire::Guid;

/// Where evidence comes from, weakest first. A stronger one displaces a weaker one.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    serde::Serialize,
    serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A name that a host gives itself where nobody checks it: NetBIOS, a certificate. It is shown, and
    /// never owned.
    Said,
    /// A name in NTLM: everybody may say it, and a relay repeats it.
    #[default]
    Ntlm,
    /// An SMB ServerGuid, or what an SMB server says of its own interfaces.
    Smb,
    /// A Kerberos service accepted a ticket for the name (RFC 4120 3.2).
    Kerberos,
    /// A DNS answer of a known server.
    Dns,
    /// A DHCP server leased the address to the name.
    Dhcp,
    /// The operator said so.
    Declared,
}

impl Source {
    /// As evidence sentences and `identity` events name it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Said => "said",
            Self::Ntlm => "ntlm",
            Self::Smb => "smb",
            Self::Kerberos => "kerberos",
            Self::Dns => "dns",
            Self::Dhcp => "dhcp",
            Self::Declared => "declared",
        }
    }

    /// What it counts: sources of one weight do not displace each other.
    #[must_use]
    pub fn weight(self) -> u8 {
        match self {
            Self::Said | Self::Ntlm => 0,
            Self::Smb => 1,
            Self::Kerberos | Self::Dns | Self::Dhcp => 2,
            Self::Declared => 3,
        }
    }
}

/// One piece of evidence.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Claim {
    /// The address it is about.
    pub addr: Addr,
    /// Names, lower case, short or full.
    pub names: Vec<String>,
    /// Where it comes from.
    pub source: Source,
    /// The host spoke as a server; a client can call itself anything.
    pub server: bool,
    /// SMB ServerGuid.
    pub guid: Option<Guid>,
    /// Addresses that the host says it has. It may say any, so it counts only where each says the other.
    pub interfaces: Vec<Addr>,
    /// What it shows the host to be.
    pub roles: Roles,
    /// Seconds after which it is void; 0 is the usual time.
    pub ttl: u32,
    /// Services that the host was seen to answer for: several together show a role.
    pub services: Services,
    /// Whom a DHCP server leased the address to: a hash of its hardware address. Ends what the one before
    /// was called.
    pub client: Option<u64>,
    /// A DNS server that says it, and whom it tells.
    pub witness: Option<Witness>,
}

/// Who says something about another host, and to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Witness {
    /// The one that answers.
    pub server: Addr,
    /// The one that asked.
    pub client: Addr,
}

/// What a host was seen to answer for. One may be pretended; a role takes what the role's hosts have in
/// common (see [`Services::roles`]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Services(pub u16);

impl Services {
    /// It issued Kerberos tickets, or refused to.
    pub const KDC: Self = Self(1);
    /// It answered a ping for `netlogon` as domain controller (MS-ADTS 6.3.3).
    pub const NETLOGON: Self = Self(2);
    /// A DNS server's SRV record names it for `_ldap._tcp.dc._msdcs` (MS-ADTS 6.3.2.3).
    pub const SRV: Self = Self(4);
    /// It answered LDAP.
    pub const LDAP: Self = Self(8);
    /// It accepted binds to an interface that only domain controllers have: directory replication, netlogon.
    pub const DC_RPC: Self = Self(16);
    /// It accepted binds to a certificate authority's interface, or served its pages.
    pub const CA: Self = Self(32);
    /// It served Exchange's pages.
    pub const EXCHANGE: Self = Self(64);
    /// It served Configuration Manager's clients.
    pub const SCCM: Self = Self(128);
    /// It served updates.
    pub const UPDATE: Self = Self(256);
    /// It answered SQL Server's protocol.
    pub const SQL: Self = Self(512);
    /// It let somebody into a share that is nobody's administrative one.
    pub const SHARE: Self = Self(1024);
    /// It answered for printers.
    pub const PRINT: Self = Self(2048);
    /// It answered DNS.
    pub const DNS: Self = Self(4096);
    /// A DHCP server leased it its address.
    pub const LEASED: Self = Self(8192);

    /// Both.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// True if it has one of them.
    #[must_use]
    pub fn any(self, of: Self) -> bool {
        self.0 & of.0 != 0
    }

    /// What a host that answers for all this is. A domain controller takes two services of which one is
    /// only theirs: a single answer can be forged, and tools pretend to be an LDAP server.
    #[must_use]
    pub fn roles(self) -> Roles {
        let own = Self(Self::KDC.0 | Self::NETLOGON.0 | Self::SRV.0 | Self::DC_RPC.0);
        let of_dc = (self.0 & (own.0 | Self::LDAP.0)).count_ones();
        let dc = self.any(own) && of_dc >= 2;
        let workstation = self == Self::LEASED;
        [
            (dc, HostRole::Dc),
            (self.any(Self::CA), HostRole::Ca),
            (self.any(Self::EXCHANGE), HostRole::Exchange),
            (self.any(Self::SCCM), HostRole::Sccm),
            (self.any(Self::UPDATE), HostRole::Update),
            (self.any(Self::SQL), HostRole::Sql),
            (self.any(Self::SHARE) && !dc, HostRole::File),
            (self.any(Self::PRINT), HostRole::Print),
            (self.any(Self::DNS) && dc, HostRole::Dns),
            (workstation, HostRole::Workstation),
        ]
        .into_iter()
        .filter_map(|(plays, role)| plays.then_some(role))
        .collect()
    }
}

/// A part that a host plays in a domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u16)]
pub enum HostRole {
    /// Domain controller.
    Dc = 1,
    /// Certificate authority (AD CS), by RPC or web enrolment.
    Ca = 2,
    /// Exchange server.
    Exchange = 4,
    /// Configuration Manager site system.
    Sccm = 8,
    /// File server.
    File = 16,
    /// Print server.
    Print = 32,
    /// DNS server.
    Dns = 64,
    /// Database server.
    Sql = 128,
    /// Update server.
    Update = 256,
    /// Host of administrators, backup, scanners: its calls are expected.
    Admin = 512,
    /// Workstation.
    Workstation = 1024,
}

impl HostRole {
    /// Every role.
    pub const ALL: [Self; 11] = [
        Self::Dc,
        Self::Ca,
        Self::Exchange,
        Self::Sccm,
        Self::File,
        Self::Print,
        Self::Dns,
        Self::Sql,
        Self::Update,
        Self::Admin,
        Self::Workstation,
    ];

    /// As configuration, rules and events name it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Dc => "dc",
            Self::Ca => "ca",
            Self::Exchange => "exchange",
            Self::Sccm => "sccm",
            Self::File => "file",
            Self::Print => "print",
            Self::Dns => "dns",
            Self::Sql => "sql",
            Self::Update => "update",
            Self::Admin => "admin",
            Self::Workstation => "workstation",
        }
    }
}

/// A set of roles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Roles(u16);

impl Roles {
    /// The roles of both.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// True if the host plays it.
    #[must_use]
    pub fn has(self, role: HostRole) -> bool {
        self.0 & role as u16 != 0
    }

    /// True if there is none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// As one number, for the store.
    #[must_use]
    pub fn bits(self) -> u16 {
        self.0
    }

    /// From such a number; bits that are no role are dropped.
    #[must_use]
    pub fn from_bits(bits: u16) -> Self {
        HostRole::ALL
            .into_iter()
            .filter(|role| bits & *role as u16 != 0)
            .collect()
    }

    /// True if taking the host over is taking the domain over, or near it.
    #[must_use]
    pub fn is_tier0(self) -> bool {
        [
            HostRole::Dc,
            HostRole::Ca,
            HostRole::Exchange,
            HostRole::Sccm,
        ]
        .into_iter()
        .any(|role| self.has(role))
    }

    /// Names, in the order of [`HostRole::ALL`].
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        HostRole::ALL
            .into_iter()
            .filter(move |role| self.has(*role))
            .map(HostRole::name)
    }
}

impl From<HostRole> for Roles {
    fn from(role: HostRole) -> Self {
        Self(role as u16)
    }
}

impl FromIterator<HostRole> for Roles {
    fn from_iter<I: IntoIterator<Item = HostRole>>(roles: I) -> Self {
        Self(roles.into_iter().fold(0, |bits, role| bits | role as u16))
    }
}

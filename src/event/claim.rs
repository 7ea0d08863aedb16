//! Evidence of who is at an address.

use crate::net::Addr;
use crate::wire::Guid;

/// Where evidence comes from, weakest first. A stronger one displaces a weaker one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
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
            Self::Ntlm => 0,
            Self::Smb => 1,
            Self::Kerberos | Self::Dns | Self::Dhcp => 2,
            Self::Declared => 3,
        }
    }
}

/// One piece of evidence.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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
    /// What it shows the host to be.
    pub roles: Roles,
    /// Seconds after which it is void; 0 is the usual time.
    pub ttl: u32,
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

//! Knowledge as data: interfaces, operations and the layouts of coercion calls.
//!
//! The files are `rules/catalog/*.toml`; they are compiled in and can be overridden by a folder.

use std::collections::HashMap;

use crate::wire::Guid;

/// How well established a method is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Tier {
    /// Proven, open to any account.
    #[default]
    A,
    /// Proven, but privileged, limited or also common in normal traffic.
    B,
    /// A path or host parameter whose effect is not established.
    C,
}

impl Tier {
    /// `A`, `B` or `C`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::B => "B",
            Self::C => "C",
        }
    }
}

/// A call that can make its server authenticate to a host the caller names.
#[derive(Clone, Debug, Default)]
pub struct Method {
    /// Stable id, as `efsr-0`.
    pub id: String,
    /// Family, as `efsr`.
    pub family: String,
    /// The specification's name of the call.
    pub name: String,
    /// Operation number.
    pub opnum: u16,
    /// How well established it is.
    pub tier: Tier,
}

/// An RPC interface.
#[derive(Clone, Debug, Default)]
pub struct Interface {
    /// UUID.
    pub uuid: Guid,
    /// Name as Zeek spells it (`dce_rpc.endpoint`).
    pub endpoint: String,
    /// Specification, as `MS-EFSR`.
    pub protocol: String,
    /// Operation names by number.
    pub operations: HashMap<u16, String>,
    /// Coercion methods by number.
    pub methods: HashMap<u16, Method>,
}

/// Everything known about RPC interfaces.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    interfaces: HashMap<Guid, Interface>,
}

impl Catalog {
    /// The knowledge that is compiled in.
    #[must_use]
    pub fn builtin() -> Self {
        Self::default()
    }

    /// The interface with this UUID.
    #[must_use]
    pub fn interface(&self, uuid: Guid) -> Option<&Interface> {
        self.interfaces.get(&uuid)
    }

    /// The coercion method with this interface and operation number.
    #[must_use]
    pub fn method(&self, uuid: Guid, opnum: u16) -> Option<&Method> {
        self.interface(uuid)?.methods.get(&opnum)
    }
}

//! Knowledge as data: interfaces, operations and the layouts of coercion calls.
//!
//! The files are `rules/catalog/*.toml`; they are compiled in ([`Catalog::builtin`]) and can be
//! added to and overridden by a folder ([`Catalog::load`]). Their form is explained at the top of
//! `rules/catalog/efs.toml`.

mod load;
mod path;
mod tools;

pub use load::CatalogError;
pub use path::{PathForm, PathHost, find_unc, names_host, path_host, path_host_as};
pub use tools::ToolTrait;

use crate::wire::Guid;

/// Maps of the catalogue. Its keys come from files, never from the wire, so the hash needs no seed.
pub type Map<K, V> = hashbrown::HashMap<K, V, foldhash::fast::FixedState>;

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

/// One element of a stub, as NDR lays it out (C706 chapter 14, MS-RPCE 2.2.4 and 2.2.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    /// Context handle: 20 bytes, aligned to 4.
    Ctx,
    /// Four bytes, aligned to 4.
    U32,
    /// 16 bytes, aligned to 4.
    Guid,
    /// `[string] wchar_t*` without referent: counts, then UTF-16 units.
    RefWstr,
    /// `[string, unique] wchar_t*`: referent, and unless that is 0 as [`Element::RefWstr`].
    UniqueWstr,
    /// [`Element::RefWstr`] with 8-bit units.
    RefAstr,
    /// [`Element::UniqueWstr`] with 8-bit units.
    UniqueAstr,
    /// `RPC_UNICODE_STRING`: two lengths and a pointer in place, the units deferred.
    UnicodeString,
    /// `RPC_STRING`: the same with 8-bit units.
    AnsiString,
    /// A pointer that must be null.
    NullPtr,
    /// A unique pointer to what follows; if null, nothing follows.
    OptPtr,
    /// No layout: search what is left for a UNC path.
    Scan,
    /// Search what is left for a marshalled object reference (`MEOW`) and its string bindings.
    ObjRef,
}

/// Every element by the catalogue's name for it.
pub(crate) const ELEMENTS: [(&str, Element); 13] = [
    ("ctx", Element::Ctx),
    ("u32", Element::U32),
    ("guid", Element::Guid),
    ("ref_wstr", Element::RefWstr),
    ("unique_wstr", Element::UniqueWstr),
    ("ref_astr", Element::RefAstr),
    ("unique_astr", Element::UniqueAstr),
    ("rpc_unicode_string", Element::UnicodeString),
    ("rpc_string", Element::AnsiString),
    ("null_ptr", Element::NullPtr),
    ("opt_ptr", Element::OptPtr),
    ("scan", Element::Scan),
    ("objref", Element::ObjRef),
];

/// One step of a layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// What stands there.
    pub element: Element,
    /// It is the path, or one of the paths: the first that names a host counts.
    pub path: bool,
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
    /// Level of the call by itself, as Sigma spells it, before roles and callback are known.
    pub severity: String,
    /// Elements of the stub up to the path.
    pub layout: Vec<Step>,
    /// What the path's text is.
    pub form: PathForm,
    /// Return values that mean the server tried the path.
    pub tried: Vec<u32>,
    /// Return values and fault statuses that mean it was refused before any callback.
    pub refused: Vec<u32>,
}

impl Method {
    /// The host that `path` names, read as this method reads it.
    #[must_use]
    pub fn path_host(&self, path: &str) -> PathHost {
        path_host_as(path, self.form)
    }
}

/// The name of an operation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Operation {
    /// The specification's.
    pub name: String,
    /// Zeek's, where it is another.
    pub zeek: Option<String>,
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
    /// `major.minor`, for people; calls are told by UUID alone.
    pub version: String,
    /// Named pipes it is usually reached by, lower case. Never a condition.
    pub pipes: Vec<String>,
    /// Operation names by number.
    pub operations: Map<u16, Operation>,
    /// Coercion methods by number.
    pub methods: Map<u16, Method>,
}

impl Interface {
    /// The name of an operation: Zeek's spelling, which rules use, where it differs.
    #[must_use]
    pub fn operation(&self, opnum: u16) -> Option<&str> {
        let operation = self.operations.get(&opnum)?;
        Some(operation.zeek.as_deref().unwrap_or(&operation.name))
    }

    /// The coercion method with this number.
    #[must_use]
    pub fn method(&self, opnum: u16) -> Option<&Method> {
        self.methods.get(&opnum)
    }
}

/// A coercion method that is a DCOM class. No opnum tells it: calls go through `IDispatch` of an
/// object, so this is knowledge for people and for rules on activation, not for the decoder.
#[derive(Clone, Debug, Default)]
pub struct Class {
    /// Class id.
    pub clsid: Guid,
    /// Stable id, as `dcom-rm-1`.
    pub id: String,
    /// Family.
    pub family: String,
    /// What it is.
    pub name: String,
    /// How well established it is.
    pub tier: Tier,
}

/// Everything known about RPC interfaces.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    interfaces: Map<Guid, Interface>,
    classes: Vec<Class>,
    tools: Vec<ToolTrait>,
}

impl Catalog {
    /// The interface with this UUID.
    #[must_use]
    pub fn interface(&self, uuid: Guid) -> Option<&Interface> {
        self.interfaces.get(&uuid)
    }

    /// The coercion method with this interface and operation number.
    #[must_use]
    pub fn method(&self, uuid: Guid, opnum: u16) -> Option<&Method> {
        self.interface(uuid)?.method(opnum)
    }

    /// Every interface, by UUID.
    #[must_use]
    pub fn interfaces(&self) -> Vec<&Interface> {
        let mut all: Vec<_> = self.interfaces.values().collect();
        all.sort_unstable_by_key(|i| i.uuid);
        all
    }

    /// Every coercion method that an opnum tells, with its interface, by method id.
    #[must_use]
    pub fn methods(&self) -> Vec<(&Interface, &Method)> {
        let each = |i| Interface::methods_of(i).map(move |m| (i, m));
        let mut all: Vec<_> = self.interfaces.values().flat_map(each).collect();
        all.sort_unstable_by(|(i, a), (j, b)| {
            (&a.id, i.uuid, a.opnum).cmp(&(&b.id, j.uuid, b.opnum))
        });
        all
    }

    /// The coercion methods that are DCOM classes.
    #[must_use]
    pub fn classes(&self) -> &[Class] {
        &self.classes
    }
}

impl Interface {
    fn methods_of(&self) -> impl Iterator<Item = &Method> {
        self.methods.values()
    }
}

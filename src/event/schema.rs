//! One declaration an event: struct, rule fields and EVE object.

use std::net::IpAddr;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::net::{Addr, Mac};
use crate::wire::{Guid, Text};

/// Which EVE object a field goes out in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// Suricata has it: written by `output` in Suricata's object of that name.
    Suricata,
    /// Ours: written under its name in our own event.
    Ours,
    /// Only rules see it.
    Rule,
}

/// The kind of values a field holds, for checking rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueKind {
    /// Yes or no.
    Bool,
    /// A non-negative number.
    Number,
    /// Text.
    Text,
    /// An address.
    Address,
}

/// The value of a field of one event.
#[derive(Clone, Copy, Debug, Default)]
pub enum Value<'a> {
    /// The event does not have it.
    #[default]
    Absent,
    /// Yes or no.
    Bool(bool),
    /// A number.
    Number(u64),
    /// Text, decoded when looked at.
    Text(Text<'a>),
    /// A GUID; compares and prints as text.
    Guid(Guid),
    /// Bytes that print as hexadecimal.
    Hex(&'a [u8]),
    /// An address.
    Address(IpAddr),
    /// An Ethernet address.
    Mac(Mac),
    /// Several addresses. For a rule, their text with commas between them.
    Addresses(&'a [Addr]),
    /// Several texts; a rule matches if one does.
    Texts(&'a [String]),
    /// Several numbers; a rule matches if one does.
    Numbers(&'a [i32]),
    /// The same, as they come off the wire.
    Words(Words<'a>),
}

/// Several texts in one, a line each: what a decoder lists without owning it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Words<'a>(&'a str);

impl<'a> Words<'a> {
    /// Texts with a line feed between them.
    #[must_use]
    pub fn new(lines: &'a str) -> Self {
        Self(lines)
    }

    /// True if there is none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// Each text.
    pub fn iter(self) -> impl Iterator<Item = &'a str> {
        self.0.split('\n').filter(|word| !word.is_empty())
    }
}

impl Serialize for Words<'_> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_seq(self.iter())
    }
}

impl Value<'_> {
    /// True if there is nothing to show: absent, or empty text.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        match self {
            Self::Absent => true,
            Self::Text(t) => t.is_empty(),
            Self::Hex(b) => b.is_empty(),
            Self::Texts(t) => t.is_empty(),
            Self::Mac(m) => m.is_zero(),
            Self::Addresses(a) => a.is_empty(),
            Self::Numbers(n) => n.is_empty(),
            Self::Words(w) => w.is_empty(),
            _ => false,
        }
    }

    /// Appends the value as a rule compares it with text. `Texts` are joined by commas.
    pub fn push_to(&self, buf: &mut String) {
        use std::fmt::Write;
        // Writing to a String cannot fail.
        let _ = match self {
            Self::Absent => Ok(()),
            Self::Bool(b) => write!(buf, "{b}"),
            Self::Number(n) => write!(buf, "{n}"),
            Self::Text(t) => {
                t.push_to(buf);
                Ok(())
            }
            Self::Guid(g) => write!(buf, "{g}"),
            Self::Hex(bytes) => bytes.iter().try_for_each(|b| write!(buf, "{b:02x}")),
            Self::Address(a) => write!(buf, "{a}"),
            Self::Mac(m) => write!(buf, "{m}"),
            Self::Addresses(all) => all.iter().enumerate().try_for_each(|(at, a)| {
                let comma = if at == 0 { "" } else { "," };
                write!(buf, "{comma}{a}")
            }),
            Self::Texts(all) => {
                buf.push_str(&all.join(","));
                Ok(())
            }
            Self::Numbers(all) => (0..).zip(*all).try_for_each(|(at, n)| {
                let comma = if at == 0 { "" } else { "," };
                write!(buf, "{comma}{n}")
            }),
            Self::Words(words) => {
                for (at, word) in words.iter().enumerate() {
                    buf.push_str(if at > 0 { "," } else { "" });
                    buf.push_str(word);
                }
                Ok(())
            }
        };
    }
}

impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Absent => s.serialize_none(),
            Self::Bool(b) => s.serialize_bool(*b),
            Self::Number(n) => s.serialize_u64(*n),
            Self::Text(t) => s.collect_str(t),
            Self::Guid(g) => s.collect_str(g),
            Self::Hex(bytes) => s.serialize_str(&data_encoding::HEXLOWER.encode(bytes)),
            Self::Address(a) => s.collect_str(a),
            Self::Texts(all) => s.collect_seq(*all),
            Self::Mac(m) => s.collect_str(m),
            Self::Addresses(all) => s.collect_seq(all.iter().map(|a| a.ip())),
            Self::Numbers(all) => s.collect_seq(*all),
            Self::Words(words) => words.serialize(s),
        }
    }
}

/// Index of a field in its event's declaration.
pub type FieldId = u16;

/// One field of an event.
#[derive(Clone, Copy, Debug)]
pub struct FieldDef {
    /// Its name in rules and in EVE.
    pub name: &'static str,
    /// What it means, for `rules check` and the handbook.
    pub doc: &'static str,
    /// Where it is written.
    pub mark: Mark,
    /// What it holds.
    pub kind: ValueKind,
}

/// The declaration of an event.
#[derive(Debug)]
pub struct EventSchema {
    /// Sigma `logsource.service`.
    pub service: &'static str,
    /// The event's own name, where several share a service.
    pub name: &'static str,
    /// Its fields.
    pub fields: &'static [FieldDef],
}

impl EventSchema {
    /// The index of the field of that name.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<FieldId> {
        let at = self.fields.iter().position(|f| f.name == name)?;
        FieldId::try_from(at).ok()
    }
}

/// An event as a bag of named fields.
pub trait Fields {
    /// Its declaration.
    fn schema(&self) -> &'static EventSchema;
    /// The value of a field; `Absent` if there is none.
    fn field(&self, id: FieldId) -> Value<'_>;
}

/// Serialises the fields marked [`Mark::Ours`] that are not absent.
#[derive(Clone, Copy)]
#[allow(missing_debug_implementations)] // a view for one call of a serializer
pub struct OurFields<'a>(pub &'a dyn Fields);

impl Serialize for OurFields<'_> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut map = s.serialize_map(None)?;
        for (id, def) in (0..).zip(self.0.schema().fields) {
            let value = self.0.field(id);
            if def.mark == Mark::Ours && !value.is_absent() {
                map.serialize_entry(def.name, &value)?;
            }
        }
        map.end()
    }
}

/// Types that a field can be declared with.
pub(crate) trait AsValue {
    const KIND: ValueKind;
    fn as_value(&self) -> Value<'_>;
}

macro_rules! as_value {
    ($($t:ty => $kind:ident, |$v:ident| $e:expr;)*) => {
        $(impl AsValue for $t {
            const KIND: ValueKind = ValueKind::$kind;
            fn as_value(&self) -> Value<'_> { let $v = self; $e }
        })*
    };
}
as_value! {
    bool => Bool, |v| Value::Bool(*v);
    u8 => Number, |v| Value::Number(u64::from(*v));
    u16 => Number, |v| Value::Number(u64::from(*v));
    u32 => Number, |v| Value::Number(u64::from(*v));
    u64 => Number, |v| Value::Number(*v);
    Text<'_> => Text, |v| Value::Text(*v);
    &str => Text, |v| Value::Text(Text::Str(v));
    String => Text, |v| Value::Text(Text::Str(v));
    Guid => Text, |v| Value::Guid(*v);
    [u8; 8] => Text, |v| Value::Hex(v);
    &[u8] => Text, |v| Value::Hex(v);
    [u8; 16] => Text, |v| Value::Hex(v);
    IpAddr => Address, |v| Value::Address(*v);
    Addr => Address, |v| Value::Address(v.ip());
    Mac => Text, |v| Value::Mac(*v);
    &[Addr] => Text, |v| Value::Addresses(v);
    Vec<String> => Text, |v| Value::Texts(v);
    &[i32] => Text, |v| Value::Numbers(v);
    Words<'_> => Text, |v| Value::Words(*v);
}
impl<T: AsValue> AsValue for Option<T> {
    const KIND: ValueKind = T::KIND;
    fn as_value(&self) -> Value<'_> {
        self.as_ref().map_or(Value::Absent, T::as_value)
    }
}

/// Declares an event: `field: Type => "name" Mark`, or `field: Type` for what only code sees.
macro_rules! declare_event {
    (
        $(#[$meta:meta])*
        $service:literal $name:literal
        pub struct $ty:ident $(<$life:lifetime>)? {
            $( $(#[doc = $doc:literal])+ pub $field:ident : $fty:ty => $fname:literal $mark:ident, )*
            $( ; $( $(#[doc = $pdoc:literal])+ pub $pfield:ident : $pty:ty, )* )?
        }
    ) => {
        $(#[$meta])*
        pub struct $ty $(<$life>)? {
            $( $(#[doc = $doc])+ pub $field: $fty, )*
            $( $( $(#[doc = $pdoc])+ pub $pfield: $pty, )* )?
        }

        impl $(<$life>)? $ty $(<$life>)? {
            /// The fields that rules and EVE know.
            pub const SCHEMA: &'static $crate::event::EventSchema = &$crate::event::EventSchema {
                service: $service,
                name: $name,
                fields: &[$( $crate::event::FieldDef {
                    name: $fname,
                    doc: concat!($($doc),+),
                    mark: $crate::event::Mark::$mark,
                    kind: <$fty as $crate::event::schema::AsValue>::KIND,
                }, )*],
            };
        }

        impl $(<$life>)? $crate::event::Fields for $ty $(<$life>)? {
            fn schema(&self) -> &'static $crate::event::EventSchema {
                Self::SCHEMA
            }

            fn field(&self, id: $crate::event::FieldId) -> $crate::event::Value<'_> {
                let mut at: $crate::event::FieldId = 0;
                $(
                    if at == id {
                        return $crate::event::schema::AsValue::as_value(&self.$field);
                    }
                    at += 1;
                )*
                let _ = at;
                $crate::event::Value::Absent
            }
        }
    };
}
pub(crate) use declare_event;

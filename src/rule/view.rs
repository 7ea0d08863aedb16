//! An event as a rule sees it: its own fields, and those of the flow it happened on.

use crate::event::{
    EventSchema, FieldDef, FieldId, Fields, Finding, FlowMeta, Mark, SmbCommand, Value, ValueKind,
};
use crate::wire::Text;

/// Fields that every protocol event has beside its own. Numbered behind them.
static FLOW: [FieldDef; FIELDS] = [
    def("src_ip", "Address of the client.", ValueKind::Address),
    def("src_port", "Port of the client.", ValueKind::Number),
    def("dest_ip", "Address of the server.", ValueKind::Address),
    def("dest_port", "Port of the server.", ValueKind::Number),
    def("proto", "`TCP` or `UDP`.", ValueKind::Text),
    def(
        "app_proto",
        "Protocol of the flow, as in EVE.",
        ValueKind::Text,
    ),
    def(
        TREE,
        "Share of a tree connect; of a named pipe `\\\\server\\IPC$`.",
        ValueKind::Text,
    ),
];

/// How many there are.
pub(super) const FIELDS: usize = 7;

/// What Zeek's smb_files.log calls `path`. Only SMB commands have it.
pub(super) const TREE: &str = "tree";

const fn def(name: &'static str, doc: &'static str, kind: ValueKind) -> FieldDef {
    FieldDef {
        name,
        doc,
        mark: Mark::Rule,
        kind,
    }
}

/// A field of the flow. Findings have roles instead of ends.
pub(super) fn field(schema: &EventSchema, name: &str) -> Option<(FieldId, &'static FieldDef)> {
    let at = names(schema).position(|n| n == name)?;
    let id = FieldId::try_from(schema.fields.len() + at).ok()?;
    Some((id, FLOW.get(at)?))
}

/// Names of the flow's fields, for errors.
pub(super) fn names(schema: &EventSchema) -> impl Iterator<Item = &'static str> + use<> {
    let command = SmbCommand::SCHEMA;
    let count = if schema.name == Finding::SCHEMA.name {
        0
    } else if (schema.service, schema.name) == (command.service, command.name) {
        FIELDS
    } else {
        FIELDS - 1
    };
    FLOW.iter().take(count).map(|f| f.name)
}

/// An event on its flow.
#[derive(Clone, Copy)]
#[allow(missing_debug_implementations)] // a view for one call
pub struct OnFlow<'a> {
    /// The event.
    pub event: &'a dyn Fields,
    /// Its flow.
    pub flow: &'a FlowMeta,
}

impl Fields for OnFlow<'_> {
    fn schema(&self) -> &'static EventSchema {
        self.event.schema()
    }

    fn field(&self, id: FieldId) -> Value<'_> {
        let own = self.event.schema().fields.len();
        let Some(at) = usize::from(id).checked_sub(own) else {
            return self.event.field(id);
        };
        let text = |text| Value::Text(Text::Str(text));
        match at {
            0 => Value::Address(self.flow.client.addr.ip()),
            1 => Value::Number(self.flow.client.port.into()),
            2 => Value::Address(self.flow.server.addr.ip()),
            3 => Value::Number(self.flow.server.port.into()),
            4 => text(self.flow.transport.name()),
            5 => text(self.flow.app_proto),
            6 => self.tree(),
            _ => Value::Absent,
        }
    }
}

impl OnFlow<'_> {
    fn tree(&self) -> Value<'_> {
        let named = |name| {
            SmbCommand::SCHEMA
                .field(name)
                .map(|id| self.event.field(id))
        };
        match named("is_pipe") {
            // The share of a pipe is always this; by which name the client called its server is not kept.
            Some(Value::Bool(true)) => Value::Text(Text::Str(r"\\server\IPC$")),
            _ => named("share").unwrap_or_default(),
        }
    }
}

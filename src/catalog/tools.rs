//! Constants of tools.

use serde::Deserialize;

use super::Catalog;
use crate::wire::Guid;

/// A constant that a tool shows as a server.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolTrait {
    /// The tool.
    pub tool: String,
    /// The field that shows it, as `smb.server_guid`.
    pub field: String,
    /// The value, or its beginning.
    #[serde(default)]
    value: String,
    #[serde(default, rename = "match")]
    form: Form,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Form {
    #[default]
    Exact,
    Prefix,
    /// A GUID of 16 ASCII letters.
    Letters,
}

impl ToolTrait {
    fn fits(&self, field: &str, value: &str) -> bool {
        self.field == field
            && match self.form {
                Form::Exact => self.value.eq_ignore_ascii_case(value),
                Form::Prefix => value.starts_with(&self.value),
                Form::Letters => value
                    .parse::<Guid>()
                    .is_ok_and(|guid| guid.0.to_be_bytes().iter().all(u8::is_ascii_alphabetic)),
            }
    }
}

impl Catalog {
    /// The first tool that shows `value` in `field`.
    #[must_use]
    pub fn tool(&self, field: &str, value: &str) -> Option<&ToolTrait> {
        self.tools.iter().find(|t| t.fits(field, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tools_by_their_constants() {
        let catalog = Catalog::builtin();
        let tool = |field: &str, value: &str| catalog.tool(field, value).map(|t| t.tool.clone());
        for (field, value, expected) in [
            (
                "smb.server_guid",
                "41414141-4141-4141-4141-414141414141",
                "impacket smbserver",
            ),
            // "LAoaaBhSkqiCyxbd" in any order of its bytes.
            (
                "smb.server_guid",
                "616f414c-4261-5368-6b71-694379786264",
                "impacket ntlmrelayx",
            ),
            (
                "http.server",
                "SimpleHTTP/0.6 Python/3.11.2",
                "impacket ntlmrelayx",
            ),
            ("ntlm.challenge", "1122334455667788", "responder"),
        ] {
            assert_eq!(tool(field, value).as_deref(), Some(expected), "{value}");
        }
        for (field, value) in [
            ("smb.server_guid", "616f414c-4261-5368-6b71-694379786200"),
            ("http.server", "Microsoft-IIS/10.0"),
            ("ntlm.challenge", "41414141-4141-4141-4141-414141414141"),
            ("ntlm.challenge", "0123456789abcdef"),
        ] {
            assert_eq!(tool(field, value), None, "{value}");
        }
    }
}

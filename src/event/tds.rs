//! TDS events.

use super::schema::declare_event;
use crate::wire::Text;

declare_event! {
    /// A logon to SQL Server. Never the password.
    #[derive(Clone, Copy, Debug, Default)]
    "tds" "login"
    pub struct TdsLogin<'a> {
        /// User of an SQL logon; empty where Windows authenticates.
        pub user: Text<'a> => "username" Ours,
        /// Name of the client.
        pub host: Text<'a> => "hostname" Ours,
        /// Program that logs on.
        pub app: Text<'a> => "app" Ours,
        /// Server as the client calls it.
        pub server: Text<'a> => "server" Ours,
        /// Library that logs on.
        pub library: Text<'a> => "library" Ours,
        /// Database asked for.
        pub database: Text<'a> => "database" Ours,
        /// Windows authenticates: NTLM or Kerberos.
        pub integrated: Option<bool> => "integrated" Ours,
        /// What the client said of encryption: `off` (logon only), `on`, `not_supported`, `required`.
        pub client_encryption: &'a str => "client_encryption" Ours,
        /// What the server said.
        pub server_encryption: &'a str => "server_encryption" Ours,
        /// The logon is in TLS.
        pub hidden: Option<bool> => "hidden" Ours,
    }
}

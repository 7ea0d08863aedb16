//! RPC over HTTP version 2 (MS-RPCH) and the `ncacn_http/1.0` banner.

/// Virtual connections by cookie: one RPC association whose directions are two TCP connections.
#[derive(Debug, Default)]
pub struct VirtualConnections {}

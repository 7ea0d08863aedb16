//! What was done with an authentication: RW-15 and RW-16, certificate enrolment over the web and over RPC; RW-17,
//! changes of the directory; RW-25, what follows from them.
//!
//! An action is worth most on a flow that a detector has already spoken of
//! ([`Suspects`](super::suspects::Suspects)); it may be seen before that, so it is kept for a while.

pub(super) mod desk;
mod enrolment;
mod follow_up;
mod ldap_write;
mod rpc_enrolment;
#[cfg(test)]
mod tests;

pub(super) use enrolment::WebEnrolment;
pub(super) use follow_up::FollowUps;
pub(super) use ldap_write::LdapWrites;
pub(super) use rpc_enrolment::RpcEnrolment;

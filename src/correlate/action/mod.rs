//! What was done with an authentication: RW-15, certificate enrolment over the web.
//!
//! An action is worth most on a flow that a detector has already spoken of
//! ([`Suspects`](super::suspects::Suspects)); it may be seen before that, so it is kept for a while.

mod enrolment;

pub(super) use enrolment::WebEnrolment;

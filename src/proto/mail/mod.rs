//! NTLM in the logon of mail: SMTP (RFC 5321, RFC 4954), IMAP (RFC 9051), POP3 (RFC 5034), with the
//! profiles of MS-SMTPNTLM, MS-OXIMAP and MS-OXPOP3.
//!
//! Lines are read until the logon is over, or a mail begins; then the decoder is done. The answer to
//! STARTTLS hands the connection on to be identified anew.
//!
//! Not read: addresses, mails, mailboxes; passwords, so every other mechanism; an IMAP literal in the
//! place of a token.
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation
    )
)]

mod decoder;
mod wire;

pub use decoder::Decoder;
pub use wire::Kind;
pub(crate) use wire::begins;

#[cfg(test)]
mod tests;

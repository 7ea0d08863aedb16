//! Reading bytes that nobody vouches for.
//!
//! Everything a decoder reads comes through a [`Reader`]: it cannot index, cannot
//! overflow and cannot leave the slice it was given. Values that the sensor does not
//! know survive as numbers ([`wire_code!`]).

mod ber;
mod error;
mod reader;
mod text;
mod types;

pub use ber::{Tlv, tag};
pub use error::{Error, Result};
pub use reader::Reader;
pub use text::{Text, Utf16};
pub use types::{FileTime, Guid};

/// Declares a number whose known values have names and whose unknown values survive.
///
/// The generated type is a transparent struct with one associated constant a name;
/// `Display` prints the name, or `unknown-N`.
#[macro_export]
macro_rules! wire_code {
    (
        $(#[$meta:meta])*
        $vis:vis struct $name:ident($repr:ty) {
            $($(#[$vmeta:meta])* $variant:ident = $value:expr => $text:literal),* $(,)?
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
        $vis struct $name(pub $repr);

        #[allow(non_upper_case_globals)]
        impl $name {
            $($(#[$vmeta])* pub const $variant: Self = Self($value);)*

            /// The specification's name, if the value is known.
            #[must_use]
            pub fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($value => Some($text),)*
                    _ => None,
                }
            }
        }

        impl ::core::fmt::Display for $name {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                match self.name() {
                    Some(name) => f.write_str(name),
                    None => write!(f, "unknown-{}", self.0),
                }
            }
        }

        impl ::core::fmt::Debug for $name {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                write!(f, "{self}({:#x})", self.0)
            }
        }
    };
}

//! Parts of DER that Kerberos messages are made of (RFC 4120 5.2).

use super::wire::malformed;
use crate::wire::{Reader, Result, Tlv, tag};

/// The contents of the SEQUENCE that an application tag has inside.
pub(super) fn sequence<'a>(contents: &'a [u8], what: &'static str) -> Result<&'a [u8]> {
    Tlv::expect(&mut Reader::new(contents), tag::SEQUENCE, what)
}

/// Calls `take` with every `[n]` of a SEQUENCE's contents and what is inside.
pub(super) fn fields<'a>(
    contents: &'a [u8],
    mut take: impl FnMut(u8, Tlv<'a>) -> Result<()>,
) -> Result<()> {
    let mut r = Reader::new(contents);
    while !r.is_empty() {
        let field = Tlv::read(&mut r)?;
        // [n], constructed; the rest is not of this grammar.
        if field.tag & 0xe0 == 0xa0 {
            take(field.tag & 0x1f, Tlv::read(&mut field.inside())?)?;
        }
    }
    Ok(())
}

/// Calls `take` with type and value of every PA-DATA (5.2.7).
pub(super) fn each_padata<'a>(
    all: &'a [u8],
    mut take: impl FnMut(i32, &'a [u8]) -> Result<()>,
) -> Result<()> {
    let mut r = Reader::new(all);
    while !r.is_empty() {
        let one = Tlv::expect(&mut r, tag::SEQUENCE, "PA-DATA")?;
        let (mut kind, mut value) = (0, &[][..]);
        fields(one, |number, field| {
            match number {
                1 => kind = int(field.value)?,
                2 => value = field.value,
                _ => {}
            }
            Ok(())
        })?;
        take(kind, value)?;
    }
    Ok(())
}

/// A signed INTEGER of at most 32 bits; five octets with a leading zero are taken for an unsigned one.
pub(super) fn int(octets: &[u8]) -> Result<i32> {
    let octets = match octets {
        [0, rest @ ..] if rest.len() == 4 => rest,
        all => all,
    };
    let first = match octets {
        [] | [_, _, _, _, _, ..] => {
            return Err(malformed("Kerberos integer", "empty or over 32 bits"));
        }
        [first, ..] => *first,
    };
    let sign = if first & 0x80 == 0 { 0 } else { -1 };
    Ok(octets.iter().fold(sign, |n, b| (n << 8) | i32::from(*b)))
}

/// The first 32 bits of a BIT STRING (5.2.8): an octet of unused bits, then the bits.
pub(super) fn bits(contents: &[u8]) -> u32 {
    let mut all = [0; 4];
    let given = contents.get(1..).unwrap_or_default();
    all.iter_mut().zip(given).for_each(|(to, from)| *to = *from);
    u32::from_be_bytes(all)
}

//! Modifiers that change a value before it is compared: `windash`, `utf16`, `base64`.

use super::pattern::{literal, pieces};

/// What is done to a value, in this order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Encode {
    /// Any dash may stand for another.
    pub(super) windash: bool,
    /// Its bytes are UTF-16; only ever below base64.
    pub(super) utf16: Option<Utf16>,
    pub(super) base64: Option<Base64>,
}

/// A spelling of UTF-16.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Utf16 {
    Little,
    Big,
    /// Little endian behind a byte order mark.
    Marked,
}

/// Where in the encoded bytes the value stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Base64 {
    /// At their beginning.
    Whole,
    /// At any of the three places that come out differently.
    Offset,
}

/// What may stand where a flag's dash stands (Sigma specification, `windash`).
const DASHES: [char; 5] = ['-', '/', '\u{2013}', '\u{2014}', '\u{2015}'];
/// Dashes of one value: each multiplies its spellings by five.
const DASHES_AT_MOST: usize = 3;

impl Encode {
    /// Every spelling of a value, as Sigma text.
    pub(super) fn spellings(self, value: &str) -> Result<Vec<String>, &'static str> {
        let mut all = vec![value.to_owned()];
        if self.windash {
            all = dashes(value)?;
        }
        let Some(base64) = self.base64 else {
            return Ok(all);
        };
        let mut out = Vec::new();
        for text in all {
            let plain = literal(&pieces(&text)).ok_or("`base64` cannot encode a wildcard")?;
            let bytes = self.bytes(&plain);
            match base64 {
                Base64::Whole => out.push(data_encoding::BASE64.encode(&bytes)),
                Base64::Offset => out.extend((0..3).map(|shift| shifted(&bytes, shift))),
            }
        }
        if out.iter().any(String::is_empty) {
            return Err("too short for `base64offset`");
        }
        Ok(out)
    }

    fn bytes(self, text: &str) -> Vec<u8> {
        let units = text.encode_utf16();
        match self.utf16 {
            None => text.as_bytes().to_vec(),
            Some(Utf16::Little) => units.flat_map(u16::to_le_bytes).collect(),
            Some(Utf16::Big) => units.flat_map(u16::to_be_bytes).collect(),
            Some(Utf16::Marked) => std::iter::once(0xfeff)
                .chain(units)
                .flat_map(u16::to_le_bytes)
                .collect(),
        }
    }
}

/// The characters of base64 that only `bytes` decide, where `shift` unknown bytes stand before them.
fn shifted(bytes: &[u8], shift: usize) -> String {
    let mut padded = vec![0; shift];
    padded.extend_from_slice(bytes);
    // Each byte decides eight bits, each character holds six.
    let from = (shift * 8).div_ceil(6);
    let to = padded.len() * 8 / 6;
    let all = data_encoding::BASE64_NOPAD.encode(&padded);
    all.get(from..to).unwrap_or_default().to_owned()
}

/// Every dash or slash that begins a flag, in every spelling.
fn dashes(value: &str) -> Result<Vec<String>, &'static str> {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let chars: Vec<char> = value.chars().collect();
    let places: Vec<usize> = (0..chars.len())
        .filter(|&at| {
            let before = at.checked_sub(1).and_then(|b| chars.get(b));
            matches!(chars.get(at), Some('-' | '/'))
                && !before.is_some_and(|c| word(*c))
                && chars.get(at + 1).is_some_and(|c| word(*c))
        })
        .collect();
    if places.len() > DASHES_AT_MOST {
        return Err("more than three flags in one value; write them one by one, with `all`");
    }
    let mut all = vec![chars];
    for place in places {
        all = all
            .iter()
            .flat_map(|chars| {
                DASHES.map(|dash| {
                    let mut other = chars.clone();
                    if let Some(c) = other.get_mut(place) {
                        *c = dash;
                    }
                    other
                })
            })
            .collect();
    }
    Ok(all
        .into_iter()
        .map(|chars| chars.into_iter().collect())
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_finds_a_word_wherever_it_stands() {
        let offset = Encode {
            base64: Some(Base64::Offset),
            ..Encode::default()
        };
        // The example of the Sigma specification.
        assert_eq!(
            offset.spellings("foobar").unwrap(),
            ["Zm9vYmFy", "Zvb2Jhc", "mb29iYX"]
        );
        for before in ["", "a", "ab", "abc", "wxyz"] {
            for after in ["", "!", "!?", "!?."] {
                let text = format!("{before}http://x{after}");
                let encoded = data_encoding::BASE64.encode(text.as_bytes());
                let found = offset.spellings("http://x").unwrap();
                assert!(found.iter().any(|f| encoded.contains(f)), "{text}");
            }
        }
        let wide = Encode {
            utf16: Some(Utf16::Little),
            base64: Some(Base64::Whole),
            windash: false,
        };
        // `printf IEX | iconv -t UTF-16LE | base64`
        assert_eq!(wide.spellings("IEX").unwrap(), ["SQBFAFgA"]);
        assert!(wide.spellings("a*").is_err());
        assert_eq!(wide.spellings(r"\*").unwrap(), ["KgA="]);
    }

    #[test]
    fn dashes_of_flags_only() {
        let dash = Encode {
            windash: true,
            ..Encode::default()
        };
        let all = dash.spellings(" -enc a-b").unwrap();
        assert_eq!(
            all,
            [
                " -enc a-b",
                " /enc a-b",
                " –enc a-b",
                " —enc a-b",
                " ―enc a-b"
            ]
        );
        assert_eq!(dash.spellings("-a -b").unwrap().len(), 25);
        assert!(dash.spellings("-a -b -c -d").is_err());
    }
}

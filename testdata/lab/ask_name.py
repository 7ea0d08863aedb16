"""Asks for a name by multicast, as Windows does when DNS does not know it, and prints the first answer's
address. Nothing installed here sends LLMNR or mDNS without a daemon.

usage: ask_name.py llmnr|mdns NAME OWN-ADDRESS
"""

import os
import socket
import struct
import sys

GROUPS = {"llmnr": ("224.0.0.252", 5355), "mdns": ("224.0.0.251", 5353)}


def main():
    protocol, name, own = sys.argv[1:]
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(own))
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 1 if protocol == "llmnr" else 255)
    if protocol == "mdns":
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("", 5353))
        member = socket.inet_aton(GROUPS["mdns"][0]) + socket.inet_aton(own)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 0)
        name += ".local"
    labels = b"".join(bytes((len(part),)) + part.encode() for part in name.split(".")) + b"\0"
    number = b"\0\0" if protocol == "mdns" else os.urandom(2)
    query = number + struct.pack(">HHHHH", 0, 1, 0, 0, 0) + labels + struct.pack(">HH", 1, 1)
    sock.settimeout(0.6)
    for _ in range(2):
        sock.sendto(query, GROUPS[protocol])
        try:
            data, _ = sock.recvfrom(2048)
        except TimeoutError:
            continue
        print(socket.inet_ntoa(data[-4:]))
        return


if __name__ == "__main__":
    main()

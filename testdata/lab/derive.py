#!/usr/bin/env python3
"""Writes captures/derived: recorded captures in other clothes, each with its JSON.

Standard library only (and the zstd program for one file). Deterministic: what looks random comes
from a generator seeded with the file's name, so a second run changes nothing.

usage: derive.py CAPTURES
"""

import gzip
import json
import os
import random
import struct
import subprocess
import sys

PIPE, CHAIN = "petitpotam_pipe_clear", "relay_smb_http_adcs"
PROXY, SERVERS = "reverse_proxy", "two_servers"

ETHERNET, NULL, RAW, SLL, SLL2 = 1, 0, 101, 113, 276
IPV4 = b"\x08\x00"
ETH, IP = 14, 20  # lengths of the headers; our recordings have no IP options
TCP, SYN, ACK, PUSH, FIN = 6, 2, 16, 8, 1


# --- frames in, frames out -------------------------------------------------------------------


class Frame:
    """time in microseconds, data from the Ethernet header on"""

    def __init__(self, time, data):
        self.time, self.data = time, data

    def at(self, data):
        return Frame(self.time, data)

    def is_tcp(self):
        return self.data[12:14] == IPV4 and self.data[ETH + 9] == TCP

    def tcp(self):
        """Offset of the TCP payload and the end of the datagram, without Ethernet padding"""
        header = ETH + IP
        start = header + (self.data[header + 12] >> 4) * 4
        return start, ETH + struct.unpack_from(">H", self.data, ETH + 2)[0]

    def flags(self):
        return self.data[ETH + IP + 13]

    def source(self):
        return self.data[ETH + 12 : ETH + 16] + self.data[ETH + IP : ETH + IP + 2]

    def destination(self):
        return self.data[ETH + 16 : ETH + 20] + self.data[ETH + IP + 2 : ETH + IP + 4]


def read_pcap(path):
    with open(path, "rb") as file:
        data = file.read()
    assert data[:4] == b"\xd4\xc3\xb2\xa1", "little-endian pcap with microseconds"
    frames, at = [], 24
    while at < len(data):
        seconds, micros, captured, _ = struct.unpack_from("<IIII", data, at)
        frames.append(Frame(seconds * 1_000_000 + micros, data[at + 16 : at + 16 + captured]))
        at += 16 + captured
    return frames


def pcap(frames, link=ETHERNET, order="<"):
    out = struct.pack(order + "IHHIIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, link)
    for frame in frames:
        seconds, micros = divmod(frame.time, 1_000_000)
        length = len(frame.data)
        out += struct.pack(order + "IIII", seconds, micros, length, length) + frame.data
    return out


def pcapng(interfaces, frames):
    """interfaces: [(link type, name, nanoseconds?)], frames: [(interface, Frame)]"""

    def block(kind, body):
        body += bytes(-len(body) % 4)
        length = struct.pack("<I", 12 + len(body))
        return struct.pack("<I", kind) + length + body + length

    def option(code, value):
        return struct.pack("<HH", code, len(value)) + value + bytes(-len(value) % 4)

    out = block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))
    for link, name, nanoseconds in interfaces:
        options = option(2, name.encode())  # if_name
        if nanoseconds:
            options += option(9, b"\x09")  # if_tsresol; microseconds without it
        out += block(1, struct.pack("<HHI", link, 0, 262144) + options + option(0, b""))
    for interface, frame in frames:
        ticks = frame.time * 1000 + 777 if interfaces[interface][2] else frame.time
        head = struct.pack("<III", interface, ticks >> 32, ticks & 0xFFFFFFFF)
        length = len(frame.data)
        out += block(6, head + struct.pack("<II", length, length) + frame.data)
    return out


def checksum(data):
    data += bytes(len(data) % 2)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ip_header(original, length, identification, fragment):
    """The original header with another length, identification and fragment field"""
    head = original[:2] + struct.pack(">HHH", IP + length, identification, fragment)
    head += original[8:10] + b"\0\0" + original[12:20]
    return head[:10] + struct.pack(">H", checksum(head)) + head[12:]


# --- the derivations: each takes (frames, random) and gives the bytes of a file ---------------


def vlan(frames, _):
    return pcap(frame.at(tagged(frame.data, b"\x81\x00\x00\x64")) for frame in frames)


def qinq(frames, _):
    return pcap(frame.at(tagged(frame.data, b"\x88\xa8\x00\x0a\x81\x00\x00\x64")) for frame in frames)


def tagged(data, tag):
    return data[:12] + tag + data[12:]


def big_endian(frames, _):
    return pcap(frames, order=">")


def sll(frames, _):
    def cooked(data):
        return struct.pack(">HHH", 0, 1, 6) + data[6:12] + bytes(2) + data[12:]

    return pcap((frame.at(cooked(frame.data)) for frame in frames), SLL)


def sll2(frames, _):
    def cooked(data):
        head = struct.pack(">HIHBB", 0, 2, 1, 0, 6)  # reserved, interface 2, ARPHRD_ETHER, to us
        return data[12:14] + head + data[6:12] + bytes(2) + data[ETH:]

    return pcap((frame.at(cooked(frame.data)) for frame in frames), SLL2)


def raw(frames, _):
    return pcap((frame.at(frame.data[ETH:]) for frame in ip_only(frames)), RAW)


def null(frames, _):
    family = struct.pack("<I", 2)  # AF_INET, in the byte order of whoever recorded it
    return pcap((frame.at(family + frame.data[ETH:]) for frame in ip_only(frames)), NULL)


def ip_only(frames):
    return [frame for frame in frames if frame.data[12:14] == IPV4]


def pcapng_nanoseconds(frames, _):
    return pcapng([(ETHERNET, "span0", True)], [(0, frame) for frame in frames])


def pcapng_two_links(frames, _):
    ca = bytes((10, 10, 0, 30))

    def place(frame):
        if frame.data[12:14] == IPV4 and ca in (frame.source()[:4], frame.destination()[:4]):
            return 1, frame.at(frame.data[ETH:])
        return 0, frame

    interfaces = [(ETHERNET, "span0", False), (RAW, "tun0", True)]
    return pcapng(interfaces, [place(frame) for frame in frames])


def ip_fragments(frames, _):
    out, size = [], 104
    for number, frame in enumerate(frames):
        header, body = frame.data[ETH : ETH + IP], frame.data[ETH + IP :]
        if frame.data[12:14] != IPV4 or len(body) <= 2 * size:
            out.append(frame)
            continue
        pieces = []
        for at in range(0, len(body), size):
            piece = body[at : at + size]
            more = 0x2000 if at + size < len(body) else 0
            head = ip_header(header, len(piece), 1000 + number, more | at // 8)
            pieces.append(frame.at(frame.data[:ETH] + head + piece))
        out += reversed(pieces) if number % 3 == 0 else pieces
    return pcap(out)


def tcp_segments(frames, generator):
    out = []
    for frame in frames:
        if not frame.is_tcp():
            out.append(frame)
            continue
        start, end = frame.tcp()
        payload, at = frame.data[start:end], 0
        if not payload:
            out.append(frame)
        while at < len(payload):
            piece = payload[at : at + generator.randint(1, 64)]
            out.append(frame.at(segment(frame.data, start, at, piece, at + len(piece) == len(payload))))
            at += len(piece)
    return pcap(out)


def segment(data, start, at, piece, last):
    tcp = bytearray(data[ETH + IP : start])
    sequence = struct.unpack_from(">I", tcp, 4)[0] + at
    struct.pack_into(">I", tcp, 4, sequence & 0xFFFFFFFF)
    if not last:
        tcp[13] &= ~(PUSH | FIN)
    struct.pack_into(">H", tcp, 16, 0)
    whole = bytes(tcp) + piece
    pseudo = data[ETH + 12 : ETH + 20] + struct.pack(">BBH", 0, TCP, len(whole))
    struct.pack_into(">H", tcp, 16, checksum(pseudo + whole))
    identification = (struct.unpack_from(">H", data, ETH + 4)[0] + at) & 0xFFFF
    return data[:ETH] + ip_header(data[ETH : ETH + IP], len(whole), identification, 0x4000) + bytes(tcp) + piece


def shuffled(frames, generator):
    order = sorted(range(len(frames)), key=lambda index: index + generator.uniform(0, 4))
    return pcap(Frame(frames[place].time, frames[index].data) for place, index in enumerate(order))


def duplicated(frames, _):
    return pcap(copy for frame in frames for copy in (frame, Frame(frame.time + 1, frame.data)))


def one_way(from_client):
    def derive(frames, _):
        clients = set()
        for frame in frames:
            if frame.is_tcp() and frame.flags() & (SYN | ACK) == SYN:
                clients.add(frame.source())
        return pcap(
            frame
            for frame in frames
            if not frame.is_tcp() or (frame.source() in clients) == from_client
        )

    return derive


def midstream(frames, _):
    return pcap(frames[len(frames) // 3 :])


def gzipped(frames, _):
    return gzip.compress(pcap(frames), mtime=0)


def zstandard(frames, _):
    command = ["zstd", "-q", "-19", "-c"]
    return subprocess.run(command, input=pcap(frames), stdout=subprocess.PIPE, check=True).stdout


def truncated(frames, _):
    kept = len(frames) * 4 // 5
    return pcap(frames[:kept])[:-7]


def corrupt(frames, generator):
    frames = list(frames)
    for place, offset in ((5, ETH), (8, ETH + IP + 12), (11, ETH + 2)):
        data = bytearray(frames[place].data)
        data[offset] ^= 0xFF  # IP version and header length, TCP header length, IP total length
        frames[place] = frames[place].at(bytes(data))
    noise = bytes(generator.randrange(256) for _ in range(97))
    frames.insert(14, Frame(frames[14].time, noise))
    kept = len(frames) * 3 // 4
    absurd = struct.pack("<IIII", 1, 2, 0xFFFFFFF0, 0xFFFFFFF0)
    return pcap(frames[:kept]) + absurd + pcap(frames[kept:])[24:]


ALL = None  # the recorded capture's own expectations hold

# (recorded capture, derivation, function, suffix, what it is, expectations)
DERIVATIONS = (
    (PIPE, "vlan", vlan, ".pcap", "every frame with an 802.1Q tag, VLAN 100", ALL),
    (PIPE, "qinq", qinq, ".pcap", "802.1ad tag 10 outside, 802.1Q tag 100 inside", ALL),
    (PIPE, "big_endian", big_endian, ".pcap", "the file header and record headers big-endian", ALL),
    (PIPE, "sll", sll, ".pcap", "Linux cooked capture v1", ALL),
    (PIPE, "sll2", sll2, ".pcap", "Linux cooked capture v2", ALL),
    (PIPE, "raw", raw, ".pcap", "link type RAW: IP packets without a frame", ALL),
    (PIPE, "null", null, ".pcap", "link type NULL: address family, then IP", ALL),
    (PIPE, "nanoseconds", pcapng_nanoseconds, ".pcapng", "pcapng with nanosecond timestamps", ALL),
    (CHAIN, "two_links", pcapng_two_links, ".pcapng", "pcapng with two interfaces: Ethernet in microseconds, RAW in nanoseconds; the target leg is on the second", ALL),
    (CHAIN, "ip_fragments", ip_fragments, ".pcap", "IPv4 fragments of 104 bytes, those of every third datagram last first", ALL),
    (PIPE, "tcp_segments", tcp_segments, ".pcap", "TCP payload cut again into segments of 1 to 64 bytes", ALL),
    (PROXY, "tcp_segments", tcp_segments, ".pcap", "TCP payload cut again into segments of 1 to 64 bytes", ALL),
    (CHAIN, "shuffled", shuffled, ".pcap", "frames moved by up to four places, timestamps left in order", ALL),
    (SERVERS, "shuffled", shuffled, ".pcap", "frames moved by up to four places, timestamps left in order", ALL),
    (CHAIN, "duplicated", duplicated, ".pcap", "every frame twice, as two SPAN ports deliver it", ALL),
    (PROXY, "duplicated", duplicated, ".pcap", "every frame twice, as two SPAN ports deliver it", ALL),
    (CHAIN, "client_side", one_way(True), ".pcap", "only what clients send: requests and responses to challenges", ALL),
    (CHAIN, "server_side", one_way(False), ".pcap", "only what servers send: the challenges, but no call, user or request", ["relay:smb-http"]),
    (CHAIN, "midstream", midstream, ".pcap", "the first third of the frames is missing, flows begin in the middle", ALL),
    (PIPE, "gzip", gzipped, ".pcap.gz", "compressed with gzip", ALL),
    (PIPE, "zstd", zstandard, ".pcap.zst", "compressed with zstd", ALL),
    (PIPE, "truncated", truncated, ".pcap", "the file ends inside a record, after four fifths of the frames", ALL),
    (PIPE, "corrupt", corrupt, ".pcap", "three damaged IP or TCP headers, a frame of noise, and after three quarters of the frames a record of 4 GiB", ["readable-until-damage"]),
)
LOSSY = {"client_side", "server_side", "midstream", "truncated", "corrupt"}


def main():
    captures = sys.argv[1]
    target = os.path.join(captures, "derived")
    os.makedirs(target, exist_ok=True)
    for base, kind, derive, suffix, what, expect in DERIVATIONS:
        name = f"{base}-{kind}"
        frames = read_pcap(os.path.join(captures, base + ".pcap"))
        with open(os.path.join(target, name + suffix), "wb") as file:
            file.write(derive(frames, random.Random(name)))
        with open(os.path.join(captures, base + ".json"), encoding="utf-8") as file:
            truth = json.load(file)
        for key in ("packets", "ntlm_messages"):
            del truth[key]  # of the recording, not of this file
        truth |= {
            "scenario": name,
            "file": name + suffix,
            "expect": truth["expect"] if expect is ALL else expect,
            "derived_from": base,
            "derivation": what,
            "lossy": kind in LOSSY,
        }
        with open(os.path.join(target, name + ".json"), "w", encoding="utf-8") as file:
            json.dump(truth, file, indent=1)
            file.write("\n")


if __name__ == "__main__":
    main()

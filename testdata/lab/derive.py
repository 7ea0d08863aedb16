#!/usr/bin/env python3
"""Recorded captures in other clothes, each with its JSON.

Standard library only (and the zstd program for one file). Deterministic: what looks random comes
from a generator seeded with the file's name, so a second run changes nothing.

usage: derive.py CAPTURES                      the shipped selection, CAPTURES/derived
       derive.py DIR OUT [--kinds KIND,...]    every recording of DIR in every kind of clothes.py

The JSON of a variant is that of the recording with derived_from, derivation and lossy. Without
loss the expectations are unchanged. Where frames are missing, a label whose hosts have lost payload
moves from expect to uncertain: it may still be found, but nobody may demand it. So do, in IPv6,
labels that compare names with addresses, where the payload spells the IPv4 address of a role.
"""

import argparse
import gzip
import json
import os
import random
import re
import struct
import subprocess
import sys

import clothes
from frames import ACK, ETH, ETHERNET, IP, IPV4, NULL, RAW, SLL, SLL2, SYN, Frame, pcap, pcapng, read_pcap

PIPE, CHAIN = "petitpotam_pipe_clear", "relay_smb_http_adcs"
PROXY, SERVERS = "reverse_proxy", "two_servers"
ROLES = ("attacker", "victim", "listener", "target")
# What one direction of TCP still shows, by the part of a label before the colon
CLIENTS_SHOW = {"coercion", "callback", "relay", "relay-one-way", "one-leg", "foreign-machine", "reflection", "krb-relay", "krb-misplaced", "adcs-enrollment"}
CLIENTS_SHOW |= {"icpr-enrollment", "ldap-write", "chain", "tier0-outbound", "marshalled-name", "webdav", "recon", "rpc-attack"}
CLIENTS_SHOW |= {"follow-up", "tampering", "poisoning", "rogue"}
# Labels that compare an address in the payload with one in the headers
PINNED = {"coercion", "callback", "chain", "one-leg", "foreign-machine", "krb-misplaced", "marshalled-name", "webdav", "poisoning", "rogue"}
SERVERS_SHOW = {"relay", "rogue-server", "poisoning", "rogue"}


# --- what only the shipped selection has: each takes (frames, random) and gives the bytes of a file ---


def of(kind):
    return lambda frames, chance: clothes.make(kind, frames, chance)[0]


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


def pcapng_two_links(frames, _):
    ca = bytes((10, 10, 0, 30))

    def place(frame):
        if frame.data[12:14] == IPV4 and ca in (frame.source()[:4], frame.destination()[:4]):
            return 1, frame.at(frame.data[ETH:])
        return 0, frame

    interfaces = [(ETHERNET, "span0", False), (RAW, "tun0", True)]
    return pcapng(interfaces, [place(frame) for frame in frames])


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


def no_callback(frames, _):
    victim = bytes((10, 10, 0, 20))
    opened = [f for f in frames if f.is_tcp() and f.source()[:4] == victim and f.flags() & (SYN | ACK) == SYN]
    opened = {(f.source(), f.destination()) for f in opened}
    opened |= {(there, here) for here, there in opened}
    return pcap(f for f in frames if not f.is_tcp() or (f.source(), f.destination()) not in opened)


ALL = None  # the recorded capture's own expectations hold

# (recorded capture, derivation, function, suffix, what it is, expectations)
DERIVATIONS = (
    (PIPE, "vlan", of("vlan"), ".pcap", "every frame with an 802.1Q tag, VLAN 100", ALL),
    (PIPE, "qinq", of("qinq"), ".pcap", "802.1ad tag 10 outside, 802.1Q tag 100 inside", ALL),
    (PIPE, "big_endian", big_endian, ".pcap", "the file header and record headers big-endian", ALL),
    (PIPE, "sll", sll, ".pcap", "Linux cooked capture v1", ALL),
    (PIPE, "sll2", sll2, ".pcap", "Linux cooked capture v2", ALL),
    (PIPE, "raw", raw, ".pcap", "link type RAW: IP packets without a frame", ALL),
    (PIPE, "null", null, ".pcap", "link type NULL: address family, then IP", ALL),
    (PIPE, "nanoseconds", of("nanoseconds"), ".pcapng", "pcapng with nanosecond timestamps", ALL),
    (CHAIN, "two_links", pcapng_two_links, ".pcapng", "pcapng with two interfaces: Ethernet in microseconds, RAW in nanoseconds; the target leg is on the second", ALL),
    (CHAIN, "ip_fragments", of("ip_fragments"), ".pcap", "IPv4 fragments of 104 bytes, those of every third datagram last first", ALL),
    (PIPE, "tcp_segments", of("tcp_segments"), ".pcap", "TCP payload cut again into segments of 1 to 64 bytes", ALL),
    (PROXY, "tcp_segments", of("tcp_segments"), ".pcap", "TCP payload cut again into segments of 1 to 64 bytes", ALL),
    (CHAIN, "shuffled", of("shuffled"), ".pcap", "frames moved by up to four places, timestamps left in order", ALL),
    (SERVERS, "shuffled", of("shuffled"), ".pcap", "frames moved by up to four places, timestamps left in order", ALL),
    (CHAIN, "duplicated", of("duplicated"), ".pcap", "every frame twice, as two SPAN ports deliver it", ALL),
    (PROXY, "duplicated", of("duplicated"), ".pcap", "every frame twice, as two SPAN ports deliver it", ALL),
    (CHAIN, "client_side", of("client_side"), ".pcap", "only what clients send: requests and responses to challenges", ALL),
    (CHAIN, "server_side", of("server_side"), ".pcap", "only what servers send: the challenges, but no call, user or request", ["relay:smb-http"]),
    ("relay_smb_smb", "server_side", of("server_side"), ".pcap", "only what servers send: the two legs have sessions of their own, which tells a relay from a load balancer", ["relay:smb-smb"]),
    ("balancer_smb", "server_side", of("server_side"), ".pcap", "only what servers send: both legs have the same session of the same server", ALL),
    ("balancer_ldap", "server_side", of("server_side"), ".pcap", "only what servers send: the challenges come in the same bytes", ALL),
    (PROXY, "server_side", of("server_side"), ".pcap", "only what servers send: nothing tells a proxy from a relay", ALL),
    ("hairpin_web", "server_side", of("server_side"), ".pcap", "only what servers send: nothing tells a proxy from a reflection", ALL),
    (CHAIN, "midstream", of("cut_start"), ".pcap", "the first third of the frames is missing, flows begin in the middle", ALL),
    (PIPE, "no_callback", no_callback, ".pcap", "the callback passes another switch: connections that the victim opens are missing", ["coercion:efsr"]),
    (PIPE, "gzip", gzipped, ".pcap.gz", "compressed with gzip", ALL),
    (PIPE, "zstd", zstandard, ".pcap.zst", "compressed with zstd", ALL),
    (PIPE, "truncated", truncated, ".pcap", "the file ends inside a record, after four fifths of the frames", ALL),
    (PIPE, "corrupt", corrupt, ".pcap", "three damaged IP or TCP headers, a frame of noise, and after three quarters of the frames a record of 4 GiB", ["readable-until-damage"]),
)
LOSSY = {"no_callback", "client_side", "server_side", "midstream", "truncated", "corrupt"}


def ship(captures):
    target = os.path.join(captures, "derived")
    os.makedirs(target, exist_ok=True)
    for base, kind, derive, suffix, what, expect in DERIVATIONS:
        name = f"{base}-{kind}"
        truth, frames = load(captures, base)
        content = derive(frames, random.Random(name))
        if expect is not ALL:
            truth["expect"] = expect
        write(target, name, suffix, content, truth, base, what, kind in LOSSY)


# --- everything ---------------------------------------------------------------------------------


def everything(captures, target, kinds):
    os.makedirs(target, exist_ok=True)
    for base in sorted(name[:-5] for name in os.listdir(captures) if name.endswith(".json")):
        truth, frames = load(captures, base)
        for kind in kinds:
            if kind in clothes.AS_IPV6 and only_ipv4(frames):
                continue
            name = f"{base}-{kind}"
            _, suffix, what = clothes.KINDS[kind]
            content, kept = clothes.make(kind, frames, random.Random(name))
            lossy = kind in clothes.LOSSY
            told = json.loads(json.dumps(truth))
            if kind in clothes.AS_IPV6:
                told = in_ipv6(told, frames)
            elif lossy:
                told = with_less(told, kind, frames, kept)
            write(target, name, suffix, content, told, base, what, lossy)


def with_less(truth, kind, frames, kept):
    """Moves labels that the file need not show any more from expect to uncertain"""
    if kind in ("client_side", "server_side"):
        show = CLIENTS_SHOW if kind == "client_side" else SERVERS_SHOW
        remains = lambda label: label.split(":")[0] in show
    elif kind == "snaplen_128":
        remains = lambda label: False
    else:
        harmed = lost_payload(frames, kept, truth)
        remains = lambda label: not harmed
    truth["uncertain"] = [label for label in truth["expect"] if not remains(label)]
    truth["expect"] = [label for label in truth["expect"] if remains(label)]
    if truth["uncertain"]:  # what the file holds of these nobody has checked
        for key in ("relay_pairs", "kerberos_pairs", "repeated_challenges", "coercion_events", "writes"):
            if key in truth:
                truth[key] = []
    return truth


def lost_payload(frames, kept, truth):
    """Whether a frame with payload between two hosts that have a role, or of UDP, is missing"""
    roles = {truth.get(role) for role in ROLES} | {a for more in (truth.get("also") or {}).values() for a in more}
    roles = {bytes(map(int, role.split("."))) for role in roles if role and ":" not in role}
    present = {id(frame) for frame in kept}
    for frame in frames:
        if id(frame) in present or frame.data[12:14] != IPV4:
            continue
        if not frame.is_tcp():
            return True
        start, end = frame.tcp()
        if end > start and (not roles or {frame.source()[:4], frame.destination()[:4]} & roles):
            return True
    return False


def only_ipv4(frames):
    """DHCP and NetBIOS names do not exist in IPv6, fragments and ICMP we do not translate"""
    for frame in frames:
        data = frame.data
        if data[12:14] != IPV4:
            return True
        if data[ETH] != 0x45 or struct.unpack_from(">H", data, ETH + 6)[0] & 0x3FFF or data[ETH + 9] not in (6, 17):
            return True
        if data[ETH + 9] == 17 and {frame.source()[4:], frame.destination()[4:]} & {b"\0\x43", b"\0\x44", b"\0\x89"}:
            return True
    return False


def in_ipv6(truth, frames):
    """The truth of the same in IPv6. Where the payload spells an IPv4 address of the hosts, it names hosts that
    the frames do not have: whom it names may be said as well, and is another story"""
    roles = {role: [truth.get(role), *(truth.get("also") or {}).get(role, [])] for role in ROLES}
    addresses = {one for all in roles.values() for one in all if one}
    hosts = addresses or {".".join(map(str, frame.source()[:4])) for frame in frames}
    payload = b"".join(frame.data[ETH + IP :] for frame in frames)
    named = any(spelled(host) in payload for host in hosts for spelled in (str.encode, lambda a: a.encode("utf-16-le")))
    if named:
        pinned = [label for label in truth["expect"] if label.split(":")[0] in PINNED]
        truth["uncertain"] = pinned
        truth["expect"] = [label for label in truth["expect"] if label not in pinned]
        truth["coercion_events"] = []
        truth["stories"] = truth.get("stories", 1) + 1
        if not truth["malicious"]:
            truth["allow"] = [*truth.get("allow", []), "RW-06"]

    def rewrite(value):
        if isinstance(value, dict):
            return {key: value[key] if key in ("unc", "must_not_appear", "notes") else rewrite(value[key]) for key in value}
        if isinstance(value, list):
            return [rewrite(item) for item in value]
        match = isinstance(value, str) and re.fullmatch(r"((?:\d{1,3}\.){3}\d{1,3})(?::(\d+))?", value)
        if not match:
            return value
        a, b, c, d = map(int, match[1].split("."))
        address = "fd10::" + f"{a << 8 | b:x}:{c << 8 | d:x}"
        return f"[{address}]:{match[2]}" if match[2] else address

    told = rewrite(truth)
    if named:
        also = told.get("also") or {}
        told["also"] = {role: [*also.get(role, []), *(one for one in roles[role] if one)] for role in ROLES}
    return told


# --- files --------------------------------------------------------------------------------------


def load(captures, base):
    with open(os.path.join(captures, base + ".json"), encoding="utf-8") as file:
        truth = json.load(file)
    for key in ("packets", "ntlm_messages"):
        truth.pop(key, None)  # of the recording, not of this file
    truth.pop("base", None)
    path = os.path.join(captures, truth["file"])
    if path.endswith(".zst"):
        return truth, read_pcap(subprocess.run(["zstd", "-qdc", path], stdout=subprocess.PIPE, check=True).stdout)
    with open(path, "rb") as file:
        return truth, read_pcap(file.read())


def write(target, name, suffix, content, truth, base, what, lossy):
    with open(os.path.join(target, name + suffix), "wb") as file:
        file.write(content)
    truth |= {"scenario": name, "file": name + suffix, "derived_from": base, "derivation": what, "lossy": lossy}
    with open(os.path.join(target, name + ".json"), "w", encoding="utf-8") as file:
        json.dump(truth, file, indent=1)
        file.write("\n")


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("captures")
    parser.add_argument("out", nargs="?")
    parser.add_argument("--kinds", type=lambda text: text.split(","), default=list(clothes.KINDS))
    given = parser.parse_args()
    unknown = set(given.kinds) - set(clothes.KINDS)
    if unknown:
        sys.exit(f"derive.py: no such kind: {', '.join(sorted(unknown))}; there are {', '.join(clothes.KINDS)}")
    everything(given.captures, given.out, given.kinds) if given.out else ship(given.captures)


if __name__ == "__main__":
    main()

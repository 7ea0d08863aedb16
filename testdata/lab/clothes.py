"""Other clothes for any capture: tunnels, tags, IPv6, damage. Each function takes (frames, random)
and gives (link type or None for pcapng, frames) or, where the file itself differs, its bytes.

Outer frames are as long as they become: a mirror port's jumbo frames, not those of the access network.
"""

import struct

from frames import ACK, ETH, ETHERNET, IP, IPV4, RAW, SYN, TCP, Frame, checksum, ip_header, pcap, pcapng

IPV6 = b"\x86\xdd"
UDP, IP_IN_IP, IPV6_IN_IP, GRE = 17, 4, 41, 47
OUTER = bytes.fromhex("02000a0aff0102000a0aff02")  # MAC addresses of the tunnel's ends
LONGEST_DELAY = 100_000  # microseconds between frames that may change places
ENDS = (bytes((192, 0, 2, 1)), bytes((192, 0, 2, 2)))  # documentation addresses, RFC 5737


# --- building blocks ----------------------------------------------------------------------------


def each(frames, wrap):
    """One frame out of each one in; wrap(data, number) may give None, which leaves it as it is"""
    out = []
    for number, frame in enumerate(frames):
        wrapped = wrap(frame.data, number)
        out.append(frame if wrapped is None else frame.at(wrapped))
    return out


def ipv4(protocol, payload, number):
    head = struct.pack(">BBHHHBBH", 0x45, 0, IP + len(payload), number & 0xFFFF, 0x4000, 64, protocol, 0)
    head += ENDS[0] + ENDS[1]
    return head[:10] + struct.pack(">H", checksum(head)) + head[12:] + payload


def udp(source, destination, payload):
    """Checksum zero: none, as RFC 7348 and 8926 recommend over IPv4"""
    return struct.pack(">HHHH", source, destination, 8 + len(payload), 0) + payload


def outer(ethertype, payload):
    return OUTER + ethertype + payload


def is_ip(data):
    return data[12:14] in (IPV4, IPV6)


def datagram(data):
    """What is in an Ethernet frame, without padding"""
    if data[12:14] == IPV4:
        return data[ETH : ETH + struct.unpack_from(">H", data, ETH + 2)[0]]
    return data[ETH : ETH + 40 + struct.unpack_from(">H", data, ETH + 4)[0]]


def flow_of(data):
    """Both directions of a TCP or UDP flow over IPv4 have the same key; None for anything else"""
    if data[12:14] != IPV4 or data[ETH + 9] not in (TCP, UDP):
        return None
    ends = (data[ETH + 12 : ETH + 16] + data[ETH + IP :][:2], data[ETH + 16 : ETH + 20] + data[ETH + IP + 2 :][:2])
    return (data[ETH + 9],) + tuple(sorted(ends))


# --- tags and tunnels -----------------------------------------------------------------------------


def vlan(frames, _):
    return ETHERNET, each(frames, lambda data, _: data[:12] + b"\x81\x00\x00\x64" + data[12:])


def qinq(frames, _):
    return ETHERNET, each(frames, lambda data, _: data[:12] + b"\x88\xa8\x00\x0a\x81\x00\x00\x64" + data[12:])


def mpls(frames, _):
    """Two labels, then IP (RFC 3032)"""

    def wrap(data, _):
        if is_ip(data):
            return data[:12] + b"\x88\x47" + label(1000, False) + label(2000, True) + datagram(data)
        return None

    return ETHERNET, each(frames, wrap)


def mpls_control_word(frames, _):
    """An Ethernet pseudowire with a control word, four zero bytes and a sequence (RFC 4448)"""

    def wrap(data, number):
        return outer(b"\x88\x47", label(3000, True) + struct.pack(">HH", 0, number & 0xFFFF) + data)

    return ETHERNET, each(frames, wrap)


def mpls_pseudowire(frames, _):
    """The same without a control word: a label, then an Ethernet frame. What begins with a nibble of
    zero would be taken for a control word (RFC 4385 3), so the inner destination is a2:..."""
    return ETHERNET, each(frames, lambda data, _: outer(b"\x88\x47", label(3000, True) + b"\xa2" + data[1:]))


def label(value, bottom):
    return struct.pack(">I", value << 12 | bottom << 8 | 64)


def gre(frames, _):
    """IP in GRE with a key (RFC 2784, 2890)"""

    def wrap(data, number):
        if not is_ip(data):
            return None
        head = struct.pack(">H", 0x2000) + data[12:14] + struct.pack(">I", 4711)
        return outer(IPV4, ipv4(GRE, head + datagram(data), number))

    return ETHERNET, each(frames, wrap)


def erspan2(frames, _):
    """GRE with a sequence number, protocol 0x88BE, then the 8 bytes of version 1, "type II\""""

    def wrap(data, number):
        head = struct.pack(">HHI", 0x1000, 0x88BE, number)
        head += struct.pack(">HHI", 0x1000 | 100, 3 << 11 | 7, 1)  # version, VLAN, encapsulation, session, port
        return outer(IPV4, ipv4(GRE, head + data, number))

    return ETHERNET, each(frames, wrap)


def erspan3(frames, _):
    """GRE with a sequence number, protocol 0x22EB, then the 12 bytes of version 2, "type III\""""

    def wrap(data, number):
        head = struct.pack(">HHI", 0x1000, 0x22EB, number)
        head += struct.pack(">HHIHH", 0x2000 | 100, 7, number * 10, 0, 0)
        return outer(IPV4, ipv4(GRE, head + data, number))

    return ETHERNET, each(frames, wrap)


def vxlan(frames, _):
    def wrap(data, number):
        head = struct.pack(">II", 0x08000000, 42 << 8)
        return outer(IPV4, ipv4(UDP, udp(49152 + number % 997, 4789, head + data), number))

    return ETHERNET, each(frames, wrap)


def geneve(frames, _):
    """With one option of four bytes, which must be skipped (RFC 8926 3.5)"""

    def wrap(data, number):
        head = struct.pack(">BBHI", 2, 0, 0x6558, 42 << 8) + struct.pack(">HBBI", 0x0102, 0, 1, number)
        return outer(IPV4, ipv4(UDP, udp(49152 + number % 997, 6081, head + data), number))

    return ETHERNET, each(frames, wrap)


def pppoe(frames, _):
    """Session stage (RFC 2516): PPP protocol 0x0021 or 0x0057, then IP"""

    def wrap(data, _):
        if not is_ip(data):
            return None
        inner = (b"\x00\x21" if data[12:14] == IPV4 else b"\x00\x57") + datagram(data)
        return data[:12] + b"\x88\x64" + struct.pack(">BBHH", 0x11, 0, 17, len(inner)) + inner

    return ETHERNET, each(frames, wrap)


def ip_in_ip(frames, _):
    def wrap(data, number):
        return outer(IPV4, ipv4(IP_IN_IP, datagram(data), number)) if data[12:14] == IPV4 else None

    return ETHERNET, each(frames, wrap)


# --- IPv6 -----------------------------------------------------------------------------------------


def ipv6(frames, _):
    """IPv4 headers become IPv6 headers, a.b.c.d becomes fd10::aabb:ccdd. Payload stays: addresses
    inside DNS answers, towers and paths are still IPv4."""
    return ETHERNET, each(frames, lambda data, _: data[:12] + IPV6 + as_ipv6(data) if data[12:14] == IPV4 else None)


def six_in_four(frames, _):
    def wrap(data, number):
        return outer(IPV4, ipv4(IPV6_IN_IP, as_ipv6(data), number)) if data[12:14] == IPV4 else None

    return ETHERNET, each(frames, wrap)


def teredo(frames, _):
    """IPv6 in UDP on port 3544 (RFC 4380), behind the 8 bytes of an origin indication every fourth time"""

    def wrap(data, number):
        if data[12:14] != IPV4:
            return None
        origin = struct.pack(">HH", 0, 0xFFFF ^ 40000) + bytes(byte ^ 0xFF for byte in ENDS[0]) if number % 4 == 0 else b""
        return outer(IPV4, ipv4(UDP, udp(40000, 3544, origin + as_ipv6(data)), number))

    return ETHERNET, each(frames, wrap)


def as_ipv6(data):
    packet = datagram(data)
    header, protocol, body = packet[:IP], packet[9], bytearray(packet[(packet[0] & 15) * 4 :])
    source, destination = address6(header[12:16]), address6(header[16:20])
    if protocol in (TCP, UDP):
        at = 16 if protocol == TCP else 6
        body[at : at + 2] = b"\0\0"
        pseudo = source + destination + struct.pack(">II", len(body), protocol)
        body[at : at + 2] = struct.pack(">H", checksum(pseudo + bytes(body)) or 0xFFFF)
    return struct.pack(">IHBB", 6 << 28, len(body), protocol, header[8]) + source + destination + bytes(body)


def address6(four):
    if four[0] >= 224:  # multicast and broadcast
        return bytes.fromhex("ff02") + bytes(10) + (four if four[0] < 240 else b"\0\0\0\1")
    return bytes.fromhex("fd10") + bytes(10) + four


# --- what capture points do -------------------------------------------------------------------------


def duplicated(frames, _):
    return ETHERNET, [copy for frame in frames for copy in (frame, Frame(frame.time + 1, frame.data))]


def duplicated_routed(frames, _):
    """The second copy is from the other side of a router: tagged, TTL one less, other MAC addresses"""
    out = []
    for frame in frames:
        out.append(frame)
        if frame.data[12:14] == IPV4:
            head = bytearray(frame.data[ETH : ETH + IP])
            head[8] = max(1, head[8] - 1)
            head[10:12] = b"\0\0"
            head[10:12] = struct.pack(">H", checksum(bytes(head)))
            copy = OUTER + b"\x81\x00\x00\xc8" + IPV4 + bytes(head) + frame.data[ETH + IP :]
            out.append(Frame(frame.time + 3, copy))
    return ETHERNET, out


def lost(share):
    def derive(frames, chance):
        return ETHERNET, [frame for frame in frames if chance.random() >= share]

    return derive


def one_way(from_client):
    """TCP only; UDP stays"""

    def derive(frames, _):
        clients = {
            frame.source() for frame in frames if frame.is_tcp() and frame.flags() & (SYN | ACK) == SYN
        }
        return ETHERNET, [
            frame for frame in frames if not frame.is_tcp() or (frame.source() in clients) == from_client
        ]

    return derive


def cut_start(frames, _):
    return ETHERNET, frames[len(frames) // 3 :]


def snaplen_128(frames, _):
    return ETHERNET, [
        Frame(frame.time, frame.data[:128], len(frame.data)) if len(frame.data) > 128 else frame for frame in frames
    ]


def shuffled(frames, chance):
    """Frames that change places with others near them, never across a pause: no mirror holds one back so long"""
    places, pauses = [], 0
    for index, frame in enumerate(frames):
        pauses += index > 0 and frame.time - frames[index - 1].time > LONGEST_DELAY
        places.append((pauses, index + chance.uniform(0, 4)))
    order = sorted(range(len(frames)), key=places.__getitem__)
    return ETHERNET, [Frame(frames[place].time, frames[index].data) for place, index in enumerate(order)]


def tcp_segments(frames, chance):
    """TCP payload cut again into segments of 1 to 64 bytes"""
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
            piece = payload[at : at + chance.randint(1, 64)]
            out.append(frame.at(segment(frame.data, start, at, piece, at + len(piece) == len(payload))))
            at += len(piece)
    return ETHERNET, out


def segment(data, start, at, piece, last):
    from frames import FIN, PUSH

    tcp = bytearray(data[ETH + IP : start])
    sequence = struct.unpack_from(">I", tcp, 4)[0] + at
    struct.pack_into(">I", tcp, 4, sequence & 0xFFFFFFFF)
    if not last:
        tcp[13] &= ~(PUSH | FIN) & 0xFF
    struct.pack_into(">H", tcp, 16, 0)
    whole = bytes(tcp) + piece
    pseudo = data[ETH + 12 : ETH + 20] + struct.pack(">BBH", 0, TCP, len(whole))
    struct.pack_into(">H", tcp, 16, checksum(pseudo + whole))
    identification = (struct.unpack_from(">H", data, ETH + 4)[0] + at) & 0xFFFF
    return data[:ETH] + ip_header(data[ETH : ETH + IP], len(whole), identification, 0x4000) + bytes(tcp) + piece


def ip_fragments(frames, _):
    """IPv4 fragments of 104 bytes, those of every third datagram last first"""
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
    return ETHERNET, out


def nanoseconds(frames, _):
    return pcapng([(ETHERNET, "span0", True)], [(0, frame) for frame in frames])


def two_interfaces(frames, _):
    """Every second flow on another interface, which is RAW and counts nanoseconds"""
    seen = {}

    def place(frame):
        flow = flow_of(frame.data)
        if flow is None or seen.setdefault(flow, len(seen)) % 2 == 0:
            return 0, frame
        return 1, frame.at(datagram(frame.data))

    interfaces = [(ETHERNET, "span0", False), (RAW, "tun0", True)]
    return pcapng(interfaces, [place(frame) for frame in frames])


# kind: (function, suffix, what it is). "lossy" kinds may show less than the recording.
KINDS = {
    "vlan": (vlan, ".pcap", "every frame with an 802.1Q tag, VLAN 100"),
    "qinq": (qinq, ".pcap", "802.1ad tag 10 outside, 802.1Q tag 100 inside"),
    "mpls": (mpls, ".pcap", "two MPLS labels, then IP"),
    "mpls_control_word": (mpls_control_word, ".pcap", "an MPLS pseudowire with control word"),
    "mpls_pseudowire": (mpls_pseudowire, ".pcap", "an MPLS pseudowire without control word"),
    "gre": (gre, ".pcap", "IP in GRE with a key"),
    "erspan2": (erspan2, ".pcap", "ERSPAN type II"),
    "erspan3": (erspan3, ".pcap", "ERSPAN type III"),
    "vxlan": (vxlan, ".pcap", "VXLAN, network 42"),
    "geneve": (geneve, ".pcap", "GENEVE with one option"),
    "pppoe": (pppoe, ".pcap", "PPPoE session"),
    "ip_in_ip": (ip_in_ip, ".pcap", "IPv4 in IPv4"),
    "ipv6": (ipv6, ".pcap", "IPv6 headers in place of IPv4; addresses inside payloads stay IPv4"),
    "six_in_four": (six_in_four, ".pcap", "the same, inside IPv4 (protocol 41)"),
    "teredo": (teredo, ".pcap", "the same, inside UDP on port 3544"),
    "duplicated": (duplicated, ".pcap", "every frame twice, as two SPAN ports deliver it"),
    "duplicated_routed": (duplicated_routed, ".pcap", "every datagram again from behind a router: VLAN 200, TTL one less"),
    "loss_1": (lost(0.01), ".pcap", "one frame in a hundred is missing"),
    "loss_5": (lost(0.05), ".pcap", "one frame in twenty is missing"),
    "client_side": (one_way(True), ".pcap", "only what TCP clients send"),
    "server_side": (one_way(False), ".pcap", "only what TCP servers send"),
    "cut_start": (cut_start, ".pcap", "the first third of the frames is missing"),
    "snaplen_128": (snaplen_128, ".pcap", "128 bytes of every frame"),
    "tcp_segments": (tcp_segments, ".pcap", "TCP payload cut again into segments of 1 to 64 bytes"),
    "shuffled": (shuffled, ".pcap", "frames moved by up to four places, timestamps left in order"),
    "ip_fragments": (ip_fragments, ".pcap", "IPv4 fragments of 104 bytes, those of every third datagram last first"),
    "nanoseconds": (nanoseconds, ".pcapng", "pcapng with nanosecond timestamps"),
    "two_interfaces": (two_interfaces, ".pcapng", "pcapng with two interfaces: every second flow is RAW in nanoseconds"),
}
LOSSY = {"loss_1", "loss_5", "client_side", "server_side", "cut_start", "snaplen_128"}
AS_IPV6 = {"ipv6", "six_in_four", "teredo"}


def make(kind, frames, chance):
    """(bytes of the file, the frames that are in it if it has fewer)"""
    made = KINDS[kind][0](frames, chance)
    if isinstance(made, bytes):
        return made, frames
    return pcap(made[1], made[0]), made[1]

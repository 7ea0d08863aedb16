"""Frames of a capture, and files made of frames. Standard library only."""

import struct

ETHERNET, NULL, RAW, SLL, SLL2 = 1, 0, 101, 113, 276
IPV4 = b"\x08\x00"
ETH, IP = 14, 20  # lengths of the headers; our recordings have no IP options
TCP, SYN, ACK, PUSH, FIN = 6, 2, 16, 8, 1


class Frame:
    """time in microseconds, data from the Ethernet header on; wire: its length if data is less"""

    def __init__(self, time, data, wire=None):
        self.time, self.data, self.wire = time, data, wire

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


def read_pcap(data):
    assert data[:4] == b"\xd4\xc3\xb2\xa1", "little-endian pcap with microseconds"
    frames, at = [], 24
    while at < len(data):
        seconds, micros, captured, _ = struct.unpack_from("<IIII", data, at)
        frames.append(Frame(seconds * 1_000_000 + micros, data[at + 16 : at + 16 + captured]))
        at += 16 + captured
    return frames


def pcap(frames, link=ETHERNET, order="<"):
    out = [struct.pack(order + "IHHIIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, link)]
    for frame in frames:
        seconds, micros = divmod(frame.time, 1_000_000)
        length = len(frame.data)
        out.append(struct.pack(order + "IIII", seconds, micros, length, frame.wire or length) + frame.data)
    return b"".join(out)


def pcapng(interfaces, frames):
    """interfaces: [(link type, name, nanoseconds?)], frames: [(interface, Frame)]"""

    def block(kind, body):
        body += bytes(-len(body) % 4)
        length = struct.pack("<I", 12 + len(body))
        return struct.pack("<I", kind) + length + body + length

    def option(code, value):
        return struct.pack("<HH", code, len(value)) + value + bytes(-len(value) % 4)

    out = [block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))]
    for link, name, nanoseconds in interfaces:
        options = option(2, name.encode())  # if_name
        if nanoseconds:
            options += option(9, b"\x09")  # if_tsresol; microseconds without it
        out.append(block(1, struct.pack("<HHI", link, 0, 262144) + options + option(0, b"")))
    for interface, frame in frames:
        ticks = frame.time * 1000 + 777 if interfaces[interface][2] else frame.time
        head = struct.pack("<III", interface, ticks >> 32, ticks & 0xFFFFFFFF)
        length = len(frame.data)
        out.append(block(6, head + struct.pack("<II", length, length) + frame.data))
    return b"".join(out)


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

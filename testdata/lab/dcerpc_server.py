"""The server side of connection-oriented DCE/RPC (C706 12.6, MS-RPCE 2.2.2), as much as the
coercion tools need: bind with NTLM at any level, request fragments, response, fault. NDR and, where
no other is offered, NDR64. Clients may be big-endian; the answers are little-endian, as Windows sends them."""

import os
import struct
import uuid

from ntlm_server import DceSecurity, NtlmServer

NDR32 = uuid.UUID("8a885d04-1ceb-11c9-9fe8-08002b104860").bytes_le + struct.pack("<I", 2)
NDR64 = uuid.UUID("71710533-beba-4937-8319-b5dbef9ccc36").bytes_le + struct.pack("<I", 1)
BIND_TIME_FEATURES = uuid.UUID("6cb71c2c-9812-4540-0000-000000000000").bytes_le[:8]

REQUEST, RESPONSE, FAULT, BIND, BIND_ACK, ALTER, ALTER_RESP, AUTH3 = 0, 2, 3, 11, 12, 14, 15, 16
FIRST, LAST, BOTH = 1, 2, 3
OBJECT_UUID = 0x80
NTLM_AUTH = 10
CONNECT, INTEGRITY, PRIVACY = 2, 5, 6

ACCESS_DENIED = 0x5
OP_RANGE_ERROR = 0x1C010002
UNKNOWN_INTERFACE = 0x1C010003


class RpcConnection:
    """Serves one connection.

    read() and write(bytes) are its transport. dispatch(uuid, opnum, stub, about) answers a call
    with bytes, or with an int for a fault; about says how the call arrived.
    """

    def __init__(self, read, write, interfaces, dispatch, about, secondary_address):
        self.read, self.write = read, write
        self.interfaces, self.dispatch, self.about = interfaces, dispatch, about
        self.secondary_address = secondary_address.encode() + b"\0"
        self.contexts = {}  # id -> (interface, whether NDR64)
        self.exchange = self.security = None
        self.level, self.auth_context = 1, 0
        self.buffer, self.stub = b"", b""

    def serve(self):
        try:
            while True:
                header = self.take(16)
                length = struct.unpack_from(order(header) + "H", header, 8)[0]
                self.handle(header + self.take(length - 16))
        except (EOFError, OSError):
            pass

    def take(self, count):
        while len(self.buffer) < count:
            data = self.read()
            if not data:
                raise EOFError
            self.buffer += data
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken

    def handle(self, pdu):
        kind = pdu[2]
        auth_length, call_id = struct.unpack_from(order(pdu) + "HI", pdu, 10)
        if kind in (BIND, ALTER):
            self.bind(kind, pdu, auth_length, call_id)
        elif kind == AUTH3:
            self.authenticate(pdu, auth_length)
        elif kind == REQUEST:
            self.request(pdu, auth_length, call_id)

    def bind(self, kind, pdu, auth_length, call_id):
        count, at, results = pdu[24], 28, b""
        for _ in range(count):
            context, syntaxes = struct.unpack_from(order(pdu) + "HB", pdu, at)
            interface = str(uuid.UUID(bytes_le=little(pdu, at + 4)[:16]))
            offered = [little(pdu, at + 24 + 20 * i) for i in range(syntaxes)]
            at += 24 + 20 * syntaxes
            if any(syntax.startswith(BIND_TIME_FEATURES) for syntax in offered):
                results += struct.pack("<HH", 3, 3) + bytes(20)  # negotiate_ack, as Windows answers
            elif interface not in self.interfaces:
                results += struct.pack("<HH", 2, 1) + bytes(20)  # abstract syntax not supported
            elif NDR32 in offered or NDR64 in offered:
                chosen = NDR32 if NDR32 in offered else NDR64
                self.contexts[context] = interface, chosen is NDR64
                results += struct.pack("<HH", 0, 0) + chosen
            else:
                results += struct.pack("<HH", 2, 2) + bytes(20)  # transfer syntax not supported
        trailer = b""
        if auth_length:
            challenge = self.authenticate(pdu, auth_length)
            if challenge is not None:
                trailer = self.sec_trailer(0) + challenge
        address = self.secondary_address if kind == BIND else b""
        body = struct.pack("<HHIH", 5840, 5840, 0x53F0, len(address)) + address
        body += bytes(-len(body) % 4) + struct.pack("<BBH", count, 0, 0) + results
        reply = BIND_ACK if kind == BIND else ALTER_RESP
        self.write(header(reply, call_id, len(body) + len(trailer), len(trailer)) + body + trailer)

    def authenticate(self, pdu, auth_length):
        trailer = pdu[-auth_length - 8 :]
        auth_type, self.level, _, _, self.auth_context = struct.unpack_from(
            order(pdu) + "BBBBI", trailer
        )
        if auth_type != NTLM_AUTH:
            return None
        if self.exchange is None:
            name = os.environ["DC_NAME" if os.environ.get("VICTIM") == "dc1" else "SRV_NAME"]
            self.exchange = NtlmServer(name.upper())
        challenge = self.exchange.step(trailer[8:])
        if challenge is None and self.exchange.ok:
            self.security = DceSecurity(self.exchange)
        return challenge

    def sec_trailer(self, padding):
        return struct.pack("<BBBBI", NTLM_AUTH, self.level, padding, 0, self.auth_context)

    def request(self, pdu, auth_length, call_id):
        context, opnum = struct.unpack_from(order(pdu) + "HH", pdu, 20)
        start = 24 + (16 if pdu[3] & OBJECT_UUID else 0)
        end = len(pdu)
        stub = pdu[start:end]
        if auth_length:
            end -= auth_length + 8
            padding, stub = pdu[end + 2], pdu[start:end]
            if self.security is None:
                return self.fault(call_id, context, ACCESS_DENIED)
            if self.level >= INTEGRITY:
                stub, genuine = self.security.open(pdu, start, end, self.level == PRIVACY)
                if not genuine:
                    return self.fault(call_id, context, ACCESS_DENIED)
            stub = stub[: len(stub) - padding]
        self.stub = stub if pdu[3] & FIRST else self.stub + stub
        if not pdu[3] & LAST:
            return None
        if context not in self.contexts:
            return self.fault(call_id, context, UNKNOWN_INTERFACE)
        interface, ndr64 = self.contexts[context]
        about = {**self.about, "uuid": interface, "opnum": opnum, "rpc_auth_level": self.level}
        about |= {"user": self.exchange.user if self.security else None}
        about |= {"ndr64": ndr64, "big_endian": order(pdu) == ">"}
        about |= {"object_uuid": bool(pdu[3] & OBJECT_UUID)}
        answer = self.dispatch(interface, opnum, self.stub, about)
        if isinstance(answer, int):
            return self.fault(call_id, context, answer)
        return self.respond(call_id, context, answer)

    def respond(self, call_id, context, stub):
        body = struct.pack("<IHBB", len(stub), context, 0, 0) + stub
        if self.security is None or self.level < INTEGRITY:
            return self.write(header(RESPONSE, call_id, len(body), 0) + body)
        padding = -len(stub) % (16 if self.level == PRIVACY else 4)
        body += b"\0" * padding
        trailer = self.sec_trailer(padding)
        pdu = header(RESPONSE, call_id, len(body) + len(trailer) + 16, 24) + body + trailer
        return self.write(self.security.close(pdu, 24, 16 + len(body), self.level == PRIVACY))

    def fault(self, call_id, context, status):
        body = struct.pack("<IHBBII", 32, context, 0, 0, status, 0)
        self.write(header(FAULT, call_id, len(body), 0) + body)


def order(pdu):
    """Byte order of a PDU: the first byte of its data representation (C706 14.2.5)"""
    return "<" if pdu[4] & 0x10 else ">"


def little(pdu, at):
    """A syntax identifier, 16 bytes of UUID and a version, as little-endian bytes"""
    if order(pdu) == "<":
        return pdu[at : at + 20]
    version = struct.unpack_from(">I", pdu, at + 16)[0]
    return uuid.UUID(bytes=pdu[at : at + 16]).bytes_le + struct.pack("<I", version)


def header(kind, call_id, following, trailer_length):
    auth_length = max(0, trailer_length - 8)
    return struct.pack("<BBBBIHHI", 5, 0, kind, BOTH, 0x10, 16 + following, auth_length, call_id)

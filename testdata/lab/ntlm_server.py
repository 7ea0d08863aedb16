"""The server side of NTLM for the lab's stand-in services (MS-NLMP), version 2 only.

Knows the lab's throw-away accounts and verifies what it is sent: the NTLMv2 proof, and the MIC
where the client says there is one. Cryptographic primitives are impacket's.
"""

import hashlib
import hmac
import os
import struct
import time

from Cryptodome.Cipher import ARC4
from impacket import ntlm

PASSWORDS = {
    name.upper(): password
    for name, password in (entry.split(":", 1) for entry in os.environ["ACCOUNTS"].split())
}

# NEGOTIATE flags, MS-NLMP 2.2.2.5
KEY_EXCH = 0x40000000
# What we copy from the client: UNICODE, SIGN, SEAL, NTLM, ALWAYS_SIGN, ESS, 128, KEY_EXCH, 56
CLIENT_CHOOSES = 0xE0088231
# What we always set: UNICODE, REQUEST_TARGET, NTLM, TARGET_TYPE_DOMAIN, ESS, TARGET_INFO, VERSION
ALWAYS = 0x02890205


class NtlmServer:
    """One exchange: step(NEGOTIATE) gives the CHALLENGE, step(AUTHENTICATE) gives None."""

    def __init__(self, netbios_name):
        self.name = netbios_name
        self.server_challenge = os.urandom(8)
        self.ok = None
        self.user = self.domain = ""
        self.flags = 0
        self.session_key = self.negotiate = self.challenge = None

    def step(self, token):
        if token[:8] != b"NTLMSSP\0":
            raise ValueError("not NTLMSSP")
        kind = struct.unpack_from("<I", token, 8)[0]
        if kind == 1:
            self.negotiate = token
            self.challenge = self.make_challenge(struct.unpack_from("<I", token, 12)[0])
            return self.challenge
        if kind == 3:
            self.verify(token)
            return None
        raise ValueError(f"NTLM message type {kind}")

    def make_challenge(self, client_flags):
        domain, dns_domain = os.environ["DOMAIN"], os.environ["REALM"].lower()
        filetime = int((time.time() + 11644473600) * 10_000_000)
        target_info = b"".join(
            struct.pack("<HH", av_id, len(value)) + value
            for av_id, value in (
                (2, utf16(domain)),
                (1, utf16(self.name)),
                (4, utf16(dns_domain)),
                (3, utf16(f"{self.name.lower()}.{dns_domain}")),
                (5, utf16(dns_domain)),
                (7, struct.pack("<Q", filetime)),
                (0, b""),
            )
        )
        target = utf16(domain)
        version = bytes((10, 0, 0x7C, 0x4F, 0, 0, 0, 15))  # 10.0.20348, NTLM revision 15
        return (
            b"NTLMSSP\0"
            + struct.pack("<IHHI", 2, len(target), len(target), 56)
            + struct.pack("<I", (client_flags & CLIENT_CHOOSES) | ALWAYS)
            + self.server_challenge
            + bytes(8)
            + struct.pack("<HHI", len(target_info), len(target_info), 56 + len(target))
            + version
            + target
            + target_info
        )

    def verify(self, token):
        def field(offset):
            length, _, start = struct.unpack_from("<HHI", token, offset)
            return token[start : start + length]

        response, encrypted_key = field(20), field(52)
        self.flags = struct.unpack_from("<I", token, 60)[0]
        encoding = "utf-16-le" if self.flags & 1 else "latin1"
        self.domain = field(28).decode(encoding, "replace")
        self.user = field(36).decode(encoding, "replace")
        password = PASSWORDS.get(self.user.upper())
        if password is None or len(response) <= 24:
            self.ok = False
            return
        key = ntlm.NTOWFv2(self.user, password, self.domain)
        proof = hmac.new(key, self.server_challenge + response[16:], hashlib.md5).digest()
        self.ok = proof == response[:16]
        base_key = hmac.new(key, response[:16], hashlib.md5).digest()
        if self.flags & KEY_EXCH and encrypted_key:
            self.session_key = ARC4.new(base_key).decrypt(encrypted_key)
        else:
            self.session_key = base_key
        if announces_mic(response):
            without = token[:72] + bytes(16) + token[88:]
            mic = hmac.new(self.session_key, self.negotiate + self.challenge + without, hashlib.md5)
            self.ok = self.ok and mic.digest() == token[72:88]


def announces_mic(response):
    """Bit 1 of MsvAvFlags (AV 6) in the client's blob, MS-NLMP 2.2.2.1"""
    at = 16 + 28
    while at + 4 <= len(response):
        av_id, length = struct.unpack_from("<HH", response, at)
        if av_id == 0:
            break
        if av_id == 6:
            return bool(struct.unpack_from("<I", response, at + 4)[0] & 2)
        at += 4 + length
    return False


def utf16(text):
    return text.encode("utf-16-le")


class DceSecurity:
    """Signs and seals DCE/RPC PDUs as the server of an NTLM exchange (MS-NLMP 3.4.4)"""

    def __init__(self, exchange):
        flags, key = exchange.flags, exchange.session_key
        self.key_exchange = flags & KEY_EXCH
        self.client_sign = ntlm.SIGNKEY(flags, key, "Client")
        self.server_sign = ntlm.SIGNKEY(flags, key, "Server")
        self.client_seal = ARC4.new(ntlm.SEALKEY(flags, key, "Client"))
        self.server_seal = ARC4.new(ntlm.SEALKEY(flags, key, "Server"))
        self.received = self.sent = 0

    def open(self, pdu, start, end, sealed):
        """The stub of a request whose verifier is its last 16 bytes, and whether that is right"""
        stub = pdu[start:end]
        if sealed:
            stub = self.client_seal.decrypt(stub)
        plain = pdu[:start] + stub + pdu[end:-16]
        expected = self.mac(self.client_seal, self.client_sign, self.received, plain)
        self.received += 1
        return stub, expected == pdu[-16:]

    def close(self, pdu, start, end, sealed):
        """A response without its verifier, made ready to send"""
        stub = pdu[start:end]
        if sealed:
            stub = self.server_seal.encrypt(stub)
        mac = self.mac(self.server_seal, self.server_sign, self.sent, pdu)
        self.sent += 1
        return pdu[:start] + stub + pdu[end:] + mac

    def mac(self, cipher, key, sequence, message):
        sequence = struct.pack("<I", sequence)
        checksum = hmac.new(key, sequence + message, hashlib.md5).digest()[:8]
        if self.key_exchange:
            checksum = cipher.encrypt(checksum)
        return struct.pack("<I", 1) + checksum + sequence

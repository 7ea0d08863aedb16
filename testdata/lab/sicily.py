#!/usr/bin/env python3
"""An LDAP front end for the Samba DC that also takes "Sicily" NTLM binds.

Windows domain controllers accept them (MS-ADTS 5.1.1.1.3, bind choices [9] discovery, [10]
negotiate, [11] response), ntlmrelayx and ldap3 use them, and Samba does not know them. Their tokens
go to Samba as SASL GSS-SPNEGO, its answers come back in Sicily's place: the challenge in the
matchedDN of a bind response. All other messages pass unchanged.

On the attacker's own host it turns the Sicily of ntlmrelayx into SASL, before it goes on the wire.

usage: sicily.py JOURNAL [LISTEN SERVER [tls]] (no journal is written: the capture shows everything)
"""

import os
import socket
import ssl
import sys
import threading

LISTEN, SERVER = sys.argv[2:4] if len(sys.argv) > 2 else (os.environ["DC"], "127.0.0.1")
PORT = 389 if len(sys.argv) > 2 else 3890
TLS = len(sys.argv) > 4
SAMBA = (SERVER, 636 if TLS else 389)
BIND_REQUEST, BIND_RESPONSE = 0x60, 0x61
DISCOVERY, NEGOTIATE, RESPONSE = 0x89, 0x8A, 0x8B
SEARCH_ENTRY, SEARCH_REFERENCE = 0x64, 0x73
SERVER_SASL_CREDENTIALS = 0x87
SASL_BIND_IN_PROGRESS = b"\x0e"


def tlv(tag, *parts):
    value = b"".join(parts)
    if len(value) < 128:
        return bytes((tag, len(value))) + value
    length = len(value).to_bytes((len(value).bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + value


def split(data):
    """(tag, value, rest) of the first BER element, None if it is not complete"""
    if len(data) < 2:
        return None
    length, at = data[1], 2
    if length & 0x80:
        at = 2 + (length & 0x7F)
        length = int.from_bytes(data[2:at], "big")
    if len(data) < at + length:
        return None
    return data[0], data[at : at + length], data[at + length :]


class Messages:
    """Whole LDAP messages out of a socket"""

    def __init__(self, connection):
        self.connection, self.pending = connection, b""

    def next(self):
        while not (found := split(self.pending)):
            data = self.connection.recv(65536)
            if not data:
                raise EOFError
            self.pending += data
        message, self.pending = self.pending[: len(self.pending) - len(found[2])], found[2]
        return message


def operation(message):
    """(message id as sent, tag of the operation, its value)"""
    _, body, _ = split(message)
    _, number, rest = split(body)
    tag, value, _ = split(rest)
    return number, tag, value


def serve(client):
    server = socket.create_connection(SAMBA)
    if TLS:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        server = context.wrap_socket(server)
    requests, answers = Messages(client), Messages(server)
    try:
        while True:
            message = requests.next()
            number, tag, value = operation(message)
            if tag == BIND_REQUEST and (choice := sicily_choice(value)):
                client.sendall(sicily_bind(number, *choice, server, answers))
                if choice[0] == RESPONSE:
                    break
            else:
                server.sendall(message)
                while True:  # up to the message that ends the operation
                    answer = answers.next()
                    client.sendall(answer)
                    if operation(answer)[1] not in (SEARCH_ENTRY, SEARCH_REFERENCE):
                        break
        # Authenticated: from here on the two sides need no help.
        server.sendall(requests.pending)
        client.sendall(answers.pending)
        threading.Thread(target=pump, args=(server, client), daemon=True).start()
        pump(client, server)
    except (EOFError, OSError):
        pass
    finally:
        client.close()
        server.close()


def sicily_choice(bind_request):
    _, _, rest = split(bind_request)  # version
    _, _, rest = split(rest)  # name
    choice, token, _ = split(rest)
    return (choice, token) if choice in (DISCOVERY, NEGOTIATE, RESPONSE) else None


def sicily_bind(number, choice, token, server, answers):
    if choice == DISCOVERY:
        return bind_response(number, b"\0", b"NTLM", b"")
    credentials = tlv(0xA3, tlv(4, b"GSS-SPNEGO"), tlv(4, token))
    server.sendall(
        tlv(0x30, tlv(2, number), tlv(BIND_REQUEST, tlv(2, b"\3"), tlv(4, b""), credentials))
    )
    _, _, value = operation(answers.next())
    _, code, rest = split(value)
    _, _, rest = split(rest)  # matchedDN
    _, diagnostic, rest = split(rest)
    challenge = b""
    while rest:
        tag, field, rest = split(rest)
        if tag == SERVER_SASL_CREDENTIALS:
            challenge = field
    if code == SASL_BIND_IN_PROGRESS:
        code = b"\0"
    return bind_response(number, code, challenge, diagnostic)


def bind_response(number, code, matched_dn, diagnostic):
    body = tlv(10, code) + tlv(4, matched_dn) + tlv(4, diagnostic)
    return tlv(0x30, tlv(2, number), tlv(BIND_RESPONSE, body))


def pump(source, sink):
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def main():
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((LISTEN, PORT))
    listener.listen(16)
    while True:
        client, _ = listener.accept()
        threading.Thread(target=serve, args=(client,), daemon=True).start()


if __name__ == "__main__":
    main()

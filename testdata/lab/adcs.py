#!/usr/bin/env python3
"""AD CS web enrolment (/certsrv) and a small intranet application, standing in for IIS.

NTLM authenticates the connection, not the request, as on IIS. A posted request is really signed,
by a key made at start and forgotten at the end. Port 443 and, for WinRM, 5986 are the same in TLS;
with $RUN/channel_binding present they refuse a logon that is not bound to the TLS channel. The
authority's RPC interface is in cert_rpc.py.

usage: adcs.py JOURNAL
"""

import base64
import datetime
import os
import re
import socket
import ssl
import struct
import sys
import tempfile
import threading
import urllib.parse

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from cert_rpc import CertRpc
from journal import Journal
from ntlm_server import NtlmServer
from rpc_proxy import read_head

JOURNAL = Journal(sys.argv[1])
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
ISSUER = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "throw-away lab CA")])
ISSUED = {}
GSS_TOKEN = b"\x60"
ENROLMENT_PAGE = b"<html><title>Microsoft Active Directory Certificate Services</title></html>"


def serve(connection, peer, tls=False):
    stream = connection.makefile("rb")
    exchange = None
    try:
        while True:
            method, path, headers = read_head(stream)
            body = stream.read(int(headers.get("content-length", 0)))
            scheme, _, token = headers.get("authorization", "").partition(" ")
            offer = ["Negotiate", "NTLM"]
            if scheme in ("NTLM", "Negotiate"):
                token = base64.b64decode(token)
                if token[:1] == GSS_TOKEN and b"NTLMSSP" not in token:
                    # Kerberos: there is no key here to verify it with, so it is believed.
                    JOURNAL.write("ticket", path=path)
                    answer(connection, "200 OK", ENROLMENT_PAGE, "text/html")
                    continue
                # a new NEGOTIATE starts over, also on a connection that is authenticated
                if exchange is None or token[8:9] == b"\1":
                    exchange = NtlmServer(os.environ["CA_NAME"].upper())
                challenge = exchange.step(token)
                if challenge:
                    offer = [scheme + " " + base64.b64encode(challenge).decode()]
                else:
                    account = f"{exchange.domain}\\{exchange.user}"
                    if tls and os.path.exists(os.path.join(os.environ["RUN"], "channel_binding")):
                        exchange.ok = exchange.ok and has_channel_binding(token)
                    JOURNAL.write("logon", ok=exchange.ok, account=account, path=path)
            if exchange is None or not exchange.ok:
                fields = [("WWW-Authenticate", value) for value in offer]
                answer(connection, "401 Unauthorized", b"401 - Unauthorized", "text/html", fields)
                continue
            content, kind = page(method, path, body, exchange)
            answer(connection, "200 OK", content, kind)
    except (OSError, ValueError, EOFError) as error:
        JOURNAL.write("closed", reason=repr(error))
    finally:
        connection.close()


def has_channel_binding(authenticate):
    """Whether MsvAvChannelBindings (AV 10, 16 bytes) is there and not zero, MS-NLMP 2.2.2.1"""
    length, _, start = struct.unpack_from("<HHI", authenticate, 20)
    response = authenticate[start : start + length]
    at = response.find(struct.pack("<HH", 10, 16), 44)
    return at > 0 and any(response[at + 4 : at + 20])


def answer(connection, status, body, kind, fields=()):
    head = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", "Server: Microsoft-IIS/10.0"]
    head += [f"{name}: {value}" for name, value in fields]
    head += ["X-Powered-By: ASP.NET", f"Content-Length: {len(body)}", "", ""]
    connection.sendall("\r\n".join(head).encode() + body)


def page(method, path, body, exchange):
    url = urllib.parse.urlsplit(path)
    if url.path.lower() == "/certsrv/certfnsh.asp" and method == "POST":
        number = issue(urllib.parse.parse_qs(body.decode("latin1"))["CertRequest"][0])
        JOURNAL.write("issued", account=f"{exchange.domain}\\{exchange.user}", request=number)
        link = f'location="certnew.cer?ReqID={number}&"+getEncoding();'
        html = f"<html><script>function handleGetCert(){{ {link} }}</script>"
        return f"{html}The certificate you requested was issued to you.</html>".encode(), "text/html"
    if url.path.lower() == "/certsrv/certnew.cer":
        number = urllib.parse.parse_qs(url.query)["ReqID"][0]
        return ISSUED[int(number)], "application/pkix-cert"
    if url.path.lower().startswith("/certsrv"):
        return ENROLMENT_PAGE, "text/html"
    return f"<html>Hello {exchange.user}</html>".encode(), "text/html"


def issue(text):
    # Clients send the PEM with or without its frame, and with spaces where line ends were.
    text = re.sub(r"-----[A-Z ]+-----|\s", "", text)
    number, _ = sign(base64.b64decode(text))
    return number


def sign(der):
    request = x509.load_der_x509_csr(der)
    certificate = built(request.subject, request.public_key(), days=1)
    number = len(ISSUED) + 7
    ISSUED[number] = certificate.public_bytes(serialization.Encoding.PEM)
    return number, certificate.public_bytes(serialization.Encoding.DER)


def built(subject, key, days):
    now = datetime.datetime.now(datetime.timezone.utc)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(ISSUER)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=days))
        .sign(KEY, hashes.SHA256())
    )


def tls_context():
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ca1")])
    with tempfile.NamedTemporaryFile() as file:
        file.write(built(name, KEY.public_key(), days=2).public_bytes(serialization.Encoding.PEM))
        form = serialization.PrivateFormat.PKCS8
        file.write(KEY.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
        file.flush()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file.name)
    return context


def serve_tls(connection, peer, context):
    try:
        connection = context.wrap_socket(connection, server_side=True)
    except OSError:
        return
    serve(connection, peer, tls=True)


def accept_forever(port, handle, *more):
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((os.environ["CA"], port))
    listener.listen(16)
    while True:
        connection, peer = listener.accept()
        threading.Thread(target=handle, args=(connection, peer, *more), daemon=True).start()


def main():
    CertRpc(sign, JOURNAL).start()
    context = tls_context()
    for port in (443, 5986):
        arguments = (port, serve_tls, context)
        threading.Thread(target=accept_forever, args=arguments, daemon=True).start()
    accept_forever(80, serve)


if __name__ == "__main__":
    main()

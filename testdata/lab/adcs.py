#!/usr/bin/env python3
"""AD CS web enrolment (/certsrv) and a small intranet application, standing in for IIS.

NTLM authenticates the connection, not the request, as on IIS. A posted request is really signed,
by a key made at start and forgotten at the end.

usage: adcs.py JOURNAL
"""

import base64
import datetime
import os
import re
import socket
import sys
import textwrap
import threading
import urllib.parse

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from journal import Journal
from ntlm_server import NtlmServer
from rpc_proxy import read_head

JOURNAL = Journal(sys.argv[1])
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
ISSUER = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "throw-away lab CA")])
ISSUED = {}
ENROLMENT_PAGE = b"<html><title>Microsoft Active Directory Certificate Services</title></html>"


def serve(connection, peer):
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
                # a new NEGOTIATE starts over, also on a connection that is authenticated
                if exchange is None or token[8:9] == b"\1":
                    exchange = NtlmServer(os.environ["CA_NAME"].upper())
                challenge = exchange.step(token)
                if challenge:
                    offer = [scheme + " " + base64.b64encode(challenge).decode()]
                else:
                    account = f"{exchange.domain}\\{exchange.user}"
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
    frame = "-----{} CERTIFICATE REQUEST-----\n"
    pem = frame.format("BEGIN") + textwrap.fill(text, 64) + "\n" + frame.format("END")
    request = x509.load_pem_x509_csr(pem.encode())
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(request.subject)
        .issuer_name(ISSUER)
        .public_key(request.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(KEY, hashes.SHA256())
    )
    number = len(ISSUED) + 7
    ISSUED[number] = certificate.public_bytes(serialization.Encoding.PEM)
    return number


def main():
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((os.environ["CA"], 80))
    listener.listen(16)
    while True:
        connection, peer = listener.accept()
        threading.Thread(target=serve, args=(connection, peer), daemon=True).start()


if __name__ == "__main__":
    main()

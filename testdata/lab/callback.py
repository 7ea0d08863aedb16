"""The victim's outbound logon: a real client, logging on as the machine account.

  \\\\host\\share     SMB. Run/callback names the client: "libsmbclient" sends a MIC and wants signing,
                    "impacket" does neither, which is what a relay to LDAP needs
  \\\\host@80\\share  WebDAV: OPTIONS, then NTLM on the same connection, then PROPFIND
  host[135]         DCOM: the OXID resolver there, then the port that it names

Only lab addresses are ever contacted.
"""

import base64
import http.client
import ipaddress
import os
import re
import socket
import struct
import subprocess

import methods

VICTIM = os.environ.get("VICTIM", "srv1")
NAMES = dict(entry.split("=") for entry in os.environ["HOSTNAMES"].split())
NAME = NAMES[VICTIM]  # on the wire; VICTIM is the key that the scripts use
MACHINE = NAME.upper() + "$"
PASSWORD = dict(entry.split(":", 1) for entry in os.environ["ACCOUNTS"].split())[MACHINE]
DOMAIN = os.environ["DOMAIN"]
LAB = [ipaddress.ip_network(os.environ[name]) for name in ("LAB_NET", "LAB_NET6")]
IPV6_LITERAL = ".ipv6-literal.net"
OXID_RESOLVER = ("99fcfec4-5260-101b-bbcb-00aa0021347a", "0.0")
REM_UNKNOWN = ("00000143-0000-0000-c000-000000000046", "0.0")


def log_on(path):
    """Follows a path as Windows would; what happened, in words"""
    try:
        host, _, port = methods.host_of(path).partition("@")
        if host.endswith(IPV6_LITERAL):
            host = host.removesuffix(IPV6_LITERAL).replace("-", ":")
        address = address_of(host)
        if port:
            return webdav_logon(host, address, int(port), path)
        return impacket_logon(address) if chosen_client() == "impacket" else smbclient_logon(host)
    except Exception as error:  # whatever went wrong is the outcome that we want to record
        return f"{type(error).__name__}: {error}"[:160]


def address_of(host):
    address = socket.getaddrinfo(host, 445, type=socket.SOCK_STREAM)[0][4][0]
    if not any(ipaddress.ip_address(address) in network for network in LAB):
        raise PermissionError(f"{address} is not in the lab")
    return address


def chosen_client():
    try:
        with open(os.path.join(os.environ["RUN"], "callback"), encoding="utf-8") as file:
            return file.read().strip()
    except FileNotFoundError:
        return "libsmbclient"


def smbclient_logon(host):
    conf = "etc/smb.conf" if VICTIM == "dc1" else "smb.conf"
    result = subprocess.run(
        ["smbclient", f"//{host}/IPC$", "-t", "8", "-c", "exit", "--use-kerberos=off"]
        + ["-s", os.path.join(os.environ["STATE"], VICTIM, conf)]
        + ["-U", f"{DOMAIN}/{MACHINE}%{PASSWORD}"]
        + ["--option=client min protocol=SMB2_02", "--option=client ipc signing=if_required"],
        capture_output=True,
        text=True,
        timeout=25,
        check=False,
    )
    said = (result.stdout + result.stderr).strip().splitlines()
    return f"SMB logon by libsmbclient: {said[-1] if said else 'connected'}"[:160]


def impacket_logon(address):
    from impacket.smbconnection import SMBConnection

    connection = SMBConnection(address, address, timeout=8)
    connection.login(MACHINE, PASSWORD, DOMAIN)
    try:
        connection.connectTree("IPC$")
        said = "connected"
    except Exception as error:
        said = str(error)
    return f"SMB logon by impacket: {said}"[:160]


def webdav_logon(host, address, port, path):
    import spnego

    connection = http.client.HTTPConnection(address, port, timeout=8)
    target = "/" + "/".join(path.strip("\\").split("\\")[1:])
    status = None

    def send(method, authorization=None):
        headers = {
            "Connection": "Keep-Alive",
            "User-Agent": "Microsoft-WebDAV-MiniRedir/10.0.20348",
            "translate": "f",
            "Host": host if port == 80 else f"{host}:{port}",
            "Content-Length": "0",
        }
        if method == "PROPFIND":
            headers["Depth"] = "0"
        if authorization:
            headers["Authorization"] = "NTLM " + base64.b64encode(authorization).decode()
        connection.request(method, target, headers=headers)
        answer = connection.getresponse()
        answer.read()
        return answer

    for method in ("OPTIONS", "PROPFIND"):
        answer = send(method)
        if answer.status == 401:
            client = spnego.client(
                f"{DOMAIN}\\{MACHINE}", PASSWORD, hostname=host, service="HTTP", protocol="ntlm"
            )
            challenge = send(method, client.step()).headers.get("WWW-Authenticate", "")
            token = base64.b64decode(challenge.partition("NTLM ")[2])
            answer = send(method, client.step(token))
        status = answer.status
    connection.close()
    return f"WebDAV logon by pyspnego: HTTP {status}"


def dcom_logon(binding):
    """Resolves a foreign object: ServerAlive2 without and ResolveOxid2 with credentials, then a call
    with integrity at the port that the resolver names"""
    from impacket.dcerpc.v5 import transport
    from impacket.uuid import uuidtup_to_bin

    def bind(where, interface, level):
        rpc = transport.DCERPCTransportFactory(where).get_dce_rpc()
        if level > 1:
            rpc.set_credentials(MACHINE, PASSWORD, DOMAIN)
            rpc.set_auth_level(level)
        rpc.connect()
        rpc.bind(uuidtup_to_bin(interface))
        return rpc

    try:
        host = address_of(binding.partition("[")[0])
        rpc = bind(f"ncacn_ip_tcp:{host}[135]", OXID_RESOLVER, 1)
        rpc.call(5, b"")  # ServerAlive2
        rpc.recv()
        rpc.disconnect()
        rpc = bind(f"ncacn_ip_tcp:{host}[135]", OXID_RESOLVER, 2)
        rpc.call(4, struct.pack("<QHHIH", 0x1122334455667788, 1, 0, 1, 7))  # ResolveOxid2
        text = rpc.recv().decode("utf-16-le", "replace")
        rpc.disconnect()
        port = re.search(r"\[(\d+)\]", text).group(1)
        rpc = bind(f"ncacn_ip_tcp:{host}[{port}]", REM_UNKNOWN, 5)
        rpc.call(4, bytes(32))  # RemAddRef; the credentials are on the wire, the answer does not matter
        rpc.disconnect()
        return f"DCOM logon by impacket: 135, then {port}"
    except Exception as error:
        return f"DCOM logon by impacket: {type(error).__name__}: {error}"[:160]

"""The victim's outbound logon: a real client, logging on as the machine account.

Run/callback names the SMB client: "libsmbclient" sends a MIC and wants signing, "impacket" does
neither, which is what a relay to LDAP needs. Only lab addresses are ever contacted.
"""

import ipaddress
import os
import re
import socket
import subprocess

MACHINE = os.environ["SRV_NAME"].upper() + "$"
PASSWORD = dict(entry.split(":", 1) for entry in os.environ["ACCOUNTS"].split())[MACHINE]
LAB = ipaddress.ip_network(os.environ["LAB_NET"])


def log_on(path):
    """Follows a UNC path as Windows would; what happened, in words"""
    try:
        host = host_of(path)
        address = socket.gethostbyname(host)
        if ipaddress.ip_address(address) not in LAB:
            return f"refused: {address} is not in the lab"
        return impacket_logon(address) if chosen_client() == "impacket" else smbclient_logon(host)
    except Exception as error:  # whatever went wrong is the outcome that we want to record
        return f"{type(error).__name__}: {error}"[:160]


def host_of(path):
    path = re.sub(r"^\\\\\?\\UNC\\", r"\\\\", path, flags=re.IGNORECASE)
    return path.lstrip("\\").split("\\")[0]


def chosen_client():
    try:
        with open(os.path.join(os.environ["RUN"], "callback"), encoding="utf-8") as file:
            return file.read().strip()
    except FileNotFoundError:
        return "libsmbclient"


def smbclient_logon(host):
    result = subprocess.run(
        ["smbclient", f"//{host}/IPC$", "-t", "8", "-c", "exit", "--use-kerberos=off"]
        + ["-s", os.path.join(os.environ["STATE"], "srv1", "smb.conf")]
        + ["-U", f"{os.environ['DOMAIN']}/{MACHINE}%{PASSWORD}"]
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
    connection.login(MACHINE, PASSWORD, os.environ["DOMAIN"])
    try:
        connection.connectTree("IPC$")
        said = "connected"
    except Exception as error:
        said = str(error)
    return f"SMB logon by impacket: {said}"[:160]

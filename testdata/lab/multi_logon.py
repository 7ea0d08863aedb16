"""An SMB client that logs on again on the same connection when its session has expired, as Windows
does. A listener that relays one client to several targets makes use of that.

usage: multi_logon.py ADDRESS TIMES
"""

import os
import sys
import uuid

from smbprotocol.connection import Connection, Dialects
from smbprotocol.exceptions import SMBException
from smbprotocol.session import Session
from smbprotocol.tree import TreeConnect

MACHINE = os.environ["SRV_NAME"].upper() + "$"
PASSWORD = dict(entry.split(":", 1) for entry in os.environ["ACCOUNTS"].split())[MACHINE]


def main():
    address, times = sys.argv[1], int(sys.argv[2])
    connection = Connection(uuid.uuid4(), address, 445, require_signing=False)
    connection.connect(Dialects.SMB_2_0_2, timeout=8)
    account = f"{os.environ['DOMAIN']}\\{MACHINE}"
    for _ in range(times):
        session = Session(
            connection, account, PASSWORD, require_encryption=False, auth_protocol="ntlm"
        )
        try:
            session.connect()
            tree = TreeConnect(session, rf"\\{address}\IPC$")
            tree.connect(require_secure_negotiate=False)
            print("connected")
        except SMBException as error:
            print(str(error)[:200])


if __name__ == "__main__":
    main()

"""An SMB server of impacket's with a challenge that is always the same, as rogue servers have it.

usage: rogue_smb.py ADDRESS CHALLENGE-IN-HEX
"""

import sys

from impacket import smbserver


def main():
    address, challenge = sys.argv[1:]
    server = smbserver.SimpleSMBServer(listenAddress=address, listenPort=445)
    server.setSMB2Support(True)
    server.setSMBChallenge(challenge)
    server.setLogFile("/dev/null")
    server.start()


if __name__ == "__main__":
    main()

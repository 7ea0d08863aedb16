#!/usr/bin/env python3
"""Ordinary clients that Samba's tools have no command for. impacket speaks the protocols.

usage: benign_calls.py WHAT HOST USER PASSWORD [ARGUMENT...]

  efs-local PATH...       EFSR on the server's own files, opnums 0, 4 and 6
  notify-old NAME         RpcRemoteFindFirstPrinterChangeNotification (62) in the caller's own name
  driver PATH             RpcAddPrinterDriverEx (89), driver files by PATH
  event-backup PATH       ElfrBackupELFW (1 of the EVENTLOG interface) to a local path
  enrol CSR LEVEL         CertServerRequest (MS-ICPR 3.1.4.1.1), template User or Machine
  reauthenticate          SESSION_SETUP twice more on one SMB session
  kerberos-by-name NAME   SMB with a ticket for cifs/NAME, which may be an address
  nas ADDRESS             not a client: an SMB server whose challenge never changes
"""

import ipaddress
import os
import struct
import sys

from impacket.dcerpc.v5 import epm, icpr, transport, rpcrt
from impacket.dcerpc.v5.dtypes import NULL
from impacket.smb3structs import SMB2_DIALECT_21
from impacket.smbconnection import SMBConnection
from impacket.uuid import uuidtup_to_bin

LAB = ipaddress.ip_network(os.environ["LAB_NET"])
DOMAIN = os.environ["DOMAIN"]
EFSR = ("c681d488-d850-11d0-8c52-00c04fd90f7e", "1.0")
SPOOLSS = ("12345678-1234-abcd-ef00-0123456789ab", "1.0")
EVENTLOG = ("82273fdc-e32a-18c3-3f78-827929dc23ea", "0.0")


def smb(host, user, password):
    """SMB 2.1 has no encryption: what goes over the pipes stays readable"""
    connection = SMBConnection(host, host, preferredDialect=SMB2_DIALECT_21, timeout=10)
    connection.login(user, password, DOMAIN)
    return connection


def pipe(connection, name, interface):
    string = transport.SMBTransport(connection.getRemoteHost(), filename=name, smb_connection=connection)
    rpc = string.get_dce_rpc()
    rpc.connect()
    rpc.bind(uuidtup_to_bin(interface))
    return rpc


def ask(rpc, opnum, stub):
    """A refusal is an answer too; the request is on the wire"""
    try:
        rpc.call(opnum, stub)
        rpc.recv()
    except rpcrt.DCERPCException as error:
        print(opnum, error)


def text(value):
    """NDR conformant and varying string, aligned to four bytes"""
    data = (value + "\0").encode("utf-16-le")
    head = struct.pack("<III", len(value) + 1, 0, len(value) + 1)
    return head + data + bytes(-len(data) % 4)


def efs_local(host, user, password, *paths):
    connection = smb(host, user, password)
    rpc = pipe(connection, r"\lsarpc", EFSR)
    for path in paths:
        ask(rpc, 0, text(path) + struct.pack("<I", 0))  # EfsRpcOpenFileRaw
        ask(rpc, 4, text(path))  # EfsRpcEncryptFileSrv
        ask(rpc, 6, text(path))  # EfsRpcQueryUsersOnFile


def notify_old(host, user, password, name):
    connection = smb(host, user, password)
    rpc = pipe(connection, r"\spoolss", SPOOLSS)
    rpc.call(1, struct.pack("<I", 0) + struct.pack("<IIII", 0, 0, 0, 0x8))  # RpcOpenPrinter of the server
    handle = rpc.recv()[:20]
    # MS-RPRN 3.1.4.10.3: hPrinter, fdwFlags, fdwOptions, pszLocalMachine, dwPrinterLocal, cbBuffer, pBuffer
    stub = handle + struct.pack("<III", 0x100, 0, 0x20000) + text(name) + struct.pack("<III", 0, 0, 0)
    ask(rpc, 62, stub)


def driver(host, user, password, path):
    from impacket.dcerpc.v5 import rprn

    connection = smb(host, user, password)
    rpc = pipe(connection, r"\spoolss", SPOOLSS)
    container = rprn.DRIVER_CONTAINER()
    container["Level"] = 2
    container["DriverInfo"]["tag"] = 2
    info = container["DriverInfo"]["Level2"]
    info["cVersion"] = 3
    info["pName"] = "Office printer\0"
    info["pEnvironment"] = "Windows x64\0"
    info["pDriverPath"] = path + "\\unidrv.dll\0"
    info["pDataFile"] = path + "\\office.gpd\0"
    info["pConfigFile"] = path + "\\unidrvui.dll\0"
    flags = rprn.APD_COPY_ALL_FILES | 0x10
    try:
        rprn.hRpcAddPrinterDriverEx(rpc, pName=f"\\\\{host}\0", pDriverContainer=container, dwFileCopyFlags=flags)
    except rpcrt.DCERPCException as error:
        print(error)


def event_backup(host, user, password, path):
    connection = smb(host, user, password)
    rpc = pipe(connection, r"\eventlog", EVENTLOG)

    def counted(value):  # RPC_UNICODE_STRING with its own pointer
        length = 2 * len(value)
        return struct.pack("<HHI", length, length, 0x20004), struct.pack("<III", length // 2, 0, length // 2) + value.encode("utf-16-le") + bytes(-length % 4)

    log, backup = counted("Application"), counted(path)
    empty = struct.pack("<HHI", 0, 0, 0)
    # ElfrOpenELW (7): UNCServerName, ModuleName, RegModuleName, MajorVersion, MinorVersion
    rpc.call(7, struct.pack("<I", 0) + log[0] + log[1] + empty + struct.pack("<II", 1, 1))
    handle = rpc.recv()[:20]
    ask(rpc, 1, handle + backup[0] + backup[1])  # ElfrBackupELFW


def enrol(host, user, password, csr, level):
    string = epm.hept_map(host, icpr.MSRPC_UUID_ICPR, protocol="ncacn_ip_tcp")
    rpc = transport.DCERPCTransportFactory(string)
    rpc.set_credentials(user, password, DOMAIN)
    rpc = rpc.get_dce_rpc()
    rpc.set_auth_level(int(level))
    rpc.connect()
    rpc.bind(icpr.MSRPC_UUID_ICPR)
    with open(csr, "rb") as file:
        request = file.read()
    template = "Machine" if user.endswith("$") else "User"
    answer = icpr.hIcprRpcCertServerRequest(rpc, request, [f"CertificateTemplate:{template}"], "lab-CA")
    print({key: answer[key] for key in answer if key != "cert"} if isinstance(answer, dict) else answer)


def reauthenticate(host, user, password):
    connection = smb(host, user, password)
    for _ in range(2):
        connection.listPath("share", "*")
        # impacket keeps the session's id, and a SESSION_SETUP with one is a re-authentication
        connection.login(user, password, DOMAIN)
    connection.logoff()


def kerberos_by_name(host, user, password, name):
    connection = SMBConnection(name, host, timeout=10)
    connection.kerberosLogin(user, password, os.environ["REALM"], kdcHost=os.environ["DC"])
    connection.connectTree("share")
    connection.logoff()


def nas(address, user, password):
    from impacket import ntlm, smbserver
    from impacket.smb3structs import SMB2Negotiate_Response

    server = smbserver.SimpleSMBServer(address, 445)
    server.addShare("PUBLIC", os.environ["RUN"])
    server.setSMB2Support(True)
    server.setSMBChallenge("5a3c96e1d2780b4f")
    server.addCredential(user, 0, ntlm.compute_lmhash(password).hex(), ntlm.compute_nthash(password).hex())
    # impacket's own identity is that of a tool; an appliance has one of its own
    plain = smbserver.SMB2Commands.smb2Negotiate

    def negotiate(*arguments, **named):
        answer = plain(*arguments, **named)
        for packet in answer[1] or []:
            if isinstance(packet["Data"], bytes):
                body = SMB2Negotiate_Response(packet["Data"])
            else:
                body = packet["Data"]
            body["ServerGuid"] = b"NAS-0815-000417\0"
            packet["Data"] = body
        return answer

    smbserver.SMB2Commands.smb2Negotiate = staticmethod(negotiate)
    server._SimpleSMBServer__server.hookSmb2Command(0, negotiate)
    server.start()


def main():
    what, host, user, password, *arguments = sys.argv[1:]
    if ipaddress.ip_address(host) not in LAB:
        sys.exit(f"{host} is not in the lab")
    globals()[what.replace("-", "_")](host, user, password, *arguments)


if __name__ == "__main__":
    main()

